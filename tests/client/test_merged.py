"""The blocks of two users who turned out to be one, and every call with the id of the one who was merged."""

from __future__ import annotations

import pytest

from agentmem import NotFoundError

from ..sql import selects_of  # noqa: TID252 - the tests are no installed package

LONG, OTHER = "x" * 15_000, "y" * 15_000


@pytest.fixture
def merge(mem):
    """Lets Bo turn out to be Ada."""
    for user_id in ("ada", "bo"):
        mem.contacts.create(id=user_id)
    return lambda: mem.contacts.merge("bo", into="ada")


@pytest.fixture
def bo(mem):
    return mem.client("bo").memory


def test_a_block_comes_with_its_token_and_its_history(memory, bo, merge):
    bo.append("core", "tea")
    block = bo.append("core", "rye")
    history = bo.history("core")
    bo.append("notes", "oats", agent_id="x")
    merge()
    assert memory.get("core") == block
    assert memory.history("core") == history
    assert memory.get("notes", agent_id="x").content == "oats"
    assert memory.update("core", "milk", expected_updated_at=block.updated_at).version == 3


def test_of_a_block_that_both_have_the_texts_are_joined(memory, bo, merge):
    memory.update("core", "tea\n", expected_updated_at=None, description="Ada's")
    bo.update("core", "rye", expected_updated_at=None, description="Bo's", read_only=True)
    merge()
    block = memory.get("core")
    assert (block.content, block.description, block.read_only, block.version) == ("tea\nrye", "Ada's", True, 2)
    assert [(one.action, one.content) for one in memory.history("core")] == [
        ("created", "tea\n"),
        ("appended", "tea\nrye"),
    ]


def test_a_text_that_both_have_is_there_once(memory, bo, merge):
    block = memory.append("core", "tea")
    bo.append("core", "tea")
    bo.update("notes", "", expected_updated_at=None)
    other = memory.append("notes", "rye")
    merge()
    assert (memory.get("core"), memory.get("notes")) == (block, other)


def test_nothing_is_cut_where_the_two_are_over_the_limit(memory, bo, merge):
    memory.append("core", LONG)
    bo.append("core", OTHER)
    merge()
    assert memory.get("core").content == f"{LONG}\n{OTHER}"


def test_a_deleted_block_comes_back_with_what_the_other_says(memory, bo, merge):
    memory.append("core", "tea")
    memory.delete("core")
    bo.append("core", "rye")
    merge()
    assert (memory.get("core").content, memory.get("core").version) == ("rye", 3)


def test_a_block_that_the_other_deleted_does_no_harm(memory, bo, merge):
    bo.append("core", "tea")
    bo.delete("core")
    block = memory.append("core", "rye")
    merge()
    assert memory.get("core") == block


def test_what_is_joined_is_in_one_place_and_goes_with_it(memory, bo, merge, tables):
    memory.append("core", "tea")
    bo.append("core", "zebra one", idempotency_key="one")
    bo.append("core", "zebra two")
    merge()
    memory.delete("core")
    assert "zebra" not in repr(tables())


def test_the_feed_tells_of_a_joined_block_and_not_that_one_is_gone(mem, memory, bo, merge):
    memory.append("core", "tea")
    bo.append("core", "rye")
    merge()
    told = [(one.action, one.ref, one.before, one.after) for one in mem.changes("ada") if one.kind == "block"]
    assert told[-1] == ("changed", "core", "tea", "tea\nrye")
    assert [entry[0] for entry in told] == ["added", "added", "changed"]


def test_a_repeated_write_finds_its_block_after_a_merge(memory, bo, merge):
    block = bo.append("core", "tea", idempotency_key="one")
    merge()
    for one in (memory, bo):
        assert one.append("core", "tea", idempotency_key="one") == block


def test_a_repeated_write_to_a_joined_block_is_not_done_again(memory, bo, merge):
    memory.append("core", "tea")
    bo.append("core", "rye", idempotency_key="one")
    merge()
    for one in (memory, bo):
        with pytest.raises(NotFoundError):
            one.append("core", "rye", idempotency_key="one")
    assert memory.get("core").content == "tea\nrye"


def test_the_id_of_who_was_merged_leads_to_the_winner_in_every_call(memory, bo, merge):
    bo.remember("tea", agent_id="x")
    merge()
    (line,) = bo.remember("rye", agent_id="x", idempotency_key="one")
    assert memory.remember("rye", agent_id="x", idempotency_key="one")[0].id == line.id
    core = bo.update("core", "oats", expected_updated_at=None)
    bo.append("notes", "milk")
    bo.replace("notes", "milk", "cream")
    for one in (memory, bo):
        assert one.get("core") == core
        assert one.list(scope="all") == memory.list(scope="all")
        assert one.list_core() == memory.list_core()
        assert one.history("notes") == memory.history("notes")
        assert one.get("notes").content == "cream"
        assert one.get("archival", agent_id="x").content == "tea\nrye"
        assert [match.content for match in one.recall("rye", agent_id="x", min_score=0)] == ["rye", "tea"]
    bo.forget_line(line.id)
    bo.delete("notes")
    assert memory.get("archival", agent_id="x").content == "tea"
    assert memory.find("notes") is None
    bo.delete("archival", agent_id="x")
    assert memory.find("archival", agent_id="x") is None


def test_a_merge_in_one_tenant_leads_nowhere_in_another(mem, merge):
    other = mem.tenant("other")
    other.client("bo").memory.append("core", "tea")
    other.client("bo").memory.remember("tea")
    merge()
    assert other.client("bo").memory.get("core").content == "tea"
    assert [match.content for match in other.client("bo").memory.recall("tea")] == ["tea"]
    assert other.client("ada").memory.list(scope="all") == []


def test_a_merge_costs_no_read_a_round_trip(mem, memory, bo, merge, dialect):
    memory.remember("tea")
    memory.append("core", "tea")
    merge()
    for read in (lambda one: one.recall("tea"), lambda one: one.get("core"), lambda one: one.get("archival")):
        counts = []
        for one in (memory, bo):
            read(one)
            with selects_of(mem, dialect) as asked:
                read(one)
            counts.append(len(asked))
        assert counts[0] == counts[1] > 0
