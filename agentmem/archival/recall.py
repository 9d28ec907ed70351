"""Recall: which index proposes, what SQL confirms, and how the matches of several scopes become one list."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, cast

from sqlalchemy.orm import aliased
from sqlmodel import Session, col, func, select

from agentmem import revisions
from agentmem.archival import vectors
from agentmem.archival.index import Candidate, IndexUnavailableError
from agentmem.archival.names import KnownNames, without_names
from agentmem.archival.scoring import ranked
from agentmem.database import state
from agentmem.models import Engine, Explanation, MemoryRecallResult, Scope, Source
from agentmem.tables import ARCHIVAL, ArchivalLineRow, MemoryBlockRow

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement

    from agentmem.archival.index import VectorIndex
    from agentmem.database import Database
    from agentmem.embedding import Embedder, Vectors

_IDS_AT_ONCE: Final = 500
_PROPOSED: Final = 500
"""How many lines a graph index is asked for at first: asked for few it may walk past the best, and asked for many it
shows whether it still reaches them all."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which lines may match at all: from `since` (inclusive) to `until` (exclusive), of one conversation."""

    since: datetime | None = None
    until: datetime | None = None
    conversation_id: str | None = None

    @property
    def open(self) -> bool:
        """Whether every line may match."""
        return self == Filter()


@dataclass(frozen=True, slots=True)
class Question:
    """What is looked for, and how much of it is wanted.

    Args:
        vector: The query as a unit vector.
        limit: How many matches at most.
        min_score: The floor, inclusive.
        only: Which lines may match at all.
    """

    vector: Vectors
    limit: int
    min_score: float
    only: Filter


class Recall:
    """Search over the archival lines of scopes.

    What is embedded of a query is what is left of it without the names of the
    scope's speakers.

    A scope of at most `scan_below` lines is answered by the exact scan, a
    larger one by the large index, or by the scan when that cannot.

    Args:
        database: Where the lines are.
        embedder: What makes the query's vector.
        scan: The exact index.
        large: The index for large scopes.
        scan_below: The most lines of a scope that is scanned.
    """

    def __init__(
        self, database: Database, embedder: Embedder, *, scan: VectorIndex, large: VectorIndex, scan_below: int
    ) -> None:
        self._database = database
        self._embedder = embedder
        self._scan = scan
        self._large = large
        self._scan_below = scan_below
        self._names = KnownNames()
        self._embedder_id: int | None = None  # the stored one that was found to be this embedder

    def search(
        self, scopes: Sequence[Scope], query: str, *, limit: int, min_score: float, only: Filter, explain: bool
    ) -> list[MemoryRecallResult]:
        """The best lines of the scopes, by score, then the newer moment, then id.

        Raises:
            InvalidInputError: The store's vectors were made with another model.
            BackendError: The model or the database could not do it.
        """
        with self._database.read() as session:
            headers = [header for scope in scopes if (header := _header(session, scope))]
            asked = {header.id: without_names(query, self._names.of(session, header.id)) for header in headers}
        if not asked:
            return []
        self._embedder.probe()  # before the snapshot: no transaction waits for a model
        embedded = {text: self._embedder.embed_query(text) for text in set(asked.values())}
        matches: list[MemoryRecallResult] = []
        with self._database.read() as session:
            for header in headers:
                question = Question(embedded[asked[header.id]], limit, min_score, only)
                matches += self._of_scope(session, header, question)
            best = ranked(matches, limit)
            numbers = _line_numbers(session, [match.id for match in best])
        return [
            replace(match, line_number=numbers[match.id], explanation=match.explanation if explain else None)
            for match in best
        ]

    def _of_scope(self, session: Session, header: MemoryBlockRow, question: Question) -> list[MemoryRecallResult]:
        size = _size(session, header.id, question.only, at_most=max(self._scan_below, _PROPOSED) + 1)
        if not size:
            return []
        embedder_id = state(session).embedder_id
        if embedder_id != self._embedder_id:
            self._embedder_id = vectors.require_embedder(session, self._embedder)
        if size <= self._scan_below and not question.only.open:
            lines = session.exec(select(ArchivalLineRow.id).where(*_conditions(header.id, question.only))).all()
            best = _with_ties(vectors.score(session, embedder_id, lines, question.vector), question.limit)
            return _confirmed(session, header, question, best, self._scan.name)
        if size > self._scan_below:
            try:
                return _ask(self._large, session, header, question, at_first=min(size, _PROPOSED), size=size)
            except IndexUnavailableError as error:
                _log.info("scanning a large scope: %s", error)
        return _ask(self._scan, session, header, question)


