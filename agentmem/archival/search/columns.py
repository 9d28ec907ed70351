"""The lines of a scope as columns: what recall needs of every line, in memory."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
from sqlmodel import Session, col, select

from agentmem.archival.index.vectors import ID
from agentmem.archival.search.bm25 import NO_POSTINGS, Postings, Rows
from agentmem.database import in_batches, rows
from agentmem.tables import ArchivalLineRow, LineTermsRow

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import NDArray

    from agentmem.archival.index.cache import LRUCache
    from agentmem.archival.index.protocol import ScopeAt
    from agentmem.text.analyzer import Analyzer

NONE: Final = -1
"""The code of a line that no one said, or that belongs to no conversation."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_BYTES_OF_A_NAME: Final = 100


@dataclass(frozen=True, eq=False)
class Columns:
    """The live lines of one scope as of one change number, in their order; row n is line number n + 1.

    Never altered, so that readers need no lock. Every array has the shape
    `(lines,)`.

    Args:
        seq: The number of the last change.
        ids: Their ids, as ASCII.
        moments: When each happened, else when it was written, in microseconds since 1970.
        updated: When each was last written or confirmed, likewise.
        confidence: How sure each is, 0 to 1.
        source: Who each comes from.
        speaker: Whose each is, as a place in `speakers`, or `NONE`.
        conversation: Which each belongs to, as a place in `conversations`, or `NONE`.
        speakers: The names of the speakers.
        conversations: The ids of the conversations.
        postings: The words.
    """

    seq: int
    ids: NDArray[np.bytes_]
    moments: NDArray[np.int64]
    updated: NDArray[np.int64]
    confidence: NDArray[np.float64]
    source: NDArray[np.str_]
    speaker: Rows
    conversation: Rows
    speakers: tuple[str, ...]
    conversations: tuple[str, ...]
    postings: Postings

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def bytes(self) -> int:
        """About what they take in memory."""
        times = (self.moments, self.updated)
        arrays = (self.ids, *times, self.confidence, self.source, self.speaker, self.conversation)
        names = len(self.speakers) + len(self.conversations)
        later = len(self) * (2 * np.dtype(np.int32).itemsize + 1)  # orders and marks, made when they are first needed
        return sum(array.nbytes for array in arrays) + later + self.postings.bytes + _BYTES_OF_A_NAME * names

    def rows_of(self, ids: NDArray[np.bytes_]) -> tuple[Rows, NDArray[np.bool_]]:
        """Return the rows of lines by their ids, and which of the ids are lines of this scope at all."""
        if len(ids) == len(self) and ids.tobytes() == self.ids.tobytes():  # so a scan has them until a line is edited
            return np.arange(len(self), dtype=np.int32), np.ones(len(self), np.bool_)
        if not len(self):
            return np.zeros(len(ids), np.int32), np.zeros(len(ids), np.bool_)
        places = np.minimum(np.searchsorted(self.ids, ids, sorter=self._by_id), len(self) - 1)
        found = self._by_id[places]
        return found, self.ids[found] == ids

    def all_after(self, moment: int) -> bool:
        """Return whether every line was last written after a moment, in microseconds since 1970."""
        return bool((self.updated > moment).all())

    @cached_property
    def order(self) -> Rows:
        """The place of each line when the newer come first, and those of one moment by id."""
        order = np.empty(len(self), np.int32)
        order[np.lexsort((self.ids, -self.moments))] = np.arange(len(self), dtype=np.int32)
        return order

    @cached_property
    def asking(self) -> NDArray[np.bool_]:
        """Which lines ask something."""
        return self.postings.asking()

    @cached_property
    def _by_id(self) -> Rows:
        return np.argsort(self.ids).astype(np.int32)


def microseconds(moment: datetime) -> int:
    """Since 1970, of an aware datetime."""
    return (moment - _EPOCH) // _MICROSECOND


def columns_of(session: Session, analyzer: Analyzer, kept: LRUCache[Columns], scope: ScopeAt) -> Columns:
    """Return the columns of a scope in a snapshot; what is kept of it is gone on with, if lines were only added.

    Args:
        session: The snapshot.
        analyzer: What splits the words of lines that another version or language of it split.
        kept: What is in memory already.
        scope: The scope in that snapshot.
    """
    before = kept.get(scope.block_id, seq=scope.seq)
    if before is None:
        before = _EMPTY
    if before.seq == scope.seq:
        return before
    news = _lines(session, scope.block_id, after=before.seq)
    if any(line.deleted_at for line in news) or _holds_any(before, news):
        before, news = _EMPTY, _lines(session, scope.block_id, after=0)
    columns = _extended(before, news, _bags(session, analyzer, news), scope.seq)
    kept.put(scope.block_id, columns)
    return columns


def shown_of(kept: LRUCache[Columns], columns: Columns, key: Hashable, *, after: int) -> Columns:
    """Return the columns of the lines that were last written after a moment, as if there were no others.

    Args:
        kept: What is in memory already.
        columns: Those of a scope.
        key: Under which to keep what is shown of it.
        after: The moment, in microseconds since 1970.
    """
    shown = columns.updated > after
    lines = int(np.count_nonzero(shown))
    before = kept.get(key, seq=columns.seq)
    if before is not None and before.seq == columns.seq and len(before) == lines:  # so many are always the same ones
        return before
    of_lines = _of_lines(columns, shown)
    kept.put(key, of_lines)
    return of_lines


