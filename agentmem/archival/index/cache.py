"""What recall keeps in memory: bounded by bytes, least recently used first out, never older than what was there."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable


class AsOf(Protocol):
    """Something read from the database as of one change number."""

    @property
    def seq(self) -> int:
        """The number of the last change that is in it."""
        ...

    @property
    def bytes(self) -> int:
        """About what it takes in memory."""
        ...


V = TypeVar("V", bound=AsOf)


class LRUCache(Generic[V]):
    """Values by key; safe to share between threads.

    Args:
        max_bytes: The most memory that they take together.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._values: OrderedDict[Hashable, V] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: Hashable, *, seq: int) -> V | None:
        """Return the value of a key, unless it is newer than `seq`: a reader of an older snapshot must not see it."""
        with self._lock:
            value = self._values.get(key)
            if value is None or value.seq > seq:
                return None
            self._values.move_to_end(key)
            return value

    def newest(self, key: Hashable) -> V | None:
        """Return the value of a key, whatever its age."""
        with self._lock:
            return self._values.get(key)

    def put(self, key: Hashable, value: V) -> None:
        """Keep a value, unless a newer one is there."""
        with self._lock:
            before = self._values.get(key)
            if before is not None and before.seq > value.seq:
                return
            if value.bytes > self._max_bytes:  # it would put everything else out and then itself
                return
            self._values[key] = value
            self._values.move_to_end(key)
            self._bytes += value.bytes - (before.bytes if before else 0)
            while self._bytes > self._max_bytes:
                _, oldest = self._values.popitem(last=False)
                self._bytes -= oldest.bytes
