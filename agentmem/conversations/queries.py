"""Looking back: what an agent had, what was said and what was written, without what is over or was deleted since."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, TypeVar, cast

from sqlmodel import Session, and_, col, or_, select

from agentmem import changes, expiry
from agentmem.aliases import beginning
from agentmem.contacts.reading import message
from agentmem.conversations import contexts
from agentmem.database import RacedError, in_batches
from agentmem.errors import NotFoundError
from agentmem.models import Scope
from agentmem.records import (
    AgentMemories,
    AgentMemory,
    ContactMemory,
    ConversationContext,
    ConversationRecord,
    Extraction,
    Handoff,
    MemoryChange,
    Message,
    Status,
)
from agentmem.tables import ARCHIVAL, ArchivalLineRow, ConversationRow, MemoryBlockRow, MemoryChangeRow, MessageRow
from agentmem.wording import Phrase, Wording

if TYPE_CHECKING:
    import builtins
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Mapped

    from agentmem.archival.lines.store import ArchivalStore
    from agentmem.contacts.store import ContactStore
    from agentmem.conversations.contexts import ContextSnapshot
    from agentmem.transaction import Snapshot, Transaction, Transactions

T = TypeVar("T", MemoryChange, Message)

MOST_MEMORIES: Final = 500
"""The most memories that an agent's list shows."""


class ConversationQueries:
    """Conversations as they are looked back at.

    Args:
        transactions: What reads them.
        contacts: Who they are with.
        archival: The lines that were put into their prompts.
    """

    def __init__(self, transactions: Transactions, *, contacts: ContactStore, archival: ArchivalStore) -> None:
        self._transactions = transactions
        self._contacts = contacts
        self._archival = archival

    def get(self, tenant_id: str, conversation_id: str) -> ConversationRecord:
        """Return one conversation.

        Raises:
            NotFoundError: There is none of this id, or it outlived its agent's retention.
        """
        with self._transactions.read() as snapshot:
            return self._records(snapshot, [find(snapshot, tenant_id, conversation_id)])[0]

    def find(self, tenant_id: str, thread_id: str) -> ConversationRecord | None:
        """Return the open conversation of a thread, or None."""
        with self._transactions.read() as snapshot:
            row = open_in_thread(snapshot.session, tenant_id, thread_id)
            if row is None or is_over(snapshot, row):
                return None
            return self._records(snapshot, [row])[0]

    def list(
        self, tenant_id: str, *, agent_id: str | None, user_id: str | None, limit: int, after: str | None
    ) -> builtins.list[ConversationRecord]:
        """Conversations, the newest first, then by id; `after` is the last one of the page before.

        Raises:
            NotFoundError: There is no conversation `after`.
        """
        with self._transactions.read() as snapshot:
            chosen: builtins.list[ColumnElement[bool]] = [col(ConversationRow.tenant_id) == tenant_id]
            if agent_id is not None:
                chosen.append(col(ConversationRow.agent_id) == agent_id)
            if user_id is not None:
                contact = self._contacts.winner(snapshot.session, tenant_id, user_id)
                if contact is None:
                    return []
                chosen.append(col(ConversationRow.contact_id) == contact.id)
            last = None if after is None else find(snapshot, tenant_id, after)
            return self._records(snapshot, _live(snapshot, chosen, last, limit))

    def ids(self, tenant_id: str, prefix: str, *, limit: int) -> builtins.list[str]:
        """Return the ids of conversations that begin with a prefix, the newest first."""
        chosen = [col(ConversationRow.tenant_id) == tenant_id, beginning(ConversationRow.id, prefix)]
        with self._transactions.read() as snapshot:
            return [row.id for row in _live(snapshot, chosen, None, limit)]

    def memories(self, tenant_id: str, agent_id: str) -> AgentMemories:
        """Return what one agent remembers of everyone, the newest first, and of those the last; at most 500."""
        with self._transactions.read() as snapshot:
            end = expiry.cutoff(snapshot.now, expiry.retention_days(snapshot.session, tenant_id, agent_id))
            statement = (
                select(ArchivalLineRow, MemoryBlockRow.user_id)
                .join(MemoryBlockRow, col(MemoryBlockRow.id) == ArchivalLineRow.block_id)
                .where(
                    MemoryBlockRow.tenant_id == tenant_id,
                    MemoryBlockRow.agent_id == agent_id,
                    MemoryBlockRow.block_type == ARCHIVAL,
                    col(MemoryBlockRow.deleted_at).is_(None),
                    col(ArchivalLineRow.deleted_at).is_(None),
                )
                .order_by(col(ArchivalLineRow.created_at).desc(), col(ArchivalLineRow.position).desc())
                .limit(MOST_MEMORIES)
            )
            if end is not None:
                statement = statement.where(col(ArchivalLineRow.updated_at) > end)
            return AgentMemories(tuple(_memory(line, user_id) for line, user_id in snapshot.session.exec(statement)))

    def _records(self, snapshot: Snapshot, rows: Sequence[ConversationRow]) -> builtins.list[ConversationRecord]:
        """Return the rows as values; what hangs off them is read for all of them at once."""
        ids = [row.id for row in rows]
        kept = {row.id: contexts.unpacked(row.context) for row in rows}
        recent = [message_id for one in kept.values() for message_id in one.message_ids]
        said = _by_conversation(_messages(snapshot, col(MessageRow.conversation_id), ids))
        before = {message.id: message for message in _messages(snapshot, col(MessageRow.id), recent)}
        changed = _by_conversation(_changes(snapshot, ids))
        return [
            _record(
                row,
                context=self._context(snapshot, row, kept[row.id], before),
                changed=changed[row.id],
                said=said[row.id],
            )
            for row in rows
        ]

    def _context(
        self, snapshot: Snapshot, row: ConversationRow, kept: ContextSnapshot, before: Mapping[str, Message]
    ) -> ConversationContext:
        """Return what the agent had, without what is over by now or was deleted."""
        if row.contact_id is None:
            return ConversationContext(ContactMemory("", row.agent_id))
        days = expiry.retention_days(snapshot.session, row.tenant_id, row.agent_id)
        left = contexts.living(kept, now=snapshot.now, days=days, most_days=snapshot.max_fact_days)
        memory = ContactMemory(
            contact_id=row.contact_id,
            agent_id=row.agent_id,
            facts={fact.key: fact.value for fact in left.facts},
            fact_records=left.facts,
            summary=left.summary,
            entities=left.entities,
            open_items=left.open_items,
            recent_messages=tuple(before[one] for one in left.message_ids if one in before),
            version=left.version,
            updated_at=left.updated_at,
        )
        scope = Scope(row.tenant_id, row.contact_id, row.agent_id)
        lines = self._archival.lines(snapshot, scope, kept.line_ids)
        return ConversationContext(memory, tuple(lines[one] for one in kept.line_ids if one in lines))


