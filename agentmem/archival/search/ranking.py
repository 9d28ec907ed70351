"""From similarities and words to an order: pure, over the columns of one scope."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from agentmem.archival.search import names, scoring
from agentmem.archival.search.bm25 import AskedTerm, asked_terms, lexical
from agentmem.archival.search.columns import NONE
from agentmem.embedding import rounded
from agentmem.models import ExplainedTerm, Explanation

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from numpy.typing import NDArray

    from agentmem.archival.search.bm25 import Rows
    from agentmem.archival.search.columns import Columns
    from agentmem.embedding import Floats
    from agentmem.models import Engine
    from agentmem.text.analyzer import Analyzer

_FIRST: Final = 50
"""How many of the best are put in order first."""

_NOBODY: Final = -2
"""The code of no speaker at all, not even of lines without one."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, as words.

    Args:
        terms: What `Analyzer.question` made of it.
        now: What time it is, in microseconds since 1970.
        half_life_days: How fast what is older counts for less in the order; `None` for not at all.
    """

    terms: Sequence[tuple[str, ...]]
    now: int
    half_life_days: float | None = None


@dataclass(frozen=True, slots=True)
class QuestionReading:
    """How a query reads in one scope.

    Args:
        text: What is left of it without names, which is what is embedded.
        speaker: The place of the one speaker that it names, or a code that no line has.
    """

    text: str
    speaker: int


@dataclass(frozen=True, slots=True, eq=False)
class ByWord:
    """How well each line of a scope answers a question by word: the terms asked for, and the score of every line."""

    asked: Sequence[AskedTerm]
    lexical: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """The lines of a scope whose similarity to a question is known.

    Args:
        rows: Which.
        semantic: Their similarities, in the same order.
        answered_by: The index that chose them.
        complete: Whether that is every line that may match.
        rest: The most similar that any other can be.
    """

    rows: Rows
    semantic: Floats
    answered_by: Engine
    complete: bool = True
    rest: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """Lines of a scope with their scores and what moves them in the order; all of one shape.

    `score` is what the floor is compared with, `rank` what the list is ordered by.
    """

    columns: Columns
    by_word: ByWord
    compared: Compared
    lexical: Floats
    score: Floats
    rank: Floats
    boosts: scoring.Boosts

    def in_order(self, min_score: float) -> Iterator[NDArray[np.intp]]:
        """Yield the places of the lines that reach the floor, some at a time: by rank, then the newer, then id."""
        places = np.flatnonzero(self.score >= min_score)
        if len(places) > _FIRST:  # few are ever asked for more
            rank = self.rank[places]
            first = rank >= np.partition(rank, -_FIRST)[-_FIRST]
            yield self._in_order(places[first])
            places = places[~first]
        yield self._in_order(places)

    def _in_order(self, places: NDArray[np.intp]) -> NDArray[np.intp]:
        return places[np.lexsort((self.columns.order[self.compared.rows[places]], -self.rank[places]))]

    def explanation(self, place: int) -> Explanation:
        """Return how one line came to its rank."""
        row = int(self.compared.rows[place])
        return Explanation(
            rank=float(self.rank[place]),
            semantic=float(self.compared.semantic[place]),
            lexical=float(self.lexical[place]),
            answered_by=self.compared.answered_by,
            speaker_boost=float(self.boosts.speaker[place]),
            conversation_boost=float(self.boosts.conversation[place]),
            question_boost=float(self.boosts.question[place]),
            recency_boost=float(self.boosts.recency[place]),
            normalisation=float(self.columns.postings.normalisation[row]),
            terms=tuple(
                ExplainedTerm(term=one.term, weight=one.weight, own=one.own.at(row), amount=one.amount.at(row))
                for one in self.by_word.asked
            ),
        )


def by_word(columns: Columns, question: Question) -> ByWord:
    """Return how well every line of a scope answers by word."""
    asked = asked_terms(columns.postings, question.terms)
    return ByWord(asked, rounded(lexical(columns.postings, asked)))


def reading(text: str, columns: Columns, analyzer: Analyzer) -> QuestionReading:
    """Return how a query reads in a scope: what is left of it without names, and whom it names."""
    named = names.named(text, columns.speakers, analyzer.stop_words)
    return QuestionReading(without_names(text, named, columns, analyzer), _speaker(named))


def without_names(text: str, named: Collection[str], columns: Columns, analyzer: Analyzer) -> str:
    """Return what is left of a query without the names of whom a scope is about.

    These are its speakers, of whom `named` are in the query; where no speakers
    are known, capitalised words that a good part of its lines hold.
    """
    if columns.speakers:
        return names.without(text, named)

    def share(word: str) -> float:
        return min((columns.postings.share(term) for term in analyzer.terms(word)), default=0.0)

    return names.without(text, names.about(text, share, analyzer.stop_words))


def ranked(
    columns: Columns,
    question: Question,
    words: ByWord,
    compared: Compared,
    *,
    speaker: int,
    allowed: NDArray[np.bool_],
) -> Ranked:
    """Return the scores and ranks of the lines that were compared.

    Args:
        columns: The scope.
        question: What is asked.
        words: How well every line answers by word.
        compared: The lines.
        speaker: The one that the question names, as `reading` gives it.
        allowed: Which lines may match at all; shape `(lines,)`.
    """
    rows, semantic, lexical_ = compared.rows, compared.semantic, words.lexical[compared.rows]
    answers = scoring.answers(semantic, lexical_)
    best = _best_of_conversation(columns, words, allowed, rows, answers)
    boosts = scoring.Boosts(
        speaker=np.where(columns.speaker[rows] == speaker, scoring.SPEAKER_BOOST, 0.0),
        conversation=scoring.CONVERSATION_BOOST * best,
        question=scoring.question(columns.asking[rows], columns.postings.lengths[rows]),
        recency=_recency(columns.moments[rows], question),
    )
    return Ranked(
        columns=columns,
        by_word=words,
        compared=compared,
        lexical=lexical_,
        score=scoring.scores(semantic, lexical_),
        rank=rounded(answers + boosts.total),
        boosts=boosts,
    )


def _best_of_conversation(
    columns: Columns, words: ByWord, allowed: NDArray[np.bool_], rows: Rows, answers: Floats
) -> Floats:
    """For each row the mean of the three best lines of its conversation that may match.

    A line that was not compared counts by its words alone.
    """
    if len(rows) == np.count_nonzero(allowed):
        return scoring.best_of_conversation(answers, columns.conversation[rows])
    every = scoring.answers(np.zeros(len(columns)), words.lexical)
    every[rows] = answers
    wanted = np.zeros(len(columns.conversations) + 1, np.bool_)
    wanted[columns.conversation[rows]] = True
    wanted[NONE] = False
    theirs = np.flatnonzero(allowed & wanted[columns.conversation])
    every[theirs] = scoring.best_of_conversation(every[theirs], columns.conversation[theirs])
    return every[rows]


def reachable(ranked: Ranked, allowed: NDArray[np.bool_]) -> float:
    """Return the best score that a line which was not compared can have.

    Args:
        ranked: What was compared.
        allowed: Which lines may match at all.
    """
    others = allowed.copy()
    others[ranked.compared.rows] = False
    most = np.max(ranked.by_word.lexical, initial=0.0, where=others)
    return float(scoring.scores(np.array([ranked.compared.rest]), np.array([most]))[0])


def _speaker(named: dict[str, set[int]]) -> int:
    """Return the one speaker that a question names."""
    speakers = set[int]().union(*named.values())
    return speakers.pop() if len(speakers) == 1 else _NOBODY


def _recency(moments: NDArray[np.int64], question: Question) -> Floats:
    if question.half_life_days is None:
        return np.zeros(len(moments))
    return scoring.RECENCY_BOOST * scoring.recency(moments, question.now, question.half_life_days)
