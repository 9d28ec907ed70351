"""A thread stays with its user in every shape that an agent with memory can stand in, sync and async."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Command, interrupt
from langgraph_supervisor import create_supervisor
from langgraph_swarm import create_swarm

from agentmem import InvalidInputError
from agentmem.langgraph import (
    ConversationMiddleware,
    MemoryContext,
    MemoryMiddleware,
    MemoryState,
    create_memory_node,
    create_model_node,
)

from .conftest import ada, ainvoke, auto, calling, invoke, said, scripted, thread

REFUSED = "thread_id: .* another user"
BOB = {"user_id": "bob"}

# langgraph_supervisor builds on a function that LangGraph has moved since.
pytestmark = pytest.mark.filterwarnings("ignore:create_react_agent has been moved")


def member(mem, model, agent_id="support", **options):
    return create_agent(
        model, middleware=[MemoryMiddleware(mem, agent_id)], context_schema=MemoryContext, name=agent_id, **options
    )


def in_a_parent(mem, model):
    builder = StateGraph(MessagesState, context_schema=MemoryContext)
    builder.add_node("support", member(mem, model))
    builder.add_edge(START, "support")
    return builder


def two_levels_down(mem, model):
    builder = StateGraph(MessagesState, context_schema=MemoryContext)
    builder.add_node("desk", in_a_parent(mem, model).compile())
    builder.add_edge(START, "desk")
    return builder


def called_in_a_node(mem, model):
    agent = member(mem, model)

    def ask(state):
        return {"messages": agent.invoke({"messages": state["messages"]})["messages"][-1:]}

    async def aask(state):
        output = await agent.ainvoke({"messages": state["messages"]})
        return {"messages": output["messages"][-1:]}

    builder = StateGraph(MessagesState, context_schema=MemoryContext)
    builder.add_node("ask", RunnableLambda(ask, aask))
    builder.add_edge(START, "ask")
    return builder


def nodes_in_a_parent(mem, model):
    inner = StateGraph(MemoryState, input_schema=MessagesState, output_schema=MessagesState)
    inner.add_node("memory", create_memory_node(mem))
    inner.add_node("model", create_model_node(mem, model))
    inner.add_edge(START, "memory")
    inner.add_edge("memory", "model")
    builder = StateGraph(MessagesState, context_schema=MemoryContext)
    builder.add_node("inner", inner.compile())
    builder.add_edge(START, "inner")
    return builder


def supervised(mem, model):
    boss = scripted(lambda messages: calling("transfer_to_support") if messages[-1].type == "human" else "done")
    boss.repeat_last = True
    return create_supervisor([member(mem, model)], model=boss, context_schema=MemoryContext)


def in_a_swarm(mem, model):
    return create_swarm([member(mem, model)], default_active_agent="support", context_schema=MemoryContext)


def as_a_tool(mem, model):
    agent = member(mem, model)

    @tool
    async def aconsult(question: str) -> str:
        """Ask support."""
        output = await agent.ainvoke({"messages": [HumanMessage(question)]})
        return output["messages"][-1].text

    @tool
    def consult(question: str) -> str:
        """Ask support."""
        return agent.invoke({"messages": [HumanMessage(question)]})["messages"][-1].text

    consult.coroutine = aconsult.coroutine

    def call(state):
        asked = calling("consult", question=state["messages"][-1].text)
        return {"messages": [AIMessage("", tool_calls=asked.tool_calls)]}

    builder = StateGraph(MessagesState, context_schema=MemoryContext)
    builder.add_node("call", call)
    builder.add_node("tools", ToolNode([consult], handle_tool_errors=True))
    builder.add_edge(START, "call")
    builder.add_edge("call", "tools")
    return builder


SHAPES = [
    in_a_parent,
    two_levels_down,
    called_in_a_node,
    nodes_in_a_parent,
    supervised,
    in_a_swarm,
    as_a_tool,
]


@pytest.fixture(params=SHAPES, ids=lambda shape: shape.__name__)
def shape(request):
    return request.param


@pytest.fixture(params=[invoke, ainvoke])
def run(request):
    return request.param


def seen(model):
    return " ".join(message.text for prompt in model.prompts for message in prompt)


def ask(client, how, *arguments, **options):
    if how is invoke:
        return client.agents.run(*arguments, **options)
    return asyncio.run(client.agents.arun(*arguments, **options))


def test_another_user_is_refused_before_the_model_is_called(mem, shape, run):
    model = scripted("hello Ada", "never")
    graph = shape(mem, model).compile(checkpointer=InMemorySaver())
    run(graph, said("My PIN is 4711"), thread(), ada())

    with pytest.raises(InvalidInputError, match=REFUSED) as caught:
        run(graph, said("What did I say?"), thread(), BOB)

    assert len(model.prompts) == 1
    assert "ada" not in str(caught.value)


def test_another_user_of_a_registered_graph_leaves_nothing_in_the_thread(mem, shape, run):
    model = scripted("hello Ada", "never")
    graph = shape(mem, model).compile(checkpointer=InMemorySaver())
    mem.agents.register("desk", graph)
    ask(mem.client("ada"), run, "desk", "My PIN is 4711", thread_id="t")
    before = graph.get_state(thread())

    with pytest.raises(InvalidInputError, match=REFUSED):
        ask(mem.client("bob"), run, "desk", "What did I say?", thread_id="t")

    assert graph.get_state(thread()) == before
    assert len(model.prompts) == 1


def test_what_a_refused_user_said_is_not_shown_when_the_owner_goes_on(mem, shape, run):
    model = scripted("hello Ada", "still here")
    graph = shape(mem, model).compile(checkpointer=InMemorySaver())
    run(graph, said("I am allergic"), thread(), ada())
    with pytest.raises(InvalidInputError, match=REFUSED):
        run(graph, said("Bring nuts"), thread(), BOB)

    run(graph, said("What may I eat?"), thread(), ada())

    assert "What may I eat?" in seen(model)
    assert "Bring nuts" not in seen(model)


def test_whoever_was_merged_goes_on_in_their_threads(mem, shape, run):
    mem.contacts.create(id="ada")
    mem.contacts.create(id="augusta")
    graph = shape(mem, scripted("one", "two", "three")).compile(checkpointer=InMemorySaver())
    run(graph, said("hi"), thread(), ada())
    mem.contacts.merge("ada", into="augusta")

    for user_id in ("augusta", "ada"):
        run(graph, said("me again"), thread(), {"user_id": user_id})
    with pytest.raises(InvalidInputError, match=REFUSED):
        run(graph, said("hi"), thread(), BOB)


def test_a_forgotten_users_threads_are_deleted_and_nobody_goes_on_with_them(mem, shape, run):
    saver = InMemorySaver()
    graph = shape(mem, scripted("one", "never")).compile(checkpointer=saver)
    run(graph, said("My PIN is 4711"), thread(), ada())

    receipt = mem.forget("ada", checkpointer=saver)

    assert "LangGraph threads: 1" in receipt.done
    assert "t" not in saver.storage
    with pytest.raises(InvalidInputError, match=REFUSED):
        run(graph, said("hi"), thread(), BOB)
    assert "4711" not in str(graph.get_state(thread()).values)


def test_nobody_walks_into_a_forgotten_users_thread_that_was_left(mem, shape, run, tables):
    model = scripted("one", "never")
    graph = shape(mem, model).compile(checkpointer=InMemorySaver())
    run(graph, said("My PIN is 4711"), thread("ada's"), ada())

    receipt = mem.forget("ada")

    assert "threads: 1" in receipt.done
    assert "ada" not in repr([row[1:] for row in tables()["agentmem_thread"]])
    with pytest.raises(InvalidInputError, match=REFUSED):
        run(graph, said("What was said?"), thread("ada's"), BOB)
    assert len(model.prompts) == 1


def test_a_team_of_agents_works_for_one_user_in_one_thread(mem, run):
    models = {name: scripted(f"{name} one", f"{name} two") for name in ("support", "billing")}
    builder = StateGraph(MessagesState, context_schema=MemoryContext)
    for name, model in models.items():
        builder.add_node(name, member(mem, model, name))
    builder.add_edge(START, "support")
    builder.add_edge("support", "billing")
    graph = builder.compile(checkpointer=InMemorySaver())
    mem.agents.register("desk", graph)

    for text in ("hi", "me again"):
        ask(mem.client("ada"), run, "desk", text, thread_id="t")

    assert [len(model.prompts) for model in models.values()] == [2, 2]


def test_a_graph_without_a_checkpointer_leaves_no_thread(mem, shape, run, tables):
    graph = shape(mem, scripted("one", "two")).compile()
    mem.agents.register("desk", graph)
    run(graph, said("hi"), thread(), ada())
    ask(mem.client("ada"), run, "desk", "hi")

    assert tables()["agentmem_thread"] == []


def test_nothing_that_a_refused_user_said_is_recorded_or_recalled_for(mem, run, embeddings):
    mem.agents.configure("support", memory_enabled=True)
    mem.client("ada").memory.remember("Acme renews in March")
    middleware = [ConversationMiddleware(mem), MemoryMiddleware(mem)]
    graph = create_agent(
        model := scripted("hello", "still here"),
        middleware=middleware,
        context_schema=MemoryContext,
        checkpointer=InMemorySaver(),
    )
    run(graph, said("Hi"), thread(), auto("support"))
    with pytest.raises(InvalidInputError, match=REFUSED):
        run(graph, {"messages": [HumanMessage("I like nuts"), HumanMessage("Bring nuts")]}, thread(), BOB)
    run(graph, said("When does Acme renew?"), thread(), auto("support"))

    (record,) = mem.conversations.list()
    assert [message.content for message in record.messages] == ["Hi", "hello", "When does Acme renew?", "still here"]
    assert "nuts" not in seen(model)
    assert not any("nuts" in query for query in embeddings.queries)


@tool
def ask_a_person(question: str) -> str:
    """Ask a person, and wait."""
    return str(interrupt(question))


def test_an_interrupted_team_member_is_not_resumed_by_another(mem, run):
    asking = calling("ask_a_person", question="May I?")
    agent = member(mem, model := scripted(asking, "done"), tools=[ask_a_person])
    builder: Any = StateGraph(MessagesState, context_schema=MemoryContext)
    builder.add_node("support", agent)
    builder.add_edge(START, "support")
    graph = builder.compile(checkpointer=InMemorySaver())
    run(graph, said("Refund me"), thread(), ada())

    with pytest.raises(InvalidInputError, match=REFUSED):
        run(graph, Command(resume="by bob"), thread(), BOB)
    output = run(graph, Command(resume="by ada"), thread(), ada())

    assert output["messages"][-1].text == "done"
    assert [message.text for message in model.prompts[-1] if message.type == "tool"] == ["by ada"]
    assert "Refund me" in [message.text for message in model.prompts[-1]]
