"""The pump: feeds Chroma from SQL, and asks it only while it is known to be in step.

SQL is the truth and its own outbox; Chroma is a projection with a watermark.
Whenever there is a doubt about what Chroma holds, it is not even opened: a
fresh generation is filled from SQL.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

import numpy as np
from sqlmodel import Session, col, update

from agentmem.archival import vectors
from agentmem.archival.chroma import ChromaVectors
from agentmem.archival.index import IndexFailedError, IndexLostError, IndexUnavailableError
from agentmem.database import state
from agentmem.tables import SearchIndexRow

if TYPE_CHECKING:
    from agentmem.archival.place import Place
    from agentmem.database import Database
    from agentmem.embedding import Vectors

_TOLERANCE = 1e-5
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What Chroma holds beside what SQL says it should, in numbers of vectors."""

    stored: int
    missing: int
    foreign: int
    different: int


class Pump:
    """One opened index. Used by one thread only, which may hang in it.

    Args:
        database: The truth.
        place: Where the index lives.
        batch: How many changes are handed over at once.
        trusted: Whether to go on with what is there, if nothing speaks against it.
    """

    def __init__(self, database: Database, place: Place, *, batch: int, trusted: bool = True) -> None:
        self._database = database
        self._place = place
        self._batch = batch
        self._trusted = trusted
        self._chroma: ChromaVectors | None = None
        self._row: SearchIndexRow | None = None

    def nearest(self, seq: int, block_id: str, vector: Vectors, limit: int) -> list[str]:
        """The ids of about the nearest lines of one scope, as of change `seq` or later.

        Raises:
            IndexUnavailableError: More than a batch is waiting, or another process owns the index.
        """
        chroma, row = self.open()
        if seq - row.watermark > self._batch:
            raise IndexUnavailableError("many changes are waiting to be taken over")
        while row.watermark < seq:
            self.take()
            chroma, row = self.open()
        found = chroma.nearest(block_id, vector, limit)
        if found is not None:
            return found
        with self._database.read() as session:
            if vectors.any_upto(session, block_id, row.watermark):
                raise IndexLostError("Chroma has lost what it was given")
        return []

    def take(self) -> int:
        """Hand one batch over; about how many changes are left."""
        chroma, row = self.open()
        with self._database.read() as session:
            top = state(session).seq
            news = vectors.changes(session, row.embedder_id, after=row.watermark, limit=self._batch)
        chroma.apply(news)
        self._advance(row, news[-1].seq if len(news) == self._batch else top)
        return top - row.watermark

    def progress(self) -> tuple[int, int]:
        """How many lines Chroma was given, and how many there are to give."""
        _, row = self.open()
        with self._database.read() as session:
            return vectors.counted(session, row.embedder_id, upto=row.watermark)

    def open(self) -> tuple[ChromaVectors, SearchIndexRow]:
        """Chroma and its row as it is now, opened if they are not; anew when there is a doubt."""
        if self._chroma is None or self._row is None:
            return self._begin(anew=not self._trusted)
        with self._database.read() as session:
            embedder_id = state(session).embedder_id
            row = session.get(SearchIndexRow, self._row.id)
        if row is None or row.generation != self._row.generation or row.embedder_id != embedder_id:
            return self._begin(anew=False)
        self._row = row
        return self._chroma, row

    def begin_anew(self) -> None:
        """Start an empty generation, whatever there is."""
        self._begin(anew=True)

    def compare(self) -> IndexReport:
        """Every vector in Chroma against SQL, those of lines that are waiting excepted."""
        chroma, row = self.open()
        with self._database.read() as session:
            live = vectors.changes(session, row.embedder_id, after=0)
            waiting = {change.line_id for change in vectors.changes(session, row.embedder_id, after=row.watermark)}
        expected = {change.line_id: change.vector for change in live if change.line_id not in waiting}
        stored = foreign = different = 0
        for line_id, vector in chroma.stored():
            stored += 1
            if line_id in waiting:
                continue
            wanted = expected.pop(line_id, None)
            if wanted is None:
                foreign += 1
            elif wanted.shape != vector.shape or float(np.abs(wanted - vector).max()) > _TOLERANCE:
                different += 1
        missing = sum(vector is not None for vector in expected.values())
        return IndexReport(stored=stored, missing=missing, foreign=foreign, different=different)

    def close(self) -> None:
        """Hand over the last few changes, close Chroma and note that it was left in order."""
        if self._chroma is None or self._row is None:
            return
        with self._database.read() as session:
            waiting = state(session).seq - self._row.watermark
        if 0 < waiting <= self._batch:
            self.take()
        self._chroma.close()
        self._note(self._row, clean=True)
        self._chroma = self._row = None

    def let_go(self) -> None:
        """Give Chroma's files or connections free after a failure, without a word about their state."""
        chroma, self._chroma = self._chroma, None
        if chroma is not None:
            with suppress(IndexFailedError):
                chroma.close()

    def _begin(self, *, anew: bool) -> tuple[ChromaVectors, SearchIndexRow]:
        self._place.acquire()
        if self._chroma is not None:
            self._chroma.close()
            self._chroma = None
        with self._database.read() as session:
            row, embedder_id = self._place.find(session), state(session).embedder_id
        doubt = None
        if row is not None and not anew:
            doubt = "its vectors are another model's" if row.embedder_id != embedder_id else self._place.doubt(row)
        if doubt:
            _log.warning("the index is not trusted: %s; it is filled anew from SQL", doubt)
        self._row = self._settle(row, embedder_id, anew=anew or doubt is not None)
        family = f"agentmem-{self._row.id}-"
        self._chroma = ChromaVectors(self._place.location(self._row.generation), f"{family}{self._row.generation}")
        self._chroma.drop_others(family)
        return self._chroma, self._row

    def _settle(self, row: SearchIndexRow | None, embedder_id: int | None, *, anew: bool) -> SearchIndexRow:
        """The row of the generation to work with, marked as in use before Chroma is touched."""

        def body(session: Session) -> SearchIndexRow:
            if row is None:
                mine = SearchIndexRow(
                    id=uuid4().hex, url=self._place.url, generation=1, watermark=0, embedder_id=embedder_id, clean=False
                )
            else:
                mine = session.get_one(SearchIndexRow, row.id)
                mine.clean = False
                if anew:
                    mine.generation, mine.watermark, mine.embedder_id = mine.generation + 1, 0, embedder_id
            session.add(mine)
            return mine

        mine = self._database.write(body)
        self._place.settle(mine.id)
        self._place.tidy(mine.generation)
        return mine

    def _advance(self, row: SearchIndexRow, watermark: int) -> None:
        self._note(row, watermark=watermark)
        row.watermark = watermark

    def _note(self, row: SearchIndexRow, **values: object) -> None:
        """Write to the row of this generation, and to no other: this thread may have been given up on."""
        mine = col(SearchIndexRow.id) == row.id, col(SearchIndexRow.generation) == row.generation
        statement = update(SearchIndexRow).where(*mine).values(**values)
        if self._database.write(lambda session: session.exec(statement).rowcount) != 1:
            raise IndexFailedError("another generation of the index was begun")
