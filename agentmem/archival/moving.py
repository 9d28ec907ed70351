"""The lines of two users who turned out to be one: moved, so that they stay themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from sqlalchemy import bindparam
from sqlmodel import Session, col, insert, select, update

from agentmem import idempotency, numbers, revisions
from agentmem.archival.index import left_behind
from agentmem.archival.rows import LineWrites
from agentmem.database import rows
from agentmem.tables import ARCHIVAL, ArchivalLineRow, MemoryBlockRow

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from agentmem.models import Scope


def move(session: Session, loser: Scope, winner: Scope, *, moment: datetime, actor: str) -> None:
    """See `ArchivalStore.move`."""
    idempotency.move(session, loser, winner)
    statement = select(MemoryBlockRow).where(
        revisions.left_behind(loser),
        MemoryBlockRow.block_type == ARCHIVAL,
        col(MemoryBlockRow.deleted_at).is_(None),
    )
    left = session.exec(statement).one_or_none()
    if left is None:
        return
    live = revisions.find_live(session, winner, ARCHIVAL)
    marks = {} if live else {"description": left.description, "read_only": left.read_only}
    header = LineWrites(session, winner, live, moment=moment, actor=actor, **marks).header
    idempotency.move_block(session, left.id, header.id)
    revisions.bury(session, left, moment=moment)
    lines = rows(session, _LINES, block_id=left.id)
    if lines:
        _take_along(session, lines, left.id, header.id, moment=moment, actor=actor)


def _take_along(
    session: Session, lines: Sequence[Any], old_id: str, new_id: str, *, moment: datetime, actor: str
) -> None:
    """Put lines under another header, and leave tombstones: an index holds their vectors under the old one."""
    taken = numbers.take(session, "lines", 2 * len(lines))
    moved = [
        {"id": line.id, "block_id": new_id, "position": number, "seq": number}
        for number, line in zip(taken[len(lines) :], lines, strict=True)
    ]
    session.exec(update(ArchivalLineRow), params=moved)
    tombstones: list[dict[str, Any]] = [
        {
            "id": left_behind(line.id, old_id),
            "block_id": old_id,
            "position": line.position,
            "content": "",
            "source": line.source,
            "confidence": line.confidence,
            "chunks": line.chunks,
            "actor": actor,
            "created_at": moment,
            "updated_at": moment,
            "deleted_at": moment,
            "seq": number,
        }
        for number, line in zip(taken[: len(lines)], lines, strict=True)
    ]
    session.exec(insert(ArchivalLineRow), params=tombstones)


_LINES: Final[Any] = (
    cast("Any", select)(  # it is typed for up to four columns
        ArchivalLineRow.id,
        ArchivalLineRow.position,
        ArchivalLineRow.source,
        ArchivalLineRow.confidence,
        ArchivalLineRow.chunks,
    )
    .where(ArchivalLineRow.block_id == bindparam("block_id"), col(ArchivalLineRow.deleted_at).is_(None))
    .order_by(col(ArchivalLineRow.position))
)
