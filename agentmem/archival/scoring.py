"""The scores of recall: pure functions of the query and the lines.

A match's `score` is its `semantic` similarity; this is where another leg would be scored and fused into it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from agentmem.embedding import Vectors
    from agentmem.models import MemoryRecallResult

_DECIMALS: Final = 6


def similarities(matrix: Vectors, query: Vectors) -> list[float]:
    """`max(0, cosine)` of each row with the query, all of unit length.

    Summed row by row in float64, so a line has the same score to the last bit
    whichever lines are scored beside it, and rounded to what float32 vectors
    can tell, so that a floor of 0.9 keeps what is 0.9.

    Args:
        matrix: Shape `(lines, dimensions)`.
        query: Shape `(dimensions,)`.
    """
    products = matrix.astype(np.float64) * query.astype(np.float64)
    clipped: list[float] = np.clip(products.sum(axis=1).round(_DECIMALS), 0.0, 1.0).tolist()
    return clipped


def ranked(matches: Sequence[MemoryRecallResult], limit: int) -> list[MemoryRecallResult]:
    """The best `limit` matches: by score, then the newer moment, then id."""
    by_id = sorted(matches, key=lambda match: match.id)
    newest_first = sorted(by_id, key=_moment, reverse=True)  # sorted() keeps the order of equals, reversed or not
    return sorted(newest_first, key=lambda match: match.score, reverse=True)[:limit]


def _moment(match: MemoryRecallResult) -> datetime:
    return match.occurred_at or match.created_at
