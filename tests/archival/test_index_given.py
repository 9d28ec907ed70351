"""A store whose large scopes are searched by an index that was given to `open`."""

from __future__ import annotations

import pytest

from agentmem import InvalidInputError
from agentmem.archival.index.protocol import IndexFailedError
from agentmem.testing import InMemoryIndex

SAID = ["Likes tea", "Bakes rye bread", "Renews in March", "Has a dog, Tom"]


def ask(memory, query="tea"):
    found = memory.recall(query, min_score=0, explain=True)
    return [(match.id, match.score) for match in found], {match.explanation.answered_by for match in found}


def indexes(sql, home):
    return sql.execute(home, "SELECT url FROM agentmem_search_index")


@pytest.fixture
def given(open_mem):
    return open_mem(index=InMemoryIndex(), scan_below=0)


def test_it_answers_as_the_scan_does_and_check_names_it(given, open_mem):
    memory = given.client("ada").memory
    memory.remember(SAID)
    found, by = ask(memory)
    assert by == {"memory"}
    assert len(found) == len(SAID)
    report = given.check()
    assert (report.ok, report.answers, report.indexed, report.pending) == (True, "memory", len(SAID), 0)
    scanned, by = ask(open_mem().client("ada").memory)
    assert (scanned, by) == (found, {"scan"})


def test_it_sees_what_was_written_edited_and_forgotten_before_the_search(given):
    memory = given.client("ada").memory
    lines = memory.remember(SAID)
    ask(memory)
    memory.forget_line(lines[0].id)
    memory.remember("Likes tea with milk")
    memory.update("archival", "Likes rye", expected_updated_at=memory.get("archival").updated_at)
    assert ask(memory)[1] == {"memory"}
    assert [match.content for match in memory.recall("tea", min_score=0)] == ["Likes rye"]
    assert given.check().indexed == 1


def test_it_is_filled_anew_by_reindex(given):
    memory = given.client("ada").memory
    memory.remember(SAID)
    before = ask(memory)
    assert given.reindex() == len(SAID)
    assert ask(memory) == before
    assert given.check().ok


def test_a_forgotten_person_leaves_nothing_in_it(given):
    given.client("ada").memory.remember(SAID)
    kept = given.client("bob").memory.remember("Likes rye")
    ask(given.client("ada").memory)
    assert given.forget(user_id="ada", wait=True).pending == ()
    held = [key for key, _ in given._container.index.stored()]  # noqa: SLF001 - nothing public shows its keys
    assert held == [line.id for line in kept]


def test_a_store_that_is_closed_leaves_no_row_of_it_and_the_next_one_begins_again(given, open_mem, home, sql):
    memory = given.client("ada").memory
    memory.remember(SAID)
    expected = ask(memory)
    assert len(indexes(sql, home)) == 1
    given.close()
    assert indexes(sql, home) == []
    again = open_mem(index=InMemoryIndex(), scan_below=0)
    assert ask(again.client("ada").memory) == expected
    assert again.check().ok


def test_one_left_by_a_process_that_died_is_not_in_the_way_of_clearing_tombstones(given, home, sql):
    memory = given.client("ada").memory
    lines = memory.remember(SAID)
    ask(memory)
    dead = "INSERT INTO agentmem_search_index (id, url, generation, watermark, clean) VALUES ('dead', :url, 1, 0, :no)"
    sql.execute(home, dead, url="memory:dead", no=False)
    for line in lines:
        memory.forget_line(line.id)
    assert given.sweep().deleted["tombstones"] == len(lines) - 1
    memory.remember("Likes rye")
    assert ask(memory)[1] == {"memory"}
    assert given.check().ok


def test_two_handles_with_one_object_share_it_and_two_objects_are_two_indexes(open_mem, home, sql):
    one, other = InMemoryIndex(), InMemoryIndex()
    for index in (one, one, other):
        mem = open_mem(index=index, scan_below=0)
        mem.client("ada").memory.remember("Likes tea")
        assert ask(mem.client("ada").memory)[1] == {"memory"}
    assert len(indexes(sql, home)) == 2


class Broken(InMemoryIndex):
    title = "Acme Vectors"

    def open(self, *_, **__):
        raise IndexFailedError("Acme Vectors is not there")


def test_one_that_cannot_be_opened_leaves_the_answer_to_the_scan_and_is_called_by_its_title(open_mem, caplog):
    mem = open_mem(index=Broken(), scan_below=0)
    memory = mem.client("ada").memory
    memory.remember(SAID)
    found, by = ask(memory)
    assert (len(found), by) == (len(SAID), {"scan"})
    assert "Acme Vectors is not there" in caplog.text
    report = mem.check()
    assert not report.ok
    assert "Acme Vectors cannot be used" in report.problems[0]


@pytest.mark.parametrize("index", ["chroma", object(), InMemoryIndex])
def test_what_is_no_index_is_refused_and_leaves_nothing_open(open_mem, index):
    with pytest.raises(InvalidInputError, match="index: must be a search index, not") as caught:
        open_mem(index=index)
    assert caught.value.field == "index"


def test_an_index_and_the_url_of_another_one_are_refused(open_mem):
    with pytest.raises(InvalidInputError) as caught:
        open_mem(index=InMemoryIndex(), chroma_url="http://127.0.0.1:1")
    assert caught.value.field == "chroma_url"
