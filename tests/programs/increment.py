"""Reads the name of a clock and how often by it to add one to a number in a block, by compare-and-set; says what was
acknowledged, and reads on.
"""

# ruff: noqa: T201 - it speaks to the test through its output

from __future__ import annotations

import itertools
import json
import os
import sys
from datetime import UTC, datetime, timedelta

import agentmem
from agentmem.testing import HashingEmbeddings

SECOND = datetime(2026, 1, 1, 12, tzinfo=UTC)
STEPS = itertools.count()
CLOCKS = {
    "running": lambda: datetime.now(UTC),
    "frozen to a second": lambda: SECOND,
    "stepping back an hour": lambda: SECOND - timedelta(hours=next(STEPS)),
}


def increment(memory):
    """The process's own number keeps two increments from asking for the same text: that would be one, and a retry."""
    while True:
        block = memory.get("core")
        number = int(block.content.split()[0]) + 1
        try:
            memory.update("core", f"{number} by {os.getpid()}", expected_updated_at=block.updated_at)
        except agentmem.ConflictError:
            continue
        return


def main(home, options):
    for line in sys.stdin:
        clock = line.strip()
        with agentmem.open(home, embeddings=HashingEmbeddings(), clock=CLOCKS[clock], **json.loads(options)) as mem:
            memory = mem.client(clock).memory
            print("ready", flush=True)
            for done in range(int(sys.stdin.readline())):
                increment(memory)
                print(done, flush=True)
        print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
