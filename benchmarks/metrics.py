"""What a ranked list is worth, and where the middle and the slow end of some timings are: pure functions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence


def recall_at(k: int, ranked: Sequence[str], relevant: Collection[str]) -> float:
    """The share of what is relevant that stands among the first `k`.

    >>> recall_at(2, ["a", "x", "b"], {"a", "b"})
    0.5
    """
    return len(set(ranked[:k]) & set(relevant)) / len(set(relevant))


def hit_at(k: int, ranked: Sequence[str], relevant: Collection[str]) -> float:
    """1 when anything relevant stands among the first `k`, else 0.

    >>> hit_at(2, ["x", "b"], {"a", "b"})
    1.0
    """
    return float(not set(relevant).isdisjoint(ranked[:k]))


def reciprocal_rank(ranked: Sequence[str], relevant: Collection[str]) -> float:
    """1 / the place of the first relevant one, counted from 1; 0 when the list has none.

    >>> reciprocal_rank(["x", "b"], {"a", "b"})
    0.5
    """
    return next((1 / place for place, one in enumerate(ranked, start=1) if one in relevant), 0.0)


def ndcg_at(k: int, ranked: Sequence[str], relevant: Collection[str]) -> float:
    """Gain 1 for what is relevant, discounted by log2(place + 1), over the same of the best possible list.

    >>> ndcg_at(10, ["a", "b"], {"a", "b"})
    1.0
    """
    gained = sum(1 / math.log2(place + 1) for place, one in enumerate(ranked[:k], start=1) if one in relevant)
    possible = sum(1 / math.log2(place + 1) for place in range(1, min(k, len(set(relevant))) + 1))
    return gained / possible


METRICS: Final[Mapping[str, Callable[[Sequence[str], Collection[str]], float]]] = {
    "recall@5": lambda ranked, relevant: recall_at(5, ranked, relevant),
    "recall@10": lambda ranked, relevant: recall_at(10, ranked, relevant),
    "recall@20": lambda ranked, relevant: recall_at(20, ranked, relevant),
    "MRR": reciprocal_rank,
    "nDCG@10": lambda ranked, relevant: ndcg_at(10, ranked, relevant),
    "hit@10": lambda ranked, relevant: hit_at(10, ranked, relevant),
}
"""Every figure that is reported, in the order of the tables' columns."""


def mean_scores(answers: Iterable[tuple[Sequence[str], Collection[str]]]) -> dict[str, float]:
    """The mean of every metric over questions, each one a ranked list and what is relevant to it.

    >>> mean_scores([(["a"], {"a"}), (["x"], {"a"})])["MRR"]
    0.5
    """
    asked = list(answers)
    return {
        name: sum(metric(ranked, relevant) for ranked, relevant in asked) / len(asked)
        for name, metric in METRICS.items()
    }


def percentile(values: Iterable[float], percent: float) -> float:
    """The value that `percent` of the values do not exceed, between two of them in proportion.

    >>> percentile([1, 2, 3, 4], 50)
    2.5
    """
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    below, above = math.floor(place), math.ceil(place)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
