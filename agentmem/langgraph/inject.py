"""The two steps of an agent's turn with memory: recall for the turn, and put memory into a model's prompt."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from langchain_core.messages import AnyMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.messages.utils import count_tokens_approximately

from agentmem import rendering
from agentmem.agents.graphs import current_run
from agentmem.conversations import prompts
from agentmem.errors import InvalidInputError
from agentmem.langgraph.messages import LC_SOURCE, channel, current_turn, turn_position
from agentmem.langgraph.run import AnyRuntime, Binding, ContextAdapter, Run, Store, UnavailableError

_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


def recall_for_turn(binding: Binding, state: object, runtime: AnyRuntime) -> dict[str, Any]:
    """Return the memory step: what to write to the state at the beginning of a turn.

    The whole reminder channel is replaced, so nothing of an earlier turn, nor
    of a caller's input, is left in it.
    """
    run = binding.run(state, runtime)
    turn = current_turn(run.messages(state))
    reminder = _reminder(run, turn.text) if turn and run.policy.archival_mode == "auto" else ""
    reminders = {_key(turn): reminder} if turn and reminder else {}
    return {"system_reminders": reminders, **run.bound()}


def compose(
    run: Run, state: object, system: SystemMessage | None, messages: Sequence[AnyMessage]
) -> tuple[SystemMessage | None, list[AnyMessage]]:
    """Return the model step: a system message that ends in core memory, and messages with the turn's reminder.

    What others left in the thread is left out. Nothing of this is written to the state.
    """
    return _with_core(run, with_facts(run, state, system)), _with_reminder(run, state, run.own(messages))


def with_facts(run: Run, state: object, system: SystemMessage | None) -> SystemMessage | None:
    """Return the system message with what is known about the caller in place of `{{memory}}`.

    That is up to the state's conversation; without one the message is as it was.
    """
    conversation_id: str | None = channel(state, "conversation_id", None)
    if system is None or conversation_id is None or not prompts.wants_memory(system.text):
        return system
    parts = [_with_text(part, partial(_filled, run, conversation_id)) for part in _parts(system)]
    content = [part for part in parts if part is not None]
    return system.model_copy(update={"content": content}) if content else None


def inject_memory(
    mem: Store,
    state: object,
    runtime: AnyRuntime,
    system_prompt: str | SystemMessage | None = None,
    *,
    agent_id: str | None = None,
    context: ContextAdapter | None = None,
) -> list[BaseMessage]:
    """Return what to send to a model in a node of your own: the messages of the state, with memory.

        def call_model(state: MemoryState, runtime: Runtime[MemoryContext]):
            return {"messages": [model.invoke(inject_memory(mem, state, runtime, "You are …"))]}

    Core memory stands at the end of the system message, the turn's reminder
    right before its human message. `create_memory_node` must have run before.
    After the `start` of `create_conversation_nodes`, `{{memory}}` in the system
    prompt becomes what is known about the caller.
    It reads the database: in an async node, `await asyncio.to_thread(inject_memory, …)`.

    A thread is bound to its user and agent by the memory node, the model node or
    the middleware. Without one of them in the graph this checks a thread that is
    bound, and binds none.

    Args:
        mem: The store, or a function that opens it when it is first needed; give the same function each time.
        state: What the node takes, a `MemoryState` or one with its channels, whatever the graph's own state is.
        runtime: The node's runtime.
        system_prompt: Your own instructions.
        agent_id: The agent, in place of the context's.
        context: Makes a `MemoryContext` of your own run context.

    Returns:
        The system message, if there is anything to say in it, then the others.

    Raises:
        InvalidInputError: The run has no memory context, the thread is another scope's, or no memory node has run.
        BackendError: Memory could not be reached, and the policy is `on_failure="closed"`.
    """
    return compose_for_node(Binding(mem, agent_id, context).run(state, runtime), state, system_prompt)


def compose_for_node(run: Run, state: object, system_prompt: str | SystemMessage | None) -> list[BaseMessage]:
    """`inject_memory` for a run that is known."""
    system = SystemMessage(system_prompt) if isinstance(system_prompt, str) else system_prompt
    if system and not system.content:
        system = None
    messages = run.messages(state)
    while messages and isinstance(messages[0], SystemMessage):
        system = messages[0] if system is None else _appended(system, _parts(messages[0]))
        messages = messages[1:]
    system, messages = compose(run, state, system, messages)
    return [*([system] if system else []), *messages]


def storable(text: str) -> str:
    """Return what a person typed, without what a store refuses: it must not end the run."""
    return _UNSTORABLE.sub("", text)


def _with_text(part: str | dict[Any, Any], fill: Callable[[str], str]) -> str | dict[Any, Any] | None:
    """Return a part of a message, filled if it wants memory; `None` when there is nothing in it then."""
    text = part if isinstance(part, str) else str(part.get("text", ""))
    if not prompts.wants_memory(text):
        return part
    text = fill(text)
    if not text.strip():
        return None
    return text if isinstance(part, str) else {**part, "text": text}


def _filled(run: Run, conversation_id: str, text: str) -> str:
    unknown = prompts.filled(text, [rendering.RECALL_UNAVAILABLE])
    if not conversation_id:  # the turn began while memory was out of reach
        return unknown

    def fill() -> str:
        conversation = run.conversation(conversation_id)
        return conversation.render_prompt(text) if conversation else prompts.filled(text, [])

    try:
        return run.attempt(fill)
    except UnavailableError:
        return unknown


def _reminder(run: Run, said: str) -> str:
    query = storable(said)
    if not query.strip():
        return ""
    try:
        matches = run.recall(query, run.policy.archival_limit, asked=False)
    except UnavailableError:
        return rendering.reminder_unavailable()
    text, kept = rendering.reminder(matches, fits=lambda frame: _fits(frame, run.policy.archival_token_budget))
    current_run().matches = kept
    return text


def _fits(frame: str, budget: int | None) -> bool:
    return budget is None or count_tokens_approximately([_reminder_message(frame)]) <= budget


def _with_core(run: Run, system: SystemMessage | None) -> SystemMessage | None:
    try:
        core = rendering.core_memory(run.core_blocks())
    except UnavailableError:
        core = rendering.core_unavailable()
    if not core:
        return system
    if system is None:
        return SystemMessage(content=[{"type": "text", "text": core}])
    return _appended(system, [{"type": "text", "text": f"\n\n{core}"}])


def _with_reminder(run: Run, state: object, messages: Sequence[AnyMessage]) -> list[AnyMessage]:
    reminders: dict[str, str] | None = channel(state, "system_reminders", None)
    if reminders is None:
        if run.policy.archival_mode == "tool_only":
            return list(messages)
        raise InvalidInputError(
            'archival_mode="auto" needs the memory step before the model',
            field="memory_policy",
            advice="add the node that create_memory_node(mem) makes, and let a node of your own take a "
            "MemoryState: def call_model(state: MemoryState, runtime), or add_node(…, "
            "input_schema=MemoryState)",
        )
    position = turn_position(messages)
    if position is None or not (reminder := reminders.get(_key(messages[position]))):
        return list(messages)
    return [*messages[:position], _reminder_message(reminder), *messages[position:]]


def _reminder_message(text: str) -> HumanMessage:
    # Not a system message: providers drop one that stands between turns, or move it to the top.
    return HumanMessage(text, additional_kwargs={LC_SOURCE: "agentmem"})


def _key(turn: BaseMessage) -> str:
    return turn.id or ""


def _parts(message: SystemMessage) -> list[str | dict[Any, Any]]:
    if isinstance(message.content, str):
        return [{"type": "text", "text": message.content}] if message.content else []
    return list(message.content)


def _appended(message: SystemMessage, parts: list[str | dict[Any, Any]]) -> SystemMessage:
    # What stands before stays as it is, with its cache marks, so that a provider's cache of it stays warm.
    return message.model_copy(update={"content": [*_parts(message), *parts]})
