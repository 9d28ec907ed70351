"""Conversations as rows: begun, spoken in, ended. Each step is one transaction, whole or not there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from agentmem.contacts.reading import find_header, read_facts, read_memory
from agentmem.contacts.writing import MemoryWrites
from agentmem.conversations import contexts, kept_state, messages, queries
from agentmem.conversations.callers import Caller, identified
from agentmem.conversations.commands import Begun, MemoryInUse, Opening, Rules, TurnMemory
from agentmem.conversations.kept_state import StateChanges
from agentmem.conversations.mappings import State
from agentmem.conversations.metrics import first_interaction
from agentmem.errors import ConflictError, InvalidInputError
from agentmem.models import Scope
from agentmem.tables import ConversationRow
from agentmem.text.secrets import redact
from agentmem.transaction import Writer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from agentmem.agents.settings import AgentSettings, AgentStore
    from agentmem.contacts.store import ContactStore
    from agentmem.conversations.commands import Addition, Ending, NewMessage
    from agentmem.conversations.merging import Merging
    from agentmem.records import Status
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
        """Return the time."""
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
            state = State(settings.state_keys, max_bytes=self._rules.max_value_bytes, given=opening.caller.state)
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
            noted = state.changes()
            self._note(step, noted)
            session.add(row)
            session.flush()
            turn = self._turn(step)
            if turn.state is not None:
                state.take(turn.state, noted)
            return _begun(step, state, turn)

        return self._transactions.write(body, writer=Writer(ASSISTANT, conversation_id=conversation_id))

    def resume(self, tenant_id: str, conversation_id: str) -> Begun:
        """Go on with an open conversation.

        Raises:
            NotFoundError: There is none of this id.
            InvalidInputError: It is over.
        """
        with self._transactions.read() as snapshot:
            step = self._open(snapshot, queries.find(snapshot, tenant_id, conversation_id))
            state = State(step.settings.state_keys, max_bytes=self._rules.max_value_bytes)
            turn = self._turn(step)
            state.take(turn.state or {})
            return _begun(step, state, turn)

    def reading(self, tenant_id: str, conversation_id: str) -> MemoryInUse:
        """Return whose memory an open conversation reads, and what of it was shown.

        Raises:
            NotFoundError: There is none of this id.
            InvalidInputError: It is over.
        """
        with self._transactions.read() as snapshot:
            step = self._open(snapshot, queries.find(snapshot, tenant_id, conversation_id))
            return MemoryInUse(step.scope, frozenset(contexts.unpacked(step.row.context).line_ids))

    def add(self, tenant_id: str, conversation_id: str, addition: Addition) -> TurnMemory:
        """Add what was said and noted, all of it or nothing, and read memory afresh where that begins a turn.

        A message with an `external_id` that the conversation has is not added again. Nothing is stored of an anonymous
        conversation, or of one whose agent does not remember.

        Args:
            tenant_id: The account.
            conversation_id: Which conversation.
            addition: What is added.

        Raises:
            NotFoundError: There is none of this id.
            InvalidInputError: It is over, its state would be too large, or what says who is calling is no text.
        """

        def body(tx: Transaction) -> TurnMemory:
            step = self._go_on(tx, tenant_id, conversation_id)
            newly_known = self._identify(tx, step, addition.caller)
            self._store(tx, step, addition.said)
            self._note(step, addition.state)
            return self._turn(step) if addition.new_turn or newly_known else self._standing(step)

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

    def note(self, tenant_id: str, conversation_id: str, noted: StateChanges, **outcome: str | None) -> TurnMemory:
        """Keep what was noted, and what became of a conversation: `qa`, `handoff_to`, `handoff_reason`.

        Raises:
            NotFoundError: There is none of this id.
            InvalidInputError: It is over, or its state would be too large.
        """

        def body(tx: Transaction) -> TurnMemory:
            step = self._go_on(tx, tenant_id, conversation_id)
            for name, value in outcome.items():
                setattr(step.row, name, None if value is None else redact(value))
            self._note(step, noted)
            return self._standing(step)

        return self._transactions.write(body, writer=Writer(ASSISTANT, conversation_id=conversation_id))

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
            self._identify(tx, step, ending.caller)
            self._store(tx, step, ending.said)
            if ending.status == "ended":
                self._remember(tx, step, ending.state)
            to_read = ending.deferred or self._rules.reads_transcripts
            _close(step, ending.status, max(tx.now, step.row.started_at), to_read=to_read)
            return step.row.extraction == _PENDING

        return self._transactions.write(body, writer=Writer(ASSISTANT, conversation_id=conversation_id))

    def end_left_open(self, tx: Transaction, row: ConversationRow) -> None:
        """End a conversation that nobody goes on with, and keep what its state has for memory.

        Its end is when it was last heard of, so that nothing of it is kept for longer because nobody ended it.

        Args:
            tx: The transaction.
            row: The conversation, locked, and before it who it is with.
        """
        step = self._step(tx, row)
        if row.state is not None and not queries.is_over(tx, row):
            self._remember(tx, step, StateChanges(), at=row.last_active_at)
        _close(step, "ended", row.last_active_at, to_read=True)

    def _step(self, snapshot: Snapshot, row: ConversationRow) -> _Step:
        """A conversation and its agent's settings as they are now."""
        settings = self._agents.get(snapshot.session, row.tenant_id, row.agent_id, row.version)
        return _Step(snapshot, row, settings)

    def _open(self, snapshot: Snapshot, row: ConversationRow) -> _Step:
        """Return the same, of a conversation that is not over."""
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

    def _free(self, tx: Transaction, tenant_id: str, thread_id: str | None) -> None:
        """Make sure that a thread has no open conversation; one that outlived its retention is ended.

        It comes after the people are locked, for it may lock a row. Whoever that was with need not be among them: what
        its state has for memory would be over, too.
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
            self.end_left_open(tx, row)
            tx.session.flush()

    def _identify(self, tx: Transaction, step: _Step, caller: Caller | None) -> bool:
        """Say whose the conversation is, once, and keep what its agent has of them; whether it became known now."""
        if caller is None:
            return False
        known = identified(caller, step.settings, limit=self._rules.max_id_chars)
        if step.row.contact_id is not None or not known:
            return False
        tenant_id = step.row.tenant_id
        resolved = self._contacts.resolve(tx, tenant_id, known.identities, user_id=known.user_id, name=caller.name)
        if resolved.contact is None:
            return False
        for loser_id in resolved.absorb:
            self._merging.absorb(tx, tenant_id, loser_id, resolved.contact.id)
        step.row.contact_id = resolved.contact.id
        if step.scope is not None:
            step.row.context = self._context(step, step.scope)
        return True

    def _context(self, step: _Step, scope: Scope) -> str:
        memory = read_memory(step.snapshot, scope, recent_messages=step.settings.recent_messages)
        header = find_header(step.snapshot.session, scope)
        return contexts.packed(memory, summary_at=None if header is None else header.summary_updated_at)

    def _turn(self, step: _Step) -> TurnMemory:
        """Return where it stands, and what `conv.memory` shows from now on."""
        scope, standing = step.scope, self._standing(step)
        if scope is None:
            return replace(standing, fields={})
        fields = dict(read_facts(step.snapshot, scope))
        if step.settings.analytics_enabled and (first := first_interaction(step.snapshot, scope)):
            fields |= first.fields()
        return replace(standing, fields=fields)

    def _standing(self, step: _Step) -> TurnMemory:
        """Return who it is with, and what is kept with its row."""
        kept = None if step.scope is None else kept_state.unpacked(step.row.state)
        return TurnMemory(step.row.contact_id or "", state=kept)

    def _store(self, tx: Transaction, step: _Step, said: Sequence[NewMessage]) -> None:
        """Store messages that are not stored."""
        if step.scope is None:
            return
        if new := messages.not_stored(tx.session, step.row.id, said):
            memory_id = self._writes(tx, step.scope).memory_id
            messages.store(tx.session, new, conversation_id=step.row.id, memory_id=memory_id)

    def _note(self, step: _Step, noted: StateChanges) -> None:
        """Apply what was noted to what the row holds, as it is by now: another may have noted something, too."""
        if step.scope is not None and noted:
            values = noted.applied(kept_state.unpacked(step.row.state))
            step.row.state = kept_state.packed(values, max_bytes=self._rules.max_value_bytes)

    def _remember(self, tx: Transaction, step: _Step, noted: StateChanges, *, at: datetime | None = None) -> None:
        """Patch the key-value facts with what the state has under the agent's keys."""
        if step.scope is None:
            return
        lives = step.settings.state_keys
        values = noted.applied(kept_state.unpacked(step.row.state))
        if kept := {key: value for key, value in values.items() if key in lives}:
            self._writes(tx, step.scope).patch_facts(kept, ttl_days=lives, at=at)

    def _writes(self, tx: Transaction, scope: Scope) -> MemoryWrites:
        return MemoryWrites(tx, scope, source=ASSISTANT, max_value_bytes=self._rules.max_value_bytes)


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


def _close(step: _Step, status: Status, at: datetime, *, to_read: bool) -> None:
    """End a conversation; its transcript is read, if it is to be, where its agent remembers and something was said."""
    row = step.row
    row.status = status
    row.ended_at = row.last_active_at = at
    row.state = None
    learns = to_read and status == "ended" and step.scope is not None
    row.extraction = _PENDING if learns and messages.has_messages(step.snapshot.session, row.id) else "none"


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
