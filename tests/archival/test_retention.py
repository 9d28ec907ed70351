"""Lines past an agent's retention: hidden from every read at once, and there again when the retention is longer."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import agentmem
from agentmem import ConflictError, Line
from agentmem.archival.search.recall import Filter, SearchOptions
from agentmem.models import Scope
from agentmem.testing import FrozenClock, HashingEmbeddings
from agentmem.transaction import Writer

from ..sql import selects_of  # noqa: TID252 - the tests are no installed package

DAYS = 30


@pytest.fixture
def scope():
    return Scope("default", "ada", "x")


def contents(memory, agent_id="x", query="tea rye oats milk", **options):
    found = memory.recall(query, agent_id=agent_id, scope="agent", limit=50, min_score=0, **options)
    return sorted(match.content for match in found)


def in_session(mem, call, *arguments, **options):
    """What a call of the archival store gives that takes part in the caller's transaction."""
    container = mem._container  # noqa: SLF001 - only the rooms above call these
    return container.transactions.write(
        lambda tx: getattr(container.archival, call)(tx, *arguments, **options), writer=Writer("test")
    )


@pytest.fixture
def aged(mem, memory, clock):
    """Two lines that are just past the agent's retention, and two that are just not."""
    mem.agents.configure("x", memory_retention_days=DAYS)
    memory.remember(["old tea", "old rye"], agent_id="x")
    clock.move(microseconds=1)
    memory.remember(["new tea", "new rye"], agent_id="x")
    clock.move(days=DAYS, microseconds=-1)
    return memory


def test_a_line_is_hidden_from_the_microsecond_its_retention_ends(mem, memory, clock):
    mem.agents.configure("x", memory_retention_days=DAYS)
    memory.remember("tea", agent_id="x")
    clock.move(days=DAYS, microseconds=-1)
    assert (contents(memory), memory.get("archival", agent_id="x").content) == (["tea"], "tea")
    clock.move(microseconds=1)
    assert (contents(memory), memory.get("archival", agent_id="x").content) == ([], "")
    clock.move(days=-1)
    assert (contents(memory), memory.get("archival", agent_id="x").content) == (["tea"], "tea")


def test_what_is_hidden_is_in_no_read(aged, mem, scope):
    assert contents(aged) == ["new rye", "new tea"]
    assert aged.get("archival", agent_id="x").content == "new tea\nnew rye"
    assert [block.content for block in aged.list(agent_id="x")] == ["new tea\nnew rye"]
    every = [line.id for line in in_session(mem, "newest", scope, limit=9, min_confidence=0)]
    assert len(every) == 2
    mem.agents.configure("x", memory_retention_days=0)
    ids = [line.id for line in in_session(mem, "newest", scope, limit=9, min_confidence=0)]
    assert len(ids) == 4
    mem.agents.configure("x", memory_retention_days=DAYS)
    assert in_session(mem, "lines", scope, ids).keys() == set(every)


def test_line_numbers_count_what_can_be_seen(aged):
    text = aged.get("archival", agent_id="x").content.splitlines()
    for match in aged.recall("tea rye", agent_id="x", min_score=0):
        assert text[match.line_number - 1] == match.content


def test_a_longer_retention_brings_back_what_is_not_swept(aged, mem):
    mem.agents.configure("x", memory_retention_days=DAYS + 1)
    assert contents(aged) == ["new rye", "new tea", "old rye", "old tea"]
    assert aged.get("archival", agent_id="x").content == "old tea\nold rye\nnew tea\nnew rye"
    mem.agents.configure("x", memory_retention_days=DAYS)
    assert contents(aged) == ["new rye", "new tea"]
    mem.agents.configure("x", memory_retention_days=0)
    assert contents(aged) == ["new rye", "new tea", "old rye", "old tea"]


def test_the_users_own_lines_and_those_of_an_agent_never_configured_stay(mem, memory, clock):
    mem.agents.configure("x", memory_retention_days=1)
    mem.tenant("other").agents.configure("y", memory_retention_days=1)
    memory.remember("tea of all")
    memory.remember("tea of y", agent_id="y")
    clock.move(days=10_000)
    assert [match.content for match in memory.recall("tea", agent_id="x")] == ["tea of all"]
    assert contents(memory, "y") == ["tea of y"]
    assert memory.get("archival").content == "tea of all"
    assert memory.get("archival", agent_id="y").content == "tea of y"


