"""What texts have in common: whether two say the same, and whose words a text is made of. Pure functions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agentmem.text.analyzer import Analyzer
from agentmem.text.tokens import Splitting, fold, is_unspaced

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_DATE: Final = re.compile(r"\d{4}-\d{2}(?:-\d{2})?")
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

_MARKS: Final = r".,;:!\u2026\u3001\u3002\"\u201c\u201d"
_QUOTES: Final = r"\"\u201c\u201d"
# At the end of a word that ends in no digit, and quotes at the beginning of one. It begins with what it matches and
# looks behind after that: so the search skips from mark to mark.
_SENTENCES: Final = re.compile(
    rf"[{_MARKS}](?:(?<![\d{_MARKS}].)[{_MARKS}]*+(?=\s|$)|(?<=[{_QUOTES}])(?<!\S.)[{_QUOTES}]*+)"
)


def plain(text: str) -> str:
    """Return what a text says, without differences of case, width, accents, spaces and the ends of sentences.

    >>> plain("Ada  likes TEA!") == plain("Ada likes tea.")
    True
    """
    return " ".join(_SENTENCES.sub(" ", fold(text)).split())


def tokens(text: str) -> tuple[str, ...]:
    """Return the words and numbers of a text, without differences of case, width, accents and punctuation.

    >>> tokens("Likes TEA!") == tokens("likes tea")
    True
    """
    return tuple(_ANALYZER.tokens(text))


def content_terms(text: str) -> frozenset[str]:
    """Return the stems of the words that carry what a text says; dates do not, because they are worked out.

    >>> sorted(content_terms("Caller prefers weekday mornings for support calls (2025-07-25)"))
    ['call', 'morn', 'support', 'weekday']
    """
    return frozenset(term for term in _ANALYZER.terms(text) if not _DATE.fullmatch(term))


def alike(one: str, other: str) -> bool:
    """Return whether two sentences say the same: with the same words that carry it, dates and negations included.

    Their order counts where a word such as "not" or "from" says that it does.

    >>> alike("Caller prefers weekday mornings.", "Caller wants weekday mornings")
    True
    >>> alike("Caller likes tea, not coffee", "Caller likes coffee, not tea")
    False
    """
    return _saying(one) == _saying(other)


def _saying(text: str) -> list[str]:
    words = _ANALYZER.tokens(text)
    terms = _ANALYZER.terms_of(words)
    ordered = not _ORDERING.isdisjoint(words) or any(map(is_unspaced, words))
    return terms if ordered else sorted(terms)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The content terms of texts, and their digits in a row."""

    terms: frozenset[str]
    digits: str

    @classmethod
    def of(cls, texts: Iterable[str]) -> Vocabulary:
        """Collect what several texts have together."""
        several = [text for text in texts if text]
        terms = frozenset[str]().union(*map(content_terms, several))
        return cls(terms, " ".join(map(_digits, several)))

    def __contains__(self, term: str) -> bool:
        if term in self.terms:
            return True
        digits = _digits(term)
        return len(digits) >= _LONG_NUMBER and digits[-_LONG_NUMBER:] in self.digits


def passages(texts: Iterable[str]) -> list[Vocabulary]:
    """Return the vocabularies of overlapping pieces of texts, of a few dozen words each."""
    found: list[Vocabulary] = []
    for text in texts:
        words = re.findall(r"\S+", text)
        starts = range(0, max(1, len(words) - _PASSAGE // 2), _PASSAGE // 2)
        found += [Vocabulary.of([" ".join(words[start : start + _PASSAGE])]) for start in starts]
    return found


def copied(claim: frozenset[str], *, own: Vocabulary, read_out: Vocabulary, others: Sequence[Vocabulary]) -> bool:
    """Return whether a proposal has its words from somewhere else rather than from the turns it cites.

    It is the case when more of its words stand in one passage of tool output or
    recalled memory, and not in the turns, than stand in the turns.

    Args:
        claim: The content terms of the proposal.
        own: What the turns say by themselves.
        read_out: What else they say: here a word counts only if none of the others has it.
        others: The passages of tool output and recalled memory.
    """
    elsewhere = {term for term in claim - own.terms if term not in own and any(term in other for other in others)}
    mine = sum(1 for term in claim if term in own or (term in read_out and term not in elsewhere))
    most = max((sum(1 for term in elsewhere if term in other) for other in others), default=0)
    return most > mine


def _digits(text: str) -> str:
    return "".join(character for character in text if character.isdecimal())


def _without_ending(word: str) -> str:
    """Cut off an English ending; what it does to other languages, it does to both texts that are compared."""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST_STEM:
            return _without_ending(word.removesuffix(ending)) if ending == "s" else word.removesuffix(ending)
    return word


_ANALYZER: Final = Analyzer(
    "none",
    splitting=Splitting(apostrophes="negating", accents="folded", numbers="whole", unspaced="characters"),
    stop_words=_LIGHT,
    stem=_without_ending,
)
