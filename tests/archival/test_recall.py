"""`recall`: what matches, in which order, and that every engine gives the same as a brute-force search."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import agentmem
from agentmem import Line
from agentmem.testing import FrozenClock, HashingEmbeddings

from .conftest import WORDS, ExactEmbeddings, cosine

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
    kinds = [signed, some, st.sampled_from(WORDS).map(lambda word: [word]), st.just(WORDS)]
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
    }
)
USERS = iter(range(10**9))


def oracle(lines, asked):
    """The answer, from the documentation's words."""

    def moment(line):
        return line.occurred_at or line.created_at

    scopes = {"user"} if asked["scope"] == "user" or asked["agent_id"] is None else {"user", "agent"}
    wanted = [
        (max(0.0, cosine(asked["query"], line.content)), line)
        for line in lines
        if line.scope in scopes
        and line.confidence >= 0.5
        and (asked["since"] is None or moment(line) >= asked["since"])
        and (asked["until"] is None or moment(line) < asked["until"])
        and asked["conversation_id"] in {None, line.conversation_id}
    ]
    found = [(score, line) for score, line in wanted if score >= asked["min_score"]]
    found.sort(key=lambda pair: (-pair[0], -moment(pair[1]).timestamp(), pair[1].id))
    return [(line.id, score) for score, line in found[: asked["limit"]]]


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
    lines = writer.remember(user)
    clock.move(days=1)
    lines += writer.remember(agent, agent_id="x")
    assert memories["chroma"].recall(asked[0]["query"], limit=1, min_score=0) is not None  # Chroma has seen all of them
    for place in sorted(forgotten, reverse=True):
        if place < len(lines):
            writer.forget_line(lines.pop(place).id)
    for question in asked:
        expected = oracle(lines, question)
        for engine, memory in memories.items():
            found = memory.recall(**question, explain=True)
            assert [(match.id, match.score) for match in found] == expected, engine
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


def test_chroma_proposes_the_line_itself_among_many_equally_far(open_mem):
    scan, chroma = (open_mem(scan_below=scan_below).client("ada").memory for scan_below in (5_000, 0))
    lines = scan.remember([f"word{number} same" for number in range(260)])
    lines += scan.remember([f"word{number} same" for number in range(260)], agent_id="x")
    for memory in (scan, chroma):
        assert memory.recall("word0 same", min_score=0.9)
    missed = []
    for number in range(80):
        scan.forget_line(lines.pop(number % len(lines)).id)
        for line in (lines[number * 3], lines[-number - 1]):
            asked = {"query": line.content, "min_score": 0.9, "agent_id": "x", "limit": 50}
            ids = [{match.id for match in memory.recall(**asked)} for memory in (scan, chroma)]
            missed += ids[0] - ids[1]
    assert missed == []


def test_semantic_is_never_negative(open_mem):
    memory = open_mem(embeddings=ExactEmbeddings()).client("ada").memory
    memory.remember(["w0", "-w0"])
    assert [(match.content, match.score) for match in memory.recall("w0", min_score=0)] == [("w0", 1.0), ("-w0", 0.0)]


def test_a_name_the_scope_knows_is_left_out_of_the_question(memory):
    memory.remember([Line("moved to Oslo", speaker="Ada"), Line("moved to Rome", speaker="Bo Li")])
    plain = [(match.content, match.score) for match in memory.recall("moved to Rome", min_score=0)]
    for question in ("Ada moved to Rome", "Ada's moved to Rome bo", "moved LI to Rome"):
        assert [(match.content, match.score) for match in memory.recall(question, min_score=0)] == plain
    for question in ("Ada", "ada's?", "Ada Bo Li"):  # nothing else is in them
        assert len(memory.recall(question, min_score=0)) == 2


def test_a_forgotten_speaker_has_no_say_in_any_handle(open_mem):
    memory = open_mem().client("ada").memory
    (line,) = memory.remember(Line("hello", speaker="Tea"))
    memory.remember("tea and rye")
    assert memory.recall("tea rye", min_score=0)[0].score == pytest.approx(1 / 3**0.5)
    memory.forget_line(line.id)
    scores = [
        [match.score for match in open_.client("ada").memory.recall("tea rye", min_score=0)]
        for open_ in (open_mem(), open_mem(scan_below=0))
    ]
    assert [match.score for match in memory.recall("tea rye", min_score=0)] == scores[0] == scores[1]
    assert scores[0] == [pytest.approx(2 / 6**0.5)]


@pytest.mark.parametrize(("floor", "found"), [(0.5, 1), (0.5000001, 0)])
def test_the_floor_is_inclusive(open_mem, floor, found):
    memory = open_mem(embeddings=ExactEmbeddings()).client("ada").memory
    memory.remember("w0 w1 w2 w3")
    assert len(memory.recall("w0", min_score=floor)) == found


def test_the_default_floor_is_a_quarter_and_the_default_limit_five(open_mem):
    memory = open_mem(embeddings=ExactEmbeddings()).client("ada").memory
    memory.remember(["w0 w1 w2 w3"] * 7)
    assert len(memory.recall("w0 w5 w6 w7")) == 5
    memory.remember("w8")
    assert [match.score for match in memory.recall(" ".join(WORDS), agent_id="x")] == [0.5] * 5
    assert memory.recall("w9 w10 w11 w12") == []


@pytest.mark.parametrize("scan_below", [0, 5_000])
def test_of_equals_the_newer_comes_first_then_the_smaller_id(open_mem, clock, scan_below):
    memory = open_mem(scan_below=scan_below).client("ada").memory
    old = memory.remember(["tea", "tea", "tea"])
    clock.move(days=1)
    new = memory.remember("tea")
    happened = memory.remember(Line("tea", occurred_at=clock.now + timedelta(days=9)))
    past = memory.remember(Line("tea", occurred_at="1999-01-01T00:00:00Z"))
    expected = [happened[0].id, new[0].id, *sorted(line.id for line in old), past[0].id]
    for limit in range(1, 7):
        assert [match.id for match in memory.recall("tea", limit=limit)] == expected[:limit]


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
    assert [match.score for match in found] == [1.0, 1.0, 0.5]
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
    assert told.explanation.answered_by == ("scan" if scan_below else "chroma")
    assert (told.explanation.rank, told.explanation.semantic, told.explanation.lexical) == (told.score, told.score, 0.0)


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
            assert [match.id for match in memory.recall(f"word{number}", min_score=0.9)] == [line.id]
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
            assert memory.recall(f"word{number}", min_score=0.9) == []
