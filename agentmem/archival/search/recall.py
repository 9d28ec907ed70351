"""Recall: from a question to the best lines of a user's scopes, each checked in SQL."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from agentmem import inputs
from agentmem.archival.index import vectors
from agentmem.archival.index.protocol import IndexUnavailableError, Proposals, ScopeAt
from agentmem.archival.search import lookup, ranking
from agentmem.archival.search.columns import Columns, columns_of, microseconds, shown_of
from agentmem.archival.search.ranking import ByWord, Compared, Question, QuestionReading, Ranked
from agentmem.database import state
from agentmem.embedding import QUERY_CHARS
from agentmem.expiry import cutoff
from agentmem.models import MemoryRecallResult, Scope, Source
from agentmem.prepared import moment
from agentmem.reranking import CANDIDATES
from agentmem.tables import ARCHIVAL
from agentmem.text.overlap import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
    from datetime import datetime

    from numpy.typing import NDArray
    from sqlmodel import Session

    from agentmem.archival.index.cache import LRUCache
    from agentmem.archival.index.protocol import VectorIndex
    from agentmem.archival.index.scan import ScanIndex
    from agentmem.database import Database
    from agentmem.embedding import Embedder, Floats, Vectors
    from agentmem.models import Engine
    from agentmem.reranking import Reranker
    from agentmem.text.analyzer import Analyzer

_PROPOSED: Final = 500
"""How many lines a graph index is asked for at first: asked for few it may walk past the best, and asked for many it
shows whether it still reaches them all."""

_EVERY: Final = 2_000
"""The most lines of a scope that are all compared; of a larger one that is scanned, the likeliest are."""

_BY_WORD: Final = 200
"""How many of the best lines by word join them."""

_SCOPES_KEPT: Final = 10_000
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which lines may match at all.

    Args:
        since: From this moment on.
        until: Before this moment.
        conversation_id: Of this conversation only.
        source: From this source only.
        without_source: From every source but this one.
        min_confidence: At least as sure as this; what is below 0.5 is never recalled.
    """

    since: datetime | None = None
    until: datetime | None = None
    conversation_id: str | None = None
    source: Source | None = None
    without_source: Source | None = None
    min_confidence: float = vectors.CONFIDENCE_FLOOR

    def allows(self, columns: Columns) -> NDArray[np.bool_]:
        """Return which lines of a scope may match; shape `(lines,)`."""
        allowed = columns.confidence >= max(self.min_confidence, vectors.CONFIDENCE_FLOOR)
        if self.since is not None:
            allowed &= columns.moments >= microseconds(self.since)
        if self.until is not None:
            allowed &= columns.moments < microseconds(self.until)
        if self.conversation_id is not None:
            known = self.conversation_id in columns.conversations
            place = columns.conversations.index(self.conversation_id) if known else len(columns.conversations)
            allowed &= columns.conversation == place
        if self.source is not None:
            allowed &= columns.source == self.source
        if self.without_source is not None:
            allowed &= columns.source != self.without_source
        return allowed


UNTRUSTED: Final[Source] = "tool"
"""The source whose lines are put into no prompt by themselves, nor confirmed by what a caller says: what a tool said,
anyone may have written. The `recall` tool shows them, with their source."""

TRUSTED: Final = Filter(without_source=UNTRUSTED)
"""The lines that may be put into a prompt by themselves."""


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How much is wanted of what, and in which order.

    Args:
        limit: How many matches at most.
        min_score: The floor, inclusive.
        only: Which lines may match at all.
        half_life_days: How fast what is older counts for less in the order; `None` for not at all.
        explain: Whether the matches say how they came to their places.
    """

    limit: int
    min_score: float
    only: Filter
    half_life_days: float | None = None
    explain: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class _ScopeLines:
    """One scope of a search, in one snapshot.

    Args:
        at: The scope.
        agent_id: Its agent; `None` for the user's own.
        columns: Its lines, without those past their retention.
        stored: How many lines it has with those.
        kept_as: The key that the columns are kept under.
    """

    at: ScopeAt
    agent_id: str | None
    columns: Columns
    stored: int
    kept_as: Hashable


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """A question put to one scope: how well each line answers by word, which lines may, and the question's vector."""

    part: _ScopeLines
    question: Question
    reading: QuestionReading
    words: ByWord
    allowed: NDArray[np.bool_]
    vector: Vectors


