"""Archival memory in SQL, where the truth is: remember, read, update by difference, forget."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Final, cast
from uuid import uuid4

from sqlmodel import Session, col, select

from agentmem import idempotency, inputs, revisions
from agentmem.archival.index import vectors
from agentmem.archival.lines import learn, merge
from agentmem.archival.lines.drafts import Draft, IndexedLine, Limits, checked, keep, split
from agentmem.archival.lines.rows import (
    LineWrites,
    MadeBy,
    block,
    find_of_user,
    last_number,
    live_rows,
    newest,
    visible,
    written_since,
)
from agentmem.database import in_batches
from agentmem.errors import NotFoundError
from agentmem.idempotency import FirstResult
from agentmem.models import ArchivalLine, MemoryBlock, Scope, Source
from agentmem.tables import ARCHIVAL, ArchivalLineRow
from agentmem.wording import Phrase, Wording

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from agentmem.embedding import Embedder
    from agentmem.text.analyzer import Analyzer
    from agentmem.transaction import Snapshot, Transaction, Transactions, Writer


class ArchivalStore:
    """The lines of every scope, under one header each.

    Every write moves the header's version in the same transaction, so an
    update of the whole text conflicts with a line added in between. A write by
    someone who respects it is refused, in its own transaction, where the header
    is marked read-only.

    Args:
        transactions: What reads and writes them.
        embedder: What makes their vectors.
        analyzer: What splits them into words.
        limits: The most characters.
    """

    def __init__(self, transactions: Transactions, embedder: Embedder, analyzer: Analyzer, limits: Limits) -> None:
        self._transactions = transactions
        self._embedder = embedder
        self._analyzer = analyzer
        self._limits = limits

    def get(self, scope: Scope, *, deleted: bool = False) -> MemoryBlock:
        """Return the scope's lines as one block; a deleted one, without any, if asked for.

        Raises:
            NotFoundError: Nothing was written yet, or all of it was deleted.
        """
        with self._transactions.read() as snapshot:
            header = revisions.find(snapshot.session, scope, ARCHIVAL)
            if header is None or (header.deleted_at is not None and not deleted):
                raise NotFoundError(
                    "there is no archival memory in this scope",
                    field="block_type",
                    advice=Wording(Phrase.AGENT_ID, " names the agent whose own it is"),
                )
            return block(snapshot.session, header, after=snapshot.hidden_until(scope))

    def remember(
        self,
        scope: Scope,
        drafts: Sequence[Draft],
        *,
        writer: Writer,
        idempotency_key: str | None = None,
    ) -> list[ArchivalLine]:
        """Add lines at the end, all of them or none, in input order.

        Raises:
            ConflictError: The idempotency key was used for other lines.
            NotFoundError: All that the idempotency key wrote was deleted since.
            InvalidInputError: The store has another model's vectors, or archival memory is read-only.
            BackendError: The model or the database could not do it.
        """
        first = FirstResult(scope, idempotency_key, "remember", [list(asdict(draft).items()) for draft in drafts])
        with self._transactions.read() as snapshot:
            if (done := first.find(snapshot.session)) is not None:
                return _left(snapshot.session, scope, done, drafts)
        if not drafts and idempotency_key is None:
            return []
        entries = self.entries(drafts)

        def body(tx: Transaction) -> list[ArchivalLine]:
            tx.lock(scope.tenant_id, scope.user_id)
            if (done := first.find(tx.session)) is not None:
                return _left(tx.session, scope, done, drafts)
            if not drafts:
                first.keep(tx.session, [], tx.now, block_id=None)
                return []
            live = revisions.find_to_write(tx, scope, ARCHIVAL)
            made_by = self._made_by(tx.session)
            writes = LineWrites(tx, scope, live)
            line_ids = [uuid4().hex for _ in drafts]
            first.keep(tx.session, line_ids, tx.now, block_id=writes.header.id)
            writes.add(entries, line_ids, made_by, idempotency_key=idempotency_key)
            return [_new(scope, line_id, draft, tx.now) for line_id, draft in zip(line_ids, drafts, strict=True)]

        return self._transactions.write(body, writer=writer)

    def update(
        self,
        scope: Scope,
        content: str,
        *,
        expected: datetime | None,
        writer: Writer,
        description: str | None = None,
        read_only: bool | None = None,
    ) -> MemoryBlock:
        """Make the scope's text this one: lines that stay keep their id, vector and provenance.

        Raises:
            ConflictError: The stored text is another one than was read.
            InvalidInputError: A line is too long, the store has another model's vectors, or archival memory is
                read-only.
        """
        texts = checked("content", split(inputs.text("content", content, empty=True)), self._limits)
        header = revisions.marks(description=description, read_only=read_only)
        new, after = self._new_entries(scope, texts, everything=expected is None)

        def body(tx: Transaction) -> MemoryBlock:
            tx.lock(scope.tenant_id, scope.user_id)
            row = revisions.find_to_write(tx, scope, ARCHIVAL)
            lines = live_rows(tx.session, row, after=after)
            live = None if row is None else block(tx.session, row, after=after)
            same = [line.content for line in lines] == texts and all(
                getattr(live, name, None) == value for name, value in header.items()
            )
            if not revisions.may_write(live, expected, same=same):
                return cast("MemoryBlock", live)
            made_by = self._made_by(tx.session) if new else _NOBODY
            writes = LineWrites(tx, scope, row, **header)
            writes.rewrite(lines, texts, new, made_by)
            return revisions.block(writes.header, content="\n".join(texts))

        return self._transactions.write(body, writer=writer)

    def forget_line(self, tenant_id: str, user_id: str, line_id: str, *, writer: Writer) -> None:
        """Delete one line of a user, in whichever scope; nothing happens when it is not theirs or not there.

        Raises:
            InvalidInputError: The archival memory it is in is read-only.
        """

        def body(tx: Transaction) -> None:
            tx.lock(tenant_id, user_id)
            header = find_of_user(tx.session, tenant_id, user_id, line_id)
            if header is None:
                return
            revisions.check_writable(tx, header)
            LineWrites(tx, revisions.scope_of(header), header).forget([line_id])

        self._transactions.write(body, writer=writer)

    def delete(self, scope: Scope, *, expected: datetime | None, writer: Writer) -> None:
        """Delete every line of a scope; nothing happens when there is none.

        Raises:
            ConflictError: `expected` is given and the stored text is another one.
            InvalidInputError: Archival memory is read-only.
        """

        def body(tx: Transaction) -> None:
            tx.lock(scope.tenant_id, scope.user_id)
            row = revisions.find_to_write(tx, scope, ARCHIVAL)
            if row is None:
                return
            if expected is not None:
                revisions.check_token(block(tx.session, row, after=tx.hidden_until(scope)), expected)
            line_ids = [line.id for line in live_rows(tx.session, row)]
            gone = {"description": "", "read_only": False, "deleted_at": tx.now}
            LineWrites(tx, scope, row, **gone).forget(line_ids)

        self._transactions.write(body, writer=writer)

    def entries(self, drafts: Sequence[Draft]) -> list[IndexedLine]:
        """Return the lines with what they are found by, made before the transaction: nobody waits for a model.

        Raises:
            BackendError: The model could not do it.
        """
        if not drafts:
            return []
        self._embedder.probe()
        embedded = self._embedder.embed_lines([draft.content for draft in drafts])
        return [
            IndexedLine(
                draft,
                vectors,
                self._analyzer.bag(draft.content, speaker=draft.speaker, occurred_at=draft.occurred_at),
            )
            for draft, vectors in zip(drafts, embedded, strict=True)
        ]

    def learn(
        self,
        tx: Transaction,
        scope: Scope,
        *,
        add: Sequence[IndexedLine],
        confirm: Mapping[str, float],
        supersede: Mapping[str, IndexedLine],
    ) -> list[str]:
        """Write what a conversation taught, in a transaction that has locked the user.

        A line that is gone or hidden by now is not confirmed, and what was to
        take its place is new.

        Args:
            tx: The transaction.
            scope: Whose lines.
            add: What is new.
            confirm: Lines that were said again, by id, with how sure that is; the higher confidence is kept.
            supersede: Lines that are no longer so, by id, with what is so instead; one entry may replace several.

        Returns:
            The ids of the lines that are new, those of `add` first.

        Raises:
            InvalidInputError: The store has another model's vectors.
        """
        return learn.learn(tx, scope, add=add, confirm=confirm, supersede=supersede, made_by=self._made_by)

    def move(self, tx: Transaction, loser: Scope, winner: Scope) -> None:
        """Put the lines of one scope after those of another, in a transaction that has locked both users.

        They stay themselves: id, provenance, times, vectors and words. The other
        archival memory's description counts, where there is one.
        """
        merge.move(tx, loser, winner)

    def lines(self, snapshot: Snapshot, scope: Scope, line_ids: Sequence[str]) -> dict[str, str]:
        """What these lines say, by id, without those that are not in the scope, deleted or past their retention."""
        found = visible(snapshot, scope, line_ids)
        return {line_id: line.content for line_id, line in found.items()}

    def newest(
        self,
        snapshot: Snapshot,
        scope: Scope,
        *,
        limit: int,
        min_confidence: float,
        without_source: Source | None = None,
    ) -> list[ArchivalLine]:
        """Return the lines of a scope that are sure enough, the one written or confirmed last first.

        Args:
            snapshot: What they are read from.
            scope: Whose lines.
            limit: How many at most.
            min_confidence: How sure they must be.
            without_source: A source whose lines are left out.
        """
        rows = newest(snapshot, scope, limit=limit, min_confidence=min_confidence, without_source=without_source)
        return [_line(scope, row) for row in rows]

    def last_number(self, snapshot: Snapshot, scope: Scope) -> int:
        """Return the number of the last change of a scope's lines, 0 where there were never any."""
        return last_number(snapshot, scope)

    def written_since(
        self, snapshot: Snapshot, scope: Scope, number: int, *, limit: int, without_source: Source
    ) -> dict[str, str]:
        """Return what lines say that were written or confirmed after a number was taken, by id.

        Args:
            snapshot: What they are read from.
            scope: Whose lines.
            number: What `last_number` told.
            limit: How many at most; the last ones count.
            without_source: A source whose lines are left out.
        """
        rows = written_since(snapshot, scope, number, limit=limit, without_source=without_source)
        return {row.id: row.content for row in rows}

    def _new_entries(
        self, scope: Scope, texts: Sequence[str], *, everything: bool
    ) -> tuple[dict[str, IndexedLine], datetime | None]:
        """Return the texts that are not stored yet, and up to when what is stored counts as hidden.

        If the caller's token still holds in the transaction, the lines are those seen here.
        """
        with self._transactions.read() as snapshot:
            after = snapshot.hidden_until(scope)
            header = None if everything else revisions.find_live(snapshot.session, scope, ARCHIVAL)
            known = [line.content for line in live_rows(snapshot.session, header, after=after)]
        places = keep(known, texts)
        new = dict.fromkeys(text for text, place in zip(texts, places, strict=True) if place is None)
        entries = self.entries([Draft(text, source="operator") for text in new])
        return {entry.draft.content: entry for entry in entries}, after

    def _made_by(self, session: Session) -> MadeBy:
        return MadeBy(vectors.stamp_embedder(session, self._embedder), self._analyzer.made_by)


