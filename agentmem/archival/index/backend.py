"""What keeps the vectors of an index: the port that a vector database is brought in through.

`ProjectedIndex` makes a whole index of a backend: it feeds it from SQL, gives
each call a deadline, notices what it lost and fills it anew. A backend is then
one file, and the line that gives it to `agentmem.open(index=…)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from sqlmodel import Session

    from agentmem.archival.index.protocol import LineChange
    from agentmem.embedding import Vectors
    from agentmem.models import Engine
    from agentmem.tables import SearchIndexRow


class VectorStore(Protocol):
    """The vectors of one generation of an index, opened.

    It is used by one thread, and any call may hang or fail with an
    `IndexFailedError`; it is then abandoned.
    """

    def apply(self, changes: Sequence[LineChange]) -> None:
        """Take changes over: the vectors of a line under its keys, or that these keys are gone; first what is gone.

        The same ones again change nothing.
        """

    def nearest(self, block_id: str, vector: Vectors, limit: int) -> list[str] | None:
        """Return the keys of about the nearest vectors of one scope; fewer than `limit` when there are no more.

        None when nothing was ever put where the scope belongs.
        """
        ...

    def stored(self) -> Iterator[list[tuple[str, Vectors]]]:
        """Yield every key with its vector, page by page."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""


class IndexBackend(Protocol):
    """Where an index lives, and how its vectors are opened."""

    @property
    def name(self) -> Engine:
        """What `Explanation.answered_by` says."""
        ...

    @property
    def title(self) -> str:
        """What a sentence calls it."""
        ...

    @property
    def key(self) -> str:
        """What tells it from another one in this process."""
        ...

    @property
    def url(self) -> str | None:
        """What tells it from another one in the database; None for a folder, which carries its id."""
        ...

    @property
    def is_persistent(self) -> bool:
        """Whether it holds what it was given when the next process opens it."""
        ...

    def find(self, session: Session) -> SearchIndexRow | None:
        """Return the row of the index that lives here, None when none does."""

    def acquire(self) -> None:
        """Become the owner, if it can have only one.

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

    def register(self, index_id: str) -> None:
        """Note the id of a new index.

        Raises:
            IndexFailedError: It cannot be written.
        """

    def inconsistency(self, session: Session, row: SearchIndexRow | None) -> str | None:
        """Return why what lies here may not be what its row says, or has none; None when all is in order."""

    def open(self, row: SearchIndexRow, *, read_only: bool = False) -> VectorStore:
        """Open the vectors of the row's generation; what other generations left is dropped, unless it is read only.

        Raises:
            IndexFailedError: It cannot be reached or opened.
        """
        ...

    def clean_up(self, generation: int | None) -> bool:
        """Remove what other generations left on the disk; whether nothing is left of them."""
        ...
