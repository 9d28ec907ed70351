"""Keeping vectors and index in step with the lines: `check` tells, `reindex` mends."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from sqlmodel import Session, and_, col, func, insert, select

from agentmem.archival import vectors
from agentmem.archival.index import IndexUnavailableError
from agentmem.database import state
from agentmem.embedding import Embedder, pack
from agentmem.errors import BackendError
from agentmem.models import CheckReport
from agentmem.tables import ArchivalLineRow, LineChunkRow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import ColumnElement

    from agentmem.archival.guard import ChromaIndex
    from agentmem.database import Database

_LINES_AT_ONCE: Final = 256


def check(database: Database, index: ChromaIndex) -> CheckReport:
    """Whether every line has a vector, and whether Chroma holds the same ones."""
    with database.read() as session:
        lines = session.exec(select(func.count()).where(col(ArchivalLineRow.deleted_at).is_(None))).one()
        without = session.exec(select(func.count()).where(_lacking(state(session).embedder_id))).one()
        embedder = vectors.embedder_name(session)
    problems: list[str] = []
    if without:
        problems.append(f"{without} lines have no vector and cannot be recalled: run reindex(embed=True)")
    indexed: int | None = None
    if index.exists():
        try:
            report = index.report()
        except IndexUnavailableError as error:
            problems.append(f"Chroma does not answer, so large scopes are scanned: {error}")
        else:
            indexed = report.stored
            wrong = {"missing": report.missing, "left over": report.foreign, "different": report.different}
            said = ", ".join(f"{count} {word}" for word, count in wrong.items() if count)
            if said:
                problems.append(f"Chroma's vectors are not those of SQL ({said}): run reindex()")
    return CheckReport(
        ok=not problems,
        answers="scan" if indexed is None else "chroma",
        lines=lines,
        indexed=indexed,
        pending=index.pending(),
        embedder=embedder,
        problems=tuple(problems),
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


def _embed_all(database: Database, embedder: Embedder, progress: Callable[[int, int], None]) -> None:
    """Vectors of this model beside the old ones, in batches, so that an interrupted run goes on; then the switch.

    Nothing changes hands before every live line has its vector: the last look
    is in the transaction that switches.
    """
    embedder.probe()
    embedder_id = database.write(lambda session: vectors.begin_embedder(session, embedder))

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
        chunks: list[dict[str, Any]] = [
            {"line_id": line_id, "embedder_id": embedder_id, "chunk": 0, "vector": pack(vector)}
            for (line_id, _), vector in zip(batch, embedded, strict=True)
        ]
        database.write(partial(_add_live, chunks=chunks))
        done += len(batch)
        progress(done, max(left, done))


def _add_live(session: Session, chunks: Sequence[dict[str, Any]]) -> None:
    """Leave out the lines that were deleted while their vectors were made."""
    line_ids = [chunk["line_id"] for chunk in chunks]
    alive = col(ArchivalLineRow.id).in_(line_ids), col(ArchivalLineRow.deleted_at).is_(None)
    live = set(session.exec(select(ArchivalLineRow.id).where(*alive).with_for_update()).all())
    if kept := [chunk for chunk in chunks if chunk["line_id"] in live]:
        session.exec(insert(LineChunkRow), params=kept)


def _lacking(embedder_id: int | None) -> ColumnElement[bool]:
    """The condition of a live line without a vector of this model."""
    own = and_(LineChunkRow.line_id == ArchivalLineRow.id, LineChunkRow.embedder_id == embedder_id)
    return and_(col(ArchivalLineRow.deleted_at).is_(None), ~select(LineChunkRow.line_id).where(own).exists())
