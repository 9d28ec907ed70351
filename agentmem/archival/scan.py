"""The exact scan: every vector of a scope in memory, compared with the query."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from agentmem.archival.index import Candidate
from agentmem.archival.scoring import similarities
from agentmem.archival.vectors import Change, best_first, changes, latest
from agentmem.database import state

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlmodel import Session

    from agentmem.embedding import Vectors
    from agentmem.models import Engine

_SLACK: Final = 1e-5
"""How far a float32 product may be from the exact similarity."""


@dataclass(frozen=True, slots=True)
class _Lines:
    """The vectors of one scope as of one change number; never altered, so that readers need no lock."""

    embedder_id: int | None
    seq: int
    ids: tuple[str, ...]
    matrix: Vectors

    @property
    def bytes(self) -> int:
        """About what it takes in memory."""
        return self.matrix.nbytes + 100 * len(self.ids)


class ScanIndex:
    """Exact search, always right: what the other index is measured against, and what answers when it cannot.

    The vectors of the scopes used last are kept, and only what changed since
    is read again.

    Args:
        max_bytes: The most memory to keep them in.
    """

    name: Engine = "scan"

    def __init__(self, *, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._kept: OrderedDict[str, _Lines] = OrderedDict()
        self._lock = threading.Lock()

    def search(self, session: Session, block_id: str, vector: Vectors, limit: int) -> list[Candidate]:
        """See `VectorIndex`; never unavailable."""
        lines = self._lines(session, block_id)
        if not lines.ids:
            return []
        rough = lines.matrix @ vector
        floor = -np.inf if limit >= len(rough) else np.partition(rough, -limit)[-limit] - _SLACK
        rows = np.flatnonzero(rough >= floor)
        exact = similarities(lines.matrix[rows], vector)
        candidates = [Candidate(lines.ids[row], score) for row, score in zip(rows.tolist(), exact, strict=True)]
        return sorted(candidates, key=best_first)

    def _lines(self, session: Session, block_id: str) -> _Lines:
        embedder_id, seq = state(session).embedder_id, latest(session, block_id)
        with self._lock:
            lines = self._kept.get(block_id)
        if lines is None or lines.embedder_id != embedder_id or lines.seq > seq:  # newer than this reader's snapshot
            lines = _Lines(embedder_id, 0, (), np.empty((0, 0), np.float32))
        if lines.seq < seq:
            news = changes(session, embedder_id, after=lines.seq, block_id=block_id)
            lines = replace(_applied(lines, news), seq=seq)
        self._keep(block_id, lines)
        return lines

    def _keep(self, block_id: str, lines: _Lines) -> None:
        with self._lock:
            other = self._kept.get(block_id)
            if other is None or other.embedder_id != lines.embedder_id or other.seq <= lines.seq:
                self._kept[block_id] = lines
            self._kept.move_to_end(block_id)
            while sum(kept.bytes for kept in self._kept.values()) > self._max_bytes:
                self._kept.popitem(last=False)


def _applied(lines: _Lines, news: Sequence[Change]) -> _Lines:
    changed = {change.line_id for change in news}
    stay = [row for row, line_id in enumerate(lines.ids) if line_id not in changed]
    live = [(change.line_id, change.vector) for change in news if change.vector is not None]
    parts = [lines.matrix if len(stay) == len(lines.ids) else lines.matrix[stay]] if stay else []
    if live:
        parts.append(np.stack([vector for _, vector in live]))
    ids = (*(lines.ids[row] for row in stay), *(line_id for line_id, _ in live))
    return replace(lines, ids=ids, matrix=np.concatenate(parts) if parts else np.empty((0, 0), np.float32))
