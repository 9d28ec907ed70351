"""Two sentences say the same if the same words carry them, and a proposal's words are traced to who said them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmem.text.overlap import Vocabulary, alike, content_terms, copied, passages, plain, tokens


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Caller prefers weekday mornings.", "The customer wants weekday mornings"),
        ("Caller prefers weekday mornings for support calls", "Caller prefers support calls on weekday mornings"),
        ("Caller's dog is called Rex", "caller’s dog is called REX!"),
        ("Caller moved to Ålesund", "Caller moves to Alesund"),
        ("発信者は朝が好き", "発信者は、朝が好き。"),
        ("Caller doesn't eat meat", "Caller does not eat meat"),
        ("CALLER DOESN'T EAT MEAT", "Caller does not eat meat"),
        ("Caller wants a call (2025\u201307\u201325)", "Caller wants a call (2025-07-25)"),
        ("Caller moved to İstanbul", "Caller moved to Istanbul"),
        ("يحب الكِتَاب", "يحب الكتاب"),
        ("Caller has 4GB", "Caller has 4 GB"),
    ],
)
def test_sentences_with_the_same_carrying_words_are_alike(one, other):
    assert alike(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Caller likes tea", "Caller does not like tea"),
        ("Caller prefers weekday mornings", "Caller prefers weekday afternoons"),
        ("Caller's renewal is in March", "Caller's renewal is in May"),
        ("Caller has 2 dogs", "Caller has 3 dogs"),
        ("Caller wants a call (2025-07-25)", "Caller wants a call (2025-08-01)"),
        ("Caller wants fast internet", "Caller wants international calls"),
        ("朝が夜より好き", "夜が朝より好き"),
        ("Caller pays 4.5, and 6", "Caller pays 5, and 4.6"),
        ("उसे फूल पसंद हैं", "उसे फल पसंद हैं"),
        ("ชอบกินข้าว", "ชอบกันข้าว"),
        ("Caller moves from Oslo to Bergen", "Caller moves from Bergen to Oslo"),
        ("Caller wants tea, not coffee", "Caller wants coffee, not tea"),
    ],
)
def test_sentences_that_differ_in_one_word_that_matters_are_not_alike(one, other):
    assert not alike(one, other)


@pytest.mark.parametrize(
    "same", ["ada likes tea", "Ada  likes\tTEA.", 'Ada "likes" tea!!', "Ada likes, tea", "ADA LIKES TEA…"]
)
def test_case_spaces_and_the_punctuation_of_sentences_say_nothing(same):
    assert plain(same) == plain("Ada likes tea")


@pytest.mark.parametrize(
    "other", ["Ada liked tea", "Ada likes tea?", "Ada likes tea++", "Ada likes -tea", "his tea", "Ada likes tea 🙂"]
)
def test_endings_signs_and_little_words_say_something(other):
    assert plain(other) != plain("Ada likes tea")


def test_a_date_carries_nothing_and_every_other_number_does():
    assert content_terms("Caller pays 4.5 in 2026 (2025-07-25, 2025-07)") == {"pay", "4.5", "2026"}


@given(st.text())
def test_folding_what_is_folded_changes_nothing(text):
    words = tokens(text)
    assert tokens(" ".join(words)) == words


def test_a_long_number_is_the_same_however_it_is_grouped_and_with_or_without_its_country():
    said = Vocabulary.of(["call me at (415) 555-0192"])
    assert "14155550192" in said
    assert "14155550193" not in said


def test_a_long_text_is_looked_at_in_overlapping_passages():
    text = " ".join(f"word{number}" for number in range(100))
    found = passages([text, "short"])
    assert len(found) == 5
    assert all(any({f"word{n}", f"word{n + 1}"} for one in found) for n in range(99))


CLAIM = content_terms("Caller pays invoices through Acme Bank in Oslo")


def gave(own="", read_out="", others=()):
    return copied(CLAIM, own=Vocabulary.of([own]), read_out=Vocabulary.of([read_out]), others=passages(others))


@pytest.mark.parametrize(
    ("own", "others", "expected"),
    [
        ("I pay invoices through Acme Bank in Oslo", ["pay invoices through Acme Bank in Oslo"], False),
        ("I pay invoices", ["Acme Bank Oslo"], True),
        ("I pay my invoices at Acme", ["Bank, Oslo"], False),
        ("I pay invoices", ["Acme Bank"], False),
        ("", ["Acme"], True),
        ("", [], False),
    ],
)
def test_words_are_taken_when_more_come_from_one_other_place_than_from_the_turns(own, others, expected):
    assert gave(own, others=others) is expected


def test_words_scattered_over_a_long_text_are_no_source():
    near, far = (f"Acme {filler}Bank {filler}Oslo" for filler in ("filler " * 5, "filler " * 60))
    assert gave("I pay invoices", others=[near])
    assert not gave("I pay invoices", others=[far])


def test_what_the_assistant_reads_out_is_not_its_own():
    assert not gave("yes", read_out="You pay invoices through Acme Bank in Oslo?")
    assert gave(
        "yes", read_out="You pay invoices through Acme Bank in Oslo?", others=["invoices through Acme Bank in Oslo"]
    )
