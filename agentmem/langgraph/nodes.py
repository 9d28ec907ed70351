"""Memory for a hand-built graph: the node that recalls, and a node that calls a model."""

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

from agentmem.langgraph.inject import compose_for_node, recall_for_turn
from agentmem.langgraph.run import Binding, ContextAdapter, Store
from agentmem.langgraph.state import MemoryState


def create_memory_node(
    mem: Store,
    *,
    agent_id: str | None = None,
    context: ContextAdapter | None = None,
) -> Callable[[MemoryState, Runtime[Any]], dict[str, Any]]:
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
    `stream_mode="messages"`.

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
