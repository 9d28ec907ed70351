"""Vectors in SQL: whose they are, the changes an index is fed with, and exact scores."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
from sqlmodel import Session, and_, case, col, delete, func, select

from agentmem.archival.index.protocol import LineChange, Proposals, line_of
from agentmem.database import in_batches, locked_state, rows, state
from agentmem.embedding import Embedder, Vectors, pack, same_model, similarities, unpack
from agentmem.errors import InvalidInputError
from agentmem.tables import ArchivalLineRow, EmbedderRow, LineChunkRow
from agentmem.wording import Phrase, Wording

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement

CONFIDENCE_FLOOR: Final = 0.5
"""Lines below it are stored and listed, but not recalled."""

ID: Final = "S32"
"""The NumPy type of a line's id."""


def require_embedder(session: Session, embedder: Embedder) -> int:
    """Return the id of the store's embedder, which must be this one.

    Raises:
        InvalidInputError: The stored vectors were made with another model.
    """
    row = _active(session)
    if row is None or row.id is None or not same_model(unpack(row.probe), embedder.probe()):
        raise _foreign(row, embedder)
    return row.id


def stamp_embedder(session: Session, embedder: Embedder) -> int:
    """Return the id of this embedder as the store's own; a store without vectors takes it.

    Where it is not the store's own yet, that is decided by one writer after the
    other.

    Raises:
        InvalidInputError: The stored vectors were made with another model.
    """
    row = _active(session)
    if row is None or not same_model(unpack(row.probe), embedder.probe()):
        hold(session)
        row = _active(session)
    if row is not None and row.id is not None and same_model(unpack(row.probe), embedder.probe()):
        return row.id
    if row is not None and session.exec(select(LineChunkRow.line_id).limit(1)).first() is not None:
        raise _foreign(row, embedder)
    return activate(session, begin_embedder(session, embedder))


def hold(session: Session) -> None:
    """Let nobody change whose the store's vectors are, nor add one, before this transaction ends.

    A vector refers to its embedder, which is locked with the state row: who adds
    one waits, and finds another embedder then.
    """
    locked_state(session)
    session.exec(select(EmbedderRow.id).order_by(col(EmbedderRow.id)).with_for_update()).all()


def begin_embedder(session: Session, embedder: Embedder) -> int:
    """Return the id of a new generation of vectors of this model, or of one that was begun and not finished."""
    active = state(session).embedder_id
    for row in session.exec(select(EmbedderRow).order_by(col(EmbedderRow.id))).all():
        if row.id is not None and row.id != active and same_model(unpack(row.probe), embedder.probe()):
            return row.id
    probe = embedder.probe()
    row = EmbedderRow(name=embedder.name, dimensions=len(probe), probe=pack(probe))
    session.add(row)
    session.flush()
    assert row.id is not None  # noqa: S101 - the flush numbered it
    return row.id


def activate(session: Session, embedder_id: int) -> int:
    """Make this embedder the store's own and forget every other with its vectors; all are held."""
    current = state(session)
    current.embedder_id = embedder_id
    session.add(current)
    session.flush()
    session.exec(delete(LineChunkRow).where(col(LineChunkRow.embedder_id) != embedder_id))
    session.exec(delete(EmbedderRow).where(col(EmbedderRow.id) != embedder_id))
    return embedder_id


def embedder_name(session: Session) -> str | None:
    """Return the name of the store's embedder, None while there is none."""
    row = _active(session)
    return None if row is None else row.name


def changes(
    session: Session,
    embedder_id: int | None,
    *,
    after: int,
    upto: int | None = None,
    block_id: str | None = None,
    limit: int | None = None,
) -> list[LineChange]:
    """Return what changed after a number, by number; from 0 on, what is gone by now is left out.

    Args:
        session: The snapshot to read from.
        embedder_id: Whose vectors.
        after: The number of the last change seen.
        upto: The number of the last change wanted; else all there are.
        block_id: One scope only.
        limit: How many at most.
    """
    chunk = and_(LineChunkRow.line_id == ArchivalLineRow.id, LineChunkRow.embedder_id == embedder_id)
    vector = case((_recallable(), col(LineChunkRow.vector))).label("vector")
    chosen: list[ColumnElement[bool]] = [col(ArchivalLineRow.seq) > after]
    if upto is not None:
        chosen.append(col(ArchivalLineRow.seq) <= upto)
    if block_id is not None:
        chosen.append(col(ArchivalLineRow.block_id) == block_id)
    if limit is not None:  # of lines, not of their chunks
        some = (
            select(ArchivalLineRow.id).join(LineChunkRow, _first_chunk(embedder_id), isouter=after > 0).where(*chosen)
        )
        chosen = [col(ArchivalLineRow.id).in_(some.order_by(col(ArchivalLineRow.seq)).limit(limit))]
    statement: Any = (
        cast("Any", select)(  # it is typed for up to four columns
            ArchivalLineRow.id, ArchivalLineRow.block_id, ArchivalLineRow.seq, ArchivalLineRow.chunks, vector
        )
        .join(LineChunkRow, chunk, isouter=after > 0)
        .where(*chosen)
        .order_by(col(ArchivalLineRow.seq), col(LineChunkRow.chunk))
    )
    found: list[LineChange] = []
    for (line_id, owner, seq, most), stored in groupby(rows(session, statement), key=itemgetter(0, 1, 2, 3)):
        matrix = _matrix([row.vector for row in stored])
        found.append(LineChange(line_of(line_id), owner, seq, matrix, most if matrix is None else len(matrix)))
    return found


