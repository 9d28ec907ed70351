"""A thread stays with the tenant, user and agent that began it, in every hook and tool, and across interrupts."""

from __future__ import annotations

import re
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.types import Command, interrupt

from agentmem import InvalidInputError
from agentmem.langgraph import (
    MemoryContext,
    MemoryMiddleware,
    MemoryState,
    create_memory_node,
    create_model_node,
    create_recall_tool,
    create_tool_node,
)
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
    ("other", "told"),
    [
        ({"user_id": "bob", "agent_id": "agent_records"}, "thread_id: .* another user"),
        (ada("agent_emails"), "agent_id: .* another agent"),
        (ada(None), "agent_id: .* another agent"),
    ],
    ids=["user", "agent", "none"],
)
def test_a_thread_of_another_scope_is_refused(way, mem, other, told):
    model = scripted("ok", "never")
    graph = way.build(mem, model, checkpointer=InMemorySaver())
    way.run(graph, said("hi"), thread(), ada("agent_records"))

    with pytest.raises(InvalidInputError, match=told) as caught:
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
    assert re.fullmatch(r"[0-9a-f]{32}\.[0-9a-f]{32}", kept)


def test_a_model_node_alone_binds_its_thread_too(mem):
    builder = StateGraph(MemoryState, context_schema=MemoryContext)
    builder.add_node("model", create_model_node(mem, scripted("ok", "never")))
    builder.add_edge(START, "model")
    graph = builder.compile(checkpointer=InMemorySaver())
    graph.invoke(said("hi"), thread(), context=ada())

    with pytest.raises(InvalidInputError, match="thread_id"):
        graph.invoke(said("hi"), thread(), context={"user_id": "bob"})


def test_parts_of_a_graph_that_name_different_agents_are_told_so(mem):
    own = create_recall_tool(mem, "agent_emails")
    builder = StateGraph(MemoryState, context_schema=MemoryContext)
    builder.add_node("memory", create_memory_node(mem))
    builder.add_node("tools", ToolNode([own]))
    builder.add_edge(START, "memory")
    builder.add_edge("memory", "tools")

    with pytest.raises(InvalidInputError, match=r"agent_id: .* parts of the graph .* the same agent_id"):
        builder.compile().invoke({"messages": [calling("recall", query="Acme")]}, context=ada("agent_records"))


def test_a_scope_of_another_shape_is_somebody_elses(mem):
    builder = StateGraph(MemoryState, context_schema=MemoryContext)
    builder.add_node("memory", create_memory_node(mem))
    builder.add_edge(START, "memory")

    with pytest.raises(InvalidInputError, match="thread_id"):
        builder.compile().invoke({**said("hi"), "memory_scope": ["mine"]}, context=ada())


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
            graph.invoke(Command(resume="by bob"), thread(), context={"user_id": "bob"})
        output = graph.invoke(Command(resume="by ada"), thread(), context=auto())

    assert [message.text for message in output["messages"][-2:]] == ["by ada", "done"]
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


@pytest.mark.parametrize(
    ("old", "new"),
    [("- 1 < 2", "- 1 < 3"), ("| - 1 \\u003C 2", "| - 1 \\u003C 3")],
    ids=["as stored", "as shown"],
)
def test_a_replacement_that_runs_twice_after_an_interrupt_succeeds_twice(build, mem, memory, old, new):
    memory.append("core", "- 1 < 2")
    both = calling("core_memory_replace", old=old, new=new)
    both.tool_calls.append(ASKING.tool_calls[0])
    graph = build(mem, scripted(both, "done"), tools=[ask_a_person], checkpointer=InMemorySaver())

    graph.invoke(said("no longer"), thread(), context=ada())
    output = graph.invoke(Command(resume="yes"), thread(), context=ada())

    answers = {message.name: message for message in output["messages"] if message.type == "tool"}
    assert answers["core_memory_replace"].text == 'Replaced in the block "core".'
    assert answers["core_memory_replace"].status == "success"
    assert memory.get("core").content == "- 1 < 3"


# Whose a thread is stands in SQL


BOB = {"user_id": "bob"}


def owners(tables):
    return [row[1:4] for row in tables()["agentmem_thread"]]


