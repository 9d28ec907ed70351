"""Terms as they are stored: a bag of numbers, with how often each stands there."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

BAG: Final = np.dtype([("term", "<u4"), ("count", "u1")])
"""One distinct term of a packed bag: its number and how often it stands there."""

_PAIR: Final = struct.Struct("<IB")
_MOST: Final = 255


def number(term: str) -> int:
    """Return the number that a term has in a bag."""
    return zlib.crc32(term.encode("utf-8", "surrogatepass"))


def pack(terms: Iterable[str]) -> bytes:
    """Pack terms as a bag, five bytes for each distinct one, by number; `unpack` reads it."""
    counts = Counter(map(number, terms))
    return b"".join(_PAIR.pack(term, min(count, _MOST)) for term, count in sorted(counts.items()))


def unpack(bag: bytes) -> NDArray[np.void]:
    """Read what `pack` packed, as records of `BAG`; `b"".join` of several gives their concatenation."""
    return np.frombuffer(bag, BAG)
