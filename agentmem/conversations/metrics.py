"""PolyAI's repeat-caller metrics: always about a caller's first conversation within the agent's retention."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, cast

from sqlmodel import col, not_, or_, select

from agentmem.agents.settings import unknown_agent
from agentmem.database import rows
from agentmem.expiry import cutoff, hour, retention_days
from agentmem.records import AgentMetrics, FirstInteraction
from agentmem.tables import ConversationRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement

    from agentmem.agents.settings import AgentRecord, AgentStore
    from agentmem.models import Scope
    from agentmem.transaction import Snapshot, Transactions

_RESOLVED = "resolved"


def first_interaction(snapshot: Snapshot, scope: Scope) -> FirstInteraction | None:
    """The first conversation of a caller with an agent that came to its end, and has not outlived the retention."""
    agent_id = scope.agent_id or ""
    chosen = _ended(snapshot, scope.tenant_id, agent_id)
    found = rows(snapshot.session, _in_order(*chosen, col(ConversationRow.contact_id) == scope.user_id).limit(1))
    return _first(found[0]) if found else None


class Metrics:
    """Who comes back to an agent.

    Args:
        transactions: What reads its conversations.
        agents: Which of them are to be measured.
    """

    def __init__(self, transactions: Transactions, agents: AgentStore) -> None:
        self._transactions = transactions
        self._agents = agents

    def of(self, tenant_id: str, agent_id: str) -> AgentMetrics:
        """Return what is known of an agent's callers, from the conversations of those versions that have analytics.

        Raises:
            NotFoundError: The agent was never configured.
        """
        configured = self._agents.list(tenant_id, agent_id)
        if not configured:
            raise unknown_agent()
        with self._transactions.read() as snapshot:
            chosen = [*_ended(snapshot, tenant_id, agent_id), *_measured(configured)]
            return _metrics(agent_id, rows(snapshot.session, _in_order(*chosen)))


def _metrics(agent_id: str, ended: Sequence[Any]) -> AgentMetrics:
    callers: dict[str, list[Any]] = defaultdict(list)
    for row in ended:
        callers[row.contact_id].append(row)
    again = [called for called in callers.values() if len(called) > 1]
    return AgentMetrics(
        agent_id=agent_id,
        conversations=len(ended),
        callers=len(callers),
        repeat_callers=len(again),
        resolved=sum(row.qa == _RESOLVED for row in ended),
        handed_off=sum(row.handoff_to is not None for row in ended),
        first_interactions=tuple(_first(called[0]) for called in again),
    )


def _ended(snapshot: Snapshot, tenant_id: str, agent_id: str) -> list[ColumnElement[bool]]:
    chosen: list[ColumnElement[bool]] = [
        col(ConversationRow.tenant_id) == tenant_id,
        col(ConversationRow.agent_id) == agent_id,
        col(ConversationRow.status) == "ended",
    ]
    end = cutoff(snapshot.now, retention_days(snapshot.session, tenant_id, agent_id))
    return chosen if end is None else [*chosen, col(ConversationRow.ended_at) > end]


def _in_order(*chosen: ColumnElement[bool]) -> Any:  # noqa: ANN401 - a select of columns, typed for up to four
    columns = cast("Any", select)(
        ConversationRow.id,
        ConversationRow.contact_id,
        ConversationRow.started_at,
        ConversationRow.qa,
        ConversationRow.handoff_to,
        ConversationRow.handoff_reason,
    )
    return columns.where(*chosen).order_by(col(ConversationRow.started_at), col(ConversationRow.id))


def _measured(configured: Sequence[AgentRecord]) -> list[ColumnElement[bool]]:
    """That the caller is known, and the version has analytics; one that is not configured is as its agent is."""
    version = col(ConversationRow.version)
    on = any(one.settings.analytics_enabled for one in configured if one.version is None)
    others = [one.version for one in configured if one.version and one.settings.analytics_enabled != on]
    counts = or_(version.is_(None), not_(version.in_(others))) if on else version.in_(others)
    return [col(ConversationRow.contact_id).is_not(None), counts]


def _first(row: Any) -> FirstInteraction:  # noqa: ANN401 - a row of columns
    return FirstInteraction(
        conversation_id=row.id,
        at=hour(row.started_at),
        qa=row.qa,
        handoff_reason=row.handoff_reason,
        handoff_to=row.handoff_to,
    )
