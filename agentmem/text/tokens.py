"""Text to tokens: case, width and accents folded, and cut into words by one pass. Pure functions."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

# Scripts written without spaces: Thai, Lao, Burmese, Khmer, kana, Bopomofo, Hangul, Han.
_UNSPACED: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3100-\u312f\u31a0-\u31bf\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003134f"
)
_SIGNS: Final = "\u0900-\u0963\u0966-\u0dff"
"""Devanagari to Sinhala: their vowel signs are parts of a word, but `\\w` does not know them."""

_WITHOUT_SPACES: Final = re.compile(f"[{_UNSPACED}]")
_FIRST_UNSPACED: Final = _UNSPACED[0]
_WORD: Final = {
    "in words": rf"(?:[^\W_{_UNSPACED}]|[{_SIGNS}])++",
    "whole": rf"\d++(?:[-./]\d++)*+|(?:[^\W\d_{_UNSPACED}]|(?!\d)[{_SIGNS}])++",
}
_RUN: Final = {"runs": f"[{_UNSPACED}]++", "characters": f"[{_UNSPACED}]"}
_TOKEN: Final = {
    (numbers, unspaced): re.compile(f"{run}|{word}")
    for numbers, word in _WORD.items()
    for unspaced, run in _RUN.items()
}
_POSSESSIVE: Final = re.compile(r"['\u2019](?:s\b)?")
_NOT: Final = re.compile(r"n['\u2019]t\b")
_DASH: Final = re.compile(r"[\u2010-\u2015\u2212\ufe58\ufe63\uff0d]")
_UNDIVIDED: Final = 0x3000
"""From here on, what decomposes is no letter with an accent: Hangul and kana stay as they are."""

_DIVISIBLE: Final = re.compile("[\x80-\u2fff]")


@dataclass(frozen=True, slots=True)
class Splitting:
    """How text is split where its readers differ: search, which stems words, and comparison, which weighs them.

    Args:
        apostrophes: `joined` as in English, where `don't` is `dont` and `Ada's` is `ada`; `split`, so that `l'école` is
            `l` and `école`; or `negating`, so that `don't` is `do` and `not`, and all others are split.
        accents: `kept`, for a stemmer that has to see them; or `folded` before anything is split, so that a mark which
            is written beside its letter parts no word.
        numbers: `in words`, so that `4GB` is one token and `4.5` are two; or `whole`, so that `4GB` is `4` and `gb`,
            and `4.5` or `2026-03-14` is one.
        unspaced: Of scripts without spaces, `runs` of characters, whose terms are pairs; or `characters`, so that any
            two texts have the more in common the more is the same in them.
    """

    apostrophes: Literal["joined", "split", "negating"] = "split"
    accents: Literal["kept", "folded"] = "kept"
    numbers: Literal["in words", "whole"] = "in words"
    unspaced: Literal["runs", "characters"] = "runs"


def tokens(normal: str, splitting: Splitting) -> list[str]:
    """Return the tokens of a normalized text, in order, repetitions included.

    >>> tokens("don't pay 4.5 before 2026-03-14", Splitting(apostrophes="negating", numbers="whole"))
    ['do', 'not', 'pay', '4.5', 'before', '2026-03-14']
    >>> tokens("don't pay 4.5 before 2026-03-14", Splitting(apostrophes="joined"))
    ['dont', 'pay', '4', '5', 'before', '2026', '03', '14']
    """
    if splitting.accents == "folded":
        normal = unaccent(normal)
    if splitting.apostrophes == "joined":
        normal = _POSSESSIVE.sub("", normal)
    elif splitting.apostrophes == "negating":
        normal = _NOT.sub(" not", normal)
    found: list[str] = _TOKEN[splitting.numbers, splitting.unspaced].findall(normal)
    return found


def is_unspaced(token: str) -> bool:
    """Return whether a token is of a script that is written without spaces, and so no word."""
    return token[:1] >= _FIRST_UNSPACED and _WITHOUT_SPACES.match(token) is not None


def pairs(run: str) -> Sequence[str]:
    """Return the pairs of a run of characters, which overlap, so that a word of two is found in a sentence.

    >>> pairs("北京烤鸭")
    ['北京', '京烤', '烤鸭']
    """
    return (run,) if len(run) == 1 else [run[at : at + 2] for at in range(len(run) - 1)]


def normalize(text: str) -> str:
    """Return a text without the differences of case and width, with one kind of dash."""
    return text.lower() if text.isascii() else _DASH.sub("-", unicodedata.normalize("NFKC", text).casefold())


def unaccent(text: str) -> str:
    """Return a text without the accents of its letters."""
    return text if text.isascii() or _DIVISIBLE.search(text) is None else text.translate(_BASES)


def fold(text: str) -> str:
    """Return a text without the differences of case, width and accent.

    >>> fold("José") == fold("JOSE")
    True
    """
    return unaccent(normalize(text))


class _Bases(dict[int, int | str]):
    """Characters to what is left of them without their marks, each looked up once; at most those that have any."""

    def __missing__(self, code: int) -> int | str:
        if code >= _UNDIVIDED:
            return code
        parts = unicodedata.normalize("NFKD", chr(code))
        base = self[code] = "".join(part for part in parts if not unicodedata.combining(part))
        return base


_BASES: Final = _Bases()
