"""Versioned text blocks: compare-and-set, append, replace, deletion and history."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, cast

from sqlalchemy import bindparam
from sqlmodel import Session, col, select, update

from agentmem import idempotency, inputs, revisions
from agentmem.aliases import current_user
from agentmem.errors import InvalidInputError, NotFoundError
from agentmem.idempotency import FirstResult
from agentmem.models import Action, BlockVersion, MemoryBlock, Scope
from agentmem.prepared import Prepared, moment
from agentmem.tables import ARCHIVAL, BlockVersionRow, MemoryBlockRow
from agentmem.wording import Phrase, Wording

if TYPE_CHECKING:
    import builtins
    from datetime import datetime

    from agentmem.transaction import Transaction, Transactions, Writer


class BlockStore:
    """The blocks of every scope, `archival` excepted.

    A write by someone who respects it is refused, in its own transaction, where
    the block is marked read-only.

    Args:
        transactions: What reads and writes them.
        max_chars: The most characters of one block.
    """

    def __init__(self, transactions: Transactions, *, max_chars: int) -> None:
        self._transactions = transactions
        self._max_chars = max_chars

    def list(self, scope: Scope, *, with_users: bool = False) -> list[MemoryBlock]:
        """Return the live blocks of a scope, by `block_type` in code point order.

        Args:
            scope: The scope.
            with_users: Whether its user's own come before an agent's.
        """
        agent = scope.agent_id or ""
        owner = {"tenant_id": scope.tenant_id, "user_id": scope.user_id}
        with self._transactions.read() as snapshot:
            found = _LIVE.rows(snapshot.session, **owner, agent=agent, other_agent="" if with_users else agent)
        return [_block(row) for row in sorted(found, key=itemgetter(0, 1))]

    def agent_ids(self, scope: Scope) -> builtins.list[str]:
        """Return the agents that keep a live block, archival included, of the scope's user, by code point."""
        statement = (
            select(MemoryBlockRow.agent_id)
            .where(
                revisions.of_user(scope.tenant_id, scope.user_id),
                MemoryBlockRow.agent_id != "",
                col(MemoryBlockRow.deleted_at).is_(None),
            )
            .distinct()
        )
        with self._transactions.read() as snapshot:
            return sorted(snapshot.session.exec(statement).all())

    def get(self, scope: Scope, block_type: str) -> MemoryBlock:
        """Return one block.

        Raises:
            NotFoundError: There is none.
        """
        with self._transactions.read() as snapshot:
            row = revisions.find_live(snapshot.session, scope, block_type)
        if row is None:
            raise _no_block()
        return revisions.block(row)

    def update(
        self,
        scope: Scope,
        block_type: str,
        content: str,
        *,
        expected: datetime | None,
        writer: Writer,
        description: str | None = None,
        read_only: bool | None = None,
    ) -> MemoryBlock:
        """Create a block, or replace the version that `expected` names.

        Raises:
            ConflictError: The stored block is another one.
            InvalidInputError: The content is over its limit or not text, or the block is read-only.
        """
        self._check(content)
        values = {"content": content, **revisions.marks(description=description, read_only=read_only)}

        def body(tx: Transaction) -> MemoryBlock:
            tx.lock(scope.tenant_id, scope.user_id)
            row = revisions.find_to_write(tx, scope, block_type)
            live = None if row is None else revisions.block(row)
            same = live is not None and all(getattr(live, name) == value for name, value in values.items())
            if not revisions.may_write(live, expected, same=same):
                assert live is not None  # noqa: S101 - only a live block can be the same
                return live
            return _write(tx, scope, block_type, row, action="updated", **values)

        return self._transactions.write(body, writer=writer)

    def append(
        self,
        scope: Scope,
        block_type: str,
        content: str,
        *,
        writer: Writer,
        idempotency_key: str | None = None,
    ) -> MemoryBlock:
        """Add text at the end, after one newline; a missing block is created.

        Raises:
            ConflictError: The idempotency key was used for another write.
            NotFoundError: What the idempotency key wrote was deleted since.
            InvalidInputError: The text is empty or not text, the block would be over its limit, or is read-only.
        """
        inputs.text("content", content, limit=self._max_chars)
        first = FirstResult(scope, idempotency_key, "append", [block_type, content])

        def body(tx: Transaction) -> MemoryBlock:
            tx.lock(scope.tenant_id, scope.user_id)
            if (done := first.find(tx.session)) is not None:
                return _as_of(tx.session, scope, block_type, done)
            row = revisions.find_to_write(tx, scope, block_type)
            joined = _joined("" if row is None else row.content, content)
            self._check(joined)
            block = _write(tx, scope, block_type, row, action="appended", content=joined)
            first.keep(tx.session, [str(block.version)], block.updated_at, block_id=block.id)
            return block

        return self._transactions.write(body, writer=writer)

    def replace(
        self,
        scope: Scope,
        block_type: str,
        old: str,
        new: str,
        *,
        writer: Writer,
        idempotency_key: str | None = None,
    ) -> MemoryBlock:
        """Replace the one place where `old` stands.

        Raises:
            ConflictError: The idempotency key was used for another write.
            NotFoundError: There is no such block, or what the idempotency key wrote was deleted since.
            InvalidInputError: `old` is empty or is not there exactly once, or the block would be over its limit, or is
                read-only.
        """
        inputs.text("old", old, empty=True)
        inputs.text("new", new, limit=self._max_chars, empty=True)
        first = FirstResult(scope, idempotency_key, "replace", [block_type, old, new])

        def body(tx: Transaction) -> MemoryBlock:
            tx.lock(scope.tenant_id, scope.user_id)
            if (done := first.find(tx.session)) is not None:
                return _as_of(tx.session, scope, block_type, done)
            row = revisions.find_to_write(tx, scope, block_type)
            if row is None:
                raise _no_block()
            content = _replaced(row.content, old, new)
            if content == row.content:
                block = revisions.block(row)
            else:
                self._check(content)
                block = _write(tx, scope, block_type, row, action="replaced", content=content)
            first.keep(tx.session, [str(block.version)], tx.now, block_id=block.id)
            return block

        return self._transactions.write(body, writer=writer)

    def delete(self, scope: Scope, block_type: str, *, expected: datetime | None, writer: Writer) -> None:
        """Delete a block with every text of its history; nothing happens when there is none.

        Raises:
            ConflictError: `expected` is given and the stored block is another one.
            InvalidInputError: The block is read-only.
        """

        def body(tx: Transaction) -> None:
            tx.lock(scope.tenant_id, scope.user_id)
            row = revisions.find_to_write(tx, scope, block_type)
            if row is None:
                return
            if expected is not None:
                revisions.check_token(revisions.block(row), expected)
            revisions.erase(tx, row)

        self._transactions.write(body, writer=writer)

    def history(self, scope: Scope, block_type: str) -> builtins.list[BlockVersion]:
        """Return every version of a block, oldest first, deletions included.

        Raises:
            NotFoundError: There never was such a block.
        """
        with self._transactions.read() as snapshot:
            row = revisions.find(snapshot.session, scope, block_type)
            if row is None:
                raise _no_block()
            statement = select(BlockVersionRow).where(BlockVersionRow.block_id == row.id)
            rows = snapshot.session.exec(statement.order_by(col(BlockVersionRow.version))).all()
        return [_version(row) for row in rows]

    def move(self, tx: Transaction, loser: Scope, winner: Scope) -> None:
        """Make the blocks of one scope another's, in a transaction that has locked both users and merges them.

        A block comes along with its history. Where the other scope has one of
        that name, what this one says is added at its end, be it then over the
        limit, and the history stays behind, empty.
        """
        idempotency.move(tx.session, loser, winner)
        statement = select(MemoryBlockRow).where(
            revisions.left_behind(loser),
            MemoryBlockRow.block_type != ARCHIVAL,
            col(MemoryBlockRow.deleted_at).is_(None),
        )
        for row in tx.session.exec(statement.order_by(col(MemoryBlockRow.block_type))).all():
            there = revisions.find(tx.session, winner, row.block_type)
            if there is None:
                mine = update(MemoryBlockRow).where(col(MemoryBlockRow.id) == row.id)
                tx.session.exec(mine.values(user_id=winner.user_id))
            else:
                _take_over(tx, winner, row, there)

    def _check(self, content: str) -> None:
        inputs.text("content", content, limit=self._max_chars, empty=True)


