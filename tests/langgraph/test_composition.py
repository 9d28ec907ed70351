"""Memory is a guest in the host's prompt and among its middleware: what was there stays as it was."""

from __future__ import annotations

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, HumanInTheLoopMiddleware, ModelCallLimitMiddleware
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command

from agentmem.langgraph import MemoryContext, MemoryMiddleware, MemoryState, create_memory_node, create_model_node
from agentmem.testing import seen_memory

from .conftest import SYSTEM, ada, auto, calling, said, scripted, thread

CACHED = {"type": "text", "text": "You are mine.", "cache_control": {"type": "ephemeral"}}


@pytest.fixture(autouse=True)
def _memories(memory):
    memory.append("core", "- Likes tea")
    memory.remember("Acme renews in March")


def system_of(mem, system_prompt):
    """The system message through the middleware, and through a model node."""
    model = scripted("ok", "ok")
    agent = create_agent(model, middleware=[MemoryMiddleware(mem)], system_prompt=system_prompt)
    agent.invoke(said("hi"), context=ada())
    builder = StateGraph(MemoryState, context_schema=MemoryContext)
    builder.add_node("model", create_model_node(mem, model, system_prompt=system_prompt))
    builder.add_edge(START, "model")
    builder.compile().invoke(said("hi"), context=ada())
    return [prompt[0] for prompt in model.prompts]


def test_core_memory_is_the_last_part_of_the_system_message(mem):
    for system in system_of(mem, SystemMessage([CACHED], id="s1")):
        assert system.content[:-1] == [CACHED]
        assert system.content[-1]["text"].startswith("\n\n<core_memory>")
        assert system.id == "s1"


def test_a_plain_system_prompt_becomes_the_first_part(mem):
    for system in system_of(mem, SYSTEM):
        assert system.content[0] == {"type": "text", "text": SYSTEM}
        assert system.text.startswith(f"{SYSTEM}\n\n<core_memory>")


@pytest.mark.parametrize("system_prompt", [None, ""])
def test_without_a_system_prompt_core_memory_is_the_system_message(mem, system_prompt):
    for system in system_of(mem, system_prompt):
        assert system.type == "system"
        assert system.text.lstrip().startswith("<core_memory>")
        assert len(system.content) == 1


def test_without_core_blocks_the_system_message_is_the_hosts(mem, memory):
    memory.delete("core")
    prompt = SystemMessage([CACHED])
    assert all(system.content == [CACHED] for system in system_of(mem, prompt))
    assert all(system.type == "human" for system in system_of(mem, None))


def test_an_empty_system_prompt_sends_no_empty_message(mem, memory):
    memory.delete("core")
    _, through_node = system_of(mem, "")
    assert through_node.type == "human"


def test_the_prompt_is_the_same_bytes_until_a_block_changes(mem, memory):
    first = system_of(mem, SYSTEM)[0].text
    memory.remember("Something else")
    assert {system.text for system in system_of(mem, SYSTEM)} == {first}
    memory.append("core", "- Likes rye")
    assert first not in {system.text for system in system_of(mem, SYSTEM)}


def test_an_edit_is_seen_by_the_next_call_of_the_same_turn(way, mem):
    model = scripted(calling("core_memory_append", content="- Likes rye"), "done")
    way.run(way.build(mem, model), said("I like rye"), context=ada())
    assert [seen_memory(prompt).blocks[0].content for prompt in model.prompts] == [
        "- Likes tea",
        "- Likes tea\n- Likes rye",
    ]


def test_a_system_message_in_the_state_is_joined_to_the_one_in_front(mem):
    model = scripted("ok", "ok")
    for system_prompt in ("First.", None):
        builder = StateGraph(MemoryState, context_schema=MemoryContext)
        builder.add_node("model", create_model_node(mem, model, system_prompt=system_prompt))
        builder.add_edge(START, "model")
        given = {"messages": [SystemMessage("Second."), HumanMessage("hi")]}
        builder.compile().invoke(given, context=ada())

    both, one = model.prompts
    assert [message.type for message in both] == [message.type for message in one] == ["system", "human"]
    assert both[0].text.startswith("First.Second.\n\n<core_memory>")
    assert one[0].text.startswith("Second.\n\n<core_memory>")


