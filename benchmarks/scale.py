"""How writing, recall, memory and disk grow with the store: synthetic lines through the public API, size by size.

python benchmarks/scale.py --sizes 10000,100000
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import resource
import sys
import time
import zlib
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeAlias, TypeVar

import numpy as np
from command import forget_settings, numbers, refused, run
from langchain_core.embeddings import Embeddings
from metrics import percentile
from numpy.typing import NDArray
from report import table

import agentmem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from agentmem import AgentMem

P = ParamSpec("P")
R = TypeVar("R")
Figures: TypeAlias = "dict[str, float]"
Vector: TypeAlias = NDArray[np.float64]

DIMENSIONS: Final = 384
PER_USER: Final = 200
LARGE: Final = "large"
BATCH: Final = 1_000
TOP: Final = 10
SMALLEST: Final = 1_000

_MOST_OF_ONE: Final = 100_000
_USERS_ASKED: Final = 200
_QUESTIONS: Final = 100
_ASKING: Final = "What about "
_NEVER: Final = 10**9
_WORDS: Final = [f"word{number}" for number in range(20_000)]
_COMMON_FIRST: Final = list(accumulate(1 / rank for rank in range(1, len(_WORDS) + 1)))
_TOPICS: Final = 500


@dataclass(frozen=True, slots=True)
class Store:
    """A store of a size: one large user with half of the lines, at most 100,000, and users of 200 lines.

    Args:
        folder: Where it is.
        lines: How many lines it has in all.
        seed: What makes its texts these and no others.
    """

    folder: str
    lines: int
    seed: int

    @property
    def large(self) -> int:
        """How many lines the large user has."""
        return min(self.lines // 2, _MOST_OF_ONE)

    @property
    def users(self) -> list[str]:
        """The other users."""
        return [f"user-{number}" for number in range((self.lines - self.large) // PER_USER)]

    def text(self, user: str, number: int) -> str:
        """A line: a word that is its topic, and ten more, common ones more often."""
        choice = random.Random(f"{self.seed} {user} {number}")  # noqa: S311 - guards no secret
        return " ".join([f"topic{choice.randrange(_TOPICS)}", *choice.choices(_WORDS, cum_weights=_COMMON_FIRST, k=10)])

    def question(self, user: str, number: int) -> str:
        """A question that is near one of the user's lines, another one for each number."""
        count = self.large if user == LARGE else PER_USER
        return f"{_ASKING}{self.text(user, number * 7_919 % count)}?"

    def open(self, **settings: Any) -> AgentMem:
        """Open it."""
        return agentmem.open(self.folder, embeddings=TopicEmbeddings(), **settings)


