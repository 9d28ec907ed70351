# A hand-built graph with memory: a node that recalls for the turn, a node that calls the model, and the recall tool.
#
# Serve it with `langgraph dev`, or run it here: `python graphs/handbuilt.py`. The model is the one that
# AGENTMEM_MODEL="provider:name" names; without it a scripted stand-in answers. Memory is in $AGENTMEM_HOME.

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from langchain.chat_models import init_chat_model
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import tools_condition

import agentmem
from agentmem import MemoryPolicy
from agentmem.langgraph import (
    MemoryContext,
    MemoryState,
    create_memory_node,
    create_model_node,
    create_recall_tool,
    create_tool_node,
)
from agentmem.testing import stand_in_model

if TYPE_CHECKING:
    from agentmem.client.store import AgentMem


def open_store() -> AgentMem:
    return agentmem.open()


MODEL = os.environ.get("AGENTMEM_MODEL")
TOOLS = [create_recall_tool(open_store)]

# The input and output schemas keep the memory channels of the state out of callers' reach.
builder = StateGraph(MemoryState, input_schema=MessagesState, output_schema=MessagesState, context_schema=MemoryContext)
builder.add_node("memory", create_memory_node(open_store))
builder.add_node(
    "model",
    create_model_node(
        open_store,
        init_chat_model(MODEL) if MODEL else stand_in_model(),
        tools=TOOLS,
        system_prompt="You are a support agent who knows the customer from earlier conversations.",
    ),
)
builder.add_node("tools", create_tool_node(open_store, TOOLS))
builder.add_edge(START, "memory")
builder.add_edge("memory", "model")
builder.add_conditional_edges("model", tools_condition)
builder.add_edge("tools", "model")

# No checkpointer: a server brings its own, and opens the store with the first run.
graph = builder.compile(name="handbuilt")


if __name__ == "__main__":
    with open_store() as mem:
        mem.client(user_id="ada").memory.remember("Ada's order 8821 arrived broken and was refunded")
    context = MemoryContext(user_id="ada", memory_policy=MemoryPolicy(archival_mode="auto"))
    said = "My order 8821 arrived broken, what now"
    answer = graph.invoke({"messages": [{"role": "user", "content": said}]}, context=context)
    print(f"> {said}\n{answer['messages'][-1].text}")
