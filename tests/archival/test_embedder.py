"""Whose vectors a store holds: the model's identity, what a model may return, and the switch to another one."""

from __future__ import annotations

import math
import threading

import numpy as np
import pytest
from langchain_core.embeddings import Embeddings

from agentmem import BackendError, InvalidInputError, Line
from agentmem.embedding import default_embeddings
from agentmem.testing import HashingEmbeddings

from .conftest import ThreeWords


class Renamed(HashingEmbeddings):
    """The same model under another name, as another runtime would have it."""

    def __init__(self, name="renamed", dimensions=256):
        super().__init__(dimensions)
        self.model_name = name


class Turned(HashingEmbeddings):
    """Another model of the same length and, if you like, of the same name."""

    def __init__(self, name="turned"):
        super().__init__()
        self.model_name = name

    def embed_query(self, text):
        return super().embed_query(" ".join(f"turned-{word}" for word in text.split()).replace("-", ""))


class Nameless(Embeddings):
    """A model without a name of its own."""

    def embed_documents(self, texts):
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text):
        return HashingEmbeddings(8).embed_query(text)


class Saying(HashingEmbeddings):
    """A model that returns what it is told to for lines that contain `odd`."""

    def __init__(self, answer):
        super().__init__(4)
        self.answer = answer

    def embed_documents(self, texts):
        if any("odd" in text for text in texts):
            return self.answer(texts)
        return super().embed_documents(texts)


ODD = {
    "nan": lambda texts: [[math.nan] * 4 for _ in texts],
    "infinite": lambda texts: [[math.inf, 0, 0, 0] for _ in texts],
    "too few": lambda texts: [[1, 0, 0, 0] for _ in texts][1:],
    "too many": lambda texts: [[1, 0, 0, 0] for _ in [*texts, "one more"]],
    "none": lambda _texts: None,
    "empty": lambda _texts: [],
    "no numbers in them": lambda texts: [[] for _ in texts],
    "flat": lambda _texts: [1.0, 0, 0, 0],
    "deep": lambda texts: [[[1.0, 0, 0, 0]] for _ in texts],
    "ragged": lambda texts: [[1.0] * (3 + place % 2) for place, _ in enumerate(texts)],
    "longer than before": lambda texts: [[1.0] * 5 for _ in texts],
    "shorter than before": lambda texts: [[1.0] * 3 for _ in texts],
    "of length one": lambda texts: [[1.0] for _ in texts],
    "words": lambda texts: [["a", "b", "c", "d"] for _ in texts],
    "holes": lambda texts: [[None, 1, 0, 0] for _ in texts],
    "an error": lambda _texts: 1 / 0,
}


@pytest.mark.parametrize("answer", ODD.values(), ids=ODD)
def test_what_is_no_vector_is_a_backend_error_and_writes_nothing(open_mem, tables, answer):
    memory = open_mem(embeddings=Saying(answer)).client("ada").memory
    memory.remember("tea")
    before = tables()
    token = memory.get("archival").updated_at
    for write in (
        lambda: memory.remember(["one", "odd"]),
        lambda: memory.append("archival", "odd"),
        lambda: memory.update("archival", "tea\nodd", expected_updated_at=token),
    ):
        with pytest.raises(BackendError, match="embeddings"):
            write()
    assert tables() == before
    assert len(memory.recall("tea", min_score=0)) == 1


ODD_QUERY = {
    "nan": [math.nan] * 4,
    "infinite": [math.inf, 0, 0, 0],
    "none": None,
    "empty": [],
    "a number": 1.0,
    "deep": [[1.0, 0, 0, 0]],
    "longer than the lines": [1.0] * 5,
    "shorter than the lines": [1.0] * 3,
    "of length one": [1.0],
    "words": ["a", "b", "c", "d"],
    "holes": [None, 1, 0, 0],
}


@pytest.mark.parametrize("answer", ODD_QUERY.values(), ids=ODD_QUERY)
@pytest.mark.parametrize("scan_below", [0, 5_000])
def test_what_is_no_vector_of_a_query_is_a_backend_error(open_mem, answer, scan_below):
    class Asked(HashingEmbeddings):
        def embed_query(self, text):
            return answer if "odd" in text else super().embed_query(text)

    memory = open_mem(embeddings=Asked(4), scan_below=scan_below).client("ada").memory
    memory.remember("tea")
    with pytest.raises(BackendError, match="embeddings"):
        memory.recall("odd")
    assert len(memory.recall("tea")) == 1


def test_a_model_that_fails_on_a_query_is_a_backend_error(open_mem):
    class Failing(HashingEmbeddings):
        def embed_documents(self, texts):
            return [HashingEmbeddings.embed_query(self, text) for text in texts]

        def embed_query(self, _text):
            raise OSError("zebra")

    memory = open_mem(embeddings=Failing()).client("ada").memory
    memory.remember("tea")
    with pytest.raises(BackendError, match="embeddings") as caught:
        memory.recall("tea")
    assert isinstance(caught.value.__cause__, OSError)
    assert "zebra" not in str(caught.value)


