"""What one agent knows of one contact, as it is at a moment: whatever is over by then is not in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from sqlmodel import Session, col, select

from agentmem import expiry
from agentmem.records import ContactMemory, Entity, EntityRef, Fact, Json, Message, OpenItem, Role
from agentmem.stored import json_of, object_of
from agentmem.tables import ContactMemoryRow, ConversationRow, EntityRow, FactRow, MessageRow, OpenItemRow

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy import ColumnElement

    from agentmem.contacts.parts import Part
    from agentmem.models import Scope
    from agentmem.tables import Base
    from agentmem.transaction import Snapshot

RECENT_MESSAGES: Final = 20
"""How many recent messages a memory has where nothing else was configured."""


def read_memory(snapshot: Snapshot, scope: Scope, *, recent_messages: int = RECENT_MESSAGES) -> ContactMemory:
    """Return the memory of an agent scope; an empty one of version 0 where nothing was written yet.

    Args:
        snapshot: What it is read from.
        scope: The contact and the agent; the contact is one that was not merged into another.
        recent_messages: How many messages it has at most.
    """
    session, now = snapshot.session, snapshot.now
    header = find_header(session, scope)
    if header is None:
        return ContactMemory(scope.user_id, scope.agent_id or "", facts={})
    days = expiry.retention_days(session, scope.tenant_id, header.agent_id)
    facts = tuple(_facts(snapshot, header.id, days=days))
    return ContactMemory(
        contact_id=header.contact_id,
        agent_id=header.agent_id,
        facts={fact.key: fact.value for fact in facts},
        fact_records=facts,
        summary=live_summary(header, now=now, days=days),
        entities=tuple(_entities(session, header.id, now=now, days=days)),
        open_items=tuple(_open_items(session, header.id, now=now, days=days)),
        recent_messages=tuple(_messages(session, header.id, now=now, days=days, limit=recent_messages)),
        version=header.version,
        updated_at=header.updated_at,
    )


def read_facts(snapshot: Snapshot, scope: Scope) -> dict[str, Json]:
    """Return the key-value facts of an agent scope alone, by key, in one statement."""
    retention = expiry.retention_column(scope.tenant_id, scope.agent_id or "")
    statement = (
        select(FactRow, retention)
        .join(ContactMemoryRow, col(ContactMemoryRow.id) == FactRow.memory_id)
        .where(*within(scope))
    )
    return {
        row.key: json_of(row.value, kind="fact.value")
        for row, days in sorted(snapshot.session.exec(statement).all(), key=lambda found: found[0].key)
        if fact_is_live(snapshot, row, days=days)
    }


def within(scope: Scope) -> tuple[ColumnElement[bool], ...]:
    """Return the condition that a header is of this scope; of every agent of the contact where the scope names none."""
    contact = (col(ContactMemoryRow.tenant_id) == scope.tenant_id, col(ContactMemoryRow.contact_id) == scope.user_id)
    return contact if scope.agent_id is None else (*contact, col(ContactMemoryRow.agent_id) == scope.agent_id)


def find_header(session: Session, scope: Scope, *, to_write: bool = False) -> ContactMemoryRow | None:
    """Return the header of what an agent knows of a contact; one to be written is everyone else's only afterwards."""
    statement = select(ContactMemoryRow).where(*within(scope))
    if to_write:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    return session.exec(statement).one_or_none()


def fact_ends(snapshot: Snapshot, row: FactRow, *, days: int | None) -> datetime:
    """Return when a fact is over."""
    return expiry.fact_ends(row.updated_at, row.expires_at, days=days, most_days=snapshot.max_fact_days)


def is_live(snapshot: Snapshot, part: Part, row: Base, *, days: int | None) -> bool:
    """Return whether a row of a part is not over: a fact has a life of its own beside the agent's retention."""
    if isinstance(row, FactRow):
        return fact_is_live(snapshot, row, days=days)
    return not expiry.over(getattr(row, part.clock), snapshot.now, days)


