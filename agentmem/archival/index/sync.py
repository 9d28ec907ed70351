"""The index sync: feeds Chroma from SQL, and asks it only while it is known to be in step.

SQL is the truth and its own outbox; Chroma is a projection with a watermark.
Whenever there is a doubt about what Chroma holds, it is not even opened: a
fresh generation is filled from SQL.
"""

from __future__ import annotations

import logging
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

from sqlmodel import Session, col, update

from agentmem import numbers
from agentmem.archival.index import vectors
from agentmem.archival.index.chroma import ChromaVectors
from agentmem.archival.index.protocol import IndexFailedError, IndexLostError, IndexUnavailableError
from agentmem.database import state
from agentmem.tables import SearchIndexRow

if TYPE_CHECKING:
    from collections.abc import Generator

    from agentmem.archival.index.location import IndexLocation
    from agentmem.archival.index.protocol import ScopeAt
    from agentmem.database import Database
    from agentmem.embedding import Vectors

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """Where an index stands, seen without touching it.

    Args:
        begun: Whether there is one.
        watermark: The number of the last change it has seen; 0 when it will be filled anew.
        pending: How many changes it has not seen.
        batch: How many may be waiting.
        erase: Whether it holds vectors of someone who was forgotten.
        doubt: Why it will be filled anew at the next search, None when it is as it should be.
        obstacle: Why it cannot be used now, None when it can.
    """

    begun: bool
    watermark: int
    pending: int
    batch: int
    erase: bool = False
    doubt: str | None = None
    obstacle: IndexUnavailableError | None = None

    @property
    def answers(self) -> bool:
        """Whether it would answer the next search."""
        return self.obstacle is None and few(self.pending, self.batch)


class Nearest(NamedTuple):
    """What an index proposes: keys, and the number of the last change that it had seen by then."""

    keys: list[str]
    watermark: int


def few(pending: int, batch: int) -> bool:
    """Whether so few changes are waiting that a search hands them over first."""
    return pending <= batch


