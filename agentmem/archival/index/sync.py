"""The index sync: feeds an index from SQL, and asks it only while it is known to be in step.

SQL is the truth and its own outbox; an index is a projection with a watermark.
Whenever there is a doubt about what it holds, it is not even opened: a fresh
generation is filled from SQL.
"""

from __future__ import annotations

import logging
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from agentmem import numbers
from agentmem.archival.index import record, vectors
from agentmem.archival.index.protocol import IndexFailedError, IndexLostError, IndexUnavailableError, few
from agentmem.database import state
from agentmem.tables import SearchIndexRow

if TYPE_CHECKING:
    from collections.abc import Generator

    from sqlmodel import Session

    from agentmem.archival.index.backend import IndexBackend, VectorStore
    from agentmem.archival.index.protocol import IndexStatus, ScopeAt
    from agentmem.database import Database
    from agentmem.embedding import Vectors

_log = logging.getLogger(__name__)


class Nearest(NamedTuple):
    """What an index proposes: keys, and the number of the last change that it had seen by then."""

    keys: list[str]
    watermark: int


@dataclass(slots=True)
class _Opened:
    """One opened generation.

    Args:
        store: Its vectors.
        row: Its row, as it was last seen.
        readers: How many read what was opened only for that; 0 when it was opened to work with it.
    """

    store: VectorStore
    row: SearchIndexRow
    readers: int = 0


