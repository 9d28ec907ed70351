# An assistant with tools, built with create_agent: memory is one middleware.
#
# Serve it with `langgraph dev`, or run it here: `python graphs/assistant.py`. The model is the one that
# AGENTMEM_MODEL="provider:name" names; without it a scripted stand-in answers. Memory is in $AGENTMEM_HOME.

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from langchain.agents import create_agent
from langchain.chat_models import init_chat_model
from langchain_core.tools import tool

import agentmem
from agentmem.langgraph import MemoryContext, MemoryMiddleware
from agentmem.testing import stand_in_model

if TYPE_CHECKING:
    from agentmem.client.store import AgentMem


def open_store() -> AgentMem:
    return agentmem.open()


@tool
def today() -> str:
    """The date of today, in UTC."""
    return datetime.now(UTC).date().isoformat()


@tool
def days_until(day: date) -> str:
    """How many days there are from today, in UTC, to a date."""
    return str((day - datetime.now(UTC).date()).days)


MODEL = os.environ.get("AGENTMEM_MODEL")

# No checkpointer: a server brings its own, and opens the store with the first run.
graph = create_agent(
    init_chat_model(MODEL) if MODEL else stand_in_model(),
    tools=[today, days_until],
    system_prompt="You are a personal assistant who knows the user from earlier conversations.",
    middleware=[MemoryMiddleware(open_store, tools="all")],
    context_schema=MemoryContext,
    name="assistant",
)


if __name__ == "__main__":
    context = MemoryContext(user_id="ada", agent_id="assistant")
    for said in ("Remember: Ada's passport expires on 1 June 2027", "When does my passport expire?"):
        answer = graph.invoke({"messages": [{"role": "user", "content": said}]}, context=context)
        print(f"> {said}\n{answer['messages'][-1].text}\n")
