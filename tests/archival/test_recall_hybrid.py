"""`recall` as a whole: against an oracle in plain Python, through every engine, and what no input may do to it."""

from __future__ import annotations

import math
import re
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import col, delete

import agentmem
from agentmem import Line
from agentmem.embedding import Embedder, similarities
from agentmem.errors import InvalidInputError
from agentmem.tables import LineChunkRow
from agentmem.testing import FrozenClock, HashingEmbeddings

START = datetime(2026, 1, 1, tzinfo=UTC)
MOMENTS = [START - timedelta(days=30), START, START + timedelta(days=3)]
STEMS = {"moved": "move", "moves": "move", "january": "januari", "december": "decemb"}
STOP = {"the", "to", "did", "where", "will"}
ROLES = {"user"}
WRITTEN = ["tea", "Tea", "rye", "moved", "moves", "to", "the", "Oslo", "oslo", "Ada", "AB-12-34", "Will", "dog"]
ASKED = ["tea", "rye", "moves", "Oslo", "the", "where", "did", "Ada", "ada", "Bo", "Li", "will", "Will", "user"]
ASKED += ["ab1234", "AB-12-34", "12", "nowhere"]
USERS = iter(range(10**9))
PROPERTY = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)

LINES = st.lists(
    st.builds(
        Line,
        st.tuples(st.lists(st.sampled_from(WRITTEN), min_size=1, max_size=5), st.sampled_from(["", ".", " ?"])).map(
            lambda parts: " ".join(parts[0]) + parts[1]
        ),
        speaker=st.sampled_from([None, "Ada", "Bo Li", "user", "Will"]),
        occurred_at=st.sampled_from([None, *MOMENTS]),
        conversation_id=st.sampled_from([None, "a", "b"]),
        source=st.sampled_from(["user", "tool"]),
        confidence=st.sampled_from([1.0, 1.0, 0.7, 0.5, 0.25]),
    ),
    max_size=15,
)
EVERYWHERE = [Line(f"Oslo day{number}") for number in range(30)]
SILENT = LINES.map(
    lambda lines: [*EVERYWHERE, *(Line(line.content, conversation_id=line.conversation_id) for line in lines)]
)
QUESTION = st.fixed_dictionaries(
    {
        "query": st.lists(st.sampled_from(ASKED), min_size=1, max_size=5).map(" ".join),
        "limit": st.sampled_from([1, 3, 50]),
        "min_score": st.sampled_from([0, 0, 0.1, 0.25, 0.5]),
        "agent_id": st.sampled_from([None, "x"]),
        "since": st.sampled_from([None, None, None, *MOMENTS]),
        "until": st.sampled_from([None, None, None, *MOMENTS]),
        "conversation_id": st.sampled_from([None, None, None, "a", "z"]),
        "source": st.sampled_from([None, None, "tool"]),
        "min_confidence": st.sampled_from([0.0, 0.5, 0.6, 1.0]),
        "half_life_days": st.sampled_from([None, None, 1, 30]),
    }
)


def rounded(value):
    return round(value * 1e6) / 1e6


def split(text, *, stop=STOP):
    return [STEMS.get(word, word) for word in re.findall(r"\w+", text.lower()) if word not in stop]


def identifiers(text):
    return re.findall(r"\w+(?:-\d+)+", text)


def joined(identifier):
    return identifier.replace("-", "").lower()


def bag_of(line):
    date = f"{line.occurred_at.day} {line.occurred_at:%B} {line.occurred_at.year}" if line.occurred_at else ""
    terms = split(f"{date} {line.speaker or ''} {line.content}") + [joined(one) for one in identifiers(line.content)]
    return Counter([*terms, "?"] if line.content.endswith("?") else terms)


def moment(line):
    return line.occurred_at or line.created_at