class TopicEmbeddings(Embeddings):
    """Vectors of MiniLM's length, made of the text: near for lines of one topic, nearer for a line and its question."""

    def __init__(self) -> None:
        self.model_name = "topics"
        self.seconds = 0.0

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """One vector for each text."""
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        """The vector of one text."""
        started = time.perf_counter()
        line = text.removeprefix(_ASKING).removesuffix("?")
        vector = _direction(line.partition(" ")[0]) + 0.9 * _noise(line)
        if line != text:
            vector += 0.5 * _noise(text)
        made: list[float] = vector.tolist()
        self.seconds += time.perf_counter() - started
        return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code."""
    options = _parser().parse_args(arguments)
    if options.sizes[0] < SMALLEST:
        return refused("scale.py", f"--sizes: the smallest store has {SMALLEST:,} lines")
    if options.home is not None and not options.home.is_dir():
        return refused("scale.py", f"--home: {options.home} is no folder")
    forget_settings()
    with TemporaryDirectory(prefix="agentmem-scale-", dir=options.home) as folder:
        stores = [Store(str(Path(folder, str(lines))), lines, options.seed) for lines in options.sizes]
        print(markdown(measure(stores, users_only=options.users_only)))
    return 0


def measure(stores: Sequence[Store], *, users_only: bool = False) -> dict[int, Figures]:
    """Everything about each size: a stage for one store after the other, each in a process of its own.

    So its memory is its own, and what is compared is measured at one time.

    Args:
        stores: The stores.
        users_only: Whether Chroma and the large user are left out.
    """
    figures: dict[int, Figures] = {store.lines: {"large": store.large, "users": len(store.users)} for store in stores}
    for stage in (fill, recall_small) if users_only else (fill, hand_over, recall_small, recall_large, compare):
        for store in stores:
            print(f"{store.lines:,} lines: {stage.__name__.replace('_', ' ')}…", file=sys.stderr)
            figures[store.lines] |= _alone(stage, store)
    for one in figures.values():
        if "large_median" in one:
            one["large_in_small"] = one["large_median"] / one["warm_median"]
    return figures


def fill(store: Store) -> Figures:
    """Write every line, a thousand or a user at a time; Chroma is not fed meanwhile."""
    embeddings = TopicEmbeddings()
    with agentmem.open(store.folder, embeddings=embeddings, index_batch=_NEVER) as mem:
        mem.warm_up()
        embeddings.seconds, spent = 0.0, 0.0
        for user, texts in _batches(store):
            started = time.perf_counter()
            mem.client(user).memory.remember(texts)
            spent += time.perf_counter() - started
    rate = store.lines / (spent - embeddings.seconds)
    return {"write_rate": rate, "database_bytes": _bytes(store) / store.lines, "write_peak": _peak()}


def hand_over(store: Store) -> Figures:
    """Fill Chroma from SQL."""
    with store.open() as mem:
        started = time.perf_counter()
        mem.reindex()
        rate = store.lines / (time.perf_counter() - started)
    return {"index_rate": rate, "bytes": _bytes(store) / store.lines, "index_peak": _peak()}


def recall_small(store: Store) -> Figures:
    """Ask many users of 200 lines one question after opening the store, and then some more."""
    first, *users = store.users[: _USERS_ASKED + 1]
    with store.open() as mem:
        mem.warm_up()
        opening = _milliseconds(mem, store, first, [0])
        cold = [_milliseconds(mem, store, user, [0])[0] for user in users]
        warm = [one for user in users for one in _milliseconds(mem, store, user, [1, 2, 3])]
    return {
        "first": opening[0],
        **_middle_and_end("cold", cold),
        **_middle_and_end("warm", warm),
        "small_peak": _peak(),
    }


def recall_large(store: Store) -> Figures:
    """Ask the large user, with the settings as they come."""
    with store.open() as mem:
        mem.warm_up()
        first, *warm = _milliseconds(mem, store, LARGE, range(_QUESTIONS + 1))
        match = mem.client(LARGE).memory.recall(store.question(LARGE, 0), min_score=0, explain=True)[0]
    by_chroma = float(match.explanation is not None and match.explanation.answered_by == "chroma")
    return {"large_first": first, **_middle_and_end("large", warm), "by_chroma": by_chroma, "large_peak": _peak()}


def compare(store: Store) -> Figures:
    """How much of what the exact scan finds for the large user Chroma finds too."""
    exact, approximate = _answers(store, scan_below=_NEVER), _answers(store, scan_below=0)
    shares = [len(one & other) / len(one) for one, other in zip(exact, approximate, strict=True)]
    return {"chroma_recall": sum(shares) / len(shares)}


_ROWS: Final[Mapping[str, tuple[str, Callable[[float], str], bool]]] = {
    "users": ("users of 200 lines", "{:,.0f}".format, False),
    "large": ("lines of the large user", "{:,.0f}".format, False),
    "write_rate": ("writing, lines/s", "{:,.0f}".format, True),
    "write_peak": ("writing, peak memory in MB", "{:,.0f}".format, True),
    "index_rate": ("handing over to Chroma, lines/s", "{:,.0f}".format, True),
    "index_peak": ("handing over, peak memory in MB", "{:,.0f}".format, True),
    "database_bytes": ("bytes a line, database", "{:,.0f}".format, True),
    "bytes": ("bytes a line, with Chroma", "{:,.0f}".format, True),
    "first": ("first recall after opening, ms", "{:,.1f}".format, True),
    "cold_median": ("recall, first of a user: median, ms", "{:,.1f}".format, True),
    "cold_p95": ("recall, first of a user: p95, ms", "{:,.1f}".format, True),
    "warm_median": ("recall, user asked before: median, ms", "{:,.1f}".format, True),
    "warm_p95": ("recall, user asked before: p95, ms", "{:,.1f}".format, True),
    "small_peak": ("recall of small users, peak memory in MB", "{:,.0f}".format, True),
    "by_chroma": ("large user answered by", lambda chroma: "Chroma" if chroma else "the scan", False),
    "large_first": ("recall, large user: first, ms", "{:,.1f}".format, True),
    "large_median": ("recall, large user: median, ms", "{:,.1f}".format, True),
    "large_in_small": ("that median, in medians of a user of 200 lines", "{:,.1f}".format, False),
    "large_p95": ("recall, large user: p95, ms", "{:,.1f}".format, True),
    "large_peak": ("recall of the large user, peak memory in MB", "{:,.0f}".format, True),
    "chroma_recall": ("recall@10 of Chroma against the scan", "{:.3f}".format, False),
}


def markdown(measured: Mapping[int, Figures]) -> str:
    """A row for each figure, a column for each size; `×` relates to the smallest."""
    smallest = min(measured)
    rows = [
        [label, *(_cell(figures[name], measured[smallest][name], shown, ratio) for figures in measured.values())]
        for name, (label, shown, ratio) in _ROWS.items()
        if name in measured[smallest]
    ]
    return table(["lines in all", *(f"{lines:,}" for lines in measured)], rows, texts=1)


def _cell(figure: float, smallest: float, shown: Callable[[float], str], ratio: bool) -> str:  # noqa: FBT001
    return f"{shown(figure)} (×{figure / smallest:.2f})" if ratio and smallest else shown(figure)


def _alone(stage: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """What a function gives in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(stage, *args, **kwargs).result()


