r"""Speechify's `{{memory}}`: what is known about a caller, in the place that a prompt has for it.

    Known facts about this caller:
    1. Caller prefers weekday mornings for support calls.
    2. Caller has a Premium plan renewal due next month.

A prompt is filled in one pass, and a fact is written so that no template engine
after it expands anything in it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from agentmem.rendering import escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from agentmem.models import ArchivalLine

SHOWN: Final = 10
"""How many facts a prompt is given at most."""

HALF_LIFE_DAYS: Final = 30.0
"""How fast what is older counts for less."""

_PLACEHOLDER: Final = re.compile(r"\{\{\s*memory\s*\}\}")
_INTRODUCTION: Final = "Known facts about this caller:"
_DAY_SECONDS: Final = 86_400


def wants_memory(prompt: str) -> bool:
    """Return whether a prompt has the placeholder.

    >>> wants_memory("You are kind. {{ memory }}"), wants_memory("{memory}")
    (True, False)
    """
    return _PLACEHOLDER.search(prompt) is not None


def filled(prompt: str, facts: Sequence[str]) -> str:
    r"""Return the prompt with the facts in place of every placeholder; with none of either left where there are none.

    >>> filled("You are kind.\n{{memory}}", ["Caller likes tea.", "Caller says {{memory}}"])
    'You are kind.\nKnown facts about this caller:\n1. Caller likes tea.\n2. Caller says \\u007B{memory}}'
    >>> filled("You are kind.\n{{memory}}", [])
    'You are kind.\n'
    """
    numbered = [f"{number}. {escape(fact)}" for number, fact in enumerate(facts, start=1)]
    block = "\n".join([_INTRODUCTION, *numbered]) if facts else ""
    return _PLACEHOLDER.sub(lambda _: block, prompt)


def foremost(lines: Iterable[ArchivalLine], now: datetime) -> list[ArchivalLine]:
    """The lines a prompt is given without a question, by how sure and how new they are; alike ones in their order."""
    return sorted(lines, key=lambda line: -_weight(line, now))[:SHOWN]


def _weight(line: ArchivalLine, now: datetime) -> float:
    days = max(0.0, (now - line.updated_at).total_seconds() / _DAY_SECONDS)
    return float(line.confidence * 0.5 ** (days / HALF_LIFE_DAYS))