def test_blocks_have_no_retention(mem, memory, clock):
    mem.agents.configure("x", memory_retention_days=1)
    memory.append("core", "tea", agent_id="x")
    clock.move(days=2)
    assert memory.get("core", agent_id="x").content == "tea"


def test_an_update_leaves_hidden_lines_as_they_are(aged, mem):
    read = aged.get("archival", agent_id="x")
    block = aged.update("archival", "newest\nnew rye", agent_id="x", expected_updated_at=read.updated_at)
    assert block.content == "newest\nnew rye"
    assert aged.get("archival", agent_id="x") == block
    mem.agents.configure("x", memory_retention_days=0)
    assert sorted(aged.get("archival", agent_id="x").content.splitlines()) == [
        "new rye",
        "newest",
        "old rye",
        "old tea",
    ]


def test_a_hidden_line_that_is_written_again_is_a_new_one(aged):
    read = aged.get("archival", agent_id="x")
    text = f"{read.content}\nold tea"
    assert aged.update("archival", text, agent_id="x", expected_updated_at=read.updated_at).content == text
    assert contents(aged) == ["new rye", "new tea", "old tea"]


def test_a_line_that_is_hidden_while_an_update_runs_does_not_break_it(open_mem, clock):
    class Slow(HashingEmbeddings):
        def embed_documents(self, texts):
            if "newer" in texts:
                clock.move(days=1)  # what could be seen when the update began cannot any more
            return super().embed_documents(texts)

    mem = open_mem(embeddings=Slow())
    memory = mem.client("ada").memory
    mem.agents.configure("x", memory_retention_days=DAYS)
    memory.remember("tea", agent_id="x")
    clock.move(days=DAYS - 1)
    read = memory.get("archival", agent_id="x")
    block = memory.update("archival", "tea\nnewer", agent_id="x", expected_updated_at=read.updated_at)
    assert block.content == "tea\nnewer"
    assert memory.get("archival", agent_id="x").content == "newer"


def test_a_conflict_shows_nothing_that_is_hidden(aged):
    for write in (
        lambda: aged.update("archival", "x", agent_id="x", expected_updated_at=None),
        lambda: aged.delete("archival", agent_id="x", expected_updated_at="2020-01-01T00:00:00Z"),
    ):
        with pytest.raises(ConflictError) as caught:
            write()
        assert caught.value.current == aged.get("archival", agent_id="x")


def test_deleting_archival_memory_takes_hidden_lines_along(aged, tables):
    aged.delete("archival", agent_id="x")
    assert "old tea" not in repr(tables())
    assert tables()["agentmem_line_chunk"] == []


def test_a_hidden_line_can_be_forgotten(mem, memory, clock, tables):
    mem.agents.configure("x", memory_retention_days=1)
    (line,) = memory.remember("zebra", agent_id="x")
    clock.move(days=2)
    memory.forget_line(line.id)
    assert "zebra" not in repr(tables())


def test_hidden_lines_give_no_speakers_whose_names_would_be_left_out_of_a_question(mem, memory, clock):
    mem.agents.configure("x", memory_retention_days=DAYS)
    memory.remember(Line("old tea", speaker="May Green"), agent_id="x")
    clock.move(days=DAYS - 1)
    memory.remember([Line("Green tea", speaker="Ada"), Line("rye", speaker="Bo")], agent_id="x")
    memory.remember([Line("Green tea", speaker="Ada"), Line("rye", speaker="Bo")], agent_id="alone")
    clock.move(days=1)
    assert _seen(memory, "x", "Green tea") == _seen(memory, "alone", "Green tea")


@pytest.fixture(scope="module")
def stores(tmp_path_factory, new_sql):
    """One store opened three ways: everything scanned, larger scopes compared in part, Chroma asked first."""
    clock = FrozenClock()
    folder = tmp_path_factory.mktemp("aged")
    options = {"embeddings": HashingEmbeddings(), "clock": clock}
    with (
        new_sql() as sql,
        agentmem.open(folder, scan_below=5_000, **options, **sql.options(folder)) as scan,
        agentmem.open(folder, scan_below=0, **options, **sql.options(folder)) as chroma,
    ):
        yield clock, scan, chroma


