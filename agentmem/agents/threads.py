"""Whose a LangGraph thread is: a row for each, which the first to begin it writes, and what others left in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import bindparam, null, union_all
from sqlmodel import Session, col, delete, select

from agentmem import inputs
from agentmem.agents.graphs import ForeignThreadError, fingerprint, key_of
from agentmem.agents.ledger import DIGEST_LENGTH, DOUBT, MOST_KEPT, MOST_REFUSED, KnownMessages
from agentmem.aliases import current_user, ids_of
from agentmem.database import in_batches
from agentmem.errors import InvalidInputError
from agentmem.models import Scope
from agentmem.prepared import Prepared
from agentmem.tables import RefusedMessageRow, ThreadRow
from agentmem.transaction import Writer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agentmem.agents.ledger import RefusedRun, SortedOut
    from agentmem.transaction import Transaction, Transactions

_NOBODY = ""
_AGENT: Final = Writer("agent")


class ThreadStore:
    """The threads of every tenant.

    A thread lives in a checkpointer, which knows no tenants: its id is one for
    the whole store. Whoever was merged into another is the same person here.

    Args:
        transactions: What reads and writes whose they are.
    """

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def find(self, scope: Scope, thread_id: str) -> KnownMessages | None:
        """Return what is known of someone's own thread; `None` where nobody began it.

        Raises:
            ForeignThreadError: It is someone else's.
            InvalidInputError: Others left too much in it.
        """
        with self._transactions.read() as snapshot:
            return _found(snapshot.session, scope, key_of(thread_id))

    def claim(self, scope: Scope, thread_id: str) -> KnownMessages:
        """Make a thread someone's that nobody began; of two who do it at once, one comes second.

        Returns:
            What is known of it.

        Raises:
            ForeignThreadError: It is someone else's.
            InvalidInputError: Its id is no text that a store keeps, or others left too much in it.
        """
        inputs.text("thread_id", thread_id, empty=True)
        key = key_of(thread_id)

        def body(tx: Transaction) -> KnownMessages:
            session = tx.session
            tx.lock(scope.tenant_id, scope.user_id)
            found = _found(session, scope, key)
            if found is not None:
                return found
            row = ThreadRow(
                key=key, thread_id=thread_id, tenant_id=scope.tenant_id, user_id=scope.user_id, created_at=tx.now
            )
            session.add(row)
            session.flush()  # a second one is refused by the key, and reads again
            return KnownMessages((), _refused(session, key))

        return self._transactions.write(body, writer=_AGENT)

    def note(self, thread_id: str, sorted_out: SortedOut) -> None:
        """Note what a step of a thread's own user saw for the first time."""
        key = key_of(thread_id)

        def body(tx: Transaction) -> None:
            session = tx.session
            row = session.exec(_THREAD_TO_WRITE, params={"key": key}).one_or_none()
            if row is None or not row.user_id:  # its user was forgotten meanwhile: nothing of theirs is kept
                return
            if sorted_out.own:
                seen = set(sorted_out.own)
                kept = [one for one in _digests(row.ledger) if one not in seen]
                row.ledger = "".join([*kept, *sorted_out.own][-MOST_KEPT:])
            _add_refused(session, key, sorted_out.foreign)
            if sorted_out.is_settled:
                session.exec(
                    delete(RefusedMessageRow).where(
                        col(RefusedMessageRow.thread_key) == key, col(RefusedMessageRow.message_key) == DOUBT
                    )
                )

        self._transactions.write(body, writer=_AGENT)

    def refuse(self, thread_id: str, refused: RefusedRun) -> None:
        """Note what somebody left in a thread that is another's: what its own user's steps never saw."""
        key = key_of(thread_id)

        def body(tx: Transaction) -> None:
            session = tx.session
            found = _noted(session, key)
            known = KnownMessages(_digests(next((row.ledger for row in found if row.ledger), "")), _keys(found))
            left = known.unknown(refused.digests) if known.own else refused.turn
            # What refused it may be shown a part of the thread alone.
            _add_refused(session, key, [DOUBT, *refused.calls, *left])

        self._transactions.write(body, writer=_AGENT)

    def require_begun(self, begun_by: str, scope: Scope, *, agent: bool) -> None:
        """Refuse a thread by what its state says of who began it; it may say nothing.

        Args:
            begun_by: The fingerprint in the state.
            scope: Who wants to go on with it, with which agent.
            agent: Whether it has to be the same agent, too.

        Raises:
            ForeignThreadError: It is someone else's.
            InvalidInputError: It was begun with another agent.
        """
        if not begun_by or begun_by == fingerprint(scope):
            return
        with self._transactions.read() as snapshot:
            ids = {scope.user_id, *ids_of(snapshot.session, scope.tenant_id, scope.user_id)}
        own = [fingerprint(Scope(scope.tenant_id, one, scope.agent_id)) for one in ids]
        if begun_by.partition(".")[0] not in {one.partition(".")[0] for one in own}:
            raise ForeignThreadError.of_another_user()
        if agent and begun_by not in own:
            raise InvalidInputError(
                "this thread was begun with another agent, or the parts of the graph name different ones",
                field="agent_id",
                advice="give every part (middleware, nodes, tools) the same agent_id or leave it to the "
                "context, and start a new thread for another agent",
            )

    def is_one_person(self, tenant_id: str, one: str, other: str) -> bool:
        """Return whether two ids are of one person, who was merged."""
        with self._transactions.read() as snapshot:
            return _is_one_person(snapshot.session, tenant_id, one, other)