def counted(session: Session, embedder_id: int | None, *, upto: int) -> tuple[int, int]:
    """Return how many lines an index may hold, those changed up to a number and all of them."""
    statement = (
        select(func.count(col(ArchivalLineRow.id)), func.count(case((col(ArchivalLineRow.seq) <= upto, 1))))
        .join(LineChunkRow, _first_chunk(embedder_id))
        .where(_recallable())
    )
    total, done = session.exec(statement).one()
    return done, total


def any_upto(session: Session, block_id: str, seq: int) -> bool:
    """Return whether a scope has a line that an index fed up to a number must hold."""
    statement = select(ArchivalLineRow.id).where(
        ArchivalLineRow.block_id == block_id, ArchivalLineRow.seq <= seq, _recallable()
    )
    return session.exec(statement.limit(1)).first() is not None


def later(session: Session, block_id: str, *, after: int, limit: int) -> Sequence[str]:
    """Return the ids of some lines of a scope that changed after a number and may be recalled."""
    statement = select(ArchivalLineRow.id).where(
        ArchivalLineRow.block_id == block_id, ArchivalLineRow.seq > after, _recallable()
    )
    return session.exec(statement.limit(limit)).all()


def score(session: Session, embedder_id: int | None, line_ids: Sequence[str], query: Vectors) -> Proposals:
    """Return the exact similarity of these lines; one without a vector is left out."""
    best: dict[str, float] = {}
    for some in in_batches(line_ids):
        statement = select(LineChunkRow.line_id, LineChunkRow.vector).where(
            LineChunkRow.embedder_id == embedder_id, col(LineChunkRow.line_id).in_(some)
        )
        stored = session.exec(statement).all()
        if stored:
            matrix = unpack(b"".join(vector for _, vector in stored)).reshape(len(stored), -1)
            for (line_id, _), semantic in zip(stored, similarities(matrix, query).tolist(), strict=True):
                best[line_id] = max(semantic, best.get(line_id, 0.0))
    return Proposals.of(np.array(list(best), ID), np.array(list(best.values()), np.float64))


def _first_chunk(embedder_id: int | None) -> ColumnElement[bool]:
    """Return the join of a line with one of its vectors, if it has any."""
    own = LineChunkRow.line_id == ArchivalLineRow.id, LineChunkRow.embedder_id == embedder_id
    return and_(*own, col(LineChunkRow.chunk) == 0)


def _recallable() -> ColumnElement[bool]:
    return and_(col(ArchivalLineRow.deleted_at).is_(None), col(ArchivalLineRow.confidence) >= CONFIDENCE_FLOOR)


def _matrix(stored: Sequence[bytes | None]) -> Vectors | None:
    vectors = [vector for vector in stored if vector is not None]
    return unpack(b"".join(vectors)).reshape(len(vectors), -1) if vectors else None


def _active(session: Session) -> EmbedderRow | None:
    embedder_id = state(session).embedder_id
    return None if embedder_id is None else session.get(EmbedderRow, embedder_id)


def _foreign(row: EmbedderRow | None, embedder: Embedder) -> InvalidInputError:
    theirs = "no model" if row is None else f"{row.name} ({row.dimensions} dimensions)"
    ours = f"{embedder.name} ({len(embedder.probe())} dimensions)"
    return InvalidInputError(
        f"this store's vectors were made with {theirs} and {ours} was given",
        field="embeddings",
        advice=Wording("open it with its own model, or compute every vector anew with ", Phrase.REINDEX_EMBED),
        code="wrong_embedder",
    )
