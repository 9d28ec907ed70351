"""What recall asks of SQL in one snapshot: the headers of a user's scopes, and the lines that were found."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from sqlalchemy import bindparam
from sqlmodel import Session, col, func, select

from agentmem.aliases import current_user
from agentmem.archival.index.vectors import CONFIDENCE_FLOOR
from agentmem.expiry import retention_column
from agentmem.prepared import Prepared
from agentmem.tables import ARCHIVAL, ArchivalLineRow, MemoryBlockRow, StoreStateRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentmem.models import Scope


AT_ONCE: Final = 20
"""The most lines that one statement looks up."""


class Header(NamedTuple):
    """What recall asks of a scope.

    Args:
        id: Its id.
        agent_id: Its agent; empty for the user's own.
        seq: The number of its lines' last change; `None` when there never were lines.
        embedder_id: Whose vectors the store has.
        retention_days: How long the agent's memory is kept.
    """

    id: str
    agent_id: str
    seq: int | None
    embedder_id: int | None
    retention_days: int | None


def headers(session: Session, scopes: Sequence[Scope]) -> list[Header]:
    """Return the headers of those of one user's one or two scopes that have any."""
    agents = _padded(_AGENTS, [scope.agent_id or "" for scope in scopes])
    found = _HEADERS.rows(session, tenant_id=scopes[0].tenant_id, user_id=scopes[0].user_id, **agents)
    return [Header(*row) for row in found]


def lines(session: Session, line_ids: Sequence[str]) -> Sequence[Any]:
    """Return what a match says of its line, of those that SQL knows as live lines that may be recalled.

    Each has the columns of `_LINES`, in that order. Moments are as the driver gives them: see `database.moment`.

    Args:
        session: The snapshot.
        line_ids: Which lines, at least one and at most `AT_ONCE`.
    """
    return _LINES.rows(session, **_padded(_LINE_IDS, line_ids))


def _padded(names: Sequence[str], values: Sequence[str]) -> dict[str, str]:
    """Values for all of some parameters: a list of any length would have the statement's text made anew each time."""
    return dict(zip_longest(names, values, fillvalue=values[0]))


_AGENTS: Final = ("agent", "other_agent")
_LINE_IDS: Final = tuple(f"line_{place}" for place in range(AT_ONCE))

# Built once: building a statement takes longer than SQLite takes to answer it.
_HEADERS: Final = Prepared(
    cast("Any", select)(  # it is typed for up to four columns
        MemoryBlockRow.id,
        MemoryBlockRow.agent_id,
        select(func.max(ArchivalLineRow.seq))
        .where(ArchivalLineRow.block_id == MemoryBlockRow.id)
        .correlate(MemoryBlockRow)
        .scalar_subquery()
        .label("seq"),
        select(StoreStateRow.embedder_id).scalar_subquery().label("embedder_id"),
        retention_column(MemoryBlockRow.tenant_id, MemoryBlockRow.agent_id).label("retention_days"),
    )
    .where(
        MemoryBlockRow.tenant_id == bindparam("tenant_id"),
        MemoryBlockRow.user_id == current_user(bindparam("tenant_id"), bindparam("user_id")),
        col(MemoryBlockRow.agent_id).in_([bindparam(name) for name in _AGENTS]),
        MemoryBlockRow.block_type == ARCHIVAL,
        col(MemoryBlockRow.deleted_at).is_(None),
    )
    .order_by(col(MemoryBlockRow.agent_id))
)
_LINES: Final = Prepared(
    cast("Any", select)(  # it is typed for up to four columns
        ArchivalLineRow.id,
        ArchivalLineRow.block_id,
        ArchivalLineRow.content,
        ArchivalLineRow.speaker,
        ArchivalLineRow.source,
        ArchivalLineRow.confidence,
        ArchivalLineRow.conversation_id,
        ArchivalLineRow.occurred_at,
        ArchivalLineRow.created_at,
        ArchivalLineRow.updated_at,
    ).where(
        col(ArchivalLineRow.id).in_([bindparam(name) for name in _LINE_IDS]),
        col(ArchivalLineRow.deleted_at).is_(None),
        col(ArchivalLineRow.confidence) >= CONFIDENCE_FLOOR,
    )
)
