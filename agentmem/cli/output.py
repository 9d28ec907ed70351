"""How the command line answers: text a terminal cannot be tricked with, tables, and JSON."""

from __future__ import annotations

import re
import sys
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Final
from unicodedata import category

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from agentmem import serialization
from agentmem.errors import sentence
from agentmem.wording import Phrase, worded

if TYPE_CHECKING:
    from rich.console import JustifyMethod, RenderableType

    from agentmem.errors import AgentMemError

Cell = str | int | float | datetime | Text | None

_ASTRAL: Final = 0x10000
_JOINERS: Final = "\u200c\u200d"  # Indic scripts and emoji are spelled with them
_SUSPECT: Final = re.compile(r"[^\x20-\x7e\n]")

WORDS: Final[Mapping[Phrase, str]] = {
    Phrase.AGENT_ID: "--agent",
    Phrase.AN_AGENT_ID: "--agent",
    Phrase.AWARE_DATETIME: "add one, like 2026-03-14T09:30:00+00:00",
    Phrase.CONFIGURE: "agentmem agents configure does it",
    Phrase.CREATE_WITH_NONE: "leave --expected-updated-at out to create it",
    Phrase.HAND_OVER_CHECKPOINTER: ": those are deleted by forget(…, checkpointer=…) in Python",
    Phrase.LIST_CONVERSATIONS: "agentmem conversations list",
    Phrase.OTHER_HOME: "name another with --home or AGENTMEM_HOME",
    Phrase.REINDEX: "agentmem reindex",
    Phrase.REINDEX_EMBED: "agentmem reindex --embed",
    Phrase.SWEEP: "agentmem sweep",
}
"""What the Python API says, and what one types instead."""


def printable(text: str) -> str:
    r"""Text without what could steer a terminal or hide from a reader: such characters are shown as `\uXXXX`.

    Newlines stay. `--json` and `blocks get --raw` have the exact text.

    >>> printable("red \x1b[31m, 日本")
    'red \\u001B[31m, 日本'
    """
    return _SUSPECT.sub(lambda found: _shown(found[0]), text)


def one_line(text: str, *, limit: int | None = None) -> str:
    """Text on one line, cut with `…` when it is longer than `limit`."""
    shown = printable(text.replace("\r\n", "\n")).replace("\n", " ⏎ ")
    return shown if limit is None or len(shown) <= limit else shown[: limit - 1].rstrip() + "…"


def in_commands(text: str) -> str:
    """Return a text of the Python API in the words of the command line."""
    return worded(text, WORDS)