def test_a_thread_is_noted_once_with_its_user(way, mem, tables):
    graph = way.build(mem, scripted("one", "two"), checkpointer=InMemorySaver())
    way.run(graph, said("hi"), thread(), ada("agent_records"))
    way.run(graph, said("hi again"), thread(), ada("agent_records"))

    assert owners(tables) == [("t", "default", "ada")]


def test_without_a_checkpointer_no_thread_is_noted_and_a_noted_one_is_still_refused(way, mem, tables):
    way.run(way.build(mem, scripted("ok")), said("hi"), thread("mine"), ada())
    assert owners(tables) == []

    way.run(way.build(mem, scripted("ok"), checkpointer=InMemorySaver()), said("hi"), thread(), ada())
    with pytest.raises(InvalidInputError, match="thread_id"):
        way.run(way.build(mem, scripted("never")), said("hi"), thread(), BOB)


def test_a_thread_from_before_they_were_noted_is_whose_its_state_says(way, mem, open_mem, tmp_path, tables):
    saver = InMemorySaver()
    elsewhere = open_mem(tmp_path / "elsewhere")
    way.run(way.build(elsewhere, scripted("one"), checkpointer=saver), said("hi"), thread(), ada())
    graph = way.build(mem, scripted("two"), checkpointer=saver)

    with pytest.raises(InvalidInputError, match="thread_id"):
        way.run(graph, said("Bring nuts"), thread(), BOB)
    assert owners(tables) == []
    way.run(graph, said("hi again"), thread(), ada())
    assert owners(tables) == [("t", "default", "ada")]


def test_a_thread_from_before_they_were_noted_is_who_was_mergeds_too(way, mem, open_mem, tmp_path):
    saver = InMemorySaver()
    elsewhere = open_mem(tmp_path / "elsewhere")
    way.run(way.build(elsewhere, scripted("one"), checkpointer=saver), said("hi"), thread(), ada("agent_records"))
    mem.contacts.create(id="ada")
    mem.contacts.create(id="augusta")
    mem.contacts.merge("ada", into="augusta")
    graph = way.build(mem, scripted("two", "three"), checkpointer=saver)

    for user_id in ("augusta", "ada"):
        way.run(graph, said("hi"), thread(), {"user_id": user_id, "agent_id": "agent_records"})
    with pytest.raises(InvalidInputError, match=r"agent_id: .* another agent"):
        way.run(graph, said("hi"), thread(), {"user_id": "augusta", "agent_id": "agent_emails"})


def test_of_many_who_begin_one_thread_at_once_one_is_let_in(build, mem, tables):
    begun = threading.Barrier(8)
    model = scripted("ok")
    model.repeat_last = True
    graph = build(mem, model, checkpointer=InMemorySaver())
    mem.agents.register("waiter", graph)

    def ask(number):
        client = mem.client(f"user-{number}")
        begun.wait()
        try:
            return client.agents.run("waiter", f"I am {number}", thread_id="t").text
        except InvalidInputError as error:
            return error.field

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(8)))

    assert sorted(answers) == ["ok"] + ["thread_id"] * 7
    winner = answers.index("ok")
    assert owners(tables) == [("t", "default", f"user-{winner}")]
    said_there = [one.text for one in graph.get_state(thread()).values["messages"] if one.type == "human"]
    assert said_there == [f"I am {winner}"]


def test_a_thread_may_be_named_by_a_uuid(way, mem, memory, tables):
    steps = [calling("recall", query="Acme"), calling("core_memory_append", content="- x"), "done"]
    graph = way.build(mem, scripted(*steps), checkpointer=InMemorySaver())
    name = uuid.uuid4()
    output = way.run(graph, said("hi"), thread(name), ada())

    assert [one.status for one in output["messages"] if one.type == "tool"] == ["success"] * 2
    assert owners(tables) == [(str(name), "default", "ada")]
    mem.agents.register("waiter", way.build(mem, scripted("ok"), checkpointer=InMemorySaver()))
    assert mem.client("ada").agents.run("waiter", "hi", config=thread(name)).thread_id == str(name)


# No tool runs in somebody else's thread


