"""Words to term bags: what of a line is matched by word, and how a question asks for it."""

from __future__ import annotations

import re
import struct
import threading
import unicodedata
import zlib
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
import snowballstemmer  # pyright: ignore[reportMissingTypeStubs] # it has no types of its own

from agentmem.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from numpy.typing import NDArray

VERSION: Final = 1
"""Of what a line's text becomes; a bag that another version made is made anew."""

ASKS: Final = "?"
"""The mark in the bag of a line that ends in a question mark; no word is split into it."""

BAG: Final = np.dtype([("term", "<u4"), ("count", "u1")])
"""One distinct term of a packed bag: its number and how often it stands there."""

_PAIR: Final = struct.Struct("<IB")
_MOST: Final = 255
_SHORTEST_IDENTIFIER: Final = 6
# Scripts written without spaces: Thai, Lao, Burmese, Khmer, kana, Bopomofo, Hangul, Han.
_UNSPACED: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3100-\u312f\u31a0-\u31bf\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003134f"
)
_SIGNS: Final = "\u0900-\u0963\u0966-\u0dff"
"""Devanagari to Sinhala: their vowel signs are parts of a word, but `\\w` does not know them."""

_FIRST_UNSPACED: Final = "\u0e00"
_FIRST_UNDIVIDED: Final = "\u3000"
"""From here on, what decomposes is no letter with an accent: Hangul and kana stay as they are."""

_WORD: Final = re.compile(rf"[{_UNSPACED}]++|(?:[^\W_{_UNSPACED}]|[{_SIGNS}])++")
_APOSTROPHE: Final = re.compile(r"['\u2019](s\b)?")
# A number in groups, and a chain of letters and digits: each is one identifier, however it is punctuated.
# Possessive and bounded, so that no text, however hostile, takes long.
_GROUPED: Final = re.compile(r"(?<![\w.@/-])\+?\d(?:[ ().\-/]{0,3}+\d){6,30}+(?!\w)")
_CHAINED: Final = re.compile(r"(?<!\w)\w++(?:[-.@:/+]\w++){1,30}+")
_SENTENCES: Final = re.compile(r"[.,;:!\u2026\u3001\u3002\"\u201c\u201d]+(?=\s|$)|(?<!\S)[\"\u201c\u201d]+")
_SEPARATORS: Final = re.compile(r"[\W_]+")
_STOP: Final = {
    "english": frozenset(
        """
        a an and any are as at be been being but by can could did do does for from had has have he her hers him his
        how i if in into is it its me my of on or our she should so some than that the their them then there these
        they this those to was we were what when where which who whom whose why will with would you your about
        before after during
        """.split()  # noqa: SIM905 - as a list literal it is no longer read as words
    )
}