@pytest.mark.parametrize("size", [1e-30, 1e-12, 3.0, 1e12, 1e30, 1e39])
def test_only_the_direction_of_a_vector_counts(open_mem, size):
    class Scaled(HashingEmbeddings):
        def embed_query(self, text):
            return [value * size for value in super().embed_query(text)]

    memory = open_mem(embeddings=Scaled()).client("ada").memory
    memory.remember("tea and rye")
    memory.remember("milk")
    assert memory.recall("tea", min_score=0)[0].semantic == pytest.approx(1 / math.sqrt(3), abs=1e-6)


def test_arrays_in_place_of_lists_are_vectors_too(open_mem):
    class Arrays(HashingEmbeddings):
        def embed_documents(self, texts):
            return np.array(super().embed_documents(texts))

        def embed_query(self, text):
            return np.array(super().embed_query(text), dtype=np.float16)

    memory = open_mem(embeddings=Arrays()).client("ada").memory
    memory.remember(["tea", "rye"])
    assert memory.recall("tea")[0].content == "tea"


def test_a_line_without_direction_is_stored_and_like_nothing(open_mem):
    for scan_below in (5_000, 0):
        memory = open_mem(scan_below=scan_below).client(f"user-{scan_below}").memory
        memory.remember(["!!!", "tea"])
        assert [(match.content, match.score) for match in memory.recall("tea", min_score=0)][1] == ("!!!", 0.0)
        assert [match.score for match in memory.recall("???", min_score=0)] == [0.0, 0.0]
        assert memory.recall("???") == []


def test_a_model_that_knows_no_direction_at_all_is_refused_at_once(open_mem):
    class Zero(HashingEmbeddings):
        def embed_query(self, _text):
            return [0.0] * 4

    memory = open_mem(embeddings=Zero()).client("ada").memory
    with pytest.raises(BackendError, match="embeddings"):
        memory.remember("tea")
    assert memory.list() == []


def test_another_model_is_refused_with_the_two_ways_out(open_mem, tables):
    open_mem().client("ada").memory.remember("tea")
    before = tables()
    for other in (HashingEmbeddings(64), Turned(), Turned("hashing-256")):
        mem = open_mem(embeddings=other)
        memory = mem.client("ada").memory
        for use in (lambda: memory.remember("rye"), lambda: memory.recall("tea")):  # noqa: B023 - called at once
            with pytest.raises(InvalidInputError, match=r"hashing-256.*reindex\(embed=True\)"):
                use()
        assert memory.get("archival").content == "tea"
        memory.append("core", "blocks need no model")
        memory.delete("core")
        assert mem.check().embedder == "hashing-256"
    after = tables()
    assert after["agentmem_archival_line"] == before["agentmem_archival_line"]
    assert after["agentmem_embedder"] == before["agentmem_embedder"]


def test_the_same_model_under_another_name_is_the_same(open_mem):
    open_mem().client("ada").memory.remember("tea")
    mem = open_mem(embeddings=Renamed())
    mem.client("ada").memory.remember("rye")
    assert [match.content for match in mem.client("ada").memory.recall("tea")] == ["tea"]
    assert mem.check().embedder == "hashing-256"


def test_a_model_is_known_by_its_own_name_else_by_its_class(open_mem, tmp_path):
    for embeddings, name in ((Renamed("mine"), "mine"), (Nameless(), "Nameless")):
        mem = open_mem(tmp_path / name, embeddings=embeddings)
        assert mem.check().embedder is None
        mem.client("ada").memory.remember("tea")
        assert mem.check().embedder.endswith(name)


def test_a_store_without_vectors_takes_any_model(open_mem):
    first = open_mem().client("ada").memory
    first.remember("tea")
    first.delete("archival")
    mem = open_mem(embeddings=Turned())
    mem.client("ada").memory.remember("rye")
    assert mem.check().embedder == "turned"
    assert mem.client("ada").memory.recall("rye")[0].content == "rye"


