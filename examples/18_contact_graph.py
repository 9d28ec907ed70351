# A graph that holds conversations: start -> talk -> end. What one run teaches, the next one has in its prompt.
#
# AGENTMEM_MODEL="provider:name" puts a real model in the place of the scripted ones.

from __future__ import annotations

import os
import tempfile
from typing import Any

from langchain.chat_models import init_chat_model
from langchain_core.messages import BaseMessage
from langgraph.graph import START, MessagesState, StateGraph

import agentmem
from agentmem.langgraph import MemoryContext, MemoryState, create_conversation_nodes, create_model_node
from agentmem.testing import ScriptedChatModel


def talking(messages: list[BaseMessage]) -> str:
    """Tell what the prompt knows of the caller: as a model would, but dull."""
    known = messages[0].text.partition("Known facts about this caller:\n")[2]
    return f"What I know about you: {known or 'nothing yet.'}"


LEARNED: dict[str, Any] = {
    "facts": [{"fact": "Caller can only come in the mornings.", "confidence": 0.9, "evidence": [1]}]
}

name = os.environ.get("AGENTMEM_MODEL")
talker = init_chat_model(name) if name else ScriptedChatModel(script=[talking], repeat_last=True)
reader = init_chat_model(name) if name else ScriptedChatModel(script=[LEARNED, {}, {}])

with tempfile.TemporaryDirectory() as folder, agentmem.open(folder, chat_model=reader) as mem:
    mem.agents.configure("clinic", memory_enabled=True)

    start, end = create_conversation_nodes(mem, agent_id="clinic", channel="webchat")
    talk = create_model_node(mem, talker, system_prompt="You answer for a clinic.\n{{memory}}", agent_id="clinic")

    builder = StateGraph(
        MemoryState, input_schema=MessagesState, output_schema=MessagesState, context_schema=MemoryContext
    )
    builder.add_node("start", start)
    builder.add_node("talk", talk)
    builder.add_node("end", end)
    builder.add_edge(START, "start")
    builder.add_edge("start", "talk")
    builder.add_edge("talk", "end")
    graph = builder.compile()

    for who, said in (
        ("ada", "I can only come in the mornings."),
        ("ada", "When shall I come?"),
        ("jonas", "And I?"),
    ):
        output = graph.invoke({"messages": [{"role": "user", "content": said}]}, context=MemoryContext(user_id=who))
        print(f"{who}: {said}")
        print(f"Agent: {output['messages'][-1].text}\n")

    for record in reversed(mem.conversations.list(agent_id="clinic")):
        written = [change.after for change in record.changes]
        print(f"{record.caller_identity}, {record.channel}, {len(record.messages)} messages, written: {written}")
