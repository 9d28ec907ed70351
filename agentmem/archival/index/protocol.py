"""The two ports of an index of vectors, whoever stands behind them: it is searched, and it is fed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray
    from sqlmodel import Session

    from agentmem.embedding import Vectors
    from agentmem.models import Engine


@dataclass(frozen=True, slots=True)
class ScopeAt:
    """One scope as one snapshot has it.

    Args:
        block_id: Its header.
        seq: The number of its last change.
        embedder_id: Whose vectors count.
    """

    block_id: str
    seq: int
    embedder_id: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Proposals:
    """Lines that an index proposes: those of a search best first, then by id.

    Args:
        ids: Their ids, as ASCII; shape `(lines,)`.
        semantic: Their exact similarities to the query, 0 to 1; shape `(lines,)`.
    """

    ids: NDArray[np.bytes_]
    semantic: NDArray[np.float64]

    @classmethod
    def of(cls, ids: NDArray[np.bytes_], semantic: NDArray[np.float64]) -> Proposals:
        """Proposals in their order."""
        order = np.lexsort((ids, -semantic))
        return cls(ids[order], semantic[order])

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """Where an index stands, seen without touching it.

    Args:
        begun: Whether there is one.
        watermark: The number of the last change it has seen; 0 when it will be filled anew.
        pending: How many changes it has not seen.
        batch: How many may be waiting.
        erase: Whether it holds vectors of someone who was forgotten.
        inconsistency: Why it will be filled anew at the next search, None when it is as it should be.
        obstacle: Why it cannot be used now, None when it can.
    """

    begun: bool
    watermark: int
    pending: int
    batch: int
    erase: bool = False
    inconsistency: str | None = None
    obstacle: IndexUnavailableError | None = None

    @property
    def answers(self) -> bool:
        """Whether it would answer the next search."""
        return self.obstacle is None and few(self.pending, self.batch)

    @property
    def is_sound(self) -> bool:
        """Whether there is one that holds what it should and can be used."""
        return self.begun and self.inconsistency is None and self.obstacle is None


def few(pending: int, batch: int) -> bool:
    """Return whether so few changes are waiting that a search hands them over first."""
    return pending <= batch


class IndexUnavailableError(Exception):
    """The index cannot answer now; its message says why. The exact scan can."""


class IndexElsewhereError(IndexUnavailableError):
    """Another process answers from the index, which is no fault of it."""


class IndexFailedError(IndexUnavailableError):
    """The index did something that leaves its state unknown."""


class IndexLostError(IndexFailedError):
    """The index does not hold what it was given; it must be filled anew."""


class VectorIndex(Protocol):
    """A projection of SQL in which the lines of one scope are searched by vector.

    What was committed before a search is seen by it, deletions included. The
    caller checks every line in SQL all the same. A line of several vectors is
    as similar as the most similar of them.
    """

    name: Engine

    def search(self, session: Session, scope: ScopeAt, vector: Vectors, limit: int) -> Proposals:
        """Return the lines of one scope most similar to a unit vector.

        Args:
            session: The snapshot to read from.
            scope: The scope in that snapshot.
            vector: The query, shape `(dimensions,)`.
            limit: How many to propose. Fewer mean that there are no more; lines as good as the last may be added.

        Raises:
            IndexUnavailableError: Not now.
        """
        ...


class IndexFeed(Protocol):
    """The other side of an index that keeps vectors of its own: how it is kept in step with SQL.

    Only `schedule` is called after each commit, and it never waits; everything else is maintenance.
    """

    name: Engine
    title: str

    def schedule(self) -> None:
        """Hand over what is waiting, in the background, when it is enough or some is to be erased; never fails."""

    def status(self) -> IndexStatus:
        """Return where the index stands, changing nothing of it."""
        ...

    def is_to_erase(self) -> bool:
        """Return whether it may hold vectors of someone who was forgotten; it is not asked for that."""
        ...

    def erase(self) -> str | None:
        """Let it hold no vector whose line is gone; why that has to wait, if it has to."""
        ...

    def rebuild(self, progress: Callable[[int, int], None]) -> int:
        """Fill it anew from SQL; how many lines it holds.

        Args:
            progress: Called with how many lines it holds so far, and of how many.

        Raises:
            IndexUnavailableError: Another process owns the index, or it failed.
        """
        ...

    def stored(self) -> Iterator[tuple[str, Vectors]]:
        """Yield the key and the vector of everything in it; one that was closed is closed again, as it was.

        Raises:
            IndexUnavailableError: There is none that is in order, another process owns it, or it failed.
        """
        ...

    def close(self) -> None:
        """Hand over the last few changes, and let another process own it."""


@dataclass(frozen=True, slots=True)
class LineChange:
    """What an index should know of a line now: its vectors, shape `(chunks, dimensions)`, or that it is gone."""

    line_id: str
    block_id: str
    seq: int
    vectors: Vectors | None
    chunks: int

    @property
    def keys(self) -> list[str]:
        """The ids under which an index holds its vectors, or may have held them."""
        return [key(self.line_id, chunk) for chunk in range(self.chunks)]

    @property
    def stands_for_others(self) -> bool:
        """Whether it is the last of the scope's tombstones, older ones having been cleared away."""
        return self.vectors is None and not self.chunks


def key(line_id: str, chunk: int) -> str:
    """Return the id under which an index holds one vector of a line: the line's own for the first.

    >>> key("a", 0), key("a", 2)
    ('a', 'a:2')
    """
    return f"{line_id}:{chunk}" if chunk else line_id


def left_behind(line_id: str, block_id: str) -> str:
    """The id of the tombstone that a line leaves when it moves to another header: an index has its vectors there."""
    return f"{line_id}:{block_id}"


def line_of(key: str) -> str:
    """Return the line that the id of a vector, or of a tombstone left behind, is about.

    >>> line_of("a:2"), line_of(left_behind("a", "header"))
    ('a', 'a')
    """
    return key.partition(":")[0]


def lines_of(keys: Sequence[str]) -> list[str]:
    """Return the lines that keys belong to, each once, in order.

    >>> lines_of(["b:1", "a", "b"])
    ['b', 'a']
    """
    return list(dict.fromkeys(map(line_of, keys)))
