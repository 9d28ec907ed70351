"""`agentmem chat`: talk to a LangGraph agent that remembers."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Annotated

import typer
from rich.text import Text

from agentmem.cli.call import Call, command
from agentmem.cli.output import printable, screen
from agentmem.cli.reading import decoded
from agentmem.policy import MemoryContext, MemoryPolicy

Model = Annotated[
    str | None,
    typer.Option(
        envvar="AGENTMEM_MODEL",
        metavar="PROVIDER:NAME",
        help="The chat model, like openai:gpt-5, with its package and key in place; without one, a scripted stand-in.",
    ),
]


@command
def chat(
    call: Call,
    *,
    message: Annotated[
        str | None,
        typer.Argument(metavar="MESSAGE", help="One thing to say; without it, a conversation.", show_default=False),
    ] = None,
    model: Model = None,
    auto: Annotated[
        bool, typer.Option("--auto", metavar="", help="Recall before each turn, instead of when the model asks for it.")
    ] = False,
) -> None:
    """CallScript to a LangGraph agent that remembers you.

    Everything you say is answered in one thread; /quit or Ctrl-D ends it. What is piped in is said line by line.
    With --json, each turn is one line: text, tools, matches, degraded, model.
    """
    # LangChain and LangGraph take most of a second to import, and only agents need them.
    from agentmem.cli.talk import CallScript  # noqa: PLC0415

    with call.store() as mem:
        context = MemoryContext(
            user_id=mem.client(call.user_id).user_id,
            agent_id=call.agent,
            memory_policy=MemoryPolicy(archival_mode="auto" if auto else "tool_only"),
        )
        talk = CallScript(mem, context, model)
        if call.json:
            for said in _said(message, aloud=False):
                talk.print_json(said)
            return
        leaving = " /quit or Ctrl-D ends it." if message is None and sys.stdin.isatty() else ""
        heading = f"Talking for {call.whose}. {talk.introduction}{leaving}"
        screen().print(Text(printable(heading), style="dim"))
        for said in _said(message, aloud=True):
            talk.show(said, forgiving=message is None and sys.stdin.isatty())


def _said(message: str | None, *, aloud: bool) -> Iterator[str]:
    """Yield what the person says: one message, or line by line to the end or to /quit."""
    if message is not None:
        yield message
        return
    typing = sys.stdin.isatty()
    for line in _typed() if typing else _piped():
        if line.strip() in {"/quit", "/exit"}:
            return
        if not line.strip():
            continue
        if aloud and not typing:
            screen().print(Text(f"\nyou> {printable(line)}"), soft_wrap=True)
        yield line


def _typed() -> Iterator[str]:
    with contextlib.suppress(ImportError):
        import_module("readline")  # gives input() its history and its arrow keys
    while True:
        try:
            yield input("\nyou> ")
        except EOFError:
            screen().print()
            return


def _piped() -> Iterator[str]:
    for content in sys.stdin.buffer:
        yield decoded(content, "stdin").rstrip("\r\n")
