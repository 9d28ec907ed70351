"""Who a user turned out to be: what is kept of someone who was merged is kept, and found, under the winner's id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlmodel import Session, func, select

from agentmem.tables import ContactRow

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement


def current_user(tenant_id: Any, user_id: Any) -> ColumnElement[str]:  # noqa: ANN401 - columns or values
    """The id that a user is found under, as a part of a statement: the winner's after a merge, else their own."""
    winner = select(ContactRow.merged_into).where(ContactRow.tenant_id == tenant_id, ContactRow.id == user_id)
    return func.coalesce(winner.scalar_subquery(), user_id)


def find_current_user(session: Session, tenant_id: str, user_id: str) -> str:
    """The same before something new is written of a user; whoever merges them waits until that is done."""
    winner = select(ContactRow.merged_into).where(ContactRow.tenant_id == tenant_id, ContactRow.id == user_id)
    return session.exec(winner.with_for_update(read=True)).first() or user_id
