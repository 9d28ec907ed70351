"""An index of a backend as everyone sees it: the index sync behind one thread, a deadline and a second chance."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

from agentmem.archival.index import record, vectors
from agentmem.archival.index.protocol import (
    IndexElsewhereError,
    IndexFailedError,
    IndexLostError,
    IndexUnavailableError,
    Proposals,
    ScopeAt,
    lines_of,
)
from agentmem.archival.index.sync import IndexSync, Nearest
from agentmem.database import Database
from agentmem.deadline import Worker
from agentmem.errors import AgentMemError, BackendError, InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from sqlalchemy.engine import URL
    from sqlmodel import Session

    from agentmem.archival.index.backend import IndexBackend
    from agentmem.archival.index.protocol import IndexStatus
    from agentmem.embedding import Vectors
    from agentmem.models import Engine

T = TypeVar("T")

_RETRY_SECONDS: Final = 60.0
_log = logging.getLogger(__name__)


class ProjectedIndex:
    """A `VectorIndex` and its `IndexFeed`: safe to share between threads, never waited for beyond its deadline.

    After a failure it is left alone for a minute and then opened again. A fork
    of the process never uses it.

    Args:
        database: The truth it is fed from; closed with the index.
        backend: Where it lives.
        batch: How many changes are handed over at once, and how many may wait for that.
        timeout: The seconds one call may take.
    """

    def __init__(self, database: Database, backend: IndexBackend, *, batch: int, timeout: float) -> None:
        self.name: Engine = backend.name
        self.title = backend.title
        self._database = database
        self._backend = backend
        self.batch = batch
        self.timeout = timeout
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._opened: tuple[Worker, IndexSync] | None = None
        self._failure: str | None = None
        self._retry_at = 0.0
        self._begin_anew = False
        self._syncing: IndexSync | None = None
        self._sync_again = False
        self._closed = False

    def search(self, session: Session, scope: ScopeAt, vector: Vectors, limit: int) -> Proposals:
        """See `VectorIndex`.

        Of the scope's changes, a few that are waiting are handed over first; what cannot be is compared here, if it is
        few. For many, the scan answers meanwhile.
        """
        wanted = limit
        while True:
            found, watermark = self._nearest(scope, vector, wanted)
            proposals = vectors.score(session, scope.embedder_id, lines_of(found), vector)
            is_all = len(found) < wanted
            if watermark < scope.seq and (len(proposals) or is_all):
                proposals = self._with_later(session, scope, vector, proposals, after=watermark, is_all=is_all)
            if len(proposals) >= limit or is_all:
                return proposals
            wanted *= 2

    def _with_later(
        self, session: Session, scope: ScopeAt, vector: Vectors, found: Proposals, *, after: int, is_all: bool
    ) -> Proposals:
        """Return what was found, with the lines that changed after a number and are as good as the last of it."""
        later = vectors.later(session, scope.block_id, after=after, limit=self.batch + 1)
        if len(later) > self.batch:
            self.schedule()
            raise IndexUnavailableError("many changes are waiting to be taken over")
        known = {line_id.decode() for line_id in found.ids.tolist()}
        more = vectors.score(session, scope.embedder_id, [line for line in later if line not in known], vector)
        least = 0.0 if is_all else found.semantic[-1]
        good = more.semantic >= least
        return Proposals.of(
            np.concatenate([found.ids, more.ids[good]]), np.concatenate([found.semantic, more.semantic[good]])
        )

    def schedule(self) -> None:
        """See `IndexFeed`."""
        try:
            with self._database.read() as session:
                now = self._stored_status(session)
            if now.pending >= self.batch or now.erase:
                self._sync_later()
        except BackendError:
            _log.info("the index was not fed: the database did not answer", exc_info=True)

    def rebuild(self, progress: Callable[[int, int], None]) -> int:
        """See `IndexFeed`: a fresh generation is begun for that."""
        with self._lock:
            self._failure = None
        self._call(IndexSync.begin_anew)
        while True:
            left, (done, total) = self._call(lambda sync: (sync.sync_batch(), sync.progress()))
            progress(done, total)
            if not left:
                return done

    def is_to_erase(self) -> bool:
        """See `IndexFeed`."""
        with self._database.read() as session:
            return self._stored_status(session).erase

    def erase(self) -> str | None:
        """See `IndexFeed`."""
        now = self.status()
        left_over = not now.begun and now.inconsistency is not None  # of an index that no row speaks of any more
        try:
            if now.erase or left_over:
                self.rebuild(lambda _done, _total: None)
            elif now.begun and now.pending and now.inconsistency is None:
                self.catch_up()
        except IndexUnavailableError as error:
            return str(error) if now.erase else None
        return None

    def catch_up(self) -> None:
        """Hand over all that is waiting.

        Raises:
            IndexUnavailableError: Another process owns the index, or it failed.
        """
        while self._call(IndexSync.sync_batch):
            pass

    def status(self) -> IndexStatus:
        """See `IndexFeed`."""
        try:
            return self._call(IndexSync.status)
        except IndexUnavailableError as obstacle:
            with self._database.read() as session:
                return self._stored_status(session, obstacle)

    def stored(self) -> Generator[tuple[str, Vectors]]:
        """See `IndexFeed`."""
        pages = self._call(IndexSync.open_read_only)
        try:
            while (page := self._call(lambda _: next(pages, None))) is not None:
                yield from page
        finally:
            with suppress(IndexUnavailableError):
                self._call(IndexSync.close_read_only)

    def close(self) -> None:
        """See `IndexFeed`."""
        with self._lock:
            self._closed = True
            opened, self._opened = self._opened, None
        if self._pid != os.getpid():
            return
        if opened is not None:
            worker, sync = opened
            try:
                worker.call(sync.close, self.timeout)
            except (AgentMemError, IndexUnavailableError, TimeoutError):
                _log.warning("the index was not closed in order; it will be filled anew from SQL when it is needed")
            worker.stop()
        self._backend.release()
        self._database.close()

    def _stored_status(self, session: Session, obstacle: IndexUnavailableError | None = None) -> IndexStatus:
        """Return where the index stands as far as SQL knows; it is not asked for that."""
        return record.status_of(session, self._backend.find(session), batch=self.batch, obstacle=obstacle)

    def _nearest(self, scope: ScopeAt, vector: Vectors, limit: int) -> Nearest:
        try:
            return self._call(lambda sync: sync.nearest(scope, vector, limit))
        except IndexFailedError:
            raise
        except IndexUnavailableError:
            self.schedule()
            raise

    def _call(self, function: Callable[[IndexSync], T]) -> T:
        worker, sync = self._open()
        try:
            return worker.call(lambda: function(sync), self.timeout)
        except TimeoutError:
            self._give_up(sync, f"{self.title} did not answer within {self.timeout:g} s")
            raise IndexFailedError(self._failure or "") from None
        except IndexFailedError as error:
            with suppress(TimeoutError):
                worker.call(sync.abandon, self.timeout)
            self._give_up(sync, str(error), lost=isinstance(error, IndexLostError))
            raise

    def _open(self) -> tuple[Worker, IndexSync]:
        if self._pid != os.getpid():
            raise IndexElsewhereError("an index is not carried over a fork")
        with self._lock:
            if self._closed:
                raise IndexUnavailableError("the index is closed")
            if self._failure is not None and time.monotonic() < self._retry_at:
                raise IndexUnavailableError(f"{self._failure}; it is left alone for a minute")
            if self._opened is None:
                sync = IndexSync(self._database, self._backend, batch=self.batch, trusted=not self._begin_anew)
                self._opened = Worker(f"agentmem-{self.name}"), sync
                self._begin_anew = False
            return self._opened

    def _give_up(self, sync: IndexSync, reason: str, *, lost: bool = False) -> None:
        """Leave the thread and everything it holds to itself: what it was doing is not known."""
        _log.warning("%s; recall scans meanwhile", reason)
        with self._lock:
            self._failure, self._retry_at = reason, time.monotonic() + _RETRY_SECONDS
            self._begin_anew = self._begin_anew or lost
            if self._syncing is sync:
                self._syncing = None
            if self._opened is not None and self._opened[1] is sync:
                self._opened[0].stop()
                self._opened = None

    def _sync_later(self) -> None:
        try:
            worker, sync = self._open()
        except IndexUnavailableError:
            return
        with self._lock:
            if self._syncing is not None or self._closed:
                self._sync_again = True  # what is at it may have looked before there was this to take
                return
            self._syncing, self._sync_again = sync, False
        worker.submit(lambda: self._sync_some(sync))

    def _sync_some(self, sync: IndexSync) -> None:
        """One batch, and then the next in its turn, so that searches come in between."""
        left = 0
        try:
            left = sync.sync_batch()
        except IndexFailedError as error:
            sync.abandon()
            self._give_up(sync, str(error), lost=isinstance(error, IndexLostError))
        except (BackendError, IndexUnavailableError) as error:
            _log.info("the index was not fed: %s", error)
        with self._lock:
            if self._syncing is sync:
                self._syncing = None
            again = self._sync_again
        if left >= self.batch or again:
            self._sync_later()


_shared: dict[tuple[int, str, str], tuple[ProjectedIndex, int]] = {}
_shared_lock = threading.Lock()


def share(url: URL, backend: IndexBackend, *, batch: int, timeout: float) -> ProjectedIndex:
    """Return the process's one index of this database in this place; give it back with `leave`.

    Raises:
        InvalidInputError: It is open with another batch or timeout.
    """
    key = os.getpid(), url.render_as_string(hide_password=False), backend.key
    with _shared_lock:
        index, handles = _shared.get(key, (None, 0))
        if index is None:
            index = ProjectedIndex(Database(url), backend, batch=batch, timeout=timeout)
        for name, own, given in (("index_batch", index.batch, batch), ("index_timeout", index.timeout, timeout)):
            if own != given:
                raise InvalidInputError(
                    "this store is open in this process with another value",
                    field=f"settings: {name}",
                    advice="close it first",
                )
        _shared[key] = index, handles + 1
        return index


def leave(index: ProjectedIndex) -> None:
    """Give an index back; the last one closes it."""
    with _shared_lock:
        for key, (shared, handles) in list(_shared.items()):
            if shared is index:
                if handles > 1:
                    _shared[key] = shared, handles - 1
                    return
                del _shared[key]
    index.close()


@atexit.register
def _close_all() -> None:
    """A program that ends without closing its stores leaves their indexes in order all the same."""
    for index, _ in list(_shared.values()):
        index.close()
