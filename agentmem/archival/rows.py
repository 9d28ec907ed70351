"""Archival lines as rows: what one transaction reads and writes under one scope's header."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from sqlmodel import Session, col, delete, insert, select, update

from agentmem import revisions
from agentmem.archival.lines import Draft, keep, settled
from agentmem.database import advance
from agentmem.embedding import Vectors, pack
from agentmem.tables import ARCHIVAL, ArchivalLineRow, LineChunkRow, MemoryBlockRow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from agentmem.models import MemoryBlock, Scope

_IDS_AT_ONCE: Final = 500
_EMPTY: Final = {"content": "", "speaker": None, "conversation_id": None, "occurred_at": None}


class Transaction:
    """The writes of one transaction to one scope, all at one moment and by one author.

    Beginning it moves the header on, or creates it; numbers for the lines are
    taken last.

    Args:
        session: The transaction.
        scope: Whose lines.
        moment: What time it is.
        actor: Who writes.
        **header: New values of the header.
    """

    def __init__(self, session: Session, scope: Scope, *, moment: datetime, actor: str, **header: object) -> None:
        self._session = session
        self._stamp = {"updated_at": moment, "actor": actor}
        live = revisions.find_live(session, scope, ARCHIVAL)
        if live is None:
            self.header = revisions.create(session, scope, ARCHIVAL, moment=moment, **header)
        else:
            self.header = revisions.change(session, live, moment=moment, **header)

    def add(
        self, drafts: Sequence[Draft], line_ids: Sequence[str], embedder_id: int, embedded: Sequence[Vectors]
    ) -> None:
        """Add lines at the end."""
        first = advance(self._session, len(drafts)) + 1
        numbers = range(first, first + len(drafts))
        self._insert([*zip(numbers, line_ids, drafts, strict=True)], embedder_id, embedded)

    def rewrite(
        self, rows: Sequence[ArchivalLineRow], texts: Sequence[str], embedder_id: int, embedded: Mapping[str, Vectors]
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
        added: list[tuple[int, str, Draft]] = []
        for text, place in zip(texts[first:], places[first:], strict=True):
            number += 1
            if place is None:
                added.append((number, uuid4().hex, Draft(text, source="operator")))
            else:
                moved.append({"id": rows[place].id, "position": number, "seq": number})
        if moved:
            self._session.exec(update(ArchivalLineRow), params=moved)
        self._insert(added, embedder_id, [embedded[draft.content] for _, _, draft in added])

    def bury(self, line_ids: Sequence[str]) -> None:
        """Leave tombstones: no text, no vector, and a new number for the index to see."""
        if not line_ids:
            return
        first = advance(self._session, len(line_ids)) + 1
        gone = {"deleted_at": self._stamp["updated_at"], **self._stamp, **_EMPTY}
        tombstones = [{"id": line_id, "seq": seq, **gone} for seq, line_id in enumerate(line_ids, start=first)]
        self._session.exec(update(ArchivalLineRow), params=tombstones)
        for start in range(0, len(line_ids), _IDS_AT_ONCE):
            some = col(LineChunkRow.line_id).in_(line_ids[start : start + _IDS_AT_ONCE])
            self._session.exec(delete(LineChunkRow).where(some))

    def _insert(self, lines: Sequence[tuple[int, str, Draft]], embedder_id: int, embedded: Sequence[Vectors]) -> None:
        if not lines:
            return
        common = {
            "block_id": self.header.id,
            "created_at": self._stamp["updated_at"],
            "deleted_at": None,
            **self._stamp,
        }
        rows: list[dict[str, Any]] = [
            {"id": line_id, "position": number, "seq": number, **common, **asdict(draft)}
            for number, line_id, draft in lines
        ]
        self._session.exec(insert(ArchivalLineRow), params=rows)
        chunks: list[dict[str, Any]] = [
            {"line_id": line_id, "embedder_id": embedder_id, "chunk": 0, "vector": pack(vector)}
            for (_, line_id, _), vector in zip(lines, embedded, strict=True)
        ]
        self._session.exec(insert(LineChunkRow), params=chunks)


def live_rows(session: Session, header: MemoryBlockRow | None) -> Sequence[ArchivalLineRow]:
    """The lines of a scope that are not deleted, in order."""
    if header is None:
        return []
    statement = select(ArchivalLineRow).where(
        ArchivalLineRow.block_id == header.id, col(ArchivalLineRow.deleted_at).is_(None)
    )
    return session.exec(statement.order_by(col(ArchivalLineRow.position))).all()


def block(session: Session, header: MemoryBlockRow) -> MemoryBlock:
    """The lines of a scope as one text under their header."""
    statement = select(ArchivalLineRow.content).where(
        ArchivalLineRow.block_id == header.id, col(ArchivalLineRow.deleted_at).is_(None)
    )
    contents = session.exec(statement.order_by(col(ArchivalLineRow.position))).all()
    return revisions.block(header, content="\n".join(contents))


def find_of_user(session: Session, tenant_id: str, user_id: str, line_id: str) -> MemoryBlockRow | None:
    """The header over a live line of this user, None when the line is not theirs or not there."""
    statement = (
        select(MemoryBlockRow)
        .join(ArchivalLineRow, col(ArchivalLineRow.block_id) == MemoryBlockRow.id)
        .where(
            ArchivalLineRow.id == line_id,
            col(ArchivalLineRow.deleted_at).is_(None),
            MemoryBlockRow.tenant_id == tenant_id,
            MemoryBlockRow.user_id == user_id,
        )
    )
    return session.exec(statement).one_or_none()
