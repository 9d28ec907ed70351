"""What is over, and its deletion: each batch deletes a few rows in a transaction, until there is nothing more to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from sqlalchemy import inspect, tuple_
from sqlalchemy.orm import aliased
from sqlmodel import Session, and_, col, delete, func, or_, select, update

from agentmem import expiry
from agentmem.archival.lines import expire
from agentmem.contacts.parts import PARTS
from agentmem.database import rows
from agentmem.tables import (
    ARCHIVAL,
    AgentSettingsRow,
    ArchivalLineRow,
    Base,
    ContactIdentifierRow,
    ContactMemoryRow,
    ContactRow,
    ConversationRow,
    FactRow,
    IdempotencyKeyRow,
    MemoryBlockRow,
    MemoryChangeRow,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime
    from typing import TypeAlias

    from sqlalchemy import ColumnElement

    from agentmem.transaction import Snapshot, Transaction

    Batch: TypeAlias = Callable[[Transaction], int]

ROWS: Final = 500
"""The most rows of one batch."""

KEY_DAYS: Final = 30
"""How long an idempotency key is known."""


def batches(snapshot: Snapshot) -> Iterator[tuple[str, Batch]]:
    """All that deletes what is over, each with the kind that it deletes; what hangs off something comes before it.

    Args:
        snapshot: What the retentions are read from, and the moment.
    """
    session, now, max_fact_days = snapshot.session, snapshot.now, snapshot.max_fact_days
    written_at, ends = col(FactRow.updated_at), col(FactRow.expires_at)
    yield "facts", _deletion(FactRow, or_(written_at <= expiry.cutoff(now, max_fact_days), ends <= now))
    for days in expiry.retentions(session):
        yield from _of_retention(days, now=now, max_fact_days=max_fact_days)
    yield "change_texts", _changes_without_texts(now, max_fact_days)
    for tenant_id, longest in _longest_retentions(session):
        yield from _of_tenant(tenant_id, unseen_since=expiry.cutoff(now, longest))
    old = col(IdempotencyKeyRow.created_at) <= expiry.cutoff(now, KEY_DAYS)
    yield "idempotency_keys", _deletion(IdempotencyKeyRow, old)


def _of_retention(days: int, *, now: datetime, max_fact_days: int) -> Iterator[tuple[str, Batch]]:
    """Yield all of the agents that keep their memory for so many days."""
    end: Any = expiry.cutoff(now, days)
    memory, talk, entry = ContactMemoryRow, ConversationRow, MemoryChangeRow
    kept = expiry.kept_for(days, memory.tenant_id, memory.agent_id)
    memories = select(memory.id).where(kept)
    for part in PARTS:
        if part.row is FactRow and days >= max_fact_days:
            continue  # no fact lives so long
        yield part.kind, _deletion(part.row, part.written_at <= end, part.memory_id.in_(memories))
    yield (
        "summaries",
        _emptying(
            memory, kept, col(memory.summary_updated_at) <= end, values={"summary": None, "summary_updated_at": None}
        ),
    )
    yield "contact_memories", _deletion(memory, kept, col(memory.updated_at) <= end, *_is_empty())
    yield (
        "conversations",
        _deletion(
            talk,
            expiry.kept_for(days, talk.tenant_id, talk.agent_id),
            col(talk.status) != "open",
            func.coalesce(talk.ended_at, talk.last_active_at) <= end,
        ),
    )
    yield (
        "changes",
        _deletion(
            entry,
            col(entry.at) <= end,
            col(entry.agent_id) != "",
            expiry.kept_for(days, entry.tenant_id, entry.agent_id),
        ),
    )
    yield "lines", lambda tx: expire.tombstone_expired(tx, days=days, limit=ROWS)


def _changes_without_texts(now: datetime, max_fact_days: int) -> Batch:
    entry = MemoryChangeRow
    says_something = or_(col(entry.before).is_not(None), col(entry.after).is_not(None))
    old_fact = entry.kind == "fact", col(entry.at) <= expiry.cutoff(now, max_fact_days), says_something
    return _emptying(
        entry,
        or_(col(entry.expires_at) <= now, and_(*old_fact)),
        values={"before": None, "after": None, "expires_at": None},
    )


def _of_tenant(tenant_id: str, *, unseen_since: datetime | None) -> Iterator[tuple[str, Batch]]:
    """Yield the contacts that nothing is known of any more, and what they were known by."""
    contact, identifier = ContactRow, ContactIdentifierRow
    blank = _blank(tenant_id)
    yield (
        "identifiers",
        _deletion(
            identifier,
            col(identifier.tenant_id) == tenant_id,
            col(identifier.last_seen_at) <= unseen_since,
            col(identifier.contact_id).in_(select(contact.id).where(*blank)),
        ),
    )
    known_by = select(identifier.value).where(
        identifier.tenant_id == contact.tenant_id, identifier.contact_id == contact.id
    )
    departed = (*blank, col(contact.last_seen_at) <= unseen_since, ~known_by.exists())
    alone = select(contact.id).where(*departed)
    for kind, row, user_id in (
        ("changes", MemoryChangeRow, MemoryChangeRow.user_id),
        ("idempotency_keys", IdempotencyKeyRow, IdempotencyKeyRow.user_id),
    ):
        yield kind, _deletion(row, col(row.tenant_id) == tenant_id, col(user_id).in_(alone))
    yield "contacts", _deletion(contact, *departed)


def _blank(tenant_id: str) -> tuple[ColumnElement[bool], ...]:
    """That a conversation made a contact, of whom there is nothing left but what they are known by.

    Who was merged into somebody is kept as long as they are.
    """
    contact, block, line = ContactRow, MemoryBlockRow, ArchivalLineRow
    winner = aliased(ContactRow)
    memories = select(ContactMemoryRow.id).where(
        ContactMemoryRow.tenant_id == contact.tenant_id, ContactMemoryRow.contact_id == contact.id
    )
    talks = select(ConversationRow.id).where(
        ConversationRow.tenant_id == contact.tenant_id, ConversationRow.contact_id == contact.id
    )
    own = block.tenant_id == contact.tenant_id, block.user_id == contact.id, col(block.deleted_at).is_(None)
    blocks = select(block.id).where(*own, block.block_type != ARCHIVAL)
    lines = select(line.id).join(block, col(block.id) == line.block_id).where(*own, col(line.deleted_at).is_(None))
    winners = select(winner.id).where(winner.tenant_id == contact.tenant_id, winner.id == contact.merged_into)
    return (
        col(contact.tenant_id) == tenant_id,
        col(contact.by_hand).is_(False),
        *(~there.exists() for there in (memories, talks, blocks, lines, winners)),
    )


def _is_empty() -> Iterator[ColumnElement[bool]]:
    """Yield the condition that nothing is under the header of a contact memory, nor in it."""
    yield col(ContactMemoryRow.summary).is_(None)
    for part in PARTS:
        yield ~select(part.memory_id).where(part.memory_id == ContactMemoryRow.id).exists()


def _longest_retentions(session: Session) -> Sequence[tuple[str, int | None]]:
    """Return the tenants whose agents keep their memory for a time, with the longest."""
    settings = AgentSettingsRow
    statement = select(settings.tenant_id, func.max(settings.retention_days)).where(
        settings.version == "", col(settings.retention_days) > 0
    )
    return session.exec(statement.group_by(col(settings.tenant_id)).order_by(col(settings.tenant_id))).all()


def _deletion(row: type[Base], *over: ColumnElement[bool]) -> Batch:
    """Delete rows that meet the conditions."""

    def batch(tx: Transaction) -> int:
        some = _locked(tx.session, row, over)
        return tx.session.exec(delete(row).where(some, *over)).rowcount

    return batch


def _emptying(row: type[Base], *over: ColumnElement[bool], values: Mapping[str, object]) -> Batch:
    """Give rows that meet the conditions these values, with which they do not meet them any more."""

    def batch(tx: Transaction) -> int:
        some = _locked(tx.session, row, over)
        return tx.session.exec(update(row).where(some, *over).values(values)).rowcount

    return batch


def _locked(session: Session, row: type[Base], over: Sequence[ColumnElement[bool]]) -> ColumnElement[bool]:
    """That a row is one of some that met the conditions, and that nobody writes to until the transaction ends.

    Rows that someone else is writing to are left for the next time: a sweep waits for nobody.
    """
    keys: Any = inspect(row).primary_key
    statement: Any = cast("Any", select)(*keys).where(*over).order_by(*keys).limit(ROWS)
    return tuple_(*keys).in_([tuple(key) for key in rows(session, statement.with_for_update(skip_locked=True))])
