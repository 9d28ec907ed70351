"""No lost update: every acknowledged increment of eight processes is in the result, whatever their clocks do."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from contextlib import ExitStack
from itertools import pairwise

import pytest

from ..conftest import PROGRAMS, environment  # noqa: TID252 - the tests are no installed package

PROCESSES = 8
CLOCKS = {"running": 60, "frozen to a second": 60, "stepping back an hour": 60}
ON_POSTGRESQL = {"running": 60, "frozen to a second": 10, "stepping back an hour": 10}
"""How many increments by each clock."""


@pytest.fixture
def processes(home, sql):
    """They outlive one round: to start them takes longer than what they do."""
    store = str(home), json.dumps(sql.options(home))
    command = [sys.executable, str(PROGRAMS / "increment.py"), *store]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with ExitStack() as stack:
        yield [stack.enter_context(subprocess.Popen(command, env=environment(), **pipes)) for _ in range(PROCESSES)]


def tell(processes, word):
    for process in processes:
        process.stdin.write(f"{word}\n")
        process.stdin.flush()


def acknowledged(process):
    """How many, in one round."""
    said = list(itertools.takewhile(lambda line: line != "done\n", process.stdout))
    assert process.poll() is None, process.stderr.read()  # "database is locked" and all else that might reach a caller
    return len(said)


def test_every_acknowledged_increment_is_in_the_result(mem, processes, dialect):
    for clock, count in (CLOCKS if dialect == "sqlite" else ON_POSTGRESQL).items():
        memory = mem.client(clock).memory
        memory.update("core", "0", expected_updated_at=None)
        tell(processes, clock)
        assert [process.stdout.readline() for process in processes] == ["ready\n"] * PROCESSES
        tell(processes, count)
        assert [acknowledged(process) for process in processes] == [count] * PROCESSES
        assert memory.get("core").content.split()[0] == str(PROCESSES * count)

        history = memory.history("core")
        assert [one.content.split()[0] for one in history] == [str(one) for one in range(PROCESSES * count + 1)]
        assert [entry.version for entry in history] == list(range(1, PROCESSES * count + 2))
        assert all(one.created_at < other.created_at for one, other in pairwise(history))
