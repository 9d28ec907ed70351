"""Says that it is ready, waits for the word, and then opens store after store, writing to each."""

# ruff: noqa: T201 - it speaks to the test through its output

from __future__ import annotations

import sys

import agentmem
from agentmem.testing import HashingEmbeddings


def main(folder, count):
    agentmem.open(f"{folder}/own-{id(sys)}", embeddings=HashingEmbeddings()).close()  # everything is loaded now
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(int(count)):
        with agentmem.open(f"{folder}/shared-{number}", embeddings=HashingEmbeddings()) as mem:
            mem.client("ada").memory.append("core", "- here")
            mem.client("ada").memory.remember("here")
    print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
