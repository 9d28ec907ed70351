"""What code enforces on a model's proposals, whatever the model was told. Pure functions.

A proposal is kept only if all of this holds; else it is refused, and the
reason, never the content, is kept:

- It is plain text on one line, within its limit. Markup, template braces and
  control characters are refused: nobody says them, and what is injected by
  itself later should not even look like them.
- It holds no structured secret (`agentmem.text.secrets`), the model did
  not flag it, and it does not say again what the model flagged elsewhere.
- It cites turns that exist; a fact about the caller one of the caller's own.
- Its words do not come from tool output or recalled memory rather than from
  these turns (`agentmem.extraction.evidence`).
- A fact has a confidence from 0 to 1 and is among the five surest. One in the
  words of a known fact confirms it.
- Known facts and open items are named by numbers that were shown.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from agentmem import inputs
from agentmem.errors import InvalidInputError
from agentmem.extraction.extracted import EntityChange, Extracted, Learned, NewItem
from agentmem.extraction.rules import (
    COPIED,
    MOST_FACTS,
    SENSITIVE,
    Bounds,
    RuleBrokenError,
    RuleContext,
    check_room,
    plain,
    typed,
    written,
)
from agentmem.records import EntityRef, Json
from agentmem.text import overlap
from agentmem.text.dates import dated
from agentmem.text.secrets import secrets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from agentmem.extraction.evidence import Sources
    from agentmem.extraction.prompt import KnownMemory
    from agentmem.extraction.proposal import (
        ContactFactProposal,
        EntityFactProposal,
        EntityProposal,
        FactProposal,
        OpenItemProposal,
        Proposal,
    )
    from agentmem.extraction.windows import Turn


class Validator:
    """The rules, for one conversation.

    Args:
        known: What the model is shown of the contact's memory.
        sources: What else than its turns was in the conversation.
        at: When it began: what its relative dates are relative to.
        bounds: The most characters.
    """

    def __init__(self, known: KnownMemory, sources: Sources, *, at: datetime, bounds: Bounds) -> None:
        self._known = known
        self._sources = sources
        self._at = at
        self._bounds = bounds
        self._entities = {EntityRef(one.entity_type, one.entity_id): one for one in known.memory.entities}
        self._by_words = {overlap.tokens(text): line_id for line_id, text in known.lines.items()}

    def validate(self, proposal: Proposal, window: Sequence[Turn], so_far: Extracted) -> Extracted:
        """Return what was extracted so far, with what of the next window's proposal is kept on top of it."""
        context = RuleContext.of(window, proposal)
        entities = self._entity_changes(proposal.entities, context, so_far)
        items, resolved = self._items(proposal, context, so_far, entities)
        return Extracted(
            facts=self._facts(proposal.facts, context, so_far),
            contact_facts=self._contact_facts(proposal.contact_facts, context, so_far),
            summary=self._summary(proposal.summary, context, so_far),
            entities=tuple(entities.values()),
            open_items=items,
            resolved_items=resolved,
            refused=(*so_far.refused, *context.refused),
        )

    # --- facts about the caller ------------------------------------------------------------------------------------

    def _facts(self, proposals: Iterable[FactProposal], context: RuleContext, so_far: Extracted) -> tuple[Learned, ...]:
        facts = list(so_far.facts)

        def check(proposal: FactProposal) -> None:
            fact, instead_of = self._fact(proposal, context, so_far.facts)
            if instead_of in facts:
                facts.remove(instead_of)
            same = next((one for one in facts if overlap.tokens(one.text) == overlap.tokens(fact.text)), None)
            if same is not None:
                facts[facts.index(same)] = replace(same, confidence=max(same.confidence, fact.confidence))
            elif fact.supersedes is not None and fact.supersedes in {one.supersedes or one.confirms for one in facts}:
                raise RuleBrokenError("the known fact it replaces is spoken for by another")
            else:
                facts.append(fact)

        context.each("fact", proposals, check)
        surest = sorted(facts, key=lambda fact: -fact.confidence)[:MOST_FACTS]
        context.refused.extend(["fact: it is not among the five surest"] * (len(facts) - len(surest)))
        return tuple(fact for fact in facts if fact in surest)

    def _fact(
        self, proposal: FactProposal, context: RuleContext, so_far: Sequence[Learned]
    ) -> tuple[Learned, Learned | None]:
        """Return the fact, and the one of an earlier window that it takes the place of."""
        if not 0 <= proposal.confidence <= 1:  # nor is NaN
            raise RuleBrokenError("its confidence is not from 0 to 1")
        cited = context.cited(proposal.evidence)
        if all(turn.role != "user" for turn in cited):
            raise RuleBrokenError("it cites nothing that the caller said")
        text = self._text(proposal.fact, self._bounds.fact_chars)
        line_id, earlier = self._replaced(proposal.replaces, so_far)
        claim = overlap.content_terms(text)
        context.check_sensitive(text, claim, flag=proposal.sensitive)
        if self._sources.gave(claim, cited, of_caller=True, replaces=line_id):
            raise RuleBrokenError(COPIED)
        if (confirmed := self._by_words.get(overlap.tokens(text))) is not None:
            return Learned(text, proposal.confidence, confirms=confirmed), earlier
        if earlier is not None:
            line_id = earlier.supersedes or earlier.confirms
        return Learned(text, proposal.confidence, supersedes=line_id), earlier

    def _replaced(self, number: int | None, so_far: Sequence[Learned]) -> tuple[str | None, Learned | None]:
        if number is None:
            return None, None
        shown: list[str | Learned] = [*self._known.lines, *so_far]
        if not 1 <= number <= len(shown):
            raise RuleBrokenError("it replaces a number that was not shown")
        named = shown[number - 1]
        return (named, None) if isinstance(named, str) else (None, named)

    # --- contact memory ----------------------------------------------------------------------------------------------

    def _contact_facts(
        self, proposals: Iterable[ContactFactProposal], context: RuleContext, so_far: Extracted
    ) -> Mapping[str, Json]:
        facts = dict(so_far.contact_facts)
        current = {**self._known.memory.facts, **so_far.contact_facts}

        def check(proposal: ContactFactProposal) -> None:
            cited = context.cited(proposal.evidence)
            key, value = self._pair(proposal, current, context, flag=proposal.sensitive)
            if value is None and current.get(key) is None:
                raise RuleBrokenError("there is no such key to remove")
            claim = overlap.content_terms(written(value)) or overlap.content_terms(_spoken(key))
            if value is not None and self._sources.gave(claim, cited):
                raise RuleBrokenError(COPIED)
            check_room(len({*facts, key}))
            facts[key] = value

        context.each("contact fact", proposals, check)
        return facts

    def _pair(
        self,
        proposal: ContactFactProposal | EntityFactProposal,
        current: Mapping[str, Json],
        context: RuleContext,
        *,
        flag: bool = False,
    ) -> tuple[str, Json]:
        """Return a key and its value, which stays of the type it had."""
        key = self._name(proposal.key)
        try:
            inputs.fact_key("key", key, limit=self._bounds.id_chars)
        except InvalidInputError:
            raise RuleBrokenError("its key is not one that can be kept") from None
        if proposal.value is None:
            return key, None
        value = typed(proposal.value, like=current.get(key))
        text = self._text(written(value), self._bounds.text_chars)
        context.check_sensitive(f"{_spoken(key)}: {text}", overlap.content_terms(text), flag=flag)
        try:
            kept = inputs.json_value(
                "value", text if isinstance(value, str) else value, max_bytes=self._bounds.value_bytes
            )
        except InvalidInputError:
            raise RuleBrokenError("its value cannot be kept as JSON") from None
        return key, kept

    def _summary(self, proposed: str | None, context: RuleContext, so_far: Extracted) -> str | None:
        summary = so_far.summary
        known = summary or self._known.memory.summary or ""

        def check(proposal: str) -> None:
            nonlocal summary
            text = self._text(proposal, self._bounds.summary_chars)
            claim = overlap.content_terms(text)
            context.check_sensitive(text, claim)
            if self._sources.gave(claim - overlap.content_terms(known), context.turns.values()):
                raise RuleBrokenError(COPIED)
            summary = text

        context.each("summary", [proposed] if proposed and proposed.strip() else [], check)
        return summary

    def _entity_changes(
        self, proposals: Iterable[EntityProposal], context: RuleContext, so_far: Extracted
    ) -> dict[EntityRef, EntityChange]:
        changes = {EntityRef(one.entity_type, one.entity_id): one for one in so_far.entities}

        def check(proposal: EntityProposal) -> None:
            cited = context.cited(proposal.evidence)
            ref = self._ref(proposal.entity_type, proposal.entity_id)
            before = changes.get(ref, EntityChange(ref.entity_type, ref.entity_id))
            facts_now, texts_now = self._entity_now(ref, before)
            pairs = [self._pair(one, facts_now, context) for one in proposal.facts]
            facts = {key: value for key, value in pairs if value != facts_now.get(key)}
            texts = {name: text for name, text in self._texts(proposal).items() if text != texts_now.get(name)}
            said = " ".join([*map(written, facts.values()), *(text for text in texts.values() if text)])
            claim = overlap.content_terms(said)
            context.check_sensitive(said, claim, flag=proposal.sensitive)
            if self._sources.gave(claim, cited):
                raise RuleBrokenError(COPIED)
            check_room(len({*changes, ref}))
            check_room(len({*before.facts, *facts}))
            changes[ref] = replace(before, facts={**before.facts, **facts}, texts={**before.texts, **texts})

        context.each("entity", proposals, check)
        return changes

    def _entity_now(self, ref: EntityRef, change: EntityChange) -> tuple[dict[str, Json], dict[str, str | None]]:
        """Return the details and the texts of an entity, with what changed so far."""
        known = self._entities.get(ref)
        if known is None:
            return dict(change.facts), dict(change.texts)
        return {**known.facts, **change.facts}, {"status": known.status, "notes": known.notes, **change.texts}

    def _texts(self, proposal: EntityProposal) -> dict[str, str | None]:
        """Return the status and the notes, where the model gave them; blank is none."""
        given = {"status": proposal.status, "notes": proposal.notes}
        return {
            name: self._text(text, self._bounds.text_chars) if text and text.strip() else None
            for name, text in given.items()
            if name in proposal.model_fields_set
        }

    def _items(
        self, proposal: Proposal, context: RuleContext, so_far: Extracted, entities: Mapping[EntityRef, EntityChange]
    ) -> tuple[tuple[NewItem, ...], tuple[str, ...]]:
        """Return the new open items, and the ids of those that are done."""
        numbered: list[str | NewItem] = [*self._known.items, *so_far.open_items]
        resolved = dict.fromkeys(so_far.resolved_items)
        items = list(so_far.open_items)

        def resolve(number: int) -> None:
            if not 1 <= number <= len(numbered):
                raise RuleBrokenError("its number was not shown")
            named = numbered[number - 1]
            if isinstance(named, NewItem):
                items.remove(named)
            else:
                resolved[named] = None

        def check(proposal: OpenItemProposal) -> None:
            item = self._item(proposal, context, entities)
            known = [one.description for one in self._known.memory.open_items if one.id not in resolved]
            known += [one.description for one in items]
            if overlap.tokens(item.description) in map(overlap.tokens, known):
                raise RuleBrokenError("it is known already")
            check_room(len(items) + 1)
            items.append(item)

        context.each("resolved item", dict.fromkeys(proposal.resolved_items), resolve)
        context.each("open item", proposal.open_items, check)
        return tuple(items), tuple(resolved)

    def _item(
        self, proposal: OpenItemProposal, context: RuleContext, entities: Mapping[EntityRef, EntityChange]
    ) -> NewItem:
        cited = context.cited(proposal.evidence)
        description = self._text(proposal.description, self._bounds.text_chars)
        claim = overlap.content_terms(description)
        context.check_sensitive(description, claim, flag=proposal.sensitive)
        if self._sources.gave(claim, cited):
            raise RuleBrokenError(COPIED)
        related = proposal.related_to
        ref = None if related is None else self._ref(related.entity_type, related.entity_id)
        if ref is not None and ref not in entities and ref not in self._entities:
            raise RuleBrokenError("the entity it is about is not known")
        return NewItem(description, self._name(proposal.type), self._name(proposal.priority), ref)

    # --- texts and names ---------------------------------------------------------------------------------------------

    def _text(self, text: str, limit: int) -> str:
        """Return a text on one line, with the dates of its relative days."""
        line = dated(plain(text), self._at)
        if len(line) > limit:
            raise RuleBrokenError(f"it has more than {limit:,} characters")
        return line

    def _name(self, name: str) -> str:
        line = plain(name)
        if len(line) > self._bounds.id_chars:
            raise RuleBrokenError(f"a name has more than {self._bounds.id_chars:,} characters")
        if secrets(line):
            raise RuleBrokenError(SENSITIVE)
        return line

    def _ref(self, entity_type: str, entity_id: str) -> EntityRef:
        return EntityRef(self._name(entity_type), self._name(entity_id))


def _spoken(key: str) -> str:
    return key.replace("_", " ").replace("-", " ")
