"""Memory's nodes work in a graph whose own state is a mapping, a dataclass or a pydantic model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

import pytest
from langchain_core.messages import AnyMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.graph.message import add_messages
from langgraph.runtime import Runtime
from pydantic import BaseModel, Field

from agentmem import InvalidInputError
from agentmem.langgraph import (
    MemoryContext,
    MemoryState,
    create_conversation_nodes,
    create_memory_node,
    create_model_node,
    inject_memory,
)
from agentmem.testing import seen_memory

from .conftest import auto, invoke, said, scripted, thread

AGENT = "support"


@dataclass
class AsDataclass:
    messages: Annotated[list[AnyMessage], add_messages] = field(default_factory=list)


class AsModel(BaseModel):
    messages: Annotated[list[AnyMessage], add_messages] = Field(default_factory=list)


@dataclass
class WithoutReducer:
    messages: list[Any] = field(default_factory=list)


@dataclass
class WithChannel:
    messages: Annotated[list[AnyMessage], add_messages] = field(default_factory=list)
    system_reminders: dict[str, str] = field(default_factory=dict)


STATES = [MemoryState, MessagesState, AsDataclass, AsModel, WithoutReducer, WithChannel]


@pytest.fixture(params=STATES, ids=lambda state: state.__name__)
def state(request):
    return request.param


@pytest.fixture(autouse=True)
def _memories(mem, memory):
    mem.agents.configure(AGENT, memory_enabled=True)
    memory.remember("Acme renews in March", agent_id=AGENT)


def chain(state, **nodes):
    builder = StateGraph(state, context_schema=MemoryContext)
    before = START
    for name, node in nodes.items():
        builder.add_node(name, node)
        builder.add_edge(before, name)
        before = name
    builder.add_edge(before, END)
    return builder.compile(checkpointer=InMemorySaver())


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
async def test_the_nodes_recall_fill_the_prompt_and_hold_a_conversation(mem, state, how):
    start, end = create_conversation_nodes(mem)
    model = scripted("in March")
    graph = chain(
        state,
        start=start,
        memory=create_memory_node(mem),
        model=create_model_node(mem, model, system_prompt="{{memory}}"),
        end=end,
    )
    given = (said("When does Acme renew?"), thread())
    if how == "invoke":
        graph.invoke(*given, context=auto(AGENT))
    else:
        await graph.ainvoke(*given, context=auto(AGENT))

    assert [one.content for one in seen_memory(model.prompts[0]).memories] == ["Acme renews in March"]
    assert "1. Acme renews in March" in model.prompts[0][0].text
    (record,) = mem.conversations.list()
    assert record.status == "ended"
    assert record.messages[0].content == "When does Acme renew?"
    with pytest.raises(InvalidInputError, match="thread_id"):
        graph.invoke(said("hi"), thread(), context={"user_id": "bob", "agent_id": AGENT})


def test_a_node_of_ones_own_that_takes_a_memory_state_has_the_reminder(mem, state):
    model = scripted("in March")

    def call(state: MemoryState, runtime: Runtime[Any]):
        return {"messages": [model.invoke(inject_memory(mem, state, runtime))]}

    graph = chain(MemoryState if state is WithoutReducer else state, memory=create_memory_node(mem), call=call)
    invoke(graph, said("When does Acme renew?"), thread(), auto(AGENT))

    assert [one.content for one in seen_memory(model.prompts[0]).memories] == ["Acme renews in March"]


@pytest.mark.parametrize("state", [MessagesState, AsDataclass, AsModel])
def test_a_node_of_ones_own_whose_state_hides_the_reminder_is_told_what_to_take(mem, state):
    def call(given, runtime: Runtime[Any]):
        return {"messages": [inject_memory(mem, given, runtime)]}

    graph = chain(state, memory=create_memory_node(mem), call=call)
    with pytest.raises(InvalidInputError, match=r"memory_policy: .*def call_model\(state: MemoryState"):
        invoke(graph, said("When does Acme renew?"), thread(), auto(AGENT))