class _Hit(NamedTuple):
    """One line that reached the floor.

    Args:
        order: What it is ordered by: its rank, the newer first, and then its id.
        part: The scope it is of.
        ranked: What was ranked there.
        place: Where it stands in that.
    """

    order: tuple[float, int, bytes]
    part: _ScopeLines
    ranked: Ranked
    place: int

    @property
    def line_id(self) -> str:
        """The id of the line."""
        return self.order[2].decode()


class Recall:
    """Search over the archival lines of scopes.

    What is embedded of a query is what is left of it without the names of whom
    the scope is about.

    Of a small scope every line is compared. Of a larger one, the nearest lines
    are proposed, and the best by word join them: up to `scan_below` lines by
    the scan, above by the large index, or by the scan when that cannot.

    Args:
        database: Where the lines are.
        embedder: What makes the query's vector.
        analyzer: What splits it into words.
        columns: Where the scopes used last are kept.
        scan: The exact index.
        large: The index for large scopes.
        scan_below: The most lines of a scope that is scanned.
        clock: What time it is.
        reranker: What has the last word on the order, if anything.
    """

    def __init__(
        self,
        database: Database,
        embedder: Embedder,
        analyzer: Analyzer,
        *,
        columns: LRUCache[Columns],
        scan: ScanIndex,
        large: VectorIndex,
        scan_below: int,
        clock: Callable[[], datetime],
        reranker: Reranker | None = None,
    ) -> None:
        self._database = database
        self._embedder = embedder
        self._analyzer = analyzer
        self._columns = columns
        self._scan = scan
        self._large = large
        self._scan_below = scan_below
        self._clock = clock
        self._reranker = reranker
        self._kept_as: dict[tuple[Scope, ...], list[Hashable]] = {}  # the columns of what was searched
        self._embedder_id: int | None = None  # the stored one that was found to be this embedder

    def search(self, scopes: Sequence[Scope], query: str, wish: SearchOptions) -> list[MemoryRecallResult]:
        """Return the best lines of the scopes, by rank, then the newer moment, then id.

        Raises:
            InvalidInputError: The store's vectors were made with another model.
            BackendError: The model, the database or the reranker could not do it.
        """
        query = query.strip()[:QUERY_CHARS]
        now = inputs.timestamp("clock", self._clock())
        question = Question(self._analyzer.question(query), microseconds(now), wish.half_life_days)
        readings = {columns: self._reading(query, columns) for columns in self._guessed(scopes)}
        embedded: dict[str, Vectors] = {}
        texts = {reading.text for reading in readings.values()}
        matches: list[MemoryRecallResult] | None = None
        while matches is None:  # no transaction waits for a model
            embedded |= {text: self._embedder.embed_query(text) for text in texts}
            with self._database.read() as session:
                parts = self._parts(session, scopes, now)
                for part in parts:
                    if part.columns not in readings:
                        readings[part.columns] = self._reading(query, part.columns)
                texts = {readings[part.columns].text for part in parts} - embedded.keys()
                if not texts:
                    asked = [_ask(part, question, readings[part.columns], embedded, wish) for part in parts]
                    matches = self._best(session, asked, wish)
        return self._reranker.best_first(query, matches)[: wish.limit] if self._reranker else matches

    def _guessed(self, scopes: Sequence[Scope]) -> list[Columns]:
        """What will most likely be searched, so that a query is embedded before the one transaction that is enough."""
        kept = (self._columns.newest(key) for key in self._kept_as.get(tuple(scopes), ()))
        return [columns for columns in kept if columns is not None]

    def _reading(self, query: str, columns: Columns) -> QuestionReading:
        return ranking.reading(query, columns, self._analyzer)

    def _best(self, session: Session, asked: Sequence[_Asked], wish: SearchOptions) -> list[MemoryRecallResult]:
        """Return the best matches of several scopes; of large ones, as much is compared as it takes to find enough."""
        limit = max(wish.limit, CANDIDATES) if self._reranker else wish.limit
        wanted, ranked = _PROPOSED, dict[int, Ranked]()
        while True:
            for place, one in enumerate(asked):
                if place not in ranked or not _exhausted(ranked[place], one, wish):
                    ranked[place] = self._ranked(session, one, wanted)
            several = (_hits(one.part, ranked[place], wish.min_score) for place, one in enumerate(asked))
            confirmed = _confirmed(session, merge(*several, key=itemgetter(0)), wanted=limit, explain=wish.explain)
            matches = list(islice(_different(confirmed), limit))
            if len(matches) == limit or all(_exhausted(ranked[place], one, wish) for place, one in enumerate(asked)):
                return matches
            wanted *= 4

    def _parts(self, session: Session, scopes: Sequence[Scope], now: datetime) -> list[_ScopeLines]:
        """Return the scopes that have lines to show."""
        found = lookup.headers(session, scopes)
        self._require_embedder(session, found[0].embedder_id if found else state(session).embedder_id)
        parts = [self._part(session, one, one.seq, now) for one in found if one.seq is not None]
        if len(self._kept_as) >= _SCOPES_KEPT:
            self._kept_as.clear()
        self._kept_as[tuple(scopes)] = [part.kept_as for part in parts]
        return [part for part in parts if len(part.columns)]

    def _part(self, session: Session, one: lookup.Header, seq: int, now: datetime) -> _ScopeLines:
        at, agent_id = ScopeAt(one.id, seq, one.embedder_id), one.agent_id or None
        columns = columns_of(session, self._analyzer, self._columns, at)
        hidden_until = cutoff(now, one.retention_days)
        if hidden_until is None or columns.all_after(microseconds(hidden_until)):
            return _ScopeLines(at, agent_id, columns, len(columns), at.block_id)
        kept_as = at.block_id, "shown"
        shown = shown_of(self._columns, columns, kept_as, after=microseconds(hidden_until))
        return _ScopeLines(at, agent_id, shown, len(columns), kept_as)

    def _require_embedder(self, session: Session, embedder_id: int | None) -> None:
        if embedder_id is not None and embedder_id != self._embedder_id:
            self._embedder_id = vectors.require_embedder(session, self._embedder)

    def _ranked(self, session: Session, asked: _Asked, wanted: int) -> Ranked:
        """Return what may match in one scope, ranked; of a large scope, about as many lines as are wanted."""
        compared = self._compared(session, asked, wanted)
        columns, speaker = asked.part.columns, asked.reading.speaker
        return ranking.ranked(columns, asked.question, asked.words, compared, speaker=speaker, allowed=asked.allowed)

    def _compared(self, session: Session, asked: _Asked, wanted: int) -> Compared:
        """Return the similarities of every line that may match, or of the likeliest of a large scope."""
        part, lines = asked.part, asked.part.stored
        if lines <= min(self._scan_below, _EVERY):
            return _placed(asked, self._scan.every(session, part.at, asked.vector), self._scan.name)
        allowed = np.flatnonzero(asked.allowed)
        if len(allowed) <= min(self._scan_below, _EVERY):
            return _placed(asked, _scores(session, asked, allowed), self._scan.name)
        if lines > self._scan_below:
            try:
                proposals = self._large.search(session, part.at, asked.vector, wanted)
                _require_all(asked, proposals, wanted)
                return _proposed(session, asked, proposals, wanted, self._large.name)
            except IndexUnavailableError as error:
                _log.info("scanning a large scope: %s", error)
        proposals = self._scan.search(session, part.at, asked.vector, wanted)
        return _proposed(session, asked, proposals, wanted, self._scan.name)


