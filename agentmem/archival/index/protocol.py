"""What an index of vectors does, whoever does it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

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
        """The lines of one scope most similar to a unit vector.

        Args:
            session: The snapshot to read from.
            scope: The scope in that snapshot.
            vector: The query, shape `(dimensions,)`.
            limit: How many to propose. Fewer mean that there are no more; lines as good as the last may be added.

        Raises:
            IndexUnavailableError: Not now.
        """
        ...


def key(line_id: str, chunk: int) -> str:
    """The id under which an index holds one vector of a line: the line's own for the first.

    >>> key("a", 0), key("a", 2)
    ('a', 'a:2')
    """
    return f"{line_id}:{chunk}" if chunk else line_id


def left_behind(line_id: str, block_id: str) -> str:
    """The id of the tombstone that a line leaves when it moves to another header: an index has its vectors there."""
    return f"{line_id}:{block_id}"


def line_of(key: str) -> str:
    """The line that the id of a vector, or of a tombstone left behind, is about.

    >>> line_of("a:2"), line_of(left_behind("a", "header"))
    ('a', 'a')
    """
    return key.partition(":")[0]


def lines_of(keys: Sequence[str]) -> list[str]:
    """The lines that keys belong to, each once, in order.

    >>> lines_of(["b:1", "a", "b"])
    ['b', 'a']
    """
    return list(dict.fromkeys(map(line_of, keys)))