WORDS = ["tea", "rye", "oats", "milk"]
SPOKEN = st.lists(
    st.builds(
        Line,
        st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join),
        speaker=st.sampled_from([None, "Ada", "Bo"]),
        conversation_id=st.sampled_from([None, "a", "b"]),
    ),
    min_size=1,
    max_size=4,
)
SPEECH = st.lists(st.tuples(SPOKEN, st.integers(0, 15)), min_size=1, max_size=6)
AGENTS = iter(range(10**9))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(speech=SPEECH, query=st.sampled_from(["tea", "rye milk", "Ada tea oats", "Bo"]))
def test_what_is_hidden_has_no_part_in_what_is_found(stores, speech, query):
    """An agent with a past finds what one without it finds, with the same figures, whoever answers."""
    clock, scan, chroma = stores
    memory = scan.client("ada").memory
    past, fresh = (f"{name}-{next(AGENTS)}" for name in ("past", "fresh"))
    scan.agents.configure(past, memory_retention_days=DAYS)
    end = clock.now + timedelta(days=sum(days for _, days in speech) + 1)
    numbers = iter(range(100))  # no two lines are equal: of those that are, the one with the smaller id is shown
    speech = [
        ([replace(one, content=f"{one.content} {next(numbers)}") for one in lines], days) for lines, days in speech
    ]
    for lines, days in speech:
        memory.remember(lines, agent_id=past)
        if clock.now > end - timedelta(days=DAYS):
            memory.remember(lines, agent_id=fresh)
        contents(memory, past)  # so that something is kept that has to change
        clock.move(days=days)
    clock.now = end
    expected = _seen(memory, fresh, query)
    assert _seen(memory, past, query) == expected
    assert _seen(memory, past, query) == expected
    assert _seen(chroma.client("ada").memory, past, query) == expected
    text = (memory.find("archival", agent_id=fresh) or memory.get("archival", agent_id=past)).content
    assert memory.get("archival", agent_id=past).content == text
    scan.agents.configure(past, memory_retention_days=0)
    every = [line.content for lines, _ in speech for line in lines]
    assert memory.get("archival", agent_id=past).content.splitlines() == every


def _seen(memory, agent_id, query):
    """The matches without what tells two writes of one line apart."""
    found = memory.recall(query, agent_id=agent_id, scope="agent", limit=50, min_score=0, explain=True)
    same = {"id": "", "agent_id": None}
    explained = [(match, replace(match.explanation, answered_by="scan")) for match in found]
    return sorted(
        (replace(match, **same, explanation=explanation) for match, explanation in explained),
        key=lambda match: match.line_number,
    )


@pytest.mark.parametrize("scan_below", [0, 60, 5_000])
def test_of_a_scope_that_is_not_compared_as_a_whole_the_hidden_lines_are_hidden_too(open_mem, clock, scan_below):
    mem = open_mem(scan_below=scan_below)
    memory = mem.client("ada").memory
    mem.agents.configure("x", memory_retention_days=DAYS)
    memory.remember([f"old tea {number}" for number in range(100)], agent_id="x")
    clock.move(days=DAYS)
    memory.remember([f"new tea {number}" for number in range(20)], agent_id="x")
    assert contents(memory) == sorted(f"new tea {number}" for number in range(20))
    memory.remember("one more tea", agent_id="x")
    assert len(contents(memory)) == 21
    clock.move(days=DAYS)
    assert contents(memory) == []


def test_reads_ask_the_database_no_oftener_for_an_agent_with_a_retention(mem, memory, clock, dialect):
    mem.agents.configure("x", memory_retention_days=DAYS)
    for agent_id in ("x", "y"):
        memory.remember(["old tea"], agent_id=agent_id)
    clock.move(days=DAYS)
    for agent_id in ("x", "y"):
        memory.remember(["new tea"], agent_id=agent_id)
        contents(memory, agent_id)
    counts = []
    for agent_id in ("x", "y"):
        with selects_of(mem, dialect) as asked:
            contents(memory, agent_id)
        counts.append(len(asked))
    assert counts == [2, 2]  # the scopes, the lines that were found


def test_a_filter_can_leave_a_source_out(mem, memory, scope):
    memory.remember("tea of the user", source="user", agent_id="x")
    memory.remember("tea of a tool", source="tool", agent_id="x")
    wish = SearchOptions(limit=5, min_score=0, only=Filter(without_source="tool"))
    assert [match.content for match in mem._container.recall.search([scope], "tea", wish)] == ["tea of the user"]  # noqa: SLF001 - only the rooms above ask so
    found = in_session(mem, "newest", scope, limit=9, min_confidence=0, without_source="tool")
    assert [line.content for line in found] == ["tea of the user"]
