"""Opens stores of an older schema, each in a child that kills itself after so many statements; after 0 never."""

# ruff: noqa: T201 - it speaks to the test through its output

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from pathlib import Path

from sqlalchemy import event
from sqlalchemy.engine import Engine

import agentmem
from agentmem.testing import HashingEmbeddings


def upgrade(last, store, said):
    """Open a store, and die after `last` statements since the transaction that writes began."""
    statements = []

    @event.listens_for(Engine, "after_cursor_execute")
    def note(connection, _cursor, statement, *_):
        if not connection.get_execution_options().get("agentmem_writes") or statement.startswith("BEGIN"):
            return
        statements.append(statement)
        if len(statements) == last:
            os.kill(os.getpid(), signal.SIGKILL)

    agentmem.open(**store, embeddings=HashingEmbeddings()).close()
    said.write_text(json.dumps(statements))


def main(stores):
    with tempfile.TemporaryDirectory() as folder:
        agentmem.open(folder, embeddings=HashingEmbeddings()).close()  # everything is loaded before the first fork
    gave = []
    for last, store in json.loads(stores):
        with tempfile.TemporaryDirectory() as folder:
            said = Path(folder) / "said"
            child = os.fork()
            if not child:
                upgrade(last, store, said)
                os._exit(0)
            _, status = os.waitpid(child, 0)
            if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
                gave.append(None)
            else:
                gave.append(json.loads(said.read_text()))
    print(json.dumps(gave))


if __name__ == "__main__":
    main(*sys.argv[1:])
