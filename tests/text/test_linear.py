"""However hostile a text is, reading it takes steps in proportion to its length, and finds what slower ways find.

A text here is so long that a way whose steps grow with the square of it would not come back before the test is ended.
"""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmem.text import credentials
from agentmem.text.secrets import secrets

PEM = re.compile(
    r"-----\s?BEGIN [A-Z0-9 ]{1,60}-----(?:[\s\S]{0,20000}?-----\s?END [A-Z0-9 ]{1,60}-----|[\sA-Za-z0-9+/=\\]*)",
    re.IGNORECASE,
)
WORDS = re.compile(r"(?:[A-Z]?[a-z]*\d{0,4}|\d+)(?:[./_~-]+(?:[A-Z]?[a-z]*\d{0,4}|\d+))*")

LINES = [
    "-----BEGIN A-----",
    "----- BEGIN B C-----",
    "-----END A-----",
    "-----\nEND A-----",
    "-----",
    "x",
    " ",
    "!",
    "-",
]


@given(st.lists(st.sampled_from([*LINES, "y" * 19_990]), max_size=10).map("".join))
def test_a_key_between_two_lines_is_found_as_one_pattern_for_all_of_it_finds_it(text):
    found = credentials._pems(text)  # noqa: SLF001 - the others find parts of keys too

    assert list(found) == [one.span() for one in PEM.finditer(text)]


@given(st.text(alphabet="Aa1-/b2Z", max_size=12))
def test_a_token_of_words_and_small_numbers_is_one_as_a_pattern_that_goes_back_says(text):
    words = credentials._WORDS  # noqa: SLF001 - in a text it is one of several reasons

    assert (words.fullmatch(text) is None) == (WORDS.fullmatch(text) is None)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("begin", "again", "end"),
    [
        ("", "<core_memory>", ""),
        ("", "-----BEGIN A-----", ""),
        ("", "pass:", ""),
        ("", 'pass="', ""),
        ("", "bearer:", "a"),
        ("", "eyJaaaaaaaa", ""),
        ("", "password for a ", ""),
        ("password is", " ", "the"),
        ("password", "\t", "="),
        ("pin", "\n", "x"),
        ("pin ", "is ", "x"),
        ("my token a", "-", "aAB1x aB"),
        ("my token a", "-1", "-ZZ1x"),
    ],
)
def test_three_hundred_thousand_hostile_characters_are_searched_for_secrets(begin, again, end):
    secrets(begin + again * (300_000 // len(again)) + end)
