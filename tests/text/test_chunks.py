"""A text that is too long, cut into chunks."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmem.text.chunks import chunks, halves


def words(text):
    return len(text.split())


def test_a_text_that_fits_is_its_own_chunk():
    assert chunks(" a b c ", limit=3, count=words) == [" a b c "]


@given(st.text(alphabet="abé .!\n契。", max_size=300), st.integers(1, 40), st.sampled_from([len, words]))
def test_every_chunk_fits_and_is_a_piece_of_the_text(text, limit, count):
    cut = chunks(text, limit=limit, count=count)
    assert all(count(chunk) <= limit and chunk in text for chunk in cut)
    assert cut


@given(st.integers(1, 2_000), st.integers(1, 300))
def test_together_the_chunks_are_the_text(length, limit):
    text = "".join(chr(0x4E00 + place) for place in range(length))
    cut = chunks(text, limit=limit, count=len)
    begins = [text.index(chunk) for chunk in cut]
    ends = [begin + len(chunk) for begin, chunk in zip(begins, cut, strict=True)]
    assert (begins[0], ends[-1]) == (0, length)
    assert all(begin <= end for (_, end), (begin, _) in pairwise(zip(begins, ends, strict=True)))


@pytest.mark.parametrize("length", [3_000, 8_000])
def test_each_chunk_begins_with_the_end_of_the_one_before_it(length):
    text = "".join(chr(0x4E00 + place) for place in range(length))
    cut = chunks(text, limit=256, count=len)
    assert all(len(set(one) & set(after)) >= 16 for one, after in pairwise(cut))
    assert len(cut) <= 2 * length / 256


def test_chunks_end_after_a_sentence_or_else_after_a_word():
    sentences = "".join(f"This is sentence number {number}. " for number in range(100))
    assert {chunk[-2:] for chunk in chunks(sentences, limit=256, count=words)[:-1]} == {". "}
    plain = " ".join(f"word{number:03}" for number in range(900))
    cut = chunks(plain, limit=256, count=words)
    assert len(cut) > 3
    assert all(len(word) == 7 for chunk in cut for word in chunk.split())


def test_no_chunk_is_blank_unless_the_text_is():
    cut = chunks("a" + " " * 500 + "b", limit=10, count=len)
    assert [chunk.strip() for chunk in cut] == ["a", "b"]
    assert len(chunks(" " * 500, limit=10, count=len)) == 1


def test_one_character_that_does_not_fit_is_left_as_it_is():
    assert chunks("ab", limit=1, count=lambda text: 3 * len(text)) == ["a", "b"]


@given(st.text(alphabet="abé \n契。", max_size=300), st.integers(1, 40))
def test_halves_fit_and_lose_and_repeat_no_word(text, limit):
    parts = halves(text, limit=limit, count=len)
    assert all(len(part) <= limit for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (12, ["hi there you"]),
        (11, ["hi", "there you"]),
        (8, ["hi", "there", "you"]),
        (2, ["hi", "th", "e", "re", "y", "ou"]),
    ],
)
def test_a_text_is_halved_between_words_and_within_one_only_if_it_must(limit, expected):
    assert halves("hi there you", limit=limit, count=len) == expected
