"""Conversations that were left open: ended, each with what its state has for memory, without waiting for anybody."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from sqlmodel import and_, col, or_, select

from agentmem import expiry
from agentmem.conversations.store import ASSISTANT
from agentmem.database import rows
from agentmem.errors import AgentMemError
from agentmem.tables import ConversationRow
from agentmem.transaction import Writer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy import ColumnElement

    from agentmem.conversations.store import ConversationStore
    from agentmem.transaction import Transaction, Transactions

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class IdleReport:
    """What became of them.

    Args:
        ended: How many were ended.
        pending: What could not be done, in words; those are open as before.
    """

    ended: int
    pending: tuple[str, ...] = ()


class IdleConversations:
    """Ends conversations of any tenant that nobody goes on with.

    Those that hold nothing for memory go many at a time. The others take a
    transaction each, which locks the person before the conversation, as every
    writer does, and patches the facts as of when it was last heard of.

    Args:
        transactions: What reads and writes them.
        conversations: What ends one.
        idle_minutes: How long one has to be silent.
        at_once: How many are ended, or looked for, in one transaction.
    """

    def __init__(
        self,
        transactions: Transactions,
        conversations: ConversationStore,
        *,
        idle_minutes: int,
        at_once: int = 500,
    ) -> None:
        self._transactions = transactions
        self._conversations = conversations
        self._idle = timedelta(minutes=idle_minutes)
        self._at_once = at_once

    def end(self, now: datetime) -> IdleReport:
        """End those that are idle, the longest first; one that somebody is at, or writes of, is left for the next time.

        One that cannot be ended stays open with all it holds, is told of, and
        stands in nobody's way.

        Args:
            now: What time to take it for.

        Raises:
            BackendError: The database could not be read.
        """
        ended = 0
        while done := self._transactions.write(self._end_empty, writer=Writer(ASSISTANT), now=now):
            ended += done
        failed: list[AgentMemError] = []
        for tenant_id, conversation_id in self._holding_state(now):
            try:
                ended += self._transactions.write(
                    partial(self._end_one, tenant_id=tenant_id, conversation_id=conversation_id),
                    writer=Writer(ASSISTANT, conversation_id=conversation_id),
                    now=now,
                )
            except AgentMemError as error:
                _log.warning("a conversation that was left open could not be ended: %s", error)
                failed.append(error)
        return IdleReport(ended, _told(failed))

    def _end_empty(self, tx: Transaction) -> int:
        """End some whose state is empty; it is asked for where they are locked, so none of it is lost."""
        statement = (
            select(ConversationRow)
            .where(*self._left_open(tx.now), col(ConversationRow.state).is_(None))
            .order_by(col(ConversationRow.last_active_at))
            .limit(self._at_once)
            .with_for_update(skip_locked=True)
        )
        found = tx.session.exec(statement).all()
        for row in found:
            self._conversations.end_left_open(tx, row)
        return len(found)

    def _end_one(self, tx: Transaction, *, tenant_id: str, conversation_id: str) -> int:
        """End one, unless it goes on, or somebody writes of it or of who it is with; how many were ended."""
        named = ConversationRow.id == conversation_id, ConversationRow.tenant_id == tenant_id
        contact_id = tx.session.exec(select(ConversationRow.contact_id).where(*named)).one_or_none()
        if contact_id is None or not tx.try_lock(tenant_id, contact_id):
            return 0
        statement = (
            select(ConversationRow)
            .where(*named, *self._left_open(tx.now), ConversationRow.contact_id == contact_id)
            .with_for_update(skip_locked=True)
            .execution_options(populate_existing=True)
        )
        row = tx.session.exec(statement).one_or_none()
        if row is None:
            return 0
        self._conversations.end_left_open(tx, row)
        return 1

    def _holding_state(self, now: datetime) -> Iterator[tuple[str, str]]:
        """Yield the tenants and ids of those that hold something, read in pages and locked by nobody."""
        row, after = ConversationRow, list["ColumnElement[bool]"]()
        heard: Any = col(row.last_active_at)
        while True:
            statement: Any = select(row.tenant_id, row.id, row.last_active_at).where(
                *self._left_open(now), col(row.state).is_not(None), *after
            )
            with self._transactions.read(now) as snapshot:
                page = rows(snapshot.session, statement.order_by(heard, col(row.id)).limit(self._at_once))
            if not page:
                return
            yield from ((one.tenant_id, one.id) for one in page)
            last = page[-1]
            after = [or_(heard > last.last_active_at, and_(heard == last.last_active_at, col(row.id) > last.id))]

    def _left_open(self, now: datetime) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        silent_since = expiry.back(now, self._idle)
        return col(ConversationRow.status) == "open", col(ConversationRow.last_active_at) <= silent_since


def _told(failed: list[AgentMemError]) -> tuple[str, ...]:
    """Return what to say of those that failed: each reason once."""
    reasons = list(dict.fromkeys(map(str, failed)))
    return tuple(f"conversations that were left open: {reason}" for reason in reasons)
