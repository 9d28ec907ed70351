"""What the code of an agent sees of a caller: `conv.memory` to read, `conv.state` to write. Neither does any I/O."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from copy import deepcopy
from typing import TYPE_CHECKING

from agentmem import inputs
from agentmem.conversations.kept_state import StateChanges
from agentmem.errors import InvalidInputError

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
        """Return all fields, as a dict of the caller's own."""
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
    """What the code of an agent notes during a conversation; neither assigning nor reading does any I/O.

    Of a caller who is known it is kept with the conversation with the next
    message, so that whoever goes on with it finds it, in this process or
    another; changes of a value in place count. Two that hold the same
    conversation keep what each of them sets, key by key, and each sees the
    other's after its own next message. At the end what is under the keys of the
    agent's `state_keys` becomes memory, and the rest is dropped. None under one
    of them removes that key from memory then.

    What is under one of them has to be JSON that is not too large, which is
    checked when it is assigned. Other keys may hold anything: what is no JSON, or
    too large, stays in this process alone. What is kept may be as large as 16 of
    the largest values; a message with which it would be larger is refused, and
    nothing is lost here.

    Args:
        kept: The agent's `state_keys`.
        max_bytes: The most bytes of one value that is kept, as JSON.
        given: What it begins with, of which nothing is kept yet.

    >>> state = State({"cheese_type"}, max_bytes=100)
    >>> state["cheese_type"] = "brie"
    >>> state["basket"] = object()
    >>> dict(state.changes().put)
    {'cheese_type': 'brie'}
    """

    def __init__(self, kept: Iterable[str], *, max_bytes: int, given: Mapping[str, object] | None = None) -> None:
        self._kept = frozenset(kept)
        self._max_bytes = max_bytes
        self._values: dict[str, object] = {}
        self._seen: dict[str, Json] = {}
        self.update(given or {})

    @property
    def seen(self) -> dict[str, Json]:
        """What was kept with the conversation when it was last written or read, as a dict of the caller's own."""
        return deepcopy(self._seen)

    def changes(self) -> StateChanges:
        """Return what has to be written so that all of it is kept, as copies.

        Raises:
            InvalidInputError: What is under one of the `state_keys` is no JSON any more, or too large by now.
        """
        now = self._as_json()
        put = {key: value for key, value in now.items() if not _same(key, now, self._seen)}
        return StateChanges(put, tuple(key for key in self._seen if key not in now))

    def take(self, kept: Mapping[str, Json], sent: StateChanges | None = None) -> None:
        """Show what is kept by now; what was set here after `sent` was taken stays, and what is in this process alone.

        Args:
            kept: What the conversation's row holds.
            sent: What of this state went into it.
        """
        before = self._seen if sent is None else sent.applied(self._seen)
        now = self._as_json(strict=False)
        seen: dict[str, Json] = {}
        for key in dict.fromkeys([*before, *kept]):
            if key in self._values and key not in now:
                continue  # an object of this process, which nobody else has
            if key in kept:
                seen[key] = kept[key]
            if _same(key, now, kept) or not _same(key, now, before):
                continue
            if key in kept:
                self._values[key] = deepcopy(kept[key])
            else:
                self._values.pop(key, None)
        self._seen = seen

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

    def _as_json(self, *, strict: bool = True) -> dict[str, Json]:
        """Copies of the values that can be kept; one under the `state_keys` that cannot is refused, if it is to be.

        Raises:
            InvalidInputError: See above.
        """
        found: dict[str, Json] = {}
        for key, value in dict(self._values).items():  # an event loop may assign while a thread writes
            try:
                found[inputs.text("state: a key", key, empty=True)] = self._checked(key, value)
            except InvalidInputError:
                if strict and key in self._kept:
                    raise
        return found

    def _checked(self, key: str, value: object) -> Json:
        return inputs.json_value(f"state: {key}", value, max_bytes=self._max_bytes)


def _same(key: str, one: Mapping[str, Json], other: Mapping[str, Json]) -> bool:
    """Return whether both have the same JSON under a key, where True is not 1, or both have nothing."""
    if key not in one or key not in other:
        return key not in one and key not in other
    return json.dumps(one[key], sort_keys=True) == json.dumps(other[key], sort_keys=True)
