"""A text that is longer than a model reads, as overlapping windows that it can read."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SENTENCE: Final = re.compile(r"[.!?…]['\")\]’”»]*\s+|[。\uff01\uff1f]\s*|\n+")
_WORD: Final = re.compile(r"\s+")
_EIGHTH: Final = 8
"""The part of a window that repeats the one before it, and how far its end moves to meet a border."""
_ROOM: Final = 1.25
"""How much longer than an even share a window becomes by that."""


def windows(text: str, *, limit: int, count: Callable[[str], int]) -> list[str]:
    """The windows of a text, in order; the text alone if it fits.

    They end after a sentence or a word where one ends nearby, else anywhere,
    and each begins with the end of the one before it.

        >>> text = " ".join(str(number) for number in range(100, 200))
        >>> for window in windows(text, limit=50, count=lambda text: len(text.split())):
        ...     print(window[:3], "to", window.rstrip()[-3:])
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
    return [window for part in said for window in windows(part, limit=limit, count=count)]


def _cut(text: str, parts: int) -> Iterator[str]:
    """So many windows of about one length, each shorter than the text."""
    share = len(text) / parts
    reach = int(share / _EIGHTH)
    begin = 0
    for number in range(1, parts):
        end = _border(text, int(share * number), reach, (_SENTENCE, _WORD))
        yield text[begin:end]
        begin = _border(text, end - reach, reach, (_WORD,))
    yield text[begin:]


def _border(text: str, place: int, reach: int, kinds: tuple[re.Pattern[str], ...]) -> int:
    """The border nearest to a place, of the first kind that is within reach; else the place itself."""
    for kind in kinds:
        if ends := [found.end() for found in kind.finditer(text, place - reach, place + reach)]:
            return min(ends, key=lambda end: abs(end - place))
    return place