class Scope:
    """The lines of one scope, as `docs/recall.md` tells it."""

    embedder = Embedder(HashingEmbeddings())

    def __init__(self, lines):
        self.lines = lines
        self.bags = [bag_of(line) for line in lines]
        own = [bag.total() for bag in self.bags]
        self.share = [min(1, 30 / max(length, 1)) for length in own]
        self.lengths = self.mixed(own)
        self.speakers = list(dict.fromkeys(line.speaker for line in lines if line.speaker))

    def mixed(self, values):
        result = []
        for row, line in enumerate(self.lines):
            conversation = line.conversation_id
            before = [at for at in range(row) if conversation and self.lines[at].conversation_id == conversation]
            context = sum(part * values[at] for part, at in zip((0.6, 0.36), reversed(before), strict=False))
            result.append(values[row] + self.share[row] * context)
        return result

    def amounts(self, whole, parts):
        return self.mixed([max(bag[whole], min((bag[part] for part in parts), default=0)) for bag in self.bags])

    def lexical(self, query):
        asked = []
        for identifier in identifiers(query):
            asked.append((joined(identifier), *split(identifier)))
            query = query.replace(identifier, " ", 1)
        asked = [*((term,) for term in split(query)), *asked]
        mean = max(1, sum(self.lengths) / len(self.lengths))
        total, scores = 0.0, [0.0] * len(self.lines)
        for whole, *parts in dict.fromkeys(asked):
            amounts = self.amounts(whole, parts)
            lines = sum(amount > 0 for amount in amounts)
            weight = math.log(1 + (len(self.lines) + 100 - lines + 0.5) / (lines + 0.5))
            total += weight
            for row, amount in enumerate(amounts):
                scores[row] += weight * amount / (amount + 0.9 * (0.6 + 0.4 * self.lengths[row] / mean))
        return [rounded(score / total) if total else 0.0 for score in scores]

    def named(self, query):
        """The words that name speakers, and the speakers that are named."""
        words = re.findall(r"\w+", query)
        capitals = any(len(word) > 1 and word[0].isupper() for word in words[1:])
        found, speakers = set(), set()
        for place, word in enumerate(words):
            name, capital = word.lower(), len(word) > 1 and word[0].isupper()
            theirs = {speaker for speaker in self.speakers if name in speaker.lower().split() and name not in ROLES}
            ordinary = name in STOP and (place == 0 or not capital)
            if theirs and not ordinary and (capital or not capitals):
                found.add(name)
                speakers |= theirs
        return found, speakers

    def left_out(self, query):
        if self.speakers:
            return self.named(query)[0]
        return {
            word.lower()
            for word in re.findall(r"\w+", query)
            if len(word) > 1
            and word[0].isupper()
            and word.lower() not in STOP
            and sum(split(word)[0] in bag for bag in self.bags) / (len(self.bags) + 100) >= 0.2
        }

    def semantic(self, query):
        names = self.left_out(query)
        rest = re.sub(r"\w+", lambda word: "" if word[0].lower() in names else word[0], query)
        rest = " ".join(rest.split()) if names and re.search(r"\w", rest) else query
        vector = self.embedder.embed_query(rest)
        return [
            float(similarities(own, vector).max())
            for own in self.embedder.embed_lines([line.content for line in self.lines])
        ]

    def matches(self, asked, now):
        """What reaches the floor, each with its place in the order and its parts."""
        speakers = self.named(asked["query"])[1]
        found = []
        for line, bag, semantic, lexical in zip(
            self.lines, self.bags, self.semantic(asked["query"]), self.lexical(asked["query"]), strict=True
        ):
            if allowed(line, asked):
                found.append((line, semantic, lexical, rounded(0.38 * semantic + 0.62 * lexical), bag.total()))
        ranked = []
        for line, semantic, lexical, answer, length in found:
            score = rounded(max(0.3 * semantic + 0.7 * lexical, semantic / 2))
            if score < asked["min_score"]:
                continue
            same = [
                other[3]
                for other in found
                if other[0] is line or (line.conversation_id and other[0].conversation_id == line.conversation_id)
            ]
            best = sorted(same, reverse=True)[:3]
            boost = (0.08 if speakers == {line.speaker} else 0.0) + 0.4 * (sum(best) / len(best))
            boost -= 0.1 * min(1, 10 / length) if line.content.endswith("?") else 0.0
            if asked["half_life_days"] is not None:
                age = max(timedelta(), now - moment(line)) / timedelta(days=1)
                boost += 0.1 * 0.5 ** (age / asked["half_life_days"])
            ranked.append((rounded(answer + boost), line, score, semantic, lexical))
        return ranked


