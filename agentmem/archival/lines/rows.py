"""Archival lines as rows: what one transaction reads and writes under one scope's header."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import uuid4

from sqlalchemy import func, literal_column
from sqlmodel import Session, col, delete, select, update

from agentmem import changes, idempotency, revisions
from agentmem.archival.lines.drafts import IndexedLine, keep, settled
from agentmem.changes import Change
from agentmem.database import in_batches
from agentmem.embedding import pack
from agentmem.tables import (
    ARCHIVAL,
    ArchivalLineRow,
    LineChunkRow,
    LineTermsRow,
    MemoryBlockRow,
    MemoryChangeRow,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement
    from sqlmodel.sql.expression import SelectOfScalar

    from agentmem.embedding import Vectors
    from agentmem.models import MemoryBlock, Scope, Source
    from agentmem.transaction import Snapshot, Transaction

T = TypeVar("T")

_EMPTY: Final = {
    "content": "",
    "speaker": None,
    "conversation_id": None,
    "occurred_at": None,
    "idempotency_key": None,
}


@dataclass(frozen=True, slots=True)
class MadeBy:
    """What made the vectors and the words of lines: a stored embedder, and an analyzer."""

    embedder_id: int
    analyzer: str


class LineWrites:
    """The writes of one transaction to the lines of one scope.

    Beginning them moves the header on, or creates it.

    Args:
        tx: The transaction.
        scope: Whose lines.
        live: The header that was read in this transaction, `None` when there is none.
        **header: New values of the header.
    """

    def __init__(self, tx: Transaction, scope: Scope, live: MemoryBlockRow | None, **header: object) -> None:
        self._tx = tx
        if live is None:
            self.header = revisions.create(tx, scope, ARCHIVAL, **header)
        else:
            self.header = revisions.change(tx, live, **header)

    def add(
        self,
        entries: Sequence[IndexedLine],
        line_ids: Sequence[str],
        made_by: MadeBy,
        *,
        idempotency_key: str | None,
    ) -> None:
        """Add lines at the end, and tell the feed."""
        self.insert(entries, line_ids, made_by, idempotency_key=idempotency_key)
        for line_id, entry in zip(line_ids, entries, strict=True):
            self._tell(entry.draft.conversation_id, Change("line", "added", line_id))

    def insert(
        self,
        entries: Sequence[IndexedLine],
        line_ids: Sequence[str],
        made_by: MadeBy,
        *,
        idempotency_key: str | None = None,
    ) -> None:
        """Add lines at the end without a word about it."""
        for line_id, entry in zip(line_ids, entries, strict=True):
            self._insert(line_id, entry, made_by, idempotency_key=idempotency_key)

    def rewrite(
        self, rows: Sequence[ArchivalLineRow], texts: Sequence[str], new: Mapping[str, IndexedLine], made_by: MadeBy
    ) -> None:
        """Make the text of the scope these lines: unchanged ones stay themselves.

        From the first line that is new or out of order on, every line takes a
        new place, since places are never used twice.
        """
        places = keep([row.content for row in rows], texts)
        stay = set(places)
        self.forget([row.id for place, row in enumerate(rows) if place not in stay])
        first = settled(places)
        for text, place in zip(texts[first:], places[first:], strict=True):
            if place is None:
                line_id = uuid4().hex
                self._insert(line_id, new[text], made_by)
                self._tell(None, Change("line", "added", line_id))
            else:
                self._tx.change_line({"id": rows[place].id}, placed=True)

    def forget(self, line_ids: Sequence[str]) -> None:
        """Delete lines: the feed says that they are gone, and no longer what they took the place of."""
        self.tombstone(line_ids)
        for some in in_batches(line_ids):
            changes.empty(self._tx.session, *_superseded_by(self.header.tenant_id, some))
        self._tell(None, *(Change("line", "removed", line_id) for line_id in line_ids))

    def tombstone(self, line_ids: Sequence[str]) -> None:
        """Leave tombstones without a word about it."""
        tombstone(self._tx, self.header.id, line_ids)

    def _tell(self, conversation_id: str | None, *told: Change) -> None:
        self._tx.record(revisions.scope_of(self.header), told, conversation_id=conversation_id)

    def _insert(self, line_id: str, entry: IndexedLine, made_by: MadeBy, *, idempotency_key: str | None = None) -> None:
        draft = entry.draft
        self._tx.add_line(
            {
                "id": line_id,
                "block_id": self.header.id,
                "chunks": len(entry.vectors),
                "created_at": self._tx.now,
                "updated_at": self._tx.now,
                "deleted_at": None,
                "actor": self._tx.writer.actor,
                "idempotency_key": idempotency_key,
                "content": draft.content,
                "source": draft.source,
                "confidence": draft.confidence,
                "speaker": draft.speaker,
                "conversation_id": draft.conversation_id,
                "occurred_at": draft.occurred_at,
            },
            chunks=chunk_rows(line_id, made_by.embedder_id, entry.vectors),
            terms={"line_id": line_id, "made_by": made_by.analyzer, "terms": entry.words},
        )


def tombstone(tx: Transaction, block_id: str, line_ids: Sequence[str]) -> None:
    """Leave tombstones of lines of one header: no text, no words, no vector, and a new number for the index to see."""
    if not line_ids:
        return
    idempotency.forget_lines(tx.session, block_id, line_ids)
    gone = {"deleted_at": tx.now, "updated_at": tx.now, "actor": tx.writer.actor, **_EMPTY}
    for line_id in line_ids:
        tx.change_line({"id": line_id, **gone})
    for some in in_batches(line_ids):
        tx.session.exec(delete(LineChunkRow).where(col(LineChunkRow.line_id).in_(some)))
        tx.session.exec(delete(LineTermsRow).where(col(LineTermsRow.line_id).in_(some)))


def succeed(session: Session, tenant_id: str, old_id: str, new_id: str) -> None:
    """Say of all that a line took the place of that another line stands there now."""
    statement = update(MemoryChangeRow).where(*_superseded_by(tenant_id, [old_id])).values(ref=new_id)
    session.exec(statement)


def chunk_rows(line_id: str, embedder_id: int, vectors: Vectors) -> list[dict[str, Any]]:
    """Return the rows that hold the vectors of one line, shape `(chunks, dimensions)`."""
    common = {"line_id": line_id, "embedder_id": embedder_id}
    return [{**common, "chunk": chunk, "vector": pack(vector)} for chunk, vector in enumerate(vectors)]


def live_rows(
    session: Session, header: MemoryBlockRow | None, *, after: datetime | None = None
) -> Sequence[ArchivalLineRow]:
    """Return the lines of a scope that are not deleted, in order, written after a moment if there is one."""
    return [] if header is None else session.exec(_live(select(ArchivalLineRow), header, after)).all()


def block(session: Session, header: MemoryBlockRow, *, after: datetime | None) -> MemoryBlock:
    """Return the lines of a scope, written after a moment if there is one, as one text under their header."""
    contents = session.exec(_live(select(ArchivalLineRow.content), header, after)).all()
    return revisions.block(header, content="\n".join(contents))


def visible(snapshot: Snapshot, scope: Scope, line_ids: Sequence[str]) -> dict[str, ArchivalLineRow]:
    """Those of these lines that are in the scope and can be seen, by id."""
    found: dict[str, ArchivalLineRow] = {}
    after = snapshot.hidden_until(scope)
    for some in in_batches(line_ids):
        lines = _of_scope(scope).where(col(ArchivalLineRow.id).in_(some), *_written_after(after))
        found.update((line.id, line) for line in snapshot.session.exec(lines).all())
    return found


def newest(
    snapshot: Snapshot,
    scope: Scope,
    *,
    limit: int,
    min_confidence: float,
    without_source: Source | None,
) -> Sequence[ArchivalLineRow]:
    """Return the lines of a scope that can be seen and are sure enough, the one written last first."""
    chosen = [col(ArchivalLineRow.confidence) >= min_confidence]
    if without_source is not None:
        chosen.append(col(ArchivalLineRow.source) != without_source)
    lines = _of_scope(scope).where(*chosen, *_written_after(snapshot.hidden_until(scope)))
    in_order = lines.order_by(col(ArchivalLineRow.updated_at).desc(), col(ArchivalLineRow.position).desc())
    return snapshot.session.exec(in_order.limit(limit)).all()


def last_number(snapshot: Snapshot, scope: Scope) -> int:
    """Return the number of the last change of a scope's lines, 0 where there were never any."""
    header = revisions.find(snapshot.session, scope, ARCHIVAL)
    if header is None:
        return 0
    last = select(func.max(ArchivalLineRow.seq)).where(ArchivalLineRow.block_id == header.id)
    return snapshot.session.exec(last).one() or 0