def _ask(
    part: _ScopeLines,
    question: Question,
    reading: QuestionReading,
    embedded: Mapping[str, Vectors],
    wish: SearchOptions,
) -> _Asked:
    words = ranking.by_word(part.columns, question)
    return _Asked(part, question, reading, words, wish.only.allows(part.columns), embedded[reading.text])


def _require_all(asked: _Asked, proposals: Proposals, wanted: int) -> None:
    """Raise IndexUnavailableError when an index says that there are no more lines, and SQL knows better."""
    recallable = int(np.count_nonzero(asked.part.columns.confidence >= vectors.CONFIDENCE_FLOOR))
    if len(proposals) < min(wanted, recallable):
        raise IndexUnavailableError("it left out lines that it was given")


def _exhausted(ranked: Ranked, asked: _Asked, wish: SearchOptions) -> bool:
    """Return whether no line that was not compared can reach the floor."""
    return ranked.compared.complete or ranking.reachable(ranked, asked.allowed) < wish.min_score


def _confirmed(session: Session, hits: Iterator[_Hit], *, wanted: int, explain: bool) -> Iterator[MemoryRecallResult]:
    """Yield the hits that SQL knows as live lines of their scopes, as matches, in order.

    As many are looked up as are wanted, which is mostly enough, and then more at a time.
    """
    while some := {hit.line_id: hit for hit in islice(hits, min(wanted, lookup.AT_ONCE))}:
        lines = {line[0]: line for line in lookup.lines(session, list(some))}
        for line_id, hit in some.items():
            line = lines.get(line_id)
            if line is not None and line[1] == hit.part.at.block_id:
                yield _match(hit, line, explain=explain)
        wanted = lookup.AT_ONCE


