"""What the default embedding model costs on onnxruntime and on sentence-transformers: time, memory, difference.

python benchmarks/embedding.py

Each runs in processes of its own, in turn, on one thread; the best of the runs counts, since the computer is shared.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

RUNTIMES = {"onnxruntime": "graph.OnnxGraph", "sentence-transformers": "original.Original"}
SINGLE = "When does the contract with Acme end, and who has to renew it?"
BATCH = [
    f"On day {day} Ada told Tom that the ferry to Oslo leaves at {day % 24}:30, and he wrote it down."
    for day in range(256)
]
SAMPLES = [
    "",
    " ",
    "?",
    "Tom",
    "The quick brown fox jumps over the lazy dog.",
    "契約は三月に更新されます。한국어 문장도 있습니다.",
    "🙂🚀 emoji, ümläuts and — dashes…",
    "[SEP] [CLS] <html> \x00\t\r\n C:\\path",
    "pneumonoultramicroscopicsilicovolcanoconiosis" * 30,
    "One long line of many words. " * 100,
    "契" * 1_000,
]
REPEATS = 50


@dataclass(frozen=True)
class Cost:
    """What one process measured: seconds, milliseconds and megabytes."""

    ready: float
    single: float
    batch: float
    memory: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3, help="processes for each runtime (default: 3)")
    parser.add_argument("--child", nargs=2, metavar=("RUNTIME", "STARTED"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        print(json.dumps(child(options.child[0], float(options.child[1]))))
        return 0
    print(markdown(*measured(options.runs)))
    return 0


def child(runtime: str, started: float) -> dict[str, object]:
    """Everything that is measured of one runtime, in the process this runs in."""
    module, name = f"agentmem.minilm.{RUNTIMES[runtime]}".rsplit(".", 1)
    weights = __import__("agentmem.minilm.weights", fromlist=["packaged"])
    model = getattr(__import__(module, fromlist=[name]), name)(weights.packaged() or weights.cached())
    model.embed([SINGLE])
    ready = time.time() - started
    single = median(seconds(lambda: model.embed([SINGLE])) for _ in range(REPEATS))
    batch = min(seconds(lambda: model.embed(BATCH)) for _ in range(3)) / len(BATCH)
    cost = Cost(ready, single * 1_000, batch * 1_000, peak_memory())
    return {"cost": asdict(cost), "vectors": model.embed(SAMPLES).tolist()}


def measured(runs: int) -> tuple[dict[str, Cost], float]:
    """The best of each measure of each runtime, and the largest difference between their vectors."""
    answers: dict[str, list[dict]] = {runtime: [] for runtime in RUNTIMES}
    for _ in range(runs):
        for runtime, given in answers.items():
            given.append(in_a_process(runtime))
    costs = {
        runtime: Cost(**{name: min(answer["cost"][name] for answer in given) for name in given[0]["cost"]})
        for runtime, given in answers.items()
    }
    one, other = (np.array(given[0]["vectors"]) for given in answers.values())
    return costs, float(np.abs(one - other).max())


def in_a_process(runtime: str) -> dict:
    """What a fresh process measures, from the moment it is started."""
    command = [sys.executable, str(Path(__file__).resolve()), "--child", runtime, str(time.time())]
    paths = [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    alone = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "HF_HUB_OFFLINE": "1"}
    ran = subprocess.run(command, env=alone, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 - this file
    return json.loads(ran.stdout)


def markdown(costs: dict[str, Cost], difference: float) -> str:
    """The costs as a table, with how many times more the second runtime takes."""
    fast, slow = costs.values()
    rows = [
        ("process start to first vector, s", fast.ready, slow.ready),
        ("one short text, ms", fast.single, slow.single),
        (f"a text in a batch of {len(BATCH)}, ms", fast.batch, slow.batch),
        ("peak memory, MB", fast.memory, slow.memory),
    ]
    names = [f"{runtime} {version(runtime)}" for runtime in RUNTIMES]
    lines = [f"| all-MiniLM-L6-v2 | {' | '.join(names)} | times |", "|---|---:|---:|---:|"]
    lines += [f"| {what} | {one:.2f} | {two:.2f} | {two / one:.1f} |" for what, one, two in rows]
    where = f"Python {platform.python_version()}, {os.cpu_count()} cores, one thread"
    return "\n".join([*lines, "", f"{where}. Largest difference over {len(SAMPLES)} texts: {difference:.1e}."])


def seconds(call: Callable[[], object]) -> float:
    """How long a call took."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def peak_memory() -> float:
    """The most megabytes this process ever held."""
    unit = 1 if sys.platform == "darwin" else 1_024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1_000_000


if __name__ == "__main__":
    sys.exit(main())
