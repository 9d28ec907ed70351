"""`update("archival", …)`: a difference of texts, under the conflict rules; and line numbers that stay true."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentmem import ConflictError, InvalidInputError, Line
from agentmem.archival.lines.rows import live_rows
from agentmem.revisions import find
from agentmem.tables import ARCHIVAL
from agentmem.testing import HashingEmbeddings

STALE = datetime(2020, 1, 1, tzinfo=UTC)


def stored(memory):
    """Every line as SQL has it, in the order of the text: of equal ones recall shows one only."""
    with memory._container.database.read() as session:  # noqa: SLF001 - nothing public shows the ids of equal lines
        return live_rows(session, find(session, memory._scope(None), ARCHIVAL))  # noqa: SLF001 - as above


def matches(memory):
    """Every line as recall sees it, in the order of the text; of equal ones one."""
    found = memory.recall("every one of them", limit=50, min_score=0)
    return sorted(found, key=lambda match: match.line_number)


def rewrite(memory, text):
    return memory.update("archival", text, expected_updated_at=memory.get("archival").updated_at)


def test_none_creates_archival_memory_from_a_text(memory):
    block = memory.update("archival", "one\n\ntwo\r\nthree\n", expected_updated_at=None)
    assert (block.content, block.version, block.block_type) == ("one\ntwo\nthree", 1, "archival")
    assert [match.content for match in matches(memory)] == ["one", "two", "three"]
    assert {match.source for match in matches(memory)} == {"operator"}


def test_the_conflict_rules_hold_for_archival_memory(memory):
    with pytest.raises(ConflictError) as caught:
        memory.update("archival", "one", expected_updated_at=STALE)
    assert caught.value.current is None
    block = memory.update("archival", "one\ntwo", expected_updated_at=None)
    for token, text in ((None, "one\ntwo"), (None, "x"), (STALE, "x"), (STALE, "two\none"), (STALE, "one\ntwo\ntwo")):
        with pytest.raises(ConflictError) as caught:
            memory.update("archival", text, expected_updated_at=token)
        assert caught.value.current == block
    for same in ("one\ntwo", "one\n\ntwo\n", "one\r\ntwo"):
        assert memory.update("archival", same, expected_updated_at=STALE) == block
    memory.delete("archival")
    with pytest.raises(ConflictError) as caught:
        memory.update("archival", "one\ntwo", expected_updated_at=block.updated_at)
    assert caught.value.current is None


def test_deleting_archival_memory_takes_a_token_too(memory):
    assert memory.delete("archival", expected_updated_at=STALE) is None
    old = memory.update("archival", "one", expected_updated_at=None)
    memory.remember("two")
    for token in (old.updated_at, STALE):
        with pytest.raises(ConflictError) as caught:
            memory.delete("archival", expected_updated_at=token)
        assert caught.value.current == memory.get("archival")
    memory.delete("archival", expected_updated_at=memory.get("archival").updated_at.isoformat())
    assert memory.list() == []
    assert memory.delete("archival") is None


def test_description_and_read_only_of_archival_memory(memory):
    block = memory.update("archival", "one", expected_updated_at=None, description="Facts", read_only=True)
    assert (block.description, block.read_only) == ("Facts", True)
    memory.remember("two")
    block = memory.get("archival")
    assert (block.description, block.read_only) == ("Facts", True)
    assert memory.update("archival", "one\ntwo", expected_updated_at=STALE, description="Facts") == block
    with pytest.raises(ConflictError):
        memory.update("archival", "one\ntwo", expected_updated_at=STALE, description="Other")
    memory.delete("archival")
    memory.remember("three")
    assert (memory.get("archival").description, memory.get("archival").read_only) == ("", False)


def test_lines_that_stay_keep_id_provenance_and_vector(open_mem, home, sql):
    embedded = []

    class Counting(HashingEmbeddings):
        def embed_documents(self, texts):
            embedded.extend(texts)
            return super().embed_documents(texts)

    memory = open_mem(embeddings=Counting()).client("ada").memory
    said = [
        Line(word, speaker=f"by {word}", source="user", confidence=0.75) for word in ("one", "two", "three", "four")
    ]
    memory.remember(said, conversation_id="c")
    before = {match.content: match for match in matches(memory)}

    def stored():
        return dict(sql.execute(home, "SELECT line_id, vector FROM agentmem_line_chunk"))

    vectors = stored()
    embedded.clear()

    rewrite(memory, "four\nnew\ntwo\none")

    after = {match.content: match for match in matches(memory)}
    assert embedded == ["new"]
    assert [match.content for match in matches(memory)] == ["four", "new", "two", "one"]
    for word in ("one", "two", "four"):
        moved = {"line_number": 0, "score": 0, "lexical": 0}  # a word weighs what the other lines make it weigh
        assert replace(after[word], **moved) == replace(before[word], **moved)
        assert stored()[after[word].id] == vectors[before[word].id]
    assert before["three"].id not in stored()
    assert (after["new"].speaker, after["new"].source, after["new"].confidence) == (None, "operator", 1.0)


def test_of_equal_lines_as_many_are_kept_as_stay(memory):
    first, second, third = (line.id for line in memory.remember(["tea", "tea", "tea"]))
    rewrite(memory, "tea\ntea")
    assert [line.id for line in stored(memory)] == [first, second]
    rewrite(memory, "tea\ntea\ntea")
    assert [line.id for line in stored(memory)][:2] == [first, second]
    assert third not in [line.id for line in stored(memory)]


def test_a_bad_line_in_an_update_writes_nothing(memory):
    block = memory.update("archival", "one", expected_updated_at=None)
    with pytest.raises(InvalidInputError):
        rewrite(memory, "one\n" + "x" * 8_001)
    assert memory.get("archival") == block


def test_an_empty_text_empties_archival_memory_and_leaves_it_there(memory):
    memory.remember(["one", "two"])
    assert rewrite(memory, "").content == ""
    assert (memory.get("archival").content, matches(memory)) == ("", [])
    assert rewrite(memory, "three").content == "three"


WORDS = st.sampled_from(["tea", "rye", "oats", "tea rye", "!", "日本"])
EDITS = st.lists(
    st.one_of(
        st.tuples(st.just("remember"), st.lists(WORDS, min_size=1, max_size=4)),
        st.tuples(st.just("rewrite"), st.lists(WORDS, max_size=6)),
        st.tuples(st.just("permute"), st.randoms(use_true_random=False)),
        st.tuples(st.just("forget"), st.integers(0, 20)),
        st.tuples(st.just("delete"), st.none()),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=EDITS)
def test_a_line_number_is_the_place_in_the_text_after_any_edits(crowd, edits):
    memory = crowd().memory
    memory.remember("first")
    model = ["first"]
    for edit, given_ in edits:
        known = {line.id: line for line in stored(memory)}
        if edit == "remember":
            memory.remember(given_)
            model += given_
        elif edit == "rewrite":
            rewrite(memory, "\n".join(given_))
            model = list(given_)
        elif edit == "permute":
            given_.shuffle(model)
            rewrite(memory, "\n".join(model))
            assert {line.id for line in stored(memory)} == set(known)
        elif edit == "forget" and model:
            at = given_ % len(model)
            memory.forget_line(stored(memory)[at].id)
            del model[at]
        elif edit == "delete":
            memory.delete("archival")
            memory.remember("again")
            model = ["again"]
        lines = stored(memory)
        assert memory.get("archival").content.splitlines() == [line.content for line in lines] == model
        found = matches(memory)
        assert sorted(match.content for match in found) == sorted(set(model))  # of equal lines one
        for match in found:
            assert (match.id, match.content) == (lines[match.line_number - 1].id, model[match.line_number - 1])
        for line in lines:
            if line.id in known:
                assert line.content == known[line.id].content
                assert line.created_at == known[line.id].created_at