ran = []


@tool
def wipe() -> str:
    """Wipe everything."""
    ran.append("wiped")
    return "Wiped."


@tool
def wait_and_wipe() -> str:
    """Wipe everything, once a person says so."""
    ran.append(interrupt("May I?"))
    return "Wiped."


@pytest.fixture(autouse=True)
def _nothing_ran():
    ran.clear()


def guarded(mem, model, tools, **options):
    builder = StateGraph(
        MemoryState, input_schema=MessagesState, output_schema=MessagesState, context_schema=MemoryContext
    )
    builder.add_node("memory", create_memory_node(mem))
    builder.add_node("model", create_model_node(mem, model, tools))
    builder.add_node("tools", create_tool_node(mem, tools, handle_tool_errors=True))
    builder.add_edge(START, "memory")
    builder.add_edge("memory", "model")
    builder.add_conditional_edges("model", tools_condition)
    builder.add_edge("tools", "model")
    return builder.compile(checkpointer=InMemorySaver(), **options)


def agent(mem, model, tools, **options):
    own = [MemoryMiddleware(mem, tools=())]
    return create_agent(
        model, tools, middleware=own, context_schema=MemoryContext, checkpointer=InMemorySaver(), **options
    )


@pytest.mark.parametrize("made", [guarded, agent])
def test_a_tool_that_waits_does_not_begin_again_with_another_users_answer(way, mem, made):
    graph = made(mem, scripted(calling("wait_and_wipe"), "done"), [wait_and_wipe])
    way.run(graph, said("Wipe it"), thread(), ada())

    with pytest.raises(InvalidInputError, match="thread_id"):
        way.run(graph, Command(resume="by bob"), thread(), BOB)
    assert ran == []
    output = way.run(graph, Command(resume="by ada"), thread(), ada())

    assert ran == ["by ada"]
    assert [one.text for one in output["messages"] if one.type == "tool"] == ["Wiped."]


@pytest.mark.parametrize("made", [guarded, agent])
def test_a_tool_before_which_a_graph_waits_does_not_run_for_another_user(way, mem, made):
    graph = made(mem, scripted(calling("wipe"), "done"), [wipe], interrupt_before=["tools"])
    way.run(graph, said("Wipe it"), thread(), ada())

    with pytest.raises(InvalidInputError, match="thread_id"):
        way.run(graph, None, thread(), BOB)
    assert ran == []
    way.run(graph, None, thread(), ada())
    assert ran == ["wiped"]


def test_what_another_user_approves_is_not_done_either_then_or_when_the_owner_goes_on(way, mem):
    approving = HumanInTheLoopMiddleware(interrupt_on={"wipe": True})
    graph = create_agent(
        scripted(calling("wipe"), "done"),
        [wipe],
        middleware=[MemoryMiddleware(mem), approving],
        context_schema=MemoryContext,
        checkpointer=InMemorySaver(),
    )
    way.run(graph, said("Wipe it"), thread(), ada())

    with pytest.raises(InvalidInputError, match="thread_id"):
        way.run(graph, Command(resume={"decisions": [{"type": "approve"}]}), thread(), BOB)
    output = way.run(graph, None, thread(), ada())

    assert ran == []
    assert [one.text for one in output["messages"] if one.type == "tool"] == [
        "Not done: somebody else answered for the user. Ask the user again if it is still wanted."
    ]


def test_a_resumed_turn_of_the_owners_is_shown_in_full_after_another_was_refused(way, mem):
    model = scripted(calling("wait_and_wipe"), "done")
    graph = way.build(mem, model, tools=[wait_and_wipe], checkpointer=InMemorySaver())
    way.run(graph, said("Wipe it"), thread(), ada())
    for given in (Command(resume="by bob"), None, said("Bring nuts")):
        with pytest.raises(InvalidInputError, match="thread_id"):
            way.run(graph, given, thread(), BOB)

    way.run(graph, {"messages": [HumanMessage("Never mind")]}, thread(), ada())

    shown = [message.text for message in model.prompts[-1]]
    assert "Wipe it" in shown
    assert "Never mind" in shown
    assert "Bring nuts" not in shown
