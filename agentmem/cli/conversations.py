"""`agentmem conversations`: what an agent had going in, and what each conversation left behind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.text import Text

from agentmem.cli import shortened
from agentmem.cli.call import Call, command, examples, group
from agentmem.cli.contacts import After, Limit
from agentmem.cli.output import Cell, notice, one_line, pairs, print_json, screen, stacked, table
from agentmem.cli.remembered import changes_table, id_columns, memory_parts, messages_table, section, sides

if TYPE_CHECKING:
    from rich.console import RenderableType

    from agentmem.records import ConversationContext, ConversationRecord, Extraction, MemoryChange

_ANONYMOUS: Final = "anonymous"
_READ: Final[dict[Extraction, str]] = {
    "pending": "waiting to be read; agentmem work reads it",
    "done": "read",
    "failed": "could not be read",
}


@group
def conversations(_call: Call) -> None:
    """Look back at what conversations read, and what they changed."""


@command
def list_conversations(call: Call, *, limit: Limit = 100, after: After = None) -> None:
    """List conversations, the newest first.

    Those of all the tenant's people and agents, or of the ones named by --user and --agent.
    """
    with call.existing_store() as mem:
        found = mem.conversations.list(agent_id=call.agent, user_id=call.user, limit=limit, after=after)
    if call.json:
        print_json(found)
        return
    if not found:
        screen().print(Text("No conversations." if after is None else "No more conversations."), soft_wrap=True)
        return
    ids = [name for each in found for name in (each.id, each.caller_identity)]
    whole = ("began (UTC), status", *id_columns(ids, "conversation, with"))
    shown = table("conversation, with", "began (UTC), status", "agent, channel", whole=whole)
    for each in found:
        shown.add_row(
            stacked(each.id, each.caller_identity or _ANONYMOUS),
            stacked(f"{each.started_at:%Y-%m-%d %H:%M}", each.status),
            stacked(each.agent_id, each.channel),
        )
    screen().print(shown)
    if len(found) == limit:
        more = call.line("conversations", "list", "--limit", str(limit), "--after", found[-1].id)
        notice(f"There may be more: {more}")


@command
def show(
    call: Call,
    *,
    conversation: Annotated[str, typer.Argument(metavar="CONVERSATION", help="Its id, or its beginning.")],
    messages: Annotated[bool, typer.Option("--messages", metavar="", help="Show what was said, too.")] = False,
) -> None:
    """Show what the agent had going in, and what was written because of it.

    What expired or was forgotten since is no longer there to be shown. Long texts are cut; --json has all of it.
    """
    with call.existing_store() as mem:
        found = mem.conversations.get(shortened.conversation(mem, conversation))
    if call.json:
        print_json(found)
        return
    console = screen()
    console.print(pairs(_told(found)))
    console.print(section("Memory context", *_context(found.context)))
    written = [each for each in found.changes if each.kind == "line"]
    others = [each for each in found.changes if each.kind != "line"]
    console.print(section("Changes made", *([changes_table(others)] if others else []), otherwise="None."))
    console.print(section("Memories written this call", *map(_written, written), otherwise=_none_written(found)))
    if messages:
        said = [messages_table(found.messages, whole=True)] if found.messages else []
        console.print(section("Messages", *said, otherwise="None are kept."))


def _told(found: ConversationRecord) -> Iterator[tuple[str, Cell]]:
    yield "conversation", found.id
    yield "agent", found.agent_id if found.version is None else f"{found.agent_id}, version {found.version}"
    yield "with", found.caller_identity or f"{_ANONYMOUS}: nothing was read, and nothing is kept"
    yield "channel", found.channel
    if found.thread_id is not None:
        yield "thread", found.thread_id
    ended = "" if found.ended_at is None else f" to {found.ended_at:%Y-%m-%d %H:%M}"
    yield "status", f"{found.status}, {found.started_at:%Y-%m-%d %H:%M}{ended} UTC"
    if found.qa is not None:
        yield "outcome", found.qa
    if found.handoff is not None:
        reason = "" if found.handoff.reason is None else f": {found.handoff.reason}"
        yield "handed to", f"{found.handoff.to}{reason}"
    if found.extraction in _READ:
        note = "" if found.extraction_note is None else f": {found.extraction_note}"
        yield "transcript", f"{_READ[found.extraction]}{note}"


def _context(context: ConversationContext) -> Iterator[RenderableType]:
    parts = list(memory_parts(context.memory))
    yield from parts
    if context.memories:
        yield from [Text()] * bool(parts)
        yield Text("Remembered for the prompt", style="underline")
        for number, each in enumerate(context.memories, start=1):
            yield Text(f"{number}. {one_line(each)}")


def _written(change: MemoryChange) -> RenderableType:
    before, after = sides(change.before, change.after)
    if not before and not after:
        return Text(f"- {change.action}; no longer there", style="dim")
    was = f" (was: {before})" if before and after else ""
    shown = Text(f"- {after or before}{was}")
    return shown if change.action == "added" else Text.assemble(shown, (f" ({change.action})", "dim"))


def _none_written(found: ConversationRecord) -> str:
    return "None yet." if found.extraction == "pending" else "None."


app = typer.Typer(callback=conversations, invoke_without_command=True)
app.command(
    "list",
    epilog=examples("agentmem conversations list --agent support", "agentmem conversations list --user ada --json"),
)(list_conversations)
app.command(
    "show",
    epilog=examples("agentmem conversations show b2ed2c281cdc49f3a36d5664d8863be9 --messages"),
)(show)