def allowed(line, asked):
    return (
        line.confidence >= max(0.5, asked["min_confidence"])
        and (asked["since"] is None or moment(line) >= asked["since"])
        and (asked["until"] is None or moment(line) < asked["until"])
        and asked["conversation_id"] in {None, line.conversation_id}
        and asked["source"] in {None, line.source}
    )


def oracle(scopes, asked, now):
    ranked = [match for lines in scopes if lines for match in Scope(lines).matches(asked, now)]
    ranked.sort(key=lambda match: (-match[0], -moment(match[1]).timestamp(), match[1].id))
    seen, answer = set(), []
    for rank, line, *figures in ranked:
        said = line.agent_id, line.speaker, line.occurred_at, " ".join(line.content.lower().rstrip(".").split())
        if said not in seen:
            seen.add(said)
            answer.append((line.id, rank, *figures))
    return answer[: asked["limit"]]


@pytest.fixture(scope="module")
def engines(tmp_path_factory, new_sql):
    """One store twice: through the scan, and through Chroma whatever the size."""
    folder, clock = tmp_path_factory.mktemp("engines"), FrozenClock(START)
    options = {"embeddings": HashingEmbeddings(), "clock": clock}
    with (
        new_sql() as sql,
        agentmem.open(folder, scan_below=5_000, **options, **sql.options(folder)) as scan,
        agentmem.open(folder, scan_below=0, **options, **sql.options(folder)) as chroma,
    ):
        yield {"scan": scan, "chroma": chroma}, clock


@PROPERTY
@given(
    user=st.one_of(LINES, SILENT),
    agent=LINES,
    forgotten=st.sets(st.integers(0, 60), max_size=4),
    asked=st.lists(QUESTION, min_size=1, max_size=5),
)
def test_every_engine_answers_as_the_documentation_says(engines, user, agent, forgotten, asked):
    (mems, clock), name = engines, f"user-{next(USERS)}"
    memories = {engine: mem.client(user_id=name).memory for engine, mem in mems.items()}
    writer = memories["scan"]
    clock.now = START
    lines = writer.remember(user)
    clock.move(days=1)
    lines += writer.remember(agent, agent_id="x")
    for memory in memories.values():
        memory.recall("tea", agent_id="x")  # what is kept in memory from now on was read before lines are forgotten
    for place in sorted(forgotten, reverse=True):
        if place < len(lines):
            writer.forget_line(lines.pop(place).id)
    clock.move(days=1)
    for question in asked:
        agents = [None] if question["agent_id"] is None else [None, "x"]
        scopes = [[line for line in lines if line.agent_id == agent_id] for agent_id in agents]
        expected = oracle(scopes, question, clock.now)
        for engine, memory in memories.items():
            found = memory.recall(**question, explain=True)
            told = [(match.id, match.explanation.rank, match.score, match.semantic, match.lexical) for match in found]
            assert told == expected, engine
            # Among equal vectors a graph may lose sight of one; the scan answers then.
            assert {match.explanation.answered_by for match in found} <= {engine, "scan"}


