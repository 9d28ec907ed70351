"""A process with a store of its own: reads calls as JSON, one a line, and writes their outcomes."""

# ruff: noqa: T201 - it speaks to the test through its output

from __future__ import annotations

import json
import sys
from dataclasses import asdict, is_dataclass

import agentmem
from agentmem.testing import HashingEmbeddings


def plain(value):
    if isinstance(value, list):
        return [plain(one) for one in value]
    return asdict(value) if is_dataclass(value) else value


def main(home, options):
    mem = agentmem.open(home, embeddings=HashingEmbeddings(), **json.loads(options))
    for question in sys.stdin:
        user, call, arguments, named = json.loads(question)
        whose = mem if call.startswith("mem.") else mem.client(user_id=user).memory
        try:
            answer = ["ok", plain(getattr(whose, call.removeprefix("mem."))(*arguments, **named))]
        except agentmem.AgentMemError as error:
            answer = ["error", f"{type(error).__name__}: {error}"]
        print(json.dumps(answer, default=str), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
