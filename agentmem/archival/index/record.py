"""What SQL knows of an index: the row that says how far it was fed, and how its last owner left it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from sqlmodel import Session, col, delete, update

from agentmem import numbers
from agentmem.archival.index.protocol import IndexFailedError, IndexStatus, IndexUnavailableError
from agentmem.tables import IN_MEMORY, SearchIndexRow

if TYPE_CHECKING:
    from agentmem.archival.index.backend import IndexBackend
    from agentmem.database import Database


def status_of(
    session: Session,
    row: SearchIndexRow | None,
    *,
    batch: int,
    inconsistency: str | None = None,
    obstacle: IndexUnavailableError | None = None,
) -> IndexStatus:
    """Return where the index with this row stands."""
    watermark = 0 if row is None or inconsistency else row.watermark
    pending = numbers.last(session, "lines") - watermark
    erase = row is not None and row.erase
    return IndexStatus(row is not None, watermark, pending, batch, erase, inconsistency, obstacle)


def begin(
    database: Database, backend: IndexBackend, row: SearchIndexRow | None, embedder_id: int | None, *, anew: bool
) -> SearchIndexRow:
    """Return the row of the generation to work with, marked as in use before the index is touched.

    Args:
        database: The truth.
        backend: Where the index lives.
        row: The index that is there, None when none is.
        embedder_id: Whose vectors it will hold.
        anew: Whether to begin another generation.
    """
    new_id = uuid4().hex
    if row is None:
        backend.register(new_id)
        backend.clean_up(None)

    def body(session: Session) -> SearchIndexRow:
        there = backend.find(session) if row is None else row
        if there is None:
            mine = SearchIndexRow(
                id=new_id, url=backend.url, generation=1, watermark=0, embedder_id=embedder_id, clean=False
            )
            session.add(mine)
            return mine
        mine = session.get_one(SearchIndexRow, there.id, populate_existing=True, with_for_update=True)
        mine.clean = False
        if anew and row is not None and mine.generation == row.generation:  # else another computer began it
            mine.generation, mine.watermark, mine.embedder_id = mine.generation + 1, 0, embedder_id
        return mine

    mine = database.write(body)
    backend.clean_up(mine.generation)
    return mine


def note(database: Database, row: SearchIndexRow, **values: object) -> None:
    """Write to the row of this generation, and to no other: whoever writes may have been given up on.

    Raises:
        IndexFailedError: Another generation was begun.
    """
    mine = col(SearchIndexRow.id) == row.id, col(SearchIndexRow.generation) == row.generation
    statement = update(SearchIndexRow).where(*mine).values(**values)
    if database.write(lambda session: session.exec(statement).rowcount) != 1:
        raise IndexFailedError("another generation of the index was begun")


def remove(database: Database, row: SearchIndexRow) -> None:
    """Delete the row of an index that is gone when it is closed."""
    statement = delete(SearchIndexRow).where(col(SearchIndexRow.id) == row.id)
    database.write(lambda session: session.exec(statement))


def remove_in_memory(session: Session) -> None:
    """Delete the rows of all indexes in a process's memory: those of dead processes are in the way of clearing.

    One that lives finds its row gone, and begins anew.
    """
    session.exec(delete(SearchIndexRow).where(col(SearchIndexRow.url).startswith(IN_MEMORY)))
