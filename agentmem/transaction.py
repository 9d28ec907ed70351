"""The unit of work: one transaction with its moment, its writer, its locks, and what it hands over at its end.

A body of a write is given one `Transaction`. It locks whom it writes of, reads
what it decides on, and says what became of lines and of the feed. At the end,
once, those are numbered and written, and after the commit the index is told, if
lines were among it. So numbers are taken last, and no store has to think of the
index.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from sqlmodel import Session, insert, update

from agentmem import aliases, changes, expiry, inputs, numbers
from agentmem.database import is_postgresql
from agentmem.tables import ArchivalLineRow, LineChunkRow, LineTermsRow

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from datetime import datetime

    from agentmem.changes import Change
    from agentmem.database import Database
    from agentmem.models import Scope

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes, and what binds them.

    Args:
        actor: Who, as history and the feed will say.
        respects_read_only: Whether blocks that are marked so are refused.
        conversation_id: The conversation that it comes from, as the feed will say.
    """

    actor: str
    respects_read_only: bool = False
    conversation_id: str | None = None


class Snapshot:
    """One moment of the store, in one transaction.

    Args:
        session: The transaction.
        clock: What tells the time; it is asked once, when the time is first needed.
        max_fact_days: The longest a key-value fact lives.
    """

    def __init__(self, session: Session, clock: Callable[[], datetime], *, max_fact_days: int) -> None:
        self.session = session
        self.max_fact_days = max_fact_days
        self._clock = clock

    @cached_property
    def now(self) -> datetime:
        """The time, the same throughout.

        Raises:
            InvalidInputError: The clock gave something else than an aware datetime.
        """
        return inputs.timestamp("clock", self._clock())

    def hidden_until(self, scope: Scope) -> datetime | None:
        """Return the moment up to which what was last written of a scope is hidden: a user's is never."""
        if scope.agent_id is None:
            return None
        return expiry.cutoff(self.now, expiry.retention_days(self.session, scope.tenant_id, scope.agent_id))


class Transaction(Snapshot):
    """A transaction that writes.

    Made by `Transactions.write`, which finishes it. Its time is first read after
    `lock`, so that what waited for another is later than the other.

    Args:
        session: The transaction.
        clock: What tells the time.
        writer: Who writes.
        max_fact_days: The longest a key-value fact lives.
    """

    def __init__(self, session: Session, clock: Callable[[], datetime], *, writer: Writer, max_fact_days: int) -> None:
        super().__init__(session, clock, max_fact_days=max_fact_days)
        self.writer = writer
        self._feed: list[changes.FeedEntry] = []
        self._lines = _LineOutbox()
        self.changes_lines = False
        """Whether an index has something to take over, once it is finished."""

    @property
    def has_rivals(self) -> bool:
        """Whether others may write meanwhile, so that what is decided on has to be locked before it is read."""
        return is_postgresql(self.session)

    def lock(self, tenant_id: str, *user_ids: str) -> None:
        """Let nobody else write of these users until the transaction ends: see `aliases.lock_people`.

        Raises:
            RacedError: One of them was merged, or forgotten, in between.
        """
        aliases.lock_people(self.session, tenant_id, *user_ids)

    def try_lock(self, tenant_id: str, user_id: str) -> bool:
        """Lock one user, unless somebody else writes of them, or they are found under another id by now."""
        return aliases.try_lock_person(self.session, tenant_id, user_id)

    def record(
        self, scope: Scope, told: Sequence[Change], *, conversation_id: str | None = None, at: datetime | None = None
    ) -> None:
        """Take what the feed of a scope's user, who is locked, is to say.

        Args:
            scope: Whose feed.
            told: What was done.
            conversation_id: The conversation it comes from, where it is not the writer's.
            at: When, where it is not now.
        """
        moment = expiry.hour(at or self.now)
        from_where = conversation_id or self.writer.conversation_id
        self._feed += [changes.FeedEntry(scope, one, self.writer.actor, moment, from_where) for one in told]

    def add_line(
        self,
        row: Mapping[str, Any],
        *,
        chunks: Sequence[Mapping[str, Any]] = (),
        terms: Mapping[str, Any] | None = None,
        placed: bool = True,
    ) -> None:
        """Take a new line; its number, and its place if it gets the next one, are filled in at the end.

        Args:
            row: Its columns, without `seq`.
            chunks: The rows of its vectors.
            terms: The row of its words.
            placed: Whether it comes after all that is there; else `row` has its `position`.
        """
        self._lines.added.append(row)
        self._lines.take(row, placed=placed)
        self._lines.chunks += chunks
        if terms is not None:
            self._lines.terms.append(terms)

    def change_line(self, row: Mapping[str, Any], *, placed: bool = False) -> None:
        """Take new values of a line that is there, `id` among them; it gets a new number, and a new place if asked."""
        self._lines.changed.append(row)
        self._lines.take(row, placed=placed)

    def finish(self) -> None:
        """Number and write what was taken: lines, and then the feed."""
        self.session.flush()
        lines, self._lines = self._lines, _LineOutbox()
        feed, self._feed = self._feed, []
        lines.write(self.session)
        changes.write(self.session, feed)
        self.changes_lines = self.changes_lines or lines.is_used


