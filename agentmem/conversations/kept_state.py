"""What is noted in a conversation, as it stands in its row: read, changed key by key, and bounded. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pydantic import JsonValue  # noqa: TC002 - a validator is made of what uses it
from typing_extensions import TypedDict

from agentmem.errors import InvalidInputError
from agentmem.stored import StoredFormat

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from agentmem.records import Json

MOST_VALUES: Final = 16
"""How many values of the largest size a conversation's row holds: many more of a usual one."""


@dataclass(frozen=True, slots=True)
class StateChanges:
    """What was noted since the row was last seen.

    Args:
        put: The new values by key; None is one.
        deleted: The keys that are no more.
    """

    put: Mapping[str, Json] = field(default_factory=dict[str, "Json"])
    deleted: Collection[str] = ()

    def __bool__(self) -> bool:
        return bool(self.put or self.deleted)

    def applied(self, values: Mapping[str, Json]) -> dict[str, Json]:
        """Return values with these changes, which win key by key.

        >>> StateChanges({"b": 2}, ["a"]).applied({"a": 1, "c": 3})
        {'c': 3, 'b': 2}
        """
        left = {key: value for key, value in values.items() if key not in self.deleted}
        return {**left, **self.put}


class _StoredState(TypedDict):
    """The state as it is stored."""

    values: dict[str, JsonValue]


_FORMAT: Final = StoredFormat("conversation.state", _StoredState, number=1)


def unpacked(text: str | None) -> dict[str, Json]:
    """Return what a row holds, which is nothing where it has no text.

    >>> unpacked('{"format":1,"values":{"cheese_type":"brie"}}')
    {'cheese_type': 'brie'}

    Raises:
        BackendError: It is damaged, or was written by a newer agentmem.
    """
    return {} if text is None else _FORMAT.read(text)["values"]


def packed(values: Mapping[str, Json], *, max_bytes: int) -> str | None:
    """Return values as a row holds them, or None where there are none.

    Args:
        values: The values by key.
        max_bytes: The most bytes of one, as JSON, which was checked where it was given.

    Raises:
        InvalidInputError: All together are too large.
    """
    if not values:
        return None
    text = _FORMAT.write({"values": dict(values)})
    size, most = len(text.encode()), MOST_VALUES * max_bytes
    if size > most:
        raise InvalidInputError(
            f"{size:,} bytes as JSON together, and at most {most:,} are kept",
            field="state",
            advice="delete the keys that are not needed any more",
            code="too_long",
        )
    return text
