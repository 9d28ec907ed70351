"""Cuts a transcript into windows that each fit a model's budget. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from agentmem.text.chunks import halves

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


@dataclass(frozen=True, slots=True)
class Turn:
    """One thing that the caller or the assistant said; a part of it, where it is too long for a window."""

    number: int
    role: Literal["user", "assistant"]
    text: str


def windows(turns: Iterable[Turn], *, budget: int, count: Callable[[Turn], int]) -> Iterator[tuple[Turn, ...]]:
    """Yield the turns in order, in windows of at most `budget` each; a turn that is longer is split.

    >>> turns = [Turn(1, "user", "Hello there"), Turn(2, "assistant", "Hi"), Turn(3, "user", "Bye")]
    >>> for window in windows(turns, budget=2, count=lambda turn: len(turn.text.split())):
    ...     print([turn.number for turn in window])
    [1]
    [2, 3]

    Args:
        turns: The whole transcript.
        budget: The most that a window may take.
        count: How much a turn takes.
    """
    window: list[Turn] = []
    room = budget
    for turn in turns:
        for part in _parts(turn, budget, count):
            size = count(part)
            if window and size > room:
                yield tuple(window)
                window, room = [], budget
            window.append(part)
            room -= size
    if window:
        yield tuple(window)


def _parts(turn: Turn, budget: int, count: Callable[[Turn], int]) -> list[Turn]:
    """Return the turn, halved between words until every part fits."""

    def with_text(text: str) -> Turn:
        return replace(turn, text=text)

    return list(map(with_text, halves(turn.text, limit=budget, count=lambda text: count(with_text(text)))))
