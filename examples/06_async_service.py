# In an async service: the same calls with an `a` in front, for many users at once, and the event loop stays free.
#
# `chat` is what a FastAPI route would look like; the rest is there to call it. AGENTMEM_MODEL="provider:name" puts a
# real model in the place of the scripted one.

from __future__ import annotations

import asyncio
import os
import tempfile

from langchain.agents import create_agent
from langchain.chat_models import init_chat_model
from langchain_core.messages import BaseMessage

import agentmem
from agentmem import AgentMem, MemoryPolicy, RunOptions
from agentmem.langgraph import MemoryContext, MemoryMiddleware
from agentmem.testing import ScriptedChatModel, seen_memory

AUTO = RunOptions(memory_policy=MemoryPolicy(archival_mode="auto"))


def scripted(messages: list[BaseMessage]) -> str:
    """Answer from the memory in the prompt: as a model would, but dull."""
    memories = seen_memory(messages).memories
    return f"You told me: {memories[0].content}" if memories else "You have not told me yet."


async def chat(mem: AgentMem, user_id: str, message: str) -> str:
    client = mem.client(user_id)  # bound to one user; cheap enough to make for each request
    result = await client.agents.arun("assistant", message, options=AUTO)
    await client.memory.aremember(message, source="user")
    return result.text


async def main() -> None:
    name = os.environ.get("AGENTMEM_MODEL")
    model = init_chat_model(name) if name else ScriptedChatModel(script=[scripted], repeat_last=True)

    with tempfile.TemporaryDirectory() as folder:
        async with await agentmem.aopen(folder) as mem:
            agent = create_agent(model, middleware=[MemoryMiddleware(mem)], context_schema=MemoryContext)
            mem.agents.register("assistant", agent)

            homes = {"ada": "Oslo", "jonas": "Bergen", "mira": "Tromsø"}
            await asyncio.gather(*(chat(mem, user, f"I moved to {home}") for user, home in homes.items()))
            answers = await asyncio.gather(*(chat(mem, user, "Which city did I move to?") for user in homes))
            for user, answer in zip(homes, answers, strict=True):
                print(f"{user}: {answer}")


asyncio.run(main())
