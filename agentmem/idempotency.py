"""Idempotency keys: what a write did, kept in its own transaction, so that repeating it gives the first result."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Final

from sqlmodel import col, delete, select, update
from typing_extensions import TypedDict

from agentmem.aliases import current_user, find_current_user
from agentmem.database import in_batches
from agentmem.errors import ConflictError, NotFoundError
from agentmem.stored import StoredFormat
from agentmem.tables import ArchivalLineRow, IdempotencyKeyRow

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement
    from sqlmodel import Session

    from agentmem.models import Scope

_FORGOTTEN: Final = ""


class _StoredResult(TypedDict):
    """What a write gave back, as it is stored: the ids or versions that it made."""

    result: list[str]


_FORMAT: Final = StoredFormat(
    "idempotency_key.result", _StoredResult, number=1, older={0: lambda result: {"result": result}}
)


class FirstResult:
    """The first result of one write: one scope, one key, one operation, one content.

    Without a key nothing is looked up and nothing is kept. Once a part of what
    was written is deleted, the key no longer knows what all of it was.

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
        """Return the first result, or None when the write was not done yet; that of a deleted block is empty.

        Raises:
            ConflictError: The key was used for another write.
        """
        if self._key is None:
            return None
        row = session.exec(
            select(IdempotencyKeyRow).where(
                IdempotencyKeyRow.tenant_id == self._scope.tenant_id,
                IdempotencyKeyRow.user_id == current_user(self._scope.tenant_id, self._scope.user_id),
                IdempotencyKeyRow.agent_id == (self._scope.agent_id or ""),
                IdempotencyKeyRow.key == self._key,
            )
        ).one_or_none()
        if row is None:
            return None
        if row.operation != self._operation or row.fingerprint not in {self._fingerprint, _FORGOTTEN}:
            raise used()
        return _FORMAT.read(row.result)["result"]

    def keep(self, session: Session, result: Sequence[str], moment: datetime, *, block_id: str | None) -> None:
        """Keep the result with the write; `block_id` names the block or archival header it wrote to."""
        if self._key is None:
            return
        session.add(
            IdempotencyKeyRow(
                tenant_id=self._scope.tenant_id,
                user_id=find_current_user(session, self._scope.tenant_id, self._scope.user_id),
                agent_id=self._scope.agent_id or "",
                key=self._key,
                operation=self._operation,
                fingerprint=self._fingerprint,
                result=_FORMAT.write({"result": list(result)}),
                block_id=block_id,
                created_at=moment,
            )
        )


def forget_block(session: Session, block_id: str) -> None:
    """Empty what the keys of a block's writes know of its content: a fingerprint tells who can guess the text."""
    statement = update(IdempotencyKeyRow).where(col(IdempotencyKeyRow.block_id) == block_id)
    session.exec(statement.values(fingerprint=_FORGOTTEN, result=_FORMAT.write({"result": []})))


def forget_lines(session: Session, block_id: str, line_ids: Sequence[str]) -> None:
    """The same for the writes that these archival lines came from; their keys still know the lines that are left."""
    for some in in_batches(line_ids):
        keys = select(ArchivalLineRow.idempotency_key).where(col(ArchivalLineRow.id).in_(some))
        statement = update(IdempotencyKeyRow).where(
            col(IdempotencyKeyRow.block_id) == block_id, col(IdempotencyKeyRow.key).in_(keys)
        )
        session.exec(statement.values(fingerprint=_FORGOTTEN))


def move(session: Session, loser: Scope, winner: Scope) -> None:
    """Make the keys of one scope another's; a key that both used is the winner's."""

    def of(scope: Scope) -> tuple[ColumnElement[bool], ...]:
        return (
            col(IdempotencyKeyRow.tenant_id) == scope.tenant_id,
            col(IdempotencyKeyRow.user_id) == scope.user_id,
            col(IdempotencyKeyRow.agent_id) == (scope.agent_id or ""),
        )

    taken = select(IdempotencyKeyRow.key).where(*of(winner))
    session.exec(delete(IdempotencyKeyRow).where(*of(loser), col(IdempotencyKeyRow.key).in_(taken)))
    session.exec(update(IdempotencyKeyRow).where(*of(loser)).values(user_id=winner.user_id))


def move_block(session: Session, old_id: str, new_id: str) -> None:
    """Say of the writes to one archival header that they were to another one, which has their lines now."""
    statement = update(IdempotencyKeyRow).where(col(IdempotencyKeyRow.block_id) == old_id)
    session.exec(statement.values(block_id=new_id))


def used() -> ConflictError:
    """Return the answer to a key that belongs to another write."""
    return ConflictError(
        "it was used before, for another write",
        field="idempotency_key",
        advice="use a new key for new content",
        code="idempotency_key_used",
    )


def deleted() -> NotFoundError:
    """Return the answer to a repetition when nothing is left of what was written."""
    return NotFoundError(
        "what it wrote was deleted since",
        field="idempotency_key",
        advice="use a new key to write it again",
        code="deleted",
    )
