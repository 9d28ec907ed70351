"""Words to term bags: what of a line is matched by word, and how a question asks for it."""

from __future__ import annotations

import re
import struct
import threading
import unicodedata
import zlib
from collections import Counter
from functools import lru_cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Final, cast

import numpy as np
import snowballstemmer  # pyright: ignore[reportMissingTypeStubs] # it has no types of its own

from agentmem.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from numpy.typing import NDArray

VERSION: Final = 2
"""Of what a line's text becomes; a bag that another version made is made anew."""

ASKS: Final = "?"
"""The mark in the bag of a line that asks; no word is split into it."""

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

_WORD: Final = re.compile(rf"[{_UNSPACED}]++|(?:[^\W_{_UNSPACED}]|[{_SIGNS}])++")
_WITHOUT_SPACES: Final = re.compile(f"[{_UNSPACED}]")
_UNDIVIDED: Final = "\u3000"
"""From here on, what decomposes is no letter with an accent: Hangul and kana stay as they are."""

_ENGLISH_APOSTROPHE: Final = re.compile(r"['\u2019](s\b)?")
_APOSTROPHE: Final = re.compile(r"['\u2019]")
_DASH: Final = re.compile(r"[\u2010-\u2015\u2212\ufe58\ufe63\uff0d]")
# Numbers in groups, and chains of letters and digits: each is one identifier, however it is punctuated.
# Possessive and bounded, so that no text, however hostile, takes long.
_GROUPED: Final = re.compile(r"(?<![\w.@/-])\+?\(?\d{1,8}\)?(?:[ .\-/]{1,2}\(?\d{2,8}\)?){1,10}+(?!\w)")
_CHAINED: Final = re.compile(r"(?<![^\W_])[^\W_]++(?:[-_.@:/+#]{1,2}[^\W_]++){1,30}+")
_FEWEST_DIGITS: Final = 7
_MARKS: Final = r".,;:!\u2026\u3001\u3002\"\u201c\u201d"
_QUOTES: Final = r"\"\u201c\u201d"
# At the end of a word that ends in no digit, and quotes at the beginning of one. It begins with what it matches and
# looks behind after that: so the search skips from mark to mark.
_SENTENCES: Final = re.compile(
    rf"[{_MARKS}](?:(?<![\d{_MARKS}].)[{_MARKS}]*+(?=\s|$)|(?<=[{_QUOTES}])(?<!\S.)[{_QUOTES}]*+)"
)
# Of Latin, Arabic (and its mirror image), Ethiopic, Limbu and Vai, the interrobang, and as emoji.
_QUESTION_MARKS: Final = frozenset("?\u061f\u2e2e\u1367\u1945\ua60f\u203d\u2753\u2754")
_GREEK_QUESTION_MARK: Final = ";"
_GREEK: Final = re.compile(r"[\u0370-\u03ff\u1f00-\u1fff]")
_SEPARATORS: Final = re.compile(r"[\W_]+")
_MONTHS: Final = (
    "January February March April May June July August September October November December".split()  # noqa: SIM905 - as a list literal it is longer
)
_LONGEST_WORD: Final = 64
_STEMS_KEPT: Final = 20_000
_MOST_ASKED: Final = 500
"""A question is as good with its first words: more of them only take longer."""

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
        known = (*_languages(), "none")
        if language not in known:
            raise InvalidInputError(
                f"must be one of {', '.join(known)}", field="settings: language (or AGENTMEM_LANGUAGE)"
            )
        self.made_by: Final = f"{VERSION}:{language}"
        self.stop_words: Final = _STOP.get(language, frozenset[str]())
        self._language = language
        self._local = threading.local()

    def terms(self, text: str) -> list[str]:
        """Every term, in order, repetitions included."""
        return self._terms(_normal(text))

    def bag(self, content: str, *, speaker: str | None, occurred_at: datetime | None) -> bytes:
        """What a line is found by, packed: its date, its speaker, its words, and its identifiers in one piece too."""
        date = f"{occurred_at.day} {_MONTHS[occurred_at.month - 1]} {occurred_at.year}" if occurred_at else ""
        said = _normal(f"{speaker or ''}\n{content}")
        terms = [*self._terms(_normal(date)), *self._terms(said)]
        terms += [joined for joined, _, _ in _identifiers(said)]
        return pack([*terms, ASKS] if _asks(said) else terms)

    def question(self, query: str) -> list[tuple[str, ...]]:
        """What a question asks for, each once: terms, and identifiers as `(whole, part, part…)`.

        >>> Analyzer("english").question("Where is order AB-12-34?")
        [('order',), ('ab1234', 'ab', '12', '34')]
        """
        asked = _normal(query)
        whole: list[tuple[str, ...]] = []
        rest = asked
        for joined, begin, end in _identifiers(asked):
            whole.append((joined, *self._terms(asked[begin:end])))
            rest = f"{rest[:begin]}{' ' * (end - begin)}{rest[end:]}"
        single = [(term,) for term in self._terms(rest)]
        return list(dict.fromkeys([*single, *whole]))[:_MOST_ASKED]

    def _terms(self, normal: str) -> list[str]:
        separated = _ENGLISH_APOSTROPHE.sub("", normal) if self._language == "english" else _APOSTROPHE.sub(" ", normal)
        words = _WORD.findall(separated)
        return [term for word in words if word not in self.stop_words for term in self._of_word(word)]

    def _of_word(self, word: str) -> Iterable[str]:
        if not word.isascii() and _WITHOUT_SPACES.match(word):
            return [word] if len(word) == 1 else [word[at : at + 2] for at in range(len(word) - 1)]
        # What holds a digit is no word of a language, and what is very long is none either.
        if len(word) > _LONGEST_WORD or any(map(str.isdigit, word)):
            return (_unaccented(word),)
        return (self._stem(word),)

    @property
    def _stem(self) -> Callable[[str], str]:
        """One stemmer for each thread: a stemmer keeps its state in itself."""
        stem: Callable[[str], str] | None = getattr(self._local, "stem", None)
        if stem is None:
            stem = self._local.stem = lru_cache(_STEMS_KEPT)(_stemmer(self._language))
        return stem