def _ask(
    index: VectorIndex,
    session: Session,
    header: MemoryBlockRow,
    question: Question,
    *,
    at_first: int = 0,
    size: int = 0,
) -> list[MemoryRecallResult]:
    """Ask for more until there are `limit` live matches better than the last proposal, or that is below the floor.

    Raises:
        IndexUnavailableError: The index says that there are no more lines, and SQL knows better.
    """
    wanted = max(2 * question.limit, at_first)
    while True:
        candidates = index.search(session, header.id, question.vector, wanted)
        if len(candidates) < min(wanted, size):
            raise IndexUnavailableError("it left out lines that it was given")
        matches = _confirmed(session, header, question, candidates, index.name)
        if len(candidates) < wanted or candidates[-1].semantic < question.min_score:
            return matches
        if len(matches) >= question.limit:
            worst = ranked(matches, question.limit)[-1]
            if worst.score > candidates[-1].semantic:
                return matches
        wanted *= 4


def _header(session: Session, scope: Scope) -> MemoryBlockRow | None:
    return revisions.find_live(session, scope, ARCHIVAL)


def _conditions(block_id: str, only: Filter) -> list[ColumnElement[bool]]:
    moment = func.coalesce(ArchivalLineRow.occurred_at, ArchivalLineRow.created_at)
    conditions = [
        col(ArchivalLineRow.block_id) == block_id,
        col(ArchivalLineRow.deleted_at).is_(None),
        col(ArchivalLineRow.confidence) >= vectors.CONFIDENCE_FLOOR,
    ]
    if only.since is not None:
        conditions.append(moment >= only.since)
    if only.until is not None:
        conditions.append(moment < only.until)
    if only.conversation_id is not None:
        conditions.append(col(ArchivalLineRow.conversation_id) == only.conversation_id)
    return conditions


def _size(session: Session, block_id: str, only: Filter, *, at_most: int) -> int:
    """How many lines may match, counted as far as it takes to choose an index."""
    some = select(ArchivalLineRow.id).where(*_conditions(block_id, only)).limit(at_most).subquery()
    return session.exec(select(func.count()).select_from(some)).one()


def _with_ties(candidates: Sequence[Candidate], limit: int) -> Sequence[Candidate]:
    if len(candidates) <= limit:
        return candidates
    floor = candidates[limit - 1].semantic
    return [candidate for candidate in candidates if candidate.semantic >= floor]


def _confirmed(
    session: Session, header: MemoryBlockRow, question: Question, candidates: Sequence[Candidate], answered_by: Engine
) -> list[MemoryRecallResult]:
    """What SQL says of the candidates: those of this scope that are live, wanted and at or above the floor."""
    semantic = {one.line_id: one.semantic for one in candidates if one.semantic >= question.min_score}
    line_ids = list(semantic)
    rows: list[ArchivalLineRow] = []
    for start in range(0, len(line_ids), _IDS_AT_ONCE):
        some = col(ArchivalLineRow.id).in_(line_ids[start : start + _IDS_AT_ONCE])
        rows += session.exec(select(ArchivalLineRow).where(some, *_conditions(header.id, question.only))).all()
    return [_match(header, row, semantic[row.id], answered_by) for row in rows]


def _match(header: MemoryBlockRow, row: ArchivalLineRow, semantic: float, answered_by: Engine) -> MemoryRecallResult:
    return MemoryRecallResult(
        content=row.content,
        score=semantic,
        block_type=ARCHIVAL,
        scope="agent" if header.agent_id else "user",
        agent_id=header.agent_id or None,
        line_number=0,
        updated_at=row.updated_at,
        semantic=semantic,
        lexical=0.0,
        id=row.id,
        speaker=row.speaker,
        conversation_id=row.conversation_id,
        source=cast("Source", row.source),
        confidence=row.confidence,
        occurred_at=row.occurred_at,
        created_at=row.created_at,
        explanation=Explanation(rank=semantic, semantic=semantic, lexical=0.0, answered_by=answered_by),
    )


def _line_numbers(session: Session, line_ids: Sequence[str]) -> dict[str, int]:
    """The place of each line among the live ones of its scope, from 1."""
    before = aliased(ArchivalLineRow)
    statement = (
        select(ArchivalLineRow.id, func.count())
        .join(before, col(before.block_id) == ArchivalLineRow.block_id)
        .where(
            col(ArchivalLineRow.id).in_(line_ids),
            col(before.deleted_at).is_(None),
            col(before.position) <= ArchivalLineRow.position,
        )
        .group_by(col(ArchivalLineRow.id))
    )
    return dict(session.exec(statement).all())
