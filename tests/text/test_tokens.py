"""Tokens: each option of splitting, what is folded, and which characters are parts of a word."""

import sys
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmem.text.tokens import Splitting, fold, is_unspaced, normalize, pairs, tokens, unaccent

PLAIN = Splitting()
ANYTHING = st.text(alphabet=st.characters(exclude_categories=[]))


def split(text, **options):
    return tokens(normalize(text), replace(PLAIN, **options))


@pytest.mark.parametrize(
    ("apostrophes", "expected"),
    [
        ("joined", ["ada", "doesnt", "see", "lété"]),
        ("split", ["ada", "s", "doesn", "t", "see", "l", "été"]),
        ("negating", ["ada", "s", "does", "not", "see", "l", "été"]),
    ],
)
@pytest.mark.parametrize("written", ["Ada's doesn't see l'été", "ADA’S DOESN’T SEE L’ÉTÉ"])
def test_an_apostrophe_joins_parts_or_negates(apostrophes, expected, written):
    assert split(written, apostrophes=apostrophes) == expected


@pytest.mark.parametrize(
    ("accents", "expected"),
    [("kept", ["café", "i", "stanbul", "ك", "تب", "x", "y"]), ("folded", ["cafe", "istanbul", "كتب", "xy"])],
)
def test_an_accent_is_kept_for_a_stemmer_or_folded_before_it_parts_a_word(accents, expected):
    assert split("CAFÉ İstanbul كَتب x\u0301y", accents=accents) == expected


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ("in words", ["4gb", "4", "5", "2026", "03", "14", "ab", "1234", "क१२"]),
        ("whole", ["4", "gb", "4.5", "2026-03-14", "ab", "1234", "क", "१२"]),
    ],
)
def test_a_number_is_a_part_of_a_word_or_whole(numbers, expected):
    assert split("4GB, 4.5; 2026\u201103-14 AB-1234 क१२", numbers=numbers) == expected


@pytest.mark.parametrize(
    ("unspaced", "expected"),
    [("runs", ["北京烤鸭", "ไป", "abc"]), ("characters", ["北", "京", "烤", "鸭", "ไ", "ป", "abc"])],
)
def test_a_script_without_spaces_is_taken_in_runs_or_by_character(unspaced, expected):
    assert split("北京烤鸭 ไปabc", unspaced=unspaced) == expected


def test_the_signs_of_indic_scripts_are_parts_of_their_words():
    assert split("किताब தமிழ்", accents="folded") == ["किताब", "தமிழ"]


@pytest.mark.parametrize(("run", "expected"), [("北", ["北"]), ("北京", ["北京"]), ("北京烤", ["北京", "京烤"])])
def test_a_run_becomes_pairs_that_overlap(run, expected):
    assert list(pairs(run)) == expected


@pytest.mark.parametrize(
    ("token", "expected"), [("北", True), ("ไป", True), ("", False), ("tea", False), ("чай", False)]
)
def test_what_is_written_without_spaces_is_known_by_its_first_character(token, expected):
    assert is_unspaced(token) is expected


def test_of_every_character_that_letters_are_folded_to_the_marks_alone_are_gone():
    for code in range(sys.maxunicode + 1):
        char = chr(code)
        parts = unicodedata.normalize("NFKD", char) if char < "\u3000" else char
        kept = "".join(part for part in parts if char >= "\u3000" or not unicodedata.combining(part))
        assert unaccent(f"é{char}") == f"e{kept}"


@given(ANYTHING)
def test_no_text_is_refused_and_folding_twice_changes_nothing_more_of_its_accents(text):
    assert unaccent(fold(text)) == fold(text)
    split(text, accents="folded", apostrophes="negating", numbers="whole", unspaced="characters")


def test_kana_and_hangul_keep_what_their_characters_are_made_of():
    assert fold("ガé서A") == "ガe서a"