def _lines(session: Session, block_id: str, *, after: int) -> Sequence[Any]:
    """Return the lines changed after a number, in their order; from 0 on, the live ones."""
    line = ArchivalLineRow
    statement: Any = (
        cast("Any", select)(  # it is typed for up to four columns
            line.id,
            line.conversation_id,
            line.speaker,
            line.occurred_at,
            line.created_at,
            line.updated_at,
            line.confidence,
            line.source,
            line.deleted_at,
            LineTermsRow.made_by,
            LineTermsRow.terms,
        )
        .join(LineTermsRow, col(LineTermsRow.line_id) == line.id, isouter=True)
        .where(line.block_id == block_id)
        .order_by(col(line.position))
    )
    return rows(session, statement.where(line.seq > after if after else col(line.deleted_at).is_(None)))


def _holds_any(columns: Columns, lines: Sequence[Any]) -> bool:
    _, known = columns.rows_of(np.array([line.id for line in lines], ID))
    return bool(known.any())


def _bags(session: Session, analyzer: Analyzer, lines: Sequence[Any]) -> list[bytes]:
    """Return the bag of each line; made here where the stored one is another tokenizer's."""
    stale = [line.id for line in lines if line.made_by != analyzer.made_by]
    contents: dict[str, str] = {}
    for some in in_batches(stale):
        chosen = select(ArchivalLineRow.id, ArchivalLineRow.content).where(col(ArchivalLineRow.id).in_(some))
        contents.update(session.exec(chosen).all())
    return [
        analyzer.bag(contents[line.id], speaker=line.speaker, occurred_at=line.occurred_at)
        if line.id in contents
        else line.terms
        for line in lines
    ]


def _extended(before: Columns, news: Sequence[Any], bags: Sequence[bytes], seq: int) -> Columns:
    moments = [microseconds(line.occurred_at or line.created_at) for line in news]
    updated = [microseconds(line.updated_at) for line in news]
    speaker, speakers = _coded([line.speaker for line in news], before.speakers)
    conversation, conversations = _coded([line.conversation_id for line in news], before.conversations)
    conversation = np.concatenate([before.conversation, conversation])
    return Columns(
        seq=seq,
        ids=np.concatenate([before.ids, np.array([line.id for line in news], ID)]),
        moments=np.concatenate([before.moments, np.array(moments, np.int64)]),
        updated=np.concatenate([before.updated, np.array(updated, np.int64)]),
        confidence=np.concatenate([before.confidence, np.array([line.confidence for line in news], np.float64)]),
        source=np.concatenate([before.source, np.array([line.source for line in news], _SOURCE)]),
        speaker=np.concatenate([before.speaker, speaker]),
        conversation=conversation,
        speakers=speakers,
        conversations=conversations,
        postings=before.postings.extended(bags, following_of(conversation)),
    )


def _of_lines(columns: Columns, shown: NDArray[np.bool_]) -> Columns:
    speaker, speakers = _still_there(columns.speaker[shown], columns.speakers)
    conversation, conversations = _still_there(columns.conversation[shown], columns.conversations)
    return Columns(
        seq=columns.seq,
        ids=columns.ids[shown],
        moments=columns.moments[shown],
        updated=columns.updated[shown],
        confidence=columns.confidence[shown],
        source=columns.source[shown],
        speaker=speaker,
        conversation=conversation,
        speakers=speakers,
        conversations=conversations,
        postings=columns.postings.of_lines(shown, following_of(conversation)),
    )


def _still_there(codes: Rows, names: tuple[str, ...]) -> tuple[Rows, tuple[str, ...]]:
    """Return the names that codes are left of, and the codes as places among them."""
    left: list[int] = np.unique(codes[codes != NONE]).tolist()
    places = np.full(len(names) + 1, NONE, np.int32)  # the last one is that of `NONE`
    places[left] = np.arange(len(left), dtype=np.int32)
    shown: Rows = places[codes]
    return shown, tuple(names[place] for place in left)


def _coded(values: Sequence[str | None], known: tuple[str, ...]) -> tuple[Rows, tuple[str, ...]]:
    places = {name: place for place, name in enumerate(known)}
    codes = [NONE if value is None else places.setdefault(value, len(places)) for value in values]
    return np.array(codes, np.int32), tuple(places)


def following_of(conversation: Rows) -> Rows:
    """Return the next row of the same conversation, or `NONE`."""
    order = np.argsort(conversation, kind="stable").astype(np.int32)
    following = np.full(len(conversation), NONE, np.int32)
    same = (conversation[order[1:]] == conversation[order[:-1]]) & (conversation[order[1:]] != NONE)
    following[order[:-1][same]] = order[1:][same]
    return following


_SOURCE: Final = "U9"
_EMPTY: Final = Columns(
    seq=0,
    ids=np.empty(0, ID),
    moments=np.empty(0, np.int64),
    updated=np.empty(0, np.int64),
    confidence=np.empty(0, np.float64),
    source=np.empty(0, _SOURCE),
    speaker=np.empty(0, np.int32),
    conversation=np.empty(0, np.int32),
    speakers=(),
    conversations=(),
    postings=NO_POSTINGS,
)
