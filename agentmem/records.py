"""The values of contacts and conversations, frozen; `to_json` gives them as the vendors' documents show them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal, NotRequired, TypeAlias

from pydantic import JsonValue
from typing_extensions import TypedDict

from agentmem.bounds import Filled
from agentmem.display import Shown

Json: TypeAlias = JsonValue
"""A JSON value."""

Role = Literal["user", "assistant", "tool"]
Status = Literal["open", "ended", "failed"]
Extraction = Literal["none", "pending", "done", "failed"]
ChangeKind = Literal["fact", "entity", "open_item", "summary", "line", "block", "contact", "memory"]
ChangeAction = Literal["added", "changed", "confirmed", "superseded", "removed", "merged"]


def instant(moment: datetime) -> str:
    """Return a moment as the vendors' documents write it: ISO 8601 in UTC, with milliseconds and a `Z`.

    >>> instant(datetime(2025, 7, 22, 10, 30, tzinfo=UTC))
    '2025-07-22T10:30:00.000Z'
    """
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Identifier(Shown):
    """One thing a contact is known by.

    Args:
        kind: `phone`, `email`, `external_id`, or a custom source such as `sip_header:x-customer-id`.
        value: The normalised value: E.164 for a phone, lower case for an e-mail.
        last_seen_at: When it last came with a conversation.
    """

    kind: str
    value: str
    created_at: datetime
    last_seen_at: datetime


@dataclass(frozen=True, slots=True)
class Contact(Shown):
    """One person the agents of a tenant talk to; `id` is the `user_id`."""

    _columns: ClassVar[tuple[str, ...]] = ("id", "name", "phone", "email", "external_id", "created_at", "last_seen_at")

    id: str
    tenant_id: str
    name: str | None
    identifiers: tuple[Identifier, ...]
    created_at: datetime
    last_seen_at: datetime

    @property
    def phone(self) -> str | None:
        """The first phone number, in E.164."""
        return self._first("phone")

    @property
    def email(self) -> str | None:
        """The first e-mail address."""
        return self._first("email")

    @property
    def external_id(self) -> str | None:
        """The first id in another system."""
        return self._first("external_id")

    def to_json(self) -> dict[str, Json]:
        """Return the contact record as Bland's document shows it (seed 004)."""
        return {
            "id": self.id,
            "phone_number": self.phone,
            "name": self.name,
            "org_id": self.tenant_id,
            "created_at": instant(self.created_at),
        }

    def _first(self, kind: str) -> str | None:
        return next((one.value for one in self.identifiers if one.kind == kind), None)


@dataclass(frozen=True, slots=True)
class Fact(Shown):
    """One key-value fact about a contact; its times are floored to the hour, and `version` counts its writes.

    Args:
        expires_at: When it is gone, by its own life, the agent's retention or the 90 days that no fact outlives.
    """

    key: str
    value: Json
    source: str
    version: int
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class EntityRef:
    """The name of an entity: its type, and its id within the type."""

    entity_type: Filled
    entity_id: Filled


@dataclass(frozen=True, slots=True)
class Entity(Shown):
    """One thing that is talked about over several conversations: an order, an appointment, a ticket."""

    entity_type: str
    entity_id: str
    facts: Mapping[str, Json]
    status: str | None
    notes: str | None
    last_discussed_at: datetime | None
    source: str
    created_at: datetime
    updated_at: datetime

    def to_json(self) -> dict[str, Json]:
        """Return the entity as Bland's document shows it (seed 004)."""
        return {
            "entity_type": self.entity_type,
            "entity_id": self.entity_id,
            "facts": dict(self.facts),
            "status": self.status,
            "last_discussed_at": None if self.last_discussed_at is None else instant(self.last_discussed_at),
            "notes": self.notes,
        }


@dataclass(frozen=True, slots=True)
class OpenItem(Shown):
    """One thing that is still to be done; `resolved_at` says when it was."""

    id: str
    type: str
    description: str
    priority: str
    related_to: EntityRef | None
    source: str
    created_at: datetime
    updated_at: datetime
    resolved_at: datetime | None = None

    def to_json(self) -> dict[str, Json]:
        """The open item as Bland's document shows it (seed 004); `related_to` is left out where there is none."""
        shown: dict[str, Json] = {
            "type": self.type,
            "description": self.description,
            "created_at": instant(self.created_at),
            "priority": self.priority,
        }
        if self.related_to is not None:
            shown["related_to"] = {
                "entity_type": self.related_to.entity_type,
                "entity_id": self.related_to.entity_id,
            }
        return shown


