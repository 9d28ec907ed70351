"""`agentmem agents`: what is configured for each agent, and who comes back to it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

import typer
from rich.text import Text

from agentmem.cli.call import Call, command, examples, group
from agentmem.cli.output import Cell, counted, one_line, pairs, print_json, row, screen, stacked, table
from agentmem.cli.reading import text_of
from agentmem.cli.remembered import id_columns, section
from agentmem.errors import InvalidInputError

if TYPE_CHECKING:
    from agentmem.agents.settings import AgentSettings
    from agentmem.records import AgentMetrics

_SWITCH: Final = {"on": True, "off": False}

Name = Annotated[str, typer.Argument(metavar="AGENT", help="Its id.")]
Version = Annotated[
    str | None, typer.Option(metavar="V", help="One version of it, which has what the agent has but for its own.")
]


@group
def agents(_call: Call) -> None:
    """Configure whether agents remember, how long, what and whom.

    An agent that was never configured remembers nothing of its conversations.
    """


@command
def list_agents(call: Call) -> None:
    """List the agents that were configured, each with its versions."""
    with call.existing_store() as mem:
        found = mem.agents.list()
    if call.json:
        print_json([_plain(each.agent_id, each.version, each.settings) for each in found])
        return
    if not found:
        screen().print(Text("No agent was configured yet."))
        return
    shown = table("agent", "version", "memory", "kept", "analytics", "state keys")
    for each in found:
        settings = each.settings
        shown.add_row(
            *row(
                each.agent_id,
                each.version,
                _switched(settings.memory_enabled),
                _days(settings.memory_retention_days),
                _switched(settings.analytics_enabled),
                _state_keys(settings),
            )
        )
    screen().print(shown)


@command
def show(call: Call, *, name: Name, version: Version = None) -> None:
    """Show how an agent is configured; with analytics, who came back."""
    with call.existing_store() as mem:
        settings = mem.agents.get(name, version=version)
        metrics = mem.agents.metrics(name) if settings.analytics_enabled else None
    if call.json:
        print_json({**_plain(name, version, settings), "metrics": metrics and _counted(metrics)})
        return
    console = screen()
    console.print(pairs(_told(name, version, settings)))
    if metrics is None:
        return
    console.print(section("Repeat callers", pairs(_measured(metrics))))
    if metrics.first_interactions:
        whole = id_columns([each.conversation_id for each in metrics.first_interactions], "conversation, when (UTC)")
        first = table("conversation, when (UTC)", "outcome", "handed to, because", whole=whole)
        for each in metrics.first_interactions:
            when = stacked(each.conversation_id, f"{each.at:%Y-%m-%d %H:%M}")
            first.add_row(*row(when, each.qa, stacked(each.handoff_to, each.handoff_reason)))
        console.print(section("Their first conversations", first))


@command
def configure(
    call: Call,
    *,
    name: Name,
    version: Version = None,
    memory: Annotated[str | None, typer.Option(metavar="on|off", help="Whether it remembers anyone.")] = None,
    retention_days: Annotated[
        int | None,
        typer.Option(metavar="N", help="How long what it keeps of a caller is there; 0 for no end. All versions."),
    ] = None,
    state_key: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY[=DAYS]",
            help="A key of conv.state that is kept, and for how many days; once for each key, in place of those there "
            'were. "" for none.',
        ),
    ] = None,
    identifier_source: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE",
            help="What a caller is known by before anything else: sip_header:X, integration_attribute:x or state:x. "
            '"" for none.',
        ),
    ] = None,
    blacklist: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PREFIX",
            help="The beginning of identifiers that do not count, like those of test numbers; once for each, in place "
            'of those there were. "" for none.',
        ),
    ] = None,
    analytics: Annotated[
        str | None, typer.Option(metavar="on|off", help="Whether it is told, and shows, who comes back.")
    ] = None,
    recent_messages: Annotated[
        int | None, typer.Option(metavar="N", help="How many of the newest messages its memory shows.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", metavar="FILE", help="Take PolyAI's JSON from here, as it stands; - is stdin."),
    ] = None,
) -> None:
    """Configure an agent; what is not given stays.

    With --version it holds for that version alone, on top of what the agent has.
    """
    document = None if file is None else _parsed(text_of(None, file, what="file"))
    given: dict[str, Any] = {
        "memory_enabled": None if memory is None else _switch("memory", memory),
        "memory_retention_days": retention_days,
        "recent_messages": recent_messages,
        "state_keys": None if state_key is None else dict(_state_key(each) for each in state_key if each),
        "identifier_source": identifier_source,
        "identifier_blacklist": None if blacklist is None else [each for each in blacklist if each],
        "analytics_enabled": None if analytics is None else _switch("analytics", analytics),
    }
    if document is None and all(value is None for value in given.values()):
        raise InvalidInputError(
            "nothing given to configure", field="settings", advice="agentmem agents configure --help lists them"
        )
    with call.store() as mem:
        settings = mem.agents.configure(name, document, version=version, **given)
    if call.json:
        print_json(_plain(name, version, settings))
        return
    screen().print(pairs(_told(name, version, settings)))


def _parsed(text: str) -> Mapping[str, object]:
    """A file as JSON; whether it has the right form, `configure` says."""
    try:
        return cast("Mapping[str, object]", json.loads(text))
    except (ValueError, RecursionError) as error:
        at = f", at line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise InvalidInputError(f"not JSON{at}", field="file", advice="correct it there") from None


def _switch(field: str, word: str) -> bool:
    if word not in _SWITCH:
        raise InvalidInputError("must be on or off", field=field)
    return _SWITCH[word]


def _state_key(word: str) -> tuple[str, int | None]:
    key, told, days = word.rpartition("=")
    if not told:
        return word, None
    try:
        return key, int(days)
    except ValueError:
        raise InvalidInputError("behind = stands a number of days, like booking_day=30", field="state_key") from None


def _plain(agent_id: str, version: str | None, settings: AgentSettings) -> dict[str, Any]:
    return {"agent_id": agent_id, "version": version, **dict(settings)}


def _counted(metrics: AgentMetrics) -> dict[str, Any]:
    counts = ("conversations", "callers", "repeat_callers", "resolved", "handed_off")
    return {
        **{name: getattr(metrics, name) for name in counts},
        "repeat_rate": metrics.repeat_rate,
        "resolution_rate": metrics.resolution_rate,
        "first_interactions": metrics.first_interactions,
    }


def _told(agent_id: str, version: str | None, settings: AgentSettings) -> list[tuple[str, Cell]]:
    return [
        ("agent", agent_id),
        *([("version", version)] if version is not None else []),
        ("memory", _switched(settings.memory_enabled)),
        ("kept", _days(settings.memory_retention_days)),
        ("recent messages", settings.recent_messages),
        ("state keys", _state_keys(settings) or "none"),
        ("identifier source", settings.identifier_source or "none"),
        ("blacklist", _listed(settings.identifier_blacklist) or "none"),
        ("analytics", _switched(settings.analytics_enabled)),
    ]


def _measured(metrics: AgentMetrics) -> list[tuple[str, Cell]]:
    return [
        ("conversations", f"{metrics.conversations:,}"),
        ("callers", f"{metrics.callers:,}"),
        ("came back", f"{metrics.repeat_callers:,} ({metrics.repeat_rate:.0%})"),
        ("resolved", f"{metrics.resolved:,} ({metrics.resolution_rate:.0%})"),
        ("handed off", f"{metrics.handed_off:,}"),
    ]


def _switched(on: bool) -> str:
    return "on" if on else "off"


def _days(days: int) -> str:
    return counted(days, "day") if days else "without end"


def _state_keys(settings: AgentSettings) -> str:
    keys: Mapping[str, int | None] = settings.state_keys
    return _listed([key if days is None else f"{key} ({_days(days)})" for key, days in keys.items()])


def _listed(words: Sequence[str]) -> str:
    return ", ".join(map(one_line, words))


app = typer.Typer(callback=agents, invoke_without_command=True)
app.command("list", epilog=examples("agentmem agents list", "agentmem agents list --json"))(list_agents)
app.command("show", epilog=examples("agentmem agents show support", "agentmem agents show support --version 3"))(show)
app.command(
    "configure",
    epilog=examples(
        "agentmem agents configure support --memory on --retention-days 90",
        "agentmem agents configure support --state-key booking_day=30 --state-key name",
        "agentmem agents configure support --version 3 --memory off",
        "agentmem agents configure support --file polyai.json",
    ),
)(configure)
