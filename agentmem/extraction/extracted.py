"""What an extraction gives: the changes that code has checked, and why others were refused."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - typing.get_type_hints finds it here
from dataclasses import dataclass, field

from agentmem.records import EntityRef, Json


@dataclass(frozen=True, slots=True)
class Learned:
    """One fact about the caller.

    Args:
        text: One short sentence.
        confidence: How sure it is, 0 to 1.
        confirms: The id of the known line that says the same.
        supersedes: The id of the known line that it takes the place of.
    """

    text: str
    confidence: float
    confirms: str | None = None
    supersedes: str | None = None


@dataclass(frozen=True, slots=True)
class EntityChange:
    """What becomes of one entity.

    Args:
        facts: The details that change; None removes one.
        texts: Its `status` and `notes`, where they change.
    """

    entity_type: str
    entity_id: str
    facts: Mapping[str, Json] = field(default_factory=dict[str, Json])
    texts: Mapping[str, str | None] = field(default_factory=dict[str, "str | None"])


@dataclass(frozen=True, slots=True)
class NewItem:
    """One thing that is still to be done."""

    description: str
    type: str
    priority: str
    related_to: EntityRef | None = None


@dataclass(frozen=True, slots=True)
class Extracted:
    """The changes of one conversation, and what was refused.

    Args:
        facts: At most five.
        contact_facts: The key-value facts that change; None removes one.
        summary: The new summary; None leaves it.
        entities: What becomes of entities.
        open_items: What is new to be done.
        resolved_items: The ids of the open items that are done.
        refused: Why proposals were refused, one entry for each, without their content.
    """

    facts: tuple[Learned, ...] = ()
    contact_facts: Mapping[str, Json] = field(default_factory=dict[str, Json])
    summary: str | None = None
    entities: tuple[EntityChange, ...] = ()
    open_items: tuple[NewItem, ...] = ()
    resolved_items: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
