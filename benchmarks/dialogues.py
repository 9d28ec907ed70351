"""LoCoMo's JSON, as published, read into frozen values."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

T = TypeVar("T")

CATEGORIES: Final = {1: "multi-hop", 2: "temporal", 3: "open-domain", 4: "single-hop", 5: "adversarial"}

_SESSION: Final = re.compile(r"session_(\d+)")
_TURN: Final = re.compile(r"D:?(\d+):(\d+)")
_DATE: Final = "%I:%M %p on %d %B, %Y"


class NotLocomoError(ValueError):
    """The file is not what was published; the message says where it differs."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one speaker said at once, on one line."""

    id: str
    speaker: str
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
    category: int
    evidence: frozenset[str]


@dataclass(frozen=True, slots=True)
class Conversation:
    """Two people over months.

    Args:
        key: Its place in the file, as a name: `conversation-1`.
        name: What the file calls it.
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
        """Whose turns it has."""
        return frozenset(turn.speaker for session in self.sessions for turn in session.turns)


def read(path: Path) -> list[Conversation]:
    """Every conversation of a file.

    Raises:
        NotLocomoError: The file cannot be read, or is something else.
    """
    try:
        published = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise NotLocomoError(f"cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise NotLocomoError("is not JSON") from error
    if not isinstance(published, list) or not published:
        raise NotLocomoError("is not a list of conversations, as LoCoMo publishes them")
    return [_conversation(number, one) for number, one in enumerate(published, start=1)]


def evidence_ids(written: Sequence[str]) -> set[str]:
    """The turns that a question's evidence names, however it is written.

    >>> sorted(evidence_ids(["D1:3; D1:05", "D:11:26", "D"]))
    ['D11:26', 'D1:3', 'D1:5']
    """
    return {f"D{int(session)}:{int(turn)}" for text in written for session, turn in _TURN.findall(text)}


def moment(written: str) -> datetime:
    """A session's date and time, which name no zone, as UTC.

    >>> moment("1:56 pm on 8 May, 2023").isoformat()
    '2023-05-08T13:56:00+00:00'
    """
    return datetime.strptime(written, _DATE).replace(tzinfo=UTC)


def _conversation(number: int, published: object) -> Conversation:
    where = f"conversation {number}"
    dialogue = _get(published, "conversation", dict, where)
    numbers = sorted(int(found[1]) for name in dialogue if (found := _SESSION.fullmatch(name)))
    sessions = [_session(dialogue, session, where) for session in numbers]
    turns = [turn.id for session in sessions for turn in session.turns]
    if not turns:
        raise NotLocomoError(f"has no turns in {where}")
    if len(set(turns)) != len(turns):
        raise NotLocomoError(f"has a 'dia_id' twice in {where}")
    questions = [_question(one, turns, where) for one in _get(published, "qa", list, where)]
    asked = tuple(question for question in questions if question.evidence)
    name = published.get("sample_id") if isinstance(published, dict) else None
    return Conversation(
        key=f"conversation-{number}",
        name=str(name or where),
        sessions=tuple(session for session in sessions if session.turns),
        questions=asked,
        unasked=len(questions) - len(asked),
    )


def _session(dialogue: dict[str, Any], number: int, where: str) -> Session:
    name = f"session_{number}"
    where = f"{where}, {name}"
    written = _get(dialogue, f"{name}_date_time", str, where)
    try:
        occurred_at = moment(written)
    except ValueError as error:
        raise NotLocomoError(f"has no date like '1:56 pm on 8 May, 2023' in {where}") from error
    turns = (_turn(one, where) for one in _get(dialogue, name, list, where))
    return Session(id=name, occurred_at=occurred_at, turns=tuple(turn for turn in turns if turn.text))


def _turn(published: object, where: str) -> Turn:
    """One turn; its words alone, without the caption of a picture that was sent along."""
    written = _get(published, "dia_id", str, where)
    return Turn(
        id=next(iter(evidence_ids([written])), written),
        speaker=_get(published, "speaker", str, where),
        text=" ".join(_get(published, "text", str, where).split()),
    )


def _question(published: object, turns: Sequence[str], where: str) -> Question:
    where = f"{where}, a question"
    evidence = published.get("evidence") if isinstance(published, dict) else None
    written = [evidence] if isinstance(evidence, str) else evidence or []
    if not isinstance(written, list) or not all(isinstance(one, str) for one in written):
        raise NotLocomoError(f"has evidence that is no list of texts in {where}")
    text = " ".join(_get(published, "question", str, where).split())
    if not text:
        raise NotLocomoError(f"has an empty 'question' in {where}")
    return Question(
        text=text,
        category=_get(published, "category", int, where),
        evidence=frozenset(evidence_ids(written) & set(turns)),
    )


def _get(published: object, key: str, kind: type[T], where: str) -> T:
    value = published.get(key) if isinstance(published, dict) else None
    if not isinstance(value, kind):
        raise NotLocomoError(f"has no {key!r} in {where}")
    return value
