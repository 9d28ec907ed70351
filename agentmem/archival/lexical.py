"""How well lines answer a question by word: the postings of one scope, and the score.

Pure: arrays in, arrays out. `docs/recall.md` works one example by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from agentmem.archival.terms import ASKS, number, unpack

if TYPE_CHECKING:
    from collections.abc import Sequence

Floats = NDArray[np.float64]
Rows = NDArray[np.int32]

CONTEXT: Final = (0.6, 0.36)
"""How much of the word count of the line before, and of the one before that, counts for a line."""

CONTEXT_LENGTH: Final = 30
"""A line of more terms than this can be understood alone, and takes less of its context in proportion."""

SATURATION: Final = 0.9
LENGTH_SHARE: Final = 0.4
BACKGROUND: Final = 100
"""How many lines without any of the words stand behind a scope, so that words have a weight in a small one too."""


@dataclass(frozen=True, slots=True, eq=False)
class Postings:
    """The terms of one scope's lines, by term. Rows are places in the order of the scope.

    Args:
        terms: The number of each term, ascending; shape `(postings,)`, as are the next two.
        rows: The line that it stands in.
        counts: How often.
        following: The row of the next line of the same conversation, -1 where there is none; shape `(lines,)`, as are
            the next two.
        context: The share of its context that a line takes, 0 to 1.
        lengths: The terms of a line, its context's share included.
    """

    terms: NDArray[np.uint32]
    rows: Rows
    counts: NDArray[np.uint8]
    following: Rows
    context: Floats
    lengths: Floats

    def extended(self, bags: Sequence[bytes], following: Rows) -> Postings:
        """These and the postings of more lines after them; `following` is of all lines."""
        stored = unpack(b"".join(bags))
        sizes = np.fromiter(map(len, bags), np.int64, len(bags)) // stored.itemsize
        before, lines = len(self.following), len(following)
        terms = np.concatenate([self.terms, stored["term"]])
        rows = np.concatenate([self.rows, np.repeat(np.arange(before, lines, dtype=np.int32), sizes)])
        counts = np.concatenate([self.counts, stored["count"]])
        order = np.argsort(terms, kind="stable")
        own = np.bincount(rows, counts, lines).astype(np.float64)
        context = np.minimum(1.0, CONTEXT_LENGTH / np.maximum(own, 1))
        return Postings(
            terms=terms[order],
            rows=rows[order],
            counts=counts[order],
            following=following,
            context=context,
            lengths=_with_context(own, following, context),
        )

    @property
    def bytes(self) -> int:
        """What they take in memory."""
        arrays = self.terms, self.rows, self.counts, self.following, self.context, self.lengths
        return sum(array.nbytes for array in arrays)

    def own(self, term: str) -> Floats:
        """How often a term stands in each line itself; shape `(lines,)`."""
        wanted = np.uint32(number(term))
        first, last = (np.searchsorted(self.terms, wanted, side) for side in ("left", "right"))
        counts = np.zeros(len(self.following))
        counts[self.rows[first:last]] = self.counts[first:last]
        return counts

    def amount(self, term: str) -> Floats:
        """`own` with what the two lines before in the same conversation add; shape `(lines,)`."""
        return _with_context(self.own(term), self.following, self.context)

    def share(self, term: str) -> float:
        """The part of the lines that a term stands in, 0 to 1, the background's included: a few lines tell nothing."""
        return np.count_nonzero(self.own(term)) / (len(self.following) + BACKGROUND)

    def asking(self) -> NDArray[np.bool_]:
        """Which lines end in a question mark; shape `(lines,)`."""
        return self.own(ASKS) > 0


@dataclass(frozen=True, slots=True, eq=False)
class AskedTerm:
    """One word of a question in one scope: its weight, and how much of it is in each line."""

    term: str
    weight: float
    amount: Floats


def asked_terms(postings: Postings, question: Sequence[tuple[str, ...]]) -> list[AskedTerm]:
    """What a question asks for, weighed by the scope's own word counts.

    `weight = ln(1 + (N + 100 - df + 1/2) / (df + 1/2))`, the inverse document
    frequency of Robertson and Spärck Jones in the form of Lucene's BM25, over
    the scope's N lines and 100 more that hold nothing; `df` counts lines that
    have the term, be it from their context.

    Args:
        postings: The scope.
        question: What `Analyzer.question` gave. An identifier counts as a whole where the scope knows it so, else by
            its parts.
    """
    found: dict[str, AskedTerm] = {}
    for whole, *parts in question:
        asked = _asked(postings, whole)
        if parts and not asked.amount.any():
            found |= {part: _asked(postings, part) for part in parts}
        else:
            found[whole] = asked
    return list(found.values())


def lexical(postings: Postings, asked: Sequence[AskedTerm]) -> Floats:
    """The share of a question's weight that each line has, 0 to 1; shape `(lines,)`.

    `sum(weight * v / (v + 0.9 * (0.6 + 0.4 * L / mean L))) / sum(weight)`, after
    BM25, divided by what all of the question weighs: a word that the scope has
    never seen lowers every score.
    """
    score = np.zeros(len(postings.following))
    norm = normalisation(postings)
    for one in asked:
        score += one.weight * (one.amount / (one.amount + norm))
    return score / sum(one.weight for one in asked) if asked else score


def normalisation(postings: Postings) -> Floats:
    """What a term's amount is compared with in each line: the more, the longer the line; shape `(lines,)`."""
    mean = postings.lengths.mean() if len(postings.lengths) else 1.0
    norm: Floats = SATURATION * (1 - LENGTH_SHARE + LENGTH_SHARE * postings.lengths / max(mean, 1.0))
    return norm


def _asked(postings: Postings, term: str) -> AskedTerm:
    amount = postings.amount(term)
    lines, known = len(amount), int(np.count_nonzero(amount))
    return AskedTerm(term, float(np.log1p((lines + BACKGROUND - known + 0.5) / (known + 0.5))), amount)


def _with_context(values: Floats, following: Rows, context: Floats) -> Floats:
    total = values.copy()
    giving = np.flatnonzero(values)
    taking = following[giving]
    for share in CONTEXT:
        giving, taking = giving[taking >= 0], taking[taking >= 0]
        total[taking] += share * context[taking] * values[giving]
        taking = following[taking]
    return total


NO_POSTINGS: Final = Postings(
    terms=unpack(b"")["term"],
    rows=np.empty(0, np.int32),
    counts=unpack(b"")["count"],
    following=np.empty(0, np.int32),
    context=np.empty(0),
    lengths=np.empty(0),
)
