"""Idempotency keys: what a write did, kept in its own transaction, so that repeating it gives the first result."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, cast

from agentmem.errors import ConflictError
from agentmem.tables import WriteReceiptRow

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlmodel import Session

    from agentmem.models import Scope


class Receipts:
    """The receipts of one write: one scope, one key, one operation, one content.

    Without a key nothing is looked up and nothing is kept.

    Args:
        scope: Whose write it is; a key means something only there.
        key: The caller's idempotency key.
        operation: What is done, such as `append`.
        content: Everything that makes the write what it is, as JSON values.
    """

    def __init__(self, scope: Scope, key: str | None, operation: str, content: Sequence[object]) -> None:
        self._scope = scope
        self._key = key
        self._operation = operation
        said = json.dumps([operation, *content], ensure_ascii=True, default=str)
        self._fingerprint = hashlib.sha256(said.encode()).hexdigest()

    def find(self, session: Session) -> list[str] | None:
        """The first result, or None when the write was not done yet.

        Raises:
            ConflictError: The key was used for another write.
        """
        if self._key is None:
            return None
        row = session.get(WriteReceiptRow, (*self._owner(), self._key))
        if row is None:
            return None
        if row.fingerprint != self._fingerprint:
            raise ConflictError("idempotency_key: it was used before, for another write; use a new key for new content")
        return cast("list[str]", json.loads(row.result))

    def keep(self, session: Session, result: Sequence[str], moment: datetime) -> None:
        """Keep the result with the write."""
        if self._key is None:
            return
        tenant_id, user_id, agent_id = self._owner()
        session.add(
            WriteReceiptRow(
                tenant_id=tenant_id,
                user_id=user_id,
                agent_id=agent_id,
                key=self._key,
                operation=self._operation,
                fingerprint=self._fingerprint,
                result=json.dumps(list(result)),
                created_at=moment,
            )
        )

    def _owner(self) -> tuple[str, str, str]:
        return self._scope.tenant_id, self._scope.user_id, self._scope.agent_id or ""
