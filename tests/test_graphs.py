"""The shipped graphs: what langgraph.json points to exists, loads fast and remembers."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph.state import CompiledStateGraph

import agentmem
from agentmem.testing import HashingEmbeddings

ROOT = Path(__file__).parents[1]
GRAPHS = json.loads((ROOT / "langgraph.json").read_text("utf-8"))["graphs"]


def load(name):
    """The module and the graph that langgraph.json names, loaded as the server loads them."""
    path, variable = GRAPHS[name].split(":")
    spec = importlib.util.spec_from_file_location(f"served_{name}", ROOT / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module, getattr(module, variable)


@pytest.fixture
def opened(tmp_path, monkeypatch):
    """A store for the graphs in place of the one at home."""
    monkeypatch.delenv("AGENTMEM_MODEL", raising=False)
    open_, stores = agentmem.open, contextlib.ExitStack()

    def open_here(**options):
        return stores.enter_context(open_(tmp_path, embeddings=HashingEmbeddings(), **options))

    monkeypatch.setattr(agentmem, "open", open_here, raising=False)
    with stores:
        yield open_here()


def told(graph, text, **context):
    output = graph.invoke({"messages": [{"role": "user", "content": text}]}, context={"user_id": "ada", **context})
    return output["messages"][-1].text


@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph_is_compiled_without_a_checkpointer_so_that_a_server_brings_its_own(name, opened):
    _, graph = load(name)
    assert isinstance(graph, CompiledStateGraph)
    assert graph.checkpointer is None


@pytest.mark.parametrize("name", GRAPHS)
def test_loading_a_graph_opens_no_store_and_loads_nothing_heavy(name, tmp_path):
    program = (
        "import sys, importlib.util\n"
        f"spec = importlib.util.spec_from_file_location('served', {GRAPHS[name].split(':')[0]!r})\n"
        "spec.loader.exec_module(importlib.util.module_from_spec(spec))\n"
        "heavy = {'sqlmodel', 'sqlalchemy', 'chromadb', 'torch', 'transformers', 'sentence_transformers'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    home = tmp_path / "home"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "AGENTMEM_HOME": str(home), "AGENTMEM_MODEL": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
    assert not home.exists()


def test_the_assistant_remembers_and_recalls_and_says_that_it_is_scripted(opened):
    _, graph = load("assistant")

    told(graph, "Remember: Ada's passport expires in June", agent_id="assistant")

    assert "Ada's passport expires in June" in told(graph, "When does Ada's passport expire?", agent_id="assistant")
    assert "scripted" in told(graph, "Hello", agent_id="assistant")
    memory = opened.client(user_id="ada").memory
    assert memory.get("archival", agent_id="assistant").content == "Ada's passport expires in June"


def test_the_handbuilt_graph_recalls_for_the_turn_by_itself(opened):
    _, graph = load("handbuilt")
    memory = opened.client(user_id="ada").memory
    memory.append("core", "- Likes tea")
    memory.remember("Ada's order 8821 was refunded")

    policy = {"archival_mode": "auto"}

    assert "Ada's order 8821 was refunded" in told(graph, "my order 8821 arrived broken", memory_policy=policy)
    assert "- Likes tea" in told(graph, "What do you know about me?", memory_policy=policy)


def test_what_one_conversation_with_the_contact_agent_teaches_the_next_one_knows(opened):
    module, _ = load("contact_agent")
    graph = module.builder.compile(checkpointer=InMemorySaver())

    def call(thread, text):
        config = {"configurable": {"thread_id": thread}}
        output = graph.invoke({"messages": [{"role": "user", "content": text}]}, config, context={"user_id": "ada"})
        return output["messages"][-1].text

    assert "nothing yet" in call("first", "I can only come before 9am.")
    assert call("first", "Thank you, goodbye") == "Goodbye!"
    assert "I can only come before 9am." in call("second", "When can I come?")

    second, first = opened.conversations.list()
    assert (first.status, second.status) == ("ended", "open")
    assert [message.role for message in first.messages] == ["user", "assistant", "user", "tool", "assistant"]
    assert [change.kind for change in first.changes] == ["line"]


def test_the_assistants_own_tools_answer(opened):
    module, _ = load("assistant")
    today = module.today.invoke({})
    assert module.days_until.invoke({"day": today}) == "0"


@pytest.mark.parametrize("name", GRAPHS)
async def test_a_graph_runs_async(name, opened):
    _, graph = load(name)
    output = await graph.ainvoke({"messages": [{"role": "user", "content": "hello"}]}, context={"user_id": "ada"})
    assert "scripted" in output["messages"][-1].text
