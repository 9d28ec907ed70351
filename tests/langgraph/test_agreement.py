"""What a client says of a run and what the memory in its graph was built with are one, or the run is refused."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

from agentmem import InvalidInputError, MemoryContext
from agentmem.testing import seen_memory

from .conftest import calling, scripted, thread, with_middleware


def run(client, *arguments, **options):
    return client.agents.run(*arguments, **options)


def arun(client, *arguments, **options):
    return asyncio.run(client.agents.arun(*arguments, **options))


@pytest.fixture(params=[run, arun])
def ask(request):
    return request.param


def refused(ask, mem, model, told, client=None, **options):
    """The run is refused, no model is called, and nobody's memory is written."""
    with pytest.raises(InvalidInputError, match=told):
        ask(client or mem.client("ada"), "waiter", "hi", **options)
    assert model.prompts == []
    assert mem.client("ada").memory.list(scope="all") == []


WRITES = calling("core_memory_append", content="- forged")


def test_a_graph_on_another_tenants_memory_is_refused(build, ask, mem):
    mem.tenant("t2").agents.register("waiter", build(mem, model := scripted(WRITES, "never")))
    refused(ask, mem, model, r"tenant_id: .*mem\.tenant", mem.tenant("t2").client("ada"))


def test_a_graph_on_another_store_is_refused(build, ask, mem, open_mem, tmp_path):
    other = open_mem(tmp_path / "other")
    mem.agents.register("waiter", build(other, model := scripted(WRITES, "never")))
    refused(ask, mem, model, "mem: .* another store")
    assert other.client("ada").memory.list(scope="all") == []


def test_another_handle_on_the_same_store_is_the_same_store(build, ask, mem, open_mem):
    mem.agents.register("waiter", build(open_mem(), scripted("ok")))
    assert ask(mem.client("ada"), "waiter", "hi").text == "ok"


def test_an_adapter_that_names_another_user_is_refused(build, ask, mem):
    graph = build(mem, model := scripted(WRITES, "never"), context=lambda _: MemoryContext(user_id="bob"))
    mem.agents.register("waiter", graph)
    refused(ask, mem, model, r"user_id: .*mem\.client")


def test_who_was_authenticated_as_another_user_is_refused(build, ask, mem):
    mem.agents.register("waiter", build(mem, model := scripted(WRITES, "never")))
    bob = {"configurable": {"langgraph_auth_user": SimpleNamespace(identity="bob")}}
    refused(ask, mem, model, "user_id: .* authenticated", config=bob)


def test_an_adapter_may_name_who_the_user_was_merged_into(build, ask, mem):
    mem.contacts.create(id="ada")
    mem.contacts.create(id="augusta")
    mem.contacts.merge("ada", into="augusta")
    mem.agents.register("waiter", build(mem, scripted("ok"), context=lambda _: MemoryContext(user_id="augusta")))
    assert ask(mem.client("ada"), "waiter", "hi").text == "ok"


def test_a_graph_that_names_another_agent_is_refused(build, ask, mem):
    mem.agents.register("waiter", build(mem, model := scripted(WRITES, "never"), agent_id="agent_emails"))
    refused(ask, mem, model, "agent_id: .* registered")


def test_a_graph_that_names_the_agent_it_is_registered_as_runs(build, ask, mem):
    mem.client("ada").memory.append("core", "- Likes tea", agent_id="waiter")
    mem.agents.register("waiter", build(mem, model := scripted("ok"), agent_id="waiter"))
    ask(mem.client("ada"), "waiter", "hi")
    assert [block.content for block in seen_memory(model.prompts[0]).blocks] == ["- Likes tea"]


def desk(member):
    builder = StateGraph(MessagesState, context_schema=MemoryContext)
    builder.add_node("support", member)
    builder.add_edge(START, "support")
    return builder.compile(checkpointer=InMemorySaver())


def test_a_member_of_a_team_is_an_agent_of_its_own(build, ask, mem):
    mem.client("ada").memory.append("core", "- Has a ticket", agent_id="support")
    mem.agents.register("desk", desk(build(mem, model := scripted("ok"), agent_id="support")))
    ask(mem.client("ada"), "desk", "hi")
    assert [block.content for block in seen_memory(model.prompts[0]).blocks] == ["- Has a ticket"]


@pytest.fixture
def others(mem, open_mem, tmp_path):
    """Memory that differs from the client's in one thing."""
    return {"tenant_id": lambda: mem.tenant("t2"), "mem": lambda: open_mem(tmp_path / "other"), "user_id": lambda: mem}


@pytest.mark.parametrize("differs", ["tenant_id", "mem", "user_id"])
def test_a_member_of_a_team_agrees_in_all_else(build, ask, mem, others, differs):
    adapter = (lambda _: MemoryContext(user_id="bob", agent_id="support")) if differs == "user_id" else None
    member = build(others[differs](), model := scripted(WRITES, "never"), agent_id="support", context=adapter)
    mem.agents.register("waiter", desk(member))
    refused(ask, mem, model, f"^{differs}: ")


def test_a_run_by_hand_has_one_source_and_is_as_it_was(way, mem):
    graph = way.build(mem, scripted("ok"), agent_id="agent_emails", context=lambda _: MemoryContext(user_id="bob"))
    mem.agents.register("waiter", graph)
    way.run(graph, {"messages": ["hi"]}, thread(), {"user_id": "ada"})


def test_a_tool_that_runs_another_agent_for_another_user_compares_with_that_client(mem):
    mem.agents.register("inner", with_middleware(mem, scripted("from bob's")))

    def consult() -> str:
        """Ask another agent."""
        return mem.client("bob").agents.run("inner", "hi").text

    mem.agents.register("waiter", with_middleware(mem, scripted(calling("consult"), "done"), tools=[consult]))
    output = mem.client("ada").agents.run("waiter", "hi")
    assert [one.text for one in output.messages if one.type == "tool"] == ["from bob's"]
