"""`status`, `check` and `reindex`: what a store is, whether it is sound, and its index anew."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.text import Text

import agentmem
from agentmem.cli.call import Call, command
from agentmem.cli.output import Cell, counted, in_commands, pairs, print_json, progress, screen, waiting
from agentmem.settings import Settings

if TYPE_CHECKING:
    from agentmem.models import CheckReport

UNSOUND: Final = 1
"""The exit code of a check that found something."""


@command
def status(call: Call) -> None:
    """Show what there is: the store, who answers in it, how much it holds, which settings were changed."""
    with call.store() as mem, waiting("Looking…"):
        report = mem.check()
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
        "problems": [in_commands(problem) for problem in report.problems],
        "tenant_id": call.tenant,
        "user_id": call.user,
        "agent_id": call.agent,
        "user_blocks": len(blocks) - len(archival),
        "user_lines": sum(len(block.content.splitlines()) for block in archival),
        "settings": _changed(settings),
    }
    if call.json:
        print_json(shown)
        return
    console = screen()
    console.print(pairs(_told(call, shown, report)))
    _print_problems(report)


@command
def check(call: Call) -> None:
    """Check whether the database and the vector index agree. Ends with code 1 when they do not."""
    with call.store() as mem, waiting("Comparing…"):
        report = mem.check()
    if call.json:
        print_json(report)
    else:
        values: list[tuple[str, Cell]] = [
            ("state", "sound" if report.ok else "not sound"),
            *_counts(report),
        ]
        screen().print(pairs(values))
        _print_problems(report)
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
    """Build the vector index anew from the database. Nothing is lost by it, and recall answers meanwhile."""
    with call.store() as mem, progress() as bar:
        task = bar.add_task("Embedding" if embed else "Indexing", total=None)
        before = 0

        def report(done: int, total: int) -> None:
            nonlocal before
            if done < before:  # the vectors are made; now they are handed over
                bar.update(task, description="Indexing")
            before = done
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
    """The settings that are not at their default, but for what says where the store is."""
    fields = Settings.model_fields.items()
    values = {name: getattr(settings, name) for name, field in fields if getattr(settings, name) != field.default}
    return {name: value for name, value in values.items() if name not in {"home", "database_url", "chroma_url"}}


def _counts(report: CheckReport) -> list[tuple[str, Cell]]:
    # Chroma is only asked for large scopes, so it is fed when the first one grows.
    indexed = "not in use yet" if report.indexed is None else counted(report.indexed, "vector")
    waiting_lines = f", {counted(report.pending, 'change')} waiting" if report.pending else ""
    return [
        ("large scopes", f"answered by {'Chroma' if report.answers == 'chroma' else 'the exact scan'}"),
        ("lines", f"{report.lines:,}"),
        ("index", indexed + waiting_lines),
        ("embedder", report.embedder or "none yet"),
    ]


def _told(call: Call, shown: dict[str, Any], report: CheckReport) -> list[tuple[str, Cell]]:
    changed = ", ".join(f"{name}={value}" for name, value in shown["settings"].items())
    return [
        ("agentmem", shown["version"]),
        ("home", str(shown["home"])),
        ("database", shown["database"]),
        ("vectors", shown["index"]),
        *_counts(report),
        ("whose", call.whose),
        ("theirs", f"{counted(shown['user_blocks'], 'block')}, {counted(shown['user_lines'], 'line')}"),
        ("settings", changed or "all at their defaults"),
    ]


def _print_problems(report: CheckReport) -> None:
    for problem in report.problems:
        screen().print(Text(in_commands(problem), style="yellow"), soft_wrap=True)
