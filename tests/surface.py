"""The public surface as it is found: every room of a store, every method in it, so that a new one is never missed."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

from agentmem import AgentMem, AgentSettings, Client, Conversation
from agentmem.conversations.callers import Caller
from agentmem.conversations.mappings import State
from agentmem.conversations.store import Begun, Turn


@dataclass(frozen=True)
class Method:
    """One public method: where it is found from a store, a client of it and a conversation in it, and what it takes."""

    room: str
    name: str
    parameters: tuple[inspect.Parameter, ...]

    def __str__(self):
        return f"{self.room}.{self.name}"

    def bound(self, mem, client, conversation=None):
        room = {"mem": mem, "client": client, "conversation": conversation}[self.room.split(".")[0]]
        for part in self.room.split(".")[1:]:
            room = getattr(room, part)
        return getattr(room, self.name)


def rooms(thing, path):
    """A public object of agentmem and those that hang off it."""
    found = {path: thing}
    for name, value in vars(thing).items():
        if not name.startswith("_") and type(value).__module__.startswith("agentmem."):
            found |= rooms(value, f"{path}.{name}")
    return found


def methods(mem, client, conversation):
    """Every public method, async twins included, of a store, a client and a conversation."""
    found = {**rooms(mem, "mem"), **rooms(client, "client"), **rooms(conversation, "conversation")}
    return [
        Method(path, name, _parameters(member))
        for path, room in found.items()
        for name, member in inspect.getmembers(type(room), inspect.isroutine)
        if not name.startswith("_")
    ]


def sync_methods(mem, client, conversation):
    """Those that have no other form without the `a`."""
    found = methods(mem, client, conversation)
    names = {(one.room, one.name) for one in found}
    return [one for one in found if not (one.name.startswith("a") and (one.room, one.name[1:]) in names)]


def _parameters(member: Any):
    return tuple(inspect.signature(member).parameters.values())[1:]


_BEGUN = Begun("c", "x", None, "voice", None, AgentSettings(), State((), max_bytes=1), Turn("ada"))

HOLLOW = (
    AgentMem(None, "acme"),
    Client(None, "acme", "ada", "operator"),
    Conversation(None, "acme", _BEGUN, Caller()),
)
"""A store, a client and a conversation with nothing behind them: enough to see what there is to call."""

ALL = methods(*HOLLOW)
SYNC = sync_methods(*HOLLOW)
