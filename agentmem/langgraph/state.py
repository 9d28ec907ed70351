"""The graph state that memory adds: two private channels beside the messages."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired

from langchain.agents import AgentState
from langchain.agents.middleware.types import PrivateStateAttr
from langgraph.graph import MessagesState  # pyright: ignore[reportMissingTypeStubs] # LangGraph's py.typed is one level up
from typing_extensions import TypedDict


def keep_first(first: str, later: str) -> str:
    """The reducer of a channel that is written once."""
    return first or later


class MemoryChannels(TypedDict):
    """What the memory step leaves in a thread's state, none of it in its input or output.

    What `invoke` returns and `stream_mode="messages"` streams is free of it.
    Hidden is not secret, though: `get_state`, the checkpoints, and the stream
    modes that are about the state (`"values"`, `"updates"`, `"debug"`) show it,
    the reminder of the last turn included. `output_keys=["messages"]` keeps it
    out of `"values"` and `"updates"`.

    Attributes:
        system_reminders: The reminder of the current turn by the id of its human message; empty when there is none.
        memory_scope: Whose thread this is: a hash of the tenant and user that began it, a dot, one with the agent too.
    """

    system_reminders: NotRequired[Annotated[dict[str, str], PrivateStateAttr]]
    # LangGraph takes only the last annotation for a reducer.
    memory_scope: NotRequired[Annotated[str, PrivateStateAttr, keep_first]]


class MemoryState(MessagesState, MemoryChannels):
    """The state of a hand-built graph with memory.

    Name the input and output schema too, so that no caller can set or see the private channels:

        StateGraph(MemoryState, input_schema=MessagesState, output_schema=MessagesState, context_schema=MemoryContext)
    """


class MemoryAgentState(AgentState[Any], MemoryChannels):
    """The state of a `create_agent` graph with memory; `create_agent` keeps the private channels private by itself."""
