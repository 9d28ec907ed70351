"""Forgetting: what one agent knows of someone, or everything there is of them, with a receipt."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from sqlmodel import Session, col, delete, func, select, update

from agentmem import changes, revisions
from agentmem.agents import threads
from agentmem.aliases import ids_of
from agentmem.archival.lines import expire
from agentmem.archival.lines.rows import LineWrites, live_rows
from agentmem.changes import Change
from agentmem.contacts.parts import PARTS
from agentmem.contacts.reading import find_header
from agentmem.contacts.writing import erase_memory
from agentmem.conversations.contexts import NO_CONTEXT
from agentmem.errors import BackendError
from agentmem.models import Scope
from agentmem.records import ForgetReceipt
from agentmem.retention import traces
from agentmem.tables import (
    ARCHIVAL,
    IN_MEMORY,
    ArchivalLineRow,
    ContactIdentifierRow,
    ContactMemoryRow,
    ContactRow,
    ConversationRow,
    IdempotencyKeyRow,
    MemoryBlockRow,
    MemoryChangeRow,
    SearchIndexRow,
    ThreadRow,
)
from agentmem.transaction import Writer
from agentmem.wording import Phrase, Wording

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement
    from sqlmodel.sql.expression import SelectOfScalar

    from agentmem.archival.index.protocol import IndexFeed
    from agentmem.transaction import Transaction, Transactions


_OPERATOR: Final = Writer("operator")


class Checkpointer(Protocol):
    """What keeps the threads of LangGraph: any of its savers."""

    def delete_thread(self, thread_id: str) -> None:
        """Delete every checkpoint of a thread."""


class Forgetting:
    """Erases what is known of a person, under any id of theirs.

    Args:
        transactions: What reads and writes it.
        index: What holds vectors of it.
    """

    def __init__(self, transactions: Transactions, index: IndexFeed) -> None:
        self._transactions = transactions
        self._database = transactions.database
        self._index = index

    def reset(self, scope: Scope, *, writer: Writer) -> None:
        """Let an agent know nothing more of a contact.

        Its blocks, its lines and its contact memory of them are deleted. The
        conversations and the entries of the feed stay, and say nothing.

        Args:
            scope: The contact and the agent.
            writer: Who wants it.
        """
        self._transactions.write(partial(_reset, scope=scope), writer=writer)

    def forget(
        self, tenant_id: str, user_id: str, *, wait: bool, checkpointer: Checkpointer | None = None
    ) -> ForgetReceipt:
        """Erase every row of a person in one transaction; the receipt of someone unknown says that there was nothing.

        Args:
            tenant_id: The account.
            user_id: The person.
            wait: Whether to remove the traces in the index and in the files now.
            checkpointer: What keeps their threads, which it is told to delete. With it or not, nobody gets into them
                again.

        Raises:
            BackendError: The database or the checkpointer could not do it.
        """
        named = self._threads(tenant_id, user_id) if checkpointer else set[str]()
        _delete_threads(checkpointer, named)  # a checkpointer that fails leaves everything to be asked for again
        keeps = checkpointer is not None
        erase = partial(self._erase, tenant_id=tenant_id, user_id=user_id, keeps_threads=keeps)
        erased = self._transactions.write(erase, writer=_OPERATOR)
        if checkpointer:
            _delete_threads(checkpointer, erased.threads)  # once more: a run of theirs may have gone on meanwhile
            self._transactions.write(partial(threads.empty, thread_ids=erased.threads), writer=_OPERATOR)
        left = traces.remove(self._database, self._index) if wait else traces.pending(self._database, self._index)
        with self._database.read() as session:
            urls = session.exec(select(SearchIndexRow.url)).all()
        return ForgetReceipt(
            done=tuple(_done(erased, with_threads=checkpointer is not None)),
            pending=left,
            out_of_reach=tuple(
                _out_of_reach(urls, is_file=self._database.is_file, with_threads=checkpointer is not None)
            ),
        )

    def _threads(self, tenant_id: str, user_id: str) -> set[str]:
        with self._database.read() as session:
            return _threads_of(session, tenant_id, ids_of(session, tenant_id, user_id))

    def _erase(self, tx: Transaction, *, tenant_id: str, user_id: str, keeps_threads: bool) -> _Erased:
        """Erase all but, if they are kept, the names of the threads: those are erased when the threads are."""
        session = tx.session
        tx.lock(tenant_id, user_id)
        ids = ids_of(session, tenant_id, user_id)
        begun = _threads_of(session, tenant_id, ids)
        counts = {what: session.exec(statement).one() for what, statement in _counts(tenant_id, ids).items()}
        contact = col(ContactRow.tenant_id) == tenant_id, col(ContactRow.id).in_(ids)
        entry = col(MemoryChangeRow.tenant_id) == tenant_id, col(MemoryChangeRow.user_id).in_(ids)
        key = col(IdempotencyKeyRow.tenant_id) == tenant_id, col(IdempotencyKeyRow.user_id).in_(ids)
        session.exec(delete(ContactRow).where(*contact))  # and with it conversations, messages, contact memory
        session.exec(delete(MemoryChangeRow).where(*entry))
        session.exec(delete(IdempotencyKeyRow).where(*key))
        if keeps_threads:
            threads.keep(tx, Scope(tenant_id, user_id), begun)
        else:
            threads.empty(tx, begun)
        tombstones = expire.erase(session, tenant_id, ids)
        if self._database.is_file and (tombstones or any(counts.values())):
            traces.note(session)
        return _Erased(counts, begun)


def _reset(tx: Transaction, *, scope: Scope) -> None:
    session = tx.session
    tx.lock(scope.tenant_id, scope.user_id)
    user_id, *_ = ids_of(session, scope.tenant_id, scope.user_id)
    scope = Scope(scope.tenant_id, user_id, scope.agent_id)
    agent_id = scope.agent_id or ""
    known = find_header(session, scope) is not None
    erase_memory(session, scope)
    session.exec(
        update(ConversationRow)
        .where(
            col(ConversationRow.tenant_id) == scope.tenant_id,
            col(ConversationRow.contact_id) == user_id,
            col(ConversationRow.agent_id) == agent_id,
        )
        .values(_NOTHING_SAID)
    )
    blocks = select(MemoryBlockRow).where(revisions.within(scope), col(MemoryBlockRow.deleted_at).is_(None))
    for row in session.exec(blocks.order_by(col(MemoryBlockRow.id)).with_for_update()).all():
        known = True
        if row.block_type == ARCHIVAL:
            gone = {"description": "", "read_only": False, "deleted_at": tx.now}
            LineWrites(tx, scope, row, **gone).tombstone([line.id for line in live_rows(session, row)])
        else:
            revisions.erase(tx, row)
    changes.empty(
        session,
        col(MemoryChangeRow.tenant_id) == scope.tenant_id,
        col(MemoryChangeRow.user_id) == user_id,
        col(MemoryChangeRow.agent_id) == agent_id,
    )
    if known:
        tx.record(scope, [Change("memory", "removed", agent_id)])


@dataclass(frozen=True, slots=True)
class _Erased:
    """How many of each kind were erased, and the person's threads."""

    counts: Mapping[str, int]
    threads: set[str]


