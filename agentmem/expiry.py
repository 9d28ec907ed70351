"""How long memory lives: retention is evaluated when it is read, so that a change applies to what is there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlmodel import Session, col, select

from agentmem.tables import AgentSettingsRow

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, ScalarSelect

_EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
_LATEST = datetime.max.replace(tzinfo=UTC)


def hour(moment: datetime) -> datetime:
    """Return the hour a moment is in, as timestamps are kept that must not link one call to another.

    >>> hour(datetime(2025, 7, 22, 10, 59, tzinfo=UTC)).isoformat()
    '2025-07-22T10:00:00+00:00'
    """
    return moment.replace(minute=0, second=0, microsecond=0)


def retention_days(session: Session, tenant_id: str, agent_id: str) -> int | None:
    """The days an agent's memory is kept; None or 0 for no end, and None for an agent that was never configured."""
    return session.exec(select(AgentSettingsRow.retention_days).where(*_of(tenant_id, agent_id))).first()


def retention_column(tenant_id: Any, agent_id: Any) -> ScalarSelect[int | None]:  # noqa: ANN401 - columns or values
    """`retention_days` as a part of another statement."""
    days: Any = AgentSettingsRow.retention_days
    return select(days).where(*_of(tenant_id, agent_id)).scalar_subquery()


def retentions(session: Session) -> list[int]:
    """Return every number of days that some agent keeps its memory for."""
    statement = select(AgentSettingsRow.retention_days).where(
        AgentSettingsRow.version == "", col(AgentSettingsRow.retention_days) > 0
    )
    return [days for days in session.exec(statement.distinct()) if days]


def kept_for(days: int, tenant_id: Any, agent_id: Any) -> ColumnElement[bool]:  # noqa: ANN401 - columns or values
    """Return the condition that an agent keeps its memory for so many days, as a part of another statement."""
    kept = AgentSettingsRow.retention_days == days
    return select(AgentSettingsRow.agent_id).where(*_of(tenant_id, agent_id), kept).exists()


def cutoff(now: datetime, days: int | None) -> datetime | None:
    """Return the moment up to which what was last written then is over; None when nothing ever is.

    >>> cutoff(datetime(2025, 7, 22, tzinfo=UTC), 90).isoformat()
    '2025-04-23T00:00:00+00:00'
    """
    return back(now, timedelta(days=days)) if days else None


def over(written_at: datetime, now: datetime, days: int | None) -> bool:
    """Return whether what was last written at a moment has outlived the retention."""
    end = cutoff(now, days)
    return end is not None and written_at <= end


def fact_ends(written_at: datetime, expires_at: datetime | None, *, days: int | None, most_days: int) -> datetime:
    """Return when a key-value fact is over: its own life, the agent's retention, or the most days any fact lives.

    Args:
        written_at: When it was last written, floored to the hour.
        expires_at: What was asked for it alone.
        days: The agent's retention.
        most_days: The setting `max_fact_days`.
    """
    ends = on(written_at, min(days or most_days, most_days))
    return ends if expires_at is None else min(ends, expires_at)


def back(moment: datetime, by: timedelta) -> datetime:
    """An earlier moment; the first there is where it would be before that."""
    try:
        return moment - by
    except OverflowError:
        return _EARLIEST


def on(moment: datetime, days: int) -> datetime:
    """Return the moment days later; the last there is where it would be after that."""
    try:
        return moment + timedelta(days=days)
    except OverflowError:
        return _LATEST


def _of(tenant_id: Any, agent_id: Any) -> tuple[Any, ...]:  # noqa: ANN401 - columns or values
    return (
        AgentSettingsRow.tenant_id == tenant_id,
        AgentSettingsRow.agent_id == agent_id,
        AgentSettingsRow.version == "",
    )
