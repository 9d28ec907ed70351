"""An index in memory, for tests that are to ask an index without a file or a server."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Final
from uuid import uuid4

import numpy as np
from sqlmodel import Session, select

from agentmem.archival.index.protocol import LineChange
from agentmem.embedding import Vectors
from agentmem.models import Engine
from agentmem.tables import IN_MEMORY, SearchIndexRow

_PAGE: Final = 1_000


class InMemoryIndex:
    """A backend for `agentmem.open(index=…)` that keeps vectors in this process, and loses them when it is closed.

    >>> import agentmem
    >>> from agentmem.testing import HashingEmbeddings
    >>> with agentmem.open("kitchen", embeddings=HashingEmbeddings(), index=InMemoryIndex(), scan_below=0) as store:
    ...     memory = store.client("ada").memory
    ...     lines = memory.remember("Likes tea")
    ...     [match.explanation.answered_by for match in memory.recall("tea", explain=True)]
    ['memory']
    """

    name: Engine = "memory"
    title: str = "The index in memory"
    is_persistent: bool = False

    def __init__(self) -> None:
        self.key = f"{IN_MEMORY}{uuid4().hex}"
        self.url = self.key

    def find(self, session: Session) -> SearchIndexRow | None:
        """See `IndexBackend`: by the name of this object."""
        return session.exec(select(SearchIndexRow).where(SearchIndexRow.url == self.url)).one_or_none()

    def acquire(self) -> None:
        """No other process can own it."""

    @contextmanager
    def held(self) -> Generator[None]:
        """No other process can own it."""
        yield

    def release(self) -> None:
        """No other process can own it."""

    def register(self, index_id: str) -> None:
        """The row itself holds its name."""

    def inconsistency(self, session: Session, row: SearchIndexRow | None) -> str | None:  # noqa: ARG002 - as it says
        """See `IndexBackend`: what was closed is gone."""
        return None if row is None else "it was closed, and its memory is gone"

    def open(self, row: SearchIndexRow, *, read_only: bool = False) -> _Vectors:  # noqa: ARG002 - it begins empty
        """See `IndexBackend`: every generation begins empty."""
        return _Vectors()

    def clean_up(self, generation: int | None) -> bool:  # noqa: ARG002 - as it says
        """Nothing is left of other generations."""
        return True


class _Vectors:
    """The vectors of one generation, scope by scope."""

    def __init__(self) -> None:
        self._scopes: defaultdict[str, dict[str, Vectors]] = defaultdict(dict)

    def apply(self, changes: Sequence[LineChange]) -> None:
        """See `VectorStore`: a line that moved is gone from one scope under keys that say so, and live in another."""
        for change in sorted(changes, key=_is_live):
            scope = self._scopes[change.block_id]
            for key in change.keys:
                scope.pop(key, None)
            if change.vectors is not None:
                scope.update(zip(change.keys, change.vectors, strict=True))

    def nearest(self, block_id: str, vector: Vectors, limit: int) -> list[str] | None:
        """See `VectorStore`: exactly the nearest."""
        scope = self._scopes.get(block_id)
        if not scope:
            return None
        keys = np.array(list(scope))
        order = np.argsort(-(np.stack(list(scope.values())) @ vector), kind="stable")
        return [str(key) for key in keys[order[:limit]]]

    def stored(self) -> Iterator[list[tuple[str, Vectors]]]:
        """See `VectorStore`."""
        every = [item for scope in self._scopes.values() for item in scope.items()]
        for start in range(0, len(every), _PAGE):
            yield every[start : start + _PAGE]

    def close(self) -> None:
        """See `VectorStore`."""
        self._scopes.clear()


def _is_live(change: LineChange) -> bool:
    return change.vectors is not None
