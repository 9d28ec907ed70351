# Testing an agent that remembers: a scripted model, a clock that stands still, and a look at the prompt the model saw.
#
# The tests are plain functions: `python -m pytest examples/11_test_your_agent.py`, or run this file.

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from langchain.agents import create_agent
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage

import agentmem
from agentmem import AgentMem, Client, Line, MemoryPolicy, RunOptions
from agentmem.langgraph import MemoryContext, MemoryMiddleware
from agentmem.testing import FrozenClock, HashingEmbeddings, ScriptedChatModel, seen_memory

TODAY = datetime(2026, 3, 1, tzinfo=UTC)


def build_waiter(mem: AgentMem, model: BaseChatModel):
    """The agent under test, as an application would build it."""
    return create_agent(model, middleware=[MemoryMiddleware(mem, tools="all")], context_schema=MemoryContext)


@contextmanager
def guest(model: BaseChatModel) -> Iterator[Client]:
    """A guest of the waiter, in a store of the test's own; these embeddings need no model and no time."""
    fakes = {"embeddings": HashingEmbeddings(), "clock": FrozenClock(TODAY)}
    with tempfile.TemporaryDirectory() as folder, agentmem.open(folder, **fakes) as mem:
        mem.agents.register("waiter", build_waiter(mem, model))
        yield mem.client(user_id="ada")


def test_a_preference_is_in_the_prompt() -> None:
    model = ScriptedChatModel(script=["The risotto"])
    with guest(model) as ada:
        ada.memory.append("core", "- Vegetarian")
        ada.agents.run("waiter", "What do you recommend?")
    assert [block.content for block in seen_memory(model.prompts[0]).blocks] == ["- Vegetarian"]


def test_an_old_order_is_recalled_with_its_date() -> None:
    model = ScriptedChatModel(script=["With pleasure"])
    with guest(model) as ada:
        ada.memory.remember(Line("Ordered the truffle risotto", occurred_at="2026-02-14T19:00:00Z"))
        auto = RunOptions(memory_policy=MemoryPolicy(archival_mode="auto"))
        ada.agents.run("waiter", "The risotto I ordered, again please", options=auto)
    [memory] = seen_memory(model.prompts[0]).memories
    assert (memory.content, memory.date) == ("Ordered the truffle risotto", "2026-02-14")


def test_what_the_model_saves_is_marked_as_its_own() -> None:
    save = {"name": "archival_memory_insert", "args": {"content": "Ada is allergic to nuts"}, "id": "save"}
    model = ScriptedChatModel(script=[AIMessage("", tool_calls=[save]), "Noted"])
    with guest(model) as ada:
        ada.agents.run("waiter", "I am allergic to nuts")
        [match] = ada.memory.recall("allergic to nuts", agent_id="waiter")
    assert (match.content, match.source, match.created_at) == ("Ada is allergic to nuts", "assistant", TODAY)


if __name__ == "__main__":
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            test()
            print("passed:", name.removeprefix("test_").replace("_", " "))
