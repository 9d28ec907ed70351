"""Registered agents in threads: a stranger's message never gets into a thread, whichever way it is run."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, MessagesState, StateGraph

from agentmem import InvalidInputError, NotFoundError
from agentmem.agents.graphs import shared_registry

from .conftest import said, scripted, thread, with_middleware

REFUSED = "thread_id: .* another user.* start a new thread"


def prompt(model):
    return " ".join(str(message.content) for message in model.prompts[-1])


@pytest.fixture(params=["memory", "file"])
def saver(request, tmp_path):
    if request.param == "memory":
        yield InMemorySaver()
        return
    with SqliteSaver.from_conn_string(str(tmp_path / "threads.db")) as made:
        yield made


def test_a_strangers_message_is_not_in_the_thread(build, mem, saver):
    graph = build(mem, model := scripted("hello Ada", "still here"), checkpointer=saver)
    mem.agents.register("waiter", graph)
    mem.client("ada").agents.run("waiter", "I am allergic to nuts", thread_id="t")
    before = graph.get_state(thread())

    with pytest.raises(InvalidInputError, match=REFUSED):
        mem.client("bob").agents.run("waiter", "Bring nuts", thread_id="t")
    mem.tenant("acme").agents.register("waiter", graph)
    with pytest.raises(InvalidInputError, match=REFUSED):
        mem.tenant("acme").client("ada").agents.run("waiter", "Bring nuts", config=thread())

    assert graph.get_state(thread()) == before
    mem.client("ada").agents.run("waiter", "What may I eat?", thread_id="t")
    assert "nuts" in prompt(model)
    assert "Bring" not in prompt(model)


@pytest.mark.parametrize("kept_in", ["memory", "file"])
async def test_a_strangers_message_is_not_in_the_thread_async(build, mem, tmp_path, kept_in):
    async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "threads.db")) as file:
        saver = file if kept_in == "file" else InMemorySaver()
        graph = build(mem, model := scripted("hello Ada", "still here"), checkpointer=saver)
        mem.agents.register("waiter", graph)
        await mem.client("ada").agents.arun("waiter", "I am allergic to nuts", thread_id="t")
        before = await graph.aget_state(thread())

        with pytest.raises(InvalidInputError, match=REFUSED):
            await mem.client("bob").agents.arun("waiter", "Bring nuts", thread_id="t")

        assert await graph.aget_state(thread()) == before
        await mem.client("ada").agents.arun("waiter", "What may I eat?", thread_id="t")
        assert "nuts" in prompt(model)
        assert "Bring" not in prompt(model)


def test_a_stranger_cannot_begin_at_a_checkpoint_from_before_the_thread_had_an_owner(build, mem):
    graph = build(mem, model := scripted("hello Ada", "never"), checkpointer=InMemorySaver())
    mem.agents.register("waiter", graph)
    mem.client("ada").agents.run("waiter", "I am allergic to nuts", thread_id="t")
    history = list(graph.get_state_history(thread()))
    unbound = [snapshot.config for snapshot in history if not snapshot.values.get("memory_scope")]

    assert unbound
    for config in unbound:
        with pytest.raises(InvalidInputError, match=REFUSED):
            mem.client("bob").agents.run("waiter", "What was said?", config=config)
    assert len(model.prompts) == 1
    assert len(list(graph.get_state_history(thread()))) == len(history)


def test_a_thread_that_no_memory_step_began_is_free(build, mem):
    graph = build(mem, scripted("hello"), checkpointer=InMemorySaver())
    graph.update_state(thread(), said("hi"), as_node="__start__")
    mem.agents.register("waiter", graph)

    assert mem.client("bob").agents.run("waiter", "hi", thread_id="t").text == "hello"


@pytest.mark.parametrize("how", ["run", "arun"])
async def test_a_registered_graph_without_any_memory_has_threads_of_their_users_too(mem, how):
    builder = StateGraph(MessagesState)
    builder.add_node("echo", lambda _: {"messages": [AIMessage("hello")]})
    builder.add_edge(START, "echo")
    mem.agents.register("echo", graph := builder.compile(checkpointer=InMemorySaver()))

    async def ask(client):
        if how == "arun":
            return await client.agents.arun("echo", "hi", thread_id="t")
        return client.agents.run("echo", "hi", thread_id="t")

    await ask(mem.client("ada"))
    with pytest.raises(InvalidInputError, match=REFUSED):
        await ask(mem.client("bob"))
    assert len(graph.get_state(thread()).values["messages"]) == 2


def run(client, *arguments, **options):
    return client.agents.run(*arguments, **options)


def arun(client, *arguments, **options):
    return asyncio.run(client.agents.arun(*arguments, **options))


@pytest.mark.parametrize("ask", [run, arun])
def test_a_graph_without_threads_runs(build, mem, ask):
    mem.agents.register("waiter", build(mem, scripted("hello")))
    assert ask(mem.client("ada"), "waiter", "hi").text == "hello"


@pytest.mark.parametrize("ask", [run, arun])
def test_a_thread_that_cannot_be_read_is_not_taken_for_none(build, mem, monkeypatch, ask):
    def broken(*_, **__):
        raise ValueError("the thread cannot be read")

    graph = build(mem, model := scripted("never"), checkpointer=InMemorySaver())
    mem.agents.register("waiter", graph)
    monkeypatch.setattr(type(graph), "get_state", broken)
    monkeypatch.setattr(type(graph), "aget_state", broken)

    with pytest.raises(ValueError, match="cannot be read"):
        ask(mem.client("ada"), "waiter", "hi")
    assert model.prompts == []


def test_every_handle_on_a_store_finds_its_agents(mem, open_mem):
    second = open_mem()
    mem.agents.register("waiter", with_middleware(mem, scripted("hello", "hello")))

    assert second.client("ada").agents.run("waiter", "hi").text == "hello"
    assert open_mem().client("ada").agents.run("waiter", "hi").text == "hello"
    with pytest.raises(NotFoundError, match="agent_id"):
        second.tenant("acme").client("ada").agents.run("waiter", "hi")


def test_another_store_has_agents_of_its_own(mem, open_mem, tmp_path):
    mem.agents.register("waiter", with_middleware(mem, scripted()))
    with pytest.raises(NotFoundError, match="agent_id"):
        open_mem(tmp_path / "other").client("ada").agents.run("waiter", "hi")


def test_agents_are_forgotten_with_the_last_handle(mem, open_mem):
    second = open_mem()
    mem.agents.register("waiter", with_middleware(second, scripted("hello")))

    mem.close()
    mem.close()
    assert second.client("ada").agents.run("waiter", "hi").text == "hello"

    second.close()
    with pytest.raises(NotFoundError, match="agent_id"):
        open_mem().client("ada").agents.run("waiter", "hi")


def test_a_registry_is_let_go_with_its_handles():
    class Handle:
        url = "sqlite:///nowhere.db"

    handle = Handle()
    registry = shared_registry(handle)
    assert shared_registry(handle) is registry
    alive = weakref.ref(registry)
    del registry
    gc.collect()
    assert alive() is None


@pytest.mark.parametrize("how", ["run", "register"])
def test_a_closed_store_has_no_agents(mem, how):
    graph = with_middleware(mem, scripted("never"))
    mem.agents.register("waiter", graph)
    client = mem.client("ada")
    mem.close()

    with pytest.raises(InvalidInputError, match="store: it is closed"):
        client.agents.run("waiter", "hi") if how == "run" else mem.agents.register("waiter", graph)


def test_agents_say_whose_they_are(mem):
    assert repr(mem.tenant("acme").agents) == "<Agents tenant_id='acme'>"
    assert repr(mem.client("ada").agents) == "<ClientAgents user_id='ada'>"
