"""Seeds 000 and 001: every snippet of PolyAI's documents on agent memory, run as it stands there, and what they say.

Only the import is new. A snippet that is a function is called with the conversation, as PolyAI calls it in a turn.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from agentmem import Conversation

PHONE = "+14155550192"

CONFIGURATION = """
{
  "memory": {
    "repeat_caller": {
      "analytics_enabled": true,
      "state_keys": ["booking_day", "preferred_language"],
      "identifier_blacklist": ["+440000000000"]
    }
  }
}
"""

GREET = """
def start_function(conv: Conversation):
    name = conv.memory.get("caller_name")
    if name:
        return {"utterance": f"Welcome back, {name}. How can I help you today?"}
"""

COLLECT_NAME = """
def collect_name(conv: Conversation, caller_name: str):
    conv.state["caller_name"] = caller_name
    return {"content": f"Thanks, {caller_name}. I'll remember you next time."}
"""

RETURNING_CALLER = """
def start_function(conv: Conversation):
    booking_day = conv.memory.get("booking_day")
    cheese_type = conv.memory.get("cheese_type")

    if booking_day and cheese_type:
        return {
            "utterance": f"I see you previously booked {cheese_type} for {booking_day}. Would you like to book again?"
        }
"""

BOOK_DELIVERY = """
def book_delivery(conv: Conversation, cheese_type: str, booking_day: str):
    conv.state["booking_day"] = booking_day
    conv.state["cheese_type"] = cheese_type
    return {"content": f"Booked {cheese_type} for {booking_day}."}
"""

ANY_MEMORY = """
if "booking_day" in conv.memory:
    # Memory exists for this key
    exists = True
"""

GUARD = """
if "cheese_type" not in conv.memory:
    conv.state["cheese_type"] = value
"""

ALL_FIELDS = """
all_memory = conv.memory.fields()  # Returns a dict of all fields
"""

READ_PATTERNS = """
# Membership check
if "booking_day" in conv.memory:
    ...

# Item access (raises KeyError if missing)
last_order = conv.memory["last_order_id"]

# Safe access with default
visits = conv.memory.get("visit_count", 0)

# All stored fields
all_memory = conv.memory.fields()

# Number of stored fields
count = len(conv.memory)
"""

CONFIGURATION_001 = """
{
  "memory": {
    "repeat_caller": {
      "analytics_enabled": true,
      "state_keys": ["booking_day", "cheese_type"],
      "identifier_blacklist": ["+447777"]
    }
  }
}
"""

SAY_CHEESE = """
def start_function(conv: Conversation):
    cheese = conv.memory.get("cheese_type")
    if cheese:
        conv.say(f"You previously picked {cheese}.")
"""

BOOK = """
def book(conv: Conversation):
  conv.state["cheese_type"] = "brie"
"""

REUSE = """
def start_function(conv: Conversation):
  booking_day = conv.memory.get("booking_day")
  cheese_type = conv.memory.get("cheese_type")
  if booking_day and cheese_type:
    conv.say(f"You booked {cheese_type} for {booking_day}. Rebook?")
