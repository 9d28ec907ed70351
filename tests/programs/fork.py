"""Forks while its store's index is in use; tells what the child, the parent and a stranger then see."""

# ruff: noqa: T201 - it speaks to the test through its output

from __future__ import annotations

import json
import os
import subprocess
import sys

import agentmem
from agentmem.testing import HashingEmbeddings


def told(memory):
    return [
        [match.content, match.explanation.answered_by] for match in memory.recall("tea", min_score=0.6, explain=True)
    ]


def opened(home, options):
    given = {"scan_below": 0, "index_timeout": 3_600}  # no wait goes unseen
    return agentmem.open(home, embeddings=HashingEmbeddings(), **given, **json.loads(options))


def say(who, *what):
    print(json.dumps([who, *what]), flush=True)


def main(home, options, way):
    if way == "stranger":
        say("stranger", told(opened(home, options).client("ada").memory))
        return
    mem = opened(home, options)
    memory = mem.client("ada").memory
    memory.remember("tea")
    say("before", told(memory))
    if (child := os.fork()) == 0:
        say("child", told(memory))
        memory.remember("rye")
        say("child's own", told(opened(home, options).client("ada").memory))
        mem.close()
        if way == "hard":
            os._exit(0)
        return  # to the interpreter's own end, with everything that runs there
    _, status = os.waitpid(child, 0)
    say("status", status)
    subprocess.run([sys.executable, __file__, home, options, "stranger"], check=True)
    say("parent", told(memory), memory.recall("rye", min_score=0.6, explain=True)[0].explanation.answered_by)
    report = mem.check()
    say("check", report.ok, report.answers, report.lines, report.indexed)
    mem.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