def written_since(
    snapshot: Snapshot, scope: Scope, number: int, *, limit: int, without_source: Source
) -> Sequence[ArchivalLineRow]:
    """Return the lines of a scope that can be seen and were written after a number was taken, the last one first."""
    chosen = [col(ArchivalLineRow.seq) > number, col(ArchivalLineRow.source) != without_source]
    lines = _of_scope(scope).where(*chosen, *_written_after(snapshot.hidden_until(scope)))
    return snapshot.session.exec(lines.order_by(col(ArchivalLineRow.seq).desc()).limit(limit)).all()


def find_of_user(session: Session, tenant_id: str, user_id: str, line_id: str) -> MemoryBlockRow | None:
    """Return the header over a live line of this user, locked, in the transaction that is to change the line.

    None when the line is not theirs or not there.
    """
    line = select(ArchivalLineRow.id).where(
        ArchivalLineRow.block_id == MemoryBlockRow.id,
        ArchivalLineRow.id == line_id,
        col(ArchivalLineRow.deleted_at).is_(None),
    )
    header = select(MemoryBlockRow).where(revisions.of_user(tenant_id, user_id), line.exists())
    found = session.exec(header.with_for_update().execution_options(populate_existing=True)).one_or_none()
    is_live = found is not None and session.exec(line.where(MemoryBlockRow.id == found.id)).first() is not None
    return found if is_live else None


def _of_scope(scope: Scope) -> SelectOfScalar[ArchivalLineRow]:
    under = select(ArchivalLineRow).join(MemoryBlockRow, col(MemoryBlockRow.id) == ArchivalLineRow.block_id)
    return under.where(revisions.within(scope))


def _written_after(moment: datetime | None) -> tuple[ColumnElement[bool], ...]:
    """Return the condition that a line is not deleted, and was last written after a moment if there is one."""
    live = col(ArchivalLineRow.deleted_at).is_(None)
    return (live,) if moment is None else (live, col(ArchivalLineRow.updated_at) > moment)


def _live(statement: SelectOfScalar[T], header: MemoryBlockRow, after: datetime | None) -> SelectOfScalar[T]:
    under = statement.where(ArchivalLineRow.block_id == header.id, *_written_after(after))
    return under.order_by(col(ArchivalLineRow.position))


def _superseded_by(tenant_id: str, line_ids: Sequence[str]) -> tuple[ColumnElement[bool], ...]:
    """Return the condition that an entry of the feed says what one of these lines stands in the place of."""
    return (
        col(MemoryChangeRow.tenant_id) == tenant_id,
        col(MemoryChangeRow.action) == literal_column("'superseded'"),  # bound, it would not be known to have an index
        col(MemoryChangeRow.ref).in_(line_ids),
    )