class IndexSync:
    """One opened index. Used by one thread only, which may hang in it.

    Args:
        database: The truth.
        place: Where the index lives.
        batch: How many changes are handed over at once.
        trusted: Whether to go on with what is there, if nothing speaks against it.
    """

    def __init__(self, database: Database, place: IndexLocation, *, batch: int, trusted: bool = True) -> None:
        self._database = database
        self._place = place
        self._batch = batch
        self._trusted = trusted
        self._chroma: ChromaVectors | None = None
        self._row: SearchIndexRow | None = None
        self._visits = 0  # how many look at what was opened only for that
        self._horizon = numbers.Horizon()

    def nearest(self, scope: ScopeAt, vector: Vectors, limit: int) -> Nearest:
        """The keys of about the nearest lines of one scope.

        When few changes are waiting, those of the scope are handed over first,
        as far as they are settled.

        Raises:
            IndexUnavailableError: Another process owns the index.
        """
        chroma, row = self.open()
        if row.watermark < scope.seq and self._few_wait(row):
            while row.watermark < scope.seq and self._took_some(row):
                chroma, row = self.open()
        found = chroma.nearest(scope.block_id, vector, limit)
        if found is not None:
            return Nearest(found, row.watermark)
        with self._database.read() as session:
            if vectors.any_upto(session, scope.block_id, row.watermark):
                raise IndexLostError("Chroma has lost what it was given")
        return Nearest([], row.watermark)

    def take(self) -> int:
        """Hand one batch over; about how many changes are left, 0 too when those are not settled yet."""
        chroma, row = self.open()
        before = self._horizon.look(self._database)
        with self._database.read() as session:
            settled = self._horizon.settled(session, before, watermark=row.watermark)
            news = vectors.changes(session, row.embedder_id, after=row.watermark, upto=settled.upto, limit=self._batch)
        if settled.upto <= row.watermark:
            return 0
        chroma.apply(news)
        self._advance(row, news[-1].seq if len(news) == self._batch else settled.upto)
        return settled.last - row.watermark

    def progress(self) -> tuple[int, int]:
        """How many lines Chroma was given, and how many there are to give."""
        _, row = self.open()
        with self._database.read() as session:
            return vectors.counted(session, row.embedder_id, upto=row.watermark)

    def open(self) -> tuple[ChromaVectors, SearchIndexRow]:
        """Chroma and its row as it is now, opened if they are not; anew when there is a doubt."""
        self._visits = 0  # who comes to work with it, stays
        if self._chroma is None or self._row is None:
            return self._begin(anew=not self._trusted)
        with self._database.read() as session:
            embedder_id = state(session).embedder_id
            row = session.get(SearchIndexRow, self._row.id)
        if row is None or row.erase or row.generation != self._row.generation or row.embedder_id != embedder_id:
            return self._begin(anew=False)
        self._row = row
        return self._chroma, row

    def begin_anew(self) -> None:
        """Start an empty generation, whatever there is."""
        self._begin(anew=True)

    def look(self) -> IndexStatus:
        """Where the index stands; nothing is opened or begun for that."""
        try:
            with self._place.held() if self._chroma is None else nullcontext(), self._database.read() as session:
                row = self._find(session)
                return standing(session, row, batch=self._batch, doubt=self._doubt(session, row))
        except IndexUnavailableError as obstacle:
            with self._database.read() as session:
                return standing(session, self._find(session), batch=self._batch, obstacle=obstacle)

    def visit(self) -> Generator[list[tuple[str, Vectors]]]:
        """Every id with its vector, page by page; what is closed is opened for it, until `leave`.

        Raises:
            IndexUnavailableError: There is none, or a doubt about it, or another process owns it.
        """
        if self._chroma is not None and not self._visits:
            chroma, _ = self.open()
            return self._pages(chroma)
        if self._chroma is None:
            self._place.acquire()
            try:
                self._chroma, self._row = self._open_as_it_is()
            except BaseException:
                self._place.release()
                raise
        self._visits += 1
        return self._pages(self._chroma)

    def leave(self) -> None:
        """End a visit; the last one closes what was opened for it, as it was."""
        if self._visits == 1:
            self._close_as_it_was()
        self._visits = max(0, self._visits - 1)

    def close(self) -> None:
        """Hand over the last few changes, close Chroma and note that it was left in order."""
        if self._visits:
            self._close_as_it_was()
        if self._chroma is None or self._row is None:
            return
        if self._few_wait(self._row):
            self.take()
        chroma, row = self.open()
        chroma.close()
        self._note(row, clean=True)
        self._chroma = self._row = None

    def let_go(self) -> None:
        """Give Chroma's files or connections free after a failure, without a word about their state."""
        with suppress(IndexFailedError):
            if self._visits:
                self._close_as_it_was()
            if self._chroma is not None:
                self._chroma.close()
        self._chroma = None

    def _begin(self, *, anew: bool) -> tuple[ChromaVectors, SearchIndexRow]:
        self._visits = 0
        self._place.acquire()
        if self._chroma is not None:
            self._chroma.close()
            self._chroma = None
        with self._database.read() as session:
            row, embedder_id = self._place.find(session), state(session).embedder_id
            doubt = None if anew else self._doubt(session, row)
        if doubt:
            _log.warning("the index is not trusted: %s; it is filled anew from SQL", doubt)
        self._row = self._settle(row, embedder_id, anew=anew or doubt is not None)
        self._trusted = True
        self._chroma = ChromaVectors(self._place.location(self._row.generation), _prefix(self._row))
        self._chroma.drop_others(_family(self._row))
        if self._row.erase:
            self._note_erased(self._row)
        return self._chroma, self._row

    def _note_erased(self, row: SearchIndexRow) -> None:
        """Nothing is in this generation yet, and so nothing of whom the mark is about, if no other one is left."""
        if not self._place.tidy(row.generation):
            raise IndexFailedError("what an older generation of the index left cannot be removed")
        self._note(row, erase=False)
        row.erase = False

    def _open_as_it_is(self) -> tuple[ChromaVectors, SearchIndexRow]:
        """Chroma and its row, marked as in use meanwhile: who ends in between leaves a doubt."""
        with self._database.read() as session:
            row = self._place.find(session)
            doubt = self._doubt(session, row)
        if row is None or doubt:
            raise IndexUnavailableError(doubt or "there is none")
        self._note(row, clean=False)
        try:
            return ChromaVectors(self._place.location(row.generation), _prefix(row)), row
        except BaseException:
            self._note(row, clean=row.clean)
            raise

    def _close_as_it_was(self) -> None:
        chroma, row = self._chroma, self._row
        self._visits, self._chroma, self._row = 0, None, None
        try:
            if chroma is not None and row is not None:
                chroma.close()
                self._note(row, clean=row.clean)
        finally:
            self._place.release()

    def _pages(self, chroma: ChromaVectors) -> Generator[list[tuple[str, Vectors]]]:
        pages = chroma.stored()
        while self._chroma is chroma:
            page = next(pages, None)
            if page is None:
                return
            yield page
        raise IndexUnavailableError("it was closed or begun anew while it was read")

    def _find(self, session: Session) -> SearchIndexRow | None:
        if self._chroma is None or self._row is None:
            return self._place.find(session)
        return session.get(SearchIndexRow, self._row.id)

    def _doubt(self, session: Session, row: SearchIndexRow | None) -> str | None:
        """Why what lies there must be filled anew; an open index is known to be in order."""
        if row is not None and row.erase:
            return "it holds vectors of someone who was forgotten"
        if row is not None and row.embedder_id != state(session).embedder_id:
            return "its vectors are another model's"
        if self._chroma is not None:
            return None
        return self._place.doubt(session, row) if self._trusted else "it does not hold what it was given"

    def _settle(self, row: SearchIndexRow | None, embedder_id: int | None, *, anew: bool) -> SearchIndexRow:
        """The row of the generation to work with, marked as in use before Chroma is touched."""
        new_id = uuid4().hex
        if row is None:
            self._place.settle(new_id)
            self._place.tidy(None)

        def body(session: Session) -> SearchIndexRow:
            there = self._place.find(session) if row is None else row
            if there is None:
                mine = SearchIndexRow(
                    id=new_id, url=self._place.url, generation=1, watermark=0, embedder_id=embedder_id, clean=False
                )
                session.add(mine)
                return mine
            mine = session.get_one(SearchIndexRow, there.id, populate_existing=True, with_for_update=True)
            mine.clean = False
            if anew and row is not None and mine.generation == row.generation:  # else another computer began it
                mine.generation, mine.watermark, mine.embedder_id = mine.generation + 1, 0, embedder_id
            return mine

        mine = self._database.write(body)
        self._place.tidy(mine.generation)
        return mine

    def _few_wait(self, row: SearchIndexRow) -> bool:
        with self._database.read() as session:
            waiting = numbers.last(session, "lines") - row.watermark
        return waiting > 0 and few(waiting, self._batch)

    def _took_some(self, row: SearchIndexRow) -> bool:
        """Hand one batch over; whether the watermark moved."""
        before = row.watermark
        self.take()
        return self.open()[1].watermark > before

    def _advance(self, row: SearchIndexRow, watermark: int) -> None:
        self._note(row, watermark=watermark)
        row.watermark = watermark

    def _note(self, row: SearchIndexRow, **values: object) -> None:
        """Write to the row of this generation, and to no other: this thread may have been given up on."""
        mine = col(SearchIndexRow.id) == row.id, col(SearchIndexRow.generation) == row.generation
        statement = update(SearchIndexRow).where(*mine).values(**values)
        if self._database.write(lambda session: session.exec(statement).rowcount) != 1:
            raise IndexFailedError("another generation of the index was begun")


def standing(
    session: Session,
    row: SearchIndexRow | None,
    *,
    batch: int,
    doubt: str | None = None,
    obstacle: IndexUnavailableError | None = None,
) -> IndexStatus:
    """Where the index with this row stands."""
    watermark = 0 if row is None or doubt else row.watermark
    pending = numbers.last(session, "lines") - watermark
    erase = row is not None and row.erase
    return IndexStatus(row is not None, watermark, pending, batch, erase, doubt, obstacle)


def _family(row: SearchIndexRow) -> str:
    return f"agentmem-{row.id}-"


def _prefix(row: SearchIndexRow) -> str:
    return f"{_family(row)}{row.generation}"
