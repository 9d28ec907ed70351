"""The conversation that the turns of a thread are part of: going on with it, recording what was said, ending it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, ToolMessage
from langgraph.types import Overwrite

from agentmem import rendering
from agentmem.errors import ConflictError, InvalidInputError
from agentmem.langgraph.inject import storable
from agentmem.langgraph.messages import LC_SOURCE, channel, key, messages_of, turn_beginning
from agentmem.langgraph.run import AnyRuntime, Binding, Run, UnavailableError

if TYPE_CHECKING:
    from agentmem.client.conversation import Conversation
    from agentmem.records import Json, Role

_ROLES: Final[dict[type[BaseMessage], Role]] = {HumanMessage: "user", AIMessage: "assistant", ToolMessage: "tool"}


@dataclass(frozen=True, slots=True)
class Talk:
    """How one graph holds conversations: the steps of a turn, for nodes and for hooks.

    Args:
        binding: Whose conversations, in which store.
        medium: The channel that a conversation begun here is held over.
        defer: Whether reading the transcript is left to `mem.conversations.work`.
    """

    binding: Binding
    medium: str
    defer: bool

    def begin(self, state: object, runtime: AnyRuntime) -> dict[str, Any]:
        """Go on with the thread's conversation, or start one, and record what it has not heard yet."""
        run = self.binding.run(state, runtime)
        try:
            update = run.attempt(lambda: self._begun(run, state))
        except UnavailableError:
            update = {"conversation_id": ""}
        return {**update, **run.bound()}

    def close(self, state: object, runtime: AnyRuntime, *, end: bool) -> dict[str, Any]:
        """Record what was said in the turn, and end the conversation if it is to end."""
        run = self.binding.run(state, runtime)
        try:
            update = run.attempt(lambda: self._closed(run, state, end=end))
        except UnavailableError:
            update = {}
        return {**update, **run.bound()}

    def _begun(self, run: Run, state: object) -> dict[str, Any]:
        conversation = self._current(run, state)
        if conversation.id in _heard(state):  # what was noted in another is not this one's
            _hand_over(conversation, state)
        update = _recorded(run, conversation, state)
        return {**update, **_shown(conversation, state)}

    def _closed(self, run: Run, state: object, *, end: bool) -> dict[str, Any]:
        begun = channel(state, "conversation_id", "")
        conversation = run.conversation(begun) if begun else self._current(run, state)
        if conversation is None:  # ended meanwhile; what came after its end is not part of it
            return {}
        _hand_over(conversation, state)
        update = _recorded(run, conversation, state)
        if end or run.thread_id is None:  # without a thread nobody could go on with it
            conversation.end(defer=self.defer)
            return update
        return {**update, **_shown(conversation, state)}

    def _current(self, run: Run, state: object) -> Conversation:
        """Return the open conversation of the thread, or of a run that has no thread; a new one where there is none."""
        try:
            return _open(run, state) or self._started(run)
        except ConflictError:  # another run of the thread was first
            return _open(run, state) or self._started(run)

    def _started(self, run: Run) -> Conversation:
        agent_id, user_id = run.scope.agent_id, run.scope.user_id
        if agent_id is None:
            raise InvalidInputError(
                "a conversation is held with an agent",
                field="agent_id",
                advice="pass MemoryContext(agent_id=…), or give agent_id=… where the conversation is added to "
                "the graph",
            )
        return run.mem.conversations.start(agent_id, user_id=user_id, thread_id=run.thread_id, channel=self.medium)


def _open(run: Run, state: object) -> Conversation | None:
    begun = channel(state, "conversation_id", "")
    conversation = run.conversation(begun) if begun else None
    if conversation and conversation.thread_id == run.thread_id:  # it is another one's in a copied thread
        return conversation
    found = run.mem.conversations.find(thread_id=run.thread_id) if run.thread_id is not None else None
    return run.conversation(found.id) if found else None


def _recorded(run: Run, conversation: Conversation, state: object) -> dict[str, Any]:
    """Record what a conversation has not heard of the state's messages; what to remember about that in the state."""
    messages = run.messages(state)
    unheard = set(map(key, _unheard(messages_of(state), messages, _heard(state).get(conversation.id))))
    for message in (one for one in messages if key(one) in unheard):
        role, text = _role(message), storable(message.text)[: run.mem.settings.max_block_chars]
        if role and text.strip() and not _is_recalled(message):
            conversation.add_message(role, text, external_id=message.id)
    last = messages[-1].id if messages else None
    return {"conversation_id": conversation.id, "conversation_heard": {conversation.id: last or ""}}


def _hand_over(conversation: Conversation, state: object) -> None:
    """Note in a conversation what was set in the graph since the two last agreed: another process may note things, too.

    It is kept with the next message.
    """
    given: dict[str, Any] = channel(state, "conversation_state", {})
    agreed: dict[str, Json] = channel(state, "conversation_kept", {})
    for name in agreed.keys() - given.keys():
        conversation.state.pop(name, None)
    for name, value in given.items():
        if name not in agreed or not _is_same(value, agreed[name]):
            conversation.state[name] = value


def _shown(conversation: Conversation, state: object) -> dict[str, Any]:
    """What the graph is to see of a conversation's state, whoever noted it; nothing where it sees that already."""
    shown, agreed = dict(conversation.state), conversation.state.seen
    shown_before: dict[str, Any] = channel(state, "conversation_state", {})
    agreed_before: dict[str, Json] = channel(state, "conversation_kept", {})
    update: dict[str, Any] = {}
    if shown.keys() != shown_before.keys() or not all(_is_same(shown[name], shown_before[name]) for name in shown):
        update["conversation_state"] = Overwrite(shown)
    if agreed != agreed_before:
        update["conversation_kept"] = Overwrite(agreed)
    return update


def _is_same(one: object, other: object) -> bool:
    """Return whether two values are one object, or the same JSON."""
    if one is other:
        return True
    try:
        return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    except (TypeError, ValueError):
        return False


def _heard(state: object) -> dict[str, str]:
    return channel(state, "conversation_heard", {})


def _unheard(everything: Sequence[AnyMessage], own: Sequence[AnyMessage], last: str | None) -> Sequence[AnyMessage]:
    """Return the messages after the last one that was heard; those of the current turn where that is not known.

    It is not known when a conversation begins: what a thread, or a caller's own history, holds from before is not
    said in it. The one that was heard may have become somebody else's since.
    """
    for position, message in enumerate(everything):
        if last and message.id == last:
            return everything[position + 1 :]
    return own[turn_beginning(own) :]


def _role(message: BaseMessage) -> Role | None:
    return next((role for kind, role in _ROLES.items() if isinstance(message, kind)), None)


def _is_recalled(message: BaseMessage) -> bool:
    """Return whether a message is what memory said, and nobody in this conversation: it must not be learned again."""
    return LC_SOURCE in message.additional_kwargs or message.text.startswith(f"<{rendering.ANSWER_FRAME}>")
