"""Makes a store, or opens one, under a umask, and says which rights its files have while it is open and after it."""

# ruff: noqa: T201 - it speaks to the test through its output

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

import agentmem
from agentmem.testing import HashingEmbeddings


def rights(home):
    paths = [home, *home.rglob("*")]
    return {str(path.relative_to(home.parent)): oct(stat.S_IMODE(path.lstat().st_mode)) for path in paths}


def main(home, umask, **options):
    folder = Path(home)
    os.umask(int(umask, 8))
    with agentmem.open(folder, embeddings=HashingEmbeddings(), scan_below=0, **options) as mem:
        memory = mem.client("ada").memory
        memory.remember([f"{number} trains leave" for number in range(20)])
        assert memory.recall("trains", min_score=0)
        mem.forget("bob", wait=True)
        memory.append("core", "- here")
        opened = rights(folder)
    print(json.dumps({"opened": opened, "closed": rights(folder)}))


if __name__ == "__main__":
    main(*sys.argv[1:3], **json.loads(sys.argv[3]))
