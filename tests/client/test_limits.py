"""Every limit, at the limit and one over it, through every call that is bound by it."""

from __future__ import annotations

import hashlib

import pytest

from agentmem import InvalidInputError, Line

LIMITS = {"max_block_chars": 40, "max_line_chars": 30, "max_id_chars": 64}
OVER = 1


def _appended(memory, text):
    memory.append("core", text[:10])
    return memory.append("core", text[11:]).content.replace("\n", text[10])


def _replaced(memory, text):
    memory.append("core", "old")
    return memory.replace("core", "old", text).content


WRITES = {
    "update": lambda memory, text: memory.update("core", text, expected_updated_at=None).content,
    "append": lambda memory, text: memory.append("core", text).content,
    "append to a block": _appended,
    "replace": _replaced,
    "description": lambda memory, text: (
        memory.update("core", "", expected_updated_at=None, description=text).description
    ),
    "description of archival memory": lambda memory, text: (
        memory.update("archival", "", expected_updated_at=None, description=text).description
    ),
}
LINES = {
    "remember": lambda memory, text: memory.remember(text)[0].content,
    "a line of many": lambda memory, text: memory.remember(["fine", f"fine\n{text}"])[2].content,
    "a Line": lambda memory, text: memory.remember(Line(text))[0].content,
    "append": lambda memory, text: memory.append("archival", text).content,
    "update": lambda memory, text: memory.update("archival", text, expected_updated_at=None).content,
    "a line of an update": lambda memory, text: memory.update(
        "archival", f"fine\n{text}", expected_updated_at=None
    ).content.splitlines()[1],
}
IDS = {
    "tenant": lambda mem, text: mem.tenant(text).client("ada").memory.append("core", "x"),
    "user": lambda mem, text: mem.client(text).memory.append("core", "x"),
    "actor": lambda mem, text: mem.client("ada", actor=text).memory.append("core", "x"),
    "agent": lambda mem, text: mem.client("ada").memory.append("core", "x", agent_id=text),
    "agent in recall": lambda mem, text: mem.client("ada").memory.recall("x", agent_id=text),
    "agent in list": lambda mem, text: mem.client("ada").memory.list(agent_id=text),
    "key": lambda mem, text: mem.client("ada").memory.append("core", "x", idempotency_key=text),
    "line": lambda mem, text: mem.client("ada").memory.forget_line(text),
    "conversation": lambda mem, text: mem.client("ada").memory.remember("x", conversation_id=text),
    "conversation of a Line": lambda mem, text: mem.client("ada").memory.remember(Line("x", conversation_id=text)),
    "conversation in recall": lambda mem, text: mem.client("ada").memory.recall("x", conversation_id=text),
    "speaker": lambda mem, text: mem.client("ada").memory.remember(Line("x", speaker=text)),
}


@pytest.fixture
def small(open_mem):
    return open_mem(**LIMITS)


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize("letter", ["a", "🏳"])
def test_a_block_holds_max_block_chars_and_no_more(small, tables, write, letter):
    memory = small.client("ada").memory
    limit = LIMITS["max_block_chars"]
    assert write(memory, letter * limit) == letter * limit
    other = small.client("bob").memory
    with pytest.raises(InvalidInputError, match=r"(content|description|new): 41 characters.* 40 "):
        write(other, letter * (limit + OVER))
    assert letter * 41 not in repr(tables())


@pytest.mark.parametrize("write", LINES.values(), ids=LINES)
def test_a_line_holds_max_line_chars_and_no_more(small, write):
    limit = LIMITS["max_line_chars"]
    assert write(small.client("ada").memory, "é" * limit) == "é" * limit
    other = small.client("bob").memory
    with pytest.raises(InvalidInputError, match=r"31 characters.* 30 "):
        write(other, "é" * (limit + OVER))
    assert other.list() == []


@pytest.mark.parametrize("write", ["a line of many", "a line of an update"])
def test_the_message_tells_which_line_is_too_long(small, write):
    with pytest.raises(InvalidInputError, match=r"line 2\b"):
        LINES[write](small.client("ada").memory, "é" * 31)


def test_archival_memory_as_a_whole_has_no_limit(small):
    memory = small.client("ada").memory
    text = "\n".join(f"line {number}" for number in range(100))
    assert memory.update("archival", text, expected_updated_at=None).content == text


@pytest.mark.parametrize("use", IDS.values(), ids=IDS)
def test_an_id_has_max_id_chars_and_no_more(small, use):
    limit = LIMITS["max_id_chars"]
    use(small, "i" * limit)
    with pytest.raises(InvalidInputError, match=r"65 characters.* 64 "):
        use(small, "i" * (limit + OVER))


def test_the_least_max_id_chars_leaves_room_for_a_sha256_and_every_writer_of_agentmem(small):
    memory = small.client("ada", actor="assistant").memory
    assert memory.append("core", "x", idempotency_key=hashlib.sha256(b"call").hexdigest()).version == 1


@pytest.mark.parametrize("limit", [1, 50])
def test_recall_takes_a_limit_from_1_to_50(memory, limit):
    memory.remember([f"tea {number}" for number in range(60)])
    assert len(memory.recall("tea", limit=limit, min_score=0)) == limit


@pytest.mark.parametrize("edge", [0, 0.0, 1, 1.0])
def test_scores_and_confidences_reach_from_0_to_1_inclusive(memory, edge):
    assert memory.remember("tea", confidence=edge)[0].confidence == edge
    (sure,) = memory.remember("tea and rye")
    assert [match.id for match in memory.recall("rye", min_confidence=edge)] == [sure.id]
    assert [match.id for match in memory.recall("rye", min_score=edge)][:1] == ([sure.id] if edge == 0 else [])


@pytest.mark.parametrize(("confidence", "found"), [(0.4999999, 0), (0.5, 1)])
def test_lines_are_recalled_from_confidence_one_half(memory, confidence, found):
    memory.remember("tea", confidence=confidence)
    assert len(memory.recall("tea")) == found
    assert memory.get("archival").content == "tea"


def test_the_defaults_are_those_of_the_documentation(mem):
    settings = mem.settings
    assert (settings.max_block_chars, settings.max_line_chars, settings.max_value_bytes) == (20_000, 8_000, 16_384)
    assert (settings.max_id_chars, settings.max_fact_days, settings.idle_minutes) == (255, 90, 60)
    assert (settings.default_region, settings.language) == (None, "english")


def test_a_query_may_be_longer_than_any_line(memory):
    memory.remember("tea")
    assert memory.recall("tea " * 100_000)[0].content == "tea"