@PROPERTY
@given(lines=LINES, question=QUESTION)
def test_a_score_and_its_parts_are_between_0_and_1_and_follow_from_each_other(crowd, lines, question):
    memory = crowd().memory
    memory.remember(lines)
    for match in memory.recall(**{**question, "min_score": 0, "agent_id": None}, explain=True):
        told = match.explanation
        assert all(0 <= value <= 1 for value in (match.score, match.semantic, match.lexical))
        assert (told.semantic, told.lexical) == (match.semantic, match.lexical)
        assert match.score == rounded(max(0.3 * match.semantic + 0.7 * match.lexical, match.semantic / 2))
        answer = 0.38 * match.semantic + 0.62 * match.lexical
        boosts = told.speaker_boost, told.conversation_boost, told.question_boost, told.recency_boost
        assert told.rank == pytest.approx(answer + sum(boosts), abs=2e-6)
        total = sum(term.weight for term in told.terms)
        parts = sum(term.weight * term.amount / (term.amount + told.normalisation) for term in told.terms)
        assert match.lexical == pytest.approx(parts / total if total else 0, abs=1e-6)


@PROPERTY
@given(lines=LINES, others=LINES, question=QUESTION)
def test_a_scope_answers_the_same_whatever_other_scopes_hold(crowd, lines, others, question):
    client, stranger = crowd(), crowd()
    question = {**question, "agent_id": None}
    client.memory.remember(lines)
    before = client.memory.recall(**question, explain=True)
    client.memory.remember(others, agent_id="y")
    stranger.memory.remember(others)
    assert client.memory.recall(**question, explain=True) == before


def contents(matches):
    return [match.content for match in matches]


# --- what is found -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "query"),
    [
        ("AB-1234", "order #AB-1234"),
        ("AB-1234", "AB 1234?"),
        ("AB-1234", "ab1234"),
        ("AB-1234", "(AB/1234)"),
        ("ab1234", "Where is AB.1234"),
        ("ab1234", "order #AB-1234"),
        ("+1 (415) 555-0192", "+14155550192"),
        ("+14155550192", "+1 415-555-0192"),
        ("Ada@Example.com", "ada@example.com"),
    ],
)
def test_an_identifier_finds_its_line_however_it_is_punctuated(memory, written, query):
    memory.remember(["Order AB-1235, call +14155550193", f"Order {written} then", "Order XY-1234, bo@example.com"])
    assert contents(memory.recall(query))[0] == f"Order {written} then"


@pytest.mark.parametrize("identifier", ["INV-2024-ADS", "550e8400-e29b-41d4-a716-4466554400ed", "SKU-77-boxing"])
def test_an_identifier_keeps_an_ending_that_looks_like_one_of_a_word(memory, identifier):
    memory.remember([f"paid {identifier}", "paid cash"])
    plain = identifier.replace("-", "").lower()
    assert contents(memory.recall(plain)) == [f"paid {identifier}"]


def test_an_order_number_finds_its_line_and_nonsense_finds_none(memory):
    memory.remember(["Your order 88213 has shipped", "Ada likes tea", "We talked about the weather in Oslo"])
    assert contents(memory.recall("88213")) == ["Your order 88213 has shipped"]
    assert contents(memory.recall("what about order 88213?")) == ["Your order 88213 has shipped"]
    for nonsense in ("zxqv blorf", "quantum flux capacitor", "88214", "xyzzy?"):
        assert memory.recall(nonsense) == []


def test_a_chinese_word_of_two_characters_finds_its_line(memory):
    memory.remember(["我们昨天吃了北京烤鸭", "她搬到奥斯陆去了"])
    assert contents(memory.recall("烤鸭")) == ["我们昨天吃了北京烤鸭"]
    assert memory.recall("火锅") == []


def test_a_hindi_word_finds_its_line_and_not_one_that_shares_letters(memory):
    memory.remember(["मुझे किताब पसंद है", "तुम कब आओगे"])
    assert contents(memory.recall("किताब")) == ["मुझे किताब पसंद है"]


def test_a_line_is_found_by_its_date_and_by_its_speaker(memory):
    memory.remember(
        [Line("we moved", occurred_at="2026-03-14T09:00:00Z"), Line("we left", occurred_at="2025-07-02T09:00:00Z")]
    )
    assert contents(memory.recall("March 2026"))[0] == "we moved"
    memory.remember([Line("likes tea", speaker="Bo"), Line("likes rye", speaker="Ada")])
    assert contents(memory.recall("Bo"))[0] == "likes tea"