def _batches(store: Store) -> Iterator[tuple[str, list[str]]]:
    for user in store.users:
        yield user, [store.text(user, number) for number in range(PER_USER)]
    for start in range(0, store.large, BATCH):
        numbers_of_batch = range(start, min(start + BATCH, store.large))
        yield LARGE, [store.text(LARGE, number) for number in numbers_of_batch]


def _milliseconds(mem: AgentMem, store: Store, user: str, questions: Iterable[int]) -> list[float]:
    """How long each of these questions takes, embedded in almost no time."""
    memory, spent = mem.client(user).memory, []
    for number in questions:
        question, started = store.question(user, number), time.perf_counter()
        memory.recall(question, limit=TOP, min_score=0)
        spent.append(1000 * (time.perf_counter() - started))
    return spent


def _answers(store: Store, *, scan_below: int) -> list[set[str]]:
    """The ids of the large user's best lines for each question."""
    with store.open(scan_below=scan_below) as mem:
        memory = mem.client(LARGE).memory
        questions = (store.question(LARGE, number) for number in range(_QUESTIONS))
        return [{match.id for match in memory.recall(one, limit=TOP, min_score=0)} for one in questions]


def _middle_and_end(name: str, values: Sequence[float]) -> Figures:
    return {f"{name}_median": percentile(values, 50), f"{name}_p95": percentile(values, 95)}


def _bytes(store: Store) -> int:
    return sum(path.stat().st_size for path in Path(store.folder).rglob("*") if path.is_file())


def _peak() -> float:
    """The most memory this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)


@cache
def _direction(topic: str) -> Vector:
    return _noise(topic)


def _noise(text: str) -> Vector:
    """A random direction, the same for the same text."""
    return np.random.default_rng(zlib.crc32(text.encode())).standard_normal(DIMENSIONS) / DIMENSIONS**0.5


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scale.py",
        description="What agentmem takes with more and more lines: time, memory and disk. The table goes to stdout.",
    )
    add = parser.add_argument
    add("--sizes", type=numbers, default=[10_000, 100_000], metavar="10000,100000", help="lines of the stores")
    add("--users-only", action="store_true", help="leave Chroma and the large user out")
    add("--home", type=Path, metavar="FOLDER", help="where the stores are made for a while (default: temporary files)")
    add("--seed", type=int, default=1, metavar="N", help="another number, other texts (default: 1)")
    return parser


if __name__ == "__main__":
    run(main)
