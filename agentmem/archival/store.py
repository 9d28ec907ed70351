"""Archival memory in SQL, where the truth is: remember, read, update by difference, forget."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Final, cast
from uuid import uuid4

from sqlmodel import Session, col, select

from agentmem import inputs, revisions
from agentmem.archival import vectors
from agentmem.archival.lines import Draft, Limits, checked, keep, split
from agentmem.archival.rows import Transaction, block, find_of_user, live_rows
from agentmem.errors import NotFoundError
from agentmem.models import ArchivalLine, MemoryBlock, Scope, Source
from agentmem.receipts import Receipts
from agentmem.tables import ARCHIVAL, ArchivalLineRow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from agentmem.database import Database
    from agentmem.embedding import Embedder, Vectors

_IDS_AT_ONCE: Final = 500


class ArchivalStore:
    """The lines of every scope, under one header each.

    Every write moves the header's version in the same transaction, so an
    update of the whole text conflicts with a line added in between.

    Args:
        database: Where they are kept.
        embedder: What makes their vectors.
        clock: What time it is.
        limits: The most characters.
    """

    def __init__(self, database: Database, embedder: Embedder, clock: Callable[[], datetime], limits: Limits) -> None:
        self._database = database
        self._embedder = embedder
        self._clock = clock
        self._limits = limits

    def get(self, scope: Scope, *, deleted: bool = False) -> MemoryBlock:
        """The scope's lines as one block; a deleted one, without any, if asked for.

        Raises:
            NotFoundError: Nothing was written yet, or all of it was deleted.
        """
        with self._database.read() as session:
            header = revisions.find(session, scope, ARCHIVAL)
            if header is None or (header.deleted_at is not None and not deleted):
                raise NotFoundError(
                    "block_type: there is no archival memory in this scope; agent_id= names the agent whose own it is"
                )
            return block(session, header)

    def remember(
        self, scope: Scope, drafts: Sequence[Draft], *, actor: str, idempotency_key: str | None = None
    ) -> list[ArchivalLine]:
        """Add lines at the end, all of them or none, in input order.

        Raises:
            ConflictError: The idempotency key was used for other lines.
            InvalidInputError: A line is longer than the model reads, or the store has another model's vectors.
            BackendError: The model or the database could not do it.
        """
        receipts = Receipts(scope, idempotency_key, "remember", [list(asdict(draft).items()) for draft in drafts])
        with self._database.read() as session:
            if done := receipts.find(session):
                return _lines(session, scope, done)
        if not drafts:
            return []
        embedded = self._embedder.embed_lines([draft.content for draft in drafts])
        self._embedder.probe()  # before the transaction: nobody waits for a model

        def body(session: Session) -> list[ArchivalLine]:
            if done := receipts.find(session):
                return _lines(session, scope, done)
            embedder_id = vectors.stamp_embedder(session, self._embedder)
            writes = Transaction(session, scope, moment=revisions.now(self._clock), actor=actor)
            line_ids = [uuid4().hex for _ in drafts]
            receipts.keep(session, line_ids, writes.header.updated_at)
            writes.add(drafts, line_ids, embedder_id, [*embedded])
            return _lines(session, scope, line_ids)

        return self._database.write(body)

    def update(
        self,
        scope: Scope,
        content: str,
        *,
        expected: datetime | None,
        actor: str,
        description: str | None = None,
        read_only: bool | None = None,
    ) -> MemoryBlock:
        """Make the scope's text this one: lines that stay keep their id, vector and provenance.

        Raises:
            ConflictError: The stored text is another one than was read.
            InvalidInputError: A line is too long, or the store has another model's vectors.
        """
        texts = checked("content", split(inputs.text("content", content, empty=True)), self._limits)
        header: dict[str, object] = {}
        if description is not None:
            limit = self._limits.line_chars
            header["description"] = inputs.text("description", description, limit=limit, empty=True)
        if read_only is not None:
            header["read_only"] = inputs.flag("read_only", read_only)
        embedded = self._embed_new(scope, texts, everything=expected is None)

        def body(session: Session) -> MemoryBlock:
            row = revisions.find_live(session, scope, ARCHIVAL)
            lines = live_rows(session, row)
            live = None if row is None else block(session, row)
            same = [line.content for line in lines] == texts and all(
                getattr(live, name, None) == value for name, value in header.items()
            )
            if not revisions.may_write(live, expected, same=same):
                return cast("MemoryBlock", live)
            embedder_id = vectors.stamp_embedder(session, self._embedder) if embedded else 0
            writes = Transaction(session, scope, moment=revisions.now(self._clock), actor=actor, **header)
            writes.rewrite(lines, texts, embedder_id, embedded)
            return block(session, writes.header)

        return self._database.write(body)

    def forget_line(self, tenant_id: str, user_id: str, line_id: str, *, actor: str) -> None:
        """Delete one line of a user, in whichever scope; nothing happens when it is not theirs or not there."""

        def body(session: Session) -> None:
            header = find_of_user(session, tenant_id, user_id, line_id)
            if header is not None:
                scope = Scope(tenant_id, user_id, header.agent_id or None)
                Transaction(session, scope, moment=revisions.now(self._clock), actor=actor).bury([line_id])

        self._database.write(body)

    def delete(self, scope: Scope, *, expected: datetime | None, actor: str) -> None:
        """Delete every line of a scope; nothing happens when there is none.

        Raises:
            ConflictError: `expected` is given and the stored text is another one.
        """

        def body(session: Session) -> None:
            row = revisions.find_live(session, scope, ARCHIVAL)
            if row is None:
                return
            if expected is not None:
                revisions.check_token(block(session, row), expected)
            line_ids = [line.id for line in live_rows(session, row)]
            moment = revisions.now(self._clock)
            gone = {"description": "", "read_only": False, "deleted_at": moment}
            Transaction(session, scope, moment=moment, actor=actor, **gone).bury(line_ids)

        self._database.write(body)

    def _embed_new(self, scope: Scope, texts: Sequence[str], *, everything: bool) -> dict[str, Vectors]:
        """Vectors for the texts that are not stored yet, made before the transaction.

        If the caller's token still holds in the transaction, the lines are those seen here.
        """
        with self._database.read() as session:
            header = None if everything else revisions.find_live(session, scope, ARCHIVAL)
            known = [line.content for line in live_rows(session, header)]
        places = keep(known, texts)
        new = [
            (number, text) for number, (text, place) in enumerate(zip(texts, places, strict=True), 1) if place is None
        ]
        if not new:
            return {}
        self._embedder.probe()
        lines = [text for _, text in new]
        return dict(zip(lines, self._embedder.embed_lines(lines, numbers=[number for number, _ in new]), strict=True))


def _lines(session: Session, scope: Scope, line_ids: Sequence[str]) -> list[ArchivalLine]:
    """These lines in this order, without those forgotten since."""
    found: dict[str, ArchivalLineRow] = {}
    for start in range(0, len(line_ids), _IDS_AT_ONCE):
        some = col(ArchivalLineRow.id).in_(line_ids[start : start + _IDS_AT_ONCE])
        rows = session.exec(select(ArchivalLineRow).where(some, col(ArchivalLineRow.deleted_at).is_(None))).all()
        found.update((row.id, row) for row in rows)
    return [_line(scope, found[line_id]) for line_id in line_ids if line_id in found]


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