def test_a_reply_is_found_by_the_words_of_what_it_replies_to(memory):
    memory.remember(["Where is the spare key", "Under the blue pot"], conversation_id="a")
    memory.remember("Under the red boat", conversation_id="b")
    assert "Under the blue pot" in contents(memory.recall("spare key"))
    assert "Under the red boat" not in contents(memory.recall("spare key", min_score=0.01))


# --- which lines may match -----------------------------------------------------------------------------------------


@pytest.fixture
def diary(memory):
    memory.remember(
        [
            Line("tea one", occurred_at=START, conversation_id="a", source="user", confidence=1.0),
            Line("tea two", occurred_at=START + timedelta(days=1), conversation_id="a", source="tool", confidence=0.6),
            Line("tea three", occurred_at=START + timedelta(days=2), conversation_id="b", source="tool"),
            Line("tea four", occurred_at=START + timedelta(days=3), source="extractor", confidence=0.5),
            Line("tea five", occurred_at=START + timedelta(days=3), confidence=0.4),
        ]
    )
    return memory


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, "one two three four"),
        ({"since": START + timedelta(days=1)}, "two three four"),
        ({"until": START + timedelta(days=1)}, "one"),
        ({"conversation_id": "a"}, "one two"),
        ({"conversation_id": "A"}, ""),
        ({"source": "tool"}, "two three"),
        ({"source": "assistant"}, ""),
        ({"min_confidence": 0.6}, "one two three"),
        ({"min_confidence": 0}, "one two three four"),
        ({"min_confidence": 1}, "one three"),
        ({"since": START + timedelta(days=1), "until": START + timedelta(days=3)}, "two three"),
        ({"source": "tool", "conversation_id": "a", "min_confidence": 0.5}, "two"),
        ({"source": "tool", "conversation_id": "a", "min_confidence": 0.7}, ""),
        ({"since": START + timedelta(days=2), "until": START}, ""),
    ],
)
def test_filters_narrow_the_search_each_and_together(diary, asked, expected):
    found = {content.removeprefix("tea ") for content in contents(diary.recall("tea", min_score=0, **asked))}
    assert found == set(expected.split())


# --- what moves the order ------------------------------------------------------------------------------------------


def test_a_half_life_prefers_the_newer_and_never_buries_a_clearly_better_match(memory, clock):
    better, newer, worse = "Ada drinks tea", "Ada drinks the tea", "the dog drinks water"
    memory.remember(
        [
            Line(better, occurred_at=clock.now - timedelta(days=400)),
            Line(newer, occurred_at=clock.now - timedelta(days=1)),
            Line(worse, occurred_at=clock.now + timedelta(days=7)),
        ]
    )
    plain = memory.recall("Ada drinks tea", min_score=0, explain=True)
    aged = memory.recall("Ada drinks tea", min_score=0, explain=True, half_life_days=7)
    assert contents(plain) == [better, newer, worse]
    assert contents(aged) == [newer, better, worse]
    assert {match.content: match.score for match in aged} == {match.content: match.score for match in plain}
    boosts = {match.content: match.explanation.recency_boost for match in aged}
    assert boosts == {newer: pytest.approx(0.1 * 0.5 ** (1 / 7)), better: pytest.approx(0, abs=1e-12), worse: 0.1}
    assert {match.explanation.recency_boost for match in plain} == {0.0}


def test_a_half_life_of_next_to_nothing_and_of_ages_are_answered(memory, clock):
    memory.remember(["tea", Line("tea and rye", occurred_at=clock.now - timedelta(days=10_000))])
    for half_life_days in (5e-324, 1e-300, 1, 1e308):
        assert len(memory.recall("tea", half_life_days=half_life_days)) == 2