@dataclass(frozen=True, slots=True)
class Message(Shown):
    """One message of a conversation."""

    _columns: ClassVar[tuple[str, ...]] = ("created_at", "channel", "role", "content")

    id: str
    conversation_id: str
    channel: str
    role: Role
    content: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ContactMemory(Shown):
    """What one agent knows of one contact, as it is now; what expired is not in it.

    Args:
        facts: The key-value facts, by key.
        fact_records: The same with their sources, versions and times.
        summary: The rolling overview of past conversations.
        entities: By type and id.
        open_items: Those not resolved, oldest first.
        recent_messages: The newest messages of all channels, oldest first.
        version: Counts the writes; hand it back as `expected_version`.
    """

    _columns: ClassVar[tuple[str, ...]] = ("contact_id", "agent_id", "version", "facts", "summary")

    contact_id: str
    agent_id: str
    facts: Mapping[str, Json] = field(default_factory=dict[str, Json])
    fact_records: tuple[Fact, ...] = ()
    summary: str | None = None
    entities: tuple[Entity, ...] = ()
    open_items: tuple[OpenItem, ...] = ()
    recent_messages: tuple[Message, ...] = ()
    version: int = 0
    updated_at: datetime | None = None

    def to_json(self) -> dict[str, Json]:
        """Return the memory record as Bland's document shows it (seed 004): facts, summary, entities, open items."""
        return {
            "facts": dict(self.facts),
            "summary": self.summary,
            "entities": [entity.to_json() for entity in self.entities],
            "open_items": [item.to_json() for item in self.open_items],
        }


@dataclass(frozen=True, slots=True)
class MemoryChange(Shown):
    """One entry of a user's feed.

    Args:
        id: Its number; later entries have higher ones. `since=` takes it.
        at: When, floored to the hour.
        agent_id: Whose memory of the user it is; `None` for what all agents share.
        conversation_id: The conversation it came from, if any.
        actor: Who wrote it: a person or program by the name it gave, `assistant`, or `extractor`.
        kind: What it is about: a fact, an entity, an open item, the summary, a line, a block, the contact, or memory
            as a whole.
        action: What became of it.
        ref: Its key, name or id.
        before: What it was, `None` where there was nothing, or where it has been deleted since.
        after: What it became, `None` likewise.
    """

    _columns: ClassVar[tuple[str, ...]] = ("id", "at", "actor", "kind", "action", "ref", "before", "after")

    id: int
    at: datetime
    user_id: str
    agent_id: str | None
    conversation_id: str | None
    actor: str
    kind: ChangeKind
    action: ChangeAction
    ref: str
    before: Json = None
    after: Json = None


@dataclass(frozen=True, slots=True)
class ConversationContext(Shown):
    """What an agent had when a conversation began, and the remembered facts that were put into its prompts.

    Args:
        memory: The contact's memory as it was read, without what expired since.
        memories: The lines that `{{memory}}` brought, without those that were deleted since.
    """

    memory: ContactMemory
    memories: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """Return the memory record, the recent messages and the remembered facts."""
        recent: list[Json] = [
            {"role": one.role, "content": one.content, "channel": one.channel, "created_at": instant(one.created_at)}
            for one in self.memory.recent_messages
        ]
        return {**self.memory.to_json(), "recent_messages": recent, "memories": list(self.memories)}


@dataclass(frozen=True, slots=True)
class Handoff(Shown):
    """Whom a conversation was handed to, and why."""

    to: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class ConversationRecord(Shown):
    """One conversation, looked back at.

    Args:
        caller_identity: Who it was with, `""` when that was not known.
        status: `open`, `ended`, or `failed` after an exception.
        context: What the agent had.
        changes: What was written because of it, in order.
        messages: What was said, in order.
        qa: The outcome that `set_outcome` noted.
        extraction: Whether its transcript was read: `none`, `pending`, `done`, or `failed`.
        extraction_note: Why it failed, or what of the model's answer was refused, without the content.
    """

    _columns: ClassVar[tuple[str, ...]] = (
        "id",
        "agent_id",
        "caller_identity",
        "channel",
        "status",
        "started_at",
        "ended_at",
        "changes",
    )

    id: str
    agent_id: str
    version: str | None
    caller_identity: str
    channel: str
    thread_id: str | None
    status: Status
    started_at: datetime
    ended_at: datetime | None
    qa: str | None
    handoff: Handoff | None
    extraction: Extraction
    extraction_note: str | None
    context: ConversationContext
    changes: tuple[MemoryChange, ...] = ()
    messages: tuple[Message, ...] = ()