def counted(count: int, one: str, many: str = "") -> str:
    """Return a number of things.

    >>> counted(1, "line"), counted(1200, "line"), counted(2, "memory", "memories")
    ('1 line', '1,200 lines', '2 memories')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def to_json(value: object, *, indent: int | None = 2) -> str:
    r"""Return a value as JSON that a terminal shows harmlessly.

    >>> to_json({"when": datetime(2026, 3, 14, 9, 30), "text": "\u202eab"}, indent=None)
    '{"when": "2026-03-14T09:30:00.000000Z", "text": "\\u202eab"}'
    """
    ascii_only = not (getattr(sys.stdout, "encoding", None) or "ascii").lower().startswith("utf")
    text = serialization.to_json(value, indent=indent, ascii_only=ascii_only)
    return _SUSPECT.sub(lambda found: _escaped(found[0]), text)


def print_json(value: object, *, indent: int | None = 2) -> None:
    """Print a value as JSON on stdout."""
    sys.stdout.write(to_json(value, indent=indent) + "\n")


def screen() -> Console:
    """Stdout: answers. Nothing printed on it is read as markup."""
    return Console(markup=False, emoji=False, highlight=False)


def side_screen() -> Console:
    """Stderr: errors, and on a terminal notices and progress."""
    return Console(markup=False, emoji=False, highlight=False, stderr=True)


def notice(text: str) -> None:
    """A remark for a person who watches; a script never sees it."""
    console = side_screen()
    if console.is_terminal:
        console.print(Text(printable(text), style="dim"), soft_wrap=True)


def print_sentence(console: Console, text: Text) -> None:
    """Print text that a terminal breaks between words, and that stays on one line in a file."""
    console.print(text, soft_wrap=not console.is_terminal)


def print_failure(error: AgentMemError, *, as_json: bool) -> None:
    """Say on stderr what an error of ours says, in the words of the command line.

    Its object for a script has the parts of the text, too: `code`, `field`, `rule`, `hint` (what to do next) and
    `status`. `advice` are the commands that lead on. A conflict's has the block as `current`.
    """
    rule, hint = in_commands(error.rule), in_commands(error.advice)
    message = sentence(rule, field=error.field, advice=hint)
    told = {**error.to_json(), "message": message, "rule": rule, "hint": hint}
    _print_told(message, told, getattr(error, "__notes__", ()), as_json=as_json)


def print_error(kind: str, message: str, advice: Sequence[str] = (), *, as_json: bool, **more: object) -> None:
    """Say on stderr what went wrong: one line and what to do for a person, one JSON object for a script.

    The object is `{"error": {"type": …, "message": …, "advice": […]}}`, with what else is known of it.
    """
    _print_told(message, {"type": kind, "message": message, **more}, advice, as_json=as_json)


def _print_told(message: str, told: Mapping[str, object], advice: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        shown = {"type": told["type"], "message": message, "advice": list(advice), **told}
        sys.stderr.write(to_json({"error": shown}) + "\n")
        return
    console = side_screen()
    print_sentence(console, Text.assemble(("error: ", "bold red"), printable(message)))
    for line in advice:
        console.print(Text(f"  {printable(line)}"), soft_wrap=True)


@contextmanager
def waiting(text: str) -> Generator[None]:
    """A sign of life on stderr while something takes its time; on a terminal only."""
    console = side_screen()
    if not console.is_terminal:
        yield
        return
    with console.status(Text(text)):
        yield


def progress() -> Progress:
    """Return a progress bar on stderr; it shows on a terminal only, and leaves nothing behind."""
    console = side_screen()
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def table(*columns: str, right: Iterable[str] = (), whole: Iterable[str] = ()) -> Table:
    """Return an empty table.

    Args:
        columns: The headings; the last column takes the room that is left.
        right: The columns of numbers.
        whole: The columns that are never broken over lines.
    """
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, expand=False)
    for name in columns:
        justify: JustifyMethod = "right" if name in right else "left"
        made.add_column(name, justify=justify, no_wrap=name in whole, overflow="fold")
    return made


def row(*cells: Cell) -> list[RenderableType]:
    """Cells of a table as safe text."""
    return [cell if isinstance(cell, Text) else Text(_cell(cell)) for cell in cells]


def stacked(*parts: str | None) -> Text:
    """Return a cell of several lines, each of them safe; those that say nothing are left out."""
    return Text("\n".join(one_line(part) for part in parts if part))


def pairs(values: Iterable[tuple[str, Cell]]) -> Table:
    """Return a list of names and values."""
    made = Table.grid(padding=(0, 2))
    made.add_column(style="bold", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in values:
        made.add_row(*row(name, value))
    return made


def _cell(value: str | float | datetime | None) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return str(value) if isinstance(value, int) else f"{value:.2f}"


def _shown(character: str) -> str:
    return character if _harmless(character) else f"\\u{ord(character):04X}"


def _escaped(character: str) -> str:
    if _harmless(character):
        return character
    code = ord(character)
    if code < _ASTRAL:
        return f"\\u{code:04x}"
    high, low = divmod(code - _ASTRAL, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"


def _harmless(character: str) -> bool:
    return character.isprintable() or character in _JOINERS or category(character) == "Zs"
