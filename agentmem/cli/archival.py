"""`remember` and `recall`: archival memory on the command line."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, cast

import typer
from rich.text import Text

from agentmem import inputs
from agentmem.archival.lines.drafts import Limits, drafts
from agentmem.bounds import MAX_LIMIT
from agentmem.cli.call import INTERRUPTED, Call, command
from agentmem.cli.output import (
    counted,
    notice,
    one_line,
    print_error,
    print_json,
    progress,
    row,
    screen,
    table,
    waiting,
)
from agentmem.cli.reading import text_of
from agentmem.errors import AgentMemError
from agentmem.models import ArchivalLine, Line, MemoryRecallResult, ScopeFilter, Source
from agentmem.policy import DEFAULT_LIMIT, DEFAULT_MIN_SCORE

if TYPE_CHECKING:
    from agentmem.client.memory import Memory

_AT_ONCE: Final = 256
"""How many lines are remembered in one transaction, and go through the model together."""


@command
def remember(
    call: Call,
    *,
    text: Annotated[
        str | None, typer.Argument(metavar="TEXT", help="What to remember, in quotes; - reads it from stdin.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", metavar="FILE", help="Remember every line of this file, empty ones left out."),
    ] = None,
    speaker: Annotated[str | None, typer.Option(metavar="NAME", help="Who said it.")] = None,
    conversation: Annotated[str | None, typer.Option(metavar="ID", help="The conversation it was said in.")] = None,
    source: Annotated[
        str, typer.Option(metavar="WHO", help="Who it comes from: user, assistant, tool, extractor or operator.")
    ] = "operator",
    occurred_at: Annotated[
        str | None, typer.Option(metavar="TIME", help="When it happened, like 2026-03-14T09:30:00+00:00.")
    ] = None,
    idempotency_key: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="Remember it once, however often this is run with the same key and text."),
    ] = None,
) -> None:
    """Remember something, so that `recall` finds it again.

    Each line becomes one archival memory. Up to 256 lines are remembered together or not at all; more of them in
    several such batches.
    """
    given = text_of(text, file, what="text")
    like = Line(
        "",
        speaker=speaker,
        conversation_id=conversation,
        source=cast("Source", source),
        occurred_at=occurred_at,
        confidence=1.0,
    )
    with call.store() as mem:
        settings = mem.settings
        batches = _batches(inputs.text("text", given), like)
        _check(batches, like, Limits(settings.max_line_chars, settings.max_id_chars))
        stored = _remember(call, call.memory(mem), batches, idempotency_key)
    if call.json:
        print_json(stored)
        return
    screen().print(Text(f"Remembered {counted(len(stored), 'line')} for {call.whose}."), soft_wrap=True)
    notice(f"Find it again: {call.line('recall', 'a few words about it')}")


@command
def recall(
    call: Call,
    *,
    query: Annotated[str, typer.Argument(metavar="QUERY", help="What to look for, in your own words.")],
    limit: Annotated[
        int, typer.Option(metavar="N", help=f"How many matches at most, 1 to {MAX_LIMIT}.")
    ] = DEFAULT_LIMIT,
    min_score: Annotated[
        float, typer.Option(metavar="SCORE", help="Leave out what scores lower, 0 to 1.")
    ] = DEFAULT_MIN_SCORE,
    scope: Annotated[
        str,
        typer.Option(metavar="WHICH", help='"user": what all agents share. "agent": what --agent keeps. "all": both.'),
    ] = "all",
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only from this moment on, like 2026-03-01T00:00:00+00:00.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Only from before this moment.")] = None,
    conversation: Annotated[str | None, typer.Option(metavar="ID", help="Only from this conversation.")] = None,
    source: Annotated[
        str | None,
        typer.Option(metavar="WHO", help="Only what comes from: user, assistant, tool, extractor or operator."),
    ] = None,
    min_confidence: Annotated[
        float, typer.Option(metavar="SURE", help="Only what is at least as sure as this, 0 to 1; never below 0.5.")
    ] = 0.5,
    half_life_days: Annotated[
        float | None,
        typer.Option(metavar="DAYS", help="Prefer what is newer; the preference halves every so many days."),
    ] = None,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            metavar="",
            help="Show how each match came to its place. Of each word of the question: its weight, how often the line "
            "has it (own), that with a share of the two lines before (amount), and what it adds to lexical.",
        ),
    ] = False,
) -> None:
    """Search archival memory by meaning and by word.

    Shows the best matches with their scores, 0 to 1. The order is that of the scores, but for what --explain shows
    beside them: a line moves up when the question names its speaker or its conversation answers well, and down when it
    is a question itself.
    """
    with call.existing_store() as mem, waiting("Searching…"):
        matches = call.memory(mem).recall(
            query,
            agent_id=call.agent,
            limit=limit,
            min_score=min_score,
            scope=cast("ScopeFilter", scope),
            since=since,
            until=until,
            conversation_id=conversation,
            source=cast("Source | None", source),
            min_confidence=min_confidence,
            half_life_days=half_life_days,
            explain=explain,
        )
    if call.json:
        print_json(matches)
        return
    if not matches:
        screen().print(Text(f"Nothing found for {call.whose}."), soft_wrap=True)
        notice(f"Only matches of {min_score:g} or better are shown; try --min-score 0.1, or other words.")
        return
    print_matches(matches)
    # The formulas bring numpy, which opening the store has loaded, and --help has not.
    from agentmem.cli.explained import print_explained  # noqa: PLC0415

    print_explained(matches)


def print_matches(matches: list[MemoryRecallResult]) -> None:
    """Print matches as a table."""
    shown = table("score", "line", "scope", "date", "speaker", "memory", right=("score", "line"), whole=("date",))
    for match in matches:
        date = f"{match.occurred_at or match.created_at:%Y-%m-%d}"
        shown.add_row(
            *row(match.score, match.line_number, _scope(match), date, one_line(match.speaker or "", limit=20)),
            Text(one_line(match.content)),
        )
    screen().print(shown)


@dataclass(frozen=True, slots=True)
class _Batch:
    """Some lines of a text, and where each of them stands in it."""

    lines: list[Line]
    numbers: list[int]


def _batches(text: str, like: Line) -> list[_Batch]:
    lines = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    parts = [lines[start : start + _AT_ONCE] for start in range(0, len(lines), _AT_ONCE)]
    return [
        _Batch([replace(like, content=content) for _, content in part], [number for number, _ in part])
        for part in parts
    ]


def _check(batches: list[_Batch], like: Line, limits: Limits) -> None:
    """Look at every line before any is written; an error names the line by its number in the whole text."""
    for batch in batches:
        for number, line in zip(batch.numbers, batch.lines, strict=True):
            drafts(line, like, limits, field=f"line {number}")


def _remember(call: Call, memory: Memory, batches: list[_Batch], key: str | None) -> list[ArchivalLine]:
    stored: list[ArchivalLine] = []
    done = 0
    try:
        with progress() as bar:
            task = bar.add_task("Remembering", total=_count(batches))
            for done, batch in enumerate(batches):
                own_key = key if key is None or done == 0 else f"{key}#{done + 1}"
                stored += memory.remember(batch.lines, agent_id=call.agent, idempotency_key=own_key)
                bar.update(task, completed=len(stored))
    except KeyboardInterrupt:
        print_error("Interrupted", f"interrupted: {_landed(batches, done)}", as_json=call.json)
        raise typer.Exit(INTERRUPTED) from None
    except AgentMemError as error:
        error.add_note(_landed(batches, done))
        raise
    return stored


def _count(batches: list[_Batch]) -> int:
    return sum(len(batch.lines) for batch in batches)


def _landed(batches: list[_Batch], done: int) -> str:
    if done == 0:
        return "nothing was remembered"
    first = batches[done].numbers[0]
    return (
        f"{_count(batches[:done]):,} of {_count(batches):,} lines were remembered; "
        f"the rest begins at line {first}: tail -n +{first}"
    )


def _scope(match: MemoryRecallResult) -> str:
    return match.scope if match.agent_id is None else one_line(f"agent {match.agent_id}", limit=20)
