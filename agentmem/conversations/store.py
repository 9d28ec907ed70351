"""Conversations as rows: begun, spoken in, ended. Each step is one transaction, whole or not there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import accumulate
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from sqlmodel import Session, col, select

from agentmem import expiry
from agentmem.contacts.reading import find_header, read_facts, read_memory
from agentmem.contacts.writing import MemoryWrites
from agentmem.conversations import contexts, queries
from agentmem.conversations.callers import Caller, identified
from agentmem.conversations.commands import Begun, Ending, MemoryInUse, NewMessage, Opening, Rules, TurnMemory
from agentmem.conversations.mappings import State
from agentmem.conversations.metrics import first_interaction
from agentmem.database import in_batches
from agentmem.errors import ConflictError, InvalidInputError
from agentmem.models import Scope
from agentmem.tables import ConversationRow, MessageRow
from agentmem.text.secrets import redact
from agentmem.transaction import Writer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from agentmem.agents.settings import AgentSettings, AgentStore
    from agentmem.contacts.store import ContactStore
    from agentmem.conversations.merging import Merging
    from agentmem.records import Json, Status
    from agentmem.transaction import Snapshot, Transaction, Transactions

_OPEN: Final = "open"
_PENDING: Final = "pending"

ASSISTANT: Final = "assistant"
"""Who writes what the code of an agent notes in its state."""


class ConversationStore:
    """The conversations of every tenant.

    Args:
        transactions: What reads and writes them.
        agents: What is configured for their agents.
        contacts: Who they are with.
        merging: What makes one of two contacts.
        rules: What the store's settings say about them.
    """

    def __init__(
        self,
        transactions: Transactions,
        *,
        agents: AgentStore,
        contacts: ContactStore,
        merging: Merging,
        rules: Rules,
    ) -> None:
        self._transactions = transactions
        self._agents = agents
        self._contacts = contacts
        self._merging = merging
        self._rules = rules

    def now(self) -> datetime:
        """The time."""
        return self._transactions.now()

    def start(self, tenant_id: str, opening: Opening) -> Begun:
        """Begin a conversation: whose it is, and what its agent knows of them.

        Raises:
            NotFoundError: The agent was never configured.
            ConflictError: The thread has an open conversation.
            InvalidInputError: A value of the state cannot be kept, or what says who is calling is no text.
        """
        conversation_id = uuid4().hex

        def body(tx: Transaction) -> Begun:
            session, now = tx.session, tx.now
            settings = self._agents.get(session, tenant_id, opening.agent_id, opening.version)
            state = self._state(settings, opening.caller.state)
            row = ConversationRow(
                id=conversation_id,
                tenant_id=tenant_id,
                agent_id=opening.agent_id,
                version=opening.version,
                channel=opening.channel,
                thread_id=opening.thread_id,
                status="open",
                started_at=now,
                last_active_at=now,
                context=contexts.NO_CONTEXT,
                extraction="none",
            )
            step = _Step(tx, row, settings)
            self._identify(tx, step, opening.caller)
            self._free(tx, tenant_id, opening.thread_id)
            session.add(row)
            session.flush()
            return _begun(step, state, self._turn(step))

        return self._transactions.write(body, writer=Writer(ASSISTANT, conversation_id=conversation_id))

    def resume(self, tenant_id: str, conversation_id: str) -> Begun:
        """Go on with an open conversation.

        Raises:
            NotFoundError: There is none of this id.
            InvalidInputError: It is over.
        """
        with self._transactions.read() as snapshot:
            step = self._open(snapshot, queries.find(snapshot, tenant_id, conversation_id))
            return _begun(step, self._state(step.settings, {}), self._turn(step))

    def reading(self, tenant_id: str, conversation_id: str) -> MemoryInUse:
        """Whose memory an open conversation reads, and what of it was shown.

        Raises:
            NotFoundError: There is none of this id.
            InvalidInputError: It is over.
        """
        with self._transactions.read() as snapshot:
            step = self._open(snapshot, queries.find(snapshot, tenant_id, conversation_id))
            return MemoryInUse(step.scope, frozenset(contexts.unpacked(step.row.context).line_ids))

    def add(
        self, tenant_id: str, conversation_id: str, said: Sequence[NewMessage], *, caller: Caller | None, new_turn: bool
    ) -> TurnMemory:
        """Add messages, and read memory afresh where they begin a turn.

        A message with an `external_id` that the conversation has is not added again. Nothing is stored of an anonymous
        conversation, or of one whose agent does not remember.

        Args:
            tenant_id: The account.
            conversation_id: Which conversation.
            said: What was said, in order.
            caller: Who it turns out to be with, where that was not known before.
            new_turn: Whether memory is read afresh.

        Raises:
            NotFoundError: There is none of this id.
            InvalidInputError: It is over.
        """

        def body(tx: Transaction) -> TurnMemory:
            step = self._go_on(tx, tenant_id, conversation_id)
            if caller is not None:
                self._identify(tx, step, caller)
            if step.scope is not None:
                self._store(tx, step, step.scope, said)
            if new_turn or caller is not None:
                return self._turn(step)
            return TurnMemory(step.row.contact_id or "")

        return self._transactions.write(body, writer=Writer(ASSISTANT, conversation_id=conversation_id))

    def note_shown(self, tenant_id: str, conversation_id: str, line_ids: Sequence[str]) -> None:
        """Keep which remembered facts were put into a prompt.

        Raises:
            NotFoundError: There is none of this id.
            InvalidInputError: It is over.
        """

        def body(tx: Transaction) -> None:
            row = self._go_on(tx, tenant_id, conversation_id).row
            row.context = contexts.with_lines(row.context, line_ids)

        self._transactions.write(body, writer=Writer(ASSISTANT, conversation_id=conversation_id))

    def note(self, tenant_id: str, conversation_id: str, **outcome: str | None) -> None:
        """Keep what became of a conversation: `qa`, `handoff_to`, `handoff_reason`.

        Raises:
            NotFoundError: There is none of this id.
            InvalidInputError: It is over.
        """

        def body(tx: Transaction) -> None:
            row = self._go_on(tx, tenant_id, conversation_id).row
            for name, value in outcome.items():
                setattr(row, name, None if value is None else redact(value))

        self._transactions.write(body, writer=Writer(ASSISTANT, conversation_id=conversation_id))

    def end(self, tenant_id: str, conversation_id: str, ending: Ending) -> bool:
        """End a conversation, and keep what its state has for memory; one that is over is left as it is.

        Returns:
            Whether its transcript is now to be read.

        Raises:
            NotFoundError: There is none of this id.
            InvalidInputError: What says who was calling is no text.
        """

        def body(tx: Transaction) -> bool:
            step = self._step(tx, queries.find_to_write(tx, tenant_id, conversation_id))
            if step.row.status != _OPEN:
                return False
            if ending.caller is not None:
                self._identify(tx, step, ending.caller)
            if step.scope is not None:
                self._store(tx, step, step.scope, ending.said)
                if ending.status == "ended":
                    self._keep(tx, step, step.scope, ending.keep)
            to_read = ending.deferred or self._rules.reads_transcripts
            _close(step, ending.status, max(tx.now, step.row.started_at), to_read=to_read)
            return step.row.extraction == _PENDING

        return self._transactions.write(body, writer=Writer(ASSISTANT, conversation_id=conversation_id))

    def end_idle(self, tx: Transaction, limit: int) -> int:
        """End conversations of any tenant that were left open, the longest idle first.

        Their end is when they were last heard of, so that none is kept for longer because nobody ended it.

        Args:
            tx: The transaction.
            limit: How many at most.

        Returns:
            How many were ended.
        """
        idle = expiry.back(tx.now, timedelta(minutes=self._rules.idle_minutes))
        statement = (
            select(ConversationRow)
            .where(ConversationRow.status == _OPEN, col(ConversationRow.last_active_at) <= idle)
            .order_by(col(ConversationRow.last_active_at))
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        rows = tx.session.exec(statement).all()
        for row in rows:
            self._close_idle(tx, row)
        return len(rows)

    def _step(self, snapshot: Snapshot, row: ConversationRow) -> _Step:
        """A conversation and its agent's settings as they are now."""
        settings = self._agents.get(snapshot.session, row.tenant_id, row.agent_id, row.version)
        return _Step(snapshot, row, settings)

    def _open(self, snapshot: Snapshot, row: ConversationRow) -> _Step:
        """The same, of a conversation that is not over."""
        step = self._step(snapshot, row)
        if step.row.status != _OPEN:
            raise InvalidInputError(
                "it is over", field="conversation", advice="start another one", code="conversation_over"
            )
        return step

    def _go_on(self, tx: Transaction, tenant_id: str, conversation_id: str) -> _Step:
        """An open conversation, locked, that was heard of at this moment."""
        step = self._open(tx, queries.find_to_write(tx, tenant_id, conversation_id))
        step.row.last_active_at = max(tx.now, step.row.last_active_at)
        return step

    def _state(self, settings: AgentSettings, given: Mapping[str, object]) -> State:
        return State(settings.state_keys, max_bytes=self._rules.max_value_bytes, given=given)

    def _free(self, tx: Transaction, tenant_id: str, thread_id: str | None) -> None:
        """Make sure that a thread has no open conversation; one that outlived its retention is ended.

        It comes after the people are locked, for it may lock a row.
        """
        row = None if thread_id is None else queries.open_in_thread(tx.session, tenant_id, thread_id)
        if row is None:
            return
        if not queries.is_over(tx, row):
            raise ConflictError(
                "this thread has an open conversation",
                field="thread_id",
                advice="go on with it: mem.conversations.resume(mem.conversations.find(thread_id=…).id)",
                code="conversation_open",
            )
        row = queries.open_in_thread(tx.session, tenant_id, row.thread_id or "", to_write=True)
        if row is not None:
            self._close_idle(tx, row)
            tx.session.flush()

    def _identify(self, tx: Transaction, step: _Step, caller: Caller) -> None:
        """Say whose the conversation is, once, and keep what its agent has of them at this moment."""
        known = identified(caller, step.settings, limit=self._rules.max_id_chars)
        if step.row.contact_id is not None or not known:
            return
        tenant_id = step.row.tenant_id
        resolved = self._contacts.resolve(tx, tenant_id, known.identities, user_id=known.user_id, name=caller.name)
        if resolved.contact is None:
            return
        for loser_id in resolved.absorb:
            self._merging.absorb(tx, tenant_id, loser_id, resolved.contact.id)
        step.row.contact_id = resolved.contact.id
        if step.scope is not None:
            step.row.context = self._context(step, step.scope)

    def _context(self, step: _Step, scope: Scope) -> str:
        memory = read_memory(step.snapshot, scope, recent_messages=step.settings.recent_messages)
        header = find_header(step.snapshot.session, scope)
        return contexts.packed(memory, summary_at=None if header is None else header.summary_updated_at)

    def _turn(self, step: _Step) -> TurnMemory:
        """What `conv.memory` shows from now on."""
        scope = step.scope
        if scope is None:
            return TurnMemory(step.row.contact_id or "", fields={})
        fields = dict(read_facts(step.snapshot, scope))
        if step.settings.analytics_enabled and (first := first_interaction(step.snapshot, scope)):
            fields |= first.fields()
        return TurnMemory(scope.user_id, fields=fields)

    def _store(self, tx: Transaction, step: _Step, scope: Scope, said: Sequence[NewMessage]) -> None:
        """Store messages after those that are there, without those that are among them."""
        session, conversation_id = tx.session, step.row.id
        new = _not_stored(session, conversation_id, said)
        if not new:
            return
        stored = select(MessageRow).where(MessageRow.conversation_id == conversation_id)
        last = session.exec(stored.order_by(col(MessageRow.position).desc()).limit(1)).first()
        first, not_before = (1, new[0].at) if last is None else (last.position + 1, last.created_at)
        moments = accumulate((max(not_before, message.at) for message in new), max)  # clocks are set back
        memory_id = self._writes(tx, scope).memory_id
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

    def _keep(self, tx: Transaction, step: _Step, scope: Scope, values: Mapping[str, Json]) -> None:
        """Patch the key-value facts with what the state has under the agent's keys."""
        lives = step.settings.state_keys
        kept = {key: value for key, value in values.items() if key in lives}
        self._writes(tx, scope).patch_facts(kept, ttl_days=lives)

    def _writes(self, tx: Transaction, scope: Scope) -> MemoryWrites:
        return MemoryWrites(tx, scope, source=ASSISTANT, max_value_bytes=self._rules.max_value_bytes)

    def _close_idle(self, tx: Transaction, row: ConversationRow) -> None:
        _close(self._step(tx, row), "ended", row.last_active_at, to_read=True)


