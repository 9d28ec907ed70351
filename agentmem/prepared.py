"""Short reads without what SQLAlchemy does for long ones: statements made text once, and put to the driver."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Executable
    from sqlmodel import Session


class Prepared:
    """A `select` that is made text once, for what is read at every turn of an agent.

    What SQLAlchemy does for a statement that it knows takes several times as
    long as SQLite takes to answer a short one, so the driver is asked directly.

    Args:
        statement: The statement; what its parameters are bound to is text.
    """

    def __init__(self, statement: Executable) -> None:
        self._statement: Any = statement
        self._compiled: dict[tuple[str, str], Any] = {}

    def rows(self, session: Session, **values: str) -> Sequence[Any]:
        """Return its rows with the columns as the driver gives them: in SQLite a moment is a text.

        Args:
            session: The transaction.
            **values: What its parameters are bound to.
        """
        connection = connection_of(session)
        spoken = connection.dialect.name, connection.dialect.driver  # drivers have placeholders of their own
        compiled = self._compiled.get(spoken)
        if compiled is None:
            compiled = self._compiled[spoken] = self._statement.compile(dialect=connection.dialect)
        given: Any = {**compiled.params, **values}
        if compiled.positiontup is not None:
            given = [given[name] for name in compiled.positiontup]
        if not connection.in_transaction():
            connection.begin()
        return _fetched(connection, compiled.string, given)


def moment(stored: datetime | str) -> datetime:
    """Return a moment in UTC, of what a driver gives: SQLite keeps no zone, PostgreSQL gives the connection's own."""
    if isinstance(stored, str):
        return datetime.fromisoformat(f"{stored}+00:00")  # a fifth of the time that `replace` takes
    return stored.astimezone(UTC)


def connection_of(session: Session) -> Connection:
    """Return the connection of a transaction; in a read the session need not begin one of its own for that."""
    bind = session.get_bind()
    return bind if isinstance(bind, Connection) else session.connection()


def _fetched(connection: Connection, statement: str, given: Sequence[Any] | Mapping[str, Any]) -> Sequence[Any]:
    """Return the rows that a driver gives for a statement; what it raises is raised as SQLAlchemy does."""
    driver = connection.dialect.loaded_dbapi
    cursor = connection.connection.cursor()
    try:
        cursor.execute(statement, given)
        return cursor.fetchall()
    except driver.Error as error:
        raise DBAPIError.instance(
            statement, None, error, driver.Error, hide_parameters=True, dialect=connection.dialect
        ) from error
    finally:
        cursor.close()
