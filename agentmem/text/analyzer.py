"""Text to terms: what of a line is matched by word, and how a question asks for it."""

from __future__ import annotations

import re
import threading
from functools import lru_cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Final, cast

import snowballstemmer  # pyright: ignore[reportMissingTypeStubs] # it has no types of its own

from agentmem.errors import InvalidInputError
from agentmem.text.bags import pack
from agentmem.text.tokens import Splitting, is_unspaced, normalize, pairs, tokens, unaccent

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from datetime import datetime

VERSION: Final = 2
"""Of what a line's text becomes; a bag that another version made is made anew."""

ASKS: Final = "?"
"""The mark in the bag of a line that asks; no word is split into it."""

_SHORTEST_IDENTIFIER: Final = 6
# Numbers in groups, and chains of letters and digits: each is one identifier, however it is punctuated.
# Possessive and bounded, so that no text, however hostile, takes long.
_GROUPED: Final = re.compile(r"(?<![\w.@/-])\+?\(?\d{1,8}\)?(?:[ .\-/]{1,2}\(?\d{2,8}\)?){1,10}+(?!\w)")
_CHAINED: Final = re.compile(r"(?<![^\W_])[^\W_]++(?:[-_.@:/+#]{1,2}[^\W_]++){1,30}+")
_IN_IDENTIFIERS: Final = re.compile("[0-9@]")
_FEWEST_DIGITS: Final = 7
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
        splitting: How text is split, where not as its language wants it for search.
        stop_words: The tokens that are no terms, where not those of the language.
        stem: What makes a stem of a word, where not the language's stemmer.

    Raises:
        InvalidInputError: There is no stemmer for the language.

    >>> Analyzer("english").terms("Ada's painted horses")
    ['ada', 'paint', 'hors']
    """

    def __init__(
        self,
        language: str,
        *,
        splitting: Splitting | None = None,
        stop_words: Collection[str] | None = None,
        stem: Callable[[str], str] | None = None,
    ) -> None:
        if language != "none" and language not in (known := _languages()):
            raise InvalidInputError(
                f"must be one of {', '.join([*known, 'none'])}", field="settings: language (or AGENTMEM_LANGUAGE)"
            )
        self.made_by: Final = f"{VERSION}:{language}"
        self.stop_words: Final = _STOP.get(language, frozenset[str]()) if stop_words is None else frozenset(stop_words)
        self._splitting = splitting or Splitting(apostrophes="joined" if language == "english" else "split")
        self._language = language
        self._own_stem = stem
        self._local = threading.local()

    def tokens(self, text: str) -> list[str]:
        """Return every token of a text, in order: its words before stop words are left out and the others stemmed."""
        return tokens(normalize(text), self._splitting)

    def terms(self, text: str) -> list[str]:
        """Return every term of a text, in order, repetitions included."""
        return self.terms_of(self.tokens(text))

    def terms_of(self, tokens: Iterable[str]) -> list[str]:
        """Return the terms that tokens become, in order.

        What holds a digit is no word of a language, and what is very long is
        none either: they are not stemmed.
        """
        stem, stop_words = self._stem, self.stop_words
        terms: list[str] = []
        for token in tokens:
            if token in stop_words:
                continue
            if token.isascii():
                terms.append(stem(token) if token.isalpha() and len(token) <= _LONGEST_WORD else token)
            elif is_unspaced(token):
                terms += pairs(token)
            elif len(token) > _LONGEST_WORD or (not token.isalpha() and any(map(str.isdigit, token))):
                terms.append(unaccent(token))
            else:
                terms.append(stem(token))
        return terms

    def bag(self, content: str, *, speaker: str | None, occurred_at: datetime | None) -> bytes:
        """Return what a line is found by, packed: its date, speaker and words, and its identifiers in one piece too."""
        date = f"{occurred_at.day} {_MONTHS[occurred_at.month - 1]} {occurred_at.year}" if occurred_at else ""
        said = normalize(f"{speaker or ''}\n{content}")
        terms = [*self.terms(date), *self._terms(said)]
        terms += [joined for joined, _, _ in _identifiers(said)]
        return pack([*terms, ASKS] if _asks(said) else terms)

    def question(self, query: str) -> list[tuple[str, ...]]:
        """Return what a question asks for, each once: terms, and identifiers as `(whole, part, part…)`.

        >>> Analyzer("english").question("Where is order AB-12-34?")
        [('order',), ('ab1234', 'ab', '12', '34')]
        """
        asked = normalize(query)
        whole: list[tuple[str, ...]] = []
        rest = asked
        for joined, begin, end in _identifiers(asked):
            whole.append((joined, *self._terms(asked[begin:end])))
            rest = f"{rest[:begin]}{' ' * (end - begin)}{rest[end:]}"
        single = [(term,) for term in self._terms(rest)]
        return list(dict.fromkeys([*single, *whole]))[:_MOST_ASKED]

    def _terms(self, normal: str) -> list[str]:
        return self.terms_of(tokens(normal, self._splitting))

    @property
    def _stem(self) -> Callable[[str], str]:
        """One stemmer for each thread: a stemmer keeps its state in itself."""
        stem: Callable[[str], str] | None = getattr(self._local, "stem", None)
        if stem is None:
            stem = self._local.stem = lru_cache(_STEMS_KEPT)(self._own_stem or _stemmer(self._language))
        return stem


def _languages() -> list[str]:
    """Return what the package itself can stem; its door gives way to PyStemmer, where that is installed."""
    modules = (module.name for module in iter_modules(snowballstemmer.__path__))
    return sorted(name.removesuffix("_stemmer") for name in modules if name.endswith("_stemmer"))


def _stemmer(language: str) -> Callable[[str], str]:
    """Words to stems without accents; a stemmer has to see them."""
    if language == "none":
        return unaccent
    name = "".join(part.title() for part in language.split("_"))
    stemmer = getattr(import_module(f"{snowballstemmer.__name__}.{language}_stemmer"), f"{name}Stemmer")()
    stem = cast("Callable[[str], str]", stemmer.stemWord)
    return lambda word: unaccent(stem(word))


def _asks(normal: str) -> bool:
    """Return whether a question mark stands behind the last letter or digit, be it before a quote, an emoji or a `!`.

    In Greek that is a semicolon; `normalize` has made one of the mark of its own.
    """
    behind = set[str]()
    for char in reversed(normal):
        if char.isalnum():
            return _GREEK_QUESTION_MARK in behind and _GREEK.match(char) is not None
        if char in _QUESTION_MARKS:
            return True
        behind.add(char)
    return False


def _identifiers(normal: str) -> Iterator[tuple[str, int, int]]:
    """Identifiers as one term each, with where each stands."""
    if normal.isascii() and _IN_IDENTIFIERS.search(normal) is None:
        return
    for pattern, is_one in ((_GROUPED, _is_number), (_CHAINED, _is_chain)):
        for found in pattern.finditer(normal):
            joined = unaccent(_SEPARATORS.sub("", found[0]))
            if is_one(joined, found[0]):
                yield joined, *found.span()
                normal = f"{normal[: found.start()]}{' ' * len(found[0])}{normal[found.end() :]}"


def _is_number(joined: str, _written: str) -> bool:
    return sum(map(str.isdigit, joined)) >= _FEWEST_DIGITS


def _is_chain(joined: str, written: str) -> bool:
    """Only what holds a digit or an `@` counts, and is long enough to be no common abbreviation."""
    return len(joined) >= _SHORTEST_IDENTIFIER and (any(map(str.isdigit, joined)) or "@" in written)
