"""Where an index can live: a folder that one process owns, or a server that many share."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from filelock import FileLock, Timeout
from sqlmodel import col, select

from agentmem import private
from agentmem.archival.index.protocol import IndexElsewhereError, IndexFailedError, IndexUnavailableError
from agentmem.tables import SearchIndexRow

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from sqlmodel import Session

_ID_FILE: Final = "index-id"
_LOCK_FILE: Final = "owner.lock"


class LocalFolder:
    """The part of a backend in a folder that does not know what is in it.

    Two processes writing into one folder destroy it without an error, so a lock
    says whose it is.

    Args:
        path: The folder; made when it is needed.
    """

    url: str | None = None
    is_persistent: bool = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self.key = str(path.resolve())
        self._lock = FileLock(path / _LOCK_FILE, mode=private.FILE, blocking=False, thread_local=False)

    def find(self, session: Session) -> SearchIndexRow | None:
        """By the id in the folder; a folder without one holds no index."""
        try:
            index_id = (self._path / _ID_FILE).read_text("ascii")
        except (OSError, UnicodeDecodeError):
            return None
        return session.get(SearchIndexRow, index_id)

    def acquire(self) -> None:
        """Take the lock without waiting."""
        with _translated():
            private.make_folder(self._path.parent)
            private.make_folder(self._path)
            private.restrict_tree(self._path)
            if not self._lock.is_locked:
                self._lock.acquire()

    @contextmanager
    def held(self) -> Generator[None]:
        """Hold the lock if there is one to hold, and see whether the folder could be written."""
        if self._lock.is_locked:
            yield
            return
        with _translated():
            self._require_writable()
            if (self._path / _LOCK_FILE).exists():
                self._lock.acquire()
        try:
            yield
        finally:
            self.release()

    def release(self) -> None:
        """Give the lock back."""
        self._lock.release(force=True)

    def register(self, index_id: str) -> None:
        """Write the id into the folder."""
        try:
            private.write_file(self._path / _ID_FILE, index_id)
        except OSError as error:
            raise IndexFailedError(f"the id of the index cannot be written ({type(error).__name__})") from error

    def inconsistency(self, session: Session, row: SearchIndexRow | None) -> str | None:
        """A folder is only trusted when its last owner closed it and it is still there."""
        if row is None:
            return "its folder or the id in it is gone" if self._is_missed(session) else None
        if not row.clean:
            return "its last owner did not close it"
        if not self.generation(row.generation).is_dir():
            return "its folder is gone"
        return None

    def generation(self, number: int) -> Path:
        """Return the folder of a generation."""
        return self._path / f"generation-{number}"

    def clean_up(self, generation: int | None) -> bool:
        """Delete whole folders: deleting in a database leaves vectors on the disk."""
        wanted = [] if generation is None else [self.generation(generation)]
        for old in self._generations():
            if old in wanted:
                continue
            if old.is_dir():
                shutil.rmtree(old, ignore_errors=True)
            else:
                with suppress(OSError):
                    old.unlink()
        return all(left in wanted for left in self._generations())

    def _generations(self) -> list[Path]:
        return list(self._path.glob("generation-*"))

    def _is_missed(self, session: Session) -> bool:
        """Return whether an index was here before: it left something, or the database beside it knows of one."""
        if (self._path / _ID_FILE).exists() or self._generations():
            return True
        if session.get_bind().dialect.name != "sqlite":
            return False  # a database on a server may serve many homes, and each has an index of its own
        known = select(SearchIndexRow.id).where(col(SearchIndexRow.url).is_(None))
        return session.exec(known.limit(1)).first() is not None

    def _require_writable(self) -> None:
        there = next(folder for folder in (self._path, *self._path.parents) if folder.exists())
        if not there.is_dir():
            raise NotADirectoryError
        if not os.access(there, os.W_OK | os.X_OK):
            raise PermissionError
        if (self._path / _ID_FILE).is_dir():
            raise IsADirectoryError


class RemoteServer:
    """The part of a backend on a server, which looks after its own files and has no owner.

    Args:
        url: How it is known, in the database too.
    """

    is_persistent: bool = True

    def __init__(self, url: str) -> None:
        self.url = url
        self.key = url

    def find(self, session: Session) -> SearchIndexRow | None:
        """By the URL."""
        return session.exec(select(SearchIndexRow).where(SearchIndexRow.url == self.url)).one_or_none()

    def acquire(self) -> None:
        """A server has no owner."""

    def release(self) -> None:
        """A server has no owner."""

    def register(self, index_id: str) -> None:
        """The row itself holds the URL."""

    def inconsistency(self, session: Session, row: SearchIndexRow | None) -> str | None:  # noqa: ARG002 - as it says
        """A server answers for itself."""
        return None

    def clean_up(self, generation: int | None) -> bool:  # noqa: ARG002 - generations differ by the names of collections
        """Old collections are dropped when a new generation is opened."""
        return True


@contextmanager
def _translated() -> Generator[None]:
    try:
        yield
    except Timeout:
        raise IndexElsewhereError("another process owns the index folder") from None
    except OSError as error:
        raise IndexUnavailableError(f"the index folder cannot be written ({type(error).__name__})") from error
