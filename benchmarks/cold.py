"""What `agentmem recall` takes from the start of its process to its end, on onnxruntime and on sentence-transformers.

python benchmarks/cold.py

Both are asked in turn, of one store; the best of the runs counts, since the computer is shared.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from command import count, forget_settings, run
from report import table

import agentmem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

QUESTION: Final = "When does the ferry to Oslo leave?"
ANSWER: Final = "Ada"

_COMMAND: Final = "import sys; from agentmem.cli import main; sys.exit(main())"
_BEFORE: Final = {
    "onnxruntime": "",
    "sentence-transformers": "from agentmem import minilm; minilm.Graph = minilm.Original; ",
}
"""What each runtime takes before the command; the weights and all else are the same."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code."""
    options = _parser().parse_args(arguments)
    forget_settings()
    with TemporaryDirectory(prefix="agentmem-cold-") as folder:
        fill(Path(folder), options.lines)
        print(markdown(options.lines, best(Path(folder), options.runs)))
    return 0


def fill(folder: Path, lines: int) -> None:
    """A store of so many lines of one user."""
    with agentmem.open(folder) as mem:
        mem.client("default").memory.remember(
            [f"On day {day} Ada told Tom that the ferry to Oslo leaves at {day % 24}:30." for day in range(lines)]
        )


def best(folder: Path, runs: int) -> dict[str, float]:
    """The fewest seconds of each runtime; one run of each before them is not counted."""
    spent = [{runtime: seconds(folder, before) for runtime, before in _BEFORE.items()} for _ in range(runs + 1)][1:]
    return {runtime: min(one[runtime] for one in spent) for runtime in _BEFORE}


def seconds(folder: Path, before: str) -> float:
    """How long one process takes to recall.

    Raises:
        RuntimeError: It gave no answer.
    """
    command = [sys.executable, "-c", before + _COMMAND, "recall", QUESTION, "--home", str(folder)]
    paths = [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    alone = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "HF_HUB_OFFLINE": "1"}
    started = time.perf_counter()
    ran = subprocess.run(command, env=alone, check=False, capture_output=True, text=True)  # noqa: S603 - our command
    spent = time.perf_counter() - started
    if ran.returncode or ANSWER not in ran.stdout:
        raise RuntimeError(f"agentmem recall: exit code {ran.returncode}\n{ran.stderr}")
    return spent


def markdown(lines: int, spent: Mapping[str, float]) -> str:
    """The seconds of each runtime, and their ratio."""
    fast, slow = spent.values()
    rows = [[f"one recall in {lines:,} lines, s", f"{fast:.2f}", f"{slow:.2f}", f"{fast / slow:.2f}"]]
    return table(["a process of its own", *spent, "ratio"], rows, texts=1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cold.py", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--lines", type=count, default=1_000, metavar="N", help="how many lines the store has (default: 1000)")
    add("--runs", type=count, default=5, metavar="N", help="processes for each runtime (default: 5)")
    return parser


if __name__ == "__main__":
    run(main)
