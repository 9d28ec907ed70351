"""The names a scope knows, and a question without them: every line of a person is near that person's name."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from sqlmodel import Session, col, select

from agentmem.archival.vectors import latest
from agentmem.tables import ArchivalLineRow

if TYPE_CHECKING:
    from collections.abc import Collection

_SCOPES_KEPT: Final = 10_000
_ROLES: Final = frozenset({"user", "assistant", "agent", "system", "tool", "caller", "customer", "human", "ai", "bot"})
"""Speakers that are no names: these words mean something in a question."""


class KnownNames:
    """The speakers of each scope's live lines; what was read is kept, and only what changed since is read again."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[int, frozenset[str]]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, session: Session, block_id: str) -> frozenset[str]:
        """The words that the speakers of one scope are called by."""
        with self._lock:
            seen, names = self._kept.get(block_id, (0, frozenset[str]()))
        seq = latest(session, block_id)
        if seq > seen:
            if seen and _deleted_after(session, block_id, seen):
                seen, names = 0, frozenset[str]()
            names |= _speakers_after(session, block_id, seen)
        elif seq < seen:  # a reader of an older snapshot
            return _speakers_after(session, block_id, 0)
        with self._lock:
            self._kept[block_id] = seq, names
            self._kept.move_to_end(block_id)
            while len(self._kept) > _SCOPES_KEPT:
                self._kept.popitem(last=False)
        return names


def without_names(query: str, names: Collection[str]) -> str:
    """A question without the names; itself when nothing else is in it.

    An embedding of "When did Ada move?" is near everything Ada said; without
    her name it is near what was said about moving.

    >>> without_names("When did Ada's sister move to Oslo?", {"ada"})
    'When did sister move to Oslo?'
    >>> without_names("Ada?", {"ada"})
    'Ada?'
    """
    if not names:
        return query
    rest = _WORD.sub(lambda word: "" if word[1].casefold() in names else word[0], query)
    return " ".join(rest.split()) if re.search(r"\w", rest) else query


def _deleted_after(session: Session, block_id: str, seq: int) -> bool:
    statement = select(ArchivalLineRow.id).where(
        ArchivalLineRow.block_id == block_id, ArchivalLineRow.seq > seq, col(ArchivalLineRow.deleted_at).is_not(None)
    )
    return session.exec(statement.limit(1)).first() is not None


def _speakers_after(session: Session, block_id: str, seq: int) -> frozenset[str]:
    statement = select(ArchivalLineRow.speaker).where(
        ArchivalLineRow.block_id == block_id,
        ArchivalLineRow.seq > seq,
        col(ArchivalLineRow.speaker).is_not(None),
        col(ArchivalLineRow.deleted_at).is_(None),
    )
    speakers = session.exec(statement.distinct()).all()
    return frozenset(word for speaker in speakers if speaker for word in _words(speaker))


_WORD: Final = re.compile(r"(\w+)(?:['\u2019]s\b)?")


def _words(speaker: str) -> set[str]:
    return {word.casefold() for word in re.findall(r"\w+", speaker)} - _ROLES