class Transactions:
    """The transactions of one store.

    Args:
        database: Where everything is kept.
        clock: What tells the time.
        max_fact_days: The longest a key-value fact lives.
        lines_changed: What is called after the commit of a transaction that changed lines.
    """

    def __init__(
        self,
        database: Database,
        clock: Callable[[], datetime],
        *,
        max_fact_days: int,
        lines_changed: Callable[[], None] | None = None,
    ) -> None:
        self.database = database
        self._clock = clock
        self._max_fact_days = max_fact_days
        self._lines_changed = lines_changed or _nothing

    def now(self) -> datetime:
        """Return the time.

        Raises:
            InvalidInputError: The clock gave something else than an aware datetime.
        """
        return inputs.timestamp("clock", self._clock())

    @contextmanager
    def read(self, now: datetime | None = None) -> Generator[Snapshot]:
        """Open a snapshot.

        Args:
            now: What time to take it for; the clock's if not given.
        """
        with self.database.read() as session:
            yield Snapshot(session, self._at(now), max_fact_days=self._max_fact_days)

    def write(self, body: Callable[[Transaction], T], *, writer: Writer, now: datetime | None = None) -> T:
        """Return what `body` returns, once all that it did is committed.

        It is run again, with a new transaction, when another one came between:
        see `Database.write`.

        Args:
            body: What is to be done.
            writer: Who does it.
            now: What time to take it for; the clock's if not given.

        Raises:
            BackendError: The database could not do it; nothing was written.
        """

        def run(session: Session) -> tuple[T, bool]:
            tx = Transaction(session, self._at(now), writer=writer, max_fact_days=self._max_fact_days)
            result = body(tx)
            tx.finish()
            return result, tx.changes_lines

        result, changed_lines = self.database.write(run)
        if changed_lines:
            self._lines_changed()
        return result

    def _at(self, now: datetime | None) -> Callable[[], datetime]:
        return self._clock if now is None else lambda: now


class _LineOutbox:
    """Lines that are to be written at the end of a transaction, in the order in which they are numbered."""

    def __init__(self) -> None:
        self.added: list[Mapping[str, Any]] = []
        self.changed: list[Mapping[str, Any]] = []
        self.chunks: list[Mapping[str, Any]] = []
        self.terms: list[Mapping[str, Any]] = []
        self._in_order: list[tuple[Mapping[str, Any], bool]] = []

    @property
    def is_used(self) -> bool:
        return bool(self._in_order)

    def take(self, row: Mapping[str, Any], *, placed: bool) -> None:
        self._in_order.append((row, placed))

    def write(self, session: Session) -> None:
        taken = numbers.take(session, "lines", len(self._in_order))
        given = {
            row["id"]: {"seq": number, **({"position": number} if placed else {})}
            for number, (row, placed) in zip(taken, self._in_order, strict=True)
        }
        # What moves away makes room for the tombstone that takes its place.
        for statement, rows in ((update(ArchivalLineRow), self.changed), (insert(ArchivalLineRow), self.added)):
            if rows:
                session.exec(statement, params=[{**row, **given[row["id"]]} for row in rows])
        for table, beside in ((LineChunkRow, self.chunks), (LineTermsRow, self.terms)):
            if beside:
                session.exec(insert(table), params=[*map(dict, beside)])


def _nothing() -> None:
    """Nobody is to be told."""
