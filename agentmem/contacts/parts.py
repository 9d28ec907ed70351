"""The parts of a contact memory: one table of the rows below its header, for all that treats every one of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlmodel import col

from agentmem.stored import object_of
from agentmem.tables import Base, EntityRow, FactRow, MessageRow, OpenItemRow

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentmem.records import Json


@dataclass(frozen=True, slots=True)
class Same:
    """How two rows about the same thing become one, when two contacts turn out to be one person.

    Args:
        key: The columns that say what a row is about.
        joined: What one row says in place of two, given the older and the newer one.
    """

    key: tuple[str, ...]
    joined: Callable[[Any, Any], dict[str, Any]]

    def of(self, row: Base) -> tuple[object, ...]:
        """Return what a row is about."""
        return tuple(getattr(row, name) for name in self.key)


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of row below the header; a new kind is a table and an entry here, its writes and how it is read.

    Args:
        row: Its table, with the header in `memory_id`.
        label: What a person reads.
        clock: The column that its retention counts from.
        same: How the same thing of two contacts is joined; None where no two rows are about the same thing.
    """

    row: type[FactRow | EntityRow | OpenItemRow | MessageRow]
    label: str
    clock: str
    same: Same | None = None

    @property
    def kind(self) -> str:
        """The name of the kind in a report."""
        return self.label.replace(" ", "_")

    @property
    def memory_id(self) -> Any:  # noqa: ANN401 - a column
        """The column of the header."""
        return col(self.row.memory_id)

    @property
    def written_at(self) -> Any:  # noqa: ANN401 - a column
        """The column of `clock`."""
        return getattr(self.row, self.clock)


def packed(value: Json) -> str:
    """Return a value as it is stored."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _joined_facts(older: FactRow, newer: FactRow) -> dict[str, Any]:
    """Return the newer one, whose version does not go back."""
    return newer.model_dump() | {"version": max(older.version, newer.version)}


def _joined_entities(older: EntityRow, newer: EntityRow) -> dict[str, Any]:
    """Return the newer one with the details that only the older one has, which are not to live longer for that."""
    before, now = (object_of(row.facts, kind="entity.facts") for row in (older, newer))
    joined = newer.model_dump()
    if not before.keys() <= now.keys():
        joined |= {"facts": packed({**before, **now}), "updated_at": older.updated_at}
    return joined


PARTS: Final = (
    Part(FactRow, "facts", "updated_at", Same(("key",), _joined_facts)),
    Part(EntityRow, "entities", "updated_at", Same(("entity_type", "entity_id"), _joined_entities)),
    Part(OpenItemRow, "open items", "updated_at"),
    Part(MessageRow, "messages", "created_at"),
)
