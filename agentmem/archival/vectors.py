"""Vectors in SQL: whose they are, the changes an index is fed with, and exact scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlmodel import Session, and_, case, col, delete, func, select

from agentmem.archival.index import Candidate
from agentmem.archival.scoring import similarities
from agentmem.database import state
from agentmem.embedding import Embedder, Vectors, pack, same_model, unpack
from agentmem.errors import InvalidInputError
from agentmem.tables import ArchivalLineRow, EmbedderRow, LineChunkRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement

CONFIDENCE_FLOOR: Final = 0.5
"""Lines below it are stored and listed, but not recalled."""

_IDS_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Change:
    """What an index should know of a line now: its vector, or that it is gone."""

    line_id: str
    block_id: str
    seq: int
    vector: Vectors | None


def require_embedder(session: Session, embedder: Embedder) -> int:
    """The id of the store's embedder, which must be this one.

    Raises:
        InvalidInputError: The stored vectors were made with another model.
    """
    row = _active(session)
    if row is None or row.id is None or not same_model(unpack(row.probe), embedder.probe()):
        raise _foreign(row, embedder)
    return row.id


def stamp_embedder(session: Session, embedder: Embedder) -> int:
    """The id of this embedder as the store's own; a store without vectors takes it.

    Raises:
        InvalidInputError: The stored vectors were made with another model.
    """
    row = _active(session)
    if row is not None and row.id is not None and same_model(unpack(row.probe), embedder.probe()):
        return row.id
    if row is not None and session.exec(select(LineChunkRow.line_id).limit(1)).first() is not None:
        raise _foreign(row, embedder)
    return activate(session, begin_embedder(session, embedder))


def begin_embedder(session: Session, embedder: Embedder) -> int:
    """The id of a new generation of vectors of this model, or of one that was begun and not finished."""
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
    """Make this embedder the store's own and forget every other with its vectors."""
    current = state(session)
    current.embedder_id = embedder_id
    session.add(current)
    session.flush()
    session.exec(delete(LineChunkRow).where(col(LineChunkRow.embedder_id) != embedder_id))
    session.exec(delete(EmbedderRow).where(col(EmbedderRow.id) != embedder_id))
    return embedder_id


def embedder_name(session: Session) -> str | None:
    """The name of the store's embedder, None while there is none."""
    row = _active(session)
    return None if row is None else row.name


def latest(session: Session, block_id: str) -> int:
    """The number of the last change in one scope."""
    return session.exec(select(func.max(ArchivalLineRow.seq)).where(ArchivalLineRow.block_id == block_id)).one() or 0


def changes(
    session: Session, embedder_id: int | None, *, after: int, block_id: str | None = None, limit: int | None = None
) -> list[Change]:
    """What changed after a number, in commit order; from 0 on, what is gone by now is left out.

    Args:
        session: The snapshot to read from.
        embedder_id: Whose vectors.
        after: The number of the last change seen.
        block_id: One scope only.
        limit: How many at most.
    """
    chunk = and_(LineChunkRow.line_id == ArchivalLineRow.id, LineChunkRow.embedder_id == embedder_id)
    vector = case((_recallable(), col(LineChunkRow.vector)))
    statement = (
        select(ArchivalLineRow.id, ArchivalLineRow.block_id, ArchivalLineRow.seq, vector)
        .join(LineChunkRow, chunk, isouter=after > 0)
        .where(ArchivalLineRow.seq > after)
        .order_by(col(ArchivalLineRow.seq))
    )
    if block_id is not None:
        statement = statement.where(ArchivalLineRow.block_id == block_id)
    if limit is not None:
        statement = statement.limit(limit)
    return [
        Change(line_id, owner, seq, None if stored is None else unpack(stored))
        for line_id, owner, seq, stored in session.exec(statement).all()
    ]


def counted(session: Session, embedder_id: int | None, *, upto: int) -> tuple[int, int]:
    """How many lines an index may hold, those changed up to a number and all of them."""
    statement = (
        select(func.count(col(ArchivalLineRow.id)), func.count(case((col(ArchivalLineRow.seq) <= upto, 1))))
        .join(LineChunkRow, and_(LineChunkRow.line_id == ArchivalLineRow.id, LineChunkRow.embedder_id == embedder_id))
        .where(_recallable())
    )
    total, done = session.exec(statement).one()
    return done, total


def any_upto(session: Session, block_id: str, seq: int) -> bool:
    """Whether a scope has a line that an index fed up to a number must hold."""
    statement = select(ArchivalLineRow.id).where(
        ArchivalLineRow.block_id == block_id, ArchivalLineRow.seq <= seq, _recallable()
    )
    return session.exec(statement.limit(1)).first() is not None


def score(session: Session, embedder_id: int | None, line_ids: Sequence[str], query: Vectors) -> list[Candidate]:
    """The exact similarity of these lines, best first, then by id; a line without a vector is left out."""
    candidates: list[Candidate] = []
    for start in range(0, len(line_ids), _IDS_AT_ONCE):
        statement = select(LineChunkRow.line_id, LineChunkRow.vector).where(
            LineChunkRow.embedder_id == embedder_id,
            col(LineChunkRow.line_id).in_(line_ids[start : start + _IDS_AT_ONCE]),
        )
        rows = session.exec(statement).all()
        if rows:
            matrix = unpack(b"".join(vector for _, vector in rows)).reshape(len(rows), -1)
            scores = similarities(matrix, query)
            candidates += [Candidate(line_id, score) for (line_id, _), score in zip(rows, scores, strict=True)]
    return sorted(candidates, key=best_first)


def best_first(candidate: Candidate) -> tuple[float, str]:
    """The order of candidates."""
    return -candidate.semantic, candidate.line_id


def _recallable() -> ColumnElement[bool]:
    return and_(col(ArchivalLineRow.deleted_at).is_(None), col(ArchivalLineRow.confidence) >= CONFIDENCE_FLOOR)


def _active(session: Session) -> EmbedderRow | None:
    embedder_id = state(session).embedder_id
    return None if embedder_id is None else session.get(EmbedderRow, embedder_id)


def _foreign(row: EmbedderRow | None, embedder: Embedder) -> InvalidInputError:
    theirs = "no model" if row is None else f"{row.name} ({row.dimensions} dimensions)"
    ours = f"{embedder.name} ({len(embedder.probe())} dimensions)"
    return InvalidInputError(
        f"embeddings: this store's vectors were made with {theirs} and {ours} was given; open it with its own model, "
        "or compute every vector anew with reindex(embed=True)"
    )
