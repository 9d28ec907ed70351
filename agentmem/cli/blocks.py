"""`agentmem blocks`: the versioned texts that stand in the prompt."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Final, TypeVar, cast

import typer
from rich.text import Text

from agentmem.cli.asking import Yes, require_yes
from agentmem.cli.call import Call, TextCommand, command, examples, group, program, typeable
from agentmem.cli.output import counted, one_line, print_json, printable, row, screen, table
from agentmem.cli.reading import STDIN, text_of
from agentmem.errors import ConflictError, InvalidInputError, NotFoundError
from agentmem.models import MemoryBlock, ScopeFilter
from agentmem.serialization import moment

T = TypeVar("T")

_PREVIEW: Final = 60

Name = Annotated[str, typer.Argument(metavar="BLOCK", help='Its name: "core", or one of your own.')]
Content = Annotated[
    str | None, typer.Argument(metavar="TEXT", help="The text, in quotes; - reads it from stdin.", show_default=False)
]
File = Annotated[Path | None, typer.Option("--file", "-f", metavar="FILE", help="Take the text from this file.")]


@group
def blocks(_call: Call) -> None:
    """Read and edit blocks: the texts always in the agent's prompt.

    Each has its history. A user has blocks that all agents share; with --agent you see and edit what one agent keeps of
    the user.
    """


@command
def list_blocks(
    call: Call,
    *,
    scope: Annotated[
        str | None,
        typer.Option(
            metavar="WHICH", help='"user", "agent" or "all"; else the user\'s, or with --agent that agent\'s.'
        ),
    ] = None,
) -> None:
    """List the blocks, with the archival memory as one of them."""
    with call.existing_store() as mem:
        found = call.memory(mem).list(scope=cast("ScopeFilter | None", scope), agent_id=call.agent)
    if call.json:
        print_json(found)
        return
    if not found:
        screen().print(Text(f"No blocks for {call.whose}."), soft_wrap=True)
        return
    shown = table("block", "scope", "version", "updated (UTC)", "text", right=("version",), whole=("updated (UTC)",))
    for block in found:
        shown.add_row(*row(block.block_type, _scope(block), block.version, block.updated_at), _preview(block.content))
    screen().print(shown)


@command
def get(
    call: Call,
    *,
    block: Name,
    raw: Annotated[
        bool, typer.Option("--raw", metavar="", help="Only the text, exactly as it is stored: for a file or a pipe.")
    ] = False,
) -> None:
    """Show one block."""
    with call.existing_store() as mem:
        found = _get(call, call.memory(mem).get, block)
    if call.json:
        print_json(found)
        return
    if raw:
        text = found.content + "\n"
        # What is on a terminal is looked at, so there it is made safe all the same.
        sys.stdout.write(printable(text) if sys.stdout.isatty() else text)
        return
    console = screen()
    flag = ", read-only for the model" if found.read_only else ""
    console.print(
        Text(f"{found.block_type} · {_scope(found)} scope · version {found.version}{flag}", style="bold"),
        soft_wrap=True,
    )
    console.print(Text(f"updated {moment(found.updated_at)}", style="dim"), soft_wrap=True)
    if found.description:
        console.print(Text(one_line(found.description), style="italic"), soft_wrap=True)
    console.print()
    console.print(Text(printable(found.content) or "(empty)"), soft_wrap=True)


@command
def set_block(
    call: Call,
    *,
    block: Name,
    text: Content = None,
    file: File = None,
    expected_updated_at: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Replace exactly this version: what `blocks get` showed as updated.",
            show_default=False,
        ),
    ] = None,
    create: Annotated[
        bool, typer.Option("--create", metavar="", help="Only create it; refuse when it exists.")
    ] = False,
    description: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What the block is for; the model sees it.")
    ] = None,
    read_only: Annotated[
        bool | None, typer.Option("--read-only/--writable", metavar="", help="Whether the model's tools may change it.")
    ] = None,
) -> None:
    """Write the whole text of a block.

    Creates the block, or replaces the version you name: nobody's edit is lost unseen. When the block exists and no
    version is named, nothing is written, and you are shown what to run.
    """
    if create and expected_updated_at is not None:
        raise InvalidInputError(
            "--create wants that there is no block", field="expected_updated_at", advice="leave one of the two out"
        )
    content = text_of(text, file, what="text")
    if text in {None, STDIN}:
        content = content.removesuffix("\n")  # editors and echo end a file with one
    with call.store() as mem:
        memory = call.memory(mem)
        try:
            written = memory.update(
                block,
                content,
                agent_id=call.agent,
                description=description,
                read_only=read_only,
                expected_updated_at=expected_updated_at,
            )
        except ConflictError as error:
            wanted = {"content": content, "description": description, "read_only": read_only}
            if expected_updated_at is not None:
                raise _advised(call, block, error) from None
            if create or not _holds(error.current, wanted):
                raise _advised(call, block, _unseen(error.current)) from None
            written = cast("MemoryBlock", error.current)
    _print_written(call, written)


@command
def append(
    call: Call,
    *,
    block: Name,
    text: Content = None,
    file: File = None,
    idempotency_key: Annotated[
        str | None, typer.Option(metavar="KEY", help="Add it once, however often this is run with the same key.")
    ] = None,
) -> None:
    """Add text at the end of a block, or create it. Never conflicts."""
    content = text_of(text, file, what="text")
    if text in {None, STDIN}:
        content = content.removesuffix("\n")
    with call.store() as mem:
        written = call.memory(mem).append(block, content, agent_id=call.agent, idempotency_key=idempotency_key)
    _print_written(call, written)


@command
def history(call: Call, *, block: Name) -> None:
    """Show every version of a block, oldest first.

    Tells when, by whom and how the text begins; --json has the whole texts.
    """
    with call.existing_store() as mem:
        versions = _get(call, call.memory(mem).history, block)
    if call.json:
        print_json(versions)
        return
    shown = table("version", "when (UTC)", "who", "what", "text", right=("version",), whole=("when (UTC)",))
    for each in versions:
        who = one_line(each.actor, limit=16)
        shown.add_row(*row(each.version, each.created_at, who, each.action), _preview(each.content))
    screen().print(shown)


@command
def delete(
    call: Call,
    *,
    block: Name,
    expected_updated_at: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only delete this version.", show_default=False)
    ] = None,
    yes: Yes = False,
) -> None:
    """Delete a block, with every text of its history.

    The block `archival` is all of archival memory. On a terminal you are asked first; elsewhere it wants --yes.
    """
    with call.existing_store() as mem:
        memory = call.memory(mem)
        _get(call, memory.get, block)
        require_yes(call, f"Delete {one_line(block)} of {call.whose}, with its history?", yes=yes)
        try:
            memory.delete(block, agent_id=call.agent, expected_updated_at=expected_updated_at)
        except ConflictError as error:
            raise _advised(call, block, error) from None
    if call.json:
        print_json({"block_type": block, "agent_id": call.agent, "deleted": True})
        return
    screen().print(Text(f"Deleted {one_line(block)} of {call.whose}."), soft_wrap=True)


def _get(call: Call, read: Callable[..., T], block: str) -> T:
    try:
        return read(block, agent_id=call.agent)
    except NotFoundError as error:
        error.add_note(f"what there is: {call.line('blocks', 'list', '--scope', 'all')}")
        raise


def _unseen(current: MemoryBlock | None) -> ConflictError:
    return ConflictError(
        "it exists, and set does not overwrite what you did not name; nothing was changed",
        field="block",
        code="exists",
        current=current,
    )


def _holds(current: object, wanted: Mapping[str, object]) -> bool:
    return isinstance(current, MemoryBlock) and all(
        value is None or getattr(current, name) == value for name, value in wanted.items()
    )


def _advised(call: Call, block: str, error: ConflictError) -> ConflictError:
    """Return the conflict, with the commands that lead out of it."""
    if isinstance(error.current, MemoryBlock):
        token = moment(error.current.updated_at)
        error.add_note(f"it is at version {error.current.version} now, updated {token}")
        error.add_note(f"look at it:  {call.line('blocks', 'get', block)}")
        error.add_note(f"replace it:  {_again(call.argv, token)}")
    return error


def _again(argv: tuple[str, ...], token: str) -> str:
    """Return the command that was typed, naming the version that is stored now."""
    words = list(argv)
    end = words.index("--") if "--" in words else len(words)
    kept: list[str] = []
    skip = False
    for word in words[:end]:
        if not skip and word != "--create" and not word.startswith("--expected-updated-at"):
            kept.append(word)
        skip = word == "--expected-updated-at"
    typed = shlex.join([*kept, "--expected-updated-at", token, *words[end:]])
    if not typeable(typed):
        typed = f"blocks … --expected-updated-at {token}"
    return f"{program()} {typed}"


def _print_written(call: Call, block: MemoryBlock) -> None:
    if call.json:
        print_json(block)
        return
    screen().print(Text(f"{block.block_type} of {call.whose} is at version {block.version}."), soft_wrap=True)


def _preview(text: str) -> Text:
    lines = text.splitlines() or [""]
    more = f" (+{counted(len(lines) - 1, 'line')})" if len(lines) > 1 else ""
    return Text.assemble(one_line(lines[0], limit=_PREVIEW), (more, "dim"))


def _scope(block: MemoryBlock) -> str:
    return block.scope if block.agent_id is None else one_line(f"agent {block.agent_id}", limit=24)


app = typer.Typer(callback=blocks, invoke_without_command=True)
app.command("list", epilog=examples("agentmem blocks list --user ada", "agentmem blocks list --scope all --json"))(
    list_blocks
)
app.command("get", epilog=examples("agentmem blocks get core", "agentmem blocks get core --raw > core.md"))(get)
app.command(
    "set",
    cls=TextCommand,
    epilog=examples(
        'agentmem blocks set core "- Likes tea"',
        "agentmem blocks set core -f core.md --expected-updated-at 2026-03-14T09:30:00Z",
        'agentmem blocks set tone "Brief" --description "How you talk" --read-only',
    ),
)(set_block)
app.command(
    "append", cls=TextCommand, epilog=examples('agentmem blocks append core "- Works in Oslo" --user ada --agent juno')
)(append)
app.command("history", epilog=examples("agentmem blocks history core"))(history)
app.command("delete", epilog=examples("agentmem blocks delete persona --yes"))(delete)