def find(snapshot: Snapshot, tenant_id: str, conversation_id: str) -> ConversationRow:
    """Return the row of a conversation.

    Raises:
        NotFoundError: There is none of this id, or it outlived its agent's retention.
    """
    statement = select(ConversationRow).where(*_named(tenant_id, conversation_id))
    return _there(snapshot, snapshot.session.exec(statement).one_or_none())


def find_to_write(tx: Transaction, tenant_id: str, conversation_id: str) -> ConversationRow:
    """Return the row of a conversation, locked after who it is with.

    Raises:
        NotFoundError: There is none of this id, or it outlived its agent's retention.
        RacedError: Who it is with was found out, or merged, in between.
    """
    if not tx.has_rivals:
        return find(tx, tenant_id, conversation_id)
    named = _named(tenant_id, conversation_id)
    caller = tx.session.exec(select(ConversationRow.contact_id).where(*named)).one_or_none()
    tx.lock(tenant_id, *([] if caller is None else [caller]))
    statement = select(ConversationRow).where(*named).with_for_update().execution_options(populate_existing=True)
    row = tx.session.exec(statement).one_or_none()
    if row is not None and row.contact_id != caller:
        raise RacedError
    return _there(tx, row)


def _named(tenant_id: str, conversation_id: str) -> tuple[bool, bool]:
    return ConversationRow.id == conversation_id, ConversationRow.tenant_id == tenant_id


def _there(snapshot: Snapshot, row: ConversationRow | None) -> ConversationRow:
    if row is None or is_over(snapshot, row):
        raise NotFoundError(
            "there is no such conversation",
            field="conversation_id",
            advice=Wording(Phrase.LIST_CONVERSATIONS, " has those there are"),
        )
    return row