def _counts(tenant_id: str, ids: Sequence[str]) -> dict[str, SelectOfScalar[int]]:
    """Return how many there are of each kind of what a user sees, as statements."""
    block, line = MemoryBlockRow, ArchivalLineRow
    blocks = col(block.tenant_id) == tenant_id, col(block.user_id).in_(ids), col(block.deleted_at).is_(None)
    lines = col(line.block_id).in_(select(block.id).where(*blocks)), col(line.deleted_at).is_(None)
    memories = col(ContactMemoryRow.tenant_id) == tenant_id, col(ContactMemoryRow.contact_id).in_(ids)
    below = select(ContactMemoryRow.id).where(*memories)
    chosen: dict[str, tuple[ColumnElement[bool], ...]] = {
        "blocks, with their histories": (*blocks, col(block.block_type) != ARCHIVAL),
        "archival lines, with their vectors and words": lines,
        **{part.label: (part.memory_id.in_(below),) for part in PARTS},
        "summaries": (*memories, col(ContactMemoryRow.summary).is_not(None)),
        "conversations": (col(ConversationRow.tenant_id) == tenant_id, col(ConversationRow.contact_id).in_(ids)),
        "identifiers": (
            col(ContactIdentifierRow.tenant_id) == tenant_id,
            col(ContactIdentifierRow.contact_id).in_(ids),
        ),
        "contacts": (col(ContactRow.tenant_id) == tenant_id, col(ContactRow.id).in_(ids)),
        "records of changes": (col(MemoryChangeRow.tenant_id) == tenant_id, col(MemoryChangeRow.user_id).in_(ids)),
        "idempotency keys": (col(IdempotencyKeyRow.tenant_id) == tenant_id, col(IdempotencyKeyRow.user_id).in_(ids)),
        "threads": (col(ThreadRow.tenant_id) == tenant_id, col(ThreadRow.user_id).in_(ids)),
    }
    return {what: select(func.count()).where(*conditions) for what, conditions in chosen.items()}


