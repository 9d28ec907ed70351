"""What tests of extraction share: transcripts, what is known, and the judge's word on one proposal."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from agentmem.extraction.evidence import Sources
from agentmem.extraction.extracted import Extracted
from agentmem.extraction.prompt import KnownMemory, Transcript
from agentmem.extraction.proposal import Proposal
from agentmem.extraction.rules import Bounds
from agentmem.extraction.validator import Validator
from agentmem.records import ContactMemory, Entity, EntityRef, Message, OpenItem

AT = datetime(2025, 7, 22, 10, 30, tzinfo=UTC)
ROLES = {"u": "user", "a": "assistant", "t": "tool"}
# The assistant's turns are 1 and 3, the caller's 2 and 4; the tool's is none.
TALK = (
    "a: Support, how can I help?",
    "u: I can only do mornings before 9am, and I am vegetarian. Call me next Friday about order #8821.",
    "t: order 8821: status delayed, carrier UPS, the warehouse in Memphis was flooded",
    "a: Your order #8821 is delayed, it is with UPS. I will follow up on it.",
    "u: Thanks. SMS is best, my number is +1 415 555 0192.",
)


@pytest.fixture
def at():
    return AT


@pytest.fixture
def said():
    """Messages from texts that begin with `u:`, `a:` or `t:`."""

    def messages(*turns):
        common = {"id": "", "conversation_id": "", "channel": "voice", "created_at": AT}
        return [Message(role=ROLES[turn[0]], content=turn[2:].strip(), **common) for turn in turns]

    return messages


@pytest.fixture
def memory():
    return lambda **known: ContactMemory("ada", "support", **known)


@pytest.fixture
def entity():
    def entity(entity_type="order", entity_id="order-8821", *, facts=None, status=None, notes=None):
        return Entity(entity_type, entity_id, facts or {}, status, notes, AT, "extractor", AT, AT)

    return entity


@pytest.fixture
def open_item():
    def item(item_id, description, related_to=None):
        related = None if related_to is None else EntityRef(*related_to)
        return OpenItem(item_id, "follow_up", description, "normal", related, "extractor", AT, AT)

    return item


@pytest.fixture
def judged(said, memory):
    """What the judge keeps of a proposal."""

    def judge(proposal, *, talk=TALK, known=None, lines=None, recalled=(), so_far=None, bounds=None):
        transcript = Transcript.of(said(*talk))
        shown = KnownMemory.of(known or memory(), lines or {})
        validator = Validator(shown, Sources.of(transcript, shown, recalled), at=AT, bounds=bounds or Bounds())
        return validator.validate(Proposal.model_validate(proposal), transcript.turns, so_far or Extracted())

    return judge