class Analyzer:
    """Splits text into terms: case and accents folded, stemmed, without stop words.

    Words of scripts without spaces become overlapping pairs of characters, so
    that a word of two is found. Safe to share between threads.

    Args:
        language: A language of the Snowball stemmers, such as `english`; `none` takes words as they are. Stop words are
            known for English only.

    Raises:
        InvalidInputError: There is no stemmer for the language.

    >>> Analyzer("english").terms("Ada's painted horses")
    ['ada', 'paint', 'hors']
    """

    def __init__(self, language: str) -> None:
        known = (*snowballstemmer.algorithms(), "none")
        if language not in known:
            raise InvalidInputError(f"settings: language (or AGENTMEM_LANGUAGE): must be one of {', '.join(known)}")
        self.made_by: Final = f"{VERSION}:{language}"
        self.stop_words: Final = _STOP.get(language, frozenset[str]())
        self._language = language
        self._local = threading.local()

    def terms(self, text: str) -> list[str]:
        """Every term, in order, repetitions included."""
        return [term for word in _split(text) if word not in self.stop_words for term in self._of_word(word)]

    def bag(self, content: str, *, speaker: str | None, occurred_at: datetime | None) -> bytes:
        """What a line is found by, packed: its date, its speaker, its words, and its identifiers in one piece too."""
        date = f"{occurred_at.day} {occurred_at:%B} {occurred_at.year}" if occurred_at else ""
        terms = self.terms(f"{date} {speaker or ''} {content}")
        terms += [whole for whole, _ in _identifiers(content)]
        return pack([*terms, ASKS] if fold(content).rstrip().endswith(ASKS) else terms)

    def question(self, query: str) -> list[tuple[str, ...]]:
        """What a question asks for, each once: terms, and identifiers as `(whole, part, part…)`.

        >>> Analyzer("english").question("Where is order AB-12-34?")
        [('order',), ('ab1234', 'ab', '12', '34')]
        """
        found = list(_identifiers(query))
        for _, written in found:
            query = query.replace(written, " ", 1)
        whole = [(joined, *self.terms(written)) for joined, written in found]
        return list(dict.fromkeys([*((term,) for term in self.terms(query)), *whole]))

    def _of_word(self, word: str) -> Iterable[str]:
        if word[0] >= _FIRST_UNSPACED:
            return [word] if len(word) == 1 else [word[at : at + 2] for at in range(len(word) - 1)]
        return (self._stem(word),)

    @property
    def _stem(self) -> Callable[[str], str]:
        """One stemmer for each thread: a stemmer keeps its state in itself."""
        stem: Callable[[str], str] | None = getattr(self._local, "stem", None)
        if stem is None:
            stem = self._local.stem = lru_cache(50_000)(_stemmer(self._language))
        return stem


def _stemmer(language: str) -> Callable[[str], str]:
    """Words to stems. What holds a digit is no word of a language: an identifier has no ending to lose."""
    if language == "none":
        return str
    known: Any = snowballstemmer
    stem = cast("Callable[[str], str]", known.stemmer(language).stemWord)
    return lambda word: word if any(map(str.isdigit, word)) else stem(word)


def _split(text: str) -> list[str]:
    return _WORD.findall(_APOSTROPHE.sub("", fold(text)))


def fold(text: str) -> str:
    """Text without the differences of case, width and accent."""
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(char if char >= _FIRST_UNDIVIDED else _unaccented(char) for char in folded)


def plain(text: str) -> str:
    """What a text says, without what makes no difference to it: case, width, accents, spaces and ends of sentences.

    >>> plain("Ada  likes TEA!") == plain("Ada likes tea.")
    True
    """
    return " ".join(_SENTENCES.sub(" ", fold(text)).split())


def number(term: str) -> int:
    """The number a term has in a bag."""
    return zlib.crc32(term.encode("utf-8", "surrogatepass"))


def pack(terms: Iterable[str]) -> bytes:
    """Terms as a bag, five bytes for each distinct one, by number; `unpack` reads it."""
    counts = Counter(map(number, terms))
    return b"".join(_PAIR.pack(term, min(count, _MOST)) for term, count in sorted(counts.items()))


def unpack(bag: bytes) -> NDArray[np.void]:
    """What `pack` packed, as records of `BAG`; `b"".join` of several gives their concatenation."""
    return np.frombuffer(bag, BAG)


def _unaccented(char: str) -> str:
    return "".join(part for part in unicodedata.normalize("NFKD", char) if not unicodedata.combining(part))


def _identifiers(text: str) -> Iterator[tuple[str, str]]:
    """Identifiers as one term each, with how each is written; only what holds a digit or an `@` counts."""
    for pattern in (_GROUPED, _CHAINED):
        for found in pattern.finditer(text):
            written = fold(found[0])
            joined = _SEPARATORS.sub("", written)
            long_enough = _SHORTEST_IDENTIFIER <= len(joined) < len(written)  # else it is one word, or a short one
            if long_enough and (any(map(str.isdigit, joined)) or "@" in written):
                yield joined, found[0]
        text = pattern.sub(lambda found: " " * len(found[0]), text)
