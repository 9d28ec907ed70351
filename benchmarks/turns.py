"""What memory costs an agent's turn, and what a recall and a write cost, in processor time.

python benchmarks/turns.py --data path/to/locomo10.json

The chat model plays a script and the embeddings are hashes, on both sides of every comparison, so what is counted is
agentmem, LangChain and LangGraph. With --beside, another checkout is measured in the same run, in a process of its own
that takes turns with this one.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from command import count, forget_settings, refused, run
from report import table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Round = dict[str, float]
"""The milliseconds of processor time of each thing that was measured, for one of it."""

RECALL: Final = "recall"
SEARCH: Final = "SqliteStore search"
ADDED: Final = {
    "adds to a turn, tool_only, ms": ("tool_only", "plain"),
    "adds to a turn, auto, ms": ("auto", "plain"),
    "adds to a turn in a thread, tool_only, ms": ("tool_only, thread", "plain, thread"),
    "adds to a turn in a thread, auto, ms": ("auto, thread", "plain, thread"),
}
TIMES: Final = {
    "20 at once / one at a time, without memory": ("plain, 20 at once", "plain, one at a time"),
    "20 at once / one at a time, tool_only": ("tool_only, 20 at once", "tool_only, one at a time"),
    "20 at once / one at a time, auto": ("auto, 20 at once", "auto, one at a time"),
    "20 at once / one at a time by invoke, tool_only": ("tool_only, 20 at once", "tool_only"),
    "20 at once / one at a time by invoke, auto": ("auto, 20 at once", "auto"),
    "warm recall / SqliteStore search": (RECALL, SEARCH),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code."""
    options = _parser().parse_args(arguments)
    if options.beside is not None and not (options.beside / "agentmem").is_dir():
        return refused("turns.py", f"--beside: {options.beside} is no checkout of agentmem")
    if options.data is not None and not options.data.is_file():
        return refused("turns.py", f"--data: {options.data} is no file")
    forget_settings()
    here = Path(__file__).resolve().parents[1]
    trees = {"now": here} | ({"beside": options.beside.resolve()} if options.beside else {})
    with TemporaryDirectory(prefix="agentmem-turns-", dir=options.home) as folder, ExitStack() as stack:
        processes = {
            name: stack.enter_context(_started(tree, Path(folder) / name, options.data)) for name, tree in trees.items()
        }
        rounds: dict[str, list[Round]] = {name: [] for name in trees}
        for number in range(options.rounds + 1):
            for name in sorted(trees, reverse=number % 2 == 1):
                print(f"round {number} of {options.rounds}: {name}…", file=sys.stderr)
                said = _asked(processes[name])
                if number:  # the first warms up
                    rounds[name].append(said)
    print(markdown(rounds))
    return 0


def markdown(rounds: dict[str, list[Round]]) -> str:
    """Medians over the rounds, of what is measured and of differences and ratios within a round."""
    trees = list(rounds.values())
    measured = trees[0][0]
    compared = [
        *(
            (title, [median(one[dear] - one[cheap] for one in tree) for tree in trees])
            for title, (dear, cheap) in ADDED.items()
        ),
        *(
            (title, [median(one[dear] / one[cheap] for one in tree) for tree in trees])
            for title, (dear, cheap) in TIMES.items()
            if dear in measured
        ),
    ]
    costs = [(name, [median(one[name] for one in tree) for tree in trees]) for name in measured]
    head = [*rounds, "ratio"] if len(rounds) > 1 else [*rounds]
    return "\n\n".join(
        [
            table(["in processor time", *head], [_row(*one, ".2f") for one in compared], texts=1),
            table(["processor time of one, ms", *head], [_row(*one, ".3f") for one in costs], texts=1),
        ]
    )


def _row(title: str, figures: Sequence[float], form: str) -> list[str]:
    first, *others = figures
    return [
        title,
        *(f"{figure:{form}}" for figure in figures),
        *(f"{first / other:.2f}" if other else "–" for other in others),
    ]


@contextmanager
def _started(tree: Path, folder: Path, data: Path | None) -> Iterator[subprocess.Popen[str]]:
    """A process that measures one checkout."""
    folder.mkdir()
    paths = [str(tree), *filter(None, [os.environ.get("PYTHONPATH")])]
    command = [sys.executable, str(Path(__file__).with_name("turns_measured.py")), str(folder)]
    command += [str(data.resolve())] if data else []
    process = subprocess.Popen(  # noqa: S603 - our file
        command,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.communicate()


def _asked(process: subprocess.Popen[str]) -> dict[str, Any]:
    """One round of a process."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("round\n")
    process.stdin.flush()
    said: dict[str, Any] = json.loads(process.stdout.readline())
    return said


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="turns.py", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--data", type=Path, metavar="FILE", help="LoCoMo's JSON, for recall beside LangGraph's SqliteStore")
    add("--beside", type=Path, metavar="FOLDER", help="another checkout, measured in the same run")
    add("--rounds", type=count, default=9, metavar="N", help="rounds after the first (default: 9)")
    add("--home", type=Path, metavar="FOLDER", help="where the stores are made for a while (default: temporary files)")
    return parser


if __name__ == "__main__":
    run(main)
