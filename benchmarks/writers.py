"""What many writers of many tenants on one PostgreSQL cost each other: writes a second, and how long each takes.

python benchmarks/writers.py --database-url postgresql+psycopg://user@host/name

Each writer is a process of its own with a tenant of its own, and appends to a block or remembers a line, in turn. One
writer alone comes before and after the many, so that a computer whose speed drifts shows. The embeddings are hashes.
Name a database that nothing else is in; what is written stays there.
"""

from __future__ import annotations

import argparse
import sys
import time
from multiprocessing import get_context
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from command import count, forget_settings, refused, run
from metrics import percentile
from report import table

import agentmem
from agentmem import AgentMemError
from agentmem.testing import HashingEmbeddings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.synchronize import Barrier

WRITERS: Final = 16
SECONDS: Final = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code."""
    options = _parser().parse_args(arguments)
    forget_settings()
    try:
        with TemporaryDirectory() as folder:
            agentmem.open(folder, database_url=options.database_url, embeddings=HashingEmbeddings()).close()
    except AgentMemError as error:
        return refused("writers.py", error)
    rows = []
    for writers in (1, options.writers, 1):
        print(f"{writers} writing for {options.seconds} s…", file=sys.stderr)
        rows.append(row(writers, measured(options.database_url, writers, options.seconds), options.seconds))
    print(table(["writers", "writes a second", "median ms", "p95 ms", "slowest ms"], rows, texts=0))
    return 0


def measured(url: str, writers: int, seconds: int) -> list[float]:
    """How long each write took, in seconds."""
    processes = get_context("spawn")
    begin = processes.Barrier(writers)
    with processes.Pool(writers, _share, (begin,)) as pool:
        jobs = [pool.apply_async(write, (url, f"tenant-{number}", seconds)) for number in range(writers)]
        return [took for job in jobs for took in job.get()]


def write(url: str, tenant_id: str, seconds: int) -> list[float]:
    """Write for so long, from when everyone is ready."""
    took: list[float] = []
    with TemporaryDirectory() as folder:
        mem = agentmem.open(folder, tenant_id=tenant_id, database_url=url, embeddings=HashingEmbeddings())
        memory = mem.client(f"user-{time.time_ns()}").memory
        memory.remember("ready")
        _begin.wait()
        end = time.perf_counter() + seconds
        while (began := time.perf_counter()) < end:
            if len(took) % 2:
                memory.remember(f"line {len(took)}")
            else:
                memory.append(f"block-{len(took) // 40}", "a line of text")
            took.append(time.perf_counter() - began)
        mem.close()
    return took


def row(writers: int, took: Sequence[float], seconds: int) -> list[str]:
    """One row of the table."""
    milliseconds = (percentile(took, share) * 1000 for share in (50, 95, 100))
    return [str(writers), f"{len(took) / seconds:.0f}", *(f"{one:.0f}" for one in milliseconds)]


def _share(begin: Barrier) -> None:
    global _begin  # noqa: PLW0603 - a barrier goes to a new process only as it begins
    _begin = begin


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="writers.py", description=__doc__.splitlines()[0])
    parser.add_argument("--database-url", required=True, metavar="URL", help="postgresql+psycopg://user@host/name")
    parser.add_argument("--writers", type=count, default=WRITERS, metavar="N", help=f"{WRITERS} by default")
    parser.add_argument("--seconds", type=count, default=SECONDS, metavar="N", help=f"{SECONDS} by default")
    return parser


if __name__ == "__main__":
    run(main)
