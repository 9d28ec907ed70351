"""A text that is longer than a model reads, in chunks that it can read. Pure functions."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SENTENCE: Final = re.compile(r"[.!?…]['\")\]’”»]*\s+|[。\uff01\uff1f]\s*|\n+")
_WORD: Final = re.compile(r"\s+")
_EIGHTH: Final = 8
"""The part of a chunk that repeats the one before it, and how far its end moves to meet a border."""
_ROOM: Final = 1.25
"""How much longer than an even share a chunk becomes by that."""


def chunks(text: str, *, limit: int, count: Callable[[str], int]) -> list[str]:
    """Cut a text into overlapping chunks, in order; return the text alone if it fits.

    They end after a sentence or a word where one ends nearby, else anywhere,
    and each begins with the end of the one before it.

        >>> text = " ".join(str(number) for number in range(100, 200))
        >>> for chunk in chunks(text, limit=50, count=lambda text: len(text.split())):
        ...     print(chunk[:3], "to", chunk.rstrip()[-3:])
        100 to 132
        129 to 165
        162 to 199

    Args:
        text: The text.
        limit: How many word pieces of a text the model reads.
        count: How many word pieces a text has.
    """
    pieces = count(text)
    if pieces <= limit or len(text) == 1:
        return [text]
    parts = min(len(text), max(2, math.ceil(_ROOM * pieces / limit)))
    cut = list(_cut(text, parts))
    said = [part for part in cut if part.strip()] or cut[:1]
    return [chunk for part in said for chunk in chunks(part, limit=limit, count=count)]


def halves(text: str, *, limit: int, count: Callable[[str], int]) -> list[str]:
    """Halve a text between words, without overlap, until every part fits; return the text alone if it does.

    >>> halves("one two three four", limit=2, count=lambda text: len(text.split()))
    ['one two', 'three four']

    Args:
        text: The text.
        limit: How much a part may take.
        count: How much a text takes.
    """
    if count(text) <= limit or len(text) <= 1:
        return [text]
    middle = len(text) // 2
    borders = text.rfind(" ", 1, middle + 1), text.find(" ", middle + 1), middle
    cut = next(border for border in borders if border > 0)
    sides = text[:cut].rstrip(), text[cut:].lstrip()
    return [part for side in sides if side for part in halves(side, limit=limit, count=count)]


def _cut(text: str, parts: int) -> Iterator[str]:
    """So many chunks of about one length, each shorter than the text."""
    share = len(text) / parts
    reach = int(share / _EIGHTH)
    begin = 0
    for number in range(1, parts):
        end = _border(text, int(share * number), reach, (_SENTENCE, _WORD))
        yield text[begin:end]
        begin = _border(text, end - reach, reach, (_WORD,))
    yield text[begin:]


def _border(text: str, place: int, reach: int, kinds: tuple[re.Pattern[str], ...]) -> int:
    """Return the border nearest to a place, of the first kind that is within reach; else the place itself."""
    for kind in kinds:
        if ends := [found.end() for found in kind.finditer(text, place - reach, place + reach)]:
            return min(ends, key=lambda end: abs(end - place))
    return place
