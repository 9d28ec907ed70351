"""The public surface as it is found: every room of a store, every method in it, so that a new one is never missed."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from agentmem import AgentMem, AgentSettings, Client, Conversation
from agentmem.conversations.callers import Caller
from agentmem.conversations.commands import Begun, TurnMemory
from agentmem.conversations.mappings import State


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


_BEGUN = Begun("c", "x", None, "voice", None, AgentSettings(), State((), max_bytes=1), TurnMemory("ada"))

HOLLOW = (
    AgentMem(None, "acme"),
    Client(None, "acme", "ada", "operator"),
    Conversation(None, "acme", _BEGUN, Caller()),
)
"""A store, a client and a conversation with nothing behind them: enough to see what there is to call."""

ALL = methods(*HOLLOW)
SYNC = sync_methods(*HOLLOW)


class NoGraph:
    """Answers as a compiled graph does."""

    def invoke(self, *_, **__):
        return {"messages": []}

    async def ainvoke(self, *_, **__):
        return {"messages": []}


SOUND = {
    "actor": "operator",
    "after": None,
    "agent_id": "agent",
    "analytics_enabled": True,
    "attributes": {"sip_headers": {"X-Customer-Id": "7"}},
    "block_type": "core",
    "caller_identity": "ada",
    "channel": "voice",
    "checkpointer": None,
    "confidence": 1.0,
    "config": None,
    "contact_id": "ada",
    "content": "text",
    "conversation_id": "conversation",
    "defer": False,
    "description": "what it is for",
    "discussed_at": "2026-01-01T00:00:00Z",
    "document": {"memory": {"repeat_caller": {}}},
    "email": "ada@example.com",
    "embed": False,
    "entity_id": "8821",
    "entity_type": "order",
    "expected_updated_at": None,
    "expected_version": None,
    "explain": False,
    "external_id": "A-1",
    "facts": {"plan": "Premium"},
    "graph": NoGraph(),
    "half_life_days": 30,
    "id": "agent",
    "idempotency_key": "key",
    "identifier_blacklist": ["+44"],
    "identifier_source": "sip_header:X-Customer-Id",
    "into": "bob",
    "item_id": "item",
    "kind": None,
    "limit": 5,
    "line_id": "line",
    "lines": "text",
    "memory_enabled": True,
    "memory_retention_days": 90,
    "message": "hello",
    "messages": [{"role": "user", "content": "text", "external_id": "m-1"}],
    "min_confidence": 0.5,
    "min_score": 0.25,
    "name": "Ada",
    "new": "new",
    "notes": "to be called back",
    "now": datetime(2026, 1, 1, tzinfo=UTC),
    "old": "old",
    "options": None,
    "phone": "+14155550192",
    "prefix": "ad",
    "priority": "high",
    "progress": None,
    "prompt": "Be kind. {{memory}}",
    "qa": "resolved",
    "query": "text",
    "read_only": None,
    "reason": "refund",
    "recent_messages": 5,
    "related_to": {"entity_type": "order", "entity_id": "8821"},
    "respect_read_only": False,
    "role": "user",
    "scope": "all",
    "since": datetime(2026, 1, 1, tzinfo=UTC),
    "source": "user",
    "state": {"plan": "Premium"},
    "state_keys": {"plan": 30},
    "status": "delayed",
    "tenant_id": "acme",
    "text": "a summary",
    "thread_id": "thread",
    "to": "billing",
    "ttl_days": 30,
    "type": "follow_up",
    "until": "2026-01-01T00:00:00Z",
    "user_id": "ada",
    "value": None,
    "version": "3",
    "wait": False,
}
"""A sound value for every parameter there is: a new one has to be added here, and to a kind in `test_inputs`."""

BY_ONE_THING = dict.fromkeys(["phone", "email", "external_id"]) | {"kind": "sip_header:X-Customer-Id", "value": "7"}
"""What `mem.contacts.find` takes exactly one of."""
