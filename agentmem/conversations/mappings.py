"""What the code of an agent sees of a caller: `conv.memory` to read, `conv.state` to write. Neither does any I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from copy import deepcopy
from typing import TYPE_CHECKING

from agentmem import inputs

if TYPE_CHECKING:
    from agentmem.records import Json


class CallerMemory(Mapping[str, "Json"]):
    """What is remembered of the caller, as it was when the turn began; changing what it gives changes nothing.

    >>> memory = CallerMemory({"cheese_type": "brie"})
    >>> memory["cheese_type"], memory.get("booking_day"), len(memory)
    ('brie', None, 1)
    """

    def __init__(self, fields: Mapping[str, Json]) -> None:
        self._fields = dict(fields)

    def fields(self) -> dict[str, Json]:
        """All fields, as a dict of the caller's own."""
        return deepcopy(self._fields)

    def __getitem__(self, key: str) -> Json:
        return deepcopy(self._fields[key])

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        return f"<CallerMemory of {len(self)} fields>"


class State(MutableMapping[str, object]):
    """What the code of an agent notes during a conversation.

    What is under the keys of the agent's `state_keys` is kept at the end, so it
    is checked when it is assigned; other keys may hold anything. None under
    one of them removes that key from memory.

    Args:
        kept: The agent's `state_keys`.
        max_bytes: The most bytes of one value that is kept, as JSON.
        given: What it begins with.

    >>> state = State({"cheese_type"}, max_bytes=100)
    >>> state["cheese_type"] = "brie"
    >>> state["basket"] = object()
    >>> state.to_keep()
    {'cheese_type': 'brie'}
    """

    def __init__(self, kept: Iterable[str], *, max_bytes: int, given: Mapping[str, object] | None = None) -> None:
        self._kept = frozenset(kept)
        self._max_bytes = max_bytes
        self._values: dict[str, object] = {}
        self.update(given or {})

    def to_keep(self) -> dict[str, Json]:
        """What is to be kept, checked once more: a value may have been changed since it was assigned.

        Raises:
            InvalidInputError: A value is no JSON, or is too large.
        """
        return {key: self._checked(key, self._values[key]) for key in self._values if key in self._kept}

    def __getitem__(self, key: str) -> object:
        return self._values[key]

    def __setitem__(self, key: str, value: object) -> None:
        if key in self._kept:
            self._checked(key, value)
        self._values[key] = value

    def __delitem__(self, key: str) -> None:
        del self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<State of {len(self)} keys>"

    def _checked(self, key: str, value: object) -> Json:
        return inputs.json_value(f"state: {key}", value, max_bytes=self._max_bytes)
