"""What was said, as rows: stored after what is there, each message once."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING
from uuid import uuid4

from sqlmodel import Session, col, select

from agentmem.database import in_batches
from agentmem.tables import MessageRow
from agentmem.text.secrets import redact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentmem.conversations.commands import NewMessage


def not_stored(session: Session, conversation_id: str, said: Sequence[NewMessage]) -> list[NewMessage]:
    """Return the messages that the conversation does not have, each once."""
    named = [message.external_id for message in said if message.external_id is not None]
    known: set[str | None] = set()
    for some in in_batches(named):
        stored = select(MessageRow.external_id).where(
            MessageRow.conversation_id == conversation_id, col(MessageRow.external_id).in_(some)
        )
        known.update(session.exec(stored).all())
    new: list[NewMessage] = []
    for message in said:
        if message.external_id is None or message.external_id not in known:
            new.append(message)
            known.add(message.external_id)
    return new


def store(session: Session, new: Sequence[NewMessage], *, conversation_id: str, memory_id: str) -> None:
    """Store messages after those that a conversation has.

    Args:
        session: The transaction.
        new: What was said, in order, at least one message; none of them is stored.
        conversation_id: Which conversation; it is locked.
        memory_id: The header of the memory that they are part of.
    """
    stored = select(MessageRow).where(MessageRow.conversation_id == conversation_id)
    last = session.exec(stored.order_by(col(MessageRow.position).desc()).limit(1)).first()
    first, not_before = (1, new[0].at) if last is None else (last.position + 1, last.created_at)
    moments = accumulate((max(not_before, message.at) for message in new), max)  # clocks are set back
    session.add_all(
        MessageRow(
            id=uuid4().hex,
            conversation_id=conversation_id,
            memory_id=memory_id,
            position=position,
            role=message.role,
            content=redact(message.content),
            external_id=message.external_id,
            created_at=moment,
        )
        for position, (message, moment) in enumerate(zip(new, moments, strict=True), start=first)
    )
    session.flush()


def has_messages(session: Session, conversation_id: str) -> bool:
    """Return whether anything that was said in a conversation is kept."""
    statement = select(MessageRow.id).where(MessageRow.conversation_id == conversation_id).limit(1)
    return session.exec(statement).first() is not None
