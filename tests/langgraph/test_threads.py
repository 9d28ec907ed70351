"""A thread stays with the tenant, user and agent that began it, in every hook and tool, and across interrupts."""

from __future__ import annotations

import pytest
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt

from agentmem import InvalidInputError
from agentmem.langgraph import MemoryContext, MemoryState, create_memory_node, create_model_node
from agentmem.testing import seen_memory

from .conftest import ada, auto, by_hand, calling, said, scripted, thread, with_middleware


@tool
def ask_a_person(question: str) -> str:
    """Ask a person, and wait."""
    return str(interrupt(question))


ASKING = calling("ask_a_person", question="May I?")


@pytest.fixture(autouse=True)
def _memories(memory):
    memory.remember("Acme renews in March")


@pytest.mark.parametrize(
    "other",
    [{"user_id": "bob"}, ada("agent_emails"), {"user_id": "ada", "agent_id": None}],
    ids=["user", "agent", "none"],
)
def test_a_thread_of_another_scope_is_refused(way, mem, other):
    model = scripted("ok", "never")
    graph = way.build(mem, model, checkpointer=InMemorySaver())
    way.run(graph, said("hi"), thread(), ada("agent_records"))

    with pytest.raises(InvalidInputError, match="thread_id") as caught:
        way.run(graph, said("hi"), thread(), other)

    assert len(model.prompts) == 1
    assert "ada" not in str(caught.value)


def test_a_thread_of_another_tenant_is_refused(way, mem):
    checkpointer = InMemorySaver()
    way.run(way.build(mem, scripted("ok"), checkpointer=checkpointer), said("hi"), thread(), ada())

    other = way.build(mem.tenant("acme"), scripted("never"), checkpointer=checkpointer)
    with pytest.raises(InvalidInputError, match="thread_id"):
        way.run(other, said("hi"), thread(), ada())


def test_the_same_scope_goes_on_with_its_thread(way, mem):
    model = scripted("one", "two")
    graph = way.build(mem, model, checkpointer=InMemorySaver())
    way.run(graph, said("hi"), thread(), ada("agent_records"))
    output = way.run(graph, said("hi again"), thread(), ada("agent_records", archival_mode="auto"))
    assert len(output["messages"]) == 4


def test_the_scope_in_a_thread_names_nobody(way, mem):
    graph = way.build(mem, scripted("ok"), checkpointer=InMemorySaver())
    way.run(graph, said("hi"), thread(), ada("agent_records"))

    kept = graph.get_state(thread()).values["memory_scope"]
    assert len(kept) == 32
    assert not {"ada", "agent_records", "default"} & {kept}


def test_a_model_node_alone_binds_its_thread_too(mem):
    builder = StateGraph(MemoryState, context_schema=MemoryContext)
    builder.add_node("model", create_model_node(mem, scripted("ok", "never")))
    builder.add_edge(START, "model")
    graph = builder.compile(checkpointer=InMemorySaver())
    graph.invoke(said("hi"), thread(), context=ada())

    with pytest.raises(InvalidInputError, match="thread_id"):
        graph.invoke(said("hi"), thread(), context={"user_id": "bob"})


def test_a_caller_cannot_take_a_thread_over_in_a_graph_that_forgot_its_schemas(mem):
    builder = StateGraph(MemoryState, context_schema=MemoryContext)
    builder.add_node("memory", create_memory_node(mem))
    builder.add_node("model", create_model_node(mem, scripted("ok", "ok", "never")))
    builder.add_edge(START, "memory")
    builder.add_edge("memory", "model")
    graph = builder.compile(checkpointer=InMemorySaver())
    graph.invoke(said("hi"), thread("ada's"), context=ada())
    bobs = graph.invoke(said("hi"), thread("bob's"), context={"user_id": "bob"})["memory_scope"]

    with pytest.raises(InvalidInputError, match="thread_id"):
        graph.invoke({**said("hi"), "memory_scope": bobs}, thread("ada's"), context={"user_id": "bob"})


