"""The rules that every proposal has to meet, whatever it is about. Pure functions."""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar, cast

from agentmem.text.overlap import content_terms
from agentmem.text.secrets import secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from agentmem.extraction.proposal import Proposal
    from agentmem.extraction.windows import Turn
    from agentmem.records import Json

P = TypeVar("P")

MOST_FACTS: Final = 5
"""How many facts are learned from one conversation."""

MOST_CHANGES: Final = 20
"""How many changes of each other kind, and of the details of one entity."""

SENSITIVE: Final = "it is sensitive"
COPIED: Final = "its words come from tool output or recalled memory"

_MARKUP: Final = re.compile(r"</?[A-Za-z][\w:-]*(?:[\s/>]|$)|<[!?]|\{\{|\{%|\{#|\$\{")
_UNSEEN: Final = {"Cc", "Cf", "Co", "Cs"}
_JOINERS: Final = "\u200c\u200d"  # Indic scripts and emoji are spelled with them


class RuleBrokenError(Exception):
    """A proposal breaks a rule; the message says which, without its content."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most characters of what is extracted, and the most bytes of a value as JSON."""

    fact_chars: int = 300
    text_chars: int = 1_000
    summary_chars: int = 2_000
    id_chars: int = 255
    value_bytes: int = 16_384

    def within(self, *, line_chars: int, id_chars: int, value_bytes: int) -> Bounds:
        """Return the same, nowhere above what the store keeps."""
        return Bounds(
            fact_chars=min(self.fact_chars, line_chars),
            text_chars=min(self.text_chars, line_chars),
            summary_chars=min(self.summary_chars, line_chars),
            id_chars=id_chars,
            value_bytes=value_bytes,
        )


@dataclass(frozen=True, slots=True)
class RuleContext:
    """What the proposals for one window are checked against, and why some were refused.

    Args:
        turns: The turns that were shown, by number.
        flagged: The words of each proposal that the model flagged as sensitive.
    """

    turns: Mapping[int, Turn]
    flagged: Sequence[frozenset[str]]
    refused: list[str] = field(default_factory=list[str])

    @classmethod
    def of(cls, window: Iterable[Turn], proposal: Proposal) -> RuleContext:
        """Return the turns of a window, and the words of what the model flagged."""
        said = [
            *(one.fact for one in proposal.facts if one.sensitive),
            *(one.value or "" for one in proposal.contact_facts if one.sensitive),
            *(" ".join(_said(one.facts, one.notes)) for one in proposal.entities if one.sensitive),
            *(one.description for one in proposal.open_items if one.sensitive),
        ]
        return cls({turn.number: turn for turn in window}, [words for words in map(content_terms, said) if words])

    def each(self, kind: str, proposals: Iterable[P], check: Callable[[P], None]) -> None:
        """Check one proposal after the other, and note why one is refused."""
        for proposal in proposals:
            try:
                check(proposal)
            except RuleBrokenError as reason:
                self.refused.append(f"{kind}: {reason}")

    def cited(self, numbers: Sequence[int]) -> list[Turn]:
        """Return the turns that a proposal cites."""
        if not numbers:
            raise RuleBrokenError("it cites no turn")
        if any(number not in self.turns for number in numbers):
            raise RuleBrokenError("it cites a turn that was not shown")
        return [self.turns[number] for number in numbers]

    def check_sensitive(self, text: str, claim: frozenset[str], *, flag: bool = False) -> None:
        """Refuse what is flagged, holds a structured secret, or says again what was flagged elsewhere."""
        if flag or secrets(text) or any(words <= claim for words in self.flagged):
            raise RuleBrokenError(SENSITIVE)


def plain(text: str) -> str:
    """Return a text on one line; what looks like markup or hides from a reader is refused."""
    line = " ".join(text.split())
    if not line:
        raise RuleBrokenError("it is empty")
    if _MARKUP.search(line):
        raise RuleBrokenError("it holds markup")
    if any(unicodedata.category(character) in _UNSEEN and character not in _JOINERS for character in line):
        raise RuleBrokenError("it holds characters that cannot be seen")
    return line


def check_room(count: int) -> None:
    """Refuse what would be one more than the most."""
    if count > MOST_CHANGES:
        raise RuleBrokenError(f"there are more than {MOST_CHANGES}")


def written(value: Json) -> str:
    """A value as the model is shown it: text as it is, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def typed(text: str, *, like: Json) -> Json:
    """Return the value that a text stands for, of the type of the known one."""
    if like is None or isinstance(like, str):
        return text
    try:
        value = cast("Json", json.loads(text))
    except (ValueError, RecursionError):
        raise RuleBrokenError("its value is not of the type that it had") from None
    if _kind(value) is not _kind(like):
        raise RuleBrokenError("its value is not of the type that it had")
    return value


def _kind(value: Json) -> type:
    return float if type(value) is int else type(value)


def _said(facts: Iterable[object], notes: str | None) -> list[str]:
    return [*(str(getattr(one, "value", "")) for one in facts), notes or ""]