class MessageInput(TypedDict):
    """One message that is added to a conversation.

    Args:
        role: `user`, `assistant` or `tool`.
        content: What was said, at most `max_block_chars` characters.
        external_id: The id that the message has elsewhere; it is added once.
    """

    role: Role
    content: Filled
    external_id: NotRequired[Filled | None]


@dataclass(frozen=True, slots=True)
class ConversationTurn(Shown):
    """Where a conversation stands once something was added: all that the next turn needs, as JSON values.

    Args:
        conversation_id: Which conversation.
        caller_identity: Who it is with; `""` while that is not known.
        memory: What is remembered of the caller by now. What is noted in this conversation is not in it.
        state: What is noted in it by now, whoever noted it; empty where nothing is kept of the caller.
    """

    conversation_id: str
    caller_identity: str
    memory: Mapping[str, Json]
    state: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class AgentMemory(Shown):
    """One remembered fact of one agent about one caller, as the operator's list shows it."""

    _columns: ClassVar[tuple[str, ...]] = ("caller_identity", "fact", "confidence", "created_at")

    id: str
    caller_identity: str
    fact: str
    confidence: float
    source: str
    conversation_id: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AgentMemories(Shown):
    """An agent's memories, newest first, at most 500."""

    memories: tuple[AgentMemory, ...]


@dataclass(frozen=True, slots=True)
class FirstInteraction(Shown):
    """A returning caller's first conversation in the retention window; its time is floored to the hour."""

    conversation_id: str
    at: datetime
    qa: str | None
    handoff_reason: str | None
    handoff_to: str | None

    def fields(self) -> dict[str, Json]:
        """Return the five metrics under PolyAI's names (seed 000); what was never set is left out."""
        named: dict[str, Json] = {
            "REPEAT_CALLER_CONV_ID": self.conversation_id,
            "REPEAT_CALLER_DATETIME": self.at.isoformat(),
            "REPEAT_CALLER_QA": self.qa,
            "REPEAT_CALLER_HANDOFF_REASON": self.handoff_reason,
            "REPEAT_CALLER_HANDOFF_TO": self.handoff_to,
        }
        return {name: value for name, value in named.items() if value is not None}


@dataclass(frozen=True, slots=True)
class AgentMetrics(Shown):
    """Who came back to an agent, and what became of their calls, within its retention.

    Args:
        conversations: How many conversations with a known caller came to an end.
        callers: How many callers they were with.
        repeat_callers: How many of these came more than once.
        resolved: How many of the conversations have the outcome `resolved`.
        handed_off: How many were handed to someone else.
        first_interactions: The first conversation of each repeat caller, oldest first.
    """

    _columns: ClassVar[tuple[str, ...]] = ("conversations", "callers", "repeat_callers", "resolved", "handed_off")

    agent_id: str
    conversations: int
    callers: int
    repeat_callers: int
    resolved: int
    handed_off: int
    first_interactions: tuple[FirstInteraction, ...] = ()

    @property
    def repeat_rate(self) -> float:
        """The share of callers who came more than once, 0 to 1."""
        return self.repeat_callers / self.callers if self.callers else 0.0

    @property
    def resolution_rate(self) -> float:
        """The share of conversations that were resolved, 0 to 1."""
        return self.resolved / self.conversations if self.conversations else 0.0


@dataclass(frozen=True, slots=True)
class SweepReport(Shown):
    """What a sweep did, in numbers of rows, and what is still to do.

    Args:
        ended: Conversations that had been left open and were ended.
        deleted: How many of what is gone for good, by kind.
        pending: What could not be finished now, in words; the next sweep tries again.
    """

    ended: int
    deleted: Mapping[str, int] = field(default_factory=dict[str, int])
    pending: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ForgetReceipt(Shown):
    """What `forget` did.

    Args:
        done: What is erased, in words.
        pending: What is hidden and not yet erased; `sweep`, or `wait=True`, finishes it.
        out_of_reach: Where copies may be that agentmem cannot erase.
    """

    done: tuple[str, ...]
    pending: tuple[str, ...]
    out_of_reach: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the receipt as JSON values."""
        return {"done": list(self.done), "pending": list(self.pending), "out_of_reach": list(self.out_of_reach)}
