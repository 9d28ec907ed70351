# Two writers, one block: append and replace need no care at all; update has you look at what the other one wrote.

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor

import agentmem
from agentmem import Client, ConflictError


def tick_off(client: Client, errand: str) -> None:
    """A change that depends on the whole text: the line goes, and the count above goes up. A lost one would show."""
    while True:
        read = client.memory.get("errands")
        first, *left = read.content.split("\n")
        done = int(first.removeprefix("Done: "))
        text = "\n".join([f"Done: {done + 1}", *(line for line in left if line != f"- {errand}")])
        try:
            client.memory.update("errands", text, expected_updated_at=read.updated_at)
        except ConflictError:
            continue  # somebody was faster: read again, and make the same change to what they left
        return


with tempfile.TemporaryDirectory() as folder, agentmem.open(folder) as mem, ThreadPoolExecutor() as writers:
    ada = mem.client(user_id="ada")
    ada.memory.append("errands", "Done: 0")
    errands = [f"errand {number}" for number in range(1, 21)]

    # Atomic, whoever writes at the same time: every line arrives.
    list(writers.map(lambda errand: ada.memory.append("errands", f"- {errand}"), errands))
    print(ada.memory.get("errands").content.count("\n- "), "of 20 errands, appended by several threads at once")

    # Also atomic: exactly one place is changed, or the call says why not.
    ada.memory.replace("errands", "- errand 20", "- buy tea")

    list(writers.map(lambda errand: tick_off(ada, errand), errands[:19]))
    print("After 19 of them were ticked off at once, the block says:")
    print(ada.memory.get("errands").content)
    print(f"Every one of these changes is in its history: {len(ada.memory.history('errands'))} versions")