class IndexSync:
    """The way between SQL and one backend. Used by one thread only, which may hang in it.

    Args:
        database: The truth.
        backend: Where the index lives.
        batch: How many changes are handed over at once.
        trusted: Whether to go on with what is there, if nothing speaks against it.
    """

    def __init__(self, database: Database, backend: IndexBackend, *, batch: int, trusted: bool = True) -> None:
        self._database = database
        self._backend = backend
        self._batch = batch
        self._trusted = trusted
        self._opened: _Opened | None = None
        self._horizon = numbers.Horizon()

    def nearest(self, scope: ScopeAt, vector: Vectors, limit: int) -> Nearest:
        """Return the keys of about the nearest lines of one scope.

        When few changes are waiting, those of the scope are handed over first,
        as far as they are settled.

        Raises:
            IndexUnavailableError: Another process owns the index.
        """
        store, row = self.open()
        if row.watermark < scope.seq and self._few_wait(row):
            while row.watermark < scope.seq and self._has_synced(row):
                store, row = self.open()
        found = store.nearest(scope.block_id, vector, limit)
        if found is not None:
            return Nearest(found, row.watermark)
        with self._database.read() as session:
            if vectors.any_upto(session, scope.block_id, row.watermark):
                raise IndexLostError(f"{self._backend.title} has lost what it was given")
        return Nearest([], row.watermark)

    def sync_batch(self) -> int:
        """Hand one batch over; about how many changes are left, 0 too when those are not settled yet."""
        store, row = self.open()
        before = self._horizon.look(self._database)
        with self._database.read() as session:
            settled = self._horizon.settled(session, before, watermark=row.watermark)
            news = vectors.changes(session, row.embedder_id, after=row.watermark, upto=settled.upto, limit=self._batch)
        if settled.upto <= row.watermark:
            return 0
        store.apply(news)
        watermark = news[-1].seq if len(news) == self._batch else settled.upto
        record.note(self._database, row, watermark=watermark)
        row.watermark = watermark
        return settled.last - watermark

    def progress(self) -> tuple[int, int]:
        """Return how many lines the index was given, and how many there are to give."""
        _, row = self.open()
        with self._database.read() as session:
            return vectors.counted(session, row.embedder_id, upto=row.watermark)

    def open(self) -> tuple[VectorStore, SearchIndexRow]:
        """Return the vectors and their row as it is now, opened if they are not; anew when there is a doubt."""
        opened = self._opened
        if opened is None:
            return self._begin(anew=not self._trusted)
        opened.readers = 0  # who comes to work with it, stays
        with self._database.read() as session:
            embedder_id = state(session).embedder_id
            row = session.get(SearchIndexRow, opened.row.id)
        if row is None or row.erase or row.generation != opened.row.generation or row.embedder_id != embedder_id:
            return self._begin(anew=False)
        opened.row = row
        return opened.store, row

    def begin_anew(self) -> None:
        """Start an empty generation, whatever there is."""
        self._begin(anew=True)

    def status(self) -> IndexStatus:
        """Return where the index stands; nothing is opened or begun for that."""
        try:
            with nullcontext() if self._opened else self._backend.held(), self._database.read() as session:
                row = self._find(session)
                return record.status_of(
                    session, row, batch=self._batch, inconsistency=self._inconsistency(session, row)
                )
        except IndexUnavailableError as obstacle:
            with self._database.read() as session:
                return record.status_of(session, self._find(session), batch=self._batch, obstacle=obstacle)

    def open_read_only(self) -> Generator[list[tuple[str, Vectors]]]:
        """Return every key with its vector, page by page; what is closed is opened for it, until `close_read_only`.

        Raises:
            IndexUnavailableError: There is none, or a doubt about it, or another process owns it.
        """
        opened = self._opened
        if opened is not None and not opened.readers:
            store, _ = self.open()
            return self._pages(store)
        if opened is None:
            self._backend.acquire()
            try:
                opened = self._opened = self._open_as_it_is()
            except BaseException:
                self._backend.release()
                raise
        opened.readers += 1
        return self._pages(opened.store)

    def close_read_only(self) -> None:
        """End one reading; the last one closes what was opened for it, as it was."""
        opened = self._opened
        if opened is None:
            return
        if opened.readers == 1:
            self._close_as_it_was(opened)
        opened.readers = max(0, opened.readers - 1)

    def close(self) -> None:
        """Hand over the last few changes, close the vectors and note that they were left in order."""
        opened = self._opened
        if opened is None:
            return
        if opened.readers:
            self._close_as_it_was(opened)
            return
        if not self._backend.is_persistent:
            self._opened = None
            opened.store.close()
            record.remove(self._database, opened.row)
            return
        if self._few_wait(opened.row):
            self.sync_batch()
        store, row = self.open()
        store.close()
        record.note(self._database, row, clean=True)
        self._opened = None

    def abandon(self) -> None:
        """Give files and connections free after a failure, without a word about their state."""
        opened, self._opened = self._opened, None
        if opened is None:
            return
        with suppress(IndexFailedError):
            if opened.readers:
                self._close_as_it_was(opened)
            else:
                opened.store.close()

    def _begin(self, *, anew: bool) -> tuple[VectorStore, SearchIndexRow]:
        self._backend.acquire()
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.store.close()
        with self._database.read() as session:
            row, embedder_id = self._backend.find(session), state(session).embedder_id
            inconsistency = None if anew else self._inconsistency(session, row)
        if inconsistency:
            _log.warning("the index is not trusted: %s; it is filled anew from SQL", inconsistency)
        row = record.begin(self._database, self._backend, row, embedder_id, anew=anew or inconsistency is not None)
        self._trusted = True
        self._opened = _Opened(self._backend.open(row), row)
        if row.erase:
            self._note_erased(row)
        return self._opened.store, row

    def _note_erased(self, row: SearchIndexRow) -> None:
        """Nothing is in this generation yet, and so nothing of whom the mark is about, if no other one is left."""
        if not self._backend.clean_up(row.generation):
            raise IndexFailedError("what an older generation of the index left cannot be removed")
        record.note(self._database, row, erase=False)
        row.erase = False

    def _open_as_it_is(self) -> _Opened:
        """Return the vectors and their row, marked as in use meanwhile: who ends in between leaves a doubt."""
        with self._database.read() as session:
            row = self._backend.find(session)
            inconsistency = self._inconsistency(session, row)
        if row is None or inconsistency:
            raise IndexUnavailableError(inconsistency or "there is none")
        record.note(self._database, row, clean=False)
        try:
            return _Opened(self._backend.open(row, read_only=True), row)
        except BaseException:
            record.note(self._database, row, clean=row.clean)
            raise

    def _close_as_it_was(self, opened: _Opened) -> None:
        self._opened = None
        try:
            opened.store.close()
            record.note(self._database, opened.row, clean=opened.row.clean)
        finally:
            self._backend.release()

    def _pages(self, store: VectorStore) -> Generator[list[tuple[str, Vectors]]]:
        pages = iter(store.stored())
        while self._opened is not None and self._opened.store is store:
            page = next(pages, None)
            if page is None:
                return
            yield page
        raise IndexUnavailableError("it was closed or begun anew while it was read")

    def _find(self, session: Session) -> SearchIndexRow | None:
        if self._opened is None:
            return self._backend.find(session)
        return session.get(SearchIndexRow, self._opened.row.id)

    def _inconsistency(self, session: Session, row: SearchIndexRow | None) -> str | None:
        """Return why what lies there must be filled anew; an open index is known to be in order."""
        if row is not None and row.erase:
            return "it holds vectors of someone who was forgotten"
        if row is not None and row.embedder_id != state(session).embedder_id:
            return "its vectors are another model's"
        if self._opened is not None:
            return None
        return self._backend.inconsistency(session, row) if self._trusted else "it does not hold what it was given"

    def _few_wait(self, row: SearchIndexRow) -> bool:
        with self._database.read() as session:
            waiting = numbers.last(session, "lines") - row.watermark
        return waiting > 0 and few(waiting, self._batch)

    def _has_synced(self, row: SearchIndexRow) -> bool:
        """Hand one batch over; whether the watermark moved."""
        before = row.watermark
        self.sync_batch()
        return self.open()[1].watermark > before
