# A write that is safe to repeat: when an answer got lost, or a webhook comes twice, the same key writes once.

from __future__ import annotations

import tempfile

import agentmem
from agentmem import Client, ConflictError


def on_call_ended(client: Client, event: dict[str, str]) -> None:
    """A webhook: its sender delivers at least once, and gives each event an id that stays."""
    [line] = client.memory.remember(
        event["summary"], conversation_id=event["call"], source="tool", idempotency_key=event["id"]
    )
    block = client.memory.append("core", f"- Last call: {event['day']}", idempotency_key=event["id"] + "/core")
    print(f"{event['id']}: line {line.id[:6]}…, core memory at version {block.version}")


with tempfile.TemporaryDirectory() as folder, agentmem.open(folder) as mem:
    ada = mem.client(user_id="ada")
    event = {"id": "evt-1", "call": "call-77", "day": "2 March", "summary": "Ada asked to move the delivery to Friday"}

    on_call_ended(ada, event)
    on_call_ended(ada, event)  # delivered twice: the first result comes back, nothing is written again

    print("\nArchival memory:", ada.memory.get("archival").content)
    print("Core memory:", ada.memory.get("core").content)

    # A key that was used for something else is a mistake, and is said to be one.
    try:
        on_call_ended(ada, event | {"summary": "Ada cancelled the delivery"})
    except ConflictError as error:
        print(f"\nRefused: {error}")
