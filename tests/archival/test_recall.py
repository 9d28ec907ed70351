"""`recall`: what matches, in which order, and that every engine gives the same as a brute-force search."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import agentmem
from agentmem import Line
from agentmem.models import ExplainedTerm, Explanation
from agentmem.testing import FrozenClock, HashingEmbeddings

from .conftest import SYNONYMS, WORDS, ExactEmbeddings, oracle

START = datetime(2026, 1, 1, tzinfo=UTC)
MOMENTS = [START + timedelta(days=days) for days in range(4)]
FLOORS = [0, 0.125, 0.25, 0.5, 0.75, 1]


@pytest.fixture(scope="module")
def engines(tmp_path_factory):
    """One store twice: through the scan, and through Chroma whatever the size."""
    folder, clock = tmp_path_factory.mktemp("engines"), FrozenClock(START)
    options = {"embeddings": ExactEmbeddings(), "clock": clock}
    with (
        agentmem.open(folder, scan_below=5_000, **options) as scan,
        agentmem.open(folder, scan_below=0, **options) as chroma,
    ):
        yield {"scan": scan, "chroma": chroma}, clock


def words(*, zero=True):
    some = st.lists(st.sampled_from(WORDS), min_size=4, max_size=4, unique=True)
    signed = st.tuples(some, st.booleans()).map(lambda pair: [f"-{pair[0][0]}", *pair[0][1:]] if pair[1] else pair[0])
    others = st.lists(st.sampled_from([*SYNONYMS]), min_size=4, max_size=4, unique=True)
    kinds = [signed, some, others, st.sampled_from([*WORDS, *SYNONYMS]).map(lambda word: [word]), st.just(WORDS)]
    if zero:
        kinds.append(st.just(["nothing"]))
    return st.one_of(kinds).map(" ".join)


LINES = st.lists(
    st.builds(
        Line,
        words(),
        occurred_at=st.sampled_from([None, *MOMENTS]),
        conversation_id=st.sampled_from([None, "a", "b"]),
        confidence=st.sampled_from([1.0, 1.0, 0.5, 0.25]),
        source=st.sampled_from(["user", "operator"]),
    ),
    min_size=1,
    max_size=25,
)
QUESTION = st.fixed_dictionaries(
    {
        "query": words(),
        "limit": st.sampled_from([1, 2, 3, 5, 50]),
        "min_score": st.sampled_from(FLOORS),
        "agent_id": st.sampled_from([None, "x"]),
        "scope": st.sampled_from(["all", "user"]),
        "since": st.sampled_from([None, None, None, *MOMENTS]),
        "until": st.sampled_from([None, None, None, *MOMENTS]),
        "conversation_id": st.sampled_from([None, None, "a", "b"]),
        "source": st.sampled_from([None, None, "user"]),
        "min_confidence": st.sampled_from([0.5, 0.5, 0, 0.75]),
        "half_life_days": st.sampled_from([None, None, 1, 30.5]),
    }
)
USERS = iter(range(10**9))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(
    user=LINES,
    agent=LINES,
    forgotten=st.sets(st.integers(0, 49), max_size=5),
    asked=st.lists(QUESTION, min_size=1, max_size=6),
)
def test_every_engine_answers_as_a_brute_force_search_does(engines, user, agent, forgotten, asked):
    (mems, clock), name = engines, f"user-{next(USERS)}"
    memories = {engine: mem.client(user_id=name).memory for engine, mem in mems.items()}
    writer = memories["scan"]
    clock.now = START
    lines = {"user": writer.remember(user)}
    clock.move(days=1)
    lines["agent"] = writer.remember(agent, agent_id="x")
    assert memories["chroma"].recall(asked[0]["query"], limit=1, min_score=0) is not None  # Chroma has seen all of them
    for place in sorted(forgotten, reverse=True):
        scope = lines["user" if place % 2 else "agent"]
        if place // 2 < len(scope) > 1:
            writer.forget_line(scope.pop(place // 2).id)
    for question in asked:
        only_user = question["scope"] == "user" or question["agent_id"] is None
        expected = oracle([lines["user"]] if only_user else [*lines.values()], question, clock.now)
        for engine, memory in memories.items():
            found = memory.recall(**question, explain=True)
            assert [(match.id, match.score, match.explanation.rank) for match in found] == expected, engine
            assert {match.explanation.answered_by for match in found} <= {engine}


@pytest.fixture(scope="module")
def crowded(tmp_path_factory):
    """3,000 lines whose similarities are as crooked as real ones, through both engines."""
    folder = tmp_path_factory.mktemp("crowded")
    with (
        agentmem.open(folder, scan_below=5_000, embeddings=HashingEmbeddings(64)) as scan,
        agentmem.open(folder, scan_below=0, embeddings=HashingEmbeddings(64)) as chroma,
    ):
        spoken = [
            f"word{number % 97} word{number % 31} word{number * 7 % 211} word{number % 5}" for number in range(3_000)
        ]
        scan.client("ada").memory.remember(spoken)
        scan.client("ada").memory.remember(spoken[:1_000], agent_id="x")
        assert chroma.reindex() == 4_000
        yield scan.client("ada").memory, chroma.client("ada").memory


@pytest.mark.parametrize("limit", [1, 10, 50])
@pytest.mark.parametrize("min_score", [0, 0.3])
def test_chroma_and_the_scan_give_the_same_scores_to_the_last_bit(crowded, limit, min_score):
    scan, chroma = crowded
    for number in range(0, 200, 7):
        asked = {
            "query": f"word{number} word{number % 31} word3",
            "limit": limit,
            "min_score": min_score,
            "agent_id": "x",
        }
        answers = [
            [(match.id, match.score, match.line_number) for match in memory.recall(**asked)]
            for memory in (scan, chroma)
        ]
        assert answers[0] == answers[1]
    assert chroma.recall("word1", explain=True)[0].explanation.answered_by == "chroma"


class Synonymous(HashingEmbeddings):
    """A model for which `meaning7 alike` says what `word7 same` says: nothing in common with it by word."""

    def embed_query(self, text):
        return super().embed_query(text.replace("meaning", "word").replace("alike", "same"))


@pytest.mark.sqlite("what Chroma's graph finds is no matter of the database")
def test_chroma_proposes_the_line_itself_among_many_equally_far(open_mem):
    options = {"embeddings": Synonymous()}
    scan, chroma = (open_mem(scan_below=scan_below, **options).client("ada").memory for scan_below in (5_000, 0))
    lines = scan.remember([f"word{number} same" for number in range(260)])
    lines += scan.remember([f"word{number} same" for number in range(260)], agent_id="x")
    for memory in (scan, chroma):
        assert memory.recall("meaning0 alike", min_score=0.45)
    missed = []
    for number in range(80):
        scan.forget_line(lines.pop(number % len(lines)).id)
        for line in (lines[number * 3], lines[-number - 1]):
            query = line.content.replace("word", "meaning").replace("same", "alike")
            asked = {"query": query, "min_score": 0.45, "agent_id": "x", "limit": 50}
            ids = [{match.id for match in memory.recall(**asked)} for memory in (scan, chroma)]
            assert line.id in ids[0]
            missed += ids[0] - ids[1]
    assert missed == []


def test_semantic_is_never_negative(open_mem):
    memory = open_mem(embeddings=ExactEmbeddings()).client("ada").memory
    memory.remember(["w0", "-w0 w1 w2 w3"])
    found = {match.content: (match.semantic, match.score) for match in memory.recall("v0", min_score=0)}
    assert found == {"w0": (1.0, 0.5), "-w0 w1 w2 w3": (0.0, 0.0)}


def semantic(memory, query):
    """How near each line is to a question in meaning."""
    return {match.content: match.semantic for match in memory.recall(query, min_score=0)}


def test_a_name_the_scope_knows_is_left_out_of_what_is_embedded_of_the_question(memory):
    memory.remember([Line("moved to Oslo", speaker="Ada"), Line("moved to Rome", speaker="Bo Li")])
    plain = semantic(memory, "moved to Rome")
    for question in ("Ada moved to Rome", "ada's moved to rome bo", "moved LI to Rome"):
        assert semantic(memory, question) == plain
    for question in ("Ada", "ada's?", "Ada Bo Li"):  # nothing else is in them
        assert len(memory.recall(question, min_score=0)) == 2


def test_where_nobody_speaks_a_name_that_many_lines_hold_is_left_out_of_what_is_embedded(memory):
    memory.remember(["Acme renews in March", "The dog is called Tom"])
    assert semantic(memory, "Acme renews")["Acme renews in March"] == pytest.approx(0.5**0.5, abs=1e-6)  # one of two
    memory.remember([f"Ada likes book{number}" for number in range(60)])
    assert semantic(memory, "Ada likes book7") == semantic(memory, "likes book7")
    assert semantic(memory, "Acme renews")["Acme renews in March"] == pytest.approx(0.5**0.5, abs=1e-6)


def test_a_forgotten_speaker_has_no_say_in_any_handle(open_mem):
    memory = open_mem().client("ada").memory
    (line,) = memory.remember(Line("hello", speaker="Tea"))
    memory.remember("tea and rye")
    assert semantic(memory, "tea rye")["tea and rye"] == pytest.approx(1 / 3**0.5, abs=1e-6)
    memory.forget_line(line.id)
    for open_ in (memory, open_mem().client("ada").memory, open_mem(scan_below=0).client("ada").memory):
        assert semantic(open_, "tea rye") == {"tea and rye": pytest.approx(2 / 6**0.5, abs=1e-6)}


@pytest.mark.parametrize(
    ("query", "floor", "found"),
    [("w0", 0.518421, 1), ("w0", 0.5184211, 0), ("v0", 0.25, 1), ("v0", 0.2500001, 0)],
)
def test_the_floor_is_inclusive(open_mem, query, floor, found):
    memory = open_mem(embeddings=ExactEmbeddings()).client("ada").memory
    memory.remember("w0 w1 w2 w3")
    assert len(memory.recall(query, min_score=floor)) == found


def test_the_default_floor_is_a_quarter_and_the_default_limit_five(open_mem):
    memory = open_mem(embeddings=ExactEmbeddings()).client("ada").memory
    memory.remember([f"w0 w1 w2 w3 line{number}" for number in range(7)])
    assert [match.score for match in memory.recall("v0", agent_id="x")] == [0.25] * 5
    memory.remember("w8")
    assert [match.content for match in memory.recall("v8 v9 v10 v11")] == ["w8"]
    assert memory.recall("v0 v9 v10 v11") == []
    assert memory.recall("v0 v9 v10 v11", min_score=0)[0].score == 0.125


@pytest.mark.parametrize("scan_below", [0, 5_000])
def test_of_equals_the_newer_comes_first_then_the_smaller_id(open_mem, clock, scan_below):
    memory = open_mem(scan_below=scan_below, embeddings=ExactEmbeddings()).client("ada").memory
    old = memory.remember([f"w0 old words enough number{number}" for number in range(3)])
    clock.move(days=1)
    new = memory.remember("w0 three more words here")
    happened = memory.remember(Line("w0 ahead", occurred_at=clock.now + timedelta(days=9)))
    past = memory.remember(Line("w0 past", occurred_at="1999-01-01T00:00:00Z"))
    expected = [happened[0].id, new[0].id, *sorted(line.id for line in old), past[0].id]
    for limit in range(1, 7):
        found = memory.recall("w0", limit=limit, explain=True)
        assert [match.id for match in found] == expected[:limit]
        assert len({match.explanation.rank for match in found}) == 1


@pytest.mark.parametrize("scan_below", [0, 5_000])
def test_the_same_said_again_comes_once_as_its_newest(open_mem, clock, scan_below):
    memory = open_mem(scan_below=scan_below).client("ada").memory
    memory.remember(["Likes tea", "likes TEA!", "likes  tea"])
    clock.move(days=1)
    (newest,) = memory.remember("LIKES tea.")
    others = memory.remember([Line("Likes tea", speaker="Ada"), Line("Likes tea", occurred_at=START)])
    others += memory.remember(["tea likes", "Liked tea", "Likes tea?", "Likes -tea"])
    others += memory.remember("Likes tea", agent_id="x")
    found = memory.recall("likes tea", agent_id="x", limit=50, min_score=0)
    assert sorted(match.id for match in found) == sorted(line.id for line in [newest, *others])


def test_since_is_inclusive_and_until_is_not(memory, clock):
    memory.remember(Line("tea", occurred_at=START))
    assert len(memory.recall("tea", since=START)) == 1
    assert len(memory.recall("tea", since=START + timedelta(microseconds=1))) == 0
    assert len(memory.recall("tea", until=START)) == 0
    assert len(memory.recall("tea", until="2026-01-01T01:00:00.000001+01:00")) == 1
    memory.remember("rye")  # at the clock's time
    assert len(memory.recall("rye", since=clock.now)) == 1
    assert len(memory.recall("rye", until=clock.now)) == 0


def test_one_conversation_only(memory):
    memory.remember("tea", conversation_id="a")
    memory.remember("tea", conversation_id="A")
    memory.remember("tea")
    assert [match.conversation_id for match in memory.recall("tea", conversation_id="a")] == ["a"]
    assert memory.recall("tea", conversation_id="%") == []


def test_recall_sees_the_users_lines_and_the_agents(memory):
    for agent_id in (None, "x", "y"):
        memory.remember("tea", agent_id=agent_id)

    def told(**asked):
        return sorted(str(match.agent_id) for match in memory.recall("tea", **asked))

    assert told() == told(scope="user") == told(scope="user", agent_id="x") == ["None"]
    assert told(agent_id="x") == told(agent_id="x", scope="all") == ["None", "x"]
    assert told(agent_id="x", scope="agent") == ["x"]
    assert told(agent_id="z") == ["None"]
    assert told(agent_id="z", scope="agent") == []


def test_the_merged_list_holds_the_best_of_all_scopes(open_mem):
    memory = open_mem(embeddings=ExactEmbeddings()).client("ada").memory
    memory.remember(["w0", "w0 w1 w2 w3"])
    memory.remember(["w0 w4 w5 w6", "w0"], agent_id="x")
    found = memory.recall("w0", agent_id="x", limit=3)
    assert [(match.score, match.semantic) for match in found] == [(0.715677, 1.0), (0.715677, 1.0), (0.480813, 0.5)]
    assert {match.scope for match in found[:2]} == {"user", "agent"}


def test_line_numbers_count_in_each_scope(memory):
    memory.remember(["one", "tea"])
    memory.remember(["one", "two", "tea"], agent_id="x")
    found = {match.agent_id: match.line_number for match in memory.recall("tea", agent_id="x")}
    assert found == {None: 2, "x": 3}


@pytest.mark.parametrize("scan_below", [0, 5_000])
def test_explain_tells_the_parts_and_who_answered(open_mem, scan_below):
    memory = open_mem(scan_below=scan_below).client("ada").memory
    memory.remember("tea")
    (plain,) = memory.recall("tea")
    (told,) = memory.recall("tea", explain=True)
    assert plain.explanation is None
    assert told == replace(plain, explanation=told.explanation)
    assert (told.score, told.semantic, told.lexical) == (0.668421, 1.0, 0.526316)
    assert told.explanation == Explanation(
        rank=0.988842,  # 1.4 * (0.38 * 1 + 0.62 * 0.526316)
        semantic=1.0,
        lexical=0.526316,
        answered_by="scan" if scan_below else "chroma",
        conversation_boost=pytest.approx(0.4 * 0.706316),
        normalisation=pytest.approx(0.9),
        terms=(ExplainedTerm(term="tea", weight=pytest.approx(math.log(68)), own=1.0, amount=1.0),),
    )


@pytest.mark.parametrize("size", [9, 10, 11])
def test_scan_below_is_the_most_lines_that_are_scanned(open_mem, size):
    memory = open_mem(scan_below=10).client("ada").memory
    memory.remember([f"tea {number}" for number in range(size)])
    (match,) = memory.recall("tea", limit=1, explain=True)
    assert match.explanation.answered_by == ("scan" if size <= 10 else "chroma")


HOSTILE = [
    '"',
    "'",
    "a AND OR NOT (",
    "*",
    "%",
    "{}",
    "🏳️‍🌈",
    "日本語",
    "\u202e",
    "\x07",
    "a" * 8_000,
    "; DROP TABLE x",
    "$where",
]


@pytest.mark.parametrize("query", HOSTILE, ids=lambda query: ascii(query)[:20])
@pytest.mark.parametrize("scan_below", [0, 5_000])
def test_query_text_is_only_text(open_mem, scan_below, query):
    memory = open_mem(scan_below=scan_below).client("ada").memory
    memory.remember(["tea", query, "rye"])
    assert query in [match.content for match in memory.recall(query, min_score=0)]


def test_nothing_remembered_finds_nothing(memory):
    assert memory.recall("tea", min_score=0) == memory.recall("tea", agent_id="x", scope="agent") == []


def test_a_line_is_seen_edited_and_forgotten_at_once_by_every_handle(open_mem):
    handles = [open_mem(scan_below=scan_below).client("ada").memory for scan_below in (0, 5_000)]
    writer = handles[0]
    for number in range(20):
        (line,) = writer.remember(f"word{number}")
        for memory in handles:
            assert [match.id for match in memory.recall(f"word{number}", min_score=0.6)] == [line.id]
        if number % 2:
            writer.forget_line(line.id)
        else:
            block = writer.get("archival")
            writer.update(
                "archival",
                block.content.replace(f"word{number}", f"other{number}"),
                expected_updated_at=block.updated_at,
            )
        for memory in handles:
            assert memory.recall(f"word{number}", min_score=0.6) == []
