"""`idempotency_key`: the same key again gives the first result, and never writes twice."""

from __future__ import annotations

import pytest

from agentmem import ConflictError, InvalidInputError, Line


def test_append_again_gives_the_first_result(memory):
    first = memory.append("core", "tea", idempotency_key="k")
    memory.append("core", "rye")
    assert memory.append("core", "tea", idempotency_key="k") == first
    assert memory.get("core").content == "tea\nrye"


def test_remember_again_gives_the_first_result(memory):
    lines = ["tea", Line("rye\noats", speaker="Ada", occurred_at="2026-01-01T00:00:00Z")]
    first = memory.remember(lines, idempotency_key="k")
    before = memory.get("archival")
    assert memory.remember(lines, idempotency_key="k") == first
    assert memory.get("archival") == before


def test_append_to_archival_again_gives_the_first_result(memory):
    memory.append("archival", "tea", idempotency_key="k")
    memory.append("archival", "tea", idempotency_key="k")
    assert memory.get("archival").content == "tea"


@pytest.mark.parametrize(
    "again",
    [
        lambda memory: memory.append("core", "rye", idempotency_key="k"),
        lambda memory: memory.append("notes", "tea", idempotency_key="k"),
        lambda memory: memory.remember("tea", idempotency_key="k"),
        lambda memory: memory.append("archival", "tea", idempotency_key="k"),
    ],
    ids=["other content", "other block", "remember", "archival"],
)
def test_a_key_used_for_another_write_conflicts(memory, again):
    block = memory.append("core", "tea", idempotency_key="k")
    with pytest.raises(ConflictError, match="idempotency_key"):
        again(memory)
    assert memory.list() == [block]


@pytest.mark.parametrize(
    "other",
    [
        {"lines": ["tea", "rye"]},
        {"lines": [Line("tea", speaker="Ada")]},
        {"lines": [Line("tea", occurred_at="2026-01-01T00:00:00Z")]},
        {"source": "user"},
        {"confidence": 0.9},
        {"conversation_id": "c"},
    ],
    ids=lambda other: next(iter(other)) + str(other)[:60],
)
def test_a_key_used_for_lines_of_other_provenance_conflicts(memory, other):
    memory.remember(["tea"], idempotency_key="k")
    with pytest.raises(ConflictError):
        memory.remember(**{"lines": ["tea"], "idempotency_key": "k", **other})
    assert memory.get("archival").content == "tea"


def test_the_same_instant_and_the_same_lines_in_another_form_are_the_same_write(memory):
    first = memory.remember([Line("tea\nrye", occurred_at="2026-01-01T02:00:00+02:00")], idempotency_key="k")
    spelled = [Line("tea", occurred_at="2026-01-01T00:00:00Z"), Line("rye", occurred_at="2026-01-01T00:00:00Z")]
    assert memory.remember(spelled, idempotency_key="k") == first


def test_a_key_belongs_to_one_scope(mem, memory):
    memory.append("core", "user", idempotency_key="k")
    memory.append("core", "agent", agent_id="x", idempotency_key="k")
    mem.client("bob").memory.append("core", "bob", idempotency_key="k")
    mem.tenant("acme").client("ada").memory.append("core", "acme", idempotency_key="k")
    assert memory.get("core").content == "user"
    assert mem.tenant("acme").client("ada").memory.get("core").content == "acme"


def test_a_key_holds_across_a_deletion_of_the_block(memory):
    first = memory.append("core", "tea", idempotency_key="k")
    memory.delete("core")
    again = memory.append("core", "tea", idempotency_key="k")
    assert (again.id, again.version, again.updated_at) == (first.id, first.version, first.updated_at)
    assert memory.list() == []
    memory.append("core", "new")
    memory.append("core", "tea", idempotency_key="k")
    assert memory.get("core").content == "new"
    with pytest.raises(ConflictError):
        memory.append("core", "rye", idempotency_key="k")


def test_a_key_holds_across_forgetting_the_lines(memory):
    lines = memory.remember(["tea", "rye"], idempotency_key="k")
    memory.forget_line(lines[0].id)
    assert memory.remember(["tea", "rye"], idempotency_key="k") == [lines[1]]
    memory.delete("archival")
    assert memory.remember(["tea", "rye"], idempotency_key="k") == []
    assert memory.list() == []


def test_a_key_of_an_append_to_archival_memory_holds_across_its_deletion(memory):
    memory.append("archival", "tea", idempotency_key="k")
    memory.delete("archival")
    memory.append("archival", "tea", idempotency_key="k")
    assert memory.list() == []


def test_a_key_holds_across_processes(memory, other):
    first = memory.append("core", "tea", idempotency_key="k")
    lines = memory.remember(["tea", "rye"], idempotency_key="l")
    process = other()
    assert process.ask("append", "core", "tea", idempotency_key="k")["updated_at"] == str(first.updated_at)
    again = process.ask("remember", ["tea", "rye"], idempotency_key="l")
    assert [line["id"] for line in again] == [line.id for line in lines]
    assert (memory.get("core").content, memory.get("archival").content) == ("tea", "tea\nrye")


def test_a_key_of_a_refused_write_is_still_free(memory):
    with pytest.raises(InvalidInputError):
        memory.append("core", "x" * 20_001, idempotency_key="k")
    with pytest.raises(InvalidInputError):
        memory.remember(["tea", ""], idempotency_key="k")
    assert memory.append("core", "tea", idempotency_key="k").content == "tea"


def test_without_a_key_the_same_write_is_done_twice(memory):
    memory.append("core", "tea")
    memory.remember("tea")
    memory.remember("tea")
    assert (memory.append("core", "tea").content, memory.get("archival").content) == ("tea\ntea", "tea\ntea")
