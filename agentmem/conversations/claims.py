"""Which transcripts are to be read, and who is at which: claimed, given back, put off for a while, given up."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from sqlmodel import Session, col, func, or_, select

from agentmem.conversations import pauses
from agentmem.tables import ConversationRow
from agentmem.transaction import Writer

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from agentmem.records import Extraction
    from agentmem.transaction import Transaction, Transactions

READER: Final = Writer("extractor")
"""Who reads transcripts, and writes what is learned from them."""

MOST_ATTEMPTS: Final = 3
CLAIM: Final = timedelta(minutes=10)
"""How long a conversation belongs to who claimed it; one that died is followed by another after it."""

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A conversation that is this worker's to read.

    Args:
        id: Which one.
        tenant_id: Whose.
        token: What the claim is known by.
        pause: How long it rests if it cannot be read for the moment.
    """

    id: str
    tenant_id: str
    token: str
    pause: timedelta


class Claims:
    """The transcripts of every tenant that are to be read.

    Args:
        transactions: What reads and writes them.
    """

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def waiting(self, tenant_id: str, limit: int | None = None) -> list[str]:
        """Return the conversations whose transcripts are to be read and nobody is reading, the longest over first."""
        statement = (
            select(ConversationRow.id)
            .where(ConversationRow.tenant_id == tenant_id, *self._unclaimed())
            .order_by(col(ConversationRow.ended_at), col(ConversationRow.id))
            .limit(limit)
        )
        with self._transactions.read() as snapshot:
            return list(snapshot.session.exec(statement).all())

    def postponed(self, tenant_id: str) -> int:
        """Return how many could not be read for the moment, and rest until they are tried again."""
        statement = select(func.count()).where(
            ConversationRow.tenant_id == tenant_id,
            ConversationRow.extraction == "pending",
            col(ConversationRow.claim).startswith(pauses.MARK, autoescape=True),
        )
        with self._transactions.read() as snapshot:
            return snapshot.session.exec(statement).one()

    def take(self, tenant_id: str, conversation_id: str) -> Claimed | None:
        """Claim a conversation; None when another has it, or it was cut short too often."""
        token = uuid4().hex

        def body(tx: Transaction) -> Claimed | None:
            named = ConversationRow.id == conversation_id, ConversationRow.tenant_id == tenant_id
            free = select(ConversationRow).where(*named, *self._unclaimed())
            row = tx.session.exec(free.with_for_update()).one_or_none()
            if row is None:
                return None
            if row.attempts >= MOST_ATTEMPTS:
                close(row, "failed", f"it was cut short {MOST_ATTEMPTS} times")
                return None
            pause = pauses.following(row.claim)
            row.claim, row.claimed_until = token, tx.now + CLAIM
            row.attempts += 1
            return Claimed(row.id, tenant_id, token, pause)

        return self._transactions.write(body, writer=READER)

    def give_up(self, claimed: Claimed, why: str, *, later: bool) -> None:
        """Note why a transcript was not read; it is left for a later attempt if there may be one."""

        def body(tx: Transaction) -> None:
            row = own(tx.session, claimed, to_write=True)
            if row is not None:
                close(row, "pending" if later and row.attempts < MOST_ATTEMPTS else "failed", why)

        self._transactions.write(body, writer=READER)
        _log.warning("a transcript was not read: %s", why)

    def put_off(self, claimed: Claimed, why: str) -> None:
        """Note why a transcript cannot be read now; it rests before it is tried again, and no attempt is counted."""

        def body(tx: Transaction) -> None:
            row = own(tx.session, claimed, to_write=True)
            if row is not None:
                row.extraction_note = why
                row.claim, row.claimed_until = pauses.mark(claimed.pause), tx.now + claimed.pause
                row.attempts -= 1

        self._transactions.write(body, writer=READER)
        _log.warning("a transcript is left for later: %s", why)

    def _unclaimed(self) -> tuple[ColumnElement[bool], ...]:
        until = col(ConversationRow.claimed_until)
        return col(ConversationRow.extraction) == "pending", or_(until.is_(None), until <= self._transactions.now())


def own(session: Session, claimed: Claimed, *, to_write: bool = False) -> ConversationRow | None:
    """Return the conversation, if it is still claimed with this token; locked where it is to be written."""
    statement = select(ConversationRow).where(
        ConversationRow.id == claimed.id,
        ConversationRow.tenant_id == claimed.tenant_id,
        ConversationRow.extraction == "pending",
        ConversationRow.claim == claimed.token,
    )
    return session.exec(statement.with_for_update() if to_write else statement).one_or_none()


def close(row: ConversationRow, extraction: Extraction, note: str | None) -> None:
    """Say what became of reading a transcript, which is nobody's from now on."""
    row.extraction, row.extraction_note = extraction, note
    row.claim = row.claimed_until = None