def _threads_of(session: Session, tenant_id: str, user_ids: Sequence[str]) -> set[str]:
    statement = select(ConversationRow.thread_id).where(
        ConversationRow.tenant_id == tenant_id, col(ConversationRow.contact_id).in_(user_ids)
    )
    spoken_in = {thread_id for thread_id in session.exec(statement) if thread_id is not None}
    return threads.of_person(session, tenant_id, user_ids, spoken_in)


def _delete_threads(checkpointer: Checkpointer | None, thread_ids: Iterable[str]) -> None:
    if checkpointer is None:
        return
    for thread_id in sorted(thread_ids):
        try:
            checkpointer.delete_thread(thread_id)
        except Exception as error:
            raise BackendError(
                f"it failed with {type(error).__name__}", field="checkpointer", advice="forget the user again"
            ) from error


def _done(erased: _Erased, *, with_threads: bool) -> Iterator[str]:
    yield from (f"{what}: {count:,}" for what, count in erased.counts.items() if count)
    if not any(erased.counts.values()):
        yield "nothing was kept of this user"
    if with_threads:
        yield f"LangGraph threads: {len(erased.threads):,}"


def _out_of_reach(index_urls: Sequence[str | None], *, is_file: bool, with_threads: bool) -> Iterator[str]:
    """Yield where copies may be.

    Args:
        index_urls: How the indexes are known, None for one in a folder.
        is_file: Whether the database is a SQLite file.
        with_threads: Whether a checkpointer was told.
    """
    yield "backups and other copies of the database and of the index"
    if not is_file:
        yield "the database server: its write-ahead log, and pages that it has not vacuumed yet"
    if index_urls.count(None) > 1 and not is_file:
        yield "index folders of other computers, each until it is opened there again"
    servers = {url.startswith(IN_MEMORY) for url in index_urls if url is not None}
    if False in servers:
        yield "the server of the search index: its files may hold vectors that were deleted in it"
    if True in servers:
        yield "search indexes in the memory of other processes, each until its next search"
    named = ", of threads that memory had no part in" if with_threads else Phrase.HAND_OVER_CHECKPOINTER
    yield Wording("LangGraph checkpoints", named)
    yield "logs of this program, and of the providers of its models"


_NOTHING_SAID: Final[Mapping[str, object]] = {
    "context": NO_CONTEXT,
    "state": None,
    "qa": None,
    "handoff_to": None,
    "handoff_reason": None,
    "extraction_note": None,
    "extraction": "none",
    "claim": None,
    "claimed_until": None,
}
