# An agent that holds conversations: start -> talk -> end. What one conversation teaches, the next one knows.
#
# Serve it with `langgraph dev`, or run it here: `python graphs/contact_agent.py`. The model is the one that
# AGENTMEM_MODEL="provider:name" names; without it scripted stand-ins talk and read. Memory is in $AGENTMEM_HOME.

from __future__ import annotations

import os
import re
from collections.abc import Callable
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

from langchain.chat_models import init_chat_model
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

import agentmem
from agentmem.langgraph import (
    MemoryContext,
    MemoryState,
    create_conversation_nodes,
    create_model_node,
    create_tool_node,
)
from agentmem.testing import ScriptedChatModel

if TYPE_CHECKING:
    from agentmem.client.store import AgentMem

AGENT = "contact_agent"
MODEL = os.environ.get("AGENTMEM_MODEL")
PROMPT = """You answer the telephone of a clinic. Speak concisely. When the caller says goodbye, end the conversation.
{{memory}}"""


def talking(messages: list[BaseMessage]) -> str | AIMessage:
    """Say what the prompt knows, and hang up at a goodbye: as a model would, but dull."""
    if messages[-1].type == "tool":
        return "Goodbye!"
    if "goodbye" in messages[-1].text.lower():
        return AIMessage("", tool_calls=[{"name": "end_conversation", "args": {}, "id": f"call-{uuid4().hex}"}])
    known = messages[0].text.partition("Known facts about this caller:\n")[2]
    return f"(I am scripted.) What I know about you: {known or 'nothing yet.'}"


def reading(messages: list[BaseMessage]) -> dict[str, Any]:
    """Take what the caller says of themselves for facts: as a model that reads transcripts would, but dull."""
    turns = re.findall(r'<turn number="(\d+)" role="user">(I .+)</turn>', messages[-1].text)
    return {"facts": [{"fact": f"Caller: {said}", "confidence": 0.9, "evidence": [turn]} for turn, said in turns]}


def chat_model(stand_in: Callable[[list[BaseMessage]], Any]) -> BaseChatModel:
    return init_chat_model(MODEL) if MODEL else ScriptedChatModel(script=[stand_in], repeat_last=True)


def open_store() -> AgentMem:
    mem = agentmem.open(chat_model=chat_model(reading))
    mem.agents.configure(AGENT, memory_enabled=True)
    return mem


@tool
def end_conversation() -> str:
    """End the conversation, when the caller says goodbye. Say goodbye after it."""
    return "The conversation ends with your next words."


def after_talk(state: MemoryState) -> Literal["tools", "end", "__end__"]:
    messages = state["messages"]
    if messages[-1].tool_calls:
        return "tools"
    turn = takewhile(lambda message: message.type != "human", reversed(messages))
    return "end" if any(message.name == "end_conversation" for message in turn) else "__end__"


TOOLS = [end_conversation]
start, end = create_conversation_nodes(open_store, agent_id=AGENT, channel="voice")

# The input and output schemas keep the memory channels of the state out of callers' reach.
builder = StateGraph(MemoryState, input_schema=MessagesState, output_schema=MessagesState, context_schema=MemoryContext)
builder.add_node("start", start)
builder.add_node("talk", create_model_node(open_store, chat_model(talking), TOOLS, PROMPT, agent_id=AGENT))
builder.add_node("tools", create_tool_node(open_store, TOOLS, agent_id=AGENT))
builder.add_node("end", end)
builder.add_edge(START, "start")
builder.add_edge("start", "talk")
builder.add_conditional_edges("talk", after_talk)
builder.add_edge("tools", "talk")

# No checkpointer: a server brings its own, and opens the store with the first run.
graph = builder.compile(name="contact_agent")


if __name__ == "__main__":
    telephone = builder.compile(checkpointer=InMemorySaver())
    ada = MemoryContext(user_id="ada")
    for call, said in [
        ("first call", "I can only come before 9am."),
        ("first call", "Goodbye"),
        ("second call", "When can I come?"),
    ]:
        question = {"messages": [{"role": "user", "content": said}]}
        answer = telephone.invoke(question, {"configurable": {"thread_id": call}}, context=ada)
        print(f"{call}\n> {said}\n{answer['messages'][-1].text}\n")
