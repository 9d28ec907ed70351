# Writing contact memory directly: a CRM writes on the version it read, and reads the feed of what others wrote.

from __future__ import annotations

import tempfile

import agentmem
from agentmem import ConflictError

with tempfile.TemporaryDirectory() as folder, agentmem.open(folder) as mem:
    contacts = mem.contacts
    contacts.create(id="crm-7", phone="+14155550192", name="Sarah Chen")
    seen = contacts.patch_facts("crm-7", {"plan": "Premium", "seats": 12}, agent_id="support")

    # A patch: what is not named stays. ttl_days is for the fields named here alone.
    contacts.patch_facts("crm-7", {"trial_of": "Analytics", "seats": None}, agent_id="support", ttl_days=14)

    # The CRM still shows what it read before that. Its write is refused, and the error has what is there now.
    try:
        contacts.update_summary("crm-7", "Has 12 seats", agent_id="support", expected_version=seen.version)
    except ConflictError as conflict:
        print(f"Refused. What is known now, at version {conflict.current.version}: {conflict.current.facts}")

    contacts.put_entity("crm-7", "ticket", "T-1", agent_id="support", facts={"topic": "invoice"}, status="open")
    # A webhook may come twice: the same key adds one item.
    for _ in range(2):
        item = contacts.add_open_item(
            "crm-7",
            "Send the corrected invoice",
            agent_id="support",
            related_to={"entity_type": "ticket", "entity_id": "T-1"},
            idempotency_key="webhook-99",
        )
    contacts.resolve_open_item("crm-7", item.id, agent_id="support")

    print("\nEach change, in order:")
    for change in mem.changes("crm-7"):
        print(f"  {change.id} {change.kind} {change.action}: {change.before} -> {change.after}")

    # The number of the last change seen is where to go on from.
    last = mem.changes("crm-7")[-1].id
    contacts.put_entity("crm-7", "ticket", "T-1", agent_id="support", status="closed")
    print("\nNew since then:", [(change.kind, change.action) for change in mem.changes("crm-7", since=last)])
