"""What an agent had when a conversation began, as it is kept with the conversation. No I/O.

Facts, entities, open items and the summary are kept as they were read, with
their times, so that they end when they would have; messages and the lines that
went into prompts are kept by id, so that what is deleted is gone here too.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from pydantic import JsonValue

from agentmem.expiry import fact_ends, over
from agentmem.records import Entity, EntityRef, Fact, OpenItem
from agentmem.stored import Moment, StoredFormat, unchanged

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from agentmem.records import ContactMemory

NO_CONTEXT: Final = '{"format":1}'
"""That of a conversation whose agent had nothing."""

NOTHING: Final = (NO_CONTEXT, "{}")
"""Every way in which that was stored."""


@dataclass(frozen=True, slots=True)
class ContextSnapshot:
    """What is kept of a context."""

    facts: tuple[Fact, ...] = ()
    summary: str | None = None
    summary_at: datetime | None = None
    entities: tuple[Entity, ...] = ()
    open_items: tuple[OpenItem, ...] = ()
    message_ids: tuple[str, ...] = ()
    line_ids: tuple[str, ...] = ()
    version: int = 0
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class _StoredFact:
    key: str
    value: JsonValue
    created_at: Moment
    updated_at: Moment
    source: str = ""
    version: int = 1
    expires_at: Moment | None = None


@dataclass(frozen=True, slots=True)
class _StoredEntity:
    entity_type: str
    entity_id: str
    created_at: Moment
    updated_at: Moment
    facts: dict[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    status: str | None = None
    notes: str | None = None
    last_discussed_at: Moment | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class _StoredRef:
    entity_type: str
    entity_id: str


@dataclass(frozen=True, slots=True)
class _StoredOpenItem:
    id: str
    type: str
    description: str
    created_at: Moment
    updated_at: Moment
    priority: str = "normal"
    related_to: _StoredRef | None = None
    source: str = ""
    resolved_at: Moment | None = None


@dataclass(frozen=True, slots=True)
class _StoredContext:
    """A context as it is stored, in format 1; format 0 had the same keys and no number."""

    facts: tuple[_StoredFact, ...] = ()
    summary: str | None = None
    summary_at: Moment | None = None
    entities: tuple[_StoredEntity, ...] = ()
    open_items: tuple[_StoredOpenItem, ...] = ()
    message_ids: tuple[str, ...] = ()
    line_ids: tuple[str, ...] = ()
    version: int = 0
    updated_at: Moment | None = None


_FORMAT: Final = StoredFormat("conversation.context", _StoredContext, number=1, older={0: unchanged})


def packed(memory: ContactMemory, *, summary_at: datetime | None) -> str:
    """A memory as it was read, and when its summary was written."""
    kept = ContextSnapshot(
        facts=memory.fact_records,
        summary=memory.summary,
        summary_at=summary_at,
        entities=memory.entities,
        open_items=memory.open_items,
        message_ids=tuple(message.id for message in memory.recent_messages),
        version=memory.version,
        updated_at=memory.updated_at,
    )
    return _text(kept)


def unpacked(context: str) -> ContextSnapshot:
    """Return what `packed` was given.

    >>> unpacked(NO_CONTEXT) == ContextSnapshot()
    True

    Raises:
        BackendError: It is damaged, or was written by a newer agentmem.
    """
    stored = _FORMAT.read(context)
    return ContextSnapshot(
        facts=tuple(map(_fact, stored.facts)),
        summary=stored.summary,
        summary_at=stored.summary_at,
        entities=tuple(map(_entity, stored.entities)),
        open_items=tuple(map(_open_item, stored.open_items)),
        message_ids=stored.message_ids,
        line_ids=stored.line_ids,
        version=stored.version,
        updated_at=stored.updated_at,
    )


def living(kept: ContextSnapshot, *, now: datetime, days: int | None, most_days: int) -> ContextSnapshot:
    """Return what of it is not over.

    Args:
        kept: What is kept.
        now: What time it is.
        days: The agent's retention.
        most_days: The longest a key-value fact lives.
    """

    def lives(written_at: datetime | None) -> bool:
        return written_at is not None and not over(written_at, now, days)

    def fact_lives(fact: Fact) -> bool:
        return fact_ends(fact.updated_at, fact.expires_at, days=days, most_days=most_days) > now

    summary_lives = lives(kept.summary_at)
    return replace(
        kept,
        facts=tuple(filter(fact_lives, kept.facts)),
        summary=kept.summary if summary_lives else None,
        summary_at=kept.summary_at if summary_lives else None,
        entities=tuple(entity for entity in kept.entities if lives(entity.updated_at)),
        open_items=tuple(item for item in kept.open_items if lives(item.updated_at)),
    )


def without_expired(context: str, *, now: datetime, days: int | None, most_days: int) -> str:
    """A context without what is over, as `living` says; the same text where nothing is."""
    kept = unpacked(context)
    left = living(kept, now=now, days=days, most_days=most_days)
    return context if left == kept else _text(left)


def with_lines(context: str, line_ids: Iterable[str]) -> str:
    """Return a context with lines that were put into a prompt."""
    kept = unpacked(context)
    return _text(replace(kept, line_ids=tuple(dict.fromkeys([*kept.line_ids, *line_ids]))))


def _text(kept: ContextSnapshot) -> str:
    return _FORMAT.write(
        _StoredContext(
            facts=tuple(map(_stored_fact, kept.facts)),
            summary=kept.summary,
            summary_at=kept.summary_at,
            entities=tuple(map(_stored_entity, kept.entities)),
            open_items=tuple(map(_stored_open_item, kept.open_items)),
            message_ids=kept.message_ids,
            line_ids=kept.line_ids,
            version=kept.version,
            updated_at=kept.updated_at,
        )
    )


def _stored_fact(fact: Fact) -> _StoredFact:
    return _StoredFact(
        key=fact.key,
        value=fact.value,
        created_at=fact.created_at,
        updated_at=fact.updated_at,
        source=fact.source,
        version=fact.version,
        expires_at=fact.expires_at,
    )


def _fact(stored: _StoredFact) -> Fact:
    return Fact(
        key=stored.key,
        value=stored.value,
        source=stored.source,
        version=stored.version,
        created_at=stored.created_at,
        updated_at=stored.updated_at,
        expires_at=stored.expires_at,
    )


def _stored_entity(entity: Entity) -> _StoredEntity:
    return _StoredEntity(
        entity_type=entity.entity_type,
        entity_id=entity.entity_id,
        created_at=entity.created_at,
        updated_at=entity.updated_at,
        facts=dict(entity.facts),
        status=entity.status,
        notes=entity.notes,
        last_discussed_at=entity.last_discussed_at,
        source=entity.source,
    )


def _entity(stored: _StoredEntity) -> Entity:
    return Entity(
        entity_type=stored.entity_type,
        entity_id=stored.entity_id,
        facts=stored.facts,
        status=stored.status,
        notes=stored.notes,
        last_discussed_at=stored.last_discussed_at,
        source=stored.source,
        created_at=stored.created_at,
        updated_at=stored.updated_at,
    )


def _stored_open_item(item: OpenItem) -> _StoredOpenItem:
    related = item.related_to
    return _StoredOpenItem(
        id=item.id,
        type=item.type,
        description=item.description,
        created_at=item.created_at,
        updated_at=item.updated_at,
        priority=item.priority,
        related_to=None if related is None else _StoredRef(related.entity_type, related.entity_id),
        source=item.source,
        resolved_at=item.resolved_at,
    )


def _open_item(stored: _StoredOpenItem) -> OpenItem:
    related = stored.related_to
    return OpenItem(
        id=stored.id,
        type=stored.type,
        description=stored.description,
        priority=stored.priority,
        related_to=None if related is None else EntityRef(related.entity_type, related.entity_id),
        source=stored.source,
        created_at=stored.created_at,
        updated_at=stored.updated_at,
        resolved_at=stored.resolved_at,
    )
