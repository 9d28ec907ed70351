"""What was measured, as tables in Markdown and as JSON."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final

from locomo_data import CATEGORIES
from metrics import METRICS, mean_scores, percentile

import agentmem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from dialogues import Conversation, Question

_PACKAGES: Final = (
    "onnxruntime",
    "tokenizers",
    "snowballstemmer",
    "chromadb",
    "langgraph",
    "langgraph-checkpoint-sqlite",
    "sqlite-vec",
    "langmem",
    "mem0ai",
    "qdrant-client",
)
_TIMES: Final = (("embedding", "median", 50), ("embedding", "p95", 95), ("own", "median", 50), ("own", "p95", 95))


@dataclass(frozen=True, slots=True)
class Cost:
    """What one call took, in seconds for each line or question: embedding, and the system's own part."""

    embedding: float
    own: float


@dataclass(slots=True)
class Measured:
    """One system's answers and costs, in the order of the questions and of the sessions.

    `settled` is the seconds that were spent on what it does in the background, between the last line and the first
    question.
    """

    name: str
    text: str
    ranked: list[list[str]] = field(default_factory=list)
    adds: list[Cost] = field(default_factory=list)
    recalls: list[Cost] = field(default_factory=list)
    settled: float = 0.0
    answered_by: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Run:
    """One run over some conversations.

    Args:
        conversations: Which.
        model: The embedder's name.
        systems: What was measured; the ratios are relative to `reference`.
        reference: The name and the text of the system whose own part of a call is 1.
        absent: The systems that were not measured because they are not installed, each with the command for it.
    """

    conversations: Sequence[Conversation]
    model: str
    systems: Sequence[Measured]
    reference: tuple[str, str]
    absent: Mapping[str, str] = field(default_factory=dict)

    @property
    def questions(self) -> list[Question]:
        """Every question that was asked, in order."""
        return [question for one in self.conversations for question in one.questions]

    @property
    def lines(self) -> int:
        """How many turns were added."""
        return sum(len(session.turns) for one in self.conversations for session in one.sessions)


def markdown(run: Run) -> str:
    """The whole report: what was found, over all and by category, what it cost, and notes."""
    parts = [_summary(run), "### Found, over all categories", _found(run)]
    parts += ["### Found, by category: recall@10", _found_by_category(run)]
    parts += ["### Adding, in milliseconds a line", _costs(run, "adds", "storing")]
    parts += ["### Recalling, in milliseconds a question", _costs(run, "recalls", "searching")]
    parts += _notes(run)
    return "\n\n".join(parts) + "\n"


def as_json(run: Run) -> dict[str, Any]:
    """The same figures, unrounded."""
    categories = sorted({question.category for question in run.questions}, key=_place)
    agreement = _agreement(run)
    return {
        "conversations": [one.name for one in run.conversations],
        "lines": run.lines,
        "questions": len(run.questions),
        "left_out": sum(one.unasked for one in run.conversations),
        "embedder": run.model,
        "versions": _versions(),
        "machine": "shared: compare a time only with another of this run",
        "systems": [
            {
                "name": one.name,
                "text": one.text,
                "found": {
                    "all": _scores(run, one),
                    **{category: _scores(run, one, category) for category in categories},
                },
                "milliseconds": {"add": _milliseconds(one.adds), "recall": _milliseconds(one.recalls)},
                "settled_seconds": one.settled,
                "ratio": {"add": _ratio(run, one, "adds"), "recall": _ratio(run, one, "recalls")},
                "answered_by": dict(one.answered_by),
            }
            for one in run.systems
        ],
        "not_measured": dict(run.absent),
        "same_through_scan_and_chroma": None if agreement is None else agreement[2],
    }


def marks(name: str) -> tuple[str, str]:
    """What stands before and behind the tables of a program in a document."""
    return f"<!-- {name}: begin -->", f"<!-- {name}: end -->"


def has_place(document: Path, name: str) -> bool:
    """Whether a document has the two marks that a program's report goes between."""
    text, (begin, end) = document.read_text("utf-8"), marks(name)
    return text.count(begin) == text.count(end) == 1 and text.index(begin) < text.index(end)


def put(document: Path, name: str, report: str) -> None:
    """Replace what stands between a document's marks."""
    begin, end = marks(name)
    before, _, rest = document.read_text("utf-8").partition(begin)
    after = rest.partition(end)[2]
    document.write_text(f"{before}{begin}\n\n{report}\n{end}{after}", "utf-8")


