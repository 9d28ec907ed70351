"""Remembers and recalls with the default model, and says what was asked of the network and written meanwhile."""

# ruff: noqa: T201 - it speaks to the test through its output

from __future__ import annotations

import json
import os
import sys

ASKS = {
    "socket.connect",
    "socket.sendto",
    "socket.sendmsg",
    "socket.getaddrinfo",
    "socket.gethostbyname",
    "socket.gethostbyaddr",
}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
asked, written = [], []


def watch(event, arguments):
    if event in ASKS:
        asked.append(event)
    if event == "open" and isinstance(arguments[0], str) and arguments[2] & WRITES and arguments[0] != os.devnull:
        written.append(arguments[0])


def main(home, scan_below):
    sys.addaudithook(watch)
    import agentmem  # noqa: PLC0415 - the hook is there first

    with agentmem.open(home, scan_below=int(scan_below)) as mem:
        memory = mem.client("ada").memory
        memory.remember(["Acme renews in March", "The dog is called Tom"])
        best = memory.recall("When is the Acme renewal?")[0].content
    loaded = [name for name in ("onnxruntime", "chromadb", "torch") if name in sys.modules]
    print(json.dumps({"best": best, "loaded": loaded, "asked": asked, "written": written}))


if __name__ == "__main__":
    main(*sys.argv[1:])
