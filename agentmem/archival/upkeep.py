"""Keeping vectors and index in step with the lines: `check` tells, `reindex` mends."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from sqlmodel import Session, and_, case, col, func, insert, select

from agentmem.archival import vectors
from agentmem.archival.index import IndexElsewhereError, IndexFailedError, IndexUnavailableError
from agentmem.database import state
from agentmem.embedding import Embedder, pack
from agentmem.errors import BackendError
from agentmem.models import CheckReport
from agentmem.tables import STATE_ID, ArchivalLineRow, EmbedderRow, LineChunkRow, StoreStateRow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import ColumnElement

    from agentmem.archival.chroma_index import ChromaIndex
    from agentmem.archival.pump import Standing
    from agentmem.database import Database

_LINES_AT_ONCE: Final = 256
_TOLERANCE: Final = 1e-5


def check(database: Database, index: ChromaIndex) -> CheckReport:
    """Whether every line has a vector, and whether Chroma holds the same ones; nothing is changed."""
    with database.read() as session:
        without = func.count(case((_has_none(state(session).embedder_id), 1)))
        live = col(ArchivalLineRow.deleted_at).is_(None)
        lines, lacking = session.exec(select(func.count(), without).select_from(ArchivalLineRow).where(live)).one()
        embedder = vectors.embedder_name(session)
    standing = index.standing()
    problems = [f"{lacking} lines have no vector and cannot be recalled: run reindex(embed=True)"] if lacking else []
    problems += _faults(standing)
    notes = _notes(standing)
    answers, indexed = standing.answers, None
    if standing.begun and standing.doubt is None and standing.obstacle is None:
        try:
            difference = _compared(database, index, standing.watermark)
        except IndexFailedError as error:
            answers = False
            problems.append(_unusable(error))
        except IndexUnavailableError as error:
            notes.append(f"Chroma's vectors were not compared with those of SQL: {error}")
        else:
            indexed = difference.stored
            problems += difference.told()
    return CheckReport(
        ok=not problems,
        answers="chroma" if answers else "scan",
        lines=lines,
        indexed=indexed,
        pending=standing.pending,
        embedder=embedder,
        problems=tuple(problems),
        notes=tuple(notes),
    )


def reindex(
    database: Database, index: ChromaIndex, embedder: Embedder, *, embed: bool, progress: Callable[[int, int], None]
) -> int:
    """Fill Chroma anew from SQL, after computing every vector anew if `embed`; how many lines it holds.

    Raises:
        InvalidInputError: A line is longer than the new model reads; nothing was switched.
        BackendError: The model, the database or Chroma failed, or another process owns the index.
    """
    if embed:
        _embed_all(database, embedder, progress)
    try:
        return index.rebuild(progress)
    except IndexUnavailableError as error:
        raise BackendError(f"index: not rebuilt: {error}; close the other process, or wait, and try again") from error


@dataclass(frozen=True, slots=True)
class _Difference:
    """What Chroma holds beside what SQL says it should, in numbers of vectors."""

    stored: int
    missing: int
    foreign: int
    different: int

    def told(self) -> list[str]:
        wrong = {"missing": self.missing, "left over": self.foreign, "different": self.different}
        said = ", ".join(f"{count} {word}" for word, count in wrong.items() if count)
        return [f"Chroma's vectors are not those of SQL ({said}): run reindex()"] if said else []


def _faults(standing: Standing) -> list[str]:
    if standing.obstacle is not None:
        return [] if isinstance(standing.obstacle, IndexElsewhereError) else [_unusable(standing.obstacle)]
    if standing.doubt is not None:
        when = "at the next search in a large scope, or now with reindex()"
        return [f"the index is not trusted, because {standing.doubt}: it is filled anew from SQL {when}"]
    return []


def _notes(standing: Standing) -> list[str]:
    if isinstance(standing.obstacle, IndexElsewhereError):
        return [f"large scopes are scanned by this process: {standing.obstacle}"]
    if standing.obstacle is None and not standing.answers:
        return [f"large scopes are scanned until Chroma has taken over the {standing.pending} changes that are waiting"]
    return []


def _unusable(error: IndexUnavailableError) -> str:
    return f"Chroma cannot be used, so large scopes are scanned: {error}"


def _compared(database: Database, index: ChromaIndex, watermark: int) -> _Difference:
    """Every vector in Chroma against SQL, those of lines that changed after the watermark excepted."""
    with database.read() as session:
        embedder_id = state(session).embedder_id
        live = vectors.changes(session, embedder_id, after=0)
    missing = {change.line_id: change.vector for change in live if change.vector is not None}
    stored = 0
    foreign: set[str] = set()
    different: set[str] = set()
    for line_id, vector in index.stored():
        stored += 1
        wanted = missing.pop(line_id, None)
        if wanted is None:
            foreign.add(line_id)
        elif wanted.shape != vector.shape or float(np.abs(wanted - vector).max()) > _TOLERANCE:
            different.add(line_id)
    with database.read() as session:
        moving = {change.line_id for change in vectors.changes(session, embedder_id, after=watermark)}
    return _Difference(stored, len(missing.keys() - moving), len(foreign - moving), len(different - moving))


def _embed_all(database: Database, embedder: Embedder, progress: Callable[[int, int], None]) -> None:
    """Vectors of this model beside the old ones, in batches, so that an interrupted run goes on; then the switch.

    Nothing changes hands before every live line has its vector: the last look
    is in the transaction that switches.
    """
    embedder.probe()
    embedder_id = database.write(partial(_begin, embedder=embedder))

    def todo(session: Session, limit: int | None) -> Sequence[tuple[str, str]]:
        statement = select(ArchivalLineRow.id, ArchivalLineRow.content).where(_lacking(embedder_id))
        return session.exec(statement.order_by(col(ArchivalLineRow.seq)).limit(limit)).all()

    def switch(session: Session) -> bool:
        if todo(session, 1):
            return False
        vectors.activate(session, embedder_id)
        return True

    with database.read() as session:
        left = session.exec(select(func.count()).where(_lacking(embedder_id))).one()
    done = 0
    while not database.write(switch):
        with database.read() as session:
            batch = todo(session, _LINES_AT_ONCE)
        embedded = embedder.embed_lines([content for _, content in batch])
        chunks: dict[str, dict[str, Any]] = {
            line_id: {"line_id": line_id, "embedder_id": embedder_id, "chunk": 0, "vector": pack(vector)}
            for (line_id, _), vector in zip(batch, embedded, strict=True)
        }
        database.write(partial(_add_lacking, embedder_id=embedder_id, chunks=chunks))
        done += len(batch)
        progress(done, max(left, done))


def _begin(session: Session, embedder: Embedder) -> int:
    """One generation of vectors for everyone who begins with this model at once: they do it one after the other."""
    session.exec(select(StoreStateRow.id).where(StoreStateRow.id == STATE_ID).with_for_update()).one()
    return vectors.begin_embedder(session, embedder)


def _add_lacking(session: Session, embedder_id: int, chunks: Mapping[str, dict[str, Any]]) -> None:
    """Leave out the lines that were deleted while their vectors were made, or that someone else made them for.

    The lines are locked first, always in one order, so that two who do the same work see what the other one did.
    """
    if session.get(EmbedderRow, embedder_id) is None:
        raise BackendError("index: the store was switched to another model meanwhile; run reindex(embed=True) again")
    lines = select(ArchivalLineRow.id).where(col(ArchivalLineRow.id).in_(chunks))
    session.exec(lines.order_by(col(ArchivalLineRow.id)).with_for_update()).all()
    lacking = session.exec(lines.where(_lacking(embedder_id))).all()
    if lacking:
        session.exec(insert(LineChunkRow), params=[chunks[line_id] for line_id in lacking])


def _lacking(embedder_id: int | None) -> ColumnElement[bool]:
    """The condition of a live line without a vector of this model."""
    return and_(col(ArchivalLineRow.deleted_at).is_(None), _has_none(embedder_id))


def _has_none(embedder_id: int | None) -> ColumnElement[bool]:
    own = and_(LineChunkRow.line_id == ArchivalLineRow.id, LineChunkRow.embedder_id == embedder_id)
    return ~select(LineChunkRow.line_id).where(own).exists()
