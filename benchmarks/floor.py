"""What a floor keeps and what it lets through: recall's `min_score` on LoCoMo or BEAM, from 0.05 to 0.60.

python benchmarks/floor.py --data path/to/locomo10.json --svg floor.svg
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import published
from command import chosen, forget_settings, numbers, refused, run
from dialogues import Conversation, NotPublishedError
from report import table
from rich.console import Console
from rich.progress import track
from systems import LONGEST, lines, without_names

import agentmem
from agentmem.embedding import default_embeddings
from agentmem.policy import DEFAULT_MIN_SCORE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from langchain_core.embeddings import Embeddings

    from agentmem import AgentMem

FLOORS: Final = tuple(step / 20 for step in range(1, 13))
TOP: Final = 10


@dataclass(frozen=True, slots=True)
class Scores:
    """What recall gave, before any floor.

    Args:
        evidence: For each question whose evidence is in the top 10, the best score that a turn of it has.
        foreign: For each question asked of the wrong conversation, the best score of all; 0 without a match.
        missed: How many questions have no evidence in the top 10.
    """

    evidence: Sequence[float]
    foreign: Sequence[float]
    missed: int


@dataclass(frozen=True, slots=True)
class Point:
    """What one floor does: the share of answers that it keeps, and of foreign questions that get anything."""

    floor: float
    kept: float
    let_through: float


def main(arguments: Sequence[str] | None = None, *, embeddings: Embeddings | None = None) -> int:
    """Run the command; the exit code.

    Args:
        arguments: The command line, without the program's name.
        embeddings: The embedder; else agentmem's default.
    """
    options = _parser().parse_args(arguments)
    try:
        conversations = chosen(published.read(options.data), options.conversations)
    except NotPublishedError as error:
        return refused("floor.py", f"{options.data} {error}")
    except ValueError as error:
        return refused("floor.py", error)
    if len(conversations) < 2:
        return refused("floor.py", "--conversations: a foreign question needs a second conversation")
    forget_settings()
    scores = measure(conversations, embeddings or default_embeddings())
    points = curve(scores)
    print(markdown(scores, points))
    if options.svg:
        options.svg.write_text(svg(points), "utf-8")
    return 0


def measure(conversations: Sequence[Conversation], embeddings: Embeddings) -> Scores:
    """Ask every question of its own conversation, and of the next one without the names of its own speakers."""
    evidence, foreign, missed = [], [], 0
    others = [*conversations[1:], conversations[0]]
    with (
        TemporaryDirectory(prefix="agentmem-floor-") as folder,
        agentmem.open(folder, embeddings=embeddings, max_line_chars=LONGEST) as mem,
    ):
        turns = _remembered(mem, conversations)
        asked = [(own, other, one) for own, other in zip(conversations, others, strict=True) for one in own.questions]
        for own, other, question in track(asked, "Asking questions", console=Console(stderr=True)):
            found = _recalled(mem, own, question.text)
            best = max((score for line, score in found if turns[line] in question.evidence), default=None)
            if best is None:
                missed += 1
            else:
                evidence.append(best)
            elsewhere = _recalled(mem, other, without_names(question.text, own.speakers))
            foreign.append(max((score for _, score in elsewhere), default=0.0))
    return Scores(evidence, foreign, missed)


def curve(scores: Scores) -> list[Point]:
    """What each floor does.

    >>> curve(Scores(evidence=[0.5, 0.3], foreign=[0.3, 0.1], missed=0))[6]
    Point(floor=0.35, kept=0.5, let_through=0.0)
    """
    return [Point(floor, _reaching(floor, scores.evidence), _reaching(floor, scores.foreign)) for floor in FLOORS]


def markdown(scores: Scores, points: Iterable[Point]) -> str:
    """The curve as a table, with what it is over."""
    rows = [
        [
            f"{one.floor:.2f}",
            "default" if one.floor == DEFAULT_MIN_SCORE else "",
            f"{one.kept:.3f}",
            f"{one.let_through:.3f}",
        ]
        for one in points
    ]
    return (
        f"{len(scores.evidence)} questions with evidence in the top {TOP} ({scores.missed} without), "
        f"{len(scores.foreign)} foreign questions.\n\n{table(['min_score', '', 'kept', 'let through'], rows)}"
    )


_WIDTH, _HEIGHT, _MARGIN = 640, 400, 56
_INK, _KEPT, _THROUGH = "#444", "#0b6e4f", "#c44536"


def svg(points: Sequence[Point]) -> str:
    """The curve as a picture: two lines over the floor, and the default floor."""
    frame = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" font-size="13" fill="{_INK}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {frame}>',
        "<title>What a floor keeps, and what it lets through</title>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
    ]
    for share in (0, 0.25, 0.5, 0.75, 1):
        parts.append(_stroke([(FLOORS[0], share), (FLOORS[-1], share)], "#ddd"))
        parts.append(_text(f"{share:.0%}", FLOORS[0], share, dx=-8, dy=4, anchor="end"))
    parts += [_text(f"{floor:.2f}", floor, 0, dy=20) for floor in FLOORS[1::2]]
    parts.append(_text("min_score", (FLOORS[0] + FLOORS[-1]) / 2, 0, dy=42))
    parts.append(_stroke([(DEFAULT_MIN_SCORE, 0), (DEFAULT_MIN_SCORE, 1)], _INK, dashes="4 4"))
    parts.append(_text("default", DEFAULT_MIN_SCORE, 1, dy=-8))
    for name, color, height, line in (
        ("evidence kept", _KEPT, 0.94, [(one.floor, one.kept) for one in points]),
        ("foreign questions let through", _THROUGH, 0.87, [(one.floor, one.let_through) for one in points]),
    ):
        parts += [_text(name, FLOORS[-1], height, anchor="end", color=color), _stroke(line, color, width=2.5)]
    return "\n".join([*parts, "</svg>", ""])


def _place(floor: float, share: float) -> tuple[float, float]:
    """Where a point of the curve stands in the picture."""
    across = (floor - FLOORS[0]) / (FLOORS[-1] - FLOORS[0])
    return _MARGIN + across * (_WIDTH - 2 * _MARGIN), _HEIGHT - _MARGIN - share * (_HEIGHT - 2 * _MARGIN)


def _stroke(line: Iterable[tuple[float, float]], color: str, *, width: float = 1, dashes: str = "none") -> str:
    places = " ".join("{:.1f},{:.1f}".format(*_place(floor, share)) for floor, share in line)
    return (
        f'<polyline points="{places}" fill="none" stroke="{color}" stroke-width="{width}" stroke-dasharray="{dashes}"/>'
    )


def _text(
    text: str, floor: float, share: float, *, dx: float = 0, dy: float = 0, anchor: str = "middle", color: str = _INK
) -> str:
    x, y = _place(floor, share)
    return f'<text x="{x + dx:.1f}" y="{y + dy:.1f}" text-anchor="{anchor}" fill="{color}">{text}</text>'


def _remembered(mem: AgentMem, conversations: Sequence[Conversation]) -> dict[str, str]:
    """Store every conversation as a user; the turn of each line."""
    turns: dict[str, str] = {}
    for one in track(conversations, "Adding conversations", console=Console(stderr=True)):
        memory = mem.client(one.key).memory
        for session in one.sessions:
            stored = memory.remember(lines(session), source="user")
            turns.update((line.id, turn.id) for line, turn in zip(stored, session.turns, strict=True))
    return turns


def _recalled(mem: AgentMem, conversation: Conversation, question: str) -> list[tuple[str, float]]:
    matches = mem.client(conversation.key).memory.recall(question, limit=TOP, min_score=0)
    return [(match.id, match.score) for match in matches]


def _reaching(floor: float, scores: Sequence[float]) -> float:
    return sum(score >= floor for score in scores) / len(scores) if scores else 0.0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="floor.py",
        description="What recall's min_score keeps of the evidence, and lets through of foreign questions.",
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, metavar="PATH", help=published.WHAT)
    add("--conversations", type=numbers, metavar="1,2", help="only these, counted from 1 (default: all)")
    add("--svg", type=Path, metavar="FILE", help="also draw the curve into this file")
    return parser


if __name__ == "__main__":
    run(main)
