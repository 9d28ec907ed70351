# The end of memory: each field has its own life, the agent's retention ends everything, and forget() gives a receipt.

from __future__ import annotations

import tempfile
from pathlib import Path

import agentmem
from agentmem.testing import FrozenClock


def holding(folder: str, text: str) -> list[str]:
    """The files below a folder that have a text in them."""
    return [path.name for path in Path(folder).rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


clock = FrozenClock()  # stands in for the calendar, so that 30 days pass at once

with tempfile.TemporaryDirectory() as folder, agentmem.open(folder, clock=clock) as mem:
    mem.agents.configure(
        "support",
        memory_enabled=True,
        memory_retention_days=30,
        state_keys={"name": None, "callback_day": 7},  # the day of a callback lives a week, the name as long as it may
    )

    def call(phone: str, name: str) -> str:
        with mem.conversations.start("support", phone=phone) as conv:
            conv.add_message("user", f"This is {name}, please call me back on Friday")
            conv.state.update(name=name, callback_day="Friday")
        return conv.caller_identity

    def known(contact_id: str) -> dict[str, object]:
        return dict(mem.contacts.memory(contact_id, agent_id="support").facts)

    ada = call("+4721111111", "Ada Quillfeather")
    print("Written:      ", known(ada))
    clock.move(days=8)
    print("8 days later: ", known(ada))
    clock.move(days=23)
    print("31 days later:", known(ada))

    # What is over is hidden from that moment on. `agentmem sweep`, from cron, takes it off the disk.
    print("Still in:", sorted(set(holding(folder, "Quillfeather"))))
    report = mem.sweep()
    print("Swept:", {kind: count for kind, count in report.deleted.items() if count})

    # Ben asks to be forgotten.
    ben = call("+4722222222", "Ben Wintergreen")
    mem.client(ben).memory.append("core", "- Ben Wintergreen collects stamps")
    receipt = mem.forget(ben, wait=True)
    for title, sentences in (
        ("Erased", receipt.done),
        ("Pending", receipt.pending),
        ("Out of reach", receipt.out_of_reach),
    ):
        print(f"{title}:", *sentences or ["nothing"], sep="\n  ")
    print("Files that hold his name:", holding(folder, "Wintergreen"))
    print("His number is known to:", mem.contacts.find(phone="+4722222222"))
