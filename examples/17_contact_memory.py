# Contact memory: facts, summary, entities and open items of one person, kept up to date over telephone and SMS.
#
# AGENTMEM_MODEL="provider:name" puts a real model in the place of the scripted one.

from __future__ import annotations

import json
import os
import tempfile
from datetime import UTC, datetime

from langchain.chat_models import init_chat_model

import agentmem
from agentmem.testing import FrozenClock, ScriptedChatModel

ORDER = {"entity_type": "order", "entity_id": "order-8821"}

# What the model finds in the call, and then in the messages of the next day.
AFTER_THE_CALL = {
    "contact_facts": [{"key": "name", "value": "Sarah Chen", "evidence": [1]}],
    "summary": "Customer called about order #8821 which was delayed. Promised a follow-up within 24 hours.",
    "entities": [
        ORDER
        | {
            "facts": [
                {"key": "order_number", "value": "#8821"},
                {"key": "status", "value": "delayed"},
                {"key": "carrier", "value": "UPS"},
            ],
            "status": "delayed",
            "notes": "Customer was promised a follow-up within 24 hours",
            "evidence": [1, 2],
        }
    ],
    "open_items": [
        {
            "description": "Follow up on order #8821 delay status",
            "priority": "high",
            "related_to": ORDER,
            "evidence": [2],
        }
    ],
}
AFTER_THE_SMS = {
    "contact_facts": [{"key": "preferred_contact", "value": "sms", "evidence": [3]}],
    "summary": "Order #8821 shipped and is now in transit. Expected delivery Friday July 25. Prefers SMS over calls.",
    "entities": [
        ORDER
        | {
            "facts": [
                {"key": "status", "value": "in_transit"},
                {"key": "expected_delivery", "value": "2025-07-25"},
            ],
            "status": "in_transit",
            "notes": None,
            "evidence": [2],
        }
    ],
    "resolved_items": [1],
}

name = os.environ.get("AGENTMEM_MODEL")
model = init_chat_model(name) if name else ScriptedChatModel(script=[AFTER_THE_CALL, AFTER_THE_SMS])
clock = FrozenClock(datetime(2025, 7, 22, 10, 30, tzinfo=UTC))

with tempfile.TemporaryDirectory() as folder, agentmem.open(folder, chat_model=model, clock=clock) as mem:
    mem.agents.configure("support", memory_enabled=True)

    # Nobody has this number yet: a contact is made.
    with mem.conversations.start("support", phone="+1 (415) 555-0192", name="Sarah Chen") as call:
        call.add_message("user", "Hi, Sarah Chen here. My order #8821 has not come.")
        call.say("It is delayed at UPS, I am sorry. We will follow up within 24 hours.")

    sarah = mem.contacts.find(phone="+14155550192")
    assert sarah is not None
    print("The contact:", json.dumps(sarah.to_json(), indent=2))
    print("After the call:", json.dumps(mem.contacts.memory(sarah.id, agent_id="support").to_json(), indent=2))

    # The next day she sends a message. The same number is the same contact, and the same memory.
    clock.move(hours=22, minutes=45)
    with mem.conversations.start("support", channel="sms", phone="+14155550192") as sms:
        sms.add_message("user", "Any news of order #8821?")
        sms.say("It has shipped and is in transit with UPS. You will have it on Friday, 2025-07-25.")
        sms.add_message("user", "Great! And please write SMS rather than call me.")

    print("After the SMS:", json.dumps(mem.contacts.memory(sarah.id, agent_id="support").to_json(), indent=2))

    # Looking back at the messages: what the agent had going in, and what became of it.
    record = mem.conversations.get(sms.id)
    print("Open items it went in with:", [item.description for item in record.context.memory.open_items])
    for change in record.changes:
        print(f"  {change.kind} {change.action} by {change.actor}: {change.before!r} -> {change.after!r}")

    # Every agent has a memory of its own: billing knows nothing of the order.
    print("Billing knows:", mem.contacts.memory(sarah.id, agent_id="billing").to_json())
