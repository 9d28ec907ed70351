# A policy for each run: which memory it is given, how much of it, and what happens when memory is slow.
#
# AGENTMEM_MODEL="provider:name" puts a real model in the place of the scripted one.

from __future__ import annotations

import os
import tempfile

from langchain.agents import create_agent
from langchain.chat_models import init_chat_model
from langchain_core.messages import BaseMessage

import agentmem
from agentmem import BackendError, MemoryPolicy, RunOptions
from agentmem.langgraph import MemoryContext, MemoryMiddleware
from agentmem.testing import ScriptedChatModel, seen_memory


def scripted(messages: list[BaseMessage]) -> str:
    """Tell what memory the prompt holds."""
    seen = seen_memory(messages)
    return f"I was given {len(seen.blocks)} core block(s) and {len(seen.memories)} recalled line(s)."


name = os.environ.get("AGENTMEM_MODEL")
model = init_chat_model(name) if name else ScriptedChatModel(script=[scripted], repeat_last=True)

policies = {
    "the default: archival memory only through the tool": MemoryPolicy(),
    "auto: recalled for the turn": MemoryPolicy(archival_mode="auto"),
    "auto, in at most 80 tokens": MemoryPolicy(archival_mode="auto", archival_token_budget=80),
    "auto, without the user's core memory": MemoryPolicy(archival_mode="auto", include_user_core=False),
    "auto, within a microsecond, else without": MemoryPolicy(archival_mode="auto", timeout=1e-6),
    "auto, within a microsecond, else not at all": MemoryPolicy(
        archival_mode="auto", timeout=1e-6, on_failure="closed"
    ),
}

with tempfile.TemporaryDirectory() as folder, agentmem.open(folder) as mem:
    mem.agents.register(
        "records", create_agent(model, middleware=[MemoryMiddleware(mem)], context_schema=MemoryContext)
    )

    ada = mem.client(user_id="ada")
    ada.memory.append("core", "- Account manager for Acme")
    ada.memory.remember(["Acme renews its contract every March", "Acme's last contract was worth 40,000 euros"])

    for title, policy in policies.items():
        print(f"\n{title}")
        try:
            result = ada.agents.run(
                "records", "What do we know about the Acme contract?", options=RunOptions(memory_policy=policy)
            )
        except BackendError as error:
            print(f"  The run was stopped: {error}")
            continue
        print(f"  {result.text}{' Memory was out of reach.' if result.degraded else ''}")
        for match in result.matches:
            print(f"  {match.score:.2f}  {match.content}")
