"""The lines of two users who turned out to be one: moved, so that they stay themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from sqlalchemy import bindparam
from sqlmodel import col, select

from agentmem import idempotency, revisions
from agentmem.archival.index.protocol import left_behind
from agentmem.archival.lines.rows import LineWrites
from agentmem.database import rows
from agentmem.tables import ARCHIVAL, ArchivalLineRow, MemoryBlockRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentmem.models import Scope
    from agentmem.transaction import Transaction


def move(tx: Transaction, loser: Scope, winner: Scope) -> None:
    """See `ArchivalStore.move`."""
    idempotency.move(tx.session, loser, winner)
    statement = select(MemoryBlockRow).where(
        revisions.left_behind(loser),
        MemoryBlockRow.block_type == ARCHIVAL,
        col(MemoryBlockRow.deleted_at).is_(None),
    )
    left = tx.session.exec(statement).one_or_none()
    if left is None:
        return
    live = revisions.find_live(tx.session, winner, ARCHIVAL)
    marks = {} if live else {"description": left.description, "read_only": left.read_only}
    header = LineWrites(tx, winner, live, **marks).header
    idempotency.move_block(tx.session, left.id, header.id)
    revisions.tombstone(tx, left)
    _take_along(tx, rows(tx.session, _LINES, block_id=left.id), left.id, header.id)


def _take_along(tx: Transaction, lines: Sequence[Any], old_id: str, new_id: str) -> None:
    """Put lines under another header, and leave tombstones: an index holds their vectors under the old one."""
    for line in lines:
        tombstone = {
            "id": left_behind(line.id, old_id),
            "block_id": old_id,
            "position": line.position,
            "content": "",
            "source": line.source,
            "confidence": line.confidence,
            "chunks": line.chunks,
            "actor": tx.writer.actor,
            "created_at": tx.now,
            "updated_at": tx.now,
            "deleted_at": tx.now,
        }
        tx.add_line(tombstone, placed=False)
    for line in lines:
        tx.change_line({"id": line.id, "block_id": new_id}, placed=True)


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
