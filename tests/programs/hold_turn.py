"""A process that holds one turn of a conversation, says as JSON what it saw, and is killed without ending anything."""

# ruff: noqa: T201 - it speaks to the test through its output

from __future__ import annotations

import json
import os
import signal
import sys

import agentmem
from agentmem.testing import FrozenClock, HashingEmbeddings


def main(home, options, turn, conversation_id=None):
    mem = agentmem.open(home, embeddings=HashingEmbeddings(), clock=FrozenClock(), **json.loads(options))
    saw = {"first": first, "second": second, "third": third}[turn](mem.conversations, conversation_id)
    print(json.dumps(saw), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def first(conversations, _):
    conv = conversations.start("support", phone="+14155550192", state={"step": 1})
    conv.state["booking_day"] = "Friday"
    conv.add_message("user", "Friday, please")
    conv.state["lost"] = "noted after the last message"
    return {"id": conv.id, "state": dict(conv.state)}


def second(conversations, conversation_id):
    said = [
        {"role": "user", "content": "And brie", "external_id": "m-2"},
        {"role": "assistant", "content": "Brie it is"},
    ]
    turn = conversations.add(conversation_id, messages=said, state={"cheese_type": "brie", "step": 2})
    return {"memory": turn.memory, "state": turn.state}


def third(conversations, conversation_id):
    conv = conversations.resume(conversation_id)
    saw = dict(conv.state)
    conv.state.update(step=3, booking_day="Monday")
    conv.add_message("user", "Monday is better")
    return {"memory": conv.memory.fields(), "state": saw}


if __name__ == "__main__":
    main(*sys.argv[1:])