def _block(row: Any) -> MemoryBlock:  # noqa: ANN401 - a row of `_LIVE`
    agent_id, block_type, id_, content, description, read_only, version, created_at, updated_at = row
    return MemoryBlock(
        id=id_,
        block_type=block_type,
        content=content,
        scope="agent" if agent_id else "user",
        agent_id=agent_id or None,
        description=description,
        read_only=bool(read_only),
        version=version,
        created_at=moment(created_at),
        updated_at=moment(updated_at),
    )


def _write(
    tx: Transaction, scope: Scope, block_type: str, row: MemoryBlockRow | None, *, action: Action, **values: object
) -> MemoryBlock:
    if row is None:
        row = revisions.create(tx, scope, block_type, **values)
        revisions.record(tx, row, "created")
    else:
        row = revisions.change(tx, row, **values)
        revisions.record(tx, row, action)
    return revisions.block(row)


def _take_over(tx: Transaction, scope: Scope, row: MemoryBlockRow, there: MemoryBlockRow) -> None:
    """Write what one block says into the one of the same name in another scope, and leave a tombstone."""
    live = there if there.deleted_at is None else None
    values = {
        "content": there.content if row.content in {"", there.content} else _joined(there.content, row.content),
        "description": there.description or row.description,
        "read_only": there.read_only or row.read_only,
    }
    revisions.tombstone(tx, row)
    if live is None or any(getattr(there, name) != value for name, value in values.items()):
        _write(tx, scope, row.block_type, live, action="appended", **values)


