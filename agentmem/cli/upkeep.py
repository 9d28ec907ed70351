"""`status`, `check` and `reindex`: what a store is, whether it is sound, and its index anew."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Annotated, Any, Final

import typer
from rich.text import Text

import agentmem
from agentmem.cli.call import Call, command
from agentmem.cli.output import Cell, counted, in_commands, pairs, print_json, print_sentence, progress, screen, waiting
from agentmem.models import CheckReport, Engine
from agentmem.settings import Settings

UNSOUND: Final = 1
"""The exit code of a check that found something."""

_ENGINES: Final[dict[Engine, str]] = {"scan": "the exact scan", "chroma": "Chroma"}


@command
def status(call: Call) -> None:
    """Show where the store is, what it holds and how it is set."""
    with call.existing_store() as mem, waiting("Looking…"):
        report = _in_commands(mem.check())
        blocks = call.memory(mem).list(scope="all", agent_id=call.agent)
        settings = mem.settings
    archival = [block for block in blocks if block.block_type == "archival"]
    shown: dict[str, Any] = {
        "version": agentmem.__version__,
        "home": settings.home.absolute(),
        "database": "sqlite in home" if settings.database_url is None else without_password(settings.database_url),
        "index": "chroma in home" if settings.chroma_url is None else without_password(settings.chroma_url),
        "answers": report.answers,
        "embedder": report.embedder,
        "ok": report.ok,
        "lines": report.lines,
        "indexed": report.indexed,
        "pending": report.pending,
        "problems": report.problems,
        "notes": report.notes,
        "tenant_id": call.tenant,
        "user_id": call.user_id,
        "agent_id": call.agent,
        "user_blocks": len(blocks) - len(archival),
        "user_lines": sum(len(block.content.splitlines()) for block in archival),
        "settings": _changed(settings),
    }
    if call.json:
        print_json(shown)
        return
    console = screen()
    console.print(pairs(_told(call, shown, report, settings)))
    _print_sentences(report)


@command
def check(call: Call) -> None:
    """Check that the database and the vector index agree.

    Ends with code 0 when they do; else with 1, and tells what to run.
    """
    with call.existing_store() as mem, waiting("Comparing…"):
        report = _in_commands(mem.check())
        settings = mem.settings
    if call.json:
        print_json(report)
    else:
        values: list[tuple[str, Cell]] = [
            ("state", "sound" if report.ok else "not sound"),
            *_counts(report, settings),
        ]
        screen().print(pairs(values))
        _print_sentences(report)
    if not report.ok:
        raise typer.Exit(UNSOUND)


@command
def reindex(
    call: Call,
    *,
    embed: Annotated[
        bool, typer.Option("--embed", metavar="", help="Compute every vector anew first, with the model in use now.")
    ] = False,
) -> None:
    """Build the vector index anew from the database.

    Nothing is lost by it, and recall answers meanwhile. After another AGENTMEM_LANGUAGE, it also splits the words of
    all lines anew.
    """
    with call.existing_store() as mem, progress() as bar:
        task = bar.add_task("Reindexing", total=None)

        def report(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        indexed = mem.reindex(embed=embed, progress=report)
    if call.json:
        print_json({"indexed": indexed})
        return
    screen().print(Text(f"The index holds {counted(indexed, 'line')} now."))


def without_password(url: str) -> str:
    """A URL that may be shown.

    >>> without_password("postgresql://ada:s3c@ret@db/mem?password=x&y=1")
    'postgresql://ada:***@db/mem?password=***&y=1'
    """
    url = re.sub(r"(?<=://)([^/:@]*):.*@", r"\1:***@", url)
    return re.sub(r"(?i)(password|token|secret)=[^&]*", r"\1=***", url)


def _changed(settings: Settings) -> dict[str, object]:
    """Return the settings that are not at their default, but for what says where the store is."""
    fields = Settings.model_fields.items()
    values = {name: getattr(settings, name) for name, field in fields if getattr(settings, name) != field.default}
    return {name: value for name, value in values.items() if name not in {"home", "database_url", "chroma_url"}}


def _counts(report: CheckReport, settings: Settings) -> list[tuple[str, Cell]]:
    waiting_lines = f", {counted(report.pending, 'change')} waiting" if report.pending else ""
    return [
        (
            "large scopes",
            f"above {settings.scan_below:,} lines: answered by {_ENGINES.get(report.answers, report.answers)}",
        ),
        ("lines", f"{report.lines:,}"),
        ("index", _indexed(report) + waiting_lines),
        ("embedder", report.embedder or "none yet"),
    ]


def _indexed(report: CheckReport) -> str:
    if report.indexed is not None:
        return counted(report.indexed, "vector")
    # Chroma is only asked for large scopes, so it is fed when the first one grows.
    return "not in use yet" if report.ok and not report.notes else "not asked"


def _told(call: Call, shown: dict[str, Any], report: CheckReport, settings: Settings) -> list[tuple[str, Cell]]:
    changed = ", ".join(f"{name}={value}" for name, value in shown["settings"].items())
    return [
        ("agentmem", shown["version"]),
        ("home", str(shown["home"])),
        ("database", shown["database"]),
        ("vectors", shown["index"]),
        *_counts(report, settings),
        ("whose", call.whose),
        ("theirs", f"{counted(shown['user_blocks'], 'block')}, {counted(shown['user_lines'], 'line')}"),
        ("settings", changed or "all at their defaults"),
    ]


def _in_commands(report: CheckReport) -> CheckReport:
    problems, notes = (tuple(map(in_commands, sentences)) for sentences in (report.problems, report.notes))
    return replace(report, problems=problems, notes=notes)


def _print_sentences(report: CheckReport) -> None:
    for problem in report.problems:
        print_sentence(screen(), Text(problem, style="yellow"))
    for note in report.notes:
        print_sentence(screen(), Text(note, style="dim"))
