# Core memory: the text an agent always sees, edited without ever losing somebody else's words.

from __future__ import annotations

import tempfile

import agentmem
from agentmem import ConflictError

with tempfile.TemporaryDirectory() as folder, agentmem.open(folder) as mem:
    memory = mem.client(user_id="ada", actor="mira").memory
    # Two people have Ada's page open; `actor` is who history will name.
    colleague = mem.client(user_id="ada", actor="jonas").memory

    # expected_updated_at=None means: create it, and refuse if it is there already.
    memory.update("core", "- Prefers concise answers", expected_updated_at=None, description="Who Ada is")

    read_by_mira = memory.get("core")
    read_by_jonas = colleague.get("core")

    colleague.update("core", read_by_jonas.content + "\n- Works in Oslo", expected_updated_at=read_by_jonas.updated_at)
    try:
        memory.update("core", read_by_mira.content + "\n- Likes tea", expected_updated_at=read_by_mira.updated_at)
    except ConflictError as conflict:
        print(f"Refused, nothing was overwritten: {conflict}\n")
        current = conflict.current

    # The loser is handed the current block, so she can look at it and decide: here, keep both.
    if current is not None:
        memory.update("core", current.content + "\n- Likes tea", expected_updated_at=current.updated_at)

    print("Core memory now:")
    print(memory.get("core").content)

    print("\nIts history:")
    for entry in memory.history("core"):
        print(f"  version {entry.version}, {entry.action} by {entry.actor}: {entry.content!r}")
