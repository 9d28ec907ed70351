"""Archival lines as rows: what one transaction reads and writes under one scope's header."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import uuid4

from sqlmodel import Session, col, delete, insert, select, update

from agentmem import idempotency, revisions
from agentmem.archival.lines import Entry, keep, settled
from agentmem.database import advance, in_batches
from agentmem.embedding import pack
from agentmem.tables import ARCHIVAL, ArchivalLineRow, LineChunkRow, LineTermsRow, MemoryBlockRow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlmodel.sql.expression import SelectOfScalar

    from agentmem.embedding import Vectors
    from agentmem.models import MemoryBlock, Scope

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
    """The writes of one transaction to the lines of one scope, all at one moment and by one author.

    Beginning them moves the header on, or creates it; numbers for the lines are
    taken last.

    Args:
        session: The transaction.
        scope: Whose lines.
        live: The header that was read in this transaction, `None` when there is none.
        moment: What time it is.
        actor: Who writes.
        **header: New values of the header.
    """

    def __init__(
        self,
        session: Session,
        scope: Scope,
        live: MemoryBlockRow | None,
        *,
        moment: datetime,
        actor: str,
        **header: object,
    ) -> None:
        self._session = session
        self._stamp = {"updated_at": moment, "actor": actor}
        if live is None:
            self.header = revisions.create(session, scope, ARCHIVAL, moment=moment, **header)
        else:
            self.header = revisions.change(session, live, moment=moment, **header)

    def add(
        self,
        entries: Sequence[Entry],
        line_ids: Sequence[str],
        made_by: MadeBy,
        *,
        idempotency_key: str | None,
    ) -> None:
        """Add lines at the end."""
        first = advance(self._session, len(entries)) + 1
        numbers = range(first, first + len(entries))
        self._insert([*zip(numbers, line_ids, entries, strict=True)], made_by, idempotency_key=idempotency_key)

    def rewrite(
        self, rows: Sequence[ArchivalLineRow], texts: Sequence[str], new: Mapping[str, Entry], made_by: MadeBy
    ) -> None:
        """Make the text of the scope these lines: unchanged ones stay themselves.

        From the first line that is new or out of order on, every line takes a
        new place, since places are never used twice.
        """
        places = keep([row.content for row in rows], texts)
        stay = set(places)
        self.bury([row.id for place, row in enumerate(rows) if place not in stay])
        first = settled(places)
        number = advance(self._session, len(places) - first)
        moved: list[dict[str, object]] = []
        added: list[tuple[int, str, Entry]] = []
        for text, place in zip(texts[first:], places[first:], strict=True):
            number += 1
            if place is None:
                added.append((number, uuid4().hex, new[text]))
            else:
                moved.append({"id": rows[place].id, "position": number, "seq": number})
        if moved:
            self._session.exec(update(ArchivalLineRow), params=moved)
        self._insert(added, made_by)

    def bury(self, line_ids: Sequence[str]) -> None:
        """Leave tombstones: no text, no words, no vector, and a new number for the index to see."""
        if not line_ids:
            return
        idempotency.forget_lines(self._session, self.header.id, line_ids)
        first = advance(self._session, len(line_ids)) + 1
        gone = {"deleted_at": self._stamp["updated_at"], **self._stamp, **_EMPTY}
        tombstones = [{"id": line_id, "seq": seq, **gone} for seq, line_id in enumerate(line_ids, start=first)]
        self._session.exec(update(ArchivalLineRow), params=tombstones)
        for some in in_batches(line_ids):
            self._session.exec(delete(LineChunkRow).where(col(LineChunkRow.line_id).in_(some)))
            self._session.exec(delete(LineTermsRow).where(col(LineTermsRow.line_id).in_(some)))

    def _insert(
        self,
        lines: Sequence[tuple[int, str, Entry]],
        made_by: MadeBy,
        *,
        idempotency_key: str | None = None,
    ) -> None:
        if not lines:
            return
        common = {
            "block_id": self.header.id,
            "created_at": self._stamp["updated_at"],
            "deleted_at": None,
            "idempotency_key": idempotency_key,
            **self._stamp,
        }
        rows: list[dict[str, Any]] = [
            {
                "id": line_id,
                "position": number,
                "seq": number,
                "chunks": len(entry.vectors),
                **common,
                **asdict(entry.draft),
            }
            for number, line_id, entry in lines
        ]
        self._session.exec(insert(ArchivalLineRow), params=rows)
        chunks: list[dict[str, Any]] = [
            chunk for _, line_id, entry in lines for chunk in chunk_rows(line_id, made_by.embedder_id, entry.vectors)
        ]
        self._session.exec(insert(LineChunkRow), params=chunks)
        words: list[dict[str, Any]] = [
            {"line_id": line_id, "made_by": made_by.analyzer, "terms": entry.words} for _, line_id, entry in lines
        ]
        self._session.exec(insert(LineTermsRow), params=words)


def chunk_rows(line_id: str, embedder_id: int, vectors: Vectors) -> list[dict[str, Any]]:
    """The rows that hold the vectors of one line, shape `(chunks, dimensions)`."""
    common = {"line_id": line_id, "embedder_id": embedder_id}
    return [{**common, "chunk": chunk, "vector": pack(vector)} for chunk, vector in enumerate(vectors)]


def live_rows(session: Session, header: MemoryBlockRow | None) -> Sequence[ArchivalLineRow]:
    """The lines of a scope that are not deleted, in order."""
    return [] if header is None else session.exec(_live(select(ArchivalLineRow), header)).all()


def block(session: Session, header: MemoryBlockRow) -> MemoryBlock:
    """The lines of a scope as one text under their header."""
    contents = session.exec(_live(select(ArchivalLineRow.content), header)).all()
    return revisions.block(header, content="\n".join(contents))


def find_of_user(session: Session, tenant_id: str, user_id: str, line_id: str) -> MemoryBlockRow | None:
    """The header over a live line of this user, None when the line is not theirs or not there."""
    statement = (
        select(MemoryBlockRow)
        .join(ArchivalLineRow, col(ArchivalLineRow.block_id) == MemoryBlockRow.id)
        .where(
            ArchivalLineRow.id == line_id,
            col(ArchivalLineRow.deleted_at).is_(None),
            revisions.of_user(tenant_id, user_id),
        )
    )
    return session.exec(statement).one_or_none()


def _live(statement: SelectOfScalar[T], header: MemoryBlockRow) -> SelectOfScalar[T]:
    under = statement.where(ArchivalLineRow.block_id == header.id, col(ArchivalLineRow.deleted_at).is_(None))
    return under.order_by(col(ArchivalLineRow.position))
