"""What an agent had when a conversation began, as it is kept with the conversation. No I/O.

Facts, entities, open items and the summary are kept as they were read, with
their times, so that they end when they would have; messages and the lines that
went into prompts are kept by id, so that what is deleted is gone here too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from agentmem.expiry import fact_ends, over
from agentmem.records import Entity, EntityRef, Fact, OpenItem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agentmem.records import ContactMemory

NO_CONTEXT: Final = "{}"
"""That of a conversation whose agent had nothing."""


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
    """What `packed` was given.

    >>> unpacked(NO_CONTEXT) == ContextSnapshot()
    True
    """
    kept = _timed(json.loads(context))
    kept |= {name: tuple(kept.get(name, ())) for name in ("message_ids", "line_ids")}
    kept["facts"] = tuple(Fact(**_timed(one)) for one in kept.get("facts", ()))
    kept["entities"] = tuple(Entity(**_timed(one)) for one in kept.get("entities", ()))
    kept["open_items"] = tuple(map(_open_item, kept.get("open_items", ())))
    return ContextSnapshot(**kept)


def living(kept: ContextSnapshot, *, now: datetime, days: int | None, most_days: int) -> ContextSnapshot:
    """What of it is not over.

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
    """A context with lines that were put into a prompt."""
    kept = unpacked(context)
    return _text(replace(kept, line_ids=tuple(dict.fromkeys([*kept.line_ids, *line_ids]))))


def _text(kept: ContextSnapshot) -> str:
    return json.dumps(kept, default=_plain, ensure_ascii=False)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - JSON takes any
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    raise TypeError(type(value).__name__)


def _timed(kept: Mapping[str, Any]) -> dict[str, Any]:
    """The times among the values, which are those whose names end so."""
    return {
        name: datetime.fromisoformat(value) if name.endswith("_at") and value is not None else value
        for name, value in kept.items()
    }


def _open_item(kept: Mapping[str, Any]) -> OpenItem:
    item = _timed(kept)
    related = item.pop("related_to")
    return OpenItem(**item, related_to=EntityRef(**related) if related else None)
