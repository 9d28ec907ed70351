"""What SQLite leaves behind when rows move is not left behind for good."""

from __future__ import annotations

import random

import pytest

pytestmark = pytest.mark.sqlite("what it leaves in its files")


def traces(home):
    return sum(path.read_bytes().count(b"kanarie") for path in home.rglob("*") if path.is_file())


def test_a_file_that_was_written_to_and_fro_has_no_trace_left(mem, home):
    dice = random.Random(2)
    for _ in range(1_000):
        user_id = "kanarie" if dice.random() < 0.2 else f"user-{dice.randrange(8)}"
        memory, name = mem.client(user_id).memory, f"block-{dice.randrange(20)}"
        if dice.random() < 0.15:
            memory.delete(name)
        else:
            memory.append(name, f"{user_id} says " * dice.choice([1, 3, 20, 80, 300]))
    assert traces(home) > 0
    assert mem.forget("kanarie", wait=True).pending == ()
    mem.close()
    assert traces(home) == 0


def test_a_sweep_empties_the_log(mem, home):
    mem.client("ada").memory.remember([f"line {number}" for number in range(100)])
    log = home / "agentmem.db-wal"
    assert log.stat().st_size > 0
    assert mem.sweep().pending == ()
    assert log.stat().st_size == 0
