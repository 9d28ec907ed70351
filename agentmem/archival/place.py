"""Where a Chroma index lives: a folder that one process owns, or a server that many share."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final, Protocol

from filelock import FileLock, Timeout
from sqlmodel import select

from agentmem.archival.chroma import address
from agentmem.archival.index import IndexUnavailableError
from agentmem.tables import SearchIndexRow

if TYPE_CHECKING:
    from pathlib import Path

    from sqlmodel import Session

_ID_FILE: Final = "index-id"
_LOCK_FILE: Final = "owner.lock"


class Place(Protocol):
    """What the pump needs to know of where its index lives."""

    key: str
    url: str | None

    def find(self, session: Session) -> SearchIndexRow | None:
        """The row of the index that lives here, None when none does."""

    def acquire(self) -> None:
        """Become the owner.

        Raises:
            IndexUnavailableError: Another process is.
        """

    def release(self) -> None:
        """Let another process become the owner."""

    def settle(self, index_id: str) -> None:
        """Note the id of a new index."""

    def doubt(self, row: SearchIndexRow) -> str | None:
        """Why what lies here may not be what the row says, None when it is."""

    def location(self, generation: int) -> Path | str:
        """What Chroma opens."""
        ...

    def tidy(self, generation: int) -> None:
        """Remove what other generations left."""


class Folder:
    """A folder. Two processes writing into one destroy it without an error, so a lock says whose it is.

    Args:
        path: The folder; made when it is needed.
    """

    url: str | None = None

    def __init__(self, path: Path) -> None:
        self._path = path
        self.key = str(path.resolve())
        self._lock = FileLock(path / _LOCK_FILE, blocking=False, thread_local=False)

    def find(self, session: Session) -> SearchIndexRow | None:
        """By the id in the folder; a folder without one holds no index."""
        try:
            index_id = (self._path / _ID_FILE).read_text("ascii")
        except (OSError, UnicodeDecodeError):
            return None
        return session.get(SearchIndexRow, index_id)

    def acquire(self) -> None:
        """Take the lock without waiting."""
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            if not self._lock.is_locked:
                self._lock.acquire()
        except Timeout:
            raise IndexUnavailableError("another process owns the index folder") from None
        except OSError as error:
            raise IndexUnavailableError(f"the index folder cannot be written ({type(error).__name__})") from error

    def release(self) -> None:
        """Give the lock back."""
        self._lock.release(force=True)

    def settle(self, index_id: str) -> None:
        """Write the id into the folder."""
        (self._path / _ID_FILE).write_text(index_id, "ascii")

    def doubt(self, row: SearchIndexRow) -> str | None:
        """A folder is only trusted when its last owner closed it and it is still there."""
        if not row.clean:
            return "its last owner did not close it"
        if row.watermark and not self.location(row.generation).exists():
            return "its folder is gone"
        return None

    def location(self, generation: int) -> Path:
        """One folder for each generation."""
        return self._path / f"generation-{generation}"

    def tidy(self, generation: int) -> None:
        """Deleting in Chroma leaves vectors on the disk; deleting folders does not."""
        for old in self._path.glob("generation-*"):
            if old != self.location(generation):
                shutil.rmtree(old, ignore_errors=True)


class Server:
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

    def release(self) -> None:
        """A server has no owner."""

    def settle(self, index_id: str) -> None:
        """The row itself holds the URL."""

    def doubt(self, row: SearchIndexRow) -> str | None:  # noqa: ARG002 - a server answers for itself
        """A server answers for itself."""
        return None

    def location(self, generation: int) -> str:  # noqa: ARG002 - generations differ by the names of collections
        """The URL."""
        return self._location

    def tidy(self, generation: int) -> None:
        """Old collections are dropped through the client."""
