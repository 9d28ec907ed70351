"""The feed of a user's changes: what was added, changed or removed, when, by whom, in which conversation."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from sqlmodel import Session, col, insert, or_, select, update

from agentmem import numbers
from agentmem.database import in_batches
from agentmem.expiry import cutoff, over, retention_days
from agentmem.records import ChangeAction, ChangeKind, Json, MemoryChange
from agentmem.stored import json_of
from agentmem.tables import ArchivalLineRow, BlockVersionRow, MemoryBlockRow, MemoryChangeRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement

    from agentmem.models import Scope


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that a write did.

    Args:
        kind: What it is about.
        action: What became of it.
        ref: Its key, name or id; of a block and a line the row's id.
        version: The version of a block that it made.
        before: What it was. A block's and a line's stand where they are stored, and are not repeated here.
        after: What it became, likewise.
        expires_at: When what it says is over, where that was asked for.
    """

    kind: ChangeKind
    action: ChangeAction
    ref: str
    version: int = 0
    before: Json = None
    after: Json = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """A change as the feed of a user keeps it.

    Args:
        scope: Whose feed, and of which agent.
        change: What was done.
        actor: By whom.
        at: When, to the hour.
        conversation_id: The conversation it comes from.
    """

    scope: Scope
    change: Change
    actor: str
    at: datetime
    conversation_id: str | None


def write(session: Session, entries: Sequence[FeedEntry]) -> None:
    """Number entries and add them to the feeds of their users, who are locked, at the end of a transaction."""
    if not entries:
        return
    rows: list[dict[str, Any]] = [
        {
            "id": number,
            "tenant_id": entry.scope.tenant_id,
            "user_id": entry.scope.user_id,
            "agent_id": entry.scope.agent_id or "",
            "conversation_id": entry.conversation_id,
            "actor": entry.actor,
            "at": entry.at,
            "kind": entry.change.kind,
            "action": entry.change.action,
            "ref": entry.change.ref,
            "version": entry.change.version,
            "before": _packed(entry.change.before),
            "after": _packed(entry.change.after),
            "expires_at": entry.change.expires_at,
        }
        for number, entry in zip(numbers.take(session, "changes", len(entries)), entries, strict=True)
    ]
    session.exec(insert(MemoryChangeRow), params=rows)


def feed(
    session: Session, *chosen: ColumnElement[bool], now: datetime, max_fact_days: int, limit: int | None = None
) -> list[MemoryChange]:
    """The entries that meet the conditions, oldest first; what expired, or was deleted since, no longer says what."""
    statement = select(MemoryChangeRow).where(*chosen, *_visible(session, chosen, now))
    rows = session.exec(statement.order_by(col(MemoryChangeRow.id)).limit(limit)).all()
    lines = _lines(session, [row.ref for row in rows if row.kind == "line"])
    versions = _versions(session, {row.ref for row in rows if row.kind == "block"})
    return [_change(row, lines, versions, is_over=_is_over(row, now, max_fact_days)) for row in rows]


def empty(session: Session, *chosen: ColumnElement[bool]) -> None:
    """Take what was said out of the entries that meet the conditions; that something happened stays."""
    session.exec(update(MemoryChangeRow).where(*chosen).values(before=None, after=None))


def _visible(session: Session, chosen: Sequence[ColumnElement[bool]], now: datetime) -> Iterator[ColumnElement[bool]]:
    """That an entry has not outlived its agent's retention, a condition for each agent that the entries are of."""
    entry = MemoryChangeRow
    agents = select(entry.tenant_id, entry.agent_id).where(*chosen, entry.agent_id != "").distinct()
    for tenant_id, agent_id in session.exec(agents).all():
        end = cutoff(now, retention_days(session, tenant_id, agent_id))
        if end is not None:
            yield or_(col(entry.tenant_id) != tenant_id, col(entry.agent_id) != agent_id, col(entry.at) > end)


def _change(
    row: MemoryChangeRow,
    lines: dict[str, str],
    versions: dict[tuple[str, int], tuple[str, str | None]],
    *,
    is_over: bool,
) -> MemoryChange:
    before, after = (None, None) if is_over else (_unpacked("before", row.before), _unpacked("after", row.after))
    ref = row.ref
    if row.kind == "line" and row.action in {"added", "confirmed"}:
        after = lines.get(row.ref)
    elif row.kind == "block":
        ref, after = versions.get((row.ref, row.version), (ref, None))
        _, before = versions.get((row.ref, row.version - 1), (ref, None))
    return MemoryChange(
        id=row.id,
        at=row.at,
        user_id=row.user_id,
        agent_id=row.agent_id or None,
        conversation_id=row.conversation_id,
        actor=row.actor,
        kind=cast("ChangeKind", row.kind),
        action=cast("ChangeAction", row.action),
        ref=ref,
        before=before,
        after=after,
    )


def _is_over(row: MemoryChangeRow, now: datetime, max_fact_days: int) -> bool:
    """Return whether what an entry says is over by itself; of a fact at the latest when facts written then are."""
    if row.expires_at is not None and row.expires_at <= now:
        return True
    return row.kind == "fact" and over(row.at, now, max_fact_days)


def _lines(session: Session, line_ids: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for some in in_batches(line_ids):
        statement = select(ArchivalLineRow.id, ArchivalLineRow.content).where(
            col(ArchivalLineRow.id).in_(some), col(ArchivalLineRow.deleted_at).is_(None)
        )
        found.update(session.exec(statement).all())
    return found


def _versions(session: Session, block_ids: Iterable[str]) -> dict[tuple[str, int], tuple[str, str | None]]:
    """Return the name and the text of every version of these blocks, as long as the texts are there."""
    found: dict[tuple[str, int], tuple[str, str | None]] = {}
    for some in in_batches(sorted(block_ids)):
        statement = (
            select(BlockVersionRow, MemoryBlockRow.block_type)
            .join(MemoryBlockRow, col(MemoryBlockRow.id) == BlockVersionRow.block_id)
            .where(col(BlockVersionRow.block_id).in_(some))
        )
        for row, block_type in session.exec(statement).all():
            found[row.block_id, row.version] = block_type, row.content or None
    return found


def _packed(value: Json) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, allow_nan=False)


def _unpacked(column: str, text: str | None) -> Json:
    return None if text is None else json_of(text, kind=f"memory_change.{column}")