def test_nothing_of_memory_is_written_to_the_messages(way, mem):
    output = way.run(way.build(mem, scripted("ok")), said("When does Acme renew?"), context=auto())
    assert [(message.type, message.text) for message in output["messages"]] == [
        ("human", "When does Acme renew?"),
        ("ai", "ok"),
    ]


class Trim(AgentMiddleware):
    """A host's middleware that sends the last message only."""

    def wrap_model_call(self, request, handler):
        return handler(request.override(messages=request.messages[-1:]))


class Shout(AgentMiddleware):
    """A host's middleware with a state and a hook of its own."""

    def before_model(self, state, runtime):  # noqa: ARG002 - LangChain's signature
        return {"messages": [HumanMessage("(be brief)", additional_kwargs={"lc_source": "shout"})]}


@pytest.mark.parametrize("memory_first", [True, False])
def test_it_works_beside_other_middleware(mem, memory_first):
    others = [Shout(), ModelCallLimitMiddleware(run_limit=5)]
    own = [MemoryMiddleware(mem)]
    model = scripted("ok")
    agent = create_agent(model, middleware=own + others if memory_first else others + own)

    agent.invoke(said("When does Acme renew?"), context=auto())

    seen = seen_memory(model.prompts[0])
    assert ([one.content for one in seen.memories], len(seen.blocks)) == (["Acme renews in March"], 1)
    assert [message.additional_kwargs.get("lc_source") for message in model.prompts[0]] == [
        None,
        "agentmem",
        None,
        "shout",
    ]


def test_a_turn_that_another_middleware_left_out_takes_its_reminder_along(mem):
    trimmed = {"messages": [HumanMessage("When does Acme renew?"), AIMessage("hm")]}
    model = scripted("ok")
    create_agent(model, middleware=[Trim(), MemoryMiddleware(mem)]).invoke(trimmed, context=auto())
    assert [message.type for message in model.prompts[0]] == ["system", "ai"]


def test_a_person_may_approve_what_the_model_writes(mem, memory):
    model = scripted(calling("core_memory_append", content="- Likes rye"), "done")
    approving = HumanInTheLoopMiddleware(interrupt_on={"core_memory_append": True})
    agent = create_agent(
        model, middleware=[MemoryMiddleware(mem, tools="all"), approving], checkpointer=InMemorySaver()
    )

    agent.invoke(said("I like rye"), thread(), context=ada())
    assert memory.get("core").content == "- Likes tea"
    agent.invoke(Command(resume={"decisions": [{"type": "approve"}]}), thread(), context=ada())

    assert memory.get("core").content == "- Likes tea\n- Likes rye"


def test_an_agents_memory_inside_another_graph_is_its_own(mem):
    model = scripted("inner")
    agent = create_agent(model, middleware=[MemoryMiddleware(mem, "agent_records")], context_schema=MemoryContext)
    builder = StateGraph(MemoryState, context_schema=MemoryContext)
    builder.add_node("memory", create_memory_node(mem, agent_id="supervisor"))
    builder.add_node("agent", agent)
    builder.add_edge(START, "memory")
    builder.add_edge("memory", "agent")
    graph = builder.compile(checkpointer=InMemorySaver())

    output = graph.invoke(said("When does Acme renew?"), thread(), context=auto())

    assert output["messages"][-1].text == "inner"
    assert [one.content for one in seen_memory(model.prompts[0]).memories] == ["Acme renews in March"]


def test_the_middleware_goes_by_a_name_of_its_own(mem):
    assert MemoryMiddleware(mem).name == "agentmem"


def test_one_agent_has_one_memory(mem):
    with pytest.raises(AssertionError, match="duplicate"):
        create_agent(scripted(), middleware=[MemoryMiddleware(mem), MemoryMiddleware(mem, "agent_records")])


def test_tool_messages_without_a_person_in_the_thread_do_no_harm(way, mem):
    given = {
        "messages": [
            AIMessage("", tool_calls=[{"name": "x", "args": {}, "id": "1"}]),
            ToolMessage("y", tool_call_id="1"),
        ]
    }
    output = way.run(way.build(mem, scripted("ok")), given, context=auto())
    assert output["messages"][-1].text == "ok"