def _joined(text: str, more: str) -> str:
    """Return two texts with one newline between them."""
    return text.removesuffix("\n") + "\n" + more if text else more


def _no_block() -> NotFoundError:
    return NotFoundError(
        "there is no such block in this scope",
        field="block_type",
        advice=Wording(Phrase.AGENT_ID, " names the agent whose own it is"),
    )


def _replaced(text: str, old: str, new: str) -> str:
    found = _occurrences(text, old) if old else 0
    if found != 1:
        rule = "it must be there exactly once" if old else "it must not be empty"
        raise InvalidInputError(f"found {found} times in the block", field="old", advice=rule)
    return text.replace(old, new)


def _occurrences(text: str, part: str) -> int:
    found, at = 0, text.find(part)
    while at >= 0:
        found, at = found + 1, text.find(part, at + 1)
    return found


def _as_of(session: Session, scope: Scope, block_type: str, versions: builtins.list[str]) -> MemoryBlock:
    """Return the block as a write with a key left it."""
    row = revisions.find(session, scope, block_type)
    then = session.get(BlockVersionRow, (row.id, int(versions[0]))) if row and versions else None
    if row is None or then is None:
        raise idempotency.deleted()
    return MemoryBlock(
        id=row.id,
        block_type=block_type,
        content=then.content,
        scope=scope.name,
        agent_id=scope.agent_id,
        description=then.description,
        read_only=then.read_only,
        version=then.version,
        created_at=row.created_at,
        updated_at=then.created_at,
    )


def _version(row: BlockVersionRow) -> BlockVersion:
    return BlockVersion(
        version=row.version,
        action=cast("Action", row.action),
        actor=row.actor,
        content=row.content,
        description=row.description,
        read_only=row.read_only,
        created_at=row.created_at,
    )


_LIVE: Final = Prepared(
    cast("Any", select)(  # it is typed for up to four columns
        MemoryBlockRow.agent_id,
        MemoryBlockRow.block_type,
        MemoryBlockRow.id,
        MemoryBlockRow.content,
        MemoryBlockRow.description,
        MemoryBlockRow.read_only,
        MemoryBlockRow.version,
        MemoryBlockRow.created_at,
        MemoryBlockRow.updated_at,
    ).where(
        MemoryBlockRow.tenant_id == bindparam("tenant_id"),
        MemoryBlockRow.user_id == current_user(bindparam("tenant_id"), bindparam("user_id")),
        col(MemoryBlockRow.agent_id).in_([bindparam("agent"), bindparam("other_agent")]),
        MemoryBlockRow.block_type != ARCHIVAL,
        col(MemoryBlockRow.deleted_at).is_(None),
    )
)
