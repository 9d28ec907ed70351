"""Erasing lines: what outlived its retention, the tombstones that nobody waits for, and every row of a person."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from sqlmodel import Session, and_, col, delete, func, or_, select, update

from agentmem import expiry
from agentmem.archival.lines import rows
from agentmem.tables import ArchivalLineRow, MemoryBlockRow, SearchIndexRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentmem.transaction import Transaction


def tombstone_expired(tx: Transaction, *, days: int, limit: int) -> int:
    """Leave tombstones of lines that outlived the retention of agents that keep their memory for so many days.

    The headers stay as they are, because nobody could see these lines any more.

    Args:
        tx: The transaction.
        days: The retention.
        limit: How many lines at most.

    Returns:
        How many lines.
    """
    line, header = ArchivalLineRow, MemoryBlockRow
    over = col(line.deleted_at).is_(None), col(line.updated_at) <= expiry.cutoff(tx.now, days)
    kept = col(header.agent_id) != "", expiry.kept_for(days, header.tenant_id, header.agent_id)
    of_these = select(header.id).where(*kept, select(line.id).where(line.block_id == header.id, *over).exists())
    # Whoever confirms a line waits here; a scope that someone writes to is left for the next time.
    locked = tx.session.exec(of_these.order_by(col(header.id)).limit(limit).with_for_update(skip_locked=True)).all()
    statement = select(line.id, line.block_id).where(*over, col(line.block_id).in_(locked))
    lines = tx.session.exec(statement.order_by(col(line.block_id)).limit(limit)).all()
    for block_id, some in groupby(lines, key=itemgetter(1)):
        rows.tombstone(tx, block_id, [line_id for line_id, _ in some])
    return len(lines)


def spare_tombstones(session: Session) -> list[tuple[str, int]]:
    """Every header with more than one tombstone that all indexes know of, and the number of the newest, which stays.

    It stays for those who keep the scope in memory: they see that there were some, and read it anew.
    """
    watermarks = session.exec(select(SearchIndexRow.watermark).where(~col(SearchIndexRow.erase))).all()
    known = [col(ArchivalLineRow.seq) <= min(watermarks)] if watermarks else []
    statement = (
        select(ArchivalLineRow.block_id, func.max(ArchivalLineRow.seq))
        .where(_IS_TOMBSTONE, *known)
        .group_by(col(ArchivalLineRow.block_id))
        .having(func.count() > 1)
        .order_by(col(ArchivalLineRow.block_id))
    )
    return [(block_id, seq) for block_id, seq in session.exec(statement)]


def clear(tx: Transaction, spare: Sequence[tuple[str, int]], *, limit: int) -> int:
    """Delete tombstones, those of each header that are older than the one that stays.

    Args:
        tx: The transaction.
        spare: Some of what `spare_tombstones` found.
        limit: How many at most.

    Returns:
        How many.
    """
    block_id, seq = col(ArchivalLineRow.block_id), col(ArchivalLineRow.seq)
    newest = or_(*(and_(block_id == header, seq == stays) for header, stays in spare))
    tx.session.exec(update(ArchivalLineRow).where(newest).values(chunks=0))
    older = or_(*(and_(block_id == header, seq < stays) for header, stays in spare))
    some = select(ArchivalLineRow.id).where(_IS_TOMBSTONE, older).limit(limit)
    return tx.session.exec(delete(ArchivalLineRow).where(col(ArchivalLineRow.id).in_(some))).rowcount


def erase(session: Session, tenant_id: str, user_ids: Sequence[str]) -> bool:
    """Delete every block of these users with its history, and every line with what it is found by, tombstones too.

    Every index is marked to be filled anew, if one of them may ever have held a
    vector of theirs.

    Returns:
        Whether there was anything.
    """
    own = col(MemoryBlockRow.tenant_id) == tenant_id, col(MemoryBlockRow.user_id).in_(user_ids)
    line = select(ArchivalLineRow.id).join(MemoryBlockRow, col(MemoryBlockRow.id) == ArchivalLineRow.block_id)
    had_lines = session.exec(line.where(*own).limit(1)).first() is not None
    erased = session.exec(delete(MemoryBlockRow).where(*own)).rowcount > 0
    if had_lines:
        for index in session.exec(select(SearchIndexRow).order_by(col(SearchIndexRow.id)).with_for_update()).all():
            index.erase = True
    return erased


_IS_TOMBSTONE: Final = col(ArchivalLineRow.deleted_at).is_not(None)
