"""The scores of recall: pure functions of arrays, one place for each line.

`docs/recall.md` says where each figure comes from and works one example by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from agentmem.embedding import rounded

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from agentmem.archival.search.bm25 import Rows
    from agentmem.embedding import Floats

SEMANTIC_SHARE: Final = 0.3
LEXICAL_SHARE: Final = 0.7
MEANING_ALONE: Final = 0.5
"""A score is at least this share of the similarity: what says the same in other words reaches the floor too."""

ORDER_SEMANTIC_SHARE: Final = 0.38
ORDER_LEXICAL_SHARE: Final = 0.62
"""The score refuses, and words refuse best; the order chooses among what passed, and there meaning says more."""

SPEAKER_BOOST: Final = 0.08
CONVERSATION_BOOST: Final = 0.4
QUESTION_BOOST: Final = -0.1
QUESTION_LENGTH: Final = 10
"""A line of more terms than this says something beside what it asks, and is put back less, in proportion."""

RECENCY_BOOST: Final = 0.1
_BEST_OF_CONVERSATION: Final = 3
_DAY: Final = 86_400_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Boosts:
    """What moves a line in the order beside its score; it never moves the score. Each has the shape `(lines,)`.

    Args:
        speaker: The question names one speaker, and the line is theirs.
        conversation: How well the best lines of the same conversation answer.
        question: The line asks something itself, and the shorter it is, the less it says beside.
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


def scores(semantic: Floats, lexical: Floats) -> Floats:
    """Return what the floor is compared with: `max(0.3 * semantic + 0.7 * lexical, semantic / 2)`."""
    return rounded(np.maximum(SEMANTIC_SHARE * semantic + LEXICAL_SHARE * lexical, MEANING_ALONE * semantic))


def answers(semantic: Floats, lexical: Floats) -> Floats:
    """How well lines answer, beside each other: `0.38 * semantic + 0.62 * lexical`, which the order begins with."""
    return rounded(ORDER_SEMANTIC_SHARE * semantic + ORDER_LEXICAL_SHARE * lexical)


def question(asking: NDArray[np.bool_], lengths: Rows) -> Floats:
    """Return what is taken off lines that ask: `0.1 * min(1, 10 / length)`, all of it off a short one.

    Args:
        asking: Which lines do.
        lengths: How many terms are in each, the mark of a question among them.
    """
    return np.where(asking, QUESTION_BOOST * np.minimum(1.0, QUESTION_LENGTH / np.maximum(lengths, 1)), 0.0)


def best_of_conversation(answers: Floats, conversation: Rows) -> Floats:
    """For each line the mean of the three best of its conversation, or of as many as there are.

    A line of no conversation stands for one of its own.

    Args:
        answers: How well each line answers.
        conversation: The code of its conversation, negative for none.
    """
    codes = conversation + 1  # 0 is that of the lines of none
    lines = np.bincount(codes)
    ends = lines.cumsum()
    ascending = answers[np.argsort(codes + answers / 2)]  # those of one conversation stand together
    total = np.zeros(len(lines))
    for place in range(_BEST_OF_CONVERSATION, 0, -1):
        total += np.where(lines >= place, ascending[np.maximum(ends - place, 0)], 0.0)
    means = total / np.clip(lines, 1, _BEST_OF_CONVERSATION)
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