@pytest.mark.parametrize("scan_below", [0, 5_000])
def test_reindex_with_embed_switches_to_another_model(open_mem, tables, scan_below):
    old = open_mem(scan_below=scan_below)
    new = open_mem(embeddings=HashingEmbeddings(64), scan_below=scan_below)
    said = ["Acme renews in March", "The dog is called Tom", "!!!"]
    old.client("ada").memory.remember(said)
    lines = old.client("ada").memory.remember([Line("Likes tea", speaker="Ada")], agent_id="x", source="user")
    old.client("ada").memory.recall("tea")
    block = old.client("ada").memory.get("archival", agent_id="x")
    steps = []

    assert new.reindex(embed=True, progress=lambda done, total: steps.append((done, total))) == 4

    (match,) = new.client("ada").memory.recall("Likes tea", agent_id="x", min_score=0.6, explain=True)
    assert (match.id, match.speaker, match.source) == (lines[0].id, "Ada", "user")
    assert match.explanation.answered_by == ("scan" if scan_below else "chroma")
    assert new.client("ada").memory.get("archival", agent_id="x") == block
    assert (new.check().embedder, new.check().ok) == ("hashing-64", True)
    assert steps[-1][0] == steps[-1][1] >= 4
    assert {len(row[3]) for row in tables()["agentmem_line_chunk"]} == {64 * 4}
    for use in (lambda: old.client("ada").memory.remember("x"), lambda: old.client("ada").memory.recall("tea")):
        with pytest.raises(InvalidInputError, match=r"hashing-64.*reindex\(embed=True\)"):
            use()
    assert old.reindex(embed=True) == 4
    assert old.client("ada").memory.recall("tea", agent_id="x")[0].content == "Likes tea"


class Tiring(HashingEmbeddings):
    """Another model that can be made to fail after some lines; knows which it saw."""

    def __init__(self, after=10**9):
        super().__init__(32)
        self.after = after
        self.seen = []

    def embed_documents(self, texts):
        self.seen += texts
        if len(self.seen) > self.after:
            raise OSError
        return super().embed_documents(texts)


def test_an_interrupted_switch_changes_nothing_and_goes_on_where_it_stopped(open_mem):
    old = open_mem().client("ada").memory
    lines = old.remember([f"line number {number}" for number in range(1_000)])
    tiring = Tiring(after=700)
    new = open_mem(embeddings=tiring)
    with pytest.raises(BackendError):
        new.reindex(embed=True)
    assert len(old.recall("line number 7", limit=50, min_score=0)) == 50
    old.forget_line(lines[3].id)
    old.remember("one more")
    seen = len(tiring.seen)
    tiring.after = 10**9
    tiring.seen.clear()
    assert new.reindex(embed=True) == 1_000
    assert len(tiring.seen) < 1_000 < seen + len(tiring.seen)
    assert new.client("ada").memory.recall("line number 7", limit=50, min_score=0)
    assert new.check().ok


class Together(HashingEmbeddings):
    """Another model that gives two threads their first batch at the same moment."""

    def __init__(self):
        super().__init__(32)
        self._both = threading.Barrier(2, timeout=30)
        self._met = threading.local()

    def embed_documents(self, texts):
        if len(texts) > 1 and not hasattr(self._met, "once"):
            self._met.once = True
            self._both.wait()
        return super().embed_documents(texts)


