"""Seed 003: every snippet of the documentation agentmem's memory API follows, run as it stands there.

Only the import, the client's construction and the `a` in front of async methods are changed, by `ours`.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
from dataclasses import fields

import pytest
from langchain.agents import create_agent

import agentmem
from agentmem import ConflictError, MemoryBlock, MemoryPolicy, MemoryRecallResult, NotFoundError
from agentmem.langgraph import MemoryContext, MemoryMiddleware
from agentmem.testing import ScriptedChatModel, seen_memory

LIST_AND_READ = """
blocks = await client.memory.list()
all_blocks = await client.memory.list(scope="all")

core = await client.memory.get("core")
agent_core = await client.memory.get("core", agent_id="agent_emails")
"""

UPDATE_WITH_CONFLICT_PROTECTION = """
core = await client.memory.get("core")

updated = await client.memory.update(
    "core",
    "- Prefers concise answers\\n- Works in America/New_York",
    expected_updated_at=core.updated_at.isoformat(),
)
"""

RECALL_ARCHIVAL_MEMORY = """
matches = await client.memory.recall("Acme renewal", agent_id="agent_records")

for match in matches:
    print(match.scope, match.score, match.content)
"""

PER_RUN_MEMORY_POLICY = """
from agentflow import MemoryPolicy, RunOptions

result = await client.agents.run(
    agent_id="agent_records",
    message="What do we know about the Acme renewal?",
    options=RunOptions(
        memory_policy=MemoryPolicy(
            archival_mode="auto",
            archival_limit=5,
            archival_min_score=0.25,
        )
    ),
)
"""

DELETE = """
await client.memory.delete("archival")
await client.memory.delete("core", agent_id="agent_emails")
"""

MODELS = {
    MemoryBlock: "id, block_type, content, scope, agent_id, created_at, updated_at",
    MemoryRecallResult: "content, score, block_type, scope, agent_id, line_number, updated_at",
}


def ours(snippet):
    """The snippet with its import and its async methods renamed."""
    snippet = snippet.replace("from agentflow import", "from agentmem import")
    return re.sub(r"await client\.(memory|agents)\.(\w+)\(", r"await client.\1.a\2(", snippet)


def run(snippet, client):
    """The names a snippet leaves behind."""
    names = {"client": client}
    code = compile(ours(snippet), "<seed 003>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)

    async def go():
        outcome = eval(code, names)  # noqa: S307 - the text above
        if inspect.iscoroutine(outcome):
            await outcome

    asyncio.run(go())
    return names


@pytest.fixture
def client(mem):
    client = mem.client(user_id="ada")
    client.memory.append("core", "- Prefers long answers")
    client.memory.append("core", "- Answers in three lines", agent_id="agent_emails")
    client.memory.remember(["The Acme renewal is due in March", "The dog is called Tom"], agent_id="agent_records")
    client.memory.remember("Acme renewal contact: Noor")
    return client


def test_seed_003_list_and_read(client):
    names = run(LIST_AND_READ, client)
    assert [(block.agent_id, block.block_type) for block in names["blocks"]] == [(None, "archival"), (None, "core")]
    assert [(block.agent_id, block.block_type) for block in names["all_blocks"]] == [
        (None, "archival"),
        (None, "core"),
        ("agent_emails", "core"),
        ("agent_records", "archival"),
    ]
    assert names["core"].content == "- Prefers long answers"
    assert (names["agent_core"].content, names["agent_core"].scope) == ("- Answers in three lines", "agent")


def test_seed_003_update_with_conflict_protection(client):
    names = run(UPDATE_WITH_CONFLICT_PROTECTION, client)
    assert names["updated"].content == "- Prefers concise answers\n- Works in America/New_York"
    assert client.memory.get("core") == names["updated"]
    with pytest.raises(ConflictError) as caught:  # "concurrent edits return 409 Conflict"
        client.memory.update("core", "late", expected_updated_at=names["core"].updated_at.isoformat())
    assert caught.value.status == 409
    with pytest.raises(ConflictError):  # "None only when creating a missing block"
        client.memory.update("core", "late", expected_updated_at=None)


def test_seed_003_recall_archival_memory(client, capsys):
    names = run(RECALL_ARCHIVAL_MEMORY, client)
    assert {match.scope for match in names["matches"]} == {"user", "agent"}
    said = capsys.readouterr().out.splitlines()
    assert len(said) == len(names["matches"]) == 2
    assert said[0].startswith(f"{names['matches'][0].scope} {names['matches'][0].score} ")


def test_seed_003_per_run_memory_policy(mem, client):
    model = ScriptedChatModel(script=["It is due in March."])
    middleware = MemoryMiddleware(mem, tools="all")
    mem.agents.register("agent_records", create_agent(model, middleware=[middleware], context_schema=MemoryContext))
    names = run(PER_RUN_MEMORY_POLICY, client)
    assert names["result"].text == "It is due in March."
    (prompt,) = model.prompts
    shown = {memory.content for memory in seen_memory(prompt).memories}
    assert shown == {match.content for match in names["result"].matches}
    assert "The Acme renewal is due in March" in shown
    assert "- Prefers long answers" in {block.content for block in seen_memory(prompt).blocks}
    assert "system_reminders" not in repr(names["result"].messages)


def test_seed_003_tool_only_is_the_default_and_keeps_archival_memory_out_of_the_prompt(mem, client):
    assert MemoryPolicy().archival_mode == "tool_only"
    model = ScriptedChatModel(script=["Let me look."])
    middleware = MemoryMiddleware(mem, tools="all")
    mem.agents.register("agent_records", create_agent(model, middleware=[middleware], context_schema=MemoryContext))
    result = client.agents.run(agent_id="agent_records", message="What do we know about the Acme renewal?")
    assert (result.matches, seen_memory(model.prompts[0]).memories) == ((), ())


def test_seed_003_delete(client):
    run(DELETE, client)
    for block_type, agent_id in (("archival", None), ("core", "agent_emails")):
        with pytest.raises(NotFoundError):
            client.memory.get(block_type, agent_id=agent_id)
    assert client.memory.get("core").content == "- Prefers long answers"
    assert client.memory.get("archival", agent_id="agent_records").content


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_seed_003_models_have_the_fields_of_the_seed(model):
    assert set(MODELS[model].split(", ")) <= {field.name for field in fields(model)}
    assert model.__name__ in agentmem.__all__
