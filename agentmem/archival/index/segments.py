"""The files of Chroma's graphs, which begin as whatever was in the memory that they were written from."""

from __future__ import annotations

import struct
from os import SEEK_END
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_HEADER: Final = struct.Struct("<i6Q")
"""Its version, where an element begins, the most there may be, how many there are, the bytes of one, and others."""

_VERSION: Final = 1
_LENGTH_BYTES: Final = 4


class Segments:
    """The graphs of one embedded Chroma, each in a folder of its own.

    Chroma reserves memory for a graph's first hundred vectors, and writes it to
    the disk as it finds it: with vectors, perhaps, of someone who was forgotten.

    Args:
        location: The folder of the Chroma.
    """

    def __init__(self, location: Path) -> None:
        self._location = location
        self._blank: set[Path] = set()

    def blank(self) -> None:
        """Overwrite what is no vector, in the graphs that are new since the last time."""
        for header in self._location.glob("*/header.bin"):
            if header not in self._blank:
                version, _, _, elements, size, *_ = _HEADER.unpack(header.read_bytes()[: _HEADER.size])
                if version == _VERSION:
                    _overwrite(header.with_name("data_level0.bin"), begin=elements * size)
                    _overwrite(header.with_name("length.bin"), begin=elements * _LENGTH_BYTES)
                self._blank.add(header)


def _overwrite(path: Path, *, begin: int) -> None:
    with path.open("r+b") as file:
        end = file.seek(0, SEEK_END)
        file.seek(begin)
        file.write(bytes(max(0, end - begin)))
