"""How contact memory, and what became of it, is shown to a person."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from rich.console import Group
from rich.padding import Padding
from rich.text import Text

from agentmem.cli.output import Cell, one_line, pairs, printable, row, stacked, table

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from agentmem.records import ContactMemory, Entity, Json, MemoryChange, Message, OpenItem

_PREVIEW: Final = 200
"""The most characters shown of a message, and of one side of a change; `--json` has all of it."""

_NAME: Final = 16
"""The most characters shown of who made a change."""

_NAMED: Final = frozenset({"fact", "entity", "block"})
"""The kinds of change whose `ref` is a name; that of the others is an id."""

_UNBROKEN: Final = 40
"""Ids up to this length are never broken over lines, so that they can be copied."""


def section(title: str, *parts: RenderableType, otherwise: str = "Nothing.") -> RenderableType:
    """Return a heading with what stands below it, or with what is said when nothing does."""
    body = Group(*parts) if parts else Text(otherwise, style="dim")
    return Group(Text(), Text(one_line(title), style="bold"), Padding(body, (0, 0, 0, 2)))


def id_columns(ids: Iterable[str], name: str) -> tuple[str, ...]:
    """Return the column of these ids, if it can be kept whole."""
    return (name,) if all(len(each) <= _UNBROKEN for each in ids) else ()


def memory_parts(memory: ContactMemory) -> Iterator[RenderableType]:
    """Yield what an agent knows of a contact, each part under its name; parts that are empty are left out."""
    parts: list[tuple[str, Iterable[RenderableType]]] = [
        ("Facts", _facts(memory)),
        ("Summary", [Text(printable(memory.summary))] if memory.summary else []),
        ("Entities", [_entity(each) for each in memory.entities]),
        ("Open items", [_open_items(memory.open_items)] if memory.open_items else []),
        ("Recent messages", [messages_table(memory.recent_messages)] if memory.recent_messages else []),
    ]
    shown = [(name, list(each)) for name, each in parts]
    for place, (name, each) in enumerate((name, each) for name, each in shown if each):
        yield from [Text()] * (place > 0)
        yield Text(name, style="underline")
        yield from each


def messages_table(messages: Sequence[Message], *, whole: bool = False) -> Table:
    """Messages in their order.

    Args:
        messages: The messages.
        whole: Whether long ones are shown to their end.
    """
    shown = table("when (UTC)", "channel", "who", "message", whole=("when (UTC)",))
    for each in messages:
        said = one_line(each.content, limit=None if whole else _PREVIEW)
        shown.add_row(*row(each.created_at, each.channel, each.role, said))
    return shown


def changes_table(changes: Iterable[MemoryChange]) -> Table:
    """Changes of one conversation: of what, by whom, and how it was before and after."""
    shown = table("what", "change", "before", "after")
    for each in changes:
        by = f"by {one_line(each.actor, limit=_NAME)}"
        shown.add_row(named(each), stacked(each.action, by), *map(Text, sides(each.before, each.after)))
    return shown


def feed_table(changes: Iterable[MemoryChange]) -> Table:
    """Changes of any time: when and by whom, of what, and how it was before and after."""
    shown = table("id", "when (UTC), who", "what", "before", "after", right=("id",), whole=("id", "when (UTC), who"))
    for each in changes:
        when = stacked(f"{each.at:%Y-%m-%d %H:%M}", one_line(each.actor, limit=_NAME))
        agent = None if each.agent_id is None else f"agent {one_line(each.agent_id, limit=_NAME)}"
        what = stacked(named(each), each.action, agent)
        shown.add_row(str(each.id), when, what, *map(Text, sides(each.before, each.after)))
    return shown


def named(change: MemoryChange) -> str:
    """Return what a change is about: its kind and its name, if it has one that says something."""
    kind = change.kind.replace("_", " ")
    return one_line(f"{kind} {change.ref}" if change.kind in _NAMED else kind, limit=60)


def sides(before: Json, after: Json) -> tuple[str, str]:
    r"""Return the two sides of a change as safe text; of objects only what differs, a line for each.

    >>> sides("Monday", "Friday")
    ('Monday', 'Friday')
    >>> sides({"status": "delayed", "facts": {"carrier": "UPS"}}, {"status": "in_transit", "facts": {"carrier": "UPS"}})
    ('status: delayed', 'status: in_transit')
    >>> sides(None, {"status": "delayed", "facts": {"carrier": "UPS"}})
    ('', 'status: delayed\nfacts.carrier: UPS')
    """
    if not isinstance(before, dict) and not isinstance(after, dict):
        return _side(before), _side(after)
    old, new = dict(_leaves(before)), dict(_leaves(after))
    changed = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return _lines(old, changed), _lines(new, changed)


def told(value: Json) -> str:
    """Return a JSON value for a person: a string as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _side(value: Json) -> str:
    return "" if value is None else one_line(told(value), limit=_PREVIEW)


def _leaves(value: Json, name: str = "") -> Iterator[tuple[str, Json]]:
    """Yield what is in an object, by path; what is null is not there."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _leaves(each, f"{name}.{key}" if name else key)
    elif value is not None:
        yield name, value


def _lines(leaves: Mapping[str, Json], names: Iterable[str]) -> str:
    return "\n".join(
        one_line(f"{name}: {told(leaves[name])}" if name else told(leaves[name]), limit=_PREVIEW)
        for name in names
        if name in leaves
    )


def _facts(memory: ContactMemory) -> Iterator[RenderableType]:
    if memory.fact_records:
        shown = table("fact", "value", "until (UTC)", "from", whole=("until (UTC)",))
        for each in memory.fact_records:
            shown.add_row(*row(each.key, told(each.value), each.expires_at, each.source))
        yield shown
    elif memory.facts:
        yield pairs((one_line(key), told(value)) for key, value in memory.facts.items())


def _entity(entity: Entity) -> RenderableType:
    title = [f"{entity.entity_type} {entity.entity_id}"]
    if entity.status is not None:
        title.append(entity.status)
    if entity.last_discussed_at is not None:
        title.append(f"last discussed {entity.last_discussed_at:%Y-%m-%d %H:%M}")
    values: list[tuple[str, Cell]] = [(one_line(key), told(value)) for key, value in entity.facts.items()]
    if entity.notes is not None:
        values.append(("notes", entity.notes))
    return Group(Text(one_line(" · ".join(title))), Padding(pairs(values), (0, 0, 0, 2)))


def _open_items(items: Sequence[OpenItem]) -> Table:
    shown = table("priority", "type", "about", "since (UTC)", "open item", whole=("since (UTC)",))
    for each in items:
        about = each.related_to
        name = "" if about is None else f"{about.entity_type} {about.entity_id}"
        shown.add_row(*row(each.priority, each.type, name, each.created_at, each.description))
    return shown
