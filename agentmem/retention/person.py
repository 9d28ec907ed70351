"""One person: all the ids that were merged into one, and the feed of what happened to their memory."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from sqlmodel import Session, col, select

from agentmem import changes
from agentmem.lifetimes import hour
from agentmem.merged import current_user
from agentmem.tables import ContactRow, MemoryChangeRow

if TYPE_CHECKING:
    from agentmem.records import MemoryChange


def ids_of(session: Session, tenant_id: str, user_id: str) -> list[str]:
    """Every id of a person by any of them: first the one they are found under, then those that lead to it."""
    winner: str = session.exec(select(current_user(tenant_id, user_id))).one()
    losers = select(ContactRow.id).where(ContactRow.tenant_id == tenant_id, ContactRow.merged_into == winner)
    return [winner, *session.exec(losers.order_by(col(ContactRow.id))).all()]


def feed(
    session: Session,
    tenant_id: str,
    user_id: str,
    *,
    since: int | datetime | None,
    limit: int,
    now: datetime,
    max_fact_days: int,
) -> list[MemoryChange]:
    """The changes of a person's memory, oldest first.

    Args:
        session: The snapshot.
        tenant_id: The account.
        user_id: Any id of theirs.
        since: The number of the last change that is known, or a moment, whose whole hour counts.
        limit: How many at most.
        now: What time it is.
        max_fact_days: The longest a key-value fact lives.
    """
    chosen = [
        col(MemoryChangeRow.tenant_id) == tenant_id,
        col(MemoryChangeRow.user_id).in_(ids_of(session, tenant_id, user_id)),
    ]
    if isinstance(since, datetime):
        chosen.append(col(MemoryChangeRow.at) >= hour(since))
    elif since is not None:
        chosen.append(col(MemoryChangeRow.id) > since)
    return changes.feed(session, *chosen, now=now, max_fact_days=max_fact_days, limit=limit)
