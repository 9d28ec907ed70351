"""One agent, built in both ways and run in both ways: what is promised holds in all four."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import tools_condition

from agentmem.langgraph import (
    MemoryContext,
    MemoryMiddleware,
    MemoryState,
    create_archival_tools,
    create_core_memory_tools,
    create_memory_node,
    create_model_node,
    create_recall_tool,
    create_tool_node,
)
from agentmem.testing import HashingEmbeddings, ScriptedChatModel

SYSTEM = "You are a test."


def with_middleware(mem, model, *, agent_id=None, context=None, tools=(), context_schema=MemoryContext, **options):
    return create_agent(
        model,
        tools=list(tools),
        system_prompt=SYSTEM,
        middleware=[MemoryMiddleware(mem, agent_id, tools="all", context=context)],
        context_schema=context_schema,
        **options,
    )


def by_hand(mem, model, *, agent_id=None, context=None, tools=(), context_schema=MemoryContext, **options):
    own = [
        create_recall_tool(mem, agent_id, context=context),
        *create_core_memory_tools(mem, agent_id, context=context),
        *create_archival_tools(mem, agent_id, context=context),
        *tools,
    ]
    builder = StateGraph(
        MemoryState, input_schema=MessagesState, output_schema=MessagesState, context_schema=context_schema
    )
    builder.add_node("memory", create_memory_node(mem, agent_id=agent_id, context=context))
    builder.add_node("model", create_model_node(mem, model, own, SYSTEM, agent_id=agent_id, context=context))
    builder.add_node("tools", create_tool_node(mem, own, agent_id=agent_id, context=context))
    builder.add_edge(START, "memory")
    builder.add_edge("memory", "model")
    builder.add_conditional_edges("model", tools_condition)
    builder.add_edge("tools", "model")
    return builder.compile(**options)


def invoke(graph, given, config=None, context=None):
    return graph.invoke(given, config, context=context)


def ainvoke(graph, given, config=None, context=None):
    return asyncio.run(graph.ainvoke(given, config, context=context))


@dataclass(frozen=True)
class Way:
    """How an agent is built, and how it is run."""

    build: Callable[..., Any]
    run: Callable[..., Any]


WAYS = {
    "middleware": Way(with_middleware, invoke),
    "middleware-async": Way(with_middleware, ainvoke),
    "nodes": Way(by_hand, invoke),
    "nodes-async": Way(by_hand, ainvoke),
}


@pytest.fixture(params=WAYS)
def way(request):
    return WAYS[request.param]


@pytest.fixture(params=["middleware", "nodes-async"])
def either_way(request):
    """Both builds and both runs, for rules that hold in one place for all."""
    return WAYS[request.param]


@pytest.fixture(params=[with_middleware, by_hand])
def build(request):
    return request.param


@dataclass
class SwitchedEmbeddings(HashingEmbeddings):
    """Embeddings that can be made to fail, or to wait."""

    error: Exception | None = None
    hold: Callable[[], object] | None = None
    dimensions: int = 256
    model_name: str = "switched"
    queries: list[str] = field(default_factory=list)

    def embed_query(self, text):
        self.queries.append(text)
        if self.hold is not None:
            self.hold()
        if self.error is not None:
            raise self.error
        return super().embed_query(text)

    def embed_documents(self, texts):
        if self.error is not None:
            raise self.error
        return [HashingEmbeddings.embed_query(self, text) for text in texts]


@pytest.fixture
def embeddings():
    return SwitchedEmbeddings()


def scripted(*steps):
    return ScriptedChatModel(script=list(steps))


def calling(name, **args):
    return AIMessage("", tool_calls=[{"name": name, "args": args, "id": f"call-{name}"}])


def said(text, message_id=None):
    message = {"role": "user", "content": text}
    return {"messages": [{**message, "id": message_id} if message_id else message]}


def thread(name="t"):
    return {"configurable": {"thread_id": name}}


def ada(agent_id=None, **policy):
    return {"user_id": "ada", "agent_id": agent_id, "memory_policy": policy}


def auto(agent_id=None, **policy):
    return ada(agent_id, archival_mode="auto", **policy)


@pytest.fixture
def break_blocks(home, mem):
    """Takes the table of blocks away, as damage would."""

    def damage():
        with closing(sqlite3.connect(home / "agentmem.db")) as connection, connection:
            connection.execute("ALTER TABLE agentmem_memory_block RENAME TO gone")

    return damage