def test_an_interrupted_turn_resumes_with_its_reminder(way, mem, memory):
    model = scripted(ASKING, "done")
    graph = way.build(mem, model, tools=[ask_a_person], checkpointer=InMemorySaver())

    way.run(graph, said("When does Acme renew?"), thread(), auto())
    memory.delete("archival")
    output = way.run(graph, Command(resume="yes"), thread(), auto())

    assert output["messages"][-2].text == "yes"
    assert [len(seen_memory(prompt).memories) for prompt in model.prompts] == [1, 1]


def test_an_interrupted_turn_resumes_from_a_file(build, mem, memory, tmp_path):
    path = str(tmp_path / "threads.db")
    model = scripted(ASKING, "done")
    with SqliteSaver.from_conn_string(path) as checkpointer:
        graph = build(mem, model, tools=[ask_a_person], checkpointer=checkpointer)
        graph.invoke(said("When does Acme renew?"), thread(), context=auto())
    memory.delete("archival")
    with SqliteSaver.from_conn_string(path) as checkpointer:
        graph = build(mem, model, tools=[ask_a_person], checkpointer=checkpointer)
        with pytest.raises(InvalidInputError, match="thread_id"):
            graph.invoke(Command(resume="yes"), thread(), context={"user_id": "bob"})
        output = graph.invoke(Command(resume="yes"), thread(), context=auto())

    assert output["messages"][-1].text == "done"
    assert [len(seen_memory(prompt).memories) for prompt in model.prompts] == [1, 1]


async def test_an_interrupted_turn_resumes_from_a_file_async(build, mem, memory, tmp_path):
    path = str(tmp_path / "threads.db")
    model = scripted(ASKING, "done")
    async with AsyncSqliteSaver.from_conn_string(path) as checkpointer:
        graph = build(mem, model, tools=[ask_a_person], checkpointer=checkpointer)
        await graph.ainvoke(said("When does Acme renew?"), thread(), context=auto())
    await memory.adelete("archival")
    async with AsyncSqliteSaver.from_conn_string(path) as checkpointer:
        graph = build(mem, model, tools=[ask_a_person], checkpointer=checkpointer)
        output = await graph.ainvoke(Command(resume="yes"), thread(), context=auto())

    assert output["messages"][-1].text == "done"
    assert [len(seen_memory(prompt).memories) for prompt in model.prompts] == [1, 1]


@pytest.mark.parametrize(
    "call",
    [
        calling("recall", query="Acme"),
        calling("core_memory_append", content="- forged"),
        calling("core_memory_replace", old="a", new="b"),
        calling("archival_memory_insert", content="forged"),
    ],
    ids=lambda call: call.tool_calls[0]["name"],
)
def test_a_turn_resumed_as_another_user_runs_no_memory_tool(way, mem, call):
    graph = way.build(mem, scripted(call), checkpointer=InMemorySaver(), interrupt_before=["tools"])
    way.run(graph, said("hi"), thread(), ada())

    with pytest.raises(InvalidInputError, match="thread_id"):
        way.run(graph, None, thread(), {"user_id": "bob"})

    assert mem.client(user_id="bob").memory.list() == []


@pytest.mark.parametrize("build", [with_middleware, by_hand])
def test_a_tool_that_runs_twice_after_an_interrupt_writes_once(build, mem, memory):
    both = calling("core_memory_append", content="- Likes rye")
    both.tool_calls.append(ASKING.tool_calls[0])
    both.tool_calls.append(calling("archival_memory_insert", content="Ada likes rye").tool_calls[0])
    graph = build(mem, scripted(both, "done"), tools=[ask_a_person], checkpointer=InMemorySaver())

    graph.invoke(said("I like rye"), thread(), context=ada())
    graph.invoke(Command(resume="yes"), thread(), context=ada())

    assert memory.get("core").content == "- Likes rye"
    assert memory.get("archival").content == "Acme renews in March\nAda likes rye"