"""

CUSTOM_IDENTIFIER = """
{
  "memory": {
    "repeat_caller": {
      "analytics_enabled": true,
      "state_keys": ["booking_day", "cheese_type"],
      "identifier_source": "sip_header:X-Customer-Id"
    }
  }
}
"""

COUNT_FIELDS = """
field_count = len(conv.memory)
"""


def run(snippet, **names):
    """The names a snippet leaves behind."""
    names = {"Conversation": Conversation, **names}
    exec(compile(snippet, "<seed>", "exec", dont_inherit=True), names)  # noqa: S102 - the text above
    return names


def function(snippet):
    """The one function a snippet defines."""
    return next(value for name, value in run(snippet).items() if callable(value) and name != "Conversation")


@pytest.fixture
def conversations(mem):
    mem.agents.configure("support", json.loads(CONFIGURATION), state_keys=["booking_day", "cheese_type", "caller_name"])
    mem.agents.configure("support", analytics_enabled=False)
    return mem.conversations


def call(conversations, snippet=None, /, **arguments):
    """One call in which one function runs; what it said, and the call."""
    with conversations.start(agent_id="support", phone=PHONE) as conv:
        said = function(snippet)(conv, **arguments) if snippet else None
    return said, conv


# --- seed 000 -------------------------------------------------------------------------------------------------------


def test_seed_000_configuration(mem):
    settings = mem.agents.configure("support", json.loads(CONFIGURATION))
    assert settings.memory_enabled
    assert settings.analytics_enabled
    assert settings.state_keys == {"booking_day": None, "preferred_language": None}
    assert settings.identifier_blacklist == ("+440000000000",)
    assert mem.conversations.start("support", phone="+44 0000 000000").caller_identity == ""
    assert mem.conversations.start("support", phone=PHONE).caller_identity


def test_seed_000_reading_and_writing_memory(conversations):
    assert call(conversations, GREET)[0] is None
    said, _ = call(conversations, COLLECT_NAME, caller_name="Ada")
    assert said == {"content": "Thanks, Ada. I'll remember you next time."}
    assert call(conversations, GREET)[0] == {"utterance": "Welcome back, Ada. How can I help you today?"}


def test_seed_000_only_keys_listed_in_state_keys_are_persisted(mem, conversations):
    mem.agents.configure("support", state_keys=["booking_day"])
    call(conversations, COLLECT_NAME, caller_name="Ada")
    assert call(conversations, GREET)[0] is None


def test_seed_000_full_example_returning_caller(conversations):
    assert call(conversations, RETURNING_CALLER)[0] is None
    said, _ = call(conversations, BOOK_DELIVERY, cheese_type="brie", booking_day="Friday")
    assert said == {"content": "Booked brie for Friday."}
    said, _ = call(conversations, RETURNING_CALLER)
    assert said == {"utterance": "I see you previously booked brie for Friday. Would you like to book again?"}


def test_seed_000_repeat_caller_analytics(mem, conversations, clock):
    mem.agents.configure("support", analytics_enabled=True)
    clock.now = datetime(2026, 3, 14, 9, 40, tzinfo=UTC)
    with conversations.start("support", phone=PHONE) as first:
        first.set_outcome(qa="unresolved")
        first.handoff(to="billing", reason="refund")
    for _ in range(2):  # always the first, never the one before
        clock.move(days=1)
        with conversations.start("support", phone=PHONE) as conv:
            conv.set_outcome(qa="resolved")
        assert conv.memory.fields() == {
            "REPEAT_CALLER_CONV_ID": first.id,
            "REPEAT_CALLER_DATETIME": "2026-03-14T09:00:00+00:00",  # "should be rounded to the hour"
            "REPEAT_CALLER_QA": "unresolved",
            "REPEAT_CALLER_HANDOFF_REASON": "refund",
            "REPEAT_CALLER_HANDOFF_TO": "billing",
        }
    metrics = mem.agents.metrics("support")
    assert (metrics.repeat_callers, metrics.first_interactions[0].conversation_id) == (1, first.id)


def test_seed_000_memory_is_fetched_once_per_turn_and_cached(mem, conversations):
    call(conversations, BOOK_DELIVERY, cheese_type="brie", booking_day="Friday")
    with conversations.start("support", phone=PHONE) as conv:
        mem.contacts.patch_facts(conv.caller_identity, {"cheese_type": "gouda"}, agent_id="support")
        assert [conv.memory.get("cheese_type") for _ in range(3)] == ["brie"] * 3
        conv.add_message("user", "Hello")
        assert conv.memory.get("cheese_type") == "gouda"


def test_seed_000_values_set_on_turn_1_are_not_available_through_memory_on_turn_2(conversations):
    with conversations.start("support", phone=PHONE) as conv:
        conv.add_message("user", "Brie for Friday, please")
        function(BOOK_DELIVERY)(conv, cheese_type="brie", booking_day="Friday")
        conv.add_message("user", "What did I book?")
        assert conv.memory.get("cheese_type") is None
        assert conv.state["cheese_type"] == "brie"
    assert conversations.start("support", phone=PHONE).memory.get("cheese_type") == "brie"


def test_seed_000_each_write_acts_as_a_patch(conversations):
    for key, value in (("cheese_type", "gouda"), ("booking_day", "Friday")):
        with conversations.start("support", phone=PHONE) as conv:
            conv.state[key] = value
    assert conversations.start("support", phone=PHONE).memory.fields() == {
        "cheese_type": "gouda",
        "booking_day": "Friday",
    }


def test_seed_000_all_fields_expire_after_90_days_and_each_by_itself(conversations, clock):
    call(conversations, COLLECT_NAME, caller_name="Ada")
    clock.move(days=45)
    call(conversations, BOOK)
    clock.move(days=45)
    assert conversations.start("support", phone=PHONE).memory.fields() == {"cheese_type": "brie"}
    clock.move(days=45)
    assert conversations.start("support", phone=PHONE).memory.fields() == {}


def test_seed_000_structured_data_can_be_stored_in_a_field(conversations):
    with conversations.start("support", phone=PHONE) as conv:
        conv.state["booking_day"] = {"day": "Friday", "slots": [9, 10], "sure": True}
    assert conversations.start("support", phone=PHONE).memory["booking_day"]["slots"] == [9, 10]


def test_seed_000_check_if_any_memory_exists(conversations):
    assert "exists" not in run(ANY_MEMORY, conv=conversations.start("support", phone=PHONE))
    call(conversations, BOOK_DELIVERY, cheese_type="brie", booking_day="Friday")
    assert run(ANY_MEMORY, conv=conversations.start("support", phone=PHONE))["exists"]


def test_seed_000_prevent_accidental_overwrites(conversations):
    for value in ("brie", "gouda"):
        with conversations.start("support", phone=PHONE) as conv:
            run(GUARD, conv=conv, value=value)
    assert conversations.start("support", phone=PHONE).memory["cheese_type"] == "brie"


def test_seed_000_the_latest_write_wins(conversations):
    for value in ("brie", "gouda"):
        call(conversations, BOOK_DELIVERY, cheese_type=value, booking_day="Friday")
    assert conversations.start("support", phone=PHONE).memory["cheese_type"] == "gouda"


def test_seed_000_memory_works_across_channels(mem, conversations):
    call(conversations, COLLECT_NAME, caller_name="Ada")
    ada = mem.contacts.find(phone=PHONE)
    mem.contacts.link(ada.id, email="ada@example.com", external_id="account-7")
    for channel, known in (("email", {"email": "ada@example.com"}), ("webchat", {"external_id": "account-7"})):
        conv = conversations.start("support", channel=channel, **known)
        assert function(GREET)(conv) == {"utterance": "Welcome back, Ada. How can I help you today?"}


def test_seed_000_all_stored_fields(conversations):
    call(conversations, COLLECT_NAME, caller_name="Ada")
    assert run(ALL_FIELDS, conv=conversations.start("support", phone=PHONE))["all_memory"] == {"caller_name": "Ada"}


def test_seed_000_read_patterns(mem, conversations):
    conv = conversations.start("support", phone=PHONE)
    with pytest.raises(KeyError):
        run(READ_PATTERNS, conv=conv)
    mem.contacts.patch_facts(conv.caller_identity, {"last_order_id": "8821"}, agent_id="support")
    names = run(READ_PATTERNS, conv=conversations.start("support", phone=PHONE))
    assert (names["last_order"], names["visits"], names["count"]) == ("8821", 0, 1)
    assert names["all_memory"] == {"last_order_id": "8821"}
    with pytest.raises(TypeError):
        conv.memory["booking_day"] = "Friday"


# --- seed 001 -------------------------------------------------------------------------------------------------------


def test_seed_001_configuration(mem):
    settings = mem.agents.configure("support", json.loads(CONFIGURATION_001))
    assert settings.state_keys == {"booking_day": None, "cheese_type": None}
    assert mem.conversations.start("support", phone="+44 7777 000001").caller_identity == ""


def test_seed_001_read_and_write_memory(conversations):
    _, first = call(conversations, SAY_CHEESE)
    call(conversations, BOOK)
    _, again = call(conversations, SAY_CHEESE)
    said = [[message.content for message in conversations.get(one.id).messages] for one in (first, again)]
    assert said == [[], ["You previously picked brie."]]


def test_seed_001_conditional_reuse(conversations):
    call(conversations, BOOK)
    _, early = call(conversations, REUSE)
    call(conversations, BOOK_DELIVERY, cheese_type="brie", booking_day="Friday")
    _, late = call(conversations, REUSE)
    said = [[message.content for message in conversations.get(one.id).messages] for one in (early, late)]
    assert said == [[], ["You booked brie for Friday. Rebook?"]]


def test_seed_001_a_custom_identifier_from_a_sip_header(mem):
    mem.agents.configure("support", json.loads(CUSTOM_IDENTIFIER))
    customer = {"sip_headers": {"X-Customer-Id": "C-7"}}
    with mem.conversations.start("support", phone=PHONE, attributes=customer) as conv:
        function(BOOK)(conv)
    again = mem.conversations.start("support", phone="+14155550100", attributes=customer)
    assert again.memory["cheese_type"] == "brie"
    other = {"sip_headers": {"X-Customer-Id": "C-8"}}
    assert mem.conversations.start("support", phone=PHONE, attributes=other).memory.fields() == {}


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("integration_attribute:customer_id", {"attributes": {"integration": {"customer_id": "C-7"}}}),
        ("state:customer_id", {"state": {"customer_id": "C-7"}}),
    ],
)
def test_seed_001_a_custom_identifier_from_elsewhere(mem, source, words):
    mem.agents.configure("support", json.loads(CUSTOM_IDENTIFIER), identifier_source=source)
    with mem.conversations.start("support", **words) as conv:
        function(BOOK)(conv)
    assert mem.conversations.start("support", **words).memory["cheese_type"] == "brie"


def test_seed_001_without_a_custom_identifier_the_phone_number_counts(mem):
    mem.agents.configure("support", json.loads(CONFIGURATION_001))
    with mem.conversations.start("support", phone=PHONE) as conv:
        function(BOOK)(conv)
    assert mem.contacts.find(phone=PHONE).id == conv.caller_identity


def test_seed_001_how_many_fields_are_stored(conversations):
    call(conversations, BOOK)
    assert run(COUNT_FIELDS, conv=conversations.start("support", phone=PHONE))["field_count"] == 1
    assert run(ALL_FIELDS, conv=conversations.start("support", phone=PHONE))["all_memory"] == {"cheese_type": "brie"}
