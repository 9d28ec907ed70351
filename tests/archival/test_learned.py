"""What a conversation taught: lines added, confirmed and superseded in the caller's transaction, told to the feed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agentmem import InvalidInputError
from agentmem.archival.lines.drafts import Draft
from agentmem.models import Scope
from agentmem.testing import HashingEmbeddings
from agentmem.transaction import Writer

SCOPE = Scope("default", "ada", "x")


@pytest.fixture
def learn(mem, clock):
    """Teaches lines, given as texts, in one transaction; the ids of the new ones."""
    container = mem._container  # noqa: SLF001 - only the rooms above call it

    def learn_(add=(), confirm=None, supersede=None, scope=SCOPE, conversation_id="call-1"):
        texts = [*add, *(supersede or {}).values()]
        drafts = [Draft(text, source="extractor", confidence=0.8, conversation_id=conversation_id) for text in texts]
        entries = dict(zip(texts, container.archival.entries(drafts), strict=True))
        return container.transactions.write(
            lambda tx: container.archival.learn(
                tx,
                scope,
                add=[entries[text] for text in add],
                confirm=confirm or {},
                supersede={line_id: entries[text] for line_id, text in (supersede or {}).items()},
            ),
            writer=Writer("extractor", conversation_id=conversation_id),
        )

    return learn_


@pytest.fixture
def newest(mem):
    container = mem._container  # noqa: SLF001 - as above

    def newest_(scope=SCOPE, limit=50, min_confidence=0.0):
        with container.transactions.read() as snapshot:
            return container.archival.newest(snapshot, scope, limit=limit, min_confidence=min_confidence)

    return newest_


def told(mem, **only):
    found = [(one.action, one.ref, one.before, one.after) for one in mem.changes("ada") if one.kind == "line"]
    return [entry for entry in found if entry[0] in only.get("actions", {entry[0]})]


def text(memory):
    return memory.get("archival", agent_id="x").content


def test_what_is_new_is_added_at_the_end_and_recalled(mem, memory, learn, clock):
    memory.remember("old", agent_id="x")
    ids = learn(["likes tea", "likes rye"])
    assert text(memory) == "old\nlikes tea\nlikes rye"
    (match,) = memory.recall("likes tea", agent_id="x", limit=1)
    assert (match.id, match.source, match.confidence, match.conversation_id) == (ids[0], "extractor", 0.8, "call-1")
    assert (match.created_at, match.updated_at) == (clock.now, clock.now)
    assert told(mem)[1:] == [("added", ids[0], None, "likes tea"), ("added", ids[1], None, "likes rye")]


def test_the_feed_names_the_conversation_and_who_wrote(mem, learn):
    learn(["likes tea"], conversation_id="call-7")
    (change,) = mem.changes("ada")
    assert (change.conversation_id, change.actor, change.agent_id, change.user_id) == (
        "call-7",
        "extractor",
        "x",
        "ada",
    )


def test_a_confirmed_line_is_written_now_and_keeps_the_higher_confidence(mem, memory, learn, clock):
    low, high = memory.remember(["likes tea", "likes rye"], agent_id="x", confidence=0.6)
    clock.move(days=2)
    assert learn(confirm={low.id: 0.9, high.id: 0.3}) == []
    found = {match.content: match for match in memory.recall("likes tea rye", agent_id="x", min_score=0)}
    assert (found["likes tea"].confidence, found["likes rye"].confidence) == (0.9, 0.6)
    assert {match.updated_at for match in found.values()} == {clock.now}
    assert {match.created_at for match in found.values()} == {clock.now - timedelta(days=2)}
    assert told(mem)[2:] == [("confirmed", low.id, None, "likes tea"), ("confirmed", high.id, None, "likes rye")]


def test_a_line_that_is_confirmed_above_the_floor_is_recalled_from_now_on(memory, learn):
    (line,) = memory.remember("likes tea", agent_id="x", confidence=0.3)
    assert memory.recall("likes tea", agent_id="x") == []
    learn(confirm={line.id: 0.7})
    assert [match.id for match in memory.recall("likes tea", agent_id="x")] == [line.id]


def test_a_confirmed_line_lives_on(mem, memory, learn, clock):
    mem.agents.configure("x", memory_retention_days=30)
    one, _ = memory.remember(["likes tea", "likes rye"], agent_id="x")
    clock.move(days=20)
    learn(confirm={one.id: 1.0})
    clock.move(days=20)
    assert text(memory) == "likes tea"
    assert [match.content for match in memory.recall("likes tea rye", agent_id="x", min_score=0)] == ["likes tea"]


def test_a_superseded_line_is_gone_and_its_text_is_in_the_feed_only(mem, memory, learn, tables):
    (line,) = memory.remember("lives in Oslo", agent_id="x")
    (new,) = learn(supersede={line.id: "lives in Bergen"})
    assert text(memory) == "lives in Bergen"
    assert [match.content for match in memory.recall("lives in Oslo", agent_id="x", min_score=0)] == ["lives in Bergen"]
    assert told(mem) == [("added", line.id, None, None), ("superseded", new, "lives in Oslo", "lives in Bergen")]
    holding = [name for name, rows in tables().items() if "Oslo" in repr(rows)]
    assert holding == ["agentmem_memory_change"]


def test_one_line_can_take_the_place_of_several(mem, memory, learn):
    one, other, stays = memory.remember(["lives in Oslo", "works in Oslo", "likes tea"], agent_id="x")
    container = mem._container  # noqa: SLF001 - as above
    (entry,) = container.archival.entries([Draft("moved to Bergen", source="extractor")])
    (new,) = container.transactions.write(
        lambda tx: container.archival.learn(
            tx,
            SCOPE,
            add=[],
            confirm={stays.id: 1.0},
            supersede={one.id: entry, other.id: entry},
        ),
        writer=Writer("extractor"),
    )
    assert text(memory) == "likes tea\nmoved to Bergen"
    assert told(mem, actions={"superseded"}) == [
        ("superseded", new, "lives in Oslo", "moved to Bergen"),
        ("superseded", new, "works in Oslo", "moved to Bergen"),
    ]


def test_what_is_gone_by_now_is_not_confirmed_and_its_successor_is_new(mem, memory, learn):
    gone, other, foreign = (
        *memory.remember(["likes tea", "likes rye"], agent_id="x"),
        *memory.remember("likes oats", agent_id="y"),
    )
    memory.forget_line(gone.id)
    memory.forget_line(other.id)
    before = memory.get("archival", agent_id="x")
    assert learn(confirm={gone.id: 1.0, foreign.id: 1.0, "nobody's": 1.0}) == []
    assert memory.get("archival", agent_id="x") == before
    (new,) = learn(supersede={other.id: "likes milk"})
    (newer,) = learn(supersede={foreign.id: "likes oat milk"})
    assert text(memory) == "likes milk\nlikes oat milk"
    assert memory.get("archival", agent_id="y").content == "likes oats"
    assert told(mem)[-2:] == [("added", new, None, "likes milk"), ("added", newer, None, "likes oat milk")]


def test_a_line_that_is_both_confirmed_and_superseded_is_superseded(mem, memory, learn):
    (line,) = memory.remember("lives in Oslo", agent_id="x")
    (new,) = learn(confirm={line.id: 1.0}, supersede={line.id: "lives in Bergen"})
    assert told(mem)[1:] == [("superseded", new, "lives in Oslo", "lives in Bergen")]


def test_nothing_learned_writes_nothing(mem, memory, learn, tables):
    before = tables()
    assert learn() == []
    assert tables() == before
    assert memory.find("archival", agent_id="x") is None


def test_learning_moves_the_headers_version_by_one(memory, learn):
    one, other = memory.remember(["one", "two"], agent_id="x")
    before = memory.get("archival", agent_id="x")
    learn(["three"], confirm={one.id: 1.0}, supersede={other.id: "four"})
    after = memory.get("archival", agent_id="x")
    assert (after.version, after.updated_at > before.updated_at) == (before.version + 1, True)


@pytest.mark.parametrize("forget", ["line", "update", "scope"])
def test_forgetting_a_line_takes_out_of_the_feed_all_that_it_took_the_place_of(mem, memory, learn, tables, forget):
    (line,) = memory.remember("zebra one", agent_id="x")
    (second,) = learn(["stays"], supersede={line.id: "zebra two"})[1:]
    (third,) = learn(supersede={second: "zebra three"})
    assert [entry[2:] for entry in told(mem, actions={"superseded"})] == [
        ("zebra one", "zebra two"),
        ("zebra two", "zebra three"),
    ]
    if forget == "line":
        memory.forget_line(third)
    elif forget == "update":
        token = memory.get("archival", agent_id="x").updated_at
        memory.update("archival", "stays", agent_id="x", expected_updated_at=token)
    else:
        memory.delete("archival", agent_id="x")
    assert "zebra" not in repr(tables())
    assert [entry[2:] for entry in told(mem, actions={"superseded"})] == [(None, None), (None, None)]


def test_forgetting_a_line_leaves_what_others_took_the_place_of(mem, memory, learn):
    one, other = memory.remember(["lives in Oslo", "likes tea"], agent_id="x")
    moved, likes = learn(supersede={one.id: "lives in Bergen", other.id: "likes rye"})
    memory.forget_line(likes)
    assert told(mem, actions={"superseded"}) == [
        ("superseded", moved, "lives in Oslo", "lives in Bergen"),
        ("superseded", likes, None, None),
    ]


def test_the_newest_lines_are_those_written_or_confirmed_last(memory, learn, newest, clock):
    lines = memory.remember(["one", "two", "three"], agent_id="x")
    clock.move(hours=1)
    memory.remember("four", agent_id="x", confidence=0.4)
    clock.move(hours=1)
    learn(confirm={lines[0].id: 1.0})
    memory.remember("of all")
    assert [line.content for line in newest()] == ["one", "four", "three", "two"]
    assert [line.content for line in newest(min_confidence=0.5, limit=2)] == ["one", "three"]
    assert newest()[0].updated_at == clock.now
    assert newest(Scope("default", "bo", "x")) == newest(Scope("other", "ada", "x")) == []


def test_lines_are_read_by_id_in_their_scope_only(mem, memory):
    mine, gone = memory.remember(["one", "two"], agent_id="x")
    (other,) = memory.remember("three", agent_id="y")
    memory.forget_line(gone.id)
    container = mem._container  # noqa: SLF001 - as above
    with container.transactions.read() as snapshot:
        ids = [mine.id, gone.id, other.id, "nobody's", *(f"{number}" for number in range(600))]
        assert container.archival.lines(snapshot, SCOPE, ids) == {mine.id: "one"}
        assert container.archival.lines(snapshot, Scope("other", "ada", "x"), ids) == {}


def test_another_models_lines_are_not_learned(open_mem, memory, learn):
    memory.remember("tea", agent_id="x")
    container = open_mem(embeddings=HashingEmbeddings(32))._container  # noqa: SLF001 - as above
    entries = container.archival.entries([Draft("rye", source="extractor")])
    with pytest.raises(InvalidInputError, match="embeddings"):
        container.transactions.write(
            lambda tx: container.archival.learn(
                tx,
                SCOPE,
                add=entries,
                confirm={},
                supersede={},
            ),
            writer=Writer("extractor"),
        )
    assert text(memory) == "tea"


def test_what_the_caller_undoes_was_never_learned(mem, memory, tables):
    memory.remember("tea", agent_id="x")
    before = tables()
    container = mem._container  # noqa: SLF001 - as above
    entries = container.archival.entries([Draft("rye", source="extractor")])

    class StopError(Exception):
        pass

    def body(tx):
        container.archival.learn(
            tx,
            SCOPE,
            add=entries,
            confirm={},
            supersede={},
        )
        raise StopError

    with pytest.raises(StopError):
        container.transactions.write(body, writer=Writer("extractor"))
    assert tables() == before
    assert memory.recall("rye", agent_id="x", min_score=0.3) == []