def _different(matches: Iterator[MemoryRecallResult]) -> Iterator[MemoryRecallResult]:
    """Yield the first of those of one scope that one person said at one time in the same words.

    Their words are compared only where all else is equal.
    """
    first: dict[tuple[object, ...], str] = {}
    said: dict[tuple[object, ...], set[str]] = {}
    for match in matches:
        key = match.agent_id, match.speaker, match.occurred_at
        if key in first:
            if key not in said:
                said[key] = {plain(first[key])}
            words = plain(match.content)
            if words in said[key]:
                continue
            said[key].add(words)
        else:
            first[key] = match.content
        yield match


def _hits(part: _ScopeLines, ranked: Ranked, min_score: float) -> Iterator[_Hit]:
    """Yield what reaches the floor, best first."""
    columns = ranked.columns
    for places in ranked.in_order(min_score):
        rows = ranked.compared.rows[places]
        orders = zip(
            (-ranked.rank[places]).tolist(),
            (-columns.moments[rows]).tolist(),
            columns.ids[rows].tolist(),
            strict=True,
        )
        yield from (_Hit(order, part, ranked, place) for order, place in zip(orders, places.tolist(), strict=True))


def _proposed(session: Session, asked: _Asked, proposals: Proposals, wanted: int, by: Engine) -> Compared:
    """Return the similarities of the proposed lines of a large scope, and of its best by word."""
    near = _placed(asked, proposals, by)
    others = asked.allowed & (asked.words.lexical > 0)
    others[near.rows] = False
    likely = _largest(asked.words.lexical, np.flatnonzero(others), wanted * _BY_WORD // _PROPOSED)
    said = _placed(asked, _scores(session, asked, likely), by)
    return Compared(
        rows=np.concatenate([near.rows, said.rows]),
        semantic=np.concatenate([near.semantic, said.semantic]),
        answered_by=by,
        complete=len(proposals) < wanted,
        rest=float(proposals.semantic[-1]) if len(proposals) else 0.0,
    )


def _placed(asked: _Asked, proposals: Proposals, answered_by: Engine) -> Compared:
    """Proposals as rows of a scope, without those that may not match."""
    places, known = asked.part.columns.rows_of(proposals.ids)
    known &= asked.allowed[places]
    return Compared(places[known], proposals.semantic[known], answered_by)


def _scores(session: Session, asked: _Asked, places: NDArray[np.intp]) -> Proposals:
    part = asked.part
    line_ids = [line_id.decode() for line_id in part.columns.ids[places].tolist()]
    return vectors.score(session, part.at.embedder_id, line_ids, asked.vector)


def _largest(values: Floats, places: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """Return which of some places hold the largest values."""
    if len(places) <= count:
        return places
    return places[np.argpartition(values[places], -count)[-count:]]


def _match(hit: _Hit, line: Any, *, explain: bool) -> MemoryRecallResult:  # noqa: ANN401 - a row of columns
    _, part, ranked, place = hit
    id_, _, content, speaker, source, confidence, conversation_id, occurred_at, created_at, updated_at = line
    return MemoryRecallResult(
        content=content,
        score=ranked.score.item(place),
        block_type=ARCHIVAL,
        scope="agent" if part.agent_id else "user",
        agent_id=part.agent_id,
        line_number=ranked.compared.rows.item(place) + 1,
        updated_at=moment(updated_at),
        semantic=ranked.compared.semantic.item(place),
        lexical=ranked.lexical.item(place),
        id=id_,
        speaker=speaker,
        conversation_id=conversation_id,
        source=source,
        confidence=confidence,
        occurred_at=None if occurred_at is None else moment(occurred_at),
        created_at=moment(created_at),
        explanation=ranked.explanation(place) if explain else None,
    )
