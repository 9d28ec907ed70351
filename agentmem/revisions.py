"""Compare-and-set on one row of `memory_block`: the conflict rules in their order, and the writes that obey them.

Blocks and archival headers are rows of one table and follow one set of rules;
this is where they are written down once.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from sqlalchemy import bindparam
from sqlmodel import Session, and_, col, select, update

from agentmem import idempotency
from agentmem.aliases import current_user, find_current_user
from agentmem.changes import Change
from agentmem.database import RacedError
from agentmem.errors import ConflictError, InvalidInputError
from agentmem.models import Action, MemoryBlock, Scope
from agentmem.tables import BlockVersionRow, MemoryBlockRow
from agentmem.wording import Phrase

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy import ColumnElement

    from agentmem.records import ChangeAction
    from agentmem.transaction import Transaction

_TICK: Final = timedelta(microseconds=1)
_READ_AGAIN: Final = "read it again, apply your change to what it says now, and update with its updated_at"
_TOLD_AS: Final[Mapping[Action, ChangeAction]] = {
    "created": "added",
    "updated": "changed",
    "appended": "changed",
    "replaced": "changed",
    "deleted": "removed",
}


def of_user(tenant_id: str, user_id: str) -> ColumnElement[bool]:
    """That a row of `memory_block` is of this user, or of who they turned out to be, in whichever scope."""
    user = current_user(tenant_id, user_id)
    return and_(col(MemoryBlockRow.tenant_id) == tenant_id, col(MemoryBlockRow.user_id) == user)


def within(scope: Scope) -> ColumnElement[bool]:
    """Return the condition that a row of `memory_block` is of this scope."""
    return and_(of_user(scope.tenant_id, scope.user_id), col(MemoryBlockRow.agent_id) == (scope.agent_id or ""))


def left_behind(scope: Scope) -> ColumnElement[bool]:
    """That a row of `memory_block` still stands under the ids of this scope, whoever its user turned out to be."""
    user = and_(col(MemoryBlockRow.tenant_id) == scope.tenant_id, col(MemoryBlockRow.user_id) == scope.user_id)
    return and_(user, col(MemoryBlockRow.agent_id) == (scope.agent_id or ""))


def agent_ids(session: Session, tenant_id: str, user_id: str) -> list[str]:
    """Return the agents whose own blocks, archival and deleted ones included, still stand under this id."""
    statement = select(MemoryBlockRow.agent_id).where(
        MemoryBlockRow.tenant_id == tenant_id, MemoryBlockRow.user_id == user_id, MemoryBlockRow.agent_id != ""
    )
    return sorted(session.exec(statement.distinct()).all())


def scope_of(row: MemoryBlockRow) -> Scope:
    """Return the scope a row stands under."""
    return Scope(row.tenant_id, row.user_id, row.agent_id or None)


def find(session: Session, scope: Scope, block_type: str) -> MemoryBlockRow | None:
    """Return the row of a block, live or deleted."""
    return session.exec(_BLOCK, params=_named(scope, block_type)).one_or_none()


def find_live(session: Session, scope: Scope, block_type: str) -> MemoryBlockRow | None:
    """Return the row of a block that was not deleted."""
    row = find(session, scope, block_type)
    return None if row is None or row.deleted_at is not None else row


def find_to_write(tx: Transaction, scope: Scope, block_type: str) -> MemoryBlockRow | None:
    """Return the row of a live block as it is now, locked, in the transaction that is to change it.

    Its user is locked before, so that it stays as it is where there is none.

    Raises:
        InvalidInputError: It is read-only, and the writer respects that.
    """
    row = tx.session.exec(_BLOCK_TO_WRITE, params=_named(scope, block_type)).one_or_none()
    if row is None or row.deleted_at is not None:
        return None
    check_writable(tx, row)
    return row


def check_writable(tx: Transaction, row: MemoryBlockRow) -> None:
    """Raise InvalidInputError when a block is marked read-only, and the writer respects that."""
    if row.read_only and tx.writer.respects_read_only:
        raise InvalidInputError("it is read-only", field="block_type", advice="leave it as it is", code="read_only")


def marks(*, description: str | None, read_only: bool | None) -> dict[str, object]:
    """Return what is given of a block beside its content, by column; the rest is kept."""
    given = {"description": description, "read_only": read_only}
    return {name: value for name, value in given.items() if value is not None}


def may_write(live: MemoryBlock | None, expected: datetime | None, *, same: bool) -> bool:
    """Return whether an update may write: the conflict rules, in their order.

    Args:
        live: The block as it is stored now, `None` when there is none.
        expected: The `updated_at` the caller read, `None` to create.
        same: Whether what the caller wants is what is stored.

    Returns:
        True to write, False when it is written already.

    Raises:
        ConflictError: The caller has not seen what is stored now.
    """
    if expected is None:
        if live is not None:
            raise ConflictError(
                "None creates, and this block exists",
                field="expected_updated_at",
                advice=_READ_AGAIN,
                code="exists",
                current=live,
            )
        return True
    if live is None:
        raise ConflictError(
            "there is no such block now; it was deleted or never written",
            field="expected_updated_at",
            code="stale",
            advice=Phrase.CREATE_WITH_NONE,
        )
    if same:
        return False
    check_token(live, expected)
    return True


def check_token(live: MemoryBlock, expected: datetime) -> None:
    """Raise ConflictError unless `expected` names the stored version."""
    if live.updated_at != expected:
        raise ConflictError(
            "this block was changed since it was read",
            field="expected_updated_at",
            advice=_READ_AGAIN,
            code="stale",
            current=live,
        )


def create(tx: Transaction, scope: Scope, block_type: str, **values: object) -> MemoryBlockRow:
    """Write the first version of a block, or the next of a deleted one.

    Raises:
        RacedError: Another transaction wrote one in between.
    """
    if there := find(tx.session, scope, block_type):
        if there.deleted_at is None:
            raise RacedError
        return change(tx, there, created_at=tx.now, deleted_at=None, **values)
    row = MemoryBlockRow(
        id=uuid4().hex,
        tenant_id=scope.tenant_id,
        user_id=find_current_user(tx.session, scope.tenant_id, scope.user_id),
        agent_id=scope.agent_id or "",
        block_type=block_type,
        version=1,
        content="",
        description="",
        read_only=False,
        created_at=tx.now,
        updated_at=tx.now,
    )
    for name, value in values.items():
        setattr(row, name, value)
    tx.session.add(row)
    tx.session.flush()
    return row


def change(tx: Transaction, row: MemoryBlockRow, **values: object) -> MemoryBlockRow:
    """Write the next version of the row that was read, and of no other.

    Raises:
        RacedError: Another transaction wrote it in between.
    """
    updated_at = max(tx.now, row.updated_at + _TICK)
    statement = (
        update(MemoryBlockRow)
        .where(col(MemoryBlockRow.id) == row.id, col(MemoryBlockRow.updated_at) == row.updated_at)
        .values(updated_at=updated_at, version=row.version + 1, **values)
        .execution_options(synchronize_session=False)
    )
    if tx.session.exec(statement).rowcount != 1:
        raise RacedError
    tx.session.refresh(row)
    return row


def erase(tx: Transaction, row: MemoryBlockRow) -> None:
    """Delete a block: a tombstone without its texts, in its history and in what is kept of its writes too."""
    tombstone(tx, row)
    record(tx, row, "deleted")


def tombstone(tx: Transaction, row: MemoryBlockRow) -> None:
    """Do the same without a word about it: what it said is said elsewhere now."""
    change(tx, row, content="", description="", read_only=False, deleted_at=tx.now)
    tx.session.exec(
        update(BlockVersionRow).where(col(BlockVersionRow.block_id) == row.id).values(content="", description="")
    )
    idempotency.forget_block(tx.session, row.id)


def record(tx: Transaction, row: MemoryBlockRow, action: Action) -> None:
    """Add the row's present version to its history, and that there is one to the user's feed."""
    tx.session.add(
        BlockVersionRow(
            block_id=row.id,
            version=row.version,
            action=action,
            actor=tx.writer.actor,
            content=row.content,
            description=row.description,
            read_only=row.read_only,
            created_at=row.updated_at,
        )
    )
    told = Change("block", _TOLD_AS[action], row.id, version=row.version)
    tx.record(scope_of(row), [told], at=row.updated_at)


def block(row: MemoryBlockRow, *, content: str | None = None) -> MemoryBlock:
    """Return the row as a value; an archival header brings its lines' text along."""
    return MemoryBlock(
        id=row.id,
        block_type=row.block_type,
        content=row.content if content is None else content,
        scope="agent" if row.agent_id else "user",
        agent_id=row.agent_id or None,
        description=row.description,
        read_only=row.read_only,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _named(scope: Scope, block_type: str) -> dict[str, str]:
    """Return what the statements below are bound to."""
    owner = {"tenant_id": scope.tenant_id, "user_id": scope.user_id, "agent_id": scope.agent_id or ""}
    return {**owner, "block_type": block_type}


# Built once: building it takes longer than SQLite takes to answer it.
_BLOCK: Final = select(MemoryBlockRow).where(
    MemoryBlockRow.tenant_id == bindparam("tenant_id"),
    MemoryBlockRow.user_id == current_user(bindparam("tenant_id"), bindparam("user_id")),
    MemoryBlockRow.agent_id == bindparam("agent_id"),
    MemoryBlockRow.block_type == bindparam("block_type"),
)
_BLOCK_TO_WRITE: Final = _BLOCK.with_for_update().execution_options(populate_existing=True)
