"""The scores of recall: pure functions of arrays, one place for each line.

`docs/recall.md` says where each figure comes from and works one example by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from agentmem.archival.lexical import Floats, Rows
    from agentmem.embedding import Vectors

SEMANTIC_SHARE: Final = 0.3
LEXICAL_SHARE: Final = 0.7
MEANING_ALONE: Final = 0.5
"""A score is at least this share of the similarity: what says the same in other words reaches the floor too."""

SPEAKER_BOOST: Final = 0.08
CONVERSATION_BOOST: Final = 0.4
QUESTION_BOOST: Final = -0.08
RECENCY_BOOST: Final = 0.1
_BEST_OF_CONVERSATION: Final = 3
_DECIMALS: Final = 6
_DAY: Final = 86_400_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Boosts:
    """What moves a line in the order beside its score; it never moves the score. Each has the shape `(lines,)`.

    Args:
        speaker: The question names one speaker, and the line is theirs.
        conversation: How well the best lines of the same conversation answer.
        question: The line asks something itself, and seldom answers.
        recency: How new it is, where that was asked for.
    """

    speaker: Floats
    conversation: Floats
    question: Floats
    recency: Floats

    @property
    def total(self) -> Floats:
        """All of them together."""
        return self.speaker + self.conversation + self.question + self.recency


def similarities(matrix: Vectors, query: Vectors) -> Floats:
    """`max(0, cosine)` of each row with the query, all of unit length; shape `(rows,)`.

    Summed row by row in float64, so a line has the same score whichever lines
    are scored beside it, and rounded to what float32 vectors can tell, so that
    a floor of 0.9 keeps what is 0.9.

    Args:
        matrix: Shape `(rows, dimensions)`.
        query: Shape `(dimensions,)`.
    """
    total: Floats = (matrix * query).sum(axis=1, dtype=np.float64)
    return rounded(np.clip(total, 0.0, 1.0))


def fused(semantic: Floats, lexical: Floats) -> Floats:
    """The two parts in one figure: `0.3 * semantic + 0.7 * lexical`."""
    return rounded(SEMANTIC_SHARE * semantic + LEXICAL_SHARE * lexical)


def scores(semantic: Floats, answers: Floats) -> Floats:
    """What the floor is compared with: `max(fused, semantic / 2)`; `answers` is what `fused` gave."""
    return rounded(np.maximum(answers, MEANING_ALONE * semantic))


def best_of_conversation(answers: Floats, conversation: Rows) -> Floats:
    """For each line the mean of the three best of its conversation, or of as many as there are.

    A line of no conversation stands for one of its own.

    Args:
        answers: How well each line answers.
        conversation: The code of its conversation, negative for none.
    """
    codes = conversation + 1  # 0 is that of the lines of none
    lines = np.bincount(codes)
    best: list[Floats] = []
    left = answers.copy()
    for _ in range(_BEST_OF_CONVERSATION):  # to sort the lines by conversation takes twice as long
        largest = np.zeros(len(lines))
        np.maximum.at(largest, codes, left)
        best.append(largest)
        places = np.flatnonzero(left == largest[codes])
        one_of_each = np.zeros(len(lines), np.intp)
        one_of_each[codes[places]] = places
        left[one_of_each[codes[places]]] = 0.0
    means = np.sum(best[::-1], axis=0) / np.clip(lines, 1, _BEST_OF_CONVERSATION)
    return np.where(conversation < 0, answers, means[codes])


def recency(moments: NDArray[np.int64], now: int, half_life_days: float) -> Floats:
    """1 for what happens now, 1/2 after the half-life, and so on; what lies ahead counts as now.

    Args:
        moments: Microseconds since 1970, as is `now`.
        now: What time it is.
        half_life_days: The half-life.
    """
    age = np.maximum(0, now - moments) / _DAY
    with np.errstate(over="ignore"):  # of a half-life next to nothing: what is past counts for nothing
        half: Floats = np.exp2(-age / half_life_days)
    return half


def rounded(values: Floats) -> Floats:
    """To the decimals that float32 vectors can tell."""
    result: Floats = values.round(_DECIMALS)
    return result