def fact_is_live(snapshot: Snapshot, row: FactRow, *, days: int | None) -> bool:
    """Return whether a fact is not over."""
    return fact_ends(snapshot, row, days=days) > snapshot.now


def live_summary(header: ContactMemoryRow, *, now: datetime, days: int | None) -> str | None:
    """Return the summary, if there is one and it is not over."""
    written_at = header.summary_updated_at
    return None if written_at is None or expiry.over(written_at, now, days) else header.summary


def fact(snapshot: Snapshot, row: FactRow, *, days: int | None) -> Fact:
    """Return the row as a value."""
    return Fact(
        key=row.key,
        value=json_of(row.value, kind="fact.value"),
        source=row.source,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
        expires_at=fact_ends(snapshot, row, days=days),
    )


def entity(row: EntityRow) -> Entity:
    """Return the row as a value."""
    return Entity(
        entity_type=row.entity_type,
        entity_id=row.entity_id,
        facts=object_of(row.facts, kind="entity.facts"),
        status=row.status,
        notes=row.notes,
        last_discussed_at=row.last_discussed_at,
        source=row.source,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def open_item(row: OpenItemRow) -> OpenItem:
    """Return the row as a value."""
    related = None
    if row.related_type is not None and row.related_id is not None:
        related = EntityRef(row.related_type, row.related_id)
    return OpenItem(
        id=row.id,
        type=row.type,
        description=row.description,
        priority=row.priority,
        related_to=related,
        source=row.source,
        created_at=row.created_at,
        updated_at=row.updated_at,
        resolved_at=row.resolved_at,
    )


def _facts(snapshot: Snapshot, memory_id: str, *, days: int | None) -> Iterable[Fact]:
    found = snapshot.session.exec(select(FactRow).where(FactRow.memory_id == memory_id)).all()
    ordered = sorted(found, key=lambda row: row.key)
    return (fact(snapshot, row, days=days) for row in ordered if fact_is_live(snapshot, row, days=days))


def _entities(session: Session, memory_id: str, *, now: datetime, days: int | None) -> Iterable[Entity]:
    found = session.exec(select(EntityRow).where(EntityRow.memory_id == memory_id)).all()
    ordered = sorted(found, key=lambda row: (row.entity_type, row.entity_id))
    return (entity(row) for row in ordered if not expiry.over(row.updated_at, now, days))


def _open_items(session: Session, memory_id: str, *, now: datetime, days: int | None) -> Iterable[OpenItem]:
    statement = select(OpenItemRow).where(OpenItemRow.memory_id == memory_id, col(OpenItemRow.resolved_at).is_(None))
    ordered = sorted(session.exec(statement).all(), key=lambda row: (row.created_at, row.id))
    return (open_item(row) for row in ordered if not expiry.over(row.updated_at, now, days))


def _messages(session: Session, memory_id: str, *, now: datetime, days: int | None, limit: int) -> list[Message]:
    """Return the newest messages over all channels, oldest first."""
    statement = (
        select(MessageRow, ConversationRow.channel)
        .join(ConversationRow, col(ConversationRow.id) == MessageRow.conversation_id)
        .where(MessageRow.memory_id == memory_id)
        .order_by(
            col(MessageRow.created_at).desc(),
            col(MessageRow.conversation_id).desc(),
            col(MessageRow.position).desc(),
        )
        .limit(limit)
    )
    end = expiry.cutoff(now, days)
    if end is not None:
        statement = statement.where(col(MessageRow.created_at) > end)
    return [message(row, channel) for row, channel in reversed(session.exec(statement).all())]


def message(row: MessageRow, channel: str) -> Message:
    """Return the row as a value; the channel is its conversation's."""
    return Message(
        id=row.id,
        conversation_id=row.conversation_id,
        channel=channel,
        role=cast("Role", row.role),
        content=row.content,
        created_at=row.created_at,
    )
