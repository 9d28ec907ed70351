"""A text that is too long, cut into windows."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmem.windows import windows


def words(text):
    return len(text.split())


def test_a_text_that_fits_is_its_own_window():
    assert windows(" a b c ", limit=3, count=words) == [" a b c "]


@given(st.text(alphabet="abé .!\n契。", max_size=300), st.integers(1, 40), st.sampled_from([len, words]))
def test_every_window_fits_and_is_a_piece_of_the_text(text, limit, count):
    cut = windows(text, limit=limit, count=count)
    assert all(count(window) <= limit and window in text for window in cut)
    assert cut


@given(st.integers(1, 2_000), st.integers(1, 300))
def test_together_the_windows_are_the_text(length, limit):
    text = "".join(chr(0x4E00 + place) for place in range(length))
    cut = windows(text, limit=limit, count=len)
    begins = [text.index(window) for window in cut]
    ends = [begin + len(window) for begin, window in zip(begins, cut, strict=True)]
    assert (begins[0], ends[-1]) == (0, length)
    assert all(begin <= end for (_, end), (begin, _) in pairwise(zip(begins, ends, strict=True)))


@pytest.mark.parametrize("length", [3_000, 8_000])
def test_each_window_begins_with_the_end_of_the_one_before_it(length):
    text = "".join(chr(0x4E00 + place) for place in range(length))
    cut = windows(text, limit=256, count=len)
    assert all(len(set(one) & set(after)) >= 16 for one, after in pairwise(cut))
    assert len(cut) <= 2 * length / 256


def test_windows_end_after_a_sentence_or_else_after_a_word():
    sentences = "".join(f"This is sentence number {number}. " for number in range(100))
    assert {window[-2:] for window in windows(sentences, limit=256, count=words)[:-1]} == {". "}
    plain = " ".join(f"word{number:03}" for number in range(900))
    cut = windows(plain, limit=256, count=words)
    assert len(cut) > 3
    assert all(len(word) == 7 for window in cut for word in window.split())


def test_no_window_is_blank_unless_the_text_is():
    cut = windows("a" + " " * 500 + "b", limit=10, count=len)
    assert [window.strip() for window in cut] == ["a", "b"]
    assert len(windows(" " * 500, limit=10, count=len)) == 1


def test_one_character_that_does_not_fit_is_left_as_it_is():
    assert windows("ab", limit=1, count=lambda text: 3 * len(text)) == ["a", "b"]
