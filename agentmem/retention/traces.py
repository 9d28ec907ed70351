"""What erased rows leave behind: vectors in the index, bytes in a SQLite file and in its log; removing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlmodel import Session, col, update

from agentmem import numbers
from agentmem.database import state
from agentmem.errors import BackendError
from agentmem.tables import STATE_ID, StoreStateRow
from agentmem.wording import Phrase, Wording

if TYPE_CHECKING:
    from agentmem.archival.index.protocol import IndexFeed
    from agentmem.database import Database

_INDEX: Final = "vectors in the search index"
_FILE: Final = "traces of deleted rows in the database file and its log"


def note(session: Session) -> None:
    """Note in the transaction of an erasure that it leaves traces in a SQLite file."""
    _set(session, numbers.take(session, "lines", 1)[0])


def pending(database: Database, index: IndexFeed) -> tuple[str, ...]:
    """Return what of all erasures is left to remove, in words."""
    with database.read() as session:
        erased = state(session).erased
    left = [_INDEX] if index.is_to_erase() else []
    left += [_FILE] if erased else []
    return tuple(Wording(what, ": ", Phrase.SWEEP, " removes them") for what in left)


def remove(database: Database, index: IndexFeed) -> tuple[str, ...]:
    """Remove the traces of all erasures; what has to wait, in words."""
    return (*remove_from_index(index), *remove_from_files(database))


def remove_from_index(index: IndexFeed) -> tuple[str, ...]:
    """Let the index hold nothing that is gone; what has to wait, in words."""
    obstacle = index.erase()
    return () if obstacle is None else (f"{_INDEX}: {obstacle}",)


def remove_from_files(database: Database) -> tuple[str, ...]:
    """Rewrite a SQLite file if something was erased from it, and empty its log; what has to wait, in words."""
    if not database.is_file:
        return ()
    with database.read() as session:
        erased = state(session).erased
    try:
        if erased:
            database.rewrite()
        emptied = database.truncate_log()
    except BackendError as error:
        return (f"{_FILE}: {error}",)
    if not emptied:
        return (f"{_FILE}: another program is reading; end it, or try again",)
    if erased:
        database.write(lambda session: _set(session, 0, expected=erased))
    return ()


def _set(session: Session, erased: int, *, expected: int | None = None) -> None:
    statement = update(StoreStateRow).where(col(StoreStateRow.id) == STATE_ID)
    if expected is not None:  # someone may have been forgotten meanwhile
        statement = statement.where(col(StoreStateRow.erased) == expected)
    session.exec(statement.values(erased=erased))
