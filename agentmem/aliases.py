"""Who a user turned out to be: what is kept of someone who was merged is kept, and found, under the winner's id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlmodel import Session, col, func, select

from agentmem.database import RacedError, is_postgresql, lock, try_lock
from agentmem.tables import ContactRow

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement


def current_user(tenant_id: Any, user_id: Any) -> ColumnElement[str]:  # noqa: ANN401 - columns or values
    """The id that a user is found under, as a part of a statement: the winner's after a merge, else their own."""
    winner = select(ContactRow.merged_into).where(ContactRow.tenant_id == tenant_id, ContactRow.id == user_id)
    return func.coalesce(winner.scalar_subquery(), user_id)


def find_current_user(session: Session, tenant_id: str, user_id: str) -> str:
    """Return the same before something new is written of a user, who is locked."""
    winner = select(ContactRow.merged_into).where(ContactRow.tenant_id == tenant_id, ContactRow.id == user_id)
    return session.exec(winner).first() or user_id


def beginning(own: Any, prefix: str) -> ColumnElement[bool]:  # noqa: ANN401 - a column
    """Whether an id begins with a prefix, letter by letter: SQLite's LIKE does not tell upper and lower case apart."""
    return func.substr(own, 1, len(prefix)) == prefix


def ids_of(session: Session, tenant_id: str, user_id: str) -> list[str]:
    """Return every id of a person by any of them: first the one they are found under, then those that lead to it."""
    winner: str = session.exec(select(current_user(tenant_id, user_id))).one()
    losers = select(ContactRow.id).where(ContactRow.tenant_id == tenant_id, ContactRow.merged_into == winner)
    return [winner, *session.exec(losers.order_by(col(ContactRow.id))).all()]


def lock_people(session: Session, tenant_id: str, *user_ids: str) -> None:
    """Let nobody else write of these users, under whichever id, until the transaction ends.

    It comes before all else that a body of a write reads of them: then what the
    body decides on stays as it read it, what there is not yet included, and
    what it adds to their feed is numbered in the order of the commits. A body
    names everyone it writes of in one call.

    Args:
        session: The transaction, run again on RacedError.
        tenant_id: The account of all of them.
        *user_ids: Who, by any id of theirs; nothing has to be known of them.

    Raises:
        RacedError: One of them was merged, or forgotten, in between.
    """
    if not is_postgresql(session) or not user_ids:  # on SQLite who writes is alone anyway
        return
    before = _winners(session, tenant_id, user_ids)
    lock(session, *(("person", tenant_id, before.get(user_id, user_id)) for user_id in user_ids))
    if _winners(session, tenant_id, user_ids) != before:
        raise RacedError


def try_lock_person(session: Session, tenant_id: str, user_id: str) -> bool:
    """Lock one user as `lock_people` does, unless somebody else writes of them: then nothing is locked.

    Args:
        session: The transaction.
        tenant_id: Their account.
        user_id: The id that they are found under; an earlier one of theirs is not locked.
    """
    if not is_postgresql(session):
        return True
    return try_lock(session, ("person", tenant_id, user_id)) and not _winners(session, tenant_id, (user_id,))


def _winners(session: Session, tenant_id: str, user_ids: tuple[str, ...]) -> dict[str, str]:
    """Return who was merged, and into whom."""
    statement = select(ContactRow.id, ContactRow.merged_into).where(
        ContactRow.tenant_id == tenant_id,
        col(ContactRow.id).in_(user_ids),
        col(ContactRow.merged_into).is_not(None),
    )
    return {loser: winner for loser, winner in session.exec(statement) if winner is not None}