def test_two_who_reindex_with_embed_at_once_do_it_together(open_mem, tables):
    open_mem().client("ada").memory.remember([f"line number {number}" for number in range(600)])
    new = open_mem(embeddings=Together())
    held = []
    threads = [threading.Thread(target=lambda: held.append(new.reindex(embed=True))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert held == [600, 600]
    assert len(tables()["agentmem_line_chunk"]) == 600
    assert len(tables()["agentmem_embedder"]) == 1
    assert new.check().ok


@pytest.mark.parametrize("when", ["while the vectors are made", "when they are made"])
def test_a_switch_that_another_model_overtook_says_so_and_changes_nothing(open_mem, when):
    open_mem().client("ada").memory.remember(["tea", "rye"])
    winner = open_mem(embeddings=HashingEmbeddings(64))

    class Overtaken(HashingEmbeddings):
        def embed_documents(self, texts):
            if "tea" in texts and when == "while the vectors are made":
                winner.reindex(embed=True)
            return super().embed_documents(texts)

    def progress(_done, _total):
        if when == "when they are made":
            winner.reindex(embed=True)

    with pytest.raises(BackendError, match=r"reindex\(embed=True\) again"):
        open_mem(embeddings=Overtaken(32)).reindex(embed=True, progress=progress)
    assert winner.client("ada").memory.recall("tea")[0].content == "tea"
    assert (winner.check().embedder, winner.check().ok) == ("hashing-64", True)


def test_reindex_with_embed_computes_every_vector_anew_with_the_same_model_too(open_mem):
    class Counting(HashingEmbeddings):
        seen = ()

        def embed_documents(self, texts):
            self.seen = (*self.seen, *texts)
            return super().embed_documents(texts)

    model = Counting()
    mem = open_mem(embeddings=model, scan_below=0)
    memory = mem.client("ada").memory
    memory.remember(["tea", "rye"])
    found = memory.recall("tea")
    model.seen = ()
    assert mem.reindex(embed=True) == 2
    assert {"tea", "rye"} <= set(model.seen)
    assert memory.recall("tea") == found
    assert mem.check().ok


def chunks(tables):
    """How many vectors each line has, by the place of the line."""
    lines = {row[0]: place for place, row in enumerate(tables()["agentmem_archival_line"])}
    held = [(lines[row[0]], row[2]) for row in tables()["agentmem_line_chunk"]]
    return {place: sorted(chunk for owner, chunk in held if owner == place) for place, _ in held}


@pytest.mark.parametrize("scan_below", [0, 5_000])
def test_a_line_longer_than_the_model_reads_is_found_by_each_part_of_it(open_mem, tables, scan_below):
    mem = open_mem(embeddings=ThreeWords(), scan_below=scan_below)
    memory = mem.client("ada").memory
    token = memory.remember(["tea", "rye barley wheat oats"]) and memory.get("archival").updated_at
    memory.update("archival", "tea\nrye barley wheat oats\nmilk honey water wine", expected_updated_at=token)
    assert sorted(chunks(tables).values()) == [[0], [0, 1], [0, 1]]
    for part, line in (
        ("rye barley", "rye barley wheat oats"),
        ("wheat oats", "rye barley wheat oats"),
        ("milk honey", "milk honey water wine"),
        ("water wine", "milk honey water wine"),
    ):
        assert [(match.content, match.semantic) for match in memory.recall(part, min_score=0.6)] == [(line, 1.0)]
    assert len(memory.recall("rye barley wheat oats milk honey", min_score=0)) == 3  # each line once
    assert mem.check().ok


@pytest.mark.parametrize("scan_below", [0, 5_000])
def test_reindex_with_a_model_that_reads_less_gives_a_line_more_vectors(open_mem, tables, scan_below):
    old = open_mem().client("ada").memory
    old.remember(["tea", "rye barley wheat oats"])
    assert sorted(chunks(tables).values()) == [[0], [0]]
    new = open_mem(embeddings=type("Smaller", (ThreeWords,), {"model_name": None})(64), scan_below=scan_below)
    assert new.reindex(embed=True) == 2
    assert sorted(chunks(tables).values()) == [[0], [0, 1]]
    (match,) = new.client("ada").memory.recall("wheat oats", min_score=0.6)
    assert (match.content, match.semantic) == ("rye barley wheat oats", 1.0)
    assert new.check().ok


@pytest.mark.parametrize(
    ("first", "second"), [(HashingEmbeddings, ThreeWords), (ThreeWords, HashingEmbeddings)], ids=["more", "fewer"]
)
def test_a_switch_that_gives_lines_more_or_fewer_vectors_may_be_interrupted(open_mem, first, second):
    class Failing(second):
        def embed_documents(self, texts):
            if any("zebra" in text for text in texts):
                raise OSError
            return super().embed_documents(texts)

    old = open_mem(embeddings=first(), scan_below=0)
    memory = old.client("ada").memory
    (gone, *_) = memory.remember([f"rye barley wheat oats{number}" for number in range(256)])
    memory.remember("zebra")
    memory.recall("rye")
    with pytest.raises(BackendError):
        open_mem(embeddings=Failing(64)).reindex(embed=True)
    assert old.check().ok
    memory.forget_line(gone.id)
    memory.recall("rye")
    assert not [key for key, _ in old._container.index.stored() if key.startswith(gone.id)]  # noqa: SLF001 - nothing public shows its keys
    assert old.check().ok
    assert old.reindex() == 256
    assert open_mem(embeddings=second(64)).reindex(embed=True) == 256
    assert open_mem(embeddings=second(64)).check().ok


def test_a_tokenizer_that_fails_is_a_backend_error(open_mem):
    class Broken(ThreeWords):
        def count_word_pieces(self, _texts):
            raise OSError

    memory = open_mem(embeddings=Broken()).client("ada").memory
    with pytest.raises(BackendError, match="embeddings"):
        memory.remember("tea")
    assert memory.list() == []


def test_the_default_model_finds_by_meaning_also_at_the_end_of_a_long_line(open_mem):
    mem = open_mem(embeddings=default_embeddings())
    memory = mem.client("ada").memory
    memory.remember(["Acme's contract renews in March", "The dog is called Tom", "I am allergic to peanuts"])
    assert memory.recall("When does the agreement with Acme end?")[0].content.startswith("Acme")
    assert memory.recall("What is my pet's name?")[0].content.endswith("Tom")
    assert memory.recall("quantum chromodynamics lattice") == []
    assert mem.check().embedder == "sentence-transformers/all-MiniLM-L6-v2"

    (long,) = memory.remember("We walked to the harbour again. " * 100 + "The ferry to Oslo leaves at nine. " * 8)
    assert memory.recall("When does the ferry to Oslo leave?")[0].id == long.id
