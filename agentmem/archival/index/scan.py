"""The exact scan: every vector of a scope in memory, compared with the query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from agentmem.archival.index.protocol import LineChange, Proposals
from agentmem.archival.index.vectors import ID, changes
from agentmem.embedding import similarities

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from sqlmodel import Session

    from agentmem.archival.index.cache import LRUCache
    from agentmem.archival.index.protocol import ScopeAt
    from agentmem.embedding import Floats, Vectors
    from agentmem.models import Engine

_SLACK: Final = 1e-5
"""How far a float32 product may be from the exact similarity."""


@dataclass(frozen=True, slots=True, eq=False)
class LineVectors:
    """The vectors of one scope as of one change number; never altered, so that readers need no lock.

    Args:
        seq: The number of the last change.
        ids: The lines.
        starts: The first row of each line; a line of several chunks has several rows.
        matrix: The vectors, shape `(rows, dimensions)`.
    """

    seq: int
    ids: NDArray[np.bytes_]
    starts: NDArray[np.intp]
    matrix: Vectors

    @property
    def bytes(self) -> int:
        """What they take in memory."""
        return self.matrix.nbytes + self.ids.nbytes + self.starts.nbytes


class ScanIndex:
    """Exact search, always right: what the other index is measured against, and what answers when it cannot.

    Args:
        cache: Where the vectors of the scopes used last are, so that only what changed since is read again.
    """

    name: Engine = "scan"

    def __init__(self, cache: LRUCache[LineVectors]) -> None:
        self._cache = cache

    def search(self, session: Session, scope: ScopeAt, vector: Vectors, limit: int) -> Proposals:
        """See `VectorIndex`; never unavailable."""
        lines = self._lines(session, scope)
        if limit >= len(lines.ids):
            return Proposals.of(lines.ids, _similarities(lines, vector))
        rough = _best_of_each((lines.matrix @ vector).astype(np.float64), lines.starts)
        chosen = np.flatnonzero(rough >= np.partition(rough, -limit)[-limit] - _SLACK)
        rows, starts = _rows_of(lines, chosen)
        return Proposals.of(lines.ids[chosen], _best_of_each(similarities(lines.matrix[rows], vector), starts))

    def every(self, session: Session, scope: ScopeAt, vector: Vectors) -> Proposals:
        """Return every line of a scope, in no order: to put them in one takes half as long as to compare them."""
        lines = self._lines(session, scope)
        return Proposals(lines.ids, _similarities(lines, vector))

    def _lines(self, session: Session, scope: ScopeAt) -> LineVectors:
        key = scope.block_id, scope.embedder_id
        lines = self._cache.get(key, seq=scope.seq) or _NONE
        if lines.seq < scope.seq:
            news = changes(session, scope.embedder_id, after=lines.seq, block_id=scope.block_id)
            if any(change.stands_for_others for change in news):
                lines, news = _NONE, changes(session, scope.embedder_id, after=0, block_id=scope.block_id)
            lines = _applied(lines, news, scope.seq)
            self._cache.put(key, lines)
        return lines


def _similarities(lines: LineVectors, vector: Vectors) -> Floats:
    return _best_of_each(similarities(lines.matrix, vector), lines.starts) if len(lines.ids) else np.empty(0)


def _best_of_each(values: Floats, starts: NDArray[np.intp]) -> Floats:
    """Return the largest value of each line."""
    return values if len(starts) == len(values) else np.maximum.reduceat(values, starts)


def _rows_of(lines: LineVectors, chosen: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows of some lines, and where each begins among them."""
    if len(lines.starts) == len(lines.matrix):
        return chosen, np.arange(len(chosen))
    sizes = np.diff(np.r_[lines.starts, len(lines.matrix)])[chosen]
    starts = np.r_[0, np.cumsum(sizes)[:-1]]
    rows: NDArray[np.intp] = np.arange(int(sizes.sum())) + np.repeat(lines.starts[chosen] - starts, sizes)
    return rows, starts


def _applied(lines: LineVectors, news: Sequence[LineChange], seq: int) -> LineVectors:
    changed = np.array([change.line_id for change in news], ID)
    stay = np.flatnonzero(~np.isin(lines.ids, changed))
    rows, _ = _rows_of(lines, stay)
    live = [(change.line_id, change.vectors) for change in news if change.vectors is not None]
    parts = [lines.matrix if len(stay) == len(lines.ids) else lines.matrix[rows]] if len(stay) else []
    parts += [vectors for _, vectors in live]
    old = np.diff(np.r_[lines.starts, len(lines.matrix)])[stay]
    sizes = np.concatenate([old, np.array([len(vectors) for _, vectors in live], np.intp)])
    return LineVectors(
        seq=seq,
        ids=np.concatenate([lines.ids[stay], np.array([line_id for line_id, _ in live], ID)]),
        starts=np.cumsum(sizes) - sizes,
        matrix=np.concatenate(parts) if parts else _NONE.matrix,
    )


_NONE: Final = LineVectors(0, np.empty(0, ID), np.empty(0, np.intp), np.empty((0, 0), np.float32))
