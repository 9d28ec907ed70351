"""`idempotency_key`: the same key again gives the first result, and never writes twice."""

from __future__ import annotations

import pytest

from agentmem import ConflictError, InvalidInputError, Line, NotFoundError


def test_append_again_gives_the_first_result(memory):
    first = memory.append("core", "tea", idempotency_key="k")
    memory.append("core", "rye")
    assert memory.append("core", "tea", idempotency_key="k") == first
    assert memory.get("core").content == "tea\nrye"


def test_replace_again_gives_the_first_result(memory):
    memory.append("core", "tea")
    first = memory.replace("core", "tea", "rye", idempotency_key="k")
    assert memory.replace("core", "tea", "rye", idempotency_key="k") == first
    memory.append("core", "tea")
    assert memory.replace("core", "tea", "rye", idempotency_key="k") == first
    assert memory.get("core").content == "rye\ntea"


def test_replace_by_the_same_text_again_gives_the_first_result(memory):
    first = memory.append("core", "tea")
    assert memory.replace("core", "tea", "tea", idempotency_key="k") == first
    memory.replace("core", "tea", "rye")
    assert memory.replace("core", "tea", "tea", idempotency_key="k") == first
    assert memory.get("core").content == "rye"


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
        lambda memory: memory.replace("core", "tea", "rye", idempotency_key="k"),
        lambda memory: memory.remember([], idempotency_key="k"),
    ],
    ids=["other content", "other block", "remember", "archival", "replace", "nothing"],
)
def test_a_key_used_for_another_write_conflicts(memory, again):
    block = memory.append("core", "tea", idempotency_key="k")
    with pytest.raises(ConflictError, match="idempotency_key"):
        again(memory)
    assert memory.list() == [block]


@pytest.mark.parametrize(("old", "new", "block"), [("a", "c", "core"), ("b", "b", "core"), ("a", "b", "notes")])
def test_a_key_used_for_another_replacement_conflicts(memory, old, new, block):
    for name in ("core", "notes"):
        memory.append(name, "a")
    memory.replace("core", "a", "b", idempotency_key="k")
    with pytest.raises(ConflictError, match="idempotency_key"):
        memory.replace(block, old, new, idempotency_key="k")
    assert (memory.get("core").content, memory.get("notes").content) == ("b", "a")


def test_a_key_that_remembered_nothing_is_used(memory, tables):
    assert memory.remember([], idempotency_key="k") == []
    before = tables()
    assert memory.remember([], idempotency_key="k") == []
    with pytest.raises(ConflictError, match="idempotency_key"):
        memory.remember(["tea"], idempotency_key="k")
    assert memory.list() == []
    assert tables() == before


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


WRITES = {
    "append": lambda memory: memory.append("core", "tea", idempotency_key="k"),
    "replace": lambda memory: memory.replace("core", "old", "tea", idempotency_key="k"),
    "remember": lambda memory: memory.remember(["tea", "rye"], idempotency_key="k"),
    "append to archival": lambda memory: memory.append("archival", "tea", idempotency_key="k"),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize("anew", [False, True])
def test_what_a_key_wrote_and_was_deleted_since_is_not_written_again(memory, write, anew):
    memory.append("core", "old")
    write(memory)
    for name in ("core", "archival"):
        memory.delete(name)
        if anew:
            memory.append(name, "new")
    before = memory.list()
    with pytest.raises(NotFoundError, match=r"idempotency_key: .* deleted since; use a new key"):
        write(memory)
    assert memory.list() == before


def test_a_key_holds_across_an_update_of_its_block(memory):
    first = memory.append("core", "tea", idempotency_key="k")
    memory.update("core", "", expected_updated_at=first.updated_at)
    assert memory.append("core", "tea", idempotency_key="k") == first
    with pytest.raises(ConflictError):
        memory.append("core", "rye", idempotency_key="k")
    assert memory.get("core").content == ""


def test_of_what_a_key_remembered_that_is_returned_which_is_left(memory):
    lines = memory.remember(["tea", "rye"], idempotency_key="k")
    memory.forget_line(lines[0].id)
    assert memory.remember(["tea", "rye"], idempotency_key="k") == [lines[1]]
    with pytest.raises(ConflictError):
        memory.remember(["tea", "oats"], idempotency_key="k")
    memory.forget_line(lines[1].id)
    with pytest.raises(NotFoundError, match="idempotency_key"):
        memory.remember(["tea", "rye"], idempotency_key="k")
    assert memory.get("archival").content == ""


def test_lines_that_an_update_removed_are_deleted_to_their_key_too(memory):
    lines = memory.remember(["tea", "rye"], idempotency_key="k")
    memory.update("archival", "rye\noats", expected_updated_at=memory.get("archival").updated_at)
    assert [line.id for line in memory.remember(["tea", "rye"], idempotency_key="k")] == [lines[1].id]


def test_a_deletion_leaves_no_fingerprint_of_what_was_deleted_and_that_of_all_else(memory, tables):
    def fingerprints():
        return {row[3]: row[5] for row in tables()["agentmem_idempotency_key"]}

    memory.append("core", "tea", idempotency_key="append")
    memory.replace("core", "tea", "rye", idempotency_key="replace")
    memory.append("notes", "tea", idempotency_key="notes")
    (line, _) = memory.remember(["tea", "rye"], idempotency_key="forgotten in part")
    memory.remember("oats", idempotency_key="remembered")
    memory.remember("tea", agent_id="x", idempotency_key="of an agent")
    before = fingerprints()
    assert len({len(one) for one in before.values()} | {64}) == 1
    memory.delete("core")
    memory.forget_line(line.id)
    gone = dict.fromkeys(["append", "replace", "forgotten in part"], "")
    assert fingerprints() == before | gone
    memory.delete("archival")
    assert fingerprints() == before | gone | {"remembered": ""}


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
    memory.append("notes", "tea")
    with pytest.raises(InvalidInputError):
        memory.replace("notes", "rye", "oats", idempotency_key="k")
    with pytest.raises(NotFoundError):
        memory.replace("none", "rye", "oats", idempotency_key="k")
    assert memory.append("core", "tea", idempotency_key="k").content == "tea"


def test_without_a_key_the_same_write_is_done_twice(memory):
    memory.append("core", "tea")
    memory.remember("tea")
    memory.remember("tea")
    assert (memory.append("core", "tea").content, memory.get("archival").content) == ("tea\ntea", "tea\ntea")
