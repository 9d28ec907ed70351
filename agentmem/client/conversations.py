"""`mem.conversations`: begun, gone on with from any process, ended, and looked back at."""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field

from agentmem import inputs
from agentmem.bounds import MAX_MESSAGES, MAX_PAGE, Filled, Page
from agentmem.client.conversation import Conversation, ended
from agentmem.client.to_async import to_async
from agentmem.client.wiring import Container
from agentmem.conversations import callers, given
from agentmem.conversations.callers import Caller
from agentmem.conversations.commands import Addition, Ending, Opening
from agentmem.display import Values
from agentmem.errors import InvalidInputError
from agentmem.records import ConversationRecord, ConversationTurn, MessageInput


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
        messages: Annotated[Sequence[MessageInput], Field(max_length=MAX_MESSAGES)] = (),
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
        limits = self._container.given_limits
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
        noted = given.noted(state, limits=self._container.given_limits)
        ending = Ending(state=noted, caller=Caller(state=noted.put), deferred=inputs.flag("defer", defer))
        return ended(self._container, self._tenant_id, conversation_id, ending)

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
