"""The numbers of changes: of lines, which an index follows, and of the entries of the feed.

On SQLite they are counters in the store's one state row, whose writers come one
after the other anyway. On PostgreSQL they are sequences, so that no writer waits
for another's commit. Numbers are then not in commit order over the whole store,
but they are wherever they are compared: in one scope, whose header is locked
before its lines are numbered, and in one user's feed, who is locked before
anything is written of them. An index, which follows all scopes, goes as far as
its `Horizon`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

from sqlalchemy import Integer, bindparam, text
from sqlmodel import Session, col, select, update

from agentmem.database import is_postgresql
from agentmem.tables import STATE_ID, StoreStateRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentmem.database import Database

Counter: TypeAlias = Literal["lines", "changes"]

_COLUMNS: Final[dict[Counter, Any]] = {"lines": StoreStateRow.seq, "changes": StoreStateRow.change_seq}
SEQUENCES: Final[dict[Counter, str]] = {"lines": "agentmem_line_seq", "changes": "agentmem_change_seq"}


def take(session: Session, counter: Counter, count: int) -> Sequence[int]:
    """Return the next numbers of a counter, in rising order.

    What they are given to is locked before: the header of lines, the user of a
    feed. On SQLite they are taken as late as possible all the same, for nothing
    is gained by an earlier lock.

    Args:
        session: The transaction.
        counter: Which of the two.
        count: How many.
    """
    if not count:
        return ()
    if is_postgresql(session):
        return session.connection().execute(_NEXT[counter], {"count": count}).scalars().all()
    column = _COLUMNS[counter]
    statement = (
        update(StoreStateRow)
        .where(col(StoreStateRow.id) == STATE_ID)
        .values({column.key: column + count})
        .returning(column)
    )
    last: int = session.exec(statement).one()[0]
    return range(last - count + 1, last + 1)


def last(session: Session, counter: Counter) -> int:
    """The last number that was taken, on PostgreSQL by transactions that are still open too; 0 before the first."""
    number: int
    if is_postgresql(session):
        number = session.connection().execute(_LAST[counter]).scalar_one()
        return number
    number = session.exec(select(_COLUMNS[counter])).one()
    return number


class Settled(NamedTuple):
    """How far the numbers of lines are settled in a snapshot, and the last one there is."""

    upto: int
    last: int


class Fence(NamedTuple):
    """A number, and the id of a transaction that began after it was taken, and is over."""

    number: int
    transaction: int


class Horizon:
    """Up to which number every change of a line is committed, or never will be. For one thread.

    On PostgreSQL a transaction has its own id before it takes a number, and ids
    are given in rising order. So who took a number up to the last one has a
    smaller id than a transaction that is given its own after that was looked
    up: the fence. Once a snapshot shows that every transaction with a smaller id
    is over, it shows every change up to that number. A fence that is not settled
    yet waits for a later look, so that there is an end to the waiting however
    many come after it.
    """

    def __init__(self) -> None:
        self._fence: Fence | None = None

    def look(self, database: Database) -> Fence | None:
        """A fence behind the last number there is; to be asked for before the snapshot that it is to be settled in."""
        with database.read() as session:
            if not is_postgresql(session):
                return None
            number = last(session, "lines")
            return Fence(number, session.connection().execute(_OWN).scalar_one())

    def settled(self, session: Session, before: Fence | None, *, watermark: int) -> Settled:
        """Return how far an index may go in a snapshot.

        Args:
            session: The snapshot.
            before: What `look` said before it was taken.
            watermark: How far the index has gone.
        """
        now = last(session, "lines")
        if before is None:
            return Settled(now, now)
        oldest: int = session.connection().execute(_OLDEST).scalar_one()
        upto = watermark
        for fence in filter(None, (self._fence, before)):
            if fence.transaction < oldest:
                upto = max(upto, fence.number)
        if self._fence is None or self._fence.transaction < oldest:
            self._fence = None if before.transaction < oldest else before
        return Settled(upto, now)


# A statement's condition is known before its first row is made: so the transaction has its id before it has a number.
_NEXT: Final = {
    counter: text(
        f"SELECT nextval('{name}') FROM generate_series(1, :count) WHERE pg_current_xact_id() IS NOT NULL"  # noqa: S608 - a constant
    ).bindparams(bindparam("count", type_=Integer))
    for counter, name in SEQUENCES.items()
}
_LAST: Final = {
    counter: text(f"SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM {name}")  # noqa: S608 - a constant
    for counter, name in SEQUENCES.items()
}
_OWN: Final = text("SELECT pg_current_xact_id()::text::bigint")
_OLDEST: Final = text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
"""Every transaction with a smaller id is over, and what it committed is in the snapshot."""