def test_a_line_that_asks_comes_after_one_that_tells(memory):
    memory.remember(["Where is the blue boat?", "Here is the blue boat!"])
    told, asking = memory.recall("blue boat", explain=True)
    assert (told.content, asking.content) == ("Here is the blue boat!", "Where is the blue boat?")
    assert (told.explanation.question_boost, asking.explanation.question_boost) == (0.0, -0.1)


def test_a_request_that_holds_facts_beside_its_question_is_put_back_less(memory):
    request = "I moved the Acme meeting from Oslo to Bergen on Friday, and Bo brings rye, salt, milk and tea; can you?"
    memory.remember(["And the Acme meeting?", request])
    found = {match.content: match.explanation.question_boost for match in memory.recall("Acme meeting", explain=True)}
    terms = {"move", "acm", "meet", "oslo", "bergen", "friday", "bo", "bring", "rye", "salt", "milk", "tea", "?"}
    assert found == {"And the Acme meeting?": -0.1, request: pytest.approx(-0.1 * 10 / len(terms))}


@pytest.mark.parametrize(
    ("query", "boosted"),
    [
        ("Where did Ada move?", {"Ada"}),
        ("where did ada move", {"Ada"}),
        ("Where did Ada and Bo move?", set()),
        ("Where did the family move?", set()),
        ("Where did Li move?", {"Bo Li"}),
    ],
)
def test_lines_of_the_one_speaker_that_a_question_names_are_lifted(memory, query, boosted):
    memory.remember([Line("moved to Oslo", speaker=speaker) for speaker in ("Ada", "Bo Li", None)])
    found = memory.recall(query, min_score=0, explain=True)
    assert {match.speaker for match in found if match.explanation.speaker_boost} == boosted
    assert {match.explanation.speaker_boost for match in found} <= {0.0, 0.08}
    if boosted:
        assert found[0].speaker in boosted


def test_a_conversation_that_answers_well_lifts_its_lines_in_the_order_and_not_in_their_score(memory):
    memory.remember([Line("harbour walk", conversation_id="b"), Line("nothing else", conversation_id="b")])
    memory.remember([Line("the boat", conversation_id="a"), Line("tea rye oslo boat", conversation_id="a")])
    memory.remember("boat")
    found = memory.recall("tea rye boat oslo", min_score=0, explain=True)
    answers = {"a": [], "b": [], None: []}
    for match in found:
        answers[match.conversation_id].append(0.38 * match.semantic + 0.62 * match.lexical)
        assert match.score == rounded(max(0.3 * match.semantic + 0.7 * match.lexical, match.semantic / 2))
    for match in found:
        theirs = answers[match.conversation_id]
        assert match.explanation.conversation_boost == pytest.approx(0.4 * sum(theirs) / len(theirs), abs=1e-6)
    lifted, alone = (match for match in found if match.content in {"the boat", "boat"})
    assert (lifted.content, alone.content) == ("the boat", "boat")
    assert lifted.score < alone.score


# --- what comes once -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scan_below", [0, 5_000])
def test_near_duplicates_come_once_and_the_list_is_filled_with_others(open_mem, scan_below):
    memory = open_mem(scan_below=scan_below).client("ada").memory
    memory.remember(["Ada likes tea", "ada LIKES tea!", "Ada  likes, tea."] * 30)
    memory.remember([f"Ada likes tea with number{number}" for number in range(9)])
    found = memory.recall("Ada likes tea", limit=5)
    assert len(found) == 5
    assert len({tuple(re.findall(r"\w+", match.content.lower())) for match in found}) == 5


def test_a_large_scope_that_says_one_thing_over_and_over_still_fills_the_list(open_mem):
    memory = open_mem(scan_below=0).client("ada").memory
    memory.remember([*["tea"] * 900, "tea rye"])
    assert contents(memory.recall("tea", min_score=0.1)) == ["tea", "tea rye"]


