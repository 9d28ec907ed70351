"""The lines of two users who turned out to be one: they stay themselves, in every engine, under one text."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

import agentmem
from agentmem import ConflictError, Line
from agentmem.archival.index.protocol import key

from .conftest import ThreeWords

AT = datetime(2026, 3, 14, tzinfo=UTC)


@pytest.fixture
def merge(mem):
    """Lets Bo turn out to be Ada."""
    for user_id in ("ada", "bo"):
        mem.contacts.create(id=user_id)
    return lambda: mem.contacts.merge("bo", into="ada")


@pytest.fixture
def bo(mem):
    return mem.client("bo").memory


@pytest.fixture
def rows(home, sql):
    return lambda statement: sql.execute(home, statement)


def test_lines_come_after_those_of_the_winner_in_their_order(memory, bo, merge):
    bo.remember(["three", "four"])
    memory.remember(["one", "two"])
    bo.remember("five")
    merge()
    assert memory.get("archival").content == "one\ntwo\nthree\nfour\nfive"
    text = memory.get("archival").content.splitlines()
    found = memory.recall("one two three four five", limit=50, min_score=0)
    assert sorted(match.line_number for match in found) == [1, 2, 3, 4, 5]
    assert all(text[match.line_number - 1] == match.content for match in found)


def test_lines_of_someone_with_none_yet_come_with_their_description(memory, bo, merge):
    bo.update("archival", "one\ntwo", expected_updated_at=None, description="Facts", read_only=True)
    merge()
    block = memory.get("archival")
    assert (block.content, block.description, block.read_only) == ("one\ntwo", "Facts", True)


def test_the_winners_description_counts(memory, bo, merge):
    bo.update("archival", "one", expected_updated_at=None, description="Bo's")
    memory.update("archival", "two", expected_updated_at=None, description="Ada's")
    merge()
    assert (memory.get("archival").content, memory.get("archival").description) == ("two\none", "Ada's")


def test_lines_come_back_to_someone_whose_own_were_deleted(memory, bo, merge):
    memory.remember("gone")
    memory.delete("archival")
    bo.remember("one")
    merge()
    assert memory.get("archival").content == "one"


def test_nothing_comes_of_someone_without_lines(memory, bo, merge):
    bo.remember("gone")
    bo.delete("archival")
    block = memory.update("archival", "one", expected_updated_at=None)
    merge()
    assert memory.get("archival") == block


def test_a_line_keeps_all_that_it_is(rows, memory, bo, merge, clock):
    said = Line("Acme renews", speaker="Bo", occurred_at=AT, conversation_id="c", source="user", confidence=0.9)
    bo.remember(said, agent_id="x")
    (before,) = bo.recall("Acme renews", agent_id="x")
    made = "SELECT line_id, vector FROM agentmem_line_chunk", "SELECT line_id, terms FROM agentmem_line_terms"
    stored = [rows(statement) for statement in made]
    clock.move(days=1)
    merge()
    assert memory.recall("Acme renews", agent_id="x") == [before]
    assert [rows(statement) for statement in made] == stored


def test_every_agent_keeps_its_own(memory, bo, merge):
    bo.remember("of x", agent_id="x")
    bo.remember("of y", agent_id="y")
    memory.remember("of x too", agent_id="x")
    bo.remember("of all")
    merge()
    assert memory.get("archival", agent_id="x").content == "of x too\nof x"
    assert memory.get("archival", agent_id="y").content == "of y"
    assert memory.get("archival").content == "of all"


def test_a_merge_moves_the_winners_version_so_that_an_update_conflicts(memory, bo, merge):
    read = memory.update("archival", "one", expected_updated_at=None)
    theirs = bo.update("archival", "two", expected_updated_at=None)
    merge()
    for token in (read.updated_at, theirs.updated_at):
        with pytest.raises(ConflictError):
            memory.update("archival", "mine", expected_updated_at=token)


def test_a_moved_line_is_forgotten_everywhere(memory, bo, merge, tables):
    (line,) = bo.remember("zebra", idempotency_key="one")
    merge()
    memory.forget_line(line.id)
    assert "zebra" not in repr(tables())
    assert memory.recall("zebra", min_score=0) == []
    with pytest.raises(agentmem.NotFoundError):
        bo.remember("zebra", idempotency_key="one")


def test_what_was_kept_in_memory_of_either_is_read_anew(open_mem, memory, bo, merge):
    bo.remember(["tea", "rye"])
    memory.remember("oats")
    elsewhere = open_mem().client("ada").memory
    for one in (memory, bo, elsewhere):
        one.recall("tea", min_score=0)
    merge()
    for one in (memory, bo, elsewhere):
        assert sorted(match.content for match in one.recall("tea", min_score=0)) == ["oats", "rye", "tea"]


def test_the_retention_counts_from_when_a_line_was_written(mem, memory, bo, merge, clock):
    mem.agents.configure("x", memory_retention_days=10)
    bo.remember("tea", agent_id="x")
    clock.move(days=9)
    merge()
    assert memory.get("archival", agent_id="x").content == "tea"
    clock.move(days=1)
    assert memory.get("archival", agent_id="x").content == ""


def test_a_repeated_write_finds_its_lines_after_a_merge(memory, bo, merge):
    (line,) = bo.remember("tea", idempotency_key="bo's")
    (taken,) = bo.remember("rye", idempotency_key="both")
    (own,) = memory.remember("oats", idempotency_key="both")
    merge()
    for one in (memory, bo):
        assert [again.id for again in one.remember("tea", idempotency_key="bo's")] == [line.id]
        assert [again.id for again in one.remember("oats", idempotency_key="both")] == [own.id]
    assert memory.get("archival").content == "oats\ntea\nrye"
    memory.forget_line(taken.id)


@pytest.mark.parametrize("users", [2, 40])
def test_chroma_holds_a_moved_line_once_and_drops_it_when_it_is_forgotten(open_mem, users):
    mem = open_mem(scan_below=0, embeddings=ThreeWords())
    names = [f"user-{number}" for number in range(users)]  # of many, some two are in one collection
    for name in names:
        mem.contacts.create(id=name)
        mem.client(name).memory.remember([f"{name} likes tea and rye and oats", f"{name} likes milk"])
    memory = mem.client(names[0]).memory
    memory.recall("tea", min_score=0)
    for name in names[1:]:
        mem.contacts.merge(name, into=names[0])
    found = memory.recall("likes tea", limit=50, min_score=0, explain=True)
    assert len(found) == min(50, 2 * users)
    assert {match.explanation.answered_by for match in found} == {"chroma"}
    held = sorted(name for name, _ in mem._container.index.stored())  # noqa: SLF001 - nothing public shows what Chroma holds
    lines = {match.id: match.content for match in found}
    if users == 2:
        chunks = {line_id: len(mem._container.embedder.embed_lines([text])[0]) for line_id, text in lines.items()}  # noqa: SLF001 - as above
        assert held == sorted(key(line_id, chunk) for line_id, count in chunks.items() for chunk in range(count))
    assert len(held) == len(set(held))
    assert mem.check().ok
    memory.delete("archival")
    memory.recall("tea", min_score=0)
    memory.remember("later")
    memory.recall("later", min_score=0)
    assert len(list(mem._container.index.stored())) == 1  # noqa: SLF001 - as above
    assert mem.check().ok
