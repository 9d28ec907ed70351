"""Asking a person before something that cannot be undone; where nobody can be asked, it is not done."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Annotated, Final

import typer

from agentmem.cli.call import program, typeable
from agentmem.errors import InvalidInputError

if TYPE_CHECKING:
    from agentmem.cli.call import Call

_DECLINED: Final = 1

Yes = Annotated[bool, typer.Option("--yes", "-y", metavar="", help="Do not ask.")]


def require_yes(call: Call, question: str, *, yes: bool) -> None:
    """Ask who sits at the terminal; a script has nobody to ask, and has to say `--yes`.

    Args:
        call: The call, which is to be repeated with `--yes`.
        question: What is about to happen.
        yes: Whether the answer was given with the call.

    Raises:
        InvalidInputError: There is no terminal to ask at.
        typer.Exit: The answer was not yes.
    """
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        error = InvalidInputError("it cannot be undone, and nobody can be asked here; nothing was changed", field="yes")
        error.add_note(f"do it without being asked:  {_with_yes(call.argv)}")
        raise error
    if not typer.confirm(question, err=True):
        raise typer.Exit(_DECLINED)


def _with_yes(argv: tuple[str, ...]) -> str:
    end = argv.index("--") if "--" in argv else len(argv)
    typed = shlex.join([*argv[:end], "--yes", *argv[end:]])
    return f"{program()} {typed if typeable(typed) else '… --yes'}"
