"""Asking a person before something that cannot be undone."""

from __future__ import annotations

import sys
from typing import Annotated, Final

import typer

_DECLINED: Final = 1

Yes = Annotated[bool, typer.Option("--yes", "-y", metavar="", help="Do not ask.")]


def require_yes(question: str, *, yes: bool) -> None:
    """Ask who sits at the terminal; a script has nobody to ask, and goes on.

    Args:
        question: What is about to happen.
        yes: Whether the answer was given with the call.

    Raises:
        typer.Exit: The answer was not yes.
    """
    asks = not yes and sys.stdin.isatty() and sys.stderr.isatty()
    if asks and not typer.confirm(question, err=True):
        raise typer.Exit(_DECLINED)
