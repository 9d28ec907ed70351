"""Where a command's text comes from: an argument, a file, or what is piped in."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from agentmem.errors import InvalidInputError

STDIN: Final = "-"


def text_of(text: str | None, file: Path | None, *, what: str) -> str:
    """Return the text a command is about, exactly as it was given.

    Args:
        text: What was typed; `-` for stdin, `None` for a file, or for stdin when something is piped in.
        file: The file to read; `-` for stdin.
        what: What the text is, for the error when there is none.

    Raises:
        InvalidInputError: There is none, there are two, or it is no UTF-8.
    """
    if text is not None and file is not None:
        raise InvalidInputError("given twice, as an argument and as --file", field=what, advice="leave one out")
    if text not in {None, STDIN}:
        return text or ""
    if file is not None and str(file) != STDIN:
        return decoded(_read(file), "file")
    if text is None and file is None:
        if sys.stdin.isatty():
            raise InvalidInputError(
                "nothing given", field=what, advice="type it in quotes, name a --file, or pipe it in"
            )
        piped = decoded(sys.stdin.buffer.read(), "stdin")
        if not piped:
            raise InvalidInputError(
                "nothing given and nothing piped in", field=what, advice="type it in quotes or name a --file"
            )
        return piped
    return decoded(sys.stdin.buffer.read(), "stdin")


def decoded(content: bytes, where: str) -> str:
    """Bytes as UTF-8, with or without its mark.

    Raises:
        InvalidInputError: They are something else.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInputError(
            f"not UTF-8 text, from byte {error.start}", field=where, advice="convert it, for example with iconv"
        ) from None


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InvalidInputError(
            f"cannot be read: {reason}", field="file", advice="check the name given to --file"
        ) from error