def of_person(session: Session, tenant_id: str, user_ids: Sequence[str], spoken_in: Iterable[str]) -> set[str]:
    """Return the ids of a person's threads.

    Args:
        session: A snapshot or a transaction.
        tenant_id: The account.
        user_ids: Every id of theirs.
        spoken_in: The threads of their conversations; those that somebody else began are not theirs.
    """
    own = col(ThreadRow.tenant_id) == tenant_id, col(ThreadRow.user_id).in_(user_ids)
    named = set(session.exec(select(ThreadRow.thread_id).where(*own)))
    by_key = {key_of(thread_id): thread_id for thread_id in spoken_in}
    for keys in in_batches(sorted(by_key)):
        begun = session.exec(select(ThreadRow.key).where(col(ThreadRow.key).in_(keys))).all()
        named.update(by_key[key] for key in keys if key not in begun)
    return {thread_id for thread_id in named if thread_id is not None}


def keep(tx: Transaction, scope: Scope, thread_ids: Iterable[str]) -> None:
    """Give every thread of a person a row, so that they are found once nothing else names them."""
    by_key = {key_of(thread_id): thread_id for thread_id in thread_ids}
    for keys in in_batches(sorted(by_key)):
        begun = tx.session.exec(select(ThreadRow.key).where(col(ThreadRow.key).in_(keys))).all()
        tx.session.add_all(
            ThreadRow(
                key=key,
                thread_id=by_key[key],
                tenant_id=scope.tenant_id,
                user_id=scope.user_id,
                created_at=tx.now,
            )
            for key in keys
            if key not in begun
        )


def empty(tx: Transaction, thread_ids: Iterable[str]) -> None:
    """Leave threads to nobody, those too of which it was not known whose they are."""
    for keys in in_batches(sorted(map(key_of, thread_ids))):
        _delete(tx.session, keys)
        tx.session.add_all(
            ThreadRow(key=key, thread_id=None, tenant_id=_NOBODY, user_id=_NOBODY, created_at=tx.now) for key in keys
        )


def _delete(session: Session, keys: Sequence[str]) -> None:
    session.exec(delete(ThreadRow).where(col(ThreadRow.key).in_(keys)))
    session.exec(delete(RefusedMessageRow).where(col(RefusedMessageRow.thread_key).in_(keys)))


def _found(session: Session, scope: Scope, key: str) -> KnownMessages | None:
    found = _noted(session, key)
    owner = next((row for row in found if row.is_owner), None)
    if owner is None:  # others left something in it, and nobody began it
        return None
    if owner.tenant_id != scope.tenant_id or not _is_one_person(session, scope.tenant_id, owner.user_id, scope.user_id):
        raise ForeignThreadError.of_another_user()
    refused = _keys(found)
    if len(refused) >= MOST_REFUSED:
        raise InvalidInputError("others left too much in this thread", field="thread_id", advice="start a new one")
    return KnownMessages(_digests(owner.ledger), refused)


class _Noted(NamedTuple):
    """A row of `_THREAD`: whose it is and what their steps saw, or else one message that others left."""

    is_owner: bool
    tenant_id: str
    user_id: str
    ledger: str
    message_key: str | None


def _noted(session: Session, key: str) -> list[_Noted]:
    found = _THREAD.rows(session, key=key)
    return [
        _Noted(tenant_id is not None, tenant_id or "", user_id or "", ledger or "", message_key)
        for tenant_id, user_id, ledger, message_key in found
    ]


def _keys(found: Iterable[_Noted]) -> frozenset[str]:
    return frozenset(row.message_key for row in found if row.message_key is not None)


def _digests(ledger: str) -> tuple[str, ...]:
    return tuple(ledger[place : place + DIGEST_LENGTH] for place in range(0, len(ledger), DIGEST_LENGTH))


def _is_one_person(session: Session, tenant_id: str, one: str, other: str) -> bool:
    if one == other:
        return True
    first, second = session.exec(select(current_user(tenant_id, one), current_user(tenant_id, other))).one()
    return bool(first == second)


def _refused(session: Session, key: str) -> frozenset[str]:
    return frozenset(message_key for (message_key,) in _REFUSED.rows(session, key=key))


def _add_refused(session: Session, key: str, digests: Iterable[str]) -> None:
    wanted = list(dict.fromkeys(digests))
    if not wanted:
        return
    known = _refused(session, key)
    new = [one for one in wanted if one not in known][: max(0, MOST_REFUSED - len(known))]
    session.add_all(RefusedMessageRow(thread_key=key, message_key=one) for one in new)


_THREAD: Final = Prepared(
    union_all(
        select(ThreadRow.tenant_id, ThreadRow.user_id, ThreadRow.ledger, null().label("message_key")).where(
            ThreadRow.key == bindparam("key")
        ),
        select(null(), null(), null(), RefusedMessageRow.message_key).where(
            col(RefusedMessageRow.thread_key) == bindparam("key")
        ),
    )
)
"""A thread's owner, and a row for each message that others left in it: it is read at every step of an agent."""

_REFUSED: Final = Prepared(
    select(RefusedMessageRow.message_key).where(RefusedMessageRow.thread_key == bindparam("key"))
)
_THREAD_TO_WRITE: Final = select(ThreadRow).where(ThreadRow.key == bindparam("key")).with_for_update()
