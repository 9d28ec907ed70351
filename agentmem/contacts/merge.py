"""Moving what agents know of one contact to another, who turned out to be the same person."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

from sqlmodel import Session, col, delete, select, update

from agentmem import expiry, idempotency
from agentmem.changes import Change
from agentmem.contacts import reading
from agentmem.contacts.writing import move_version, packed
from agentmem.database import RacedError
from agentmem.models import Scope
from agentmem.tables import (
    ContactMemoryRow,
    ConversationRow,
    EntityRow,
    FactRow,
    MemoryChangeRow,
    MessageRow,
    OpenItemRow,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from agentmem.transaction import Transaction

Row = TypeVar("Row", FactRow, EntityRow)


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

    def fact_is_live(row: FactRow) -> bool:
        return reading.fact_is_live(tx, row, days=days)

    def entity_is_live(row: EntityRow) -> bool:
        return not expiry.over(row.updated_at, tx.now, days)

    theirs, ours = (session.exec(select(FactRow).where(FactRow.memory_id == one.id)).all() for one in (loser, winner))
    _newer_stays(session, theirs, ours, winner.id, key=lambda row: row.key, is_live=fact_is_live, joined=_joined_facts)
    stated, kept = (
        session.exec(select(EntityRow).where(EntityRow.memory_id == one.id)).all() for one in (loser, winner)
    )
    _newer_stays(
        session,
        stated,
        kept,
        winner.id,
        key=lambda row: (row.entity_type, row.entity_id),
        is_live=entity_is_live,
        joined=_joined_entities,
    )
    for table in (OpenItemRow, MessageRow):
        session.exec(update(table).where(col(table.memory_id) == loser.id).values(memory_id=winner.id))
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
    session: Session,
    theirs: Iterable[Row],
    ours: Iterable[Row],
    memory_id: str,
    *,
    key: Callable[[Row], object],
    is_live: Callable[[Row], bool],
    joined: Callable[[Row, Row], dict[str, Any]],
) -> None:
    own = {key(row): row for row in ours}
    for row in filter(is_live, theirs):
        same = own.get(key(row))
        if same is None:
            row.memory_id = memory_id
            session.add(row)
        elif not is_live(same):
            session.add(same.sqlmodel_update(row.model_dump(exclude={"memory_id"})))
        else:
            older, newer = sorted((row, same), key=lambda one: one.updated_at)
            session.add(same.sqlmodel_update(joined(older, newer) | {"memory_id": memory_id}))


def _joined_facts(older: FactRow, newer: FactRow) -> dict[str, Any]:
    """The newer one, whose version does not go back."""
    return newer.model_dump() | {"version": max(older.version, newer.version)}


def _joined_entities(older: EntityRow, newer: EntityRow) -> dict[str, Any]:
    """The newer one with the details that only the older one has, which are not to live longer for that."""
    before, now = json.loads(older.facts), json.loads(newer.facts)
    joined = newer.model_dump()
    if not before.keys() <= now.keys():
        joined |= {"facts": packed({**before, **now}), "updated_at": older.updated_at}
    return joined


def _join_summaries(loser: ContactMemoryRow, winner: ContactMemoryRow, *, now: datetime, days: int | None) -> None:
    live = [row for row in (winner, loser) if reading.live_summary(row, now=now, days=days) is not None]
    live.sort(key=lambda row: row.summary_updated_at or now)
    winner.summary = "\n".join(row.summary or "" for row in live) or None
    winner.summary_updated_at = live[0].summary_updated_at if live else None
