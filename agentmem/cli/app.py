"""The program `agentmem`: its commands, and how it ends."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Annotated, Final

import typer

import agentmem
from agentmem.cli import agents, blocks, contacts, conversations
from agentmem.cli.archival import recall, remember
from agentmem.cli.call import INTERRUPTED, Call, Opener, TextCommand, examples, group, open_store
from agentmem.cli.chat import chat
from agentmem.cli.demo import demo
from agentmem.cli.jobs import sweep, work
from agentmem.cli.output import print_error, print_failure, print_json
from agentmem.cli.person import changes, forget
from agentmem.cli.upkeep import check, reindex, status
from agentmem.errors import AgentMemError, InvalidInputError

_BROKEN: Final = 1
_PEOPLE: Final = "Commands about people and their conversations"
_MUTED: Final = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
}
"""What keeps the embedding model's libraries from talking in between."""


@group
def root(
    _call: Call,
    version: Annotated[bool, typer.Option("--version", metavar="", help="Show the version and end.")] = False,
) -> None:
    """Long-term memory for LLM agents, in a folder of your own.

    Core memory is text that is always in the agent's prompt (`blocks`); archival memory is lines that are searched by
    meaning and by word (`remember`, `recall`). What agents learn of the people they talk to is shown by `contacts`,
    `conversations` and `changes`. The first time, try `agentmem demo`.

    It ends with code 0 when all went well, 2 for wrong input, 3 when something is not there, 4 for a conflict, 6 when
    something behind it failed, and 1 when `check` found problems.
    """
    if version:
        print_version(_call)
        raise typer.Exit


def print_version(call: Call) -> None:
    """Print the version."""
    if call.json:
        print_json({"version": agentmem.__version__})
        return
    typer.echo(f"agentmem {agentmem.__version__}")


def main(argv: Sequence[str] | None = None, *, opener: Opener = open_store) -> int:
    """Run the command line.

    Args:
        argv: What was typed after `agentmem`; else the process's own arguments.
        opener: What opens the store.

    Returns:
        The exit code: 0, 2 for a wrong call, what `agentmem.errors` says for an error of ours, 130 after Ctrl-C.
    """
    words = tuple(sys.argv[1:] if argv is None else argv)
    for name, value in _MUTED.items():
        os.environ.setdefault(name, value)
    as_json = "--json" in words[: words.index("--") if "--" in words else None]
    try:
        return _run(words, opener)
    except AgentMemError as error:
        print_failure(error, as_json=as_json)
        return error.exit_code
    except typer.TyperException as error:
        said = error.format_message()
        more = {"code": InvalidInputError.code, "rule": said, "status": InvalidInputError.status}
        print_error("UsageError", said, _advice(error), as_json=as_json, field=None, hint="", **more)
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        sys.stderr.write("\n")
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has enough; nothing is left to say, not even at the end of the process.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN


def _run(words: tuple[str, ...], opener: Opener) -> int:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    with warnings.catch_warnings():
        if not sys.warnoptions:
            warnings.simplefilter("ignore")
        program = typer.main.get_command(app)
        code = program.main(list(words), prog_name="agentmem", standalone_mode=False, obj=Call.begin(words, opener))
    sys.stdout.flush()
    return code if isinstance(code, int) else 0


def _advice(error: typer.TyperException) -> list[str]:
    context: typer.Context | None = getattr(error, "ctx", None)
    advice = [f"help:  {context.command_path if context else 'agentmem'} --help"]
    # Typer's errors say of which kind they are in their words alone: it has no public classes of them.
    if "No such option" in error.message:
        advice.insert(0, "text that begins with a dash goes behind --")
    if "unexpected extra argument" in error.message:
        advice.insert(0, "text of several words goes in quotes")
    return advice


app = typer.Typer(
    callback=root,
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode="rich",
    epilog=examples(
        'agentmem remember "The spare key is with Noor on the second floor"',
        'agentmem recall "Who has the spare key?"',
        'agentmem blocks append core "- Likes tea" --user ada',
        "agentmem chat --user ada",
        "agentmem contacts show ada --agent support",
    ),
)
app.command(epilog=examples("agentmem demo", "agentmem demo --model openai:gpt-5"))(demo)
app.command(
    cls=TextCommand,
    epilog=examples(
        "agentmem chat --user ada",
        'agentmem chat "Who has the spare key?" --user ada --agent juno',
        "agentmem chat --auto --model openai:gpt-5",
    ),
)(chat)
app.command(
    cls=TextCommand,
    epilog=examples(
        'agentmem remember "We moved" --speaker Ada --occurred-at 2026-03-14T09:30Z',
        "agentmem remember --file notes.txt --idempotency-key notes-1",
        "grep decision minutes.txt | agentmem remember --source tool",
    ),
)(remember)
app.command(
    cls=TextCommand,
    epilog=examples(
        'agentmem recall "Who has the spare key?"',
        'agentmem recall "the move" --limit 10 --min-score 0.4 --explain',
        'agentmem recall "the move" --since 2026-03-01T00:00:00+00:00 --json',
        'agentmem recall "Where does Ada live?" --source user --half-life-days 30',
    ),
)(recall)
app.add_typer(blocks.app, name="blocks")
app.add_typer(contacts.app, name="contacts", rich_help_panel=_PEOPLE)
app.add_typer(conversations.app, name="conversations", rich_help_panel=_PEOPLE)
app.add_typer(agents.app, name="agents", rich_help_panel=_PEOPLE)
app.command(
    rich_help_panel=_PEOPLE,
    epilog=examples(
        "agentmem changes ada",
        "agentmem changes ada --since 412 --json",
        "agentmem changes ada --since 2026-03-14T09:00Z --agent support",
    ),
)(changes)
app.command(rich_help_panel=_PEOPLE, epilog=examples("agentmem forget ada", "agentmem forget ada --wait --yes"))(forget)
app.command(
    rich_help_panel=_PEOPLE, epilog=examples("agentmem work --model openai:gpt-5", "agentmem work --limit 20 --json")
)(work)
app.command(rich_help_panel=_PEOPLE, epilog=examples("agentmem sweep", "agentmem sweep --json"))(sweep)
app.command(epilog=examples("agentmem status", "agentmem status --user ada --json"))(status)
app.command(epilog=examples("agentmem check", "agentmem check --json"))(check)
app.command(epilog=examples("agentmem reindex", "agentmem reindex --embed"))(reindex)
