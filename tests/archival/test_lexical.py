"""The word score against one worked out term by term, line by line."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmem.archival.search.bm25 import NO_POSTINGS, asked_terms, lexical
from agentmem.archival.search.columns import following_of
from agentmem.text.bags import pack

WORDS = ["tea", "rye", "oslo", "dog", "boat"]
lines = st.lists(st.tuples(st.sampled_from([-1, 0, 1]), st.lists(st.sampled_from(WORDS), max_size=40)), max_size=12)


def postings_of(scope):
    following = following_of(np.array([conversation for conversation, _ in scope], np.int32))
    return NO_POSTINGS.extended([pack(words) for _, words in scope], following)


def by_hand(scope, query):
    """The formula of `docs/recall.md`, without arrays."""
    own = [len(words) for _, words in scope]
    share = [min(1, 30 / max(length, 1)) for length in own]
    before = []
    for row, (conversation, _) in enumerate(scope):
        same = [other for other in range(row) if conversation >= 0 and scope[other][0] == conversation]
        before.append(same[-1:-3:-1])

    def mixed(values):
        return [
            value + sum(weight * share[row] * values[other] for weight, other in zip((0.6, 0.36), before[row]))  # noqa: B905 - there may be fewer lines before
            for row, value in enumerate(values)
        ]

    lengths = mixed(own)
    mean = max(sum(lengths) / len(lengths), 1) if lengths else 1
    total, scores = 0.0, [0.0] * len(scope)
    for term in query:
        amounts = mixed([words.count(term) for _, words in scope])
        known = sum(amount > 0 for amount in amounts)
        weight = math.log(1 + (len(scope) + 100 - known + 0.5) / (known + 0.5))
        total += weight
        for row, amount in enumerate(amounts):
            scores[row] += weight * amount / (amount + 0.9 * (0.6 + 0.4 * lengths[row] / mean))
    return [score / total if total else 0.0 for score in scores]


@given(lines, st.lists(st.sampled_from([*WORDS, "nowhere"]), unique=True, max_size=4))
def test_the_score_is_what_the_formula_gives(scope, query):
    postings = postings_of(scope)
    scores = lexical(postings, asked_terms(postings, [(term,) for term in query]))
    assert scores.tolist() == pytest.approx(by_hand(scope, query), abs=1e-12)
    assert all(0 <= score <= 1 for score in scores)


@given(lines, st.integers(0, 12))
def test_lines_added_later_give_the_postings_that_all_at_once_would(scope, first):
    whole = postings_of(scope)
    begun = postings_of(scope[:first])
    rest = [pack(words) for _, words in scope[first:]]
    extended = begun.extended(rest, following_of(np.array([conversation for conversation, _ in scope], np.int32)))
    for name in ("terms", "rows", "counts", "takers", "shares", "normalisation"):
        assert np.array_equal(getattr(extended, name), getattr(whole, name)), name


def test_a_word_that_is_nowhere_lowers_the_score():
    postings = postings_of([(-1, ["tea"]), (-1, ["dog"])])
    known = lexical(postings, asked_terms(postings, [("tea",)]))
    mixed = lexical(postings, asked_terms(postings, [("tea",), ("nowhere",)]))
    assert mixed[0] < known[0] / 2 + 0.01


def test_what_was_said_before_counts_and_what_is_said_after_does_not():
    postings = postings_of([(0, ["dog"]), (0, ["tea"]), (0, ["rye"]), (0, ["oslo"]), (0, ["boat"])])
    scores = lexical(postings, asked_terms(postings, [("tea",)]))
    assert scores[1] > scores[2] > scores[3] > 0
    assert scores[0] == scores[4] == 0


def test_another_conversation_is_no_context():
    postings = postings_of([(0, ["tea"]), (1, ["rye"]), (-1, ["oslo"]), (-1, ["boat"])])
    assert lexical(postings, asked_terms(postings, [("tea",)])).tolist()[1:] == [0, 0, 0]


def test_an_identifier_is_in_a_line_in_one_piece_or_in_all_of_its_parts():
    scope = [["ab1234", "ab", "12", "34"], ["ab", "ab", "12", "34"], ["ab", "12"], ["34"], ["ab1234", "ab1234"]]
    postings = postings_of([(-1, words) for words in scope])
    (asked,) = asked_terms(postings, [("ab1234", "ab", "12", "34")])
    assert [asked.own.at(row) for row in range(5)] == [1, 1, 0, 0, 2]
    assert asked.own.rows.tolist() == [0, 1, 4]


def test_what_a_long_question_takes_grows_with_what_is_found_and_not_with_the_scope():
    postings = postings_of([(-1, ["tea"])] * 1_000)
    asked = asked_terms(postings, [("tea",), *((f"absent{number}",) for number in range(400))])
    assert sum(len(one.amount.values) for one in asked) == 1_000


def test_nothing_asked_and_nothing_there_score_nothing():
    assert lexical(NO_POSTINGS, asked_terms(NO_POSTINGS, [("tea",)])).tolist() == []
    assert lexical(postings_of([(-1, ["tea"])]), []).tolist() == [0]
