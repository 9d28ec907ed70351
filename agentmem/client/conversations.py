"""`mem.conversations`, and the conversation it begins: what an agent's code works with while it talks to someone."""

from __future__ import annotations

import asyncio
import builtins
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Final, Self

from agentmem import inputs
from agentmem.client.bounds import MAX_PAGE, Filled, Page
from agentmem.client.to_async import to_async
from agentmem.client.wiring import Container
from agentmem.conversations import callers, given, prompts
from agentmem.conversations.callers import Caller
from agentmem.conversations.commands import Addition, Begun, Ending, NewMessage, Opening, TurnMemory
from agentmem.conversations.given import GivenLimits
from agentmem.conversations.kept_state import StateChanges
from agentmem.conversations.mappings import CallerMemory, State
from agentmem.display import Values
from agentmem.errors import AgentMemError, InvalidInputError
from agentmem.records import ConversationRecord, ConversationTurn, MessageInput, Role

_log: Final = logging.getLogger(__name__)


class Conversations:
    """The conversations of one tenant. Each method has an async twin whose name begins with `a`."""

    def __init__(self, container: Container, tenant_id: str) -> None:
        self._container = container
        self._tenant_id = tenant_id

    def start(
        self,
        agent_id: Filled,
        *,
        version: Filled | None = None,
        channel: Filled = "voice",
        thread_id: Filled | None = None,
        phone: Filled | None = None,
        email: Filled | None = None,
        external_id: Filled | None = None,
        user_id: Filled | None = None,
        caller_identity: Filled | None = None,
        attributes: Mapping[str, object] | None = None,
        state: Mapping[str, object] | None = None,
        name: Filled | None = None,
    ) -> Conversation:
        """Begin a conversation. Leaving its block ends it; an exception ends it as failed.

            >>> mem.agents.configure("support", memory_enabled=True, state_keys=["cheese_type"]).memory_enabled
            True
            >>> with mem.conversations.start("support", phone="+14155550192") as conv:
            ...     conv.state["cheese_type"] = "brie"
            >>> with mem.conversations.start("support", phone="+1 (415) 555-0192") as conv:
            ...     conv.memory["cheese_type"]
            'brie'

        Without anything that says who is calling the conversation is anonymous:
        nothing is read, and nothing is kept but that it took place.

        Args:
            agent_id: An agent that was configured.
            version: Which version of it.
            channel: What it is held over: `voice`, `sms`, `email`, `chat`, or a word of your own.
            thread_id: The thread it is held in, which has one open conversation at a time.
            phone: The caller's number.
            email: The caller's address.
            external_id: The caller's id in another system.
            user_id: The caller's id, as `mem.client` takes it.
            caller_identity: Another word for `user_id`.
            attributes: `{"sip_headers": {…}, "integration": {…}}`, for an agent whose `identifier_source` is there.
            state: What `conv.state` begins with; of a caller who is known it is kept at once.
            name: What the caller is called.

        Raises:
            NotFoundError: The agent was never configured.
            ConflictError: The thread has an open conversation; `resume` goes on with it.
            InvalidInputError: An argument breaks a rule.
        """
        limit = self._container.settings.max_id_chars
        caller = callers.caller(
            user_id=user_id,
            caller_identity=caller_identity,
            identities=self._container.contacts.known_by(phone=phone, email=email, external_id=external_id),
            attributes=attributes,
            state=given.mapping("state", state),
            name=name,
            limit=limit,
        )
        opening = Opening(
            agent_id=self._id("agent_id", agent_id),
            version=None if version is None else self._id("version", version),
            channel=self._id("channel", channel),
            thread_id=None if thread_id is None else self._id("thread_id", thread_id),
            caller=caller,
        )
        begun = self._container.conversations.start(self._tenant_id, opening)
        return Conversation(self._container, self._tenant_id, begun, caller)

    def resume(self, conversation_id: Filled) -> Conversation:
        """Go on with an open conversation, begun in this process or another, with the state that is kept of it.

        Messages from before its caller was known, where `identifier_source`
        is in the state, wait in the process that was told them.

        Args:
            conversation_id: Which conversation.

        Raises:
            NotFoundError: There is no such conversation.
            InvalidInputError: It is over.
        """
        begun = self._container.conversations.resume(self._tenant_id, self._id("conversation_id", conversation_id))
        return Conversation(self._container, self._tenant_id, begun, Caller())

    def get(self, conversation_id: Filled) -> ConversationRecord:
        """Return one conversation as it is now: what its agent had, what was said, what was written because of it.

        Args:
            conversation_id: Which conversation.

        Raises:
            NotFoundError: There is no such conversation.
        """
        return self._container.records.get(self._tenant_id, self._id("conversation_id", conversation_id))

    def find(self, *, thread_id: Filled) -> ConversationRecord | None:
        """Return the open conversation of a thread, or None.

        Args:
            thread_id: The thread.
        """
        return self._container.records.find(self._tenant_id, self._id("thread_id", thread_id))

    def list(
        self,
        *,
        agent_id: Filled | None = None,
        user_id: Filled | None = None,
        limit: Page = 100,
        after: Filled | None = None,
    ) -> builtins.list[ConversationRecord]:
        """Return the conversations of the tenant, the newest first.

        Args:
            agent_id: Only those of this agent.
            user_id: Only those with this person.
            limit: How many at most, 1 to 1,000.
            after: The id of the last one of the page before.

        Raises:
            NotFoundError: There is no conversation `after`.
        """
        found = self._container.records.list(
            self._tenant_id,
            agent_id=None if agent_id is None else self._id("agent_id", agent_id),
            user_id=None if user_id is None else self._id("user_id", user_id),
            limit=inputs.count("limit", limit, low=1, high=MAX_PAGE),
            after=None if after is None else self._id("after", after),
        )
        return Values(found)

    def ids(self, prefix: Filled, *, limit: Page = 100) -> builtins.list[str]:
        """Return the ids of conversations that begin so, the newest first: to complete one that was shortened.

        Args:
            prefix: How they begin.
            limit: How many at most, 1 to 1,000.
        """
        self._container.require_open()
        inputs.count("limit", limit, low=1, high=MAX_PAGE)
        return self._container.records.ids(self._tenant_id, self._id("prefix", prefix), limit=limit)

    def add(
        self,
        conversation_id: Filled,
        *,
        messages: Sequence[MessageInput] = (),
        state: Mapping[str, object] | None = None,
    ) -> ConversationTurn:
        """Add what was said and noted to an open conversation, whichever process began it: all of it, or nothing.

            >>> mem.agents.configure("support", memory_enabled=True, state_keys=["cheese_type"]).memory_enabled
            True
            >>> conv = mem.conversations.start("support", phone="+14155550192")
            >>> said = [{"role": "user", "content": "Brie, please"}]
            >>> mem.conversations.add(conv.id, messages=said, state={"cheese_type": "brie"}).state
            {'cheese_type': 'brie'}
            >>> mem.conversations.resume(conv.id).state["cheese_type"]
            'brie'

        Secrets in messages are replaced as by `add_message`. Of an anonymous
        caller nothing is kept, unless this state says who it is.

        Args:
            conversation_id: Which conversation.
            messages: What was said, in order, each with its `role`, its `content` and perhaps an `external_id`; at most
                1,000.
            state: What is noted: JSON values, each at most `max_value_bytes`, and 16 times that together with what is
                there. Other keys stay as they are; None under one of the agent's `state_keys` removes it from memory at
                the end.

        Raises:
            InvalidInputError: An argument breaks a rule, neither messages nor state are given, or the conversation is
                over.
            NotFoundError: There is no such conversation.
        """
        limits = _limits(self._container)
        said = given.messages(messages, at=self._container.conversations.now(), limits=limits)
        noted = given.noted(state, limits=limits)
        if not said and not noted:
            raise InvalidInputError("neither these nor a state are given", field="messages", advice="give one of them")
        addition = Addition(said, noted, caller=Caller(state=noted.put), new_turn=True)
        turn = self._container.conversations.add(
            self._tenant_id, self._id("conversation_id", conversation_id), addition
        )
        return ConversationTurn(conversation_id, turn.caller_identity, dict(turn.fields or {}), dict(turn.state or {}))

    def end(
        self, conversation_id: Filled, *, state: Mapping[str, object] | None = None, defer: bool = False
    ) -> ConversationRecord:
        """End a conversation, whichever process began it: what its state has for memory is kept.

        One that is over stays as it is. What another process noted since its
        last message is not known here.

        Args:
            conversation_id: Which conversation.
            state: What is noted last, as for `add`.
            defer: Whether its transcript is left to `work`.

        Raises:
            InvalidInputError: A value of the state cannot be kept; the conversation is still open.
            NotFoundError: There is no such conversation.
        """
        self._id("conversation_id", conversation_id)
        noted = given.noted(state, limits=_limits(self._container))
        ending = Ending(state=noted, caller=Caller(state=noted.put), deferred=inputs.flag("defer", defer))
        return _ended(self._container, self._tenant_id, conversation_id, ending)

    def work(self, limit: Page | None = None) -> int:
        """Read transcripts that were left for later, or whose reading was cut short.

        Several processes may work at once: no transcript is read by two. One
        that cannot be read for the moment, because a model or its provider is
        down, is tried again by a later call: after a minute, then twice as long
        each time, up to an hour. After three of them in a row the others are
        left for later too.

        Args:
            limit: How many at most; all there are without it.

        Returns:
            How many were read.
        """
        if limit is not None:
            inputs.count("limit", limit, low=1, high=MAX_PAGE)
        return self._container.learning.work(self._tenant_id, limit)

    def postponed(self) -> int:
        """Return how many transcripts could not be read for the moment; `work` tries them again later.

        Their `extraction` is `pending`, and `extraction_note` says why.
        """
        self._container.require_open()
        return self._container.learning.postponed(self._tenant_id)

    astart = to_async(start)
    aresume = to_async(resume)
    aget = to_async(get)
    afind = to_async(find)
    alist = to_async(list)  # noqa: A003 - the method of this class
    aids = to_async(ids)
    aadd = to_async(add)
    aend = to_async(end)
    awork = to_async(work)
    apostponed = to_async(postponed)

    def __repr__(self) -> str:
        return f"<Conversations tenant_id={self._tenant_id!r}>"

    def _id(self, field: str, value: str) -> str:
        return inputs.identifier(field, value, limit=self._container.settings.max_id_chars)


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
        said = given.message(role, content, external_id, at=at, limits=_limits(self._container))
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
        record = _ended(self._container, self._tenant_id, self.id, ending)
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
        """Who the caller is, where the state says it by now and nothing did before."""
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


def _ended(container: Container, tenant_id: str, conversation_id: Filled, ending: Ending) -> ConversationRecord:
    if container.conversations.end(tenant_id, conversation_id, ending) and not ending.deferred:
        container.learning.run(tenant_id, conversation_id)
    return container.records.get(tenant_id, conversation_id)


def _limits(container: Container) -> GivenLimits:
    settings = container.settings
    return GivenLimits(
        content_chars=settings.max_block_chars,
        id_chars=settings.max_id_chars,
        value_bytes=settings.max_value_bytes,
    )
