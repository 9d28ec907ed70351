"""No lost update: every acknowledged increment of eight processes is in the result, whatever their clocks do."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from itertools import pairwise

import pytest

from ..conftest import PROGRAMS, environment  # noqa: TID252 - the tests are no installed package

PROCESSES = 8
INCREMENTS = 60


@pytest.mark.parametrize("way", ["running", "frozen to a second", "stepping back an hour"])
def test_every_acknowledged_increment_is_in_the_result(memory, home, way):
    memory.update("core", "0", expected_updated_at=None)
    command = [sys.executable, str(PROGRAMS / "increment.py"), str(home), way, str(INCREMENTS)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with ExitStack() as stack:
        processes = [
            stack.enter_context(subprocess.Popen(command, env=environment(), **pipes)) for _ in range(PROCESSES)
        ]
        assert [process.stdout.readline() for process in processes] == ["ready\n"] * PROCESSES
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        said = [process.communicate() for process in processes]

    trouble = "".join(errors for _, errors in said)
    assert trouble == ""  # "database is locked" and all else that might reach a caller
    acknowledged = sum(len(out.splitlines()) for out, _ in said)
    assert acknowledged == PROCESSES * INCREMENTS
    assert memory.get("core").content.split()[0] == str(acknowledged)

    history = memory.history("core")
    assert [entry.content.split()[0] for entry in history] == [str(number) for number in range(acknowledged + 1)]
    assert [entry.version for entry in history] == list(range(1, acknowledged + 2))
    assert all(one.created_at < other.created_at for one, other in pairwise(history))
