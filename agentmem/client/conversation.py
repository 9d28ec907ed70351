"""The conversation that `mem.conversations` begins: what an agent's code holds while it talks to someone."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from types import TracebackType
from typing import Final, Self

from agentmem import inputs
from agentmem.bounds import Filled
from agentmem.client.to_async import to_async
from agentmem.client.wiring import Container
from agentmem.conversations import callers, given, prompts
from agentmem.conversations.callers import Caller
from agentmem.conversations.commands import Addition, Begun, Ending, NewMessage, TurnMemory
from agentmem.conversations.kept_state import StateChanges
from agentmem.conversations.mappings import CallerMemory, State
from agentmem.errors import AgentMemError
from agentmem.records import ConversationRecord, Role

_log: Final = logging.getLogger(__name__)


class Conversation:
    """One open conversation, for the code that holds it.

    `memory` is what was known of the caller when the turn began; `state` is
    kept with the next message, and what of it the agent's `state_keys` name
    becomes memory at the end. Both are there at once, without any I/O; every
    other step is one transaction, as by `mem.conversations`, and has an async
    twin whose name begins with `a`. Several processes may hold one conversation.
    """

    def __init__(self, container: Container, tenant_id: str, begun: Begun, caller: Caller) -> None:
        self._container = container
        self._tenant_id = tenant_id
        self.id = begun.id
        self.agent_id = begun.agent_id
        self.version = begun.version
        self.channel = begun.channel
        self.thread_id = begun.thread_id
        self._caller = caller
        self._awaited = callers.awaited(begun.settings)
        self._unplaced: list[NewMessage] = []
        self._state = begun.state
        self._memory = CallerMemory({})
        self._identity = ""
        self._is_over = False
        self._take(begun.turn, StateChanges())

    @property
    def caller_identity(self) -> str:
        """Who it is with, as `user_id`; `""` while that is not known."""
        return self._identity

    @property
    def memory(self) -> CallerMemory:
        """What is remembered of the caller, as it was when the turn began."""
        return self._memory

    @property
    def state(self) -> State:
        """What is noted during the conversation; what can be is kept with the next message, for every process.

        What `state_keys` names becomes memory when the conversation ends, whoever
        ends it, and the rest is dropped. What is under another key and is no JSON,
        or larger than `max_value_bytes`, stays in this process. Where the caller is
        not known, or the agent does not remember, nothing is kept.
        """
        return self._state

    def add_message(self, role: Role, content: str, *, external_id: Filled | None = None) -> None:
        """Add what was said, and what was noted until now. A message of the user begins a turn: memory is read afresh.

        Card numbers, passwords and the like are replaced in it before anything is stored.

        Args:
            role: `user`, `assistant` or `tool`.
            content: What was said, at most `max_block_chars` characters.
            external_id: The id that the message has elsewhere; it is added once.

        Raises:
            InvalidInputError: An argument breaks a rule, a value of the state cannot be kept, or the conversation is
                over. Neither the message nor the state is stored then.
            NotFoundError: The conversation is gone.
        """
        at = self._container.conversations.now()
        said = given.message(role, content, external_id, at=at, limits=self._container.given_limits)
        self._add(said, new_turn=said.role == "user")
        if not self._identity and self._awaited is not None:
            self._unplaced.append(said)

    def say(self, content: str) -> None:
        """Add what the agent said.

        Raises:
            InvalidInputError: It is empty or too long, or the conversation is over.
            NotFoundError: The conversation is gone.
        """
        self.add_message("assistant", content)

    def render_prompt(self, prompt: str, query: Filled | None = None) -> str:
        """Return a prompt with what is known about the caller in place of `{{memory}}`.

        At most ten remembered facts; where there are none, nothing. A prompt
        without the placeholder is given back as it is, and nothing is looked up.

        Args:
            prompt: The agent's prompt.
            query: What the facts are to answer; without it, the newest and surest are taken.

        Raises:
            InvalidInputError: An argument breaks a rule, or the conversation is over.
            NotFoundError: The conversation is gone.
            BackendError: The embedding model or the database could not do it.
        """
        inputs.text("prompt", prompt, empty=True)
        if query is not None:
            inputs.text("query", query)
        if self._newly_known() is not None:
            self._add(new_turn=True)
        if not prompts.wants_memory(prompt):
            return prompt
        return prompts.filled(prompt, self._container.retriever.facts(self._tenant_id, self.id, query))

    def handoff(self, to: Filled, reason: Filled | None = None) -> None:
        """Note that the caller is handed to someone else; secrets are replaced as in a message.

        Args:
            to: To whom.
            reason: Why.

        Raises:
            InvalidInputError: An argument breaks a rule, or the conversation is over.
            NotFoundError: The conversation is gone.
        """
        self._note(
            handoff_to=self._word("to", to), handoff_reason=None if reason is None else self._word("reason", reason)
        )

    def set_outcome(self, qa: Filled) -> None:
        """Note what became of the conversation, such as `resolved`, which the metrics count; without secrets, too.

        Args:
            qa: The outcome, in a word.

        Raises:
            InvalidInputError: It is empty or too long, or the conversation is over.
            NotFoundError: The conversation is gone.
        """
        self._note(qa=self._word("qa", qa))

    def end(self, *, defer: bool = False) -> ConversationRecord:
        """End the conversation: keep what the state has for memory, and have its transcript read.

        Ending one that is over changes nothing. A chat model that fails, or
        answers what cannot be used, is noted in the record, and is no error:
        one that fails for the moment leaves the transcript to `mem.conversations.work`.

        Args:
            defer: Whether the transcript is left to `mem.conversations.work`, in this process or in one that has a chat
                model.

        Raises:
            InvalidInputError: A value of the state cannot be kept; the conversation is still open.
            NotFoundError: The conversation is gone.
        """
        ending = Ending(
            state=self._state.changes(),
            said=tuple(self._unplaced),
            caller=self._newly_known(),
            deferred=inputs.flag("defer", defer),
        )
        record = ended(self._container, self._tenant_id, self.id, ending)
        self._is_over = True
        self._identity = record.caller_identity
        return record

    aadd_message = to_async(add_message)
    asay = to_async(say)
    arender_prompt = to_async(render_prompt)
    ahandoff = to_async(handoff)
    aset_outcome = to_async(set_outcome)
    aend = to_async(end)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._is_over:
            return
        if kind is None:
            self.end()
        else:
            self._fail()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.__exit__, kind, error, traceback)

    def __repr__(self) -> str:
        return f"<Conversation id={self.id!r} agent_id={self.agent_id!r}>"

    def _add(self, *said: NewMessage, new_turn: bool) -> None:
        """Add messages after those that wait until it is known whose they are."""
        noted = self._state.changes()
        addition = Addition((*self._unplaced, *said), noted, caller=self._newly_known(), new_turn=new_turn)
        self._take(self._container.conversations.add(self._tenant_id, self.id, addition), noted)
        if self._identity:
            self._unplaced.clear()

    def _take(self, turn: TurnMemory, sent: StateChanges) -> None:
        self._identity = turn.caller_identity
        if turn.fields is not None:
            self._memory = CallerMemory(turn.fields)
        if turn.state is not None:
            self._state.take(turn.state, sent)

    def _newly_known(self) -> Caller | None:
        """Return who the caller is, where the state says it by now and nothing did before."""
        if self._identity or self._awaited is None:
            return None
        known = self._awaited.identity(None, self._state, limit=self._container.settings.max_id_chars)
        return None if known is None else replace(self._caller, state=dict(self._state))

    def _note(self, **outcome: str | None) -> None:
        noted = self._state.changes()
        self._take(self._container.conversations.note(self._tenant_id, self.id, noted, **outcome), noted)

    def _word(self, field: str, value: object) -> str:
        return inputs.text(field, value, limit=self._container.settings.max_line_chars)

    def _fail(self) -> None:
        """End the conversation because of an exception, which is the one that is to be seen."""
        try:
            ending = Ending(status="failed", said=tuple(self._unplaced), caller=self._newly_known())
            self._container.conversations.end(self._tenant_id, self.id, ending)
        except AgentMemError as error:
            _log.warning("a conversation could not be ended as failed: %s", error)
        self._is_over = True


def ended(container: Container, tenant_id: str, conversation_id: str, ending: Ending) -> ConversationRecord:
    """End a conversation, have its transcript read where that is not left for later, and return what became of it."""
    if container.conversations.end(tenant_id, conversation_id, ending) and not ending.deferred:
        container.learning.run(tenant_id, conversation_id)
    return container.records.get(tenant_id, conversation_id)
