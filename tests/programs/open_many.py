"""Opens a store of its own, waits for the word, and then opens one shared store after the other, writing to each."""

# ruff: noqa: T201 - it speaks to the test through its output

from __future__ import annotations

import json
import sys

import agentmem
from agentmem.testing import HashingEmbeddings


def main(own, *stores):
    agentmem.open(**json.loads(own), embeddings=HashingEmbeddings()).close()  # everything is loaded now
    print("ready", flush=True)
    sys.stdin.readline()
    for store in stores:
        with agentmem.open(**json.loads(store), embeddings=HashingEmbeddings()) as mem:
            mem.client("ada").memory.append("core", "- here")
            mem.client("ada").memory.remember("here")
    print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
