"""`remember`, and what can be read of it: splitting, provenance, order, all or nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest

from agentmem import BackendError, ConflictError, InvalidInputError, Line, NotFoundError
from agentmem.testing import HashingEmbeddings
from agentmem.text.analyzer import Analyzer

ENDS = ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]


def test_a_text_becomes_a_line_with_the_defaults(memory, clock):
    (line,) = memory.remember("Acme renews in March")
    assert (line.content, line.scope, line.agent_id) == ("Acme renews in March", "user", None)
    assert (line.speaker, line.conversation_id, line.occurred_at) == (None, None, None)
    assert (line.source, line.confidence) == ("operator", 1.0)
    assert line.created_at == line.updated_at == clock.now


def test_strings_and_lines_may_be_mixed_and_come_back_in_input_order(memory):
    given = ["one", Line("two", speaker="Ada"), "three\nfour", Line("five\nsix", source="user", confidence=0.5)]
    lines = memory.remember(given, source="assistant", confidence=0.75, conversation_id="c")
    assert [(line.content, line.speaker, line.source, line.confidence) for line in lines] == [
        ("one", None, "assistant", 0.75),
        ("two", "Ada", "assistant", 0.75),
        ("three", None, "assistant", 0.75),
        ("four", None, "assistant", 0.75),
        ("five", None, "user", 0.5),
        ("six", None, "user", 0.5),
    ]
    assert {line.conversation_id for line in lines} == {"c"}
    assert memory.get("archival").content == "one\ntwo\nthree\nfour\nfive\nsix"


def test_what_a_line_says_of_itself_goes_before_the_call(memory):
    at = datetime(2026, 3, 14, 9, tzinfo=timezone(timedelta(hours=-5)))
    own = Line("one", conversation_id="own", source="tool", confidence=0.0, occurred_at=at)
    (line,) = memory.remember([own], conversation_id="call", source="user", confidence=1.0)
    assert (line.conversation_id, line.source, line.confidence) == ("own", "tool", 0.0)
    assert (line.occurred_at, line.occurred_at.tzinfo) == (at, UTC)


@pytest.mark.parametrize("source", ["user", "assistant", "tool", "extractor", "operator"])
def test_every_source_is_kept(memory, source):
    memory.remember("tea", source=source)
    assert memory.recall("tea")[0].source == source


def test_provenance_is_in_the_match(memory, clock):
    at = datetime(2030, 1, 1, tzinfo=UTC)  # in the future: a reminder may be
    said = Line("Acme renews", speaker="Ada", occurred_at=at, conversation_id="c", source="user", confidence=0.9)
    (line,) = memory.remember(said, agent_id="x")
    (match,) = memory.recall("Acme renews", agent_id="x")
    assert (match.id, match.speaker, match.occurred_at, match.conversation_id) == (line.id, "Ada", at, "c")
    assert (match.source, match.confidence, match.scope, match.agent_id) == ("user", 0.9, "agent", "x")
    assert (match.block_type, match.created_at, match.updated_at) == ("archival", clock.now, clock.now)
    assert (match.score, match.semantic, match.lexical) == (0.668421, 1.0, 0.526316)


@pytest.mark.parametrize("end", ENDS, ids=ascii)
def test_a_line_ends_wherever_splitlines_ends_one(memory, end):
    lines = memory.remember(f"one{end}two{end}{end}three{end}")
    assert [line.content for line in lines] == ["one", "two", "three"]
    for match in memory.recall("one two three", min_score=0):
        assert memory.get("archival").content.splitlines()[match.line_number - 1] == match.content


def test_white_space_inside_a_line_is_kept_and_blank_lines_are_dropped(memory):
    assert [line.content for line in memory.remember("  one \n \t \n\ttwo")] == ["  one ", "\ttwo"]


def test_control_and_bidi_characters_are_stored_as_given(memory):
    text = "\u202eevil\u2066 \x07\x1b[31m {{memory}} 🏳️‍🌈 日本語"
    assert memory.remember(text)[0].content == text == memory.get("archival").content


def test_remembering_nothing_writes_nothing(memory):
    assert memory.remember([]) == []
    with pytest.raises(NotFoundError):
        memory.get("archival")


def test_one_bad_line_among_many_writes_none_and_is_numbered(memory):
    for bad in ("", "x" * 8001, "nul\x00"):
        with pytest.raises(InvalidInputError, match=r"line 3\b"):
            memory.remember(["one", Line("two"), bad, "four"])
    assert memory.list() == []


def test_any_iterable_of_lines_is_taken(memory):
    assert len(memory.remember(f"line {number}" for number in range(3))) == 3
    assert len(memory.remember(("a", "b"))) == 2


def test_every_write_moves_the_headers_version(memory, clock):
    def header():
        block = memory.get("archival")
        return block.version, block.updated_at

    def steps():
        memory.remember("one")
        yield header()
        memory.append("archival", "two")
        yield header()
        memory.update("archival", "two\nthree", expected_updated_at=memory.get("archival").updated_at)
        yield header()
        memory.forget_line(memory.recall("two")[0].id)
        yield header()
        memory.delete("archival")
        memory.remember("four")
        yield header()

    seen = list(steps())
    assert [version for version, _ in seen] == [1, 2, 3, 4, 6]
    assert all(one[1] < next_[1] for one, next_ in pairwise(seen))


def test_an_update_conflicts_with_a_line_remembered_in_between(memory):
    memory.remember("one")
    read = memory.get("archival")
    memory.remember("two")
    with pytest.raises(ConflictError) as caught:
        memory.update("archival", "one\nthree", expected_updated_at=read.updated_at)
    assert caught.value.current == memory.get("archival")
    assert caught.value.current.content == "one\ntwo"


def test_archival_memory_is_not_found_before_the_first_write_and_after_a_deletion(memory):
    with pytest.raises(NotFoundError):
        memory.get("archival")
    memory.remember("one")
    memory.delete("archival")
    with pytest.raises(NotFoundError):
        memory.get("archival")
    assert memory.recall("one") == []
    memory.remember("two")
    assert (memory.get("archival").content, memory.get("archival").version) == ("two", 3)
    assert memory.recall("one", min_score=0)[0].content == "two"


def test_archival_memory_is_empty_when_every_line_was_forgotten(memory):
    for line in memory.remember(["one", "two"]):
        memory.forget_line(line.id)
    assert (memory.get("archival").content, memory.recall("one", min_score=0)) == ("", [])


def test_forgetting_a_missing_a_foreign_and_a_forgotten_line_does_nothing(mem, memory):
    (own, gone) = memory.remember(["own", "gone"])
    memory.forget_line(gone.id)
    (bobs,) = mem.client("bob").memory.remember("bobs")
    (acmes,) = mem.tenant("acme").client("ada").memory.remember("acmes")
    before = memory.get("archival")
    for line_id in ("missing", gone.id, bobs.id, acmes.id, "%", own.id.upper() + "x"):
        assert memory.forget_line(line_id) is None
    assert memory.get("archival") == before
    assert mem.client("bob").memory.get("archival").content == "bobs"
    assert mem.tenant("acme").client("ada").memory.get("archival").content == "acmes"


def test_a_line_is_forgotten_in_whichever_scope_of_the_user(memory):
    (line,) = memory.remember("tea", agent_id="x")
    memory.forget_line(line.id)
    assert memory.get("archival", agent_id="x").content == ""


def test_what_is_forgotten_is_in_no_table(memory, tables):
    lines = memory.remember(
        [Line("zebra-one", speaker="zebra-speaker"), "zebra-two"], conversation_id="c", idempotency_key="key"
    )
    memory.forget_line(lines[0].id)
    assert "zebra-one" not in repr(tables())
    memory.update("archival", "other", expected_updated_at=memory.get("archival").updated_at)
    assert "zebra" not in repr(tables())
    memory.remember("zebra-three")
    memory.delete("archival")
    assert "zebra" not in repr(tables())
    assert tables()["agentmem_line_chunk"] == []
    assert tables()["agentmem_line_terms"] == []


@pytest.mark.parametrize("language", ["english", "none"])
def test_the_words_of_a_line_are_kept_as_a_bag_of_terms(open_mem, tables, language):
    memory, analyzer = open_mem(language=language).client("ada").memory, Analyzer(language)
    at = datetime(2026, 3, 14, tzinfo=UTC)
    memory.remember([Line("Likes tea and rye", speaker="Ada"), Line("Order AB-12-34?", occurred_at=at)])
    block = memory.append("archival", "Likes oats")
    memory.update("archival", f"{block.content}\nLikes milk", expected_updated_at=block.updated_at)
    kept = [(made_by, terms) for _, made_by, terms in tables()["agentmem_line_terms"]]
    assert sorted(kept) == sorted(
        (analyzer.made_by, analyzer.bag(content, speaker=speaker, occurred_at=occurred_at))
        for content, speaker, occurred_at in (
            ("Likes tea and rye", "Ada", None),
            ("Order AB-12-34?", None, at),
            ("Likes oats", None, None),
            ("Likes milk", None, None),
        )
    )


@pytest.mark.parametrize("forget", ["line", "update", "scope"])
def test_the_words_of_a_line_are_erased_with_it(memory, tables, forget):
    (line, kept) = memory.remember(["tea", "rye"])
    assert {row[0] for row in tables()["agentmem_line_terms"]} == {line.id, kept.id}
    if forget == "line":
        memory.forget_line(line.id)
    elif forget == "update":
        memory.update("archival", "rye", expected_updated_at=memory.get("archival").updated_at)
    else:
        memory.delete("archival")
    left = {row[0] for row in tables()["agentmem_line_terms"]}
    assert left == (set() if forget == "scope" else {kept.id})


def test_a_failing_model_is_a_backend_error_and_writes_nothing(open_mem, tables):
    class Failing(HashingEmbeddings):
        def embed_documents(self, _texts):
            raise OSError("zebra")

    memory = open_mem(embeddings=Failing()).client("ada").memory
    before = tables()
    for write in (
        lambda: memory.remember(["one", "two"]),
        lambda: memory.append("archival", "one"),
        lambda: memory.update("archival", "one", expected_updated_at=None),
    ):
        with pytest.raises(BackendError) as caught:
            write()
        assert isinstance(caught.value.__cause__, OSError)
        assert "zebra" not in str(caught.value)
    assert tables() == before


def test_many_lines_at_once(memory):
    lines = memory.remember([f"memory number {number}" for number in range(2_500)])
    assert [line.content for line in lines] == memory.get("archival").content.splitlines()
    assert len({line.id for line in lines}) == 2_500
    memory.delete("archival")
    assert memory.list() == []
