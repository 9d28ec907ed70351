"""LoCoMo's JSON, as published, read into frozen values."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from dialogues import Conversation, NotPublishedError, Question, Session, Turn, get, loaded, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CATEGORIES: Final = {1: "multi-hop", 2: "temporal", 3: "open-domain", 4: "single-hop", 5: "adversarial"}

_SESSION: Final = re.compile(r"session_(\d+)")
_TURN: Final = re.compile(r"D:?(\d+):(\d+)")
_DATE: Final = "%I:%M %p on %d %B, %Y"


def read(path: Path) -> list[Conversation]:
    """Every conversation of a file.

    Raises:
        NotPublishedError: The file cannot be read, or is something else.
    """
    published = loaded(path)
    if not isinstance(published, list) or not published:
        raise NotPublishedError("is not a list of conversations, as LoCoMo publishes them")
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
    dialogue = get(published, "conversation", dict, where)
    numbers = sorted(int(found[1]) for name in dialogue if (found := _SESSION.fullmatch(name)))
    sessions = [_session(dialogue, session, where) for session in numbers]
    turns = [turn.id for session in sessions for turn in session.turns]
    if not turns:
        raise NotPublishedError(f"has no turns in {where}")
    if len(set(turns)) != len(turns):
        raise NotPublishedError(f"has a 'dia_id' twice in {where}")
    questions = [_question(one, turns, where) for one in get(published, "qa", list, where)]
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
    written = get(dialogue, f"{name}_date_time", str, where)
    try:
        occurred_at = moment(written)
    except ValueError as error:
        raise NotPublishedError(f"has no date like '1:56 pm on 8 May, 2023' in {where}") from error
    turns = (_turn(one, where) for one in get(dialogue, name, list, where))
    return Session(id=name, occurred_at=occurred_at, turns=tuple(turn for turn in turns if turn.text))


def _turn(published: object, where: str) -> Turn:
    """One turn; its words alone, without the caption of a picture that was sent along."""
    written = get(published, "dia_id", str, where)
    return Turn(
        id=next(iter(evidence_ids([written])), written),
        speaker=get(published, "speaker", str, where),
        text=one_line(get(published, "text", str, where)),
    )


def _question(published: object, turns: Sequence[str], where: str) -> Question:
    where = f"{where}, a question"
    evidence = published.get("evidence") if isinstance(published, dict) else None
    written = [evidence] if isinstance(evidence, str) else evidence or []
    if not isinstance(written, list) or not all(isinstance(one, str) for one in written):
        raise NotPublishedError(f"has evidence that is no list of texts in {where}")
    text = one_line(get(published, "question", str, where))
    if not text:
        raise NotPublishedError(f"has an empty 'question' in {where}")
    category = get(published, "category", int, where)
    return Question(
        text=text,
        category=CATEGORIES.get(category, f"category {category}"),
        evidence=frozenset(evidence_ids(written) & set(turns)),
    )
