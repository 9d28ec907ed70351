"""From what a caller hands in to checked lines, and from one text to another: pure functions."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast, get_args

from agentmem import inputs
from agentmem.errors import InvalidInputError
from agentmem.models import Line, Source

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from agentmem.embedding import Vectors

SOURCES: Final[tuple[Source, ...]] = get_args(Source)


@dataclass(frozen=True, slots=True)
class Draft:
    """One line, checked and ready to be stored."""

    content: str
    source: Source
    confidence: float = 1.0
    speaker: str | None = None
    conversation_id: str | None = None
    occurred_at: datetime | None = None


@dataclass(frozen=True, slots=True, eq=False)
class IndexedLine:
    """A line with what it is found by.

    Args:
        draft: The line.
        vectors: One unit vector for each chunk of it, shape `(chunks, dimensions)`.
        words: Its packed bag of terms.
    """

    draft: Draft
    vectors: Vectors
    words: bytes


@dataclass(frozen=True, slots=True)
class Limits:
    """The most characters of a line and of an id."""

    line_chars: int
    id_chars: int


def split(text: str) -> list[str]:
    """Return the lines of a text, without the empty ones."""
    return [line for line in text.splitlines() if line.strip()]


def drafts(given: object, default: Line, limits: Limits, *, field: str = "line") -> list[Draft]:
    """Every line of what was given, in order, with the defaults of the call filled in.

    Args:
        given: One text, one `Line`, or several of both.
        default: What a `Line` leaves open; its `source` and `confidence` are given.
        limits: The most characters.
        field: What it is called in an error.

    Raises:
        InvalidInputError: One of them breaks a rule; its number is in the field.
    """
    if isinstance(given, (str, Line)):
        return _drafts(field, given, default, limits)
    kind = type(given).__name__
    if isinstance(given, (bytes, dict)) or not isinstance(given, Iterable):
        raise InvalidInputError(f"must be a string, a Line or several of them, not {kind}", field=field)
    several = enumerate(cast("Iterable[object]", given), start=1)
    return [draft for number, one in several for draft in _drafts(f"{field} {number}", one, default, limits)]


def checked(field: str, lines: Sequence[str], limits: Limits) -> list[str]:
    """Lines that each fit; an error says which does not."""
    return [
        inputs.text(f"{field}: line {number}" if len(lines) > 1 else field, line, limit=limits.line_chars)
        for number, line in enumerate(lines, start=1)
    ]


def keep(old: Sequence[str], new: Sequence[str]) -> list[int | None]:
    """For each new text, the place of the old one that it goes on as, or None: every old one at most once, in order.

    >>> keep(["a", "b", "a"], ["a", "c", "a", "a"])
    [0, None, 2, None]
    """
    places: dict[str, deque[int]] = defaultdict(deque)
    for place, text in enumerate(old):
        places[text].append(place)
    return [places[text].popleft() if places[text] else None for text in new]


def settled(places: Sequence[int | None]) -> int:
    """Return how many of the first lines go on where they are: up to the first that is new or was further up.

    >>> settled([0, 2, 3, None, 5])
    3
    """
    last = -1
    for number, place in enumerate(places):
        if place is None or place < last:
            return number
        last = place
    return len(places)


def _drafts(field: str, one: object, default: Line, limits: Limits) -> list[Draft]:
    line = Line(one) if isinstance(one, str) else one
    if not isinstance(line, Line):
        raise InvalidInputError(f"must be a string or a Line, not {type(one).__name__}", field=field)
    text = inputs.text(field, line.content)
    speaker, occurred_at = line.speaker, line.occurred_at
    conversation_id = default.conversation_id if line.conversation_id is None else line.conversation_id
    return [
        Draft(
            content=content,
            source=inputs.one_of(f"{field}: source", default.source if line.source is None else line.source, SOURCES),
            confidence=inputs.fraction(
                f"{field}: confidence", default.confidence if line.confidence is None else line.confidence
            ),
            speaker=None if speaker is None else inputs.identifier(f"{field}: speaker", speaker, limit=limits.id_chars),
            conversation_id=None
            if conversation_id is None
            else inputs.identifier(f"{field}: conversation_id", conversation_id, limit=limits.id_chars),
            occurred_at=None if occurred_at is None else inputs.timestamp(f"{field}: occurred_at", occurred_at),
        )
        for content in checked(field, split(text), limits)
    ]
