"""What an index of vectors does, whoever does it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sqlmodel import Session

    from agentmem.embedding import Vectors
    from agentmem.models import Engine


@dataclass(frozen=True, slots=True)
class Candidate:
    """A line that an index proposes, with its exact similarity to the query, 0 to 1."""

    line_id: str
    semantic: float


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
    caller checks every candidate in SQL all the same.
    """

    name: Engine

    def search(self, session: Session, block_id: str, vector: Vectors, limit: int) -> list[Candidate]:
        """The lines of one scope most similar to a unit vector, best first, then by id.

        Args:
            session: The snapshot to read from.
            block_id: The header of the scope.
            vector: The query, shape `(dimensions,)`.
            limit: How many to propose. Fewer mean that there are no more; lines as good as the last may be added.

        Raises:
            IndexUnavailableError: Not now.
        """
        ...
