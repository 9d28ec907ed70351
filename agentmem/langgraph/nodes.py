"""Memory for a hand-built graph: nodes that recall, call a model, and begin and end a conversation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from langchain.chat_models import init_chat_model
from langchain_core.language_models import LanguageModelInput
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, SystemMessage
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from langchain_core.tools import BaseTool
from langgraph.runtime import Runtime, get_runtime

from agentmem.langgraph.conversations import Talk
from agentmem.langgraph.inject import compose_for_node, recall_for_turn
from agentmem.langgraph.run import Binding, ContextAdapter, Store
from agentmem.langgraph.state import MemoryState

MemoryNode = Callable[[MemoryState, Runtime[Any]], dict[str, Any]]


def create_memory_node(
    mem: Store,
    *,
    agent_id: str | None = None,
    context: ContextAdapter | None = None,
) -> MemoryNode:
    """The node that begins a turn: it recalls for it, if the policy says so, and binds the thread to its scope.

        builder = StateGraph(MemoryState, input_schema=MessagesState, output_schema=MessagesState,
                             context_schema=MemoryContext)
        builder.add_node("memory", create_memory_node(mem))

    A run of another user or agent in the thread raises InvalidInputError here.
    LangGraph has stored the run's input in the thread by then, so where callers
    choose their thread, run the graph with `client.agents.run`, which looks
    first, or check whose it is before you invoke it.

    Args:
        mem: The store, or a function that opens it when it is first needed.
        agent_id: The agent, in place of the context's.
        context: Makes a `MemoryContext` of your own run context.
    """
    binding = Binding(mem, agent_id, context)

    def memory(state: MemoryState, runtime: Runtime[Any]) -> dict[str, Any]:
        return recall_for_turn(binding, state, runtime)

    return memory


def create_model_node(
    mem: Store,
    model: str | BaseChatModel,
    tools: Sequence[BaseTool | Callable[..., Any] | dict[str, Any]] = (),
    system_prompt: str | SystemMessage | None = None,
    *,
    agent_id: str | None = None,
    context: ContextAdapter | None = None,
) -> Runnable[MemoryState, dict[str, Any]]:
    """A node that calls a chat model with the messages of the state and with memory.

    It works under `invoke` and `ainvoke`, and its tokens are streamed with
    `stream_mode="messages"`. After the `start` of `create_conversation_nodes`,
    `{{memory}}` in its system prompt becomes what is known about the caller.

    Args:
        mem: The store, or a function that opens it when it is first needed.
        model: The chat model, or its `provider:name`.
        tools: What the model may call; give a `ToolNode` the same.
        system_prompt: Your own instructions.
        agent_id: The agent, in place of the context's.
        context: Makes a `MemoryContext` of your own run context.
    """
    binding = Binding(mem, agent_id, context)
    chat = init_chat_model(model) if isinstance(model, str) else model
    bound: Runnable[LanguageModelInput, AIMessage] = chat.bind_tools(tools) if tools else chat

    def prompt(state: MemoryState) -> tuple[list[BaseMessage], str]:
        run = binding.run(state, get_runtime())
        return compose_for_node(run, state, system_prompt), run.fingerprint

    def call(state: MemoryState, config: RunnableConfig) -> dict[str, Any]:
        messages, fingerprint = prompt(state)
        return {"messages": [bound.invoke(messages, config)], "memory_scope": fingerprint}

    async def acall(state: MemoryState, config: RunnableConfig) -> dict[str, Any]:
        messages, fingerprint = await asyncio.to_thread(prompt, state)
        return {"messages": [await bound.ainvoke(messages, config)], "memory_scope": fingerprint}

    return RunnableLambda(call, acall, name="model")


def create_conversation_nodes(
    mem: Store,
    *,
    agent_id: str | None = None,
    context: ContextAdapter | None = None,
    channel: str = "webchat",
    defer: bool = False,
) -> tuple[MemoryNode, MemoryNode]:
    """The nodes that begin and end a conversation: `(start, end)`.

        start, end = create_conversation_nodes(mem)
        builder.add_node("start", start)            # at the beginning of every turn
        builder.add_node("end", end)                # where the conversation is over
        builder.add_edge(START, "start")
        builder.add_conditional_edges("talk", said_goodbye, {True: "end", False: END})

    The turns of a thread are one conversation, until one of them reaches `end`.
    `start` goes on with it, or starts one, and records what it has not heard yet:
    what the user says now, and what was answered last. A message is told by its
    id, so a turn that is run again is recorded once. System messages, reminders
    and what the `recall` tool answered are never recorded, so that memory does
    not learn from itself. After `start`, the model node and `inject_memory` put
    what is known about the caller in place of `{{memory}}`.

    A conversation that never gets to `end` is ended by `mem.sweep` after a while,
    or by `mem.conversations.end`. Without a thread, every run is a conversation
    of its own. It is with the user of the run's context; where the agent's
    `identifier_source` is a key of the state, it is anonymous before its end.

    In a node or tool of your own:

        conversation = mem.conversations.resume(state["conversation_id"])
        conversation.handoff(to="billing")
        return {"conversation_state": {"cheese_type": "brie"}}

    What is returned as `conversation_state`, key by key, becomes `conv.state`
    in `end`. `conv.state` itself is not kept from one node to the next.

    Args:
        mem: The store, or a function that opens it when it is first needed.
        agent_id: The agent, in place of the context's.
        context: Makes a `MemoryContext` of your own run context.
        channel: What the conversations are held over.
        defer: Leave reading the transcript to `mem.conversations.work`, so that no run waits for it.

    Returns:
        Two nodes. `start` raises InvalidInputError on a run without a context or an agent, or in a thread of another
        user or agent, and NotFoundError for an agent nobody configured.
    """
    talk = Talk(Binding(mem, agent_id, context), channel, defer)

    def start(state: MemoryState, runtime: Runtime[Any]) -> dict[str, Any]:
        return talk.begin(state, runtime)

    def end(state: MemoryState, runtime: Runtime[Any]) -> dict[str, Any]:
        return talk.close(state, runtime, end=True)

    return start, end