@dataclass(frozen=True, slots=True)
class _Step:
    """One conversation at one moment, and its agent's settings as they are then."""

    snapshot: Snapshot
    row: ConversationRow
    settings: AgentSettings

    @property
    def scope(self) -> Scope | None:
        """Whose memory is read and written; None where nobody is known, or the agent does not remember."""
        if self.row.contact_id is None or not self.settings.memory_enabled:
            return None
        return Scope(self.row.tenant_id, self.row.contact_id, self.row.agent_id)


def _not_stored(session: Session, conversation_id: str, said: Sequence[NewMessage]) -> list[NewMessage]:
    """The messages that the conversation does not have, each once."""
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


def _close(step: _Step, status: Status, at: datetime, *, to_read: bool) -> None:
    """End a conversation; its transcript is read, if it is to be, where its agent remembers and something was said."""
    row = step.row
    row.status = status
    row.ended_at = row.last_active_at = at
    learns = to_read and status == "ended" and step.scope is not None
    row.extraction = _PENDING if learns and _has_messages(step.snapshot.session, row) else "none"


def _has_messages(session: Session, row: ConversationRow) -> bool:
    statement = select(MessageRow.id).where(MessageRow.conversation_id == row.id).limit(1)
    return session.exec(statement).first() is not None


def _begun(step: _Step, state: State, turn: TurnMemory) -> Begun:
    row = step.row
    return Begun(
        id=row.id,
        agent_id=row.agent_id,
        version=row.version,
        channel=row.channel,
        thread_id=row.thread_id,
        settings=step.settings,
        state=state,
        turn=turn,
    )
