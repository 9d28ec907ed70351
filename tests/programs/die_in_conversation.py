"""A process that holds a conversation, says its id, and is killed before the end."""

# ruff: noqa: T201 - it speaks to the test through its output

from __future__ import annotations

import json
import os
import signal
import sys

import agentmem
from agentmem.testing import FrozenClock, HashingEmbeddings


def main(home, options):
    mem = agentmem.open(home, embeddings=HashingEmbeddings(), clock=FrozenClock(), **json.loads(options))
    with mem.conversations.start("support", phone="+14155550192") as conv:
        conv.add_message("user", "Hello")
        conv.say("Hello Ada")
        conv.state["cheese_type"] = "brie"
        print(conv.id, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(*sys.argv[1:])
