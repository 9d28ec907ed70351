"""What dialogues are once they are read, whoever published them, and how what was published is looked at."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

T = TypeVar("T")


class NotPublishedError(ValueError):
    """The data are not what was published; the message says where they differ."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What was said at once, on one line.

    Args:
        id: Its id in the dialogue.
        speaker: Who said it, by name; `None` where no one has a name.
        text: The words.
    """

    id: str
    speaker: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Session:
    """Turns of one day."""

    id: str
    occurred_at: datetime
    turns: tuple[Turn, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """A question and the ids of the turns that answer it."""

    text: str
    category: str
    evidence: frozenset[str]


@dataclass(frozen=True, slots=True)
class Conversation:
    """Two people over months, or the messages of one to an assistant.

    Args:
        key: Its place in the data, as a name: `conversation-1`.
        name: What the data call it.
        sessions: Those with turns, in order.
        questions: Those with evidence.
        unasked: How many questions were left out, because no turn answers them.
    """

    key: str
    name: str
    sessions: tuple[Session, ...]
    questions: tuple[Question, ...]
    unasked: int

    @property
    def speakers(self) -> frozenset[str]:
        """The names of those whose turns it has."""
        return frozenset(turn.speaker for session in self.sessions for turn in session.turns if turn.speaker)


def loaded(path: Path) -> object:
    """What a file of JSON holds.

    Raises:
        NotPublishedError: It cannot be read, or is something else.
    """
    try:
        return json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise NotPublishedError(f"cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise NotPublishedError("is not JSON") from error


def get(published: object, key: str, kind: type[T], where: str) -> T:
    """What an object of JSON has under a name.

    Raises:
        NotPublishedError: It is no object, or has nothing of that kind there.
    """
    value = published.get(key) if isinstance(published, dict) else None
    if not isinstance(value, kind):
        raise NotPublishedError(f"has no {key!r} in {where}")
    return value


def one_line(text: str) -> str:
    """A text with its white space on one line."""
    return " ".join(text.split())
