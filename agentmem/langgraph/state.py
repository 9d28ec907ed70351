"""The graph state that memory and conversations add: private channels beside the messages."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired

from langchain.agents import AgentState
from langchain.agents.middleware.types import PrivateStateAttr
from langchain_core.messages import AnyMessage
from langgraph.graph import MessagesState  # pyright: ignore[reportMissingTypeStubs] # LangGraph's py.typed is one level up
from typing_extensions import TypedDict


def keep_first(first: str, later: str) -> str:
    """Return the reducer of a channel that is written once."""
    return first or later


def merge(first: dict[str, Any], later: dict[str, Any]) -> dict[str, Any]:
    """Return the reducer of a channel whose keys are written one by one."""
    return {**first, **later}


class MemoryChannels(TypedDict):
    """What memory and conversations keep in a thread's state, none of it in its input or output.

    What `invoke` returns and `stream_mode="messages"` streams is free of it.
    Hidden is not secret, though: `get_state`, the checkpoints, and the stream
    modes that are about the state (`"values"`, `"updates"`, `"debug"`) show it,
    the reminder of the last turn included. `output_keys=["messages"]` keeps it
    out of `"values"` and `"updates"`.

    Attributes:
        system_reminders: The reminder of the current turn by the id of its human message; empty when there is none.
        memory_scope: Whose thread this is: a hash of the tenant and user that began it, a dot, one with the agent too.
        conversation_id: The conversation that the thread is in, or was in last; empty when none could be begun.
        conversation_state: What is noted in the conversation. What your nodes and tools set is handed to `conv.state`
            with the next message; what other processes noted is there when a turn begins.
        conversation_kept: What of it was kept with the conversation when the two last agreed.
        conversation_heard: The id of the last message that the conversation heard, by the conversation's id.
    """

    system_reminders: NotRequired[Annotated[dict[str, str], PrivateStateAttr]]
    # LangGraph takes only the last annotation for a reducer.
    memory_scope: NotRequired[Annotated[str, PrivateStateAttr, keep_first]]
    conversation_id: NotRequired[Annotated[str, PrivateStateAttr]]
    conversation_state: NotRequired[Annotated[dict[str, Any], PrivateStateAttr, merge]]
    conversation_kept: NotRequired[Annotated[dict[str, Any], PrivateStateAttr, merge]]
    conversation_heard: NotRequired[Annotated[dict[str, str], PrivateStateAttr]]


class MemoryState(MessagesState, MemoryChannels):
    """The state of a hand-built graph with memory.

    Name the input and output schema too, so that no caller can set or see the private channels:

        StateGraph(MemoryState, input_schema=MessagesState, output_schema=MessagesState, context_schema=MemoryContext)
    """


class NodeState(MemoryChannels):
    """What our nodes read, whatever the graph's own state is: a `TypedDict`, a dataclass or a pydantic model.

    LangGraph adds the private channels to the graph where they are not in its
    state, and leaves `messages` as that declares it.
    """

    messages: list[AnyMessage]


class MemoryAgentState(AgentState[Any], MemoryChannels):
    """The state of a `create_agent` graph with memory; `create_agent` keeps the private channels private by itself."""
