"""`changes` and `forget`: what was written about one person, and its end."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.text import Text

from agentmem.cli import shortened
from agentmem.cli.asking import Yes, require_yes
from agentmem.cli.call import DEFAULT, Call, command
from agentmem.cli.output import in_commands, notice, one_line, print_json, print_sentence, screen, waiting
from agentmem.cli.remembered import feed_table
from agentmem.errors import NotFoundError

if TYPE_CHECKING:
    from agentmem.client.store import AgentMem
    from agentmem.records import ForgetReceipt, MemoryChange

_DIGITS: Final = 18
"""The most digits of a change's number."""


@command
def changes(
    call: Call,
    *,
    person: Annotated[str | None, typer.Argument(metavar="USER", help="The person; else the one of --user.")] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="Only after this change, by number; or from this hour on, as a time."),
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", help="How many at most.")] = 1_000,
) -> None:
    """Show what was written about a person, and by whom.

    The oldest comes first. With --agent, only what that agent knows. What expired or was forgotten since is shown
    without its content. Long texts are cut; --json has all of it.
    """
    with call.existing_store() as mem:
        user_id = call.user_id if person is None else shortened.user(mem, person) or person
        found = _changes(mem, user_id, _since(since), agent_id=call.agent, limit=limit)
    if call.json:
        print_json(found)
        return
    if not found:
        screen().print(Text(f"No changes for user {one_line(user_id, limit=40)}."), soft_wrap=True)
        return
    screen().print(feed_table(found))
    if len(found) == limit:
        notice(f"There may be more: {call.line('changes', user_id, '--since', str(found[-1].id))}")


@command
def forget(
    call: Call,
    *,
    person: Annotated[str, typer.Argument(metavar="USER", help="The person to forget.")],
    wait: Annotated[
        bool, typer.Option("--wait", metavar="", help="Finish all of it now, and come back when it is done.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Erase all that is kept of a person, and print the receipt.

    It is everything of every agent: blocks, lines, facts, conversations, identifiers, changes. It cannot be undone. On
    a terminal you are asked first; elsewhere it wants --yes. Ends with code 3 when nothing is kept of them. An id that
    agentmem made may be shortened.
    """
    with call.existing_store() as mem:
        user_id = shortened.user(mem, person, made_only=True)
        if user_id is None:
            raise _nobody(call)
        require_yes(call, f"Erase all that is kept of user {one_line(user_id, limit=40)}, for good?", yes=yes)
        with waiting("Erasing…"):
            receipt = _in_commands(mem.forget(user_id, wait=wait))
    if call.json:
        print_json(receipt)
        return
    _print_receipt(call, receipt)


def _changes(
    mem: AgentMem, user_id: str, since: int | str | None, *, agent_id: str | None, limit: int
) -> list[MemoryChange]:
    """Return the changes after a point, of all agents or of one; those are sought page by page."""
    found: list[MemoryChange] = []
    while True:
        page = mem.changes(user_id, since=since, limit=limit)
        found += [each for each in page if agent_id is None or each.agent_id == agent_id]
        if len(page) < limit or len(found) >= limit:
            return found[:limit]
        since = page[-1].id


def _since(typed: str | None) -> int | str | None:
    """A change's number, or a time as it was typed."""
    if typed is None or not typed.isdecimal() or len(typed) > _DIGITS:
        return typed
    return int(typed)


def _nobody(call: Call) -> NotFoundError:
    error = NotFoundError("nothing is kept of a person with this id; nothing was erased", field="user_id")
    error.add_note(f"who there is:  {call.line('contacts', 'list')}")
    error.add_note(f"of one who was forgotten, traces that are left are removed by:  {_everyones(call).line('sweep')}")
    return error


def _everyones(call: Call) -> Call:
    """Return the same store, and nobody in particular."""
    return replace(call, tenant=DEFAULT, user=None, agent=None)


def _in_commands(receipt: ForgetReceipt) -> ForgetReceipt:
    pending, out_of_reach = (tuple(map(in_commands, some)) for some in (receipt.pending, receipt.out_of_reach))
    return replace(receipt, pending=pending, out_of_reach=out_of_reach)


def _print_receipt(call: Call, receipt: ForgetReceipt) -> None:
    console = screen()
    for title, sentences in (
        ("Erased", receipt.done),
        ("Pending", receipt.pending),
        ("Out of reach", receipt.out_of_reach),
    ):
        if sentences:
            console.print(Text(title, style="bold"))
        for sentence in sentences:
            print_sentence(console, Text(f"- {one_line(sentence)}"))
    if receipt.pending:
        console.print(Text(f"Finish it:  {_everyones(call).line('sweep')}"), soft_wrap=True)
