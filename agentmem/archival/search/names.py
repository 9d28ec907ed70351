"""Names in a question: every line of a person is near that person's name, so they are left out of what is embedded."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from agentmem.text.tokens import fold

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

_ROLES: Final = frozenset({"user", "assistant", "agent", "system", "tool", "caller", "customer", "human", "ai", "bot"})
"""Speakers that are no names: these words mean something in a question."""

_MAY: Final = "may"
"""A name and an ordinary word, but no stop word: it is a month too."""

_WORD: Final = re.compile(r"(\w+)(?:['\u2019]s\b)?")
_EVERYWHERE: Final = 0.2
"""A capitalised word that stands in so many of a scope's lines is taken for the name of whom they are about."""


def named(query: str, speakers: Sequence[str], stop_words: Collection[str]) -> dict[str, set[int]]:
    """Return the words of a question that name speakers, folded, and the places of the speakers each names.

    A word that is an ordinary one too ("Will", "At", "May") names nobody at the
    beginning of a question, nor in lower case; and a word in lower case names
    nobody in a question that writes others with a capital. Where a speaker is
    named in full, their words name nobody else.

    >>> named("When will Will's sister move?", ["Will Byers", "Ada"], {"when", "will"})
    {'will': {0}}
    """
    places = _places(speakers)
    in_full = _in_full(query, speakers)
    words = [word[1] for word in _WORD.finditer(query)]
    capitals = any(map(_capital, words[1:]))
    found: dict[str, set[int]] = {}
    for number, word in enumerate(words):
        name, capital = fold(word), _capital(word)
        ordinary = name in stop_words or name == _MAY
        if name in places and not (ordinary and (number == 0 or not capital)) and (capital or not capitals):
            found[name] = places[name] & in_full or places[name]
    return found


def about(query: str, share: Callable[[str], float], stop_words: Collection[str]) -> set[str]:
    """The capitalised words of a question that a good part of a scope's lines hold: names, where no speakers are known.

    Args:
        query: The question.
        share: Which part of the lines has a word, 0 to 1.
        stop_words: Words that are no names.
    """
    written = {fold(word[1]) for word in _WORD.finditer(query) if _capital(word[1])}
    return {name for name in written if name not in stop_words and share(name) >= _EVERYWHERE}


def without(query: str, names: Collection[str]) -> str:
    """A question without names; itself when nothing else is in it.

    An embedding of "When did Ada move?" is near everything Ada said; without
    her name it is near what was said about moving.

    >>> without("When did Ada's sister move to Oslo?", {"ada"})
    'When did sister move to Oslo?'
    >>> without("Ada?", {"ada"})
    'Ada?'
    """
    if not names:
        return query
    rest = _WORD.sub(lambda word: "" if fold(word[1]) in names else word[0], query)
    return " ".join(rest.split()) if re.search(r"\w", rest) else query


def _in_full(query: str, speakers: Sequence[str]) -> set[int]:
    """Return the places of the speakers of several names whose names a question holds in a row."""
    asked = f" {' '.join(_words(query))} "
    several = ((place, _words(speaker)) for place, speaker in enumerate(speakers) if " " in speaker)
    return {place for place, words in several if f" {' '.join(words)} " in asked}


def _words(text: str) -> list[str]:
    return [fold(word[1]) for word in _WORD.finditer(text)]


def _capital(word: str) -> bool:
    return len(word) > 1 and word[0].isupper()


def _places(speakers: Iterable[str]) -> dict[str, set[int]]:
    places: dict[str, set[int]] = {}
    for place, speaker in enumerate(speakers):
        for word in _words(speaker):
            if word not in _ROLES:
                places.setdefault(word, set()).add(place)
    return places
