"""`work` and `sweep`: what is left for later, done now; for a person or for cron."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from agentmem.cli.call import Call, command
from agentmem.cli.output import counted, in_commands, print_json, printable, screen, waiting
from agentmem.errors import InvalidInputError

if TYPE_CHECKING:
    from agentmem.records import SweepReport

Reader = Annotated[
    str | None,
    typer.Option(
        envvar="AGENTMEM_MODEL",
        metavar="PROVIDER:NAME",
        help="The chat model that reads conversations, like openai:gpt-5, with its package and key in place.",
    ),
]


@command
def work(
    call: Call,
    *,
    model: Reader = None,
    limit: Annotated[int | None, typer.Option(metavar="N", help="How many conversations at most.")] = None,
) -> None:
    """Read the conversations that ended and wait to be read.

    A chat model reads the transcript of each, and what it learns of the person is kept. It does those of one tenant,
    and several of it may run at once: no conversation is read twice. What cannot be read for the moment, because a
    model is out of reach, is left for later, and tried again a minute to an hour after.
    """
    if model is None:
        raise InvalidInputError(
            "a chat model reads conversations", field="model", advice="name one with --model or AGENTMEM_MODEL"
        )
    with call.existing_store(model=model) as mem, waiting("Reading…"):
        done = mem.conversations.work(limit=limit)
        left = mem.conversations.postponed()
    if call.json:
        print_json({"read": done, **({"postponed": left} if left else {})})
        return
    said = f"Read {counted(done, 'conversation')}." if done else "No conversation was read."
    if left:
        said += f" Left for later: {left:,}; conversations show tells why."
    screen().print(Text(said), soft_wrap=True)


@command
def sweep(call: Call) -> None:
    """Delete what expired or was deleted, end what was left open.

    It is about the whole store. What is deleted was hidden before; now it is off the disk. What is ended waits for
    `agentmem work`. Prints one line, for cron.
    """
    with call.existing_store() as mem, waiting("Sweeping…"):
        report = mem.sweep()
        report = replace(report, pending=tuple(map(in_commands, report.pending)))
    if call.json:
        print_json(report)
        return
    screen().print(Text(_told(report)), soft_wrap=True)


def _told(report: SweepReport) -> str:
    """Return a sweep on one line."""
    deleted = ", ".join(f"{kind.replace('_', ' ')}: {count:,}" for kind, count in report.deleted.items() if count)
    parts = [
        f"ended {counted(report.ended, 'conversation')}",
        f"deleted {deleted or 'nothing'}",
        *(f"pending: {sentence}" for sentence in report.pending),
    ]
    return printable("; ".join(parts))
