"""Archival lines as rows: what one transaction reads and writes under one scope's header."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import uuid4

from sqlalchemy import literal_column
from sqlmodel import Session, col, delete, insert, select, update

from agentmem import changes, idempotency, lifetimes, numbers, revisions
from agentmem.archival.lines import Entry, keep, settled
from agentmem.changes import Change
from agentmem.database import in_batches
from agentmem.embedding import pack
from agentmem.tables import (
    ARCHIVAL,
    ArchivalLineRow,
    LineChunkRow,
    LineTermsRow,
    MemoryBlockRow,
    MemoryChangeRow,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement
    from sqlmodel.sql.expression import SelectOfScalar

    from agentmem.embedding import Vectors
    from agentmem.models import MemoryBlock, Scope, Source

T = TypeVar("T")

_EMPTY: Final = {
    "content": "",
    "speaker": None,
    "conversation_id": None,
    "occurred_at": None,
    "idempotency_key": None,
}


@dataclass(frozen=True, slots=True)
class MadeBy:
    """What made the vectors and the words of lines: a stored embedder, and an analyzer."""

    embedder_id: int
    analyzer: str


class LineWrites:
    """The writes of one transaction to the lines of one scope, all at one moment and by one author.

    Beginning them moves the header on, or creates it; numbers for the lines,
    and for what the feed is told of them, are taken last.

    Args:
        session: The transaction.
        scope: Whose lines.
        live: The header that was read in this transaction, `None` when there is none.
        moment: What time it is.
        actor: Who writes.
        **header: New values of the header.
    """

    def __init__(
        self,
        session: Session,
        scope: Scope,
        live: MemoryBlockRow | None,
        *,
        moment: datetime,
        actor: str,
        **header: object,
    ) -> None:
        self._session = session
        self._moment = moment
        self._actor = actor
        if live is None:
            self.header = revisions.create(session, scope, ARCHIVAL, moment=moment, **header)
        else:
            self.header = revisions.change(session, live, moment=moment, **header)

    def add(
        self,
        entries: Sequence[Entry],
        line_ids: Sequence[str],
        made_by: MadeBy,
        *,
        idempotency_key: str | None,
    ) -> None:
        """Add lines at the end, and tell the feed."""
        self.insert(entries, line_ids, made_by, idempotency_key=idempotency_key)
        self.tell(
            (entry.draft.conversation_id, Change("line", "added", line_id))
            for line_id, entry in zip(line_ids, entries, strict=True)
        )

    def insert(
        self,
        entries: Sequence[Entry],
        line_ids: Sequence[str],
        made_by: MadeBy,
        *,
        idempotency_key: str | None = None,
    ) -> None:
        """Add lines at the end without a word about it."""
        taken = numbers.take(self._session, "lines", len(entries))
        self._insert([*zip(taken, line_ids, entries, strict=True)], made_by, idempotency_key=idempotency_key)

    def rewrite(
        self, rows: Sequence[ArchivalLineRow], texts: Sequence[str], new: Mapping[str, Entry], made_by: MadeBy
    ) -> None:
        """Make the text of the scope these lines: unchanged ones stay themselves.

        From the first line that is new or out of order on, every line takes a
        new place, since places are never used twice.
        """
        places = keep([row.content for row in rows], texts)
        stay = set(places)
        self.forget([row.id for place, row in enumerate(rows) if place not in stay])
        first = settled(places)
        taken = numbers.take(self._session, "lines", len(places) - first)
        moved: list[dict[str, object]] = []
        added: list[tuple[int, str, Entry]] = []
        for number, text, place in zip(taken, texts[first:], places[first:], strict=True):
            if place is None:
                added.append((number, uuid4().hex, new[text]))
            else:
                moved.append({"id": rows[place].id, "position": number, "seq": number})
        if moved:
            self._session.exec(update(ArchivalLineRow), params=moved)
        self._insert(added, made_by)
        self.tell((None, Change("line", "added", line_id)) for _, line_id, _ in added)

    def forget(self, line_ids: Sequence[str]) -> None:
        """Bury lines for good: the feed says that they are gone, and no longer what they took the place of."""
        self.bury(line_ids)
        for some in in_batches(line_ids):
            changes.empty(self._session, *_superseded_by(self.header.tenant_id, some))
        self.tell((None, Change("line", "removed", line_id)) for line_id in line_ids)

    def bury(self, line_ids: Sequence[str]) -> None:
        """Leave tombstones without a word about it."""
        bury(self._session, self.header.id, line_ids, moment=self._moment, actor=self._actor)

    def tell(self, told: Iterable[tuple[str | None, Change]]) -> None:
        """Add to the feed what was done, each with the conversation it came from."""
        by_conversation: defaultdict[str | None, list[Change]] = defaultdict(list)
        for conversation_id, change in told:
            by_conversation[conversation_id].append(change)
        scope = revisions.scope_of(self.header)
        for conversation_id, some in by_conversation.items():
            changes.record(
                self._session, scope, some, actor=self._actor, moment=self._moment, conversation_id=conversation_id
            )

    def _insert(
        self,
        lines: Sequence[tuple[int, str, Entry]],
        made_by: MadeBy,
        *,
        idempotency_key: str | None = None,
    ) -> None:
        if not lines:
            return
        common = {
            "block_id": self.header.id,
            "created_at": self._moment,
            "updated_at": self._moment,
            "deleted_at": None,
            "actor": self._actor,
            "idempotency_key": idempotency_key,
        }
        rows: list[dict[str, Any]] = [
            {
                "id": line_id,
                "position": number,
                "seq": number,
                "chunks": len(entry.vectors),
                **common,
                **asdict(entry.draft),
            }
            for number, line_id, entry in lines
        ]
        self._session.exec(insert(ArchivalLineRow), params=rows)
        chunks: list[dict[str, Any]] = [
            chunk for _, line_id, entry in lines for chunk in chunk_rows(line_id, made_by.embedder_id, entry.vectors)
        ]
        self._session.exec(insert(LineChunkRow), params=chunks)
        words: list[dict[str, Any]] = [
            {"line_id": line_id, "made_by": made_by.analyzer, "terms": entry.words} for _, line_id, entry in lines
        ]
        self._session.exec(insert(LineTermsRow), params=words)


def bury(session: Session, block_id: str, line_ids: Sequence[str], *, moment: datetime, actor: str) -> None:
    """Leave tombstones of lines of one header: no text, no words, no vector, and a new number for the index to see."""
    if not line_ids:
        return
    idempotency.forget_lines(session, block_id, line_ids)
    gone = {"deleted_at": moment, "updated_at": moment, "actor": actor, **_EMPTY}
    taken = numbers.take(session, "lines", len(line_ids))
    tombstones = [{"id": line_id, "seq": seq, **gone} for seq, line_id in zip(taken, line_ids, strict=True)]
    session.exec(update(ArchivalLineRow), params=tombstones)
    for some in in_batches(line_ids):
        session.exec(delete(LineChunkRow).where(col(LineChunkRow.line_id).in_(some)))
        session.exec(delete(LineTermsRow).where(col(LineTermsRow.line_id).in_(some)))


def succeed(session: Session, tenant_id: str, old_id: str, new_id: str) -> None:
    """Say of all that a line took the place of that another line stands there now."""
    statement = update(MemoryChangeRow).where(*_superseded_by(tenant_id, [old_id])).values(ref=new_id)
    session.exec(statement)


def chunk_rows(line_id: str, embedder_id: int, vectors: Vectors) -> list[dict[str, Any]]:
    """The rows that hold the vectors of one line, shape `(chunks, dimensions)`."""
    common = {"line_id": line_id, "embedder_id": embedder_id}
    return [{**common, "chunk": chunk, "vector": pack(vector)} for chunk, vector in enumerate(vectors)]


def hidden_until(session: Session, scope: Scope, now: datetime) -> datetime | None:
    """The moment up to which what was last written of a scope is hidden: an agent's retention; a user's has none."""
    if scope.agent_id is None:
        return None
    return lifetimes.cutoff(now, lifetimes.retention_days(session, scope.tenant_id, scope.agent_id))


def live_rows(
    session: Session, header: MemoryBlockRow | None, *, after: datetime | None = None
) -> Sequence[ArchivalLineRow]:
    """The lines of a scope that are not deleted, in order, written after a moment if there is one."""
    return [] if header is None else session.exec(_live(select(ArchivalLineRow), header, after)).all()


def block(session: Session, header: MemoryBlockRow, *, after: datetime | None) -> MemoryBlock:
    """The lines of a scope, written after a moment if there is one, as one text under their header."""
    contents = session.exec(_live(select(ArchivalLineRow.content), header, after)).all()
    return revisions.block(header, content="\n".join(contents))


def visible(session: Session, scope: Scope, line_ids: Sequence[str], *, now: datetime) -> dict[str, ArchivalLineRow]:
    """Those of these lines that are in the scope and can be seen, by id."""
    found: dict[str, ArchivalLineRow] = {}
    after = hidden_until(session, scope, now)
    for some in in_batches(line_ids):
        lines = _of_scope(scope).where(col(ArchivalLineRow.id).in_(some), *_written_after(after))
        found.update((line.id, line) for line in session.exec(lines).all())
    return found


def newest(
    session: Session,
    scope: Scope,
    *,
    now: datetime,
    limit: int,
    min_confidence: float,
    without_source: Source | None,
) -> Sequence[ArchivalLineRow]:
    """The lines of a scope that can be seen and are sure enough, the one written last first."""
    chosen = [col(ArchivalLineRow.confidence) >= min_confidence]
    if without_source is not None:
        chosen.append(col(ArchivalLineRow.source) != without_source)
    lines = _of_scope(scope).where(*chosen, *_written_after(hidden_until(session, scope, now)))
    in_order = lines.order_by(col(ArchivalLineRow.updated_at).desc(), col(ArchivalLineRow.position).desc())
    return session.exec(in_order.limit(limit)).all()


def find_of_user(session: Session, tenant_id: str, user_id: str, line_id: str) -> MemoryBlockRow | None:
    """The header over a live line of this user, locked, in the transaction that is to change the line.

    None when the line is not theirs or not there.
    """
    line = select(ArchivalLineRow.id).where(
        ArchivalLineRow.block_id == MemoryBlockRow.id,
        ArchivalLineRow.id == line_id,
        col(ArchivalLineRow.deleted_at).is_(None),
    )
    header = select(MemoryBlockRow).where(revisions.of_user(tenant_id, user_id), line.exists())
    found = session.exec(header.with_for_update().execution_options(populate_existing=True)).one_or_none()
    is_live = found is not None and session.exec(line.where(MemoryBlockRow.id == found.id)).first() is not None
    return found if is_live else None


def _of_scope(scope: Scope) -> SelectOfScalar[ArchivalLineRow]:
    under = select(ArchivalLineRow).join(MemoryBlockRow, col(MemoryBlockRow.id) == ArchivalLineRow.block_id)
    return under.where(revisions.within(scope))


def _written_after(moment: datetime | None) -> tuple[ColumnElement[bool], ...]:
    """That a line is not deleted, and was last written after a moment if there is one."""
    live = col(ArchivalLineRow.deleted_at).is_(None)
    return (live,) if moment is None else (live, col(ArchivalLineRow.updated_at) > moment)


def _live(statement: SelectOfScalar[T], header: MemoryBlockRow, after: datetime | None) -> SelectOfScalar[T]:
    under = statement.where(ArchivalLineRow.block_id == header.id, *_written_after(after))
    return under.order_by(col(ArchivalLineRow.position))


def _superseded_by(tenant_id: str, line_ids: Sequence[str]) -> tuple[ColumnElement[bool], ...]:
    """That an entry of the feed says what one of these lines stands in the place of."""
    return (
        col(MemoryChangeRow.tenant_id) == tenant_id,
        col(MemoryChangeRow.action) == literal_column("'superseded'"),  # bound, it would not be known to have an index
        col(MemoryChangeRow.ref).in_(line_ids),
    )
