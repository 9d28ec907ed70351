"""How much of LoCoMo's evidence recall finds, and how fast, beside plain Chroma and LangGraph's InMemoryStore.

python benchmarks/locomo.py --data path/to/locomo10.json
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import report
from dialogues import Conversation, NotLocomoError, read
from report import Cost, Measured, Run
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from systems import BARE, AgentMem, PlainChroma, System, Timed, everyone, timed

from agentmem import AgentMemError
from agentmem.embedding import MiniLM

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from langchain_core.embeddings import Embeddings

P = ParamSpec("P")
R = TypeVar("R")


def main(arguments: Sequence[str] | None = None, *, embeddings: Embeddings | None = None) -> int:
    """Run the command; the exit code.

    Args:
        arguments: The command line, without the program's name.
        embeddings: The embedder; else agentmem's default.
    """
    options = _parser().parse_args(arguments)
    try:
        conversations = _chosen(read(options.data), options.conversations)
        _check_place(options.output)
    except NotLocomoError as error:
        return _refused(f"{options.data} {error}")
    except ValueError as error:
        return _refused(str(error))
    threads = options.torch_threads if embeddings is None else None
    _forget_settings()
    try:
        model = embeddings or _default_model(options.torch_threads)
        run = measure(conversations, model, peers=options.peers, torch_threads=threads)
    except AgentMemError as error:
        print(f"locomo.py: {error}", file=sys.stderr)
        return 1
    print(json.dumps(report.as_json(run), indent=2) if options.json else report.markdown(run).rstrip())
    if options.output:
        report.put(options.output, report.markdown(run))
    return 0


def measure(
    conversations: Sequence[Conversation], embeddings: Embeddings, *, peers: bool, torch_threads: int | None = None
) -> Run:
    """Add every turn to every system, then ask every question of every system.

    Systems take turns at each session and each question, and another one begins
    each time, so that a slow minute of the computer falls on all of them.
    """
    shared = timed(embeddings)
    dimensions = len(shared.embed_query("The model is loaded before anything is timed."))
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with (
        TemporaryDirectory(prefix="agentmem-locomo-") as folder,
        ExitStack() as opened,
        Progress(*columns, console=Console(stderr=True)) as progress,
    ):
        systems: list[System] = [
            opened.enter_context(closing(system)) for system in everyone(Path(folder), shared, dimensions, peers=peers)
        ]
        results = [Measured(system.name, system.text) for system in systems]
        _add(conversations, systems, results, shared, progress)
        for system, result in zip(systems, results, strict=True):
            result.settled = _timed(shared, system.settle)[1].own
        _ask(conversations, systems, results, shared, progress)
        for system, result in zip(systems, results, strict=True):
            if isinstance(system, AgentMem):
                result.answered_by = system.answered_by
    return Run(conversations, shared.model_name, torch_threads, results, (PlainChroma.name, BARE))


def _add(
    conversations: Sequence[Conversation],
    systems: Sequence[System],
    results: Sequence[Measured],
    shared: Timed,
    progress: Progress,
) -> None:
    sessions = [(one.key, session) for one in conversations for session in one.sessions]
    for number, (key, session) in enumerate(progress.track(sessions, description="Adding sessions")):
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
        for place in _in_turn(number, len(systems)):
            ranked, cost = _timed(shared, systems[place].recall, key, text)
            results[place].ranked.append(ranked)
            results[place].recalls.append(cost)


def _timed(shared: Timed, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> tuple[R, Cost]:
    """What a call gave, and what it cost: in embedding, and beyond it."""
    embedding, started = shared.seconds, time.perf_counter()
    result = call(*args, **kwargs)
    total, embedding = time.perf_counter() - started, shared.seconds - embedding
    return result, Cost(embedding, total - embedding)


def _in_turn(number: int, count: int) -> list[int]:
    """The places of all systems, beginning with another one each time."""
    return [(number + place) % count for place in range(count)]


def _chosen(conversations: Sequence[Conversation], numbers: Sequence[int] | None) -> list[Conversation]:
    if any(not 1 <= number <= len(conversations) for number in numbers or ()):
        raise ValueError(f"--conversations: there are 1 to {len(conversations)}")
    chosen = [conversations[number - 1] for number in numbers] if numbers else list(conversations)
    if not any(one.questions for one in chosen):
        raise ValueError("--data: no question of these conversations has evidence")
    return chosen


def _check_place(document: Path | None) -> None:
    try:
        fits = document is None or report.has_place(document)
    except (OSError, UnicodeDecodeError):
        fits = False
    if not fits:
        raise ValueError(
            f"--output: {document} must have {report.BEGIN} and {report.END}, for the tables to go between"
        )


def _default_model(torch_threads: int) -> Embeddings:
    import torch  # noqa: PLC0415 - seconds, and only for this model

    torch.set_num_threads(torch_threads)
    return MiniLM()


def _forget_settings() -> None:
    """Measure the defaults, and never write to a database that the environment happens to name."""
    for name in [name for name in os.environ if name.startswith("AGENTMEM_")]:
        del os.environ[name]


def _refused(why: str) -> int:
    print(f"locomo.py: {why}", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="locomo.py",
        description="Recall, ranking and latency of agentmem and its peers on LoCoMo. Tables go to stdout.",
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, metavar="FILE", help="LoCoMo's JSON as published, locomo10.json")
    add("--conversations", type=_numbers, metavar="1,2", help="only these, counted from 1 (default: all)")
    add("--peers", action=argparse.BooleanOptionalAction, default=True, help="measure Chroma and LangGraph's store too")
    add("--json", action="store_true", help="print JSON instead of tables")
    add("--output", type=Path, metavar="FILE", help="also put the tables between the marks in this Markdown file")
    add("--torch-threads", type=_count, default=1, metavar="N", help="threads of the default embedder (default: 1)")
    return parser


def _numbers(text: str) -> list[int]:
    """`1,2` as numbers, each once, in order."""
    return sorted({_count(number) for number in text.split(",")})


def _count(text: str) -> int:
    if not text.strip().isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def _stop(*_: object) -> None:
    """Being ended from outside cleans up like being interrupted does."""
    raise SystemExit(1)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _stop)
    raise SystemExit(main())
