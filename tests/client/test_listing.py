"""`list`: which blocks, in which order."""

from __future__ import annotations

import pytest


@pytest.fixture
def many(memory):
    for agent_id in (None, "x", "y"):
        for block_type in ("core", "b", "_z"):
            memory.append(block_type, f"{block_type} of {agent_id}", agent_id=agent_id)
        memory.remember([f"one of {agent_id}", "two"], agent_id=agent_id)
    memory.append("gone", "text", agent_id="w")
    memory.delete("gone", agent_id="w")
    return memory


def told(blocks):
    return [(block.agent_id, block.block_type) for block in blocks]


def of(*agents):
    return [(agent, block_type) for agent in agents for block_type in ("_z", "archival", "b", "core")]


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ({}, of(None)),
        ({"scope": "user"}, of(None)),
        ({"scope": "agent"}, of("x", "y")),
        ({"scope": "all"}, of(None, "x", "y")),
        ({"agent_id": "x"}, of("x")),
        ({"scope": "user", "agent_id": "x"}, of(None)),
        ({"scope": "agent", "agent_id": "x"}, of("x")),
        ({"scope": "all", "agent_id": "x"}, of(None, "x")),
        ({"scope": "all", "agent_id": "nobody"}, of(None)),
        ({"agent_id": "w"}, []),
    ],
)
def test_list_brings_the_scopes_asked_for_in_order(many, asked, answer):
    assert told(many.list(**asked)) == answer


def test_list_shows_the_archival_block_with_its_text(many):
    archival = next(block for block in many.list() if block.block_type == "archival")
    assert archival == many.get("archival")
    assert archival.content == "one of None\ntwo"


def test_the_order_is_by_code_point(memory):
    agents = ["ä", "a", "B", "_", "Z", "𝄞", "\uffff", "10", "9"]
    for agent_id in agents:
        memory.append("core", "text", agent_id=agent_id)
    names = ["a_b", "a-b", "a1", "ab", "a", "_a", "-a", "0"]
    for name in names:
        memory.append(name, "text")
    assert [block.agent_id for block in memory.list(scope="agent")] == sorted(agents)
    assert [block.block_type for block in memory.list()] == sorted(names)


def test_an_agent_with_archival_lines_only_is_listed(memory):
    memory.remember("tea", agent_id="x")
    assert told(memory.list(scope="all")) == [("x", "archival")]
    memory.delete("archival", agent_id="x")
    assert memory.list(scope="all") == []


def test_nothing_written_is_an_empty_list(memory):
    assert memory.list() == memory.list(scope="all") == memory.list(agent_id="x") == []
