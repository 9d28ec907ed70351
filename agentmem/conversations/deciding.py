"""Deciding what becomes of what a model proposed, on the memory as it is when it is written.

While the model was thinking, others may have written. Lines are compared one by
one, contact memory part by part: what nobody touched is written, what says the
same by now is no second time, and what someone else changed stays theirs. Pure
functions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from agentmem.text.overlap import alike

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from agentmem.archival.lines.drafts import IndexedLine
    from agentmem.extraction.extracted import EntityChange, Extracted, Learned, NewItem
    from agentmem.records import ContactMemory, Entity, Json


@dataclass(frozen=True, slots=True)
class ComparedFact:
    """A fact that was compared with the stored ones.

    Args:
        fact: What the model proposed.
        same: The ids of the lines that say the same.
        entry: The line that it would be; None where none was made, since it only confirms.
    """

    fact: Learned
    same: Sequence[str]
    entry: IndexedLine | None

    @property
    def names(self) -> list[str]:
        """The ids of the lines that it refers to."""
        return [*self.same, *filter(None, [self.fact.supersedes])]


@dataclass(frozen=True, slots=True)
class Lines:
    """What becomes of archival lines.

    Args:
        add: What is new.
        confirm: Lines that were said again, by id, with how sure that is.
        supersede: Lines that are no longer so, by id, with what is so instead.
        outdated: Whether a line that was to be replaced is gone, so that the model did not see what is there.
    """

    add: Sequence[IndexedLine]
    confirm: Mapping[str, float]
    supersede: Mapping[str, IndexedLine]
    outdated: bool


class NoEntryError(Exception):
    """A fact that was to confirm a line has to be one of its own, and none was made of it."""


def decide_lines(compared: Sequence[ComparedFact], standing: Collection[str], fresh: Mapping[str, str]) -> Lines:
    """Return what becomes of facts on the lines that are there now.

    Args:
        compared: The facts.
        standing: Which of the lines that they refer to are there.
        fresh: What lines say that were written since the model was asked, by id.

    Raises:
        NoEntryError: A fact without an entry is new by now.
    """
    add: list[IndexedLine] = []
    confirm: dict[str, float] = {}
    supersede: dict[str, IndexedLine] = {}
    outdated = False
    for one in compared:
        said_since = [line_id for line_id, text in fresh.items() if alike(text, one.fact.text)]
        same = dict.fromkeys([*(line_id for line_id in one.same if line_id in standing), *said_since])
        target = one.fact.supersedes if one.fact.supersedes in standing else None
        if target is None and same:
            confirm |= {line_id: max(one.fact.confidence, confirm.get(line_id, 0)) for line_id in same}
        elif one.entry is None:
            raise NoEntryError
        elif target is None:
            outdated = outdated or one.fact.supersedes is not None
            add.append(one.entry)
        else:
            supersede |= dict.fromkeys([target, *same], one.entry)
    return Lines(add, confirm, supersede, outdated)


def decide_memory(extracted: Extracted, then: ContactMemory, now: ContactMemory) -> Extracted:
    """Return the proposals without those about parts that someone changed since, which are among the refused.

    Args:
        extracted: What the model proposed.
        then: The memory that it was shown.
        now: The memory as it is.
    """
    if then.version == now.version:
        return extracted
    refused: list[str] = []
    summary = extracted.summary
    if summary is not None and now.summary not in (summary, then.summary):
        refused.append("summary: it was changed meanwhile")
        summary = None
    entities = [_entity(change, then, now, refused) for change in extracted.entities]
    return replace(
        extracted,
        contact_facts=_facts(extracted.contact_facts, then, now, refused),
        summary=summary,
        entities=tuple(filter(None, entities)),
        open_items=tuple(item for item in extracted.open_items if not _noted(item, then, now)),
        refused=(*extracted.refused, *refused),
    )


def _facts(
    proposed: Mapping[str, Json], then: ContactMemory, now: ContactMemory, refused: list[str]
) -> Mapping[str, Json]:
    """Return the key-value facts that nobody else wrote, even to say the same again."""
    before, after = ({fact.key: (fact.version, fact.value) for fact in one.fact_records} for one in (then, now))
    theirs = {
        key for key, value in proposed.items() if before.get(key) != after.get(key) and now.facts.get(key) != value
    }
    refused.extend(["contact fact: it was changed meanwhile"] * len(theirs))
    return {key: value for key, value in proposed.items() if key not in theirs}


def _entity(change: EntityChange, then: ContactMemory, now: ContactMemory, refused: list[str]) -> EntityChange | None:
    """Return what is left of the change of an entity; None where nothing is, or the entity was removed."""
    before, after = (_said(_find(one, change)) for one in (then, now))
    if before and not after:
        refused.append("entity: it was removed meanwhile")
        return None
    proposed = {("fact", key): value for key, value in change.facts.items()} | {
        ("text", name): text for name, text in change.texts.items()
    }
    theirs = {
        part for part, value in proposed.items() if before.get(part) != after.get(part) and after.get(part) != value
    }
    refused.extend(["entity: a detail was changed meanwhile"] * len(theirs))
    if theirs and theirs == proposed.keys():
        return None
    return replace(
        change,
        facts={key: value for key, value in change.facts.items() if ("fact", key) not in theirs},
        texts={name: text for name, text in change.texts.items() if ("text", name) not in theirs},
    )


def _find(memory: ContactMemory, change: EntityChange) -> Entity | None:
    name = (change.entity_type, change.entity_id)
    return next((one for one in memory.entities if (one.entity_type, one.entity_id) == name), None)


def _said(entity: Entity | None) -> dict[tuple[str, str], Json]:
    """Return what an entity says, by part; nothing where there is none."""
    if entity is None:
        return {}
    texts: dict[tuple[str, str], Json] = {("text", "status"): entity.status, ("text", "notes"): entity.notes}
    return texts | {("fact", key): value for key, value in entity.facts.items()}


def _noted(item: NewItem, then: ContactMemory, now: ContactMemory) -> bool:
    """Return whether someone noted the same item since."""
    seen = {one.id for one in then.open_items}
    return any(
        alike(one.description, item.description)
        for one in now.open_items
        if one.id not in seen and (one.type, one.related_to) == (item.type, item.related_to)
    )