@pytest.mark.parametrize(
    "different",
    [
        [Line("likes tea", speaker="Ada"), Line("likes tea", speaker="Bo")],
        [Line("likes tea", speaker="Ada"), Line("likes tea")],
        [Line("likes tea", occurred_at=START), Line("likes tea", occurred_at=START + timedelta(days=1))],
        [Line("She called before lunch"), Line("He called after lunch")],
        [Line("I can come"), Line("I can not come")],
        [Line("I am in the office"), Line("You are in the office")],
    ],
)
def test_lines_that_differ_in_a_word_a_speaker_or_a_time_all_come(memory, different):
    memory.remember(different)
    assert len(memory.recall("likes tea called lunch come office", min_score=0)) == 2


def test_the_same_words_of_two_scopes_come_from_each(memory):
    memory.remember(["tea", "Tea!"])
    memory.remember(["tea", "tea."], agent_id="x")
    assert [match.scope for match in memory.recall("tea", agent_id="x")].count("agent") == 1
    assert len(memory.recall("tea", agent_id="x")) == 2


# --- languages -----------------------------------------------------------------------------------------------------


def test_a_store_splits_words_in_its_language(open_mem, tmp_path):
    memory = open_mem(tmp_path / "german", language="german").client("ada").memory
    memory.remember(["Sie hat zwei Häuser gekauft", "Er trinkt Tee"])
    (match,) = memory.recall("Haus", explain=True)
    assert match.content == "Sie hat zwei Häuser gekauft"
    assert [(term.term, term.own) for term in match.explanation.terms] == [("haus", 1)]


def test_an_unknown_language_is_refused_at_open_with_the_ones_there_are(open_mem):
    with pytest.raises(InvalidInputError, match=r"^settings: language .*english.*german.*none"):
        open_mem(language="klingon")


@pytest.mark.parametrize("scan_below", [0, 5_000])
def test_a_store_opened_with_another_language_finds_what_was_written_before(open_mem, scan_below):
    english = open_mem()
    english.client("ada").memory.remember(["zwei Häuser", "the painted horses"])
    english.close()
    german = open_mem(language="german", scan_below=scan_below)
    memory = german.client("ada").memory
    memory.remember("ein Garten")
    assert contents(memory.recall("Haus")) == ["zwei Häuser"]
    assert contents(memory.recall("Gärten")) == ["ein Garten"]
    german.close()
    memory = open_mem(scan_below=scan_below).client("ada").memory
    assert contents(memory.recall("painting a horse")) == ["the painted horses"]


# --- what no input may do ------------------------------------------------------------------------------------------

HOSTILE = [
    "tea " * 25_000,
    "a" * 100_000,
    "the of and to",
    "?!… ,;. -- ///",
    "🙂👩‍👩‍👧🏳️‍🌈",
    "\"'`’“”",
    "((([[[{{{",
    ")]}",
    "tea AND NOT (rye OR",
    'NEAR("tea" "rye", 3) content:tea* ^tea',
    "'; DROP TABLE agentmem_archival_line; --",
    "% _ \\ %%s :name ? $1",
    "привет мир",
    "مرحبا بالعالم",
    "שלום עולם",
    "नमस्ते दुनिया",
    "안녕하세요",
    "\u202etea\u200b\x07\ufeff",
    "1-" * 4_000,
    "(1) " * 4_000,
    "a@b." * 4_000,
]


@pytest.mark.parametrize("scan_below", [0, 5_000])
def test_any_text_can_be_asked_and_is_answered_with_a_list(open_mem, scan_below):
    memory = open_mem(scan_below=scan_below).client("ada").memory
    memory.remember(["Ada likes tea", "the of and to", "???"])
    for query in HOSTILE:
        assert isinstance(memory.recall(query), list), ascii(query[:20])
        assert len(memory.recall(query, min_score=0, explain=True)) == 3, ascii(query[:20])


