"""How well lines answer a question by word: the postings of one scope, and the score.

Pure: arrays in, arrays out. `docs/recall.md` works one example by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from agentmem.text.analyzer import ASKS
from agentmem.text.bags import number, unpack

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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

_CELLS: Final = 1 << 16
"""How many sums, one for each term and line, are made together: so many stay in a processor's cache."""


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
        """Return the postings of some of the lines, as if there were no others; `following` is of these."""
        theirs = shown[self.rows]
        places = np.cumsum(shown, dtype=np.int32) - 1
        return _postings(self.terms[theirs], places[self.rows[theirs]], self.counts[theirs], following)

    @property
    def bytes(self) -> int:
        """What they take in memory."""
        arrays = self.terms, self.rows, self.counts, self.takers, self.shares, self.lengths, self.normalisation
        return sum(array.nbytes for array in arrays)

    def own(self, term: str) -> Amounts:
        """Return how often a term stands in the lines themselves."""
        return self.own_of([term])[0]

    def own_of(self, terms: Sequence[str]) -> list[Amounts]:
        """Return the same for several terms, looked up together."""
        wanted = np.array([number(term) for term in terms], np.uint32)
        first, last = self.terms.searchsorted(wanted, "left"), self.terms.searchsorted(wanted, "right")
        return [
            Amounts(self.rows[begin:end], self.counts[begin:end].astype(np.float64))
            for begin, end in zip(first.tolist(), last.tolist(), strict=True)
        ]

    def with_context(self, several: Sequence[Amounts]) -> list[Amounts]:
        """Return what the two lines before in the same conversation add as well, for each of several amounts."""
        at_once = max(1, _CELLS // (len(self) + 1))
        found: list[Amounts] = []
        for start in range(0, len(several), at_once):
            found += self._with_context(several[start : start + at_once])
        return found

    def _with_context(self, several: Sequence[Amounts]) -> list[Amounts]:
        """Return the same in one table with a row for each; the last column takes what counts for no line."""
        width = len(self) + 1
        rows = np.concatenate([one.rows for one in several])
        begins = np.repeat(np.arange(len(several)) * width, [len(one.rows) for one in several])
        values = self.shares.take(rows, axis=1) * np.concatenate([one.values for one in several])
        cells = (self.takers.take(rows, axis=1) + begins).ravel()
        total = np.bincount(cells, values.ravel(), len(several) * width).astype(np.float64, copy=False)
        total[width - 1 :: width] = 0.0
        taking = np.flatnonzero(total != 0.0)
        amounts = total[taking]
        edges = np.arange(len(several) + 1) * width
        places = taking.searchsorted(edges).tolist()
        return [
            Amounts(taking[begin:end] - edge, amounts[begin:end])
            for edge, (begin, end) in zip(edges.tolist(), pairwise(places), strict=False)
        ]

    def share(self, term: str) -> float:
        """The part of the lines that a term stands in, 0 to 1, the background's included: a few lines tell nothing."""
        return len(self.own(term).rows) / (len(self) + BACKGROUND)

    def asking(self) -> NDArray[np.bool_]:
        """Return which lines ask something; shape `(lines,)`."""
        asks = np.zeros(len(self), np.bool_)
        asks[self.own(ASKS).rows] = True
        return asks


@dataclass(frozen=True, slots=True, eq=False)
class Amounts:
    """How much of something is in the lines that have any: their rows, ascending, and the figure of each."""

    rows: NDArray[np.signedinteger]
    values: Floats

    def at(self, row: int) -> float:
        """Return how much is in one line."""
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
    """Return what a question asks for, weighed by the scope's own word counts.

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
    names = [name for term in question for name in term]
    known = dict(zip(names, postings.own_of(names), strict=True))
    own = [_whole(known, whole, parts) for whole, *parts in question]
    amounts = postings.with_context(own)
    having = np.array([len(amount.rows) for amount in amounts])
    weights = np.log1p((len(postings) + BACKGROUND - having + 0.5) / (having + 0.5)).tolist()
    wholes = [whole for whole, *_ in question]
    return [AskedTerm(*one) for one in zip(wholes, weights, own, amounts, strict=True)]


def lexical(postings: Postings, asked: Sequence[AskedTerm]) -> Floats:
    """Return the share of a question's weight that each line has, 0 to 1; shape `(lines,)`.

    `sum(weight * v / (v + 0.9 * (0.6 + 0.4 * L / mean L))) / sum(weight)`, after
    BM25, divided by what all of the question weighs: a word that the scope has
    never seen lowers every score.
    """
    if not asked:
        return np.zeros(len(postings))
    weights = [one.weight for one in asked]
    rows = np.concatenate([one.amount.rows for one in asked])
    values = np.concatenate([one.amount.values for one in asked])
    parts = np.repeat(weights, [len(one.amount.rows) for one in asked])
    parts *= values / (values + postings.normalisation[rows])
    return np.bincount(rows, parts, len(postings)) / sum(weights)


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
    """Return what each line has of values once all are where they count; shape `(lines,)`."""
    return np.bincount(takers.ravel(), values.ravel(), lines + 1)[:lines].astype(np.float64, copy=False)


def _whole(known: Mapping[str, Amounts], whole: str, parts: Sequence[str]) -> Amounts:
    """Return how often a term stands in the lines, in one piece or as all of its parts."""
    if not parts:
        return known[whole]
    return _larger(known[whole], _in_all([known[part] for part in dict.fromkeys(parts)]))


def _in_all(several: Sequence[Amounts]) -> Amounts:
    """Return what is in every one of several, as often as in the one that has least of it."""
    least = several[0]
    for other in several[1:]:
        rows, here, there = np.intersect1d(least.rows, other.rows, assume_unique=True, return_indices=True)
        least = Amounts(rows, np.minimum(least.values[here], other.values[there]))
    return least


def _larger(one: Amounts, other: Amounts) -> Amounts:
    """Return the larger figure of each row."""
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
