"""A chat model for tests and demos: it says what it was told to, and keeps what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from uuid import uuid4

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel, Field, PrivateAttr, SkipValidation

Said = str | AIMessage | Mapping[str, Any] | BaseModel
Step = Said | Callable[[list[BaseMessage]], Said]


class ScriptedChatModel(BaseChatModel):
    """A chat model that plays a script, one step for each call.

    It binds tools, streams text and tool calls, works sync and async, and
    records every prompt, so that a test can look at what the model saw:

        >>> model = ScriptedChatModel(script=["Hello!", lambda messages: f"You said: {messages[-1].text}"])
        >>> model.invoke("hi").text, model.invoke("how are you?").text
        ('Hello!', 'You said: how are you?')
        >>> [prompt[-1].text for prompt in model.prompts]
        ['hi', 'how are you?']

    A mapping, or a pydantic model, is a call of the tool bound last (the first of several) with these arguments, so
    structured output can be scripted too:

        >>> class Drink(BaseModel):
        ...     name: str
        >>> ScriptedChatModel(script=[{"name": "tea"}]).with_structured_output(Drink).invoke("What do I like?")
        Drink(name='tea')

    A call that finds the script at its end raises an AssertionError.

    Args:
        script: What to answer: a text, a message (with tool calls, say), the arguments of a tool call, or a function of
            the prompt that gives one of these, or raises.
        repeat_last: Whether the last step answers every later call too.
    """

    script: SkipValidation[list[Step]] = Field(default_factory=list[Step])
    repeat_last: bool = False

    _prompts: list[list[BaseMessage]] = PrivateAttr(default_factory=list[list[BaseMessage]])
    _bound_tools: list[list[dict[str, Any]]] = PrivateAttr(default_factory=list[list[dict[str, Any]]])
    _lock: Any = PrivateAttr(default_factory=threading.Lock)

    @property
    def prompts(self) -> list[list[BaseMessage]]:
        """The messages of every call so far."""
        return self._prompts

    @property
    def bound_tools(self) -> list[list[dict[str, Any]]]:
        """The tools of every `bind_tools` so far, as the JSON a provider would be sent."""
        return self._bound_tools

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,  # noqa: ARG002 - the script decides
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Record the tools; what is called is up to the script."""
        self._bound_tools.append([convert_to_openai_tool(tool) for tool in tools])
        return self.bind(**kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002 - LangChain's signature
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002 - LangChain's signature
        **kwargs: Any,  # noqa: ARG002 - LangChain's signature
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self._next(messages))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002 - LangChain's signature
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002 - LangChain's signature
        **kwargs: Any,  # noqa: ARG002 - LangChain's signature
    ) -> Iterator[ChatGenerationChunk]:
        for chunk in _chunks(self._next(messages)):
            yield ChatGenerationChunk(message=chunk)

    def _next(self, messages: list[BaseMessage]) -> AIMessage:
        with self._lock:
            position = len(self._prompts)
            self._prompts.append(list(messages))
        if position >= len(self.script) and not (self.repeat_last and self.script):
            steps = len(self.script)
            raise AssertionError(f"the model was called {position + 1} times, and its script has {steps} steps")
        step = self.script[min(position, len(self.script) - 1)]
        said = step(messages) if callable(step) else step
        if isinstance(said, AIMessage):
            # A copy, because LangChain gives the message an id, and one id twice would replace the first in a thread.
            return said.model_copy(deep=True)
        return AIMessage(said) if isinstance(said, str) else self._calling(said)

    def _calling(self, given: Mapping[str, Any] | BaseModel) -> AIMessage:
        if not self._bound_tools:
            raise AssertionError("a step of the script is a tool call, and no tool was bound")
        arguments = given.model_dump(mode="json", exclude_unset=True) if isinstance(given, BaseModel) else dict(given)
        tool = self._bound_tools[-1][0]["function"]["name"]
        return AIMessage("", tool_calls=[{"name": tool, "args": arguments, "id": f"call-{uuid4().hex}"}])


def _chunks(message: AIMessage) -> Iterator[AIMessageChunk]:
    if isinstance(message.content, str):
        words = message.content.split(" ") if message.content else []
        for position, word in enumerate(words):
            yield AIMessageChunk(content=word if position == 0 else f" {word}", id=message.id)
    else:
        yield AIMessageChunk(content=message.content, id=message.id)
    for position, call in enumerate([*message.tool_calls, *message.invalid_tool_calls]):
        args = call["args"]
        part = tool_call_chunk(
            name=call["name"],
            args=args if isinstance(args, str) else json.dumps(args),
            id=call["id"],
            index=position,
        )
        yield AIMessageChunk(content="", id=message.id, tool_call_chunks=[part])
    yield AIMessageChunk(
        content="",
        id=message.id,
        response_metadata=message.response_metadata,
        usage_metadata=message.usage_metadata,
        chunk_position="last",
    )