@PROPERTY
@given(query=st.text(min_size=1).filter(lambda text: text.strip() and "\x00" not in text))
def test_no_text_makes_recall_fail(crowd, query):
    memory = crowd().memory
    memory.remember(["Ada likes tea", Line("moved", speaker="Bo")])
    assert len(memory.recall(query, min_score=0)) == 2


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("query", ["", "  \n", None, b"tea", "a\x00b", "\ud800"]),
        ("limit", [0, -1, 51, 10_000, True, 5.0, "5", None]),
        ("min_score", [math.nan, -1, -1e-9, 1.1, math.inf, "x", True, None]),
        ("half_life_days", [0, -1, math.inf, -math.inf, math.nan, True, "30", 10**400]),
        ("min_confidence", [2, -0.1, math.nan, "x", True, None]),
        ("source", ["x", "", "User", 1]),
        ("scope", ["everything", None]),
        ("explain", [1, "yes", None]),
        ("since", ["yesterday", START.replace(tzinfo=None), 1]),
        ("until", ["", START.replace(tzinfo=None).isoformat()]),
        ("conversation_id", ["", " ", 7, "a" * 256]),
    ],
)
def test_what_breaks_a_rule_is_refused_by_name(memory, field, values):
    memory.remember("tea")
    for value in values:
        with pytest.raises(InvalidInputError, match=f"^{field}: "):
            memory.recall(**{"query": "tea", field: value})


# --- a store that changes while it is asked ------------------------------------------------------------------------


class Interrupted(HashingEmbeddings):
    """Does something else, once, in the middle of a question."""

    meanwhile = None

    def embed_query(self, text):
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile:
            meanwhile()
        return super().embed_query(text)


def test_a_question_begun_before_a_switch_of_models_is_not_answered_with_the_old_one(open_mem, tmp_path):
    embeddings = Interrupted(64)
    memory = open_mem(tmp_path, embeddings=embeddings).client("ada").memory
    memory.remember(["tea", "rye"])
    other = open_mem(tmp_path, embeddings=HashingEmbeddings(8))
    embeddings.meanwhile = lambda: other.reindex(embed=True)
    with pytest.raises(InvalidInputError, match="embeddings"):
        memory.recall("tea", min_score=0)


def test_a_question_during_which_a_new_speaker_speaks_is_asked_without_their_name(open_mem, tmp_path):
    embeddings = Interrupted(64)
    memory = open_mem(tmp_path, embeddings=embeddings).client("ada").memory
    memory.remember("I moved to Oslo")
    embeddings.meanwhile = lambda: memory.remember(Line("I moved away", speaker="Bo"))
    found = memory.recall("Did Bo move?", min_score=0)
    assert set(contents(found)) == {"I moved to Oslo", "I moved away"}


@pytest.mark.parametrize("scan_below", [0, 5_000])
def test_a_line_that_lost_its_vector_does_not_stop_the_others(open_mem, scan_below):
    mem = open_mem(scan_below=scan_below)
    memory = mem.client("ada").memory
    lost, *_ = memory.remember(["Acme renews", "tea", "rye"])
    gone = delete(LineChunkRow).where(col(LineChunkRow.line_id) == lost.id)
    mem._container.database.write(lambda session: session.exec(gone))  # noqa: SLF001 - as damage would
    assert contents(memory.recall("tea", min_score=0.1)) == ["tea"]


def test_one_spelling_of_an_identifier_does_not_hide_the_others(memory):
    memory.remember(["Ticket AB 1234 was refunded", "Order AB-1234 shipped", "Nothing else"])
    found = memory.recall("AB-1234")
    assert sorted(contents(found)) == ["Order AB-1234 shipped", "Ticket AB 1234 was refunded"]
    assert all(match.lexical > 0.4 for match in found)


def test_spaces_before_a_question_are_no_part_of_it(memory):
    memory.remember("Acme renews in March")
    assert contents(memory.recall(" " * 9_000 + "Acme renewal")) == ["Acme renews in March"]


def test_a_speaker_is_named_with_or_without_accents(memory):
    memory.remember([Line("I moved", speaker="José"), Line("I moved too", speaker="Bo")])
    (first, *_) = memory.recall("Where did Jose move?", min_score=0, explain=True)
    assert (first.speaker, first.explanation.speaker_boost) == ("José", 0.08)
