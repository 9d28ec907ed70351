"""Whose words a proposal is made of: the words that carry what is said, and who said them. Pure functions."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Scripts written without spaces: each character counts as a word.
_UNSPACED: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
)
_CHARACTERS: Final = re.compile(f"[{_UNSPACED}]")
_WORD: Final = re.compile(rf"[{_UNSPACED}]|\d+(?:[-./]\d+)*|[^\W\d_{_UNSPACED}]+")
_DATE: Final = re.compile(r"\d{4}-\d{2}(?:-\d{2})?")
_NOT: Final = re.compile(r"n['\u2019]t\b")
_COMBINING: Final = "Mn"
_UNDIVIDED: Final = "\u3000"
"""From here on, what decomposes is no letter with an accent: Hangul and kana stay as they are."""

_LONG_NUMBER: Final = 7
"""From so many digits on, a number is the same however it is grouped, and with or without the code of its country."""

# Words that every fact about anybody has, and those that only hold a sentence together.
_LIGHT: Final = frozenset(
    """
    a s about after again all also am an and any are as at be because been before being but by can could did do does
    doing done during each for from get gets got had has have having he her here hers him his how i if in into is it
    its just me more most my of on or other our out over own said say says she should so some such than that the
    their theirs them then there these they this those through to too under until up very was we were what when
    where which while who whom whose why will with would yes you your
    caller customer client contact user person agent assistant
    ask asked asks like liked likes need needed needs prefer preferred prefers tell told want wanted wants
    """.split()  # noqa: SIM905 - as a list literal it is no longer read as words
)
_ORDERING: Final = frozenset("after before but from instead not of over rather than then to until".split())  # noqa: SIM905
_ENDINGS: Final = ("ing", "ed", "es", "s", "e")
_SHORTEST_STEM: Final = 3
_PASSAGE: Final = 40
"""How many words of a text are looked at together: about what an instruction or a fact has."""


def folded(text: str) -> tuple[str, ...]:
    """The words of a text, without what makes no difference to what it says: case, width, accents, punctuation.

    >>> folded("Likes TEA!") == folded("likes tea")
    True
    """
    plain = "".join(map(_plain, unicodedata.normalize("NFKC", _NOT.sub(" not", text)).casefold()))
    return tuple(_WORD.findall(plain))


def carrying(text: str) -> frozenset[str]:
    """The words that carry what a text says, by their stems; dates do not, because they are worked out.

    >>> sorted(carrying("Caller prefers weekday mornings for support calls (2025-07-25)"))
    ['call', 'morn', 'support', 'weekday']
    """
    return frozenset(_stem(word) for word in folded(text) if word not in _LIGHT and not _DATE.fullmatch(word))


def alike(one: str, other: str) -> bool:
    """Whether two sentences say the same: with the same words that carry it, dates and negations included.

    Their order counts where a word such as "not" or "from" says that it does.

    >>> alike("Caller prefers weekday mornings.", "Caller wants weekday mornings")
    True
    >>> alike("Caller likes tea, not coffee", "Caller likes coffee, not tea")
    False
    """
    return _saying(one) == _saying(other)


def _saying(text: str) -> list[str]:
    words = folded(text)
    carried = [_stem(word) for word in words if word not in _LIGHT]
    ordered = not _ORDERING.isdisjoint(words) or _CHARACTERS.search(text)
    return carried if ordered else sorted(carried)


@dataclass(frozen=True, slots=True)
class Said:
    """The words that were said in some place."""

    words: frozenset[str]
    digits: str

    @classmethod
    def in_(cls, texts: Iterable[str]) -> Said:
        """What was said in texts together."""
        several = [text for text in texts if text]
        words = frozenset[str]().union(*(carrying(text) for text in several))
        return cls(words, " ".join(_digits(text) for text in several))

    def __contains__(self, word: str) -> bool:
        if word in self.words:
            return True
        digits = _digits(word)
        return len(digits) >= _LONG_NUMBER and digits[-_LONG_NUMBER:] in self.digits


def passages(texts: Iterable[str]) -> list[Said]:
    """The texts in overlapping pieces of a few dozen words."""
    found: list[Said] = []
    for text in texts:
        words = re.findall(r"\S+", text)
        starts = range(0, max(1, len(words) - _PASSAGE // 2), _PASSAGE // 2)
        found += [Said.in_([" ".join(words[start : start + _PASSAGE])]) for start in starts]
    return found


def taken(claim: frozenset[str], *, own: Said, read_out: Said, others: Sequence[Said]) -> bool:
    """Whether a proposal has its words from somewhere else rather than from the turns it cites.

    It is the case when more of its words stand in one passage of tool output or
    recalled memory, and not in the turns, than stand in the turns.

    Args:
        claim: The words that carry the proposal.
        own: What the turns say by themselves.
        read_out: What else they say: here a word counts only if none of the others has it.
        others: The passages of tool output and recalled memory.
    """
    elsewhere = {word for word in claim - own.words if word not in own and any(word in other for other in others)}
    mine = sum(1 for word in claim if word in own or (word in read_out and word not in elsewhere))
    most = max((sum(1 for word in elsewhere if word in other) for other in others), default=0)
    return most > mine


def _plain(character: str) -> str:
    """A letter without its accents."""
    if character.isascii() or character >= _UNDIVIDED:
        return character
    parts = unicodedata.normalize("NFKD", character)
    return "".join(part for part in parts if unicodedata.category(part) != _COMBINING)


def _digits(text: str) -> str:
    return "".join(character for character in text if character.isdecimal())


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST_STEM:
            return _stem(word.removesuffix(ending)) if ending == "s" else word.removesuffix(ending)
    return word
