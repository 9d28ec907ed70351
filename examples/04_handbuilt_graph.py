# A StateGraph of your own: a node that recalls for the turn, and inject_memory in the node that calls the model.
#
# AGENTMEM_MODEL="provider:name" puts a real model in the place of the scripted one.

from __future__ import annotations

import os
import tempfile

from langchain.chat_models import init_chat_model
from langchain_core.messages import BaseMessage
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.runtime import Runtime

import agentmem
from agentmem import MemoryPolicy
from agentmem.langgraph import MemoryContext, MemoryState, create_memory_node, inject_memory
from agentmem.testing import ScriptedChatModel, seen_memory


def scripted(messages: list[BaseMessage]) -> str:
    """Answer from the memory in the prompt: as a model would, but dull."""
    seen = seen_memory(messages)
    return "; ".join([*(block.content for block in seen.blocks), *(memory.content for memory in seen.memories)])


name = os.environ.get("AGENTMEM_MODEL")
model = init_chat_model(name) if name else ScriptedChatModel(script=[scripted], repeat_last=True)

with tempfile.TemporaryDirectory() as folder, agentmem.open(folder) as mem:

    def answer(state: MemoryState, runtime: Runtime[MemoryContext]) -> dict[str, list[BaseMessage]]:
        prompt = inject_memory(mem, state, runtime, "You are a support agent. Answer in one sentence.")
        return {"messages": [model.invoke(prompt)]}

    # Input and output are plain messages, so that no caller can reach the channels that memory adds to the state.
    builder = StateGraph(
        MemoryState, input_schema=MessagesState, output_schema=MessagesState, context_schema=MemoryContext
    )
    builder.add_node("memory", create_memory_node(mem))
    builder.add_node("answer", answer)
    builder.add_edge(START, "memory")
    builder.add_edge("memory", "answer")
    graph = builder.compile()

    memory = mem.client(user_id="ada").memory
    memory.append("core", "Ada prefers e-mail to phone calls")
    memory.remember(["Order 8821 arrived broken and was refunded", "Ada's newsletter goes to her office"])

    context = MemoryContext(user_id="ada", memory_policy=MemoryPolicy(archival_mode="auto"))
    for said in ("What happened to my order 8821?", "Good morning!"):
        output = graph.invoke({"messages": [{"role": "user", "content": said}]}, context=context)
        print(f"Ada:   {said}")
        print(f"Agent: {output['messages'][-1].text}\n")
