# Facts after the call: a model reads the transcript, code decides what is kept, {{memory}} puts it into prompts.
#
# AGENTMEM_MODEL="provider:name" puts a real model in the place of the scripted one.

from __future__ import annotations

import os
import tempfile

from langchain.chat_models import init_chat_model

import agentmem
from agentmem.testing import ScriptedChatModel

# What a model may answer: each fact with the turns that say so. The scripted one is not careful with secrets.
PROPOSAL = {
    "facts": [
        {"fact": "Caller can only do mornings before 9am.", "confidence": 0.95, "evidence": [1]},
        {"fact": "Caller is vegetarian.", "confidence": 0.9, "evidence": [1]},
        {"fact": "Caller may move to Oslo.", "confidence": 0.4, "evidence": [3]},
        {"fact": "Caller pays with card 4111 1111 1111 1111.", "confidence": 0.9, "evidence": [3]},
    ]
}
PROMPT = "You are a scheduling assistant. Speak concisely.\n{{memory}}"

name = os.environ.get("AGENTMEM_MODEL")
model = init_chat_model(name) if name else ScriptedChatModel(script=[PROPOSAL, {}])

with tempfile.TemporaryDirectory() as folder, agentmem.open(folder, chat_model=model) as mem:
    mem.agents.update(id="scheduler", memory_enabled=True, memory_retention_days=90)

    with mem.conversations.start("scheduler", caller_identity="acme_user_42") as conv:
        conv.add_message("user", "I can only do mornings before 9am, and I'm vegetarian.")
        conv.say("Noted. Anything else?")
        conv.add_message("user", "We may move to Oslo. And my card is 4111 1111 1111 1111.")

    record = mem.conversations.get(conv.id)
    print("Memories written this call:")
    for change in record.changes:
        print(f"  {change.action}: {change.after}")
    print(record.extraction_note)

    print("\nAll memories of the agent, with how sure they are:")
    for memory in mem.agents.list_memories(id="scheduler").memories:
        print(f"  {memory.caller_identity}: {memory.fact} ({memory.confidence})")

    # The next call. What is less sure than 0.5 is listed above, and not put into a prompt.
    conv = mem.conversations.start("scheduler", caller_identity="acme_user_42")
    conv.add_message("user", "What's a good time next week?")
    print(f"\nThe prompt of the next call:\n{conv.render_prompt(PROMPT)}")

    # end(defer=True) does not wait for the model: `agentmem work`, or this, reads the transcript later.
    conv.end(defer=True)
    print("\nLeft for later:", mem.conversations.get(conv.id).extraction)
    print("Read now:", mem.conversations.work())

    mem.agents.delete_memories_by_caller(id="scheduler", caller_identity="acme_user_42")
    print("After deleting:", mem.agents.list_memories(id="scheduler").memories)
