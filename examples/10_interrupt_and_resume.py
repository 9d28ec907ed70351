# A turn that waits for a person: whatever happens to memory meanwhile, it goes on with what it began with.
#
# AGENTMEM_MODEL="provider:name" puts a real model in the place of the scripted one.

from __future__ import annotations

import os
import tempfile

from langchain.agents import create_agent
from langchain.chat_models import init_chat_model
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, interrupt

import agentmem
from agentmem import MemoryPolicy
from agentmem.langgraph import MemoryContext, MemoryMiddleware
from agentmem.testing import ScriptedChatModel, seen_memory


@tool
def book_table(restaurant: str) -> str:
    """Book a table, once a person has agreed."""
    return f"{restaurant}: {'booked' if interrupt(f'Book a table at {restaurant}?') else 'not booked'}"


def scripted(messages: list[BaseMessage]) -> str | AIMessage:
    """Book the place that memory names, then report: as a model would, but dull."""
    memories = seen_memory(messages).memories
    if isinstance(messages[-1], ToolMessage):
        return f"{messages[-1].text}. What I remember of it: {memories[0].content if memories else 'nothing'}"
    if not memories:
        return "Which restaurant? I remember none."
    restaurant = memories[0].content.partition(" is ")[0]
    return AIMessage("", tool_calls=[{"name": "book_table", "args": {"restaurant": restaurant}, "id": "book-it"}])


name = os.environ.get("AGENTMEM_MODEL")
model = init_chat_model(name) if name else ScriptedChatModel(script=[scripted], repeat_last=True)

with tempfile.TemporaryDirectory() as folder, agentmem.open(folder) as mem:
    agent = create_agent(
        model,
        tools=[book_table],
        middleware=[MemoryMiddleware(mem)],
        context_schema=MemoryContext,
        checkpointer=InMemorySaver(),
    )
    memory = mem.client(user_id="ada").memory
    [line] = memory.remember("The Blue Door is Ada's favourite restaurant for a birthday")

    # The context is not part of a checkpoint: give it again with every call.
    ada = MemoryContext(user_id="ada", memory_policy=MemoryPolicy(archival_mode="auto"))
    said = {"messages": [{"role": "user", "content": "Book my favourite restaurant for my birthday"}]}
    thread = {"configurable": {"thread_id": "birthday"}}

    answer = agent.invoke(said, thread, context=ada)
    for question in answer.get("__interrupt__", ()):
        print("The agent asks:", question.value)
        memory.forget_line(line.id)
        answer = agent.invoke(Command(resume=True), thread, context=ada)
    print("After a yes:", answer["messages"][-1].text)

    # A new turn recalls afresh.
    print("Asked again:", agent.invoke(said, thread, context=ada)["messages"][-1].text)
