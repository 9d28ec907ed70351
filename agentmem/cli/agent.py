"""The LangGraph agent of `chat` and `demo`, and what can be seen of its turns."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

from langchain.agents import create_agent  # pyright: ignore[reportUnknownVariableType] # LangGraph's types have gaps
from langchain.chat_models import init_chat_model
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver

from agentmem import inputs
from agentmem.agents.graphs import RunRecord, recording
from agentmem.errors import AgentMemError, BackendError, InvalidInputError
from agentmem.langgraph import MemoryMiddleware
from agentmem.policy import MemoryContext
from agentmem.testing import stand_in_model

if TYPE_CHECKING:
    from agentmem.client.store import AgentMem

_SYSTEM_PROMPT: Final = (
    "You are a personal assistant who knows the user from earlier conversations. Before you say that you do not know "
    "something about them, look it up with recall. Answer in one or two sentences."
)


@dataclass(frozen=True, slots=True)
class Said:
    """Some of the agent's words."""

    text: str


@dataclass(frozen=True, slots=True)
class Called:
    """The model called a tool."""

    name: str
    args: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answered:
    """The tool answered."""

    name: str
    text: str


Event = Said | Called | Answered


class Prompts(BaseCallbackHandler):
    """Keeps what each call of a chat model was sent."""

    def __init__(self) -> None:
        self.sent: list[list[BaseMessage]] = []

    def on_chat_model_start(
        self,
        serialized: dict[str, Any],  # noqa: ARG002 - LangChain's signature
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,  # noqa: ARG002 - LangChain's signature
        **kwargs: Any,  # noqa: ARG002 - LangChain's signature
    ) -> None:
        """Keep the messages."""
        self.sent += messages


@dataclass
class Conversation:
    """One thread of talk between a user and the agent."""

    graph: Any
    context: MemoryContext
    thread_id: str = field(default_factory=lambda: uuid4().hex)
    record: RunRecord = field(default_factory=RunRecord)

    def say(self, message: str) -> Iterator[Event]:
        """Say something, and see what the agent does and says, as it happens.

        Raises:
            InvalidInputError: The message is empty or not text.
            BackendError: The chat model failed.
        """
        inputs.text("message", message)
        config = {"configurable": {"thread_id": self.thread_id}}
        given = {"messages": [{"role": "user", "content": message}]}
        with recording() as self.record:
            try:
                stream = self.graph.stream(given, config, context=self.context, stream_mode=["messages", "updates"])
                for mode, part in stream:
                    yield from _tokens(part) if mode == "messages" else _steps(part)
            except AgentMemError:
                raise
            except Exception as error:  # a provider's error can be anything
                said = str(error).partition("\n")[0]
                raise BackendError(f"it failed with {type(error).__name__}: {said}", field="model") from error


def chat_model(name: str | None) -> BaseChatModel:
    """Return the chat model of a name like `openai:gpt-5`; the scripted one for `None`.

    Raises:
        InvalidInputError: There is no such model, its package is not installed, or it cannot be set up.
    """
    if name is None:
        return stand_in_model()
    try:
        return init_chat_model(name)
    except Exception as error:  # a provider's error can be anything
        said = str(error).partition("\n")[0].rstrip(".")
        raise InvalidInputError(
            said, field="model", advice="A model is named provider:name, like openai:gpt-5"
        ) from error


def build_agent(mem: AgentMem, model: BaseChatModel) -> Any:  # noqa: ANN401 - LangGraph's type has four parameters
    """Return an agent with all of memory's tools, which keeps its threads as long as the process lives."""
    return create_agent(
        model,
        system_prompt=_SYSTEM_PROMPT,
        middleware=[MemoryMiddleware(mem, tools="all")],
        context_schema=MemoryContext,
        checkpointer=InMemorySaver(),
    )


def typed(name: str, args: dict[str, Any]) -> str:
    """Return a tool call as one would type it."""
    given = (f"{each}={json.dumps(value, ensure_ascii=False)}" for each, value in args.items())
    return f"{name}({', '.join(given)})"


def _tokens(part: tuple[BaseMessage, dict[str, Any]]) -> Iterator[Event]:
    message, _ = part
    if isinstance(message, AIMessage | AIMessageChunk) and message.text:
        yield Said(str(message.text))


def _steps(part: dict[str, dict[str, list[BaseMessage]] | None]) -> Iterator[Event]:
    for update in part.values():
        for message in (update or {}).get("messages", []):
            if isinstance(message, AIMessage):
                for call in message.tool_calls:
                    yield Called(call["name"], call["args"])
            elif isinstance(message, ToolMessage):
                yield Answered(str(message.name), str(message.text))