def _languages() -> list[str]:
    """What the package itself can stem; its door gives way to PyStemmer, where that is installed."""
    modules = (module.name for module in iter_modules(snowballstemmer.__path__))
    return sorted(name.removesuffix("_stemmer") for name in modules if name.endswith("_stemmer"))


def _stemmer(language: str) -> Callable[[str], str]:
    """Words to stems without accents; a stemmer has to see them."""
    if language == "none":
        return _unaccented
    name = "".join(part.title() for part in language.split("_"))
    stemmer = getattr(import_module(f"{snowballstemmer.__name__}.{language}_stemmer"), f"{name}Stemmer")()
    stem = cast("Callable[[str], str]", stemmer.stemWord)
    return lambda word: _unaccented(stem(word))


def fold(text: str) -> str:
    """Text without the differences of case, width and accent.

    >>> fold("José") == fold("JOSE")
    True
    """
    return _unaccented(_normal(text))


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


def _normal(text: str) -> str:
    """Text without the differences of case and width, with one kind of dash."""
    return text.lower() if text.isascii() else _DASH.sub("-", unicodedata.normalize("NFKC", text).casefold())


def _asks(normal: str) -> bool:
    """Whether a question mark stands behind the last letter or digit, be it before a quote, an emoji or a `!`.

    In Greek that is a semicolon; `_normal` has made one of the mark of its own.
    """
    behind = set[str]()
    for char in reversed(normal):
        if char.isalnum():
            return _GREEK_QUESTION_MARK in behind and _GREEK.match(char) is not None
        if char in _QUESTION_MARKS:
            return True
        behind.add(char)
    return False


def _unaccented(text: str) -> str:
    if text.isascii():
        return text
    return "".join(char if char >= _UNDIVIDED else _base(char) for char in text)


def _base(char: str) -> str:
    return "".join(part for part in unicodedata.normalize("NFKD", char) if not unicodedata.combining(part))


def _identifiers(normal: str) -> Iterator[tuple[str, int, int]]:
    """Identifiers as one term each, with where each stands."""
    for pattern, is_one in ((_GROUPED, _is_number), (_CHAINED, _is_chain)):
        for found in pattern.finditer(normal):
            joined = _unaccented(_SEPARATORS.sub("", found[0]))
            if is_one(joined, found[0]):
                yield joined, *found.span()
                normal = f"{normal[: found.start()]}{' ' * len(found[0])}{normal[found.end() :]}"


def _is_number(joined: str, _written: str) -> bool:
    return sum(map(str.isdigit, joined)) >= _FEWEST_DIGITS


def _is_chain(joined: str, written: str) -> bool:
    """Only what holds a digit or an `@` counts, and is long enough to be no common abbreviation."""
    return len(joined) >= _SHORTEST_IDENTIFIER and (any(map(str.isdigit, joined)) or "@" in written)
