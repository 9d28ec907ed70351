"""A transcript is cut into windows that fit, in order, and nothing of it is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import HumanMessage
from langchain_core.messages.utils import count_tokens_approximately

from agentmem.extraction.prompt import turn_line
from agentmem.extraction.windows import Turn, windows


def size(turn):
    return len(turn.text)


def turn(number, text):
    return Turn(number, "user" if number % 2 else "assistant", text)


turns = st.lists(st.text(min_size=1, max_size=60), max_size=30).map(
    lambda texts: [turn(number, text) for number, text in enumerate(texts, start=1)]
)


@given(turns, st.integers(1, 80))
def test_every_window_fits_and_every_word_is_in_one(said, budget):
    cut = list(windows(said, budget=budget, count=size))
    assert all(sum(map(size, window)) <= budget for window in cut)
    assert all(window for window in cut)
    parts = [part for window in cut for part in window]
    assert [part.number for part in parts] == sorted(part.number for part in parts)
    for one in said:
        same = [part for part in parts if part.number == one.number]
        assert {part.role for part in same} <= {one.role}
        assert "".join("".join(part.text for part in same).split()) == "".join(one.text.split())


@pytest.mark.parametrize(("budget", "expected"), [(9, [[1], [2]]), (10, [[1, 2]]), (11, [[1, 2]])])
def test_a_window_is_filled_up_to_its_budget(budget, expected):
    cut = windows([turn(1, "hello"), turn(2, "world")], budget=budget, count=size)
    assert [[part.number for part in window] for window in cut] == expected


@pytest.mark.parametrize(("budget", "parts"), [(11, ["hello world"]), (10, ["hello", "world"])])
def test_a_turn_that_is_too_long_is_split_between_words(budget, parts):
    assert [
        part.text for window in windows([turn(1, "hello world")], budget=budget, count=size) for part in window
    ] == (parts)


def test_a_transcript_of_2000_turns_fits_a_models_budget_in_windows():
    said = [
        turn(number, f"This is what was said in turn {number}, and a little more. " * 3) for number in range(1, 2001)
    ]
    cut = list(
        windows(said, budget=8_000, count=lambda one: count_tokens_approximately([HumanMessage(turn_line(one))]))
    )
    assert [part.number for window in cut for part in window] == list(range(1, 2001))
    assert len(cut) > 10
    for window in cut:
        assert count_tokens_approximately([HumanMessage("\n".join(map(turn_line, window)))]) <= 8_000
