"""`agentmem contacts`: the people the agents talk to, and what each agent knows of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from agentmem.cli import shortened
from agentmem.cli.asking import Yes, require_yes
from agentmem.cli.call import Call, command, examples, group
from agentmem.cli.output import Cell, notice, one_line, pairs, print_json, row, screen, stacked, table
from agentmem.cli.remembered import id_columns, memory_parts, section
from agentmem.errors import InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from agentmem.records import Contact, ContactMemory

Id = Annotated[str, typer.Argument(metavar="CONTACT", help="Their id, which is the user id, or its beginning.")]
Phone = Annotated[
    str | None,
    typer.Option(metavar="NUMBER", help="Their telephone number; without a country code, AGENTMEM_DEFAULT_REGION's."),
]
Email = Annotated[str | None, typer.Option(metavar="ADDRESS", help="Their e-mail address.")]
ExternalId = Annotated[str | None, typer.Option(metavar="ID", help="Their id in another system.")]
Limit = Annotated[int, typer.Option(metavar="N", help="How many at most.")]
After = Annotated[str | None, typer.Option(metavar="ID", help="Go on behind this one.")]


@group
def contacts(_call: Call) -> None:
    """Look people up, and see what an agent knows of them.

    A contact is made when someone first talks to an agent, and is found again by telephone number, e-mail address or
    external id. With --agent you see what that agent knows.
    """


@command
def list_contacts(call: Call, *, limit: Limit = 100, after: After = None) -> None:
    """List the contacts of the tenant, the oldest first."""
    with call.existing_store() as mem:
        found = mem.contacts.list(limit=limit, after=after)
    if call.json:
        print_json(found)
        return
    if not found:
        screen().print(Text("No contacts." if after is None else "No more contacts."), soft_wrap=True)
        return
    whole = ("last seen (UTC)", *id_columns([each.id for each in found], "contact"))
    shown = table("contact", "last seen (UTC)", "name, known by", whole=whole)
    for each in found:
        known_by = stacked(each.name, *(identifier.value for identifier in each.identifiers))
        shown.add_row(*row(each.id, each.last_seen_at, known_by))
    screen().print(shown)
    if len(found) == limit:
        notice(f"There may be more: {call.line('contacts', 'list', '--limit', str(limit), '--after', found[-1].id)}")


@command
def show(call: Call, *, contact: Id) -> None:
    """Show one contact, and with --agent what that agent knows of them.

    That is: facts with their ends, summary, entities, open items and recent messages, as they are now. Long messages
    are cut; --json has all of it.
    """
    with call.existing_store() as mem:
        found = mem.contacts.get(shortened.user(mem, contact) or contact)
        memory = None if call.agent is None else mem.contacts.memory(found.id, agent_id=call.agent)
    if call.json:
        print_json(_plain(found, memory))
        return
    console = screen()
    console.print(pairs(_told(found)))
    if memory is not None:
        title = f"What agent {one_line(memory.agent_id, limit=40)} knows, version {memory.version}"
        console.print(section(title, *memory_parts(memory), otherwise="Nothing yet."))
        return
    notice(f"What an agent knows of them: {call.line('contacts', 'show', found.id, '--agent', 'ID')}")


@command
def find(
    call: Call,
    *,
    phone: Phone = None,
    email: Email = None,
    external_id: ExternalId = None,
    custom: Annotated[
        str | None,
        typer.Option(metavar="SOURCE=VALUE", help="What a custom source held, like sip_header:X-Customer-Id=77."),
    ] = None,
) -> None:
    """Find the contact who is known by something.

    Ends with code 3 when nobody is.
    """
    if sum(value is not None for value in (phone, email, external_id, custom)) != 1:
        raise InvalidInputError(
            "found by one thing", field="contact", advice="give --phone, --email, --external-id or --custom"
        )
    kind, _, value = (None, None, None) if custom is None else custom.partition("=")
    with call.existing_store() as mem:
        found = mem.contacts.find(phone=phone, email=email, external_id=external_id, kind=kind, value=value)
    if found is None:
        raise NotFoundError("nobody is known by this", field="contact")
    _print_contact(call, found)


@command
def link(call: Call, *, contact: Id, phone: Phone = None, email: Email = None, external_id: ExternalId = None) -> None:
    """Let a contact be found by something more.

    What another contact is known by stays theirs, and ends with code 4; are the two one person, merge them.
    """
    if phone is None and email is None and external_id is None:
        raise InvalidInputError("nothing to link", field="contact", advice="give --phone, --email or --external-id")
    with call.existing_store() as mem:
        whole = shortened.user(mem, contact, made_only=True) or contact
        linked = mem.contacts.link(whole, phone=phone, email=email, external_id=external_id)
    _print_contact(call, linked)


@command
def merge(
    call: Call,
    *,
    contact: Id,
    into: Annotated[str, typer.Option(metavar="CONTACT", help="The contact who stays.")],
    yes: Yes = False,
) -> None:
    """Make two contacts one, with all their memory.

    The first becomes the one of --into; its id leads there from then on. It cannot be undone. On a terminal you are
    asked first; elsewhere it wants --yes. An id that agentmem made may be shortened.
    """
    with call.existing_store() as mem:
        loser, winner = (shortened.user(mem, each, made_only=True) or each for each in (contact, into))
        names = [one_line(mem.contacts.get(each).id, limit=40) for each in (loser, winner)]
        require_yes(call, f"Merge contact {names[0]} into {names[1]}, for good?", yes=yes)
        merged = mem.contacts.merge(loser, into=winner)
    _print_contact(call, merged)


@command
def reset(call: Call, *, contact: Id, yes: Yes = False) -> None:
    """Erase all that one agent knows of a contact.

    Names the agent with --agent. What other agents know, and what all share, stays; forget erases that too. On a
    terminal you are asked first; elsewhere it wants --yes. An id that agentmem made may be shortened.
    """
    agent_id = call.agent
    if agent_id is None:
        raise InvalidInputError("name the agent whose memory of the contact it is with --agent", field="agent_id")
    with call.existing_store() as mem:
        found = mem.contacts.get(shortened.user(mem, contact, made_only=True) or contact)
        whose = f"contact {one_line(found.id, limit=40)}"
        agent = one_line(agent_id, limit=40)
        require_yes(call, f"Erase all that agent {agent} knows of {whose}?", yes=yes)
        mem.contacts.reset(found.id, agent_id=agent_id)
    if call.json:
        print_json({"contact_id": found.id, "agent_id": agent_id, "reset": True})
        return
    screen().print(Text(f"Agent {agent} knows nothing of {whose} any more."), soft_wrap=True)


def _print_contact(call: Call, contact: Contact) -> None:
    if call.json:
        print_json(contact)
        return
    screen().print(pairs(_told(contact)))


def _plain(contact: Contact, memory: ContactMemory | None) -> dict[str, object]:
    names = ("id", "tenant_id", "name", "identifiers", "created_at", "last_seen_at")
    return {**{name: getattr(contact, name) for name in names}, "memory": memory}


def _told(contact: Contact) -> list[tuple[str, Cell]]:
    return [
        ("contact", contact.id),
        *([("name", contact.name)] if contact.name is not None else []),
        *((one_line(each.kind, limit=40), each.value) for each in contact.identifiers),
        ("since", f"{contact.created_at:%Y-%m-%d %H:%M} UTC"),
        ("last seen", f"{contact.last_seen_at:%Y-%m-%d %H:%M} UTC"),
    ]


app = typer.Typer(callback=contacts, invoke_without_command=True)
app.command("list", epilog=examples("agentmem contacts list", "agentmem contacts list --limit 20 --json"))(
    list_contacts
)
app.command("show", epilog=examples("agentmem contacts show ada", "agentmem contacts show ada --agent support --json"))(
    show
)
app.command(
    "find",
    epilog=examples("agentmem contacts find --phone +14155550192", "agentmem contacts find --email ada@example.com"),
)(find)
app.command("link", epilog=examples("agentmem contacts link ada --phone +14155550192 --external-id crm-7"))(link)
app.command("merge", epilog=examples("agentmem contacts merge ada-2 --into ada --yes"))(merge)
app.command("reset", epilog=examples("agentmem contacts reset ada --agent support --yes"))(reset)
