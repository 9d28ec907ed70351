"""Memory for a hand-built graph: nodes that recall, call a model, and begin and end a conversation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from langchain.chat_models import init_chat_model
from langchain_core.language_models import LanguageModelInput
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, SystemMessage, ToolMessage
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from langchain_core.tools import BaseTool
from langgraph.prebuilt import ToolNode
from langgraph.prebuilt.tool_node import ToolCallRequest
from langgraph.runtime import Runtime, get_runtime
from langgraph.types import Command

from agentmem.langgraph.conversations import Talk
from agentmem.langgraph.inject import compose_for_node, recall_for_turn
from agentmem.langgraph.run import Binding, ContextAdapter, Run, Store
from agentmem.langgraph.state import NodeState
from agentmem.langgraph.threads import note_answer
from agentmem.langgraph.tools import guard_tool

ToolAnswer = ToolMessage | Command[Any]
MemoryNode = Callable[[NodeState, Runtime[Any]], dict[str, Any]]


def create_memory_node(
    mem: Store,
    *,
    agent_id: str | None = None,
    context: ContextAdapter | None = None,
) -> MemoryNode:
    """Return the node that begins a turn: it recalls for it, if the policy says so, and binds the thread to its scope.

        builder = StateGraph(MemoryState, input_schema=MessagesState, output_schema=MessagesState,
                             context_schema=MemoryContext)
        builder.add_node("memory", create_memory_node(mem))

    A run of another user or agent in the thread raises InvalidInputError here.
    LangGraph has stored the run's messages in the thread by then: from then on
    memory neither shows, records nor learns from them, nor from what nodes without
    memory answered after memory's last step. That is so for runs that come to a
    step of memory; who can stop the graph before one, or call `update_state`, reads
    and writes the thread itself. Nodes of your own do see what was left. So where
    callers choose their thread, run the graph with `client.agents.run`, which looks
    before anything is stored.

    A turn that is resumed does not begin here: give it its tools with
    `create_tool_node`.

    Args:
        mem: The store, or a function that opens it when it is first needed.
        agent_id: The agent, in place of the context's.
        context: Makes a `MemoryContext` of your own run context.
    """
    binding = Binding(mem, agent_id, context)

    def memory(state: NodeState, runtime: Runtime[Any]) -> dict[str, Any]:
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
) -> Runnable[NodeState, dict[str, Any]]:
    """Return a node that calls a chat model with the messages of the state and with memory.

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

    def prompt(state: NodeState) -> tuple[Run, list[BaseMessage]]:
        run = binding.run(state, get_runtime())
        return run, compose_for_node(run, state, system_prompt)

    def update(run: Run, answer: AIMessage) -> dict[str, Any]:
        note_answer(run, [answer])
        return {"messages": [answer], **run.bound()}

    def call(state: NodeState, config: RunnableConfig) -> dict[str, Any]:
        run, messages = prompt(state)
        return update(run, bound.invoke(messages, config))

    async def acall(state: NodeState, config: RunnableConfig) -> dict[str, Any]:
        run, messages = await asyncio.to_thread(prompt, state)
        return await asyncio.to_thread(update, run, await bound.ainvoke(messages, config))

    return _ModelNode(call, acall, name="model")


def create_tool_node(
    mem: Store,
    tools: Sequence[BaseTool | Callable[..., Any]],
    *,
    agent_id: str | None = None,
    context: ContextAdapter | None = None,
    **options: Any,
) -> ToolNode:
    """LangGraph's `ToolNode`, whose tools never run in somebody else's thread.

    A turn that was interrupted in a tool is resumed there, and no node that
    comes before looks who resumes it. With this node it is refused before the
    tool runs.

        builder.add_node("tools", create_tool_node(mem, tools))

    Args:
        mem: The store, or a function that opens it when it is first needed.
        tools: The tools, memory's and your own.
        agent_id: The agent, in place of the context's.
        context: Makes a `MemoryContext` of your own run context.
        **options: What else `ToolNode` takes, such as `handle_tool_errors`.
    """
    binding = Binding(mem, agent_id, context)

    def call(request: ToolCallRequest, execute: Callable[[ToolCallRequest], ToolAnswer]) -> ToolAnswer:
        return guard_tool(binding, request) or execute(request)

    async def acall(
        request: ToolCallRequest, execute: Callable[[ToolCallRequest], Awaitable[ToolAnswer]]
    ) -> ToolAnswer:
        return await asyncio.to_thread(guard_tool, binding, request) or await execute(request)

    return ToolNode(tools, wrap_tool_call=call, awrap_tool_call=acall, **options)


def create_conversation_nodes(
    mem: Store,
    *,
    agent_id: str | None = None,
    context: ContextAdapter | None = None,
    channel: str = "webchat",
    defer: bool = False,
) -> tuple[MemoryNode, MemoryNode]:
    """Return the nodes that begin and end a conversation: `(start, end)`.

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
    with the next message that `start` or `end` records. It shows what other
    processes noted, too, from the next `start` on. What is set in `conv.state`
    itself is kept with the next step of that `conversation`, such as `handoff`.

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

    def start(state: NodeState, runtime: Runtime[Any]) -> dict[str, Any]:
        return talk.begin(state, runtime)

    def end(state: NodeState, runtime: Runtime[Any]) -> dict[str, Any]:
        return talk.close(state, runtime, end=True)

    return start, end


class _ModelNode(RunnableLambda[NodeState, dict[str, Any]]):
    """A runnable that can be called as well: LangGraph reads there what the node takes."""

    def __call__(self, state: NodeState, config: RunnableConfig) -> dict[str, Any]:
        return self.invoke(state, config)
