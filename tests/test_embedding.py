"""An `Embeddings` as the store uses it: chunks of lines, queries that are kept, errors of our tree."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from agentmem import BackendError
from agentmem.embedding import Embedder, default_embeddings
from agentmem.testing import HashingEmbeddings


class Asked(HashingEmbeddings):
    """Keeps what it was asked."""

    def __init__(self):
        super().__init__(64)
        self.documents = []
        self.queries = []

    def embed_documents(self, texts):
        self.documents.append(list(texts))
        return [HashingEmbeddings.embed_query(self, text) for text in texts]

    def embed_query(self, text):
        self.queries.append(text)
        return super().embed_query(text)


class Measuring(Asked):
    """A model that reads eight words of a text, and knows it."""

    max_word_pieces = 8

    def __init__(self):
        super().__init__()
        self.counted = []

    def count_word_pieces(self, texts):
        self.counted += texts
        return [len(text.split()) for text in texts]


def numbered(count):
    return " ".join(f"word{number}" for number in range(count))


def test_a_query_asked_again_costs_nothing():
    model = Asked()
    embedder = Embedder(model)
    first = embedder.embed_query("tea")
    assert embedder.embed_query("tea") is first
    assert not np.array_equal(embedder.embed_query("rye"), first)
    assert model.queries == ["tea", "rye"]


def test_the_vector_of_a_query_cannot_be_written_to():
    with pytest.raises(ValueError, match="read-only"):
        Embedder(Asked()).embed_query("tea")[0] = 1


def test_a_thousand_queries_are_kept_and_the_oldest_goes_first():
    model = Asked()
    embedder = Embedder(model)
    for number in range(1_001):
        embedder.embed_query(str(number))
    for number in range(1_000, -1, -1):
        embedder.embed_query(str(number))
    assert model.queries[1_001:] == ["0"]


def test_only_the_beginning_of_a_very_long_query_is_read_and_kept():
    model = Asked()
    embedder = Embedder(model)
    assert embedder.embed_query("a" * 9_000) is embedder.embed_query("a" * 8_000)
    assert model.queries == ["a" * 8_000]


def test_a_query_that_failed_is_asked_again():
    class Recovering(Asked):
        failing = True

        def embed_query(self, text):
            if self.failing:
                raise OSError
            return super().embed_query(text)

    model = Recovering()
    embedder = Embedder(model)
    with pytest.raises(BackendError, match="embeddings"):
        embedder.embed_query("tea")
    model.failing = False
    assert embedder.embed_query("tea").any()


def test_threads_share_the_queries():
    embedder = Embedder(Asked())
    with ThreadPoolExecutor(4) as threads:
        vectors = list(threads.map(embedder.embed_query, ["tea", "rye"] * 200))
    assert all(np.array_equal(vector, vectors[place % 2]) for place, vector in enumerate(vectors))


def test_without_a_measure_every_line_has_one_vector():
    lines = ["tea", numbered(500), ""]
    embedded = Embedder(Asked()).embed_lines(lines)
    assert [vectors.shape for vectors in embedded] == [(1, 64)] * 3


def test_no_lines_have_no_vectors():
    assert Embedder(Measuring()).embed_lines([]) == []


def test_a_model_is_asked_for_256_chunks_at_a_time():
    model = Asked()
    embedder = Embedder(model)
    embedder.probe()
    lines = [f"word{number}" for number in range(600)]
    embedded = embedder.embed_lines(lines)
    assert model.documents[1:] == [lines[:256], lines[256:512], lines[512:]]
    assert all(np.array_equal(own[0], embedder.embed_query(line)) for own, line in zip(embedded, lines, strict=True))


def test_the_windows_of_one_line_may_be_asked_for_in_several_turns():
    model = Measuring()
    embedder = Embedder(model)
    embedder.probe()
    short, long, last = embedder.embed_lines(["tea", numbered(2_000), "rye"])
    asked = model.documents[1:]
    assert len(asked) > 1
    assert all(len(texts) <= 256 for texts in asked)
    spoken = [text for texts in asked for text in texts]
    assert [len(short), len(long), len(last)] == [1, len(spoken) - 2, 1]
    for text, vector in zip(spoken, [*short, *long, *last], strict=True):
        assert np.array_equal(vector, embedder.embed_query(text))


def test_a_model_whose_vectors_change_their_length_is_a_backend_error():
    class Growing(HashingEmbeddings):
        def embed_documents(self, texts):
            return [[1.0] * (4 if "late" in texts else 3) for _ in texts]

    embedder = Embedder(Growing(3))
    assert len(embedder.embed_lines(["tea"] * 300)) == 300
    with pytest.raises(BackendError, match="embeddings: the model gives vectors of 3 numbers, and then of 4"):
        embedder.embed_lines([*["tea"] * 300, "late"])


def test_a_line_longer_than_is_read_has_a_vector_for_each_of_its_windows():
    model = Measuring()
    embedder = Embedder(model)
    short, long, last = embedder.embed_lines(["tea", numbered(50), "rye"])
    (asked, *_) = model.documents
    assert (asked[0], asked[-1]) == ("tea", "rye")
    assert set(" ".join(asked[1:-1]).split()) == set(numbered(50).split())
    assert all(len(text.split()) <= 8 for text in asked)
    assert [len(short), len(long), len(last)] == [1, len(asked) - 2, 1]
    assert np.allclose(np.linalg.norm(long, axis=1), 1)
    for text, vector in zip(asked, [*short, *long, *last], strict=True):
        assert np.allclose(vector, embedder.embed_query(text))


def test_a_line_too_short_to_be_overlong_is_not_counted():
    model = Measuring()
    Embedder(model).embed_lines(["abcdef", "abcdefg", "é" * 3, "é" * 4])
    assert model.counted == ["abcdefg", "é" * 4]


def test_a_tokenizer_that_fails_is_a_backend_error():
    class Broken(Measuring):
        def count_word_pieces(self, _texts):
            raise OSError

    with pytest.raises(BackendError, match="embeddings") as caught:
        Embedder(Broken()).embed_lines([numbered(50)])
    assert isinstance(caught.value.__cause__, OSError)


def test_a_tokenizer_that_answers_nothing_is_a_backend_error():
    class Silent(Measuring):
        def count_word_pieces(self, _texts):
            return []

    with pytest.raises(BackendError, match="embeddings"):
        Embedder(Silent()).embed_lines([numbered(50)])


def test_the_default_model_reads_all_of_a_long_line():
    embedder = Embedder(default_embeddings())
    filler = "The weather report was read aloud once more and nobody listened. " * 60
    (vectors,) = embedder.embed_lines([f"{filler}Zoë is allergic to peanuts."])
    scores = vectors @ embedder.embed_query("Who must not eat peanuts?")
    assert scores.argmax() == len(vectors) - 1
    assert scores[-1] > scores[:-1].max() + 0.05


def test_the_default_model_takes_a_line_without_any_border():
    unknown, written = Embedder(default_embeddings()).embed_lines(["x" * 8_000, "契" * 2_000])
    assert unknown.shape == (1, 384)  # one word that it does not know
    assert 8 <= len(written) <= 16


def test_a_process_has_one_default_model():
    assert default_embeddings() is default_embeddings()
