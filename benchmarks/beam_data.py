"""BEAM's chats of a user with an assistant, read into frozen values: its folders as published, or a file made of them.

A turn is a message of the user; what the assistant wrote is left out. A folder
of BEAM has `chat.json`, and `chat_trunecated.json` where the chat was cut to its
size, and the questions beside it. The file is a list of chats, each with `id`,
`lines` (`id`, `text`, `session`, `date`) and `questions` (`question`,
`category`, `evidence`).
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dialogues import Conversation, NotPublishedError, Question, Session, Turn, get, loaded, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_CHATS: Final = ("chat_trunecated.json", "chat.json")
_QUESTIONS: Final = Path("probing_questions", "probing_questions.json")
_DATE: Final = "%B-%d-%Y"
_PLACE_IN_THE_PLAN: Final = re.compile(r" ?->->[^>]{0,20}$")
"""What stands behind most messages of a chat (`->-> 1,12`): how it was made, and nothing that a user wrote."""


def read(path: Path) -> list[Conversation]:
    """Every chat of a folder such as BEAM's `chats/100K`, the one chat of a folder inside it, or those of a file.

    Raises:
        NotPublishedError: It cannot be read, or is something else.
    """
    published = [_listed(folder) for folder in _folders(path)] if path.is_dir() else loaded(path)
    if not isinstance(published, list) or not published:
        raise NotPublishedError("is neither a folder of BEAM's chats nor a list of them")
    return [_conversation(number, one) for number, one in enumerate(published, start=1)]


def is_listed(published: object) -> bool:
    """Whether what a file holds is a list of chats, and not LoCoMo's conversations."""
    return isinstance(published, list) and any(isinstance(one, dict) and "lines" in one for one in published[:1])


def _folders(path: Path) -> list[Path]:
    """The folders of one chat each, by their number."""
    if (path / _QUESTIONS).is_file():
        return [path]
    found = [one for one in path.iterdir() if one.name.isdecimal() and (one / _QUESTIONS).is_file()]
    if not found:
        raise NotPublishedError("holds no chats: name a folder such as BEAM's chats/100K")
    return sorted(found, key=lambda one: int(one.name))


def _listed(folder: Path) -> dict[str, Any]:
    """A folder as the file has it."""
    chat = next((folder / name for name in _CHATS if (folder / name).is_file()), folder / _CHATS[-1])
    batches, asked = (_inside(folder, path) for path in (chat, folder / _QUESTIONS))
    where = f"{folder.name}/{chat.name}"
    if not isinstance(batches, list):
        raise NotPublishedError(f"has no list of batches in {where}")
    if not isinstance(asked, dict) or not all(isinstance(questions, list) for questions in asked.values()):
        raise NotPublishedError(f"has no questions by category in {folder.name}/{_QUESTIONS.as_posix()}")
    return {
        "id": f"beam-{folder.absolute().parent.name}-{folder.name}",
        "lines": [line for number, one in enumerate(batches, start=1) for line in _lines(number, one, where)],
        "questions": [
            {
                "question": get(one, "question", str, f"{folder.name}, a question of {category}"),
                "category": category,
                "evidence": list(_ids(one.get("source_chat_ids"), f"{folder.name}, a question of {category}")),
            }
            for category, questions in asked.items()
            for one in questions
        ],
    }


def _inside(folder: Path, path: Path) -> object:
    try:
        return loaded(path)
    except NotPublishedError as error:
        raise NotPublishedError(f"has a file, {folder.name}/{path.name}, that {error}") from error


def _lines(number: int, batch: object, where: str) -> Iterator[dict[str, Any]]:
    """The user's messages of one batch, which are in turns, or all in one list as on Hugging Face."""
    where = f"{where}, batch {number}"
    turns = batch if isinstance(batch, list) else get(batch, "turns", list, where)
    messages = [one for turn in turns for one in (turn if isinstance(turn, list) else [turn])]
    anchors = [one.get("time_anchor") for one in [*messages, batch] if isinstance(one, dict)]
    date = next((anchor for anchor in anchors if anchor), None)  # the first message has it, and no other
    for message in messages:
        if get(message, "role", str, where) == "user":
            content = get(message, "content", str, where)
            yield {"id": get(message, "id", int, where), "text": content, "session": f"B{number}", "date": date}


def _ids(written: object, where: str) -> Iterator[str]:
    """The messages that a question names: numbers or texts, in a list or under names of their own."""
    if isinstance(written, dict | list):
        for one in written.values() if isinstance(written, dict) else written:
            yield from _ids(one, where)
    elif isinstance(written, int | str):
        yield str(written)
    elif written is not None:
        raise NotPublishedError(f"has evidence that names no messages in {where}")


def _conversation(number: int, published: object) -> Conversation:
    where = f"chat {number}"
    lines = get(published, "lines", list, where)
    ids = Counter(_id(line, where) for line in lines)
    turns: dict[tuple[str, str], list[Turn]] = {}
    for place, line in enumerate(lines):
        text = _PLACE_IN_THE_PLAN.sub("", one_line(get(line, "text", str, where)))
        session = get(line, "session", str, where), get(line, "date", str, where)
        id_ = _id(line, where)
        if text:
            turns.setdefault(session, []).append(Turn(id_ if ids[id_] == 1 else f"{id_}, line {place}", None, text))
    if not turns:
        raise NotPublishedError(f"has no messages of the user in {where}")
    known = {turn.id for session in turns.values() for turn in session}
    questions = [_question(one, known, where) for one in get(published, "questions", list, where)]
    asked = tuple(question for question in questions if question.evidence)
    return Conversation(
        key=f"conversation-{number}",
        name=get(published, "id", str, where),
        sessions=tuple(Session(id_, _moment(date, where), tuple(said)) for (id_, date), said in turns.items()),
        questions=asked,
        unasked=len(questions) - len(asked),
    )


def _id(line: object, where: str) -> str:
    found = line.get("id") if isinstance(line, dict) else None
    if not isinstance(found, int | str):
        raise NotPublishedError(f"has no 'id' in {where}, a line")
    return str(found)


def _question(published: object, turns: set[str], where: str) -> Question:
    where = f"{where}, a question"
    text = one_line(get(published, "question", str, where))
    if not text:
        raise NotPublishedError(f"has an empty 'question' in {where}")
    evidence: Sequence[str] = list(_ids(get(published, "evidence", list, where), where))
    category = get(published, "category", str, where).replace("_", " ")
    return Question(text=text, category=category, evidence=frozenset(turns.intersection(evidence)))


def _moment(written: str, where: str) -> datetime:
    try:
        return datetime.strptime(written, _DATE).replace(tzinfo=UTC)
    except ValueError as error:
        raise NotPublishedError(f"has no date like 'March-15-2024' in {where}") from error
