"""Asks a chat model what to remember of a conversation, and keeps what passes the rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage
from langchain_core.messages.utils import count_tokens_approximately
from pydantic import ValidationError

from agentmem.errors import ExtractionError
from agentmem.extraction.evidence import Sources
from agentmem.extraction.extracted import Extracted
from agentmem.extraction.prompt import INSTRUCTIONS, KnownMemory, Transcript, shown, turn_line
from agentmem.extraction.proposal import Proposal
from agentmem.extraction.refusals import is_refusal
from agentmem.extraction.rules import Bounds
from agentmem.extraction.validator import Validator
from agentmem.extraction.windows import Turn, windows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from langchain_core.runnables import Runnable

    from agentmem.records import ContactMemory, Message

BUDGET: Final = 8_000
"""About how many tokens of transcript the model reads at once; what is known comes on top, at most as much again."""


class ChatModel(Protocol):
    """What is needed of a LangChain `BaseChatModel`, whose own module takes half a second to import."""

    def with_structured_output(
        self, schema: dict[str, Any] | type, *, include_raw: bool = False, **kwargs: Any
    ) -> Runnable[Any, Any]:
        """Return the model as one that fills in a schema."""
        ...


class Extractor:
    """What proposes to remember, and the rules that decide.

    A conversation that is too long for one prompt is read in windows, one after
    the other, and what was kept of one is shown with the next.

    Args:
        chat_model: Any LangChain chat model with structured output.
        bounds: The most characters of what is extracted.
        budget: The most tokens, counted approximately, of the transcript in one prompt.
    """

    def __init__(self, chat_model: ChatModel, *, bounds: Bounds = Bounds(), budget: int = BUDGET) -> None:  # noqa: B008 - frozen
        self._chat_model = chat_model
        self._bounds = bounds
        self._budget = budget

    def extract(
        self,
        transcript: Iterable[Message],
        memory: ContactMemory,
        known_lines: Mapping[str, str],
        *,
        at: datetime,
        recalled: Iterable[str] = (),
    ) -> Extracted:
        """Return what to remember of a conversation.

        Args:
            transcript: Its messages, in order.
            memory: What is known of the contact.
            known_lines: The known facts that matter, by id, the most important first.
            at: When it began.
            recalled: The remembered texts that were put into the agent's prompts.

        Raises:
            ExtractionError: The model failed, or its answer cannot be used.
        """
        said = Transcript.of(transcript)
        if all(turn.role != "user" for turn in said.turns):
            return Extracted()
        known = KnownMemory.of(memory, known_lines)
        validator = Validator(known, Sources.of(said, known, recalled), at=at, bounds=self._bounds)
        so_far = Extracted()
        for window in windows(said.turns, budget=self._budget, count=_tokens):
            proposal = self._ask(shown(window, known, so_far, at=at))
            so_far = validator.validate(proposal, window, so_far)
        return so_far

    def _ask(self, prompt: str) -> Proposal:
        messages: Sequence[BaseMessage] = [SystemMessage(INSTRUCTIONS), HumanMessage(prompt)]
        try:
            asked = self._chat_model.with_structured_output(Proposal, include_raw=True)
            answer: Any = asked.invoke(messages)
        except Exception as error:
            raise ExtractionError(
                f"it failed ({type(error).__name__}); nothing was changed",
                field="chat_model",
                transient=not is_refusal(error),
            ) from error
        return _proposal(answer)


def _proposal(answer: Any) -> Proposal:  # noqa: ANN401 - what a model says
    """Return what the model filled in. A parser's own error would show the content, so it is not passed on."""
    given: dict[str, Any] = {"parsed": answer, "raw": answer}
    if isinstance(answer, dict) and "parsed" in answer:
        given = cast("dict[str, Any]", answer)
    parsed, said = given["parsed"], _said(given.get("raw"))
    if isinstance(parsed, Proposal):
        return parsed
    if not isinstance(parsed, dict):
        raise ExtractionError(
            "its answer is not what was asked for; nothing was changed", field="chat_model", answer=said
        )
    try:
        return Proposal.model_validate(parsed)
    except ValidationError:
        raise ExtractionError(
            "its answer breaks the schema; nothing was changed", field="chat_model", answer=said
        ) from None


def _said(raw: object) -> str:
    if not isinstance(raw, BaseMessage):
        return "" if raw is None else str(raw)
    calls = getattr(raw, "tool_calls", None) or getattr(raw, "invalid_tool_calls", None)
    return str(raw.text) or (str([call["args"] for call in calls]) if calls else "")


def _tokens(turn: Turn) -> int:
    return count_tokens_approximately([HumanMessage(turn_line(turn))])
