"""Where a Chroma index lives: a folder that one process owns, or a server that many share."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, Protocol

from filelock import FileLock, Timeout
from sqlmodel import col, select

from agentmem import private
from agentmem.archival.index.chroma import ChromaVectors, address
from agentmem.archival.index.protocol import IndexElsewhereError, IndexFailedError, IndexUnavailableError
from agentmem.tables import SearchIndexRow

if TYPE_CHECKING:
    from collections.abc import Generator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from sqlmodel import Session

_ID_FILE: Final = "index-id"
_LOCK_FILE: Final = "owner.lock"


class IndexLocation(Protocol):
    """What the index sync needs to know of where its index lives."""

    key: str
    url: str | None

    def find(self, session: Session) -> SearchIndexRow | None:
        """The row of the index that lives here, None when none does."""

    def acquire(self) -> None:
        """Become the owner.

        Raises:
            IndexElsewhereError: Another process is.
            IndexUnavailableError: Nothing can be kept here.
        """

    def held(self) -> AbstractContextManager[None]:
        """Own it for a moment, to look at it; nothing is made for that.

        Raises:
            IndexElsewhereError: Another process is the owner.
            IndexUnavailableError: Nothing can be kept here.
        """
        ...

    def release(self) -> None:
        """Let another process become the owner."""

    def settle(self, index_id: str) -> None:
        """Note the id of a new index.

        Raises:
            IndexFailedError: It cannot be written.
        """

    def doubt(self, session: Session, row: SearchIndexRow | None) -> str | None:
        """Why what lies here may not be what its row says, or what no row speaks of; None when all is in order."""

    def location(self, generation: int) -> Path | str:
        """What Chroma opens."""
        ...

    def tidy(self, generation: int | None) -> bool:
        """Remove what other generations left; whether nothing is left of them."""
        ...


class LocalFolder:
    """A folder. Two processes writing into one destroy it without an error, so a lock says whose it is.

    Args:
        path: The folder; made when it is needed.
    """

    url: str | None = None

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

    def settle(self, index_id: str) -> None:
        """Write the id into the folder."""
        try:
            private.write_file(self._path / _ID_FILE, index_id)
        except OSError as error:
            raise IndexFailedError(f"the id of the index cannot be written ({type(error).__name__})") from error

    def doubt(self, session: Session, row: SearchIndexRow | None) -> str | None:
        """A folder is only trusted when its last owner closed it and it is still there."""
        if row is None:
            return "its folder or the id in it is gone" if self._is_missed(session) else None
        if not row.clean:
            return "its last owner did not close it"
        if not self.location(row.generation).is_dir():
            return "its folder is gone"
        return None

    def location(self, generation: int) -> Path:
        """One folder for each generation."""
        return self._path / f"generation-{generation}"

    def tidy(self, generation: int | None) -> bool:
        """Deleting in Chroma leaves vectors on the disk; deleting folders does not."""
        wanted = [] if generation is None else [self.location(generation)]
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
        """Whether an index was here before: it left something, or the database beside it knows of one."""
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
    """A Chroma server, which looks after its own files.

    Args:
        url: `http://host:port`.

    Raises:
        InvalidInputError: Not the URL of a server.
    """

    def __init__(self, url: str) -> None:
        address(url)
        self.url: str | None = url
        self.key = url
        self._location = url

    def find(self, session: Session) -> SearchIndexRow | None:
        """By the URL."""
        return session.exec(select(SearchIndexRow).where(SearchIndexRow.url == self.url)).one_or_none()

    def acquire(self) -> None:
        """A server has no owner."""

    @contextmanager
    def held(self) -> Generator[None]:
        """A server has no owner, but it must answer."""
        ChromaVectors(self._location, "").close()
        yield

    def release(self) -> None:
        """A server has no owner."""

    def settle(self, index_id: str) -> None:
        """The row itself holds the URL."""

    def doubt(self, session: Session, row: SearchIndexRow | None) -> str | None:  # noqa: ARG002 - as it says
        """A server answers for itself."""
        return None

    def location(self, generation: int) -> str:  # noqa: ARG002 - generations differ by the names of collections
        """The URL."""
        return self._location

    def tidy(self, generation: int | None) -> bool:  # noqa: ARG002 - generations differ by the names of collections
        """Old collections are dropped through the client."""
        return True


@contextmanager
def _translated() -> Generator[None]:
    try:
        yield
    except Timeout:
        raise IndexElsewhereError("another process owns the index folder") from None
    except OSError as error:
        raise IndexUnavailableError(f"the index folder cannot be written ({type(error).__name__})") from error