def _summary(run: Run) -> str:
    names = ", ".join(one.name for one in run.conversations)
    left_out = sum(one.unasked for one in run.conversations)
    versions = ", ".join(f"{name} {number}" for name, number in _versions().items())
    return (
        f"Conversations {names}: {run.lines} turns, {len(run.questions)} questions with evidence ({left_out} without). "
        f"Embedder {run.model}. {versions}."
    )


def _found(run: Run) -> str:
    rows = [[one.name, one.text, *(f"{score:.3f}" for score in _scores(run, one).values())] for one in run.systems]
    return table(["system", "text", *METRICS], rows)


def _found_by_category(run: Run) -> str:
    counted = Counter(question.category for question in run.questions)
    sizes = [(category, counted[category]) for category in sorted(counted, key=_place)]
    head = [f"{category} ({size})" for category, size in sizes]
    rows = [
        [one.name, one.text, *(f"{_scores(run, one, category)['recall@10']:.3f}" for category, _ in sizes)]
        for one in run.systems
    ]
    return table(["system", "text", *head], rows)


def _scores(run: Run, one: Measured, category: str | None = None) -> dict[str, float]:
    return mean_scores(
        (ranked, question.evidence)
        for ranked, question in zip(one.ranked, run.questions, strict=True)
        if category in {None, question.category}
    )


def _costs(run: Run, kind: str, own: str) -> str:
    against = f"{own}, × {_reference_name(run)}"
    head = ["system", "text", *(f"{own if part == 'own' else part} {place}" for part, place, _ in _TIMES), against]
    rows = []
    for one in run.systems:
        times = [f"{time:.2f}" for time in _milliseconds(getattr(one, kind)).values()]
        ratio = _ratio(run, one, kind)
        rows.append([one.name, one.text, *times, "–" if ratio is None else f"{ratio:.2f}"])
    return table(head, rows)


def _milliseconds(costs: Sequence[Cost]) -> dict[str, float]:
    return {
        f"{part}_{place}": 1000 * percentile((getattr(cost, part) for cost in costs), percent)
        for part, place, percent in _TIMES
    }


def _ratio(run: Run, one: Measured, kind: str) -> float | None:
    """The median of the system's own part over that of the reference, if that was measured."""
    reference = next((other for other in run.systems if (other.name, other.text) == run.reference), None)
    if reference is None:
        return None
    middle = percentile((cost.own for cost in getattr(reference, kind)), 50)
    return percentile((cost.own for cost in getattr(one, kind)), 50) / middle if middle else None


def _reference_name(run: Run) -> str:
    return f"{run.reference[0]} on {run.reference[1]}"


def _agreement(run: Run) -> tuple[Measured, Measured, int] | None:
    """agentmem's two ways to search, the scan first, and to how many questions they gave the same turns in order."""
    ours = [one for one in run.systems if one.answered_by]
    for number, one in enumerate(ours):
        for other in ours[number + 1 :]:
            if one.text == other.text:
                return one, other, sum(mine == theirs for mine, theirs in zip(one.ranked, other.ranked, strict=True))
    return None


def _notes(run: Run) -> list[str]:
    notes = [f"Not measured, because it is not installed: {name} (`{how}`)." for name, how in run.absent.items()]
    if agreement := _agreement(run):
        scan, chroma, same = agreement
        handed_over = f"{1000 * chroma.settled / run.lines:.2f}"
        notes.append(
            f"`{scan.name}` and `{chroma.name}` gave the same turns in the same order to {same} of {len(scan.ranked)} "
            f"questions; Chroma answered {chroma.answered_by['chroma']} of them."
        )
        notes.append(
            "Handing lines over to Chroma happens behind the adding and is not in its figures; all at once, it took "
            f"{handed_over} ms a line."
        )
    notes.append(
        "The computer was shared with other work, so milliseconds of another run say nothing about these. Within the "
        "run every session and every question went to all systems in turn; the last column is a ratio of medians."
    )
    return notes


def _place(category: str) -> tuple[int, str]:
    """Where a category stands: LoCoMo's in the order of their numbers, others by name."""
    known = list(CATEGORIES.values())
    return (known.index(category) if category in known else len(known)), category


def _versions() -> dict[str, str]:
    found = {"agentmem": agentmem.__version__}
    for name in _PACKAGES:
        try:
            found[name] = version(name).partition("+")[0]
        except PackageNotFoundError:
            continue
    return found


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, texts: int = 2) -> str:
    """Markdown that lines up as plain text too; all but the first `texts` columns are numbers."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.ljust(width) if column < texts else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return f"| {' | '.join(padded)} |"

    rule = [("-" * width if column < texts else "-" * (width - 1) + ":") for column, width in enumerate(widths)]
    return "\n".join([line(head), line(rule), *(line(row) for row in rows)])