_NOBODY: Final = MadeBy(0, "")


def _left(session: Session, scope: Scope, line_ids: Sequence[str], drafts: Sequence[Draft]) -> list[ArchivalLine]:
    """Return what is left of the lines that a write with a key stored, when it is repeated."""
    lines = _lines(session, scope, line_ids)
    if line_ids and not lines:
        raise idempotency.deleted()
    if not {line.content for line in lines} <= {draft.content for draft in drafts}:
        raise idempotency.used()
    return lines


def _lines(session: Session, scope: Scope, line_ids: Sequence[str]) -> list[ArchivalLine]:
    """These lines in this order, without those forgotten since."""
    found: dict[str, ArchivalLineRow] = {}
    for some in in_batches(line_ids):
        statement = select(ArchivalLineRow).where(
            col(ArchivalLineRow.id).in_(some), col(ArchivalLineRow.deleted_at).is_(None)
        )
        found.update((row.id, row) for row in session.exec(statement).all())
    return [_line(scope, found[line_id]) for line_id in line_ids if line_id in found]


def _new(scope: Scope, line_id: str, draft: Draft, moment: datetime) -> ArchivalLine:
    """A line as it was just added."""
    return ArchivalLine(
        id=line_id,
        content=draft.content,
        scope=scope.name,
        agent_id=scope.agent_id,
        speaker=draft.speaker,
        source=draft.source,
        confidence=draft.confidence,
        conversation_id=draft.conversation_id,
        occurred_at=draft.occurred_at,
        created_at=moment,
        updated_at=moment,
    )


def _line(scope: Scope, row: ArchivalLineRow) -> ArchivalLine:
    return ArchivalLine(
        id=row.id,
        content=row.content,
        scope=scope.name,
        agent_id=scope.agent_id,
        speaker=row.speaker,
        source=cast("Source", row.source),
        confidence=row.confidence,
        conversation_id=row.conversation_id,
        occurred_at=row.occurred_at,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
