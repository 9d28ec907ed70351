"""From similarities and words to an order: the pure half of recall, on columns made by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmem.archival.index.vectors import ID
from agentmem.archival.search import scoring
from agentmem.archival.search.bm25 import NO_POSTINGS
from agentmem.archival.search.columns import Columns, following_of
from agentmem.archival.search.ranking import Compared, Question, by_word, ranked, reachable, reading
from agentmem.embedding import similarities
from agentmem.text.analyzer import Analyzer

ENGLISH = Analyzer("english")
DAY = 86_400_000_000
FIGURE = st.integers(0, 10**6).map(lambda figure: figure / 10**6)
FIGURES = st.lists(FIGURE, max_size=20)


def columns(*lines, speakers=("Ada", "Bo")):
    """Columns of `(content, speaker, conversation)`, the two as numbers; ids and moments ascend."""
    count = len(lines)
    speaker, conversation = (np.array([line[part] for line in lines], np.int32) for part in (1, 2))
    bags = [
        ENGLISH.bag(content, speaker=speakers[who] if who >= 0 else None, occurred_at=None) for content, who, _ in lines
    ]
    return Columns(
        seq=1,
        ids=np.array([f"{number:032d}" for number in range(count)], ID),
        moments=np.arange(count, dtype=np.int64) * DAY,
        updated=np.arange(count, dtype=np.int64) * DAY,
        confidence=np.ones(count),
        source=np.full(count, "user"),
        speaker=speaker,
        conversation=conversation,
        speakers=speakers,
        conversations=("a", "b"),
        postings=NO_POSTINGS.extended(bags, following_of(conversation)),
    )


def asked(text, **options):
    return Question(ENGLISH.question(text), **{"now": 0, **options})


def ranking_of(scope, text, semantic, **options):
    compared = Compared(np.arange(len(scope), dtype=np.int32), np.array(semantic), "scan")
    return ranking(scope, text, compared, np.ones(len(scope), np.bool_), **options)


def ranking(scope, text, compared, allowed, **options):
    question = asked(text, **options)
    speaker = reading(text, scope, ENGLISH).speaker
    return ranked(scope, question, by_word(scope, question), compared, speaker=speaker, allowed=allowed)


def in_order(found, min_score):
    return [place for places in found.in_order(min_score) for place in places.tolist()]


def scores_of(semantic, lexical):
    return scoring.scores(np.array(semantic), lexical)


@given(FIGURE, FIGURE)
def test_a_score_is_the_two_parts_in_one_and_at_least_half_of_the_meaning(semantic, lexical):
    score = float(scores_of([semantic], np.array([lexical]))[0])
    assert score == pytest.approx(max(0.3 * semantic + 0.7 * lexical, semantic / 2), abs=6e-7)
    assert 0 <= score <= 1


@given(FIGURE, FIGURE)
def test_in_the_order_meaning_says_more_than_in_the_score(semantic, lexical):
    answer = float(scoring.answers(np.array([semantic]), np.array([lexical]))[0])
    assert answer == pytest.approx(0.38 * semantic + 0.62 * lexical, abs=6e-7)
    assert 0 <= answer <= 1


@given(st.integers(0, 5_000), st.booleans())
def test_a_line_that_asks_is_put_back_the_less_the_more_it_says(length, asks):
    (taken,) = scoring.question(np.array([asks]), np.array([length], np.int32))
    assert taken == pytest.approx(-0.1 * min(1, 10 / max(length, 1)) if asks else 0)


@pytest.mark.parametrize(
    ("line", "taken"),
    [
        ("tea?", -0.1),
        ("a b c d e f g h i?", -0.1),  # "a" and "i" are stop words; with Ada and the mark these are nine
        ("tea rye oats milk salt rice corn peas?", -0.1),  # ten
        ("tea rye oats milk salt rice corn peas, tea rye oats milk salt rice corn peas, tea rye?", -0.05),  # twenty
        ("我们昨天在奥斯陆的码头旁边吃了北京烤鸭和一碗汤?", -1 / 24),  # 22 pairs of characters, Ada and the mark
        ("tea", 0),
    ],
)
def test_the_length_of_a_line_that_asks_is_that_of_its_terms_in_any_script(line, taken):
    assert ranking_of(columns((line, 0, -1)), "tea", [0.5]).boosts.question.tolist() == pytest.approx([taken])


@given(st.lists(st.tuples(FIGURE, st.integers(-1, 2)), max_size=20))
def test_a_conversation_is_as_good_as_its_three_best_lines(lines):
    answers, conversation = np.array([line[0] for line in lines]), np.array([line[1] for line in lines], np.int32)
    best = scoring.best_of_conversation(answers, conversation).tolist()
    for (answer, own), found in zip(lines, best, strict=True):
        same = sorted((other for other, theirs in lines if theirs == own), reverse=True)[:3]
        assert found == pytest.approx(answer if own < 0 else sum(same) / len(same))


@given(st.lists(st.integers(-10_000, 10_000), max_size=10), st.sampled_from([0.5, 1, 30, 365]))
def test_what_is_a_half_life_older_counts_for_half_and_nothing_is_newer_than_now(days, half_life_days):
    moments = np.array(days, np.int64) * DAY
    counted = scoring.recency(moments, 0, half_life_days)
    assert counted.tolist() == pytest.approx([0.5 ** (max(0, -day) / half_life_days) for day in days])
    older = scoring.recency(moments - int(half_life_days * DAY), 0, half_life_days)
    past = moments <= 0
    assert older[past].tolist() == pytest.approx((counted[past] / 2).tolist())


def test_a_line_is_as_similar_whichever_lines_are_compared_beside_it():
    generator = np.random.default_rng(7)
    matrix = generator.normal(size=(257, 96)).astype(np.float32)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    query = matrix[3].copy()
    together = similarities(matrix, query)
    assert together[3] == 1.0
    assert together.min() == 0.0
    assert together.tolist() == [float(similarities(row[None], query)[0]) for row in matrix]


def test_every_boost_is_told_and_the_rank_is_their_sum():
    scope = columns(("Ada is asked: tea?", 0, 0), ("tea", 0, 0), ("rye", 1, -1))
    found = ranking_of(scope, "Does Ada drink tea?", [0.5, 1.0, 0.25], now=3 * DAY, half_life_days=1)
    for place, (speaker, asks, recency) in enumerate([(0.08, -0.1, 0.0125), (0.08, 0, 0.025), (0, 0, 0.05)]):
        told = found.explanation(place)
        assert (told.speaker_boost, told.question_boost) == (speaker, asks)
        assert told.recency_boost == pytest.approx(recency)
        boosts = told.speaker_boost + told.conversation_boost + told.question_boost + told.recency_boost
        assert told.rank == pytest.approx(0.38 * told.semantic + 0.62 * told.lexical + boosts, abs=1e-6)
    assert found.explanation(0).conversation_boost == found.explanation(1).conversation_boost > 0
    assert found.explanation(2).conversation_boost == pytest.approx(0.4 * 0.38 * 0.25)


def test_nothing_but_the_two_parts_moves_the_score():
    plain = columns(("tea", -1, -1), ("tea rye", -1, -1), ("dog", -1, -1))
    moved = columns(("tea", 0, -1), ("tea rye", -1, -1), ("dog", -1, -1))
    semantic = [0.2, 0.4, 0.6]
    before = ranking_of(plain, "tea, rye", semantic)
    aged = ranking_of(plain, "tea, rye", semantic, half_life_days=1)
    assert before.score.tolist() == aged.score.tolist()
    assert np.all(aged.rank > before.rank)
    named = ranking_of(moved, "tea, rye, Ada", semantic)
    assert named.score.tolist() == scores_of(semantic, named.lexical).tolist()
    assert named.boosts.speaker.tolist() == [0.08, 0, 0]


def test_a_question_that_names_two_lifts_neither():
    scope = columns(("tea", 0, -1), ("tea", 1, -1), ("tea", -1, -1))
    for text, expected in [("Ada tea", [0.08, 0, 0]), ("Ada Bo tea", [0, 0, 0]), ("tea", [0, 0, 0])]:
        assert ranking_of(scope, text, [0, 0, 0]).boosts.speaker.tolist() == expected


def test_the_order_is_by_rank_then_the_newer_then_the_smaller_id():
    scope = columns(("tea", -1, -1), ("tea", -1, -1), ("rye", -1, -1), ("dog", -1, -1))
    scope.moments[:2] = DAY
    found = ranking_of(scope, "tea", [0.5, 0.5, 0.9, 0.9])
    assert in_order(found, 0) == [0, 1, 3, 2]
    assert in_order(found, float(found.score[0])) == [0, 1]
    assert in_order(found, 1) == []


@given(st.lists(st.integers(0, 20), min_size=45, max_size=70))
def test_many_lines_are_in_the_order_that_a_few_would_be_in(ranks):
    scope = columns(*[("tea", -1, -1)] * len(ranks))
    found = replace(ranking_of(scope, "rye", [0.0] * len(ranks)), rank=np.array(ranks) / 10)
    assert in_order(found, 0) == sorted(range(len(ranks)), key=lambda place: (-ranks[place], -place))


def test_only_lines_that_were_compared_are_ranked():
    scope = columns(("tea", 0, 0), ("rye", 0, 0), ("dog", 1, 1))
    compared = Compared(np.array([2, 1], np.int32), np.array([0.1, 0.7]), "chroma", complete=False, rest=0.05)
    found = ranking(scope, "rye", compared, np.ones(len(scope), np.bool_))
    assert found.score.shape == (2,)
    assert found.explanation(1).terms[0].own == 1
    assert found.explanation(0).answered_by == "chroma"


@given(semantic=FIGURES.filter(len), rest=FIGURE, seed=st.randoms(use_true_random=False))
def test_no_line_that_was_left_out_scores_more_than_what_is_told_to_be_reachable(semantic, rest, seed):
    scope = columns(*((seed.choice(["tea", "rye", "tea rye", "dog"]), -1, -1) for _ in semantic))
    allowed = np.array([seed.random() < 0.8 for _ in semantic])
    inside = np.array([similar > rest for similar in semantic]) & allowed
    compared = Compared(
        np.flatnonzero(inside).astype(np.int32), np.array(semantic)[inside], "chroma", complete=False, rest=rest
    )
    found = ranking(scope, "tea rye", compared, allowed)
    outside = np.flatnonzero(allowed & ~inside)
    scores = scores_of(semantic, found.by_word.lexical)
    assert np.all(scores[outside] <= reachable(found, allowed))


def test_an_empty_scope_is_ranked_as_nothing():
    scope = columns(speakers=())
    found = ranking_of(scope, "tea", [])
    assert in_order(found, 0) == []
    assert reading("Where is Ada?", scope, ENGLISH).text == "Where is Ada?"


@pytest.mark.parametrize(
    ("lines", "left"), [(20, "Where is Ada now?"), (24, "Where is Ada now?"), (25, "Where is now?")]
)
def test_without_speakers_a_few_lines_do_not_make_a_name(lines, left):
    scope = columns(*[("Ada slept", -1, -1)] * lines, speakers=())
    assert reading("Where is Ada now?", scope, ENGLISH).text == left
