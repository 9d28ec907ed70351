"""Keeping vectors and index in step with the lines: `check` tells, `reindex` mends."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
from sqlmodel import Session, and_, case, col, func, insert, select, update

from agentmem.archival.index import vectors
from agentmem.archival.index.protocol import IndexElsewhereError, IndexFailedError, IndexUnavailableError
from agentmem.archival.lines import terms
from agentmem.archival.lines.rows import chunk_rows
from agentmem.database import locked_state, state
from agentmem.errors import BackendError
from agentmem.models import CheckReport
from agentmem.tables import ArchivalLineRow, EmbedderRow, LineChunkRow
from agentmem.wording import Phrase, Wording

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import ColumnElement

    from agentmem.archival.index.protocol import IndexFeed, IndexStatus
    from agentmem.database import Database
    from agentmem.embedding import Embedder, Vectors
    from agentmem.text.analyzer import Analyzer

_LINES_AT_ONCE: Final = 256
_TOLERANCE: Final = 1e-5


def check(database: Database, index: IndexFeed, analyzer: Analyzer) -> CheckReport:
    """Return whether every line has a vector, and whether the index holds the same ones; nothing is changed."""
    with database.read() as session:
        without = func.count(case((_has_none(state(session).embedder_id), 1)))
        live = col(ArchivalLineRow.deleted_at).is_(None)
        lines, lacking = session.exec(select(func.count(), without).select_from(ArchivalLineRow).where(live)).one()
        embedder = vectors.embedder_name(session)
        stale = terms.count_stale(session, analyzer)
    status = index.status()
    problems = _faults(status, index.title)
    if lacking:
        said = f"{lacking} lines have no vector and cannot be recalled: run "
        problems.insert(0, Wording(said, Phrase.REINDEX_EMBED))
    notes = _notes(status, index.title)
    if stale:
        said = f"recall splits the words of {stale} lines anew when it loads them, until "
        notes.append(Wording(said, Phrase.REINDEX, " stores them"))
    answers, indexed = status.answers, None
    if status.is_sound:
        try:
            difference = _compared(database, index, status.watermark)
        except IndexFailedError as error:
            answers = False
            problems.append(_unusable(error, index.title))
        except IndexUnavailableError as error:
            notes.append(f"{index.title}'s vectors were not compared with those of SQL: {error}")
        else:
            indexed = difference.stored
            problems += difference.told(index.title)
    return CheckReport(
        ok=not problems,
        answers=index.name if answers else "scan",
        lines=lines,
        indexed=indexed,
        pending=status.pending,
        embedder=embedder,
        problems=tuple(problems),
        notes=tuple(notes),
    )


def reindex(
    database: Database,
    index: IndexFeed,
    embedder: Embedder,
    analyzer: Analyzer,
    *,
    embed: bool,
    progress: Callable[[int, int], None],
) -> int:
    """Fill the index anew from SQL, after computing every vector anew if `embed`; how many lines it holds.

    Words that another version or language of the analyzer split are split anew.

    Raises:
        BackendError: The model, the database or the index failed, or another process owns the index.
    """
    terms.split_anew(database, analyzer, progress)
    if embed:
        embed_anew(database, embedder, progress)
    try:
        return index.rebuild(progress)
    except IndexUnavailableError as error:
        raise BackendError(
            f"not rebuilt: {error}", field="index", advice="close the other process, or wait, and try again"
        ) from error


@dataclass(frozen=True, slots=True)
class _Difference:
    """What an index holds beside what SQL says it should, in numbers of vectors."""

    stored: int
    missing: int
    foreign: int
    different: int

    def told(self, title: str) -> list[str]:
        wrong = {"missing": self.missing, "left over": self.foreign, "different": self.different}
        said = ", ".join(f"{count} {word}" for word, count in wrong.items() if count)
        return [Wording(f"{title}'s vectors are not those of SQL ({said}): run ", Phrase.REINDEX)] if said else []


def _faults(status: IndexStatus, title: str) -> list[str]:
    if status.obstacle is not None:
        return [] if isinstance(status.obstacle, IndexElsewhereError) else [_unusable(status.obstacle, title)]
    if status.inconsistency is not None:
        when = "at the next search in a large scope, or now with "
        said = f"the index is not trusted, because {status.inconsistency}: it is filled anew from SQL {when}"
        return [Wording(said, Phrase.REINDEX)]
    return []


def _notes(status: IndexStatus, title: str) -> list[str]:
    if isinstance(status.obstacle, IndexElsewhereError):
        return [f"large scopes are scanned by this process: {status.obstacle}"]
    if status.obstacle is None and not status.answers:
        return [f"large scopes are scanned until {title} has taken over the {status.pending} changes that are waiting"]
    return []


def _unusable(error: IndexUnavailableError, title: str) -> str:
    return f"{title} cannot be used, so large scopes are scanned: {error}"


def _compared(database: Database, index: IndexFeed, watermark: int) -> _Difference:
    """Return every vector in the index against SQL, those of lines that changed after the watermark excepted."""
    with database.read() as session:
        embedder_id = state(session).embedder_id
        live = vectors.changes(session, embedder_id, after=0)
    missing = {
        key: vector
        for change in live
        if change.vectors is not None
        for key, vector in zip(change.keys, change.vectors, strict=True)
    }
    stored = 0
    foreign: set[str] = set()
    different: set[str] = set()
    for key, vector in index.stored():
        stored += 1
        wanted = missing.pop(key, None)
        if wanted is None:
            foreign.add(key)
        elif wanted.shape != vector.shape or float(np.abs(wanted - vector).max()) > _TOLERANCE:
            different.add(key)
    with database.read() as session:
        moving = {key for change in vectors.changes(session, embedder_id, after=watermark) for key in change.keys}
    return _Difference(stored, len(missing.keys() - moving), len(foreign - moving), len(different - moving))


def embed_anew(database: Database, embedder: Embedder, progress: Callable[[int, int], None]) -> None:
    """Compute every vector anew with this model, beside the old ones; the store is then switched to it.

    It is done in batches, so that an interrupted run goes on.

    Nothing changes hands before every live line has its vector: the last look
    is in the transaction that switches, and nobody adds a vector before its end.
    """
    embedder.probe()
    embedder_id = database.write(partial(_begin, embedder=embedder))

    def todo(session: Session, limit: int | None) -> Sequence[tuple[str, str]]:
        statement = select(ArchivalLineRow.id, ArchivalLineRow.content).where(_lacking(embedder_id))
        return session.exec(statement.order_by(col(ArchivalLineRow.seq)).limit(limit)).all()

    def switch(session: Session) -> bool:
        vectors.hold(session)
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
        vectors_of = {line_id: vectors for (line_id, _), vectors in zip(batch, embedded, strict=True)}
        database.write(partial(_add_lacking, embedder_id=embedder_id, vectors_of=vectors_of))
        done += len(batch)
        progress(done, max(left, done))


def _begin(session: Session, embedder: Embedder) -> int:
    """One generation of vectors for everyone who begins with this model at once: they do it one after the other."""
    locked_state(session)
    return vectors.begin_embedder(session, embedder)


def _add_lacking(session: Session, embedder_id: int, vectors_of: Mapping[str, Vectors]) -> None:
    """Leave out the lines that were deleted while their vectors were made, or that someone else made them for.

    The lines are locked first, so that two who do the same work see what the other one did; those that someone else has
    are left for the next batch.
    """
    if session.get(EmbedderRow, embedder_id) is None:
        raise BackendError(
            "the store was switched to another model meanwhile",
            field="index",
            advice=Wording("run ", Phrase.REINDEX_EMBED, " again"),
        )
    lines = select(ArchivalLineRow.id, ArchivalLineRow.chunks)
    chosen = lines.where(col(ArchivalLineRow.id).in_(vectors_of)).with_for_update(skip_locked=True)
    locked = [line_id for line_id, _ in session.exec(chosen)]
    lacking = session.exec(lines.where(col(ArchivalLineRow.id).in_(locked), _lacking(embedder_id))).all()
    if lacking:
        chunks = [row for line_id, _ in lacking for row in chunk_rows(line_id, embedder_id, vectors_of[line_id])]
        session.exec(insert(LineChunkRow), params=chunks)
        counts = [{"id": line_id, "chunks": max(most, len(vectors_of[line_id]))} for line_id, most in lacking]
        session.exec(update(ArchivalLineRow), params=counts)


def _lacking(embedder_id: int | None) -> ColumnElement[bool]:
    """Return the condition of a live line without a vector of this model."""
    return and_(col(ArchivalLineRow.deleted_at).is_(None), _has_none(embedder_id))


def _has_none(embedder_id: int | None) -> ColumnElement[bool]:
    own = and_(LineChunkRow.line_id == ArchivalLineRow.id, LineChunkRow.embedder_id == embedder_id)
    return ~select(LineChunkRow.line_id).where(own).exists()
