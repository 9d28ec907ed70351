"""What writes of blocks and lines tell the user's feed: that they were, by whom and when, and never their texts."""

from __future__ import annotations

import pytest
from sqlalchemy import event

from agentmem import Line


def told(mem, user_id="ada", **options):
    return [(one.kind, one.action, one.ref, one.before, one.after) for one in mem.changes(user_id, **options)]


def test_every_version_of_a_block_is_told_with_what_it_was(mem, memory):
    block = memory.update("core", "tea", expected_updated_at=None)
    memory.append("core", "rye")
    memory.replace("core", "tea", "oats")
    memory.update("core", "milk", expected_updated_at=memory.get("core").updated_at)
    assert block.id not in repr(told(mem))
    assert told(mem) == [
        ("block", "added", "core", None, "tea"),
        ("block", "changed", "core", "tea", "tea\nrye"),
        ("block", "changed", "core", "tea\nrye", "oats\nrye"),
        ("block", "changed", "core", "oats\nrye", "milk"),
    ]


def test_a_deleted_block_is_told_and_what_it_said_is_not(mem, memory, tables):
    memory.append("core", "zebra one")
    memory.append("core", "zebra two")
    memory.delete("core")
    assert [entry[1] for entry in told(mem)] == ["added", "changed", "removed"]
    assert "zebra" not in repr(told(mem))
    assert "zebra" not in repr(tables())
    memory.append("core", "tea")
    assert told(mem)[-1][1:3] == ("added", "core")


def test_every_line_is_told_and_texts_are_kept_once(mem, memory, tables):
    one, other = memory.remember(["zebra one", "zebra two"])
    assert told(mem) == [("line", "added", one.id, None, "zebra one"), ("line", "added", other.id, None, "zebra two")]
    assert "zebra" not in repr(tables()["agentmem_memory_change"])
    memory.append("core", "zebra")
    assert "zebra" not in repr(tables()["agentmem_memory_change"])


def test_a_forgotten_line_is_told_and_what_it_said_is_not(mem, memory):
    one, other = memory.remember(["tea", "rye"])
    memory.forget_line(one.id)
    memory.forget_line(one.id)
    assert told(mem) == [
        ("line", "added", one.id, None, None),
        ("line", "added", other.id, None, "rye"),
        ("line", "removed", one.id, None, None),
    ]
    memory.delete("archival")
    assert told(mem)[3:] == [("line", "removed", other.id, None, None)]


def test_an_update_by_difference_tells_the_difference(mem, memory):
    lines = {line.content: line.id for line in memory.remember(["tea", "rye", "oats"])}
    token = memory.get("archival").updated_at
    memory.update("archival", "oats\nmilk\ntea", expected_updated_at=token)
    assert [entry[1:3] for entry in told(mem)[3:4]] == [("removed", lines["rye"])]
    assert [(entry[1], entry[4]) for entry in told(mem)[4:]] == [("added", "milk")]


def test_what_writes_nothing_tells_nothing(mem, memory):
    block = memory.append("core", "tea", idempotency_key="one")
    memory.remember("rye", idempotency_key="two")
    before = told(mem)
    memory.append("core", "tea", idempotency_key="one")
    memory.remember("rye", idempotency_key="two")
    memory.update("core", "tea", expected_updated_at=block.updated_at)
    memory.replace("core", "tea", "tea")
    memory.update("archival", "rye", expected_updated_at=memory.get("archival").updated_at)
    memory.delete("missing")
    memory.forget_line("missing")
    memory.remember([])
    assert told(mem) == before


def test_a_refused_write_tells_nothing(mem, memory):
    memory.append("core", "tea")
    with pytest.raises(ValueError, match="old"):
        memory.replace("core", "rye", "oats")
    assert len(told(mem)) == 1


def test_a_change_says_whose_it_is_who_made_it_and_when_to_the_hour(mem, clock):
    clock.move(minutes=47, seconds=11)
    memory = mem.client("ada", actor="importer").memory
    memory.append("core", "tea", agent_id="x")
    memory.remember("rye", agent_id="x")
    memory.remember("oats")
    at = clock.now.replace(minute=0, second=0)
    assert [(one.user_id, one.agent_id, one.actor, one.at) for one in mem.changes("ada")] == [
        ("ada", "x", "importer", at),
        ("ada", "x", "importer", at),
        ("ada", None, "importer", at),
    ]
    assert mem.changes("bo") == mem.tenant("other").changes("ada") == []


def test_a_line_is_told_with_its_own_conversation(mem, memory):
    given = [Line("one", conversation_id="a"), Line("two", conversation_id="b"), "three", "four"]
    lines = memory.remember([*given, Line("five", conversation_id="a")], conversation_id="c")
    conversations = {one.ref: one.conversation_id for one in mem.changes("ada")}
    assert [conversations[line.id] for line in lines] == ["a", "b", "c", "c", "a"]
    (alone,) = memory.remember("six")
    assert mem.changes("ada")[-1].conversation_id is None
    memory.forget_line(alone.id)


def test_many_lines_are_told_in_one_statement(mem, memory):
    asked = []
    engine = mem._container.database._writers  # noqa: SLF001 - what is sent to it is what is counted
    event.listen(engine, "before_cursor_execute", lambda *call: asked.append(call[2]))
    counts = []
    for count in (3, 2_000):
        asked.clear()
        memory.remember([f"line {number}" for number in range(count)])
        counts.append(sum("agentmem_memory_change" in statement for statement in asked))
    assert counts == [1, 1]
