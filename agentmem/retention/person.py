"""One person: the feed of what happened to their memory, under every id of theirs."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlmodel import Session, col, select

from agentmem import changes
from agentmem.aliases import beginning, ids_of
from agentmem.expiry import hour
from agentmem.tables import ContactRow, IdempotencyKeyRow, MemoryBlockRow, MemoryChangeRow, ThreadRow

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from agentmem.records import MemoryChange
    from agentmem.transaction import Snapshot


def ids_beginning(session: Session, tenant_id: str, prefix: str, *, limit: int) -> list[str]:
    """The ids, that memory is kept under or that lead to one, that begin with a prefix: the one that is it first."""
    kept: list[tuple[Any, Any, list[ColumnElement[bool]]]] = [
        (col(ContactRow.id), ContactRow.tenant_id, []),
        (col(MemoryBlockRow.user_id), MemoryBlockRow.tenant_id, [col(MemoryBlockRow.deleted_at).is_(None)]),
        (col(MemoryChangeRow.user_id), MemoryChangeRow.tenant_id, []),
        (col(IdempotencyKeyRow.user_id), IdempotencyKeyRow.tenant_id, []),
        (col(ThreadRow.user_id), ThreadRow.tenant_id, []),
    ]
    found: set[str] = set()
    for own, tenant, live in kept:
        chosen = tenant == tenant_id, beginning(own, prefix), *live
        found.update(session.exec(select(own).where(*chosen).distinct().order_by(own).limit(limit)).all())
        found.update(session.exec(select(own).where(tenant == tenant_id, own == prefix, *live).limit(1)).all())
    return sorted(found, key=lambda user_id: (user_id != prefix, user_id))[:limit]


def feed(
    snapshot: Snapshot, tenant_id: str, user_id: str, *, since: int | datetime | None, limit: int
) -> list[MemoryChange]:
    """Return the changes of a person's memory, oldest first.

    Args:
        snapshot: What it is read from.
        tenant_id: The account.
        user_id: Any id of theirs.
        since: The number of the last change that is known, or a moment, whose whole hour counts.
        limit: How many at most.
    """
    chosen = [
        col(MemoryChangeRow.tenant_id) == tenant_id,
        col(MemoryChangeRow.user_id).in_(ids_of(snapshot.session, tenant_id, user_id)),
    ]
    if isinstance(since, datetime):
        chosen.append(col(MemoryChangeRow.at) >= hour(since))
    elif since is not None:
        chosen.append(col(MemoryChangeRow.id) > since)
    return changes.feed(snapshot.session, *chosen, now=snapshot.now, max_fact_days=snapshot.max_fact_days, limit=limit)
