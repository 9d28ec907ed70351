"""How well lines answer a question by word: the postings of one scope, and the score.

Pure: arrays in, arrays out. `docs/recall.md` works one example by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from agentmem.text.analyzer import ASKS
from agentmem.text.bags import number, unpack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentmem.embedding import Floats

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
        takers: The rows that what is in a line counts for: its own, and those of the next two lines of the same
            conversation, or the number of lines where there is none; shape `(3, lines)`.
        shares: How much of it counts there, in the same shape.
        lengths: How many terms are in the line itself; shape `(lines,)`.
        normalisation: What a term's amount is compared with in a line: `0.9 * (0.6 + 0.4 * L / mean L)`, where L is the
            number of its terms, its context's share included; shape `(lines,)`.
    """

    terms: NDArray[np.uint32]
    rows: Rows
    counts: NDArray[np.uint8]
    takers: Rows
    shares: Floats
    lengths: Rows
    normalisation: Floats

    def __len__(self) -> int:
        """How many lines there are."""
        return len(self.normalisation)

    def extended(self, bags: Sequence[bytes], following: Rows) -> Postings:
        """These and the postings of more lines after them; `following` is what `following_of` says of all lines."""
        stored = unpack(b"".join(bags))
        sizes = np.fromiter(map(len, bags), np.int64, len(bags)) // stored.itemsize
        before, lines = len(self), len(following)
        terms = np.concatenate([self.terms, stored["term"]])
        rows = np.concatenate([self.rows, np.repeat(np.arange(before, lines, dtype=np.int32), sizes)])
        counts = np.concatenate([self.counts, stored["count"]])
        order = np.argsort(terms, kind="stable")
        return _postings(terms[order], rows[order], counts[order], following)

    def of_lines(self, shown: NDArray[np.bool_], following: Rows) -> Postings:
        """The postings of some of the lines, as if there were no others; `following` is of these."""
        theirs = shown[self.rows]
        places = np.cumsum(shown, dtype=np.int32) - 1
        return _postings(self.terms[theirs], places[self.rows[theirs]], self.counts[theirs], following)

    @property
    def bytes(self) -> int:
        """What they take in memory."""
        arrays = self.terms, self.rows, self.counts, self.takers, self.shares, self.lengths, self.normalisation
        return sum(array.nbytes for array in arrays)

    def own(self, term: str) -> Amounts:
        """How often a term stands in the lines themselves."""
        wanted = np.uint32(number(term))
        first, last = self.terms.searchsorted(wanted, "left"), self.terms.searchsorted(wanted, "right")
        return Amounts(self.rows[first:last], self.counts[first:last].astype(np.float64))

    def with_context(self, own: Amounts) -> Amounts:
        """What the two lines before in the same conversation add as well."""
        total = _taken(self.takers.take(own.rows, axis=1), self.shares.take(own.rows, axis=1) * own.values, len(self))
        rows = np.flatnonzero(total)
        return Amounts(rows, total[rows])

    def share(self, term: str) -> float:
        """The part of the lines that a term stands in, 0 to 1, the background's included: a few lines tell nothing."""
        return len(self.own(term).rows) / (len(self) + BACKGROUND)

    def asking(self) -> NDArray[np.bool_]:
        """Which lines ask something; shape `(lines,)`."""
        asks = np.zeros(len(self), np.bool_)
        asks[self.own(ASKS).rows] = True
        return asks


@dataclass(frozen=True, slots=True, eq=False)
class Amounts:
    """How much of something is in the lines that have any: their rows, ascending, and the figure of each."""

    rows: NDArray[np.signedinteger]
    values: Floats

    def at(self, row: int) -> float:
        """How much is in one line."""
        place = int(np.searchsorted(self.rows, row))
        return float(self.values[place]) if place < len(self.rows) and self.rows[place] == row else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class AskedTerm:
    """One word of a question in one scope.

    Args:
        term: The word.
        weight: How much it says in this scope.
        own: How often it stands in the lines themselves.
        amount: The same with what the lines before add.
    """

    term: str
    weight: float
    own: Amounts
    amount: Amounts


