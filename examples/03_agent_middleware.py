# An agent that remembers: one middleware for create_agent. It saves in one conversation, and knows in the next.
#
# AGENTMEM_MODEL="provider:name" puts a real model in the place of the scripted one.

from __future__ import annotations

import os
import tempfile

from langchain.agents import create_agent
from langchain.chat_models import init_chat_model
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

import agentmem
from agentmem.langgraph import MemoryContext, MemoryMiddleware
from agentmem.testing import ScriptedChatModel, seen_memory


def scripted(messages: list[BaseMessage]) -> str | AIMessage:
    """Save what is told, look up what is asked, and answer from what the tool found: as a model would, but dull."""
    last = messages[-1]
    if isinstance(last, ToolMessage):
        found = seen_memory(messages).answers
        return f"From earlier conversations I know: {found[0].content}" if found else last.text
    if last.text.endswith("?"):
        call = {"name": "recall", "args": {"query": last.text}, "id": "look-it-up"}
    else:
        call = {"name": "archival_memory_insert", "args": {"content": last.text}, "id": "save-it"}
    return AIMessage("", tool_calls=[call])


name = os.environ.get("AGENTMEM_MODEL")
model = init_chat_model(name) if name else ScriptedChatModel(script=[scripted], repeat_last=True)

with tempfile.TemporaryDirectory() as folder, agentmem.open(folder) as mem:
    agent = create_agent(
        model,
        system_prompt="You are a travel assistant. Save what you will need again, and recall before you answer.",
        middleware=[MemoryMiddleware(mem, tools="all")],
        context_schema=MemoryContext,
    )
    # Whose memory it is comes from the run, never from the model: its tools have no argument for it.
    ada = MemoryContext(user_id="ada", agent_id="travel")

    # No checkpointer and no shared thread: each of these is a conversation of its own.
    for said in ("Ada's passport expires on 1 June 2027", "When does my passport expire?"):
        answer = agent.invoke({"messages": [{"role": "user", "content": said}]}, context=ada)
        print(f"Ada:   {said}")
        print(f"Agent: {answer['messages'][-1].text}\n")

    print("Stored for Ada and this agent:", mem.client(user_id="ada").memory.get("archival", agent_id="travel").content)