def open_in_thread(
    session: Session, tenant_id: str, thread_id: str, *, to_write: bool = False
) -> ConversationRow | None:
    """Return the row of a thread's open conversation, as it is now and locked where it is to be written."""
    statement = select(ConversationRow).where(
        ConversationRow.tenant_id == tenant_id,
        ConversationRow.thread_id == thread_id,
        ConversationRow.status == "open",
    )
    if to_write:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    return session.exec(statement).one_or_none()


def is_over(snapshot: Snapshot, row: ConversationRow) -> bool:
    """Return whether a conversation outlived its agent's retention."""
    days = expiry.retention_days(snapshot.session, row.tenant_id, row.agent_id)
    return expiry.over(row.ended_at or row.last_active_at, snapshot.now, days)


def _live(
    snapshot: Snapshot, chosen: Sequence[ColumnElement[bool]], last: ConversationRow | None, limit: int
) -> list[ConversationRow]:
    """Return the first conversations after the last one that have not outlived their retention, the newest first."""
    found: list[ConversationRow] = []
    while len(found) < limit:
        ordered = select(ConversationRow).where(*chosen, *([] if last is None else [_after(last)]))
        ordered = ordered.order_by(col(ConversationRow.started_at).desc(), col(ConversationRow.id)).limit(limit)
        page = snapshot.session.exec(ordered).all()
        found += [row for row in page if not is_over(snapshot, row)]
        if len(page) < limit:
            break
        last = page[-1]
    return found[:limit]


def _after(last: ConversationRow) -> ColumnElement[bool]:
    began, begun = col(ConversationRow.started_at), last.started_at
    return or_(began < begun, and_(began == begun, col(ConversationRow.id) > last.id))


def _messages(snapshot: Snapshot, column: Mapped[str], ids: Sequence[str]) -> Iterator[Message]:
    """Yield the messages with these values in a column that are not over, in order."""
    for some in in_batches(ids):
        statement = (
            select(
                MessageRow,
                ConversationRow.channel,
                expiry.retention_column(ConversationRow.tenant_id, ConversationRow.agent_id),
            )
            .join(ConversationRow, col(ConversationRow.id) == MessageRow.conversation_id)
            .where(column.in_(some))
            .order_by(col(MessageRow.conversation_id), col(MessageRow.position))
        )
        for row, channel, days in snapshot.session.exec(statement).all():
            if not expiry.over(row.created_at, snapshot.now, days):
                yield message(row, channel)


def _changes(snapshot: Snapshot, ids: Sequence[str]) -> Iterator[MemoryChange]:
    for some in in_batches(ids):
        of_these = col(MemoryChangeRow.conversation_id).in_(some)
        yield from changes.feed(snapshot.session, of_these, now=snapshot.now, max_fact_days=snapshot.max_fact_days)


def _by_conversation(values: Iterable[T]) -> dict[str | None, list[T]]:
    grouped: dict[str | None, list[T]] = defaultdict(list)
    for value in values:
        grouped[value.conversation_id].append(value)
    return grouped


def _record(
    row: ConversationRow,
    *,
    context: ConversationContext,
    changed: Sequence[MemoryChange],
    said: Sequence[Message],
) -> ConversationRecord:
    return ConversationRecord(
        id=row.id,
        agent_id=row.agent_id,
        version=row.version,
        caller_identity=row.contact_id or "",
        channel=row.channel,
        thread_id=row.thread_id,
        status=cast("Status", row.status),
        started_at=row.started_at,
        ended_at=row.ended_at,
        qa=row.qa,
        handoff=None if row.handoff_to is None else Handoff(row.handoff_to, row.handoff_reason),
        extraction=cast("Extraction", row.extraction),
        extraction_note=row.extraction_note,
        context=context,
        changes=tuple(changed),
        messages=tuple(said),
    )


def _memory(line: ArchivalLineRow, user_id: str) -> AgentMemory:
    return AgentMemory(
        id=line.id,
        caller_identity=user_id,
        fact=line.content,
        confidence=line.confidence,
        source=line.source,
        conversation_id=line.conversation_id,
        created_at=line.created_at,
    )