def asked_terms(postings: Postings, question: Sequence[tuple[str, ...]]) -> list[AskedTerm]:
    """What a question asks for, weighed by the scope's own word counts.

    `weight = ln(1 + (N + 100 - df + 1/2) / (df + 1/2))`, the inverse document
    frequency of Robertson and Spärck Jones in the form of Lucene's BM25, over
    the scope's N lines and 100 more that hold nothing; `df` counts lines that
    have the term, be it from their context.

    An identifier is in a line as often as it stands there in one piece, or as
    all of its parts do.

    Args:
        postings: The scope.
        question: What `Analyzer.question` gave.
    """
    lines = len(postings)
    asked: list[AskedTerm] = []
    for whole, *parts in question:
        own = postings.own(whole)
        if parts:
            own = _larger(own, _in_all([postings.own(part) for part in dict.fromkeys(parts)]))
        amount = postings.with_context(own)
        known = len(amount.rows)
        weight = float(np.log1p((lines + BACKGROUND - known + 0.5) / (known + 0.5)))
        asked.append(AskedTerm(whole, weight, own, amount))
    return asked


def lexical(postings: Postings, asked: Sequence[AskedTerm]) -> Floats:
    """The share of a question's weight that each line has, 0 to 1; shape `(lines,)`.

    `sum(weight * v / (v + 0.9 * (0.6 + 0.4 * L / mean L))) / sum(weight)`, after
    BM25, divided by what all of the question weighs: a word that the scope has
    never seen lowers every score.
    """
    score = np.zeros(len(postings))
    for one in asked:
        rows, values = one.amount.rows, one.amount.values
        score[rows] += one.weight * (values / (values + postings.normalisation[rows]))
    return score / sum(one.weight for one in asked) if asked else score


def _postings(terms: NDArray[np.uint32], rows: Rows, counts: NDArray[np.uint8], following: Rows) -> Postings:
    lines = len(following)
    own = np.bincount(rows, counts, lines).astype(np.float64)
    takers = _takers(following)
    context = np.append(np.minimum(1.0, CONTEXT_LENGTH / np.maximum(own, 1)), 0.0)[takers]
    shares = np.stack([np.ones(lines), *(share * of for share, of in zip(CONTEXT, context[1:], strict=True))])
    mixed = _taken(takers, shares * own, lines)
    mean = max(float(mixed.mean()), 1.0) if lines else 1.0
    return Postings(
        terms=terms,
        rows=rows,
        counts=counts,
        takers=takers,
        shares=shares,
        lengths=own.astype(np.int32),
        normalisation=SATURATION * (1 - LENGTH_SHARE + LENGTH_SHARE * mixed / mean),
    )


def _takers(following: Rows) -> Rows:
    lines = len(following)
    onwards = np.append(np.where(following < 0, lines, following), lines).astype(np.int32)
    takers = [np.arange(lines, dtype=np.int32)]
    for _ in CONTEXT:
        takers.append(onwards[takers[-1]])
    return np.stack(takers)


def _taken(takers: Rows, values: Floats, lines: int) -> Floats:
    """What each line has of values once all are where they count; shape `(lines,)`."""
    return np.bincount(takers.ravel(), values.ravel(), lines + 1)[:lines].astype(np.float64, copy=False)


def _in_all(several: Sequence[Amounts]) -> Amounts:
    """What is in every one of several, as often as in the one that has least of it."""
    least = several[0]
    for other in several[1:]:
        rows, here, there = np.intersect1d(least.rows, other.rows, assume_unique=True, return_indices=True)
        least = Amounts(rows, np.minimum(least.values[here], other.values[there]))
    return least


def _larger(one: Amounts, other: Amounts) -> Amounts:
    """The larger figure of each row."""
    rows = np.union1d(one.rows, other.rows)
    values = np.zeros(len(rows))
    for each in (one, other):
        places = np.searchsorted(rows, each.rows)
        values[places] = np.maximum(values[places], each.values)
    return Amounts(rows, values)


NO_POSTINGS: Final = Postings(
    terms=unpack(b"")["term"],
    rows=np.empty(0, np.int32),
    counts=unpack(b"")["count"],
    takers=np.empty((3, 0), np.int32),
    shares=np.empty((3, 0)),
    lengths=np.empty(0, np.int32),
    normalisation=np.empty(0),
)
