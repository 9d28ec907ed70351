"""`agentmem demo`: a LangGraph agent remembers, step by step, and every step checks what it shows."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.rule import Rule
from rich.text import Text

from agentmem.cli.call import Call, command
from agentmem.cli.chat import Model
from agentmem.cli.output import pairs, print_json, screen
from agentmem.errors import BackendError, InvalidInputError

if TYPE_CHECKING:
    from rich.console import Console

_HOME: Final = Path(".agentmem-demo")
_WIDTH: Final = 88
_MARK: Final = "DEMO.txt"
_MARKED: Final = "This folder was made by `agentmem demo`, which deletes it when it runs again. Keep nothing here.\n"


@command
def demo(call: Call, *, model: Model = None) -> None:
    """See a LangGraph agent remember, in seven steps without a key.

    It takes about half a minute and works in a folder of its own, ./.agentmem-demo or the one given by --home, which it
    makes afresh each time. Every step checks what it claims; the first that does not hold ends the demo with code 1.
    """
    # LangChain and LangGraph take most of a second to import, and only agents need them.
    from agentmem.cli.story import Story  # noqa: PLC0415

    home = fresh_folder(call.home or _HOME)
    console = screen()
    console.quiet = call.json
    console.width = min(console.width, _WIDTH)
    with _settings_of_its_own(), Story(replace(call, home=home), model, console) as story:
        console.print(Text.assemble(("agentmem demo", "bold"), ": a user, two conversations, an agent that remembers"))
        console.print(Text(story.introduction, style="dim"))
        steps: list[dict[str, Any]] = []
        for number, step in enumerate(story.steps, start=1):
            console.print()
            console.print(Rule(Text(f" {number}  {step.title} ", style="bold"), align="left"))
            steps.append({"step": number, "title": step.title, **step.play()})
    if call.json:
        print_json({"home": home, "model": model or "scripted", "steps": steps, "next": story.to_try})
        return
    _print_end(console, home, story.to_try)


def fresh_folder(home: Path) -> Path:
    """Return an empty folder for a demo, in place of an earlier demo's.

    Raises:
        InvalidInputError: There is something there that no demo made.
        BackendError: The folder cannot be made.
    """
    try:
        if home.is_symlink() or (home.exists() and not home.is_dir()):
            raise InvalidInputError(
                "something that is no folder has this name", field="home", advice="name another with --home"
            )
        if home.exists() and any(home.iterdir()):
            if not (home / _MARK).is_file():
                raise InvalidInputError(
                    "this folder was not made by the demo, so it is left alone",
                    field="home",
                    advice="name another with --home",
                )
            shutil.rmtree(home)
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        (home / _MARK).write_text(_MARKED, "utf-8")
        (home / ".gitignore").write_text("*\n", "utf-8")
    except OSError as error:
        raise BackendError(
            f"the demo's folder cannot be made ({type(error).__name__})",
            field="home",
            advice="name another with --home",
        ) from error
    return home


@contextmanager
def _settings_of_its_own() -> Generator[None]:
    """Without the environment's settings: they may name a database that is no demo's."""
    kept = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("AGENTMEM_")}
    try:
        yield
    finally:
        os.environ.update(kept)


def _print_end(console: Console, home: Path, to_try: list[str]) -> None:
    console.print()
    console.print(Rule(Text(" That was it ", style="bold"), align="left"))
    files = sorted(file for file in home.rglob("*") if file.is_file())
    database = sum(file.stat().st_size for file in files if file.parent == home)
    index = sum(file.stat().st_size for file in files if file.parent != home)
    console.print(
        pairs(
            [
                ("folder", str(home.absolute())),
                ("SQLite", f"{database / 1000:,.0f} kB: the texts with versions, vectors and words"),
                ("Chroma", f"{index / 1000:,.0f} kB: the index, which can be thrown away and rebuilt"),
            ]
        )
    )
    console.print(Text("\nTry next:"))
    for line in to_try:
        console.print(Text(f"  {line}", style="bold"), soft_wrap=True)
