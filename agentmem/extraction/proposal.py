"""What a chat model is asked to fill in about a conversation; the descriptions are the prompt.

The schema is one that providers' strict tool calling takes: no free-form
objects, no numeric limits, no unions but with null. What is left out is not
changed. Code checks everything afterwards (`agentmem.extraction.validator`).
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

_EVIDENCE = "The numbers of the turns that say so."
_SENSITIVE = (
    "True for health, religion, politics, sexuality, payment details, passwords, codes and government ids: these are "
    "not kept."
)


class _Proposed(BaseModel):
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


class FactProposal(_Proposed):
    """One durable fact about the caller."""

    fact: str = Field(
        description="One short sentence in the third person, in the caller's language, with the caller's own words: "
        "'Caller prefers weekday mornings for support calls.' At most 300 characters."
    )
    confidence: float = Field(description="How sure it is that this is true and will last, from 0 to 1.")
    evidence: list[int] = Field(default=[], description=f"{_EVIDENCE} At least one of them is the caller's own.")
    sensitive: bool = Field(default=False, description=_SENSITIVE)
    replaces: int | None = Field(
        default=None, description="The number of the known fact that this contradicts or updates; null for none."
    )


class ContactFactProposal(_Proposed):
    """One structured key-value fact about the caller."""

    key: str = Field(
        description="A short name in snake_case, the known one where there is one: name, preferred_contact."
    )
    value: str | None = Field(
        description="The value as text; of a known value that is no text, as JSON; null when it is no longer true."
    )
    evidence: list[int] = Field(default=[], description=_EVIDENCE)
    sensitive: bool = Field(default=False, description=_SENSITIVE)


class EntityFactProposal(_Proposed):
    """One detail of an entity."""

    key: str = Field(description="A short name in snake_case: order_number, carrier, expected_delivery.")
    value: str | None = Field(
        description="The value as text; of a known value that is no text, as JSON; null when it is no longer true."
    )


class EntityProposal(_Proposed):
    """One thing that is talked about over several conversations: an order, an appointment, a ticket."""

    entity_type: str = Field(description="What it is, in snake_case: order, appointment, ticket.")
    entity_id: str = Field(description="What tells it from others of its type, the known one where there is one.")
    facts: list[EntityFactProposal] = Field(default=[], description="The details that are new or have changed.")
    status: str | None = Field(default=None, description="Its status as it is now; null for none.")
    notes: str | None = Field(
        default=None,
        description="What is still to be known of it, in a sentence, replacing the known notes; null for nothing.",
    )
    evidence: list[int] = Field(default=[], description=_EVIDENCE)
    sensitive: bool = Field(default=False, description=_SENSITIVE)


class RelatedEntity(_Proposed):
    """The entity that an open item is about."""

    entity_type: str
    entity_id: str


class OpenItemProposal(_Proposed):
    """One thing that was promised or is still to be done after the conversation."""

    description: str = Field(description="What is to be done, in one sentence.")
    type: str = Field(default="follow_up", description="In snake_case: follow_up, callback, task.")
    priority: str = Field(default="normal", description="low, normal or high.")
    related_to: RelatedEntity | None = Field(default=None, description="The entity it is about; null for none.")
    evidence: list[int] = Field(default=[], description=_EVIDENCE)
    sensitive: bool = Field(default=False, description=_SENSITIVE)


class Proposal(_Proposed):
    """What to remember of the conversation. Leave a list empty rather than fill it with what will not matter."""

    facts: list[FactProposal] = Field(
        default=[],
        description="None to five durable facts that a later conversation benefits from: preferences, identifiers, "
        "commitments, recurring needs, constraints. Not the mood or the weather of the day.",
    )
    contact_facts: list[ContactFactProposal] = Field(
        default=[], description="Structured facts that are new or have changed."
    )
    summary: str | None = Field(
        default=None,
        description="The rolling overview of all conversations in a few sentences: the known summary, brought up to "
        "date. Null to leave it as it is. Nothing sensitive.",
    )
    entities: list[EntityProposal] = Field(default=[], description="Entities that are new, or were talked about.")
    open_items: list[OpenItemProposal] = Field(default=[], description="What is to be done and not known yet.")
    resolved_items: list[int] = Field(default=[], description="The numbers of the known open items that are done now.")
