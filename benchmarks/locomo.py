"""How much of LoCoMo's evidence recall finds, and how fast, beside plain Chroma, LangGraph's stores, LangMem and mem0.

python benchmarks/locomo.py --data path/to/locomo10.json
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

import locomo_data
import report
from command import chosen, forget_settings, numbers, refused, run
from dialogues import Conversation, NotPublishedError
from peers import PEERS
from report import Cost, Measured, Run
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from systems import AgentMem, PlainChroma, System, Timed, everyone, timed
from texts import BARE

from agentmem import AgentMemError
from agentmem.embedding import default_embeddings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from langchain_core.embeddings import Embeddings

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Data:
    """What is measured on.

    Args:
        name: Of the program and of the marks that its tables go between.
        title: What people call it.
        published: The form it is read in.
        read: Reads it.
    """

    name: str
    title: str
    published: str
    read: Callable[[Path], list[Conversation]]

    @property
    def program(self) -> str:
        """The file of the program."""
        return f"{self.name}.py"


LOCOMO: Final = Data("locomo", "LoCoMo", "LoCoMo's JSON as published, locomo10.json", locomo_data.read)


def main(arguments: Sequence[str] | None = None, *, embeddings: Embeddings | None = None, data: Data = LOCOMO) -> int:
    """Run the command; the exit code.

    Args:
        arguments: The command line, without the program's name.
        embeddings: The embedder; else agentmem's default.
        data: What is measured on.
    """
    options = _parser(data).parse_args(arguments)
    try:
        conversations = chosen(data.read(options.data), options.conversations)
        _check_place(options.output, data)
    except NotPublishedError as error:
        return refused(data.program, f"{options.data} {error}")
    except ValueError as error:
        return refused(data.program, error)
    forget_settings()
    try:
        measured = measure(conversations, embeddings or default_embeddings(), peers=options.peers)
    except AgentMemError as error:
        print(f"{data.program}: {error}", file=sys.stderr)
        return 1
    print(json.dumps(report.as_json(measured), indent=2) if options.json else report.markdown(measured).rstrip())
    if options.output:
        report.put(options.output, data.name, report.markdown(measured))
    return 0


def measure(conversations: Sequence[Conversation], embeddings: Embeddings, *, peers: bool) -> Run:
    """Add every turn to every system, then ask every question of every system.

    Systems take turns at each session and each question, in another order each
    time, so that a slow minute of the computer falls on all of them. What
    several of them ask the embedder in one such turn is computed once.
    """
    shared = timed(embeddings)
    dimensions = len(shared.embed_query("The model is loaded before anything is timed."))
    named = any(one.speakers for one in conversations)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with (
        TemporaryDirectory(prefix="agentmem-finding-") as folder,
        ExitStack() as opened,
        Progress(*columns, console=Console(stderr=True)) as progress,
    ):
        systems: list[System] = [
            opened.enter_context(closing(system))
            for system in everyone(Path(folder), shared, dimensions, peers=peers, named=named)
        ]
        results = [Measured(system.name, system.text) for system in systems]
        _add(conversations, systems, results, shared, progress)
        for system, result in zip(systems, results, strict=True):
            result.settled = _timed(shared, system.settle)[1].own
        _ask(conversations, systems, results, shared, progress)
    absent = {peer.name: peer.install for peer in PEERS if peers and not peer.is_installed}
    return Run(conversations, shared.model_name, results, (PlainChroma.name, BARE), absent)


def _add(
    conversations: Sequence[Conversation],
    systems: Sequence[System],
    results: Sequence[Measured],
    shared: Timed,
    progress: Progress,
) -> None:
    sessions = [(one.key, session) for one in conversations for session in one.sessions]
    for number, (key, session) in enumerate(progress.track(sessions, description="Adding sessions")):
        shared.forget()
        for place in _in_turn(number, len(systems)):
            _, cost = _timed(shared, systems[place].add, key, session)
            lines = len(session.turns)
            results[place].adds.append(Cost(cost.embedding / lines, cost.own / lines))


def _ask(
    conversations: Sequence[Conversation],
    systems: Sequence[System],
    results: Sequence[Measured],
    shared: Timed,
    progress: Progress,
) -> None:
    questions = [(one.key, question.text) for one in conversations for question in one.questions]
    for number, (key, text) in enumerate(progress.track(questions, description="Asking questions")):
        shared.forget()
        for place in _in_turn(number, len(systems)):
            ranked, cost = _timed(shared, systems[place].recall, key, text)
            results[place].ranked.append(ranked)
            results[place].recalls.append(cost)
        for system, result in zip(systems, results, strict=True):
            if isinstance(system, AgentMem):
                result.answered_by.update(system.engines(key, text))


def _timed(shared: Timed, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> tuple[R, Cost]:
    """What a call gave, and what it cost: in embedding, and beyond it."""
    charged, spent, started = shared.charged, shared.spent, time.perf_counter()
    result = call(*args, **kwargs)
    total = time.perf_counter() - started
    return result, Cost(embedding=shared.charged - charged, own=total - (shared.spent - spent))


def _in_turn(number: int, count: int) -> list[int]:
    """The places of all systems in another order each time, so that none always follows the same one."""
    return random.Random(number).sample(range(count), count)  # noqa: S311 - guards no secret


def _check_place(document: Path | None, data: Data) -> None:
    try:
        fits = document is None or report.has_place(document, data.name)
    except (OSError, UnicodeDecodeError):
        fits = False
    if not fits:
        begin, end = report.marks(data.name)
        raise ValueError(f"--output: {document} must have {begin} and {end}, for the tables to go between")


def _parser(data: Data) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=data.program,
        description=f"Recall, ranking and latency of agentmem and its peers on {data.title}. Tables go to stdout.",
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, metavar="PATH", help=data.published)
    add("--conversations", type=numbers, metavar="1,2", help="only these, counted from 1 (default: all)")
    add("--peers", action=argparse.BooleanOptionalAction, default=True, help="measure other systems too")
    add("--json", action="store_true", help="print JSON instead of tables")
    add("--output", type=Path, metavar="FILE", help="also put the tables between the marks in this Markdown file")
    return parser


if __name__ == "__main__":
    run(main)
