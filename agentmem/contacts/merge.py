"""Moving what agents know of one contact to another, who turned out to be the same person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmodel import col, delete, select, update

from agentmem import expiry, idempotency
from agentmem.changes import Change
from agentmem.contacts import reading
from agentmem.contacts.parts import PARTS
from agentmem.contacts.writing import move_version
from agentmem.database import RacedError
from agentmem.models import Scope
from agentmem.tables import ContactMemoryRow, ConversationRow, MemoryChangeRow

if TYPE_CHECKING:
    from datetime import datetime

    from agentmem.contacts.parts import Part, Same
    from agentmem.transaction import Transaction


def move_memory(tx: Transaction, tenant_id: str, loser_id: str, winner_id: str) -> None:
    """Let a contact's memory with every agent be another's, with their conversations and their feed.

    Of a fact and an entity that both have, the one written later stays, the
    winner's where they were written at once; an entity keeps the details that
    only the other has. Summaries are joined by a newline, the older first. A
    merge prolongs nothing, and brings nothing back.

    Args:
        tx: The transaction.
        tenant_id: The tenant of both.
        loser_id: Whose memory goes.
        winner_id: Whose it becomes.
    """
    session = tx.session
    session.exec(
        update(ConversationRow)
        .where(col(ConversationRow.tenant_id) == tenant_id, col(ConversationRow.contact_id) == loser_id)
        .values(contact_id=winner_id)
    )
    session.exec(
        update(MemoryChangeRow)
        .where(col(MemoryChangeRow.tenant_id) == tenant_id, col(MemoryChangeRow.user_id) == loser_id)
        .values(user_id=winner_id)
    )
    moved: list[Scope] = []
    losers = select(ContactMemoryRow).where(*reading.within(Scope(tenant_id, loser_id)))
    for loser in session.exec(losers.order_by(col(ContactMemoryRow.agent_id))).all():
        scope = Scope(tenant_id, winner_id, loser.agent_id)
        idempotency.move(session, Scope(tenant_id, loser_id, loser.agent_id), scope)
        winner = reading.find_header(session, scope, to_write=True)
        if winner is None:
            move_version(tx, loser)
            loser.contact_id = winner_id
            session.add(loser)
        else:
            _join(tx, loser, winner)
        moved.append(scope)
    session.flush()
    for scope in moved:
        tx.record(scope, [Change("memory", "merged", scope.agent_id or "")])


def _join(tx: Transaction, loser: ContactMemoryRow, winner: ContactMemoryRow) -> None:
    session = tx.session
    move_version(tx, winner)
    days = expiry.retention_days(session, winner.tenant_id, winner.agent_id)

    for part in PARTS:
        if part.same is None:
            session.exec(update(part.row).where(part.memory_id == loser.id).values(memory_id=winner.id))
        else:
            _newer_stays(tx, part, part.same, loser, winner, days=days)
    _join_summaries(loser, winner, now=tx.now, days=days)
    winner.created_at = min(winner.created_at, loser.created_at)
    session.add(winner)
    session.flush()
    statement = delete(ContactMemoryRow).where(
        col(ContactMemoryRow.id) == loser.id, col(ContactMemoryRow.version) == loser.version
    )
    if session.exec(statement).rowcount != 1:
        raise RacedError


def _newer_stays(
    tx: Transaction, part: Part, same: Same, loser: ContactMemoryRow, winner: ContactMemoryRow, *, days: int | None
) -> None:
    session = tx.session
    theirs, ours = (
        session.exec(select(part.row).where(part.memory_id == header.id)).all() for header in (loser, winner)
    )
    own = {same.of(row): row for row in ours}
    for row in theirs:
        if not reading.is_live(tx, part, row, days=days):
            continue
        known = own.get(same.of(row))
        if known is None:
            row.memory_id = winner.id
            session.add(row)
        elif not reading.is_live(tx, part, known, days=days):
            session.add(known.sqlmodel_update(row.model_dump(exclude={"memory_id"})))
        else:
            older, newer = sorted((row, known), key=lambda one: getattr(one, part.clock))
            session.add(known.sqlmodel_update(same.joined(older, newer) | {"memory_id": winner.id}))


def _join_summaries(loser: ContactMemoryRow, winner: ContactMemoryRow, *, now: datetime, days: int | None) -> None:
    live = [row for row in (winner, loser) if reading.live_summary(row, now=now, days=days) is not None]
    live.sort(key=lambda row: row.summary_updated_at or now)
    winner.summary = "\n".join(row.summary or "" for row in live) or None
    winner.summary_updated_at = live[0].summary_updated_at if live else None
