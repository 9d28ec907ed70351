"""`mem.conversations`: who it is with, what is read when, what is kept at the end, and what never is."""

from __future__ import annotations

import contextlib
import math
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from agentmem import ConflictError, InvalidInputError, NotFoundError
from agentmem.testing import ScriptedChatModel

PHONE = "+14155550192"


@pytest.fixture
def agents(mem):
    mem.agents.configure("support", memory_enabled=True, state_keys=["booking_day", "cheese_type"])
    return mem.agents


@pytest.fixture
def conversations(mem, agents):
    return mem.conversations


def call(conversations, agent_id="support", /, **state):
    """One conversation that leaves a state behind."""
    with conversations.start(agent_id, phone=PHONE) as conv:
        conv.state.update(state)
    return conv


# --- who it is with ---------------------------------------------------------------------------------------------


def test_a_caller_is_one_person_over_all_channels_and_by_whatever_they_are_known(mem, conversations):
    with conversations.start("support", phone="+1 (415) 555-0192", email="Ada@Example.com") as conv:
        conv.state["cheese_type"] = "brie"
    ada = conv.caller_identity
    for channel, known in [
        ("sms", {"phone": PHONE}),
        ("email", {"email": " ada@example.COM"}),
        ("chat", {"user_id": ada}),
        ("chat", {"caller_identity": ada}),
    ]:
        with conversations.start("support", channel=channel, **known) as conv:
            assert (conv.caller_identity, conv.memory.get("cheese_type")) == (ada, "brie")
            assert conv.channel == channel
    assert [contact.id for contact in mem.contacts.list()] == [ada]


def test_a_user_id_that_is_new_makes_a_contact_of_that_id(mem, conversations):
    assert conversations.start("support", user_id="acme_user_42", name="Ada").caller_identity == "acme_user_42"
    assert mem.contacts.get("acme_user_42").name == "Ada"


def test_user_id_and_caller_identity_are_one_thing(conversations):
    assert conversations.start("support", user_id="ada", caller_identity="ada").caller_identity == "ada"
    with pytest.raises(InvalidInputError, match="both were given and differ"):
        conversations.start("support", user_id="ada", caller_identity="bob")


def test_two_agents_never_see_each_others_memory(mem, conversations):
    mem.agents.configure("booking", memory_enabled=True, state_keys=["cheese_type"])
    call(conversations, cheese_type="brie")
    with conversations.start("booking", phone=PHONE) as conv:
        assert conv.memory.fields() == {}
        conv.state["cheese_type"] = "gouda"
    assert conversations.start("support", phone=PHONE).memory.fields() == {"cheese_type": "brie"}


@pytest.mark.parametrize(
    "words",
    [{}, {"attributes": {}}, {"attributes": {"sip_headers": {"X-Other": "1"}}}, {"phone": "+44 0000 000000"}],
)
def test_without_an_identifier_a_conversation_is_anonymous_and_writes_only_its_row(mem, agents, tables, words):
    agents.configure("support", identifier_blacklist=["+44 0000"])
    before = tables()
    with mem.conversations.start("support", **words) as conv:
        conv.add_message("user", "I am Ada")
        conv.say("Hello")
        conv.state["cheese_type"] = "brie"
        assert conv.memory.fields() == {}
        assert conv.render_prompt("Be kind. {{memory}}") == "Be kind. "
        conv.handoff("billing")
    after = tables()
    assert [name for name in after if after[name] != before[name]] == ["agentmem_conversation"]
    record = mem.conversations.get(conv.id)
    assert (record.caller_identity, record.status, record.messages, record.changes) == ("", "ended", (), ())


def test_a_blacklisted_identifier_does_not_count_and_the_others_do(agents, conversations):
    agents.configure("support", identifier_blacklist=["+1 415", "test-"])
    assert conversations.start("support", phone=PHONE).caller_identity == ""
    assert conversations.start("support", user_id="test-7").caller_identity == ""
    known = conversations.start("support", phone=PHONE, email="ada@example.com")
    assert known.caller_identity
    assert conversations.start("support", email="ada@example.com").caller_identity == known.caller_identity


def test_a_custom_source_comes_first_and_header_names_have_no_case(mem, agents, conversations):
    agents.configure("support", identifier_source="sip_header:X-Customer-Id")
    first = conversations.start("support", phone=PHONE, attributes={"sip_headers": {"x-customer-id": "C-7"}})
    again = conversations.start("support", phone="+14155550100", attributes={"sip_headers": {"X-CUSTOMER-ID": "C-7"}})
    assert first.caller_identity == again.caller_identity != ""
    assert {one.kind for one in mem.contacts.get(first.caller_identity).identifiers} == {
        "phone",
        "sip_header:x-customer-id",
    }
    assert conversations.start("support", phone=PHONE).caller_identity == first.caller_identity  # it is missing


def test_a_custom_source_may_be_an_integration_attribute_and_a_number(agents, conversations):
    agents.configure("support", identifier_source="integration_attribute:customer_id")
    words = [{"integration": {"customer_id": one}} for one in (42, "42", 43)]
    one, same, other = (conversations.start("support", attributes=each).caller_identity for each in words)
    assert one == same != other


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"phone": "hello"}, "phone"),
        ({"phone": "0192"}, "phone"),
        ({"email": "ada"}, "email"),
        ({"external_id": ""}, "external_id"),
        ({"user_id": "a" * 256}, "user_id"),
        ({"user_id": "a\x00"}, "user_id"),
        ({"channel": ""}, "channel"),
        ({"thread_id": " "}, "thread_id"),
        ({"version": ""}, "version"),
        ({"name": "a" * 256}, "name"),
        ({"attributes": {"headers": {}}}, "attributes"),
        ({"attributes": {"sip_headers": ["X"]}}, "attributes"),
        ({"attributes": "X"}, "attributes"),
        ({"state": "x"}, "state"),
        ({"state": {"cheese_type": math.nan}}, "state: cheese_type"),
        ({"state": {"cheese_type": "a" * 20_000}}, "state: cheese_type"),
    ],
)
def test_bad_input_begins_no_conversation(mem, agents, words, said):
    with pytest.raises(InvalidInputError, match=f"^{said}"):
        mem.conversations.start("support", **words)
    assert mem.conversations.list() == []
    assert mem.contacts.list() == []


def test_a_source_in_the_state_binds_the_conversation_once_it_is_set(mem, agents, conversations, clock):
    agents.configure("support", identifier_source="state:customer_id")
    with conversations.start("support", phone=PHONE, channel="chat") as conv:
        assert (conv.caller_identity, mem.contacts.list()) == ("", [])
        conv.add_message("user", "I am customer seven")
        clock.move(minutes=1)
        conv.state["customer_id"] = "C-7"
        assert conv.caller_identity == ""  # the state does no I/O
        conv.say("Welcome")
        ada = conv.caller_identity
        assert ada
        conv.state["customer_id"] = "C-8"
        conv.say("Goodbye")
        conv.state["cheese_type"] = "brie"
    record = conversations.get(conv.id)
    assert record.caller_identity == ada == mem.contacts.find(phone=PHONE).id
    said = [(message.content, message.created_at) for message in record.messages]
    begun = record.started_at
    later = begun + timedelta(minutes=1)
    assert said == [("I am customer seven", begun), ("Welcome", later), ("Goodbye", later)]
    with conversations.start("support", state={"customer_id": "C-7"}) as conv:
        assert (conv.caller_identity, conv.memory["cheese_type"]) == (ada, "brie")


def test_a_source_in_the_state_may_be_set_as_late_as_the_end_or_never(mem, agents, conversations):
    agents.configure("support", identifier_source="state:customer_id")
    with conversations.start("support") as conv:
        conv.add_message("user", "Hello")
        conv.state.update(customer_id=7, cheese_type="brie")
    assert [message.content for message in conversations.get(conv.id).messages] == ["Hello"]
    assert conversations.start("support", state={"customer_id": "7"}).memory["cheese_type"] == "brie"
    with conversations.start("support") as conv:
        conv.add_message("user", "Hello")
    assert (conversations.get(conv.id).caller_identity, conversations.get(conv.id).messages) == ("", ())


def test_a_source_in_the_state_binds_when_a_prompt_is_rendered(mem, agents, conversations):
    agents.configure("support", identifier_source="state:customer_id")
    with conversations.start("support", state={"customer_id": "C-7"}) as conv:
        conv.state["cheese_type"] = "brie"
    with conversations.start("support") as late:
        late.state["customer_id"] = "C-7"
        assert late.render_prompt("no placeholder") == "no placeholder"
        assert (late.caller_identity, late.memory["cheese_type"]) == (conv.caller_identity, "brie")


def test_a_caller_who_turns_out_to_be_another_brings_their_memory_along(mem, conversations):
    call(conversations, cheese_type="brie")
    by_phone = mem.contacts.find(phone=PHONE).id
    with conversations.start("support", user_id="ada", phone=PHONE) as conv:
        assert (conv.caller_identity, conv.memory["cheese_type"]) == ("ada", "brie")
    assert mem.contacts.get(by_phone).id == "ada"
    (merged,) = [change for change in conversations.get(conv.id).changes if change.kind == "contact"]
    assert (merged.action, merged.ref, merged.user_id) == ("merged", by_phone, "ada")


# --- what is read when ------------------------------------------------------------------------------------------


def test_memory_is_read_afresh_when_the_user_speaks_and_at_no_other_time(mem, conversations):
    with conversations.start("support", user_id="ada") as conv:
        mem.contacts.patch_facts("ada", {"plan": "Premium"}, agent_id="support")
        conv.say("One moment")
        assert "plan" not in conv.memory
        conv.add_message("tool", "…")
        assert "plan" not in conv.memory
        conv.add_message("user", "And now?")
        assert conv.memory["plan"] == "Premium"
        turn = conv.memory
        mem.contacts.patch_facts("ada", {"plan": "Basic"}, agent_id="support")
        assert conv.memory is turn
        assert conv.memory["plan"] == "Premium"


def test_what_a_turn_sets_is_not_in_memory_before_the_next_conversation(conversations):
    with conversations.start("support", phone=PHONE) as conv:
        conv.add_message("user", "Brie, please")
        conv.state["cheese_type"] = "brie"
        conv.add_message("user", "And tomorrow")
        assert "cheese_type" not in conv.memory
    assert conversations.start("support", phone=PHONE).memory["cheese_type"] == "brie"


def test_memory_is_a_mapping_that_cannot_be_changed(conversations):
    call(conversations, cheese_type={"kind": ["brie"]})
    memory = conversations.start("support", phone=PHONE).memory
    assert (len(memory), list(memory), "cheese_type" in memory, "x" in memory) == (1, ["cheese_type"], True, False)
    assert (memory.get("x"), memory.get("x", 0)) == (None, 0)
    with pytest.raises(KeyError):
        memory["x"]
    with pytest.raises(TypeError):
        memory["x"] = 1
    for given in (memory["cheese_type"], memory.get("cheese_type"), memory.fields()["cheese_type"]):
        given["kind"].append("gouda")
    memory.fields()["x"] = 1
    assert memory.fields() == {"cheese_type": {"kind": ["brie"]}}


def test_nothing_is_read_or_kept_while_memory_is_off(mem, agents, conversations):
    call(conversations, cheese_type="brie")
    agents.configure("support", memory_enabled=False)
    with conversations.start("support", phone=PHONE) as conv:
        conv.add_message("user", "Hello")
        conv.state["cheese_type"] = "gouda"
        assert conv.memory.fields() == {}
        assert conv.render_prompt("{{memory}}") == ""
    record = conversations.get(conv.id)
    assert (record.caller_identity, record.messages, record.changes) == (conv.caller_identity, (), ())
    assert record.caller_identity
    agents.configure("support", memory_enabled=True)
    assert conversations.start("support", phone=PHONE).memory.fields() == {"cheese_type": "brie"}


def test_memory_is_on_or_off_for_each_version(agents, conversations):
    agents.configure("support", version="3", memory_enabled=False)
    call(conversations, cheese_type="brie")
    assert conversations.start("support", phone=PHONE, version="3").memory.fields() == {}
    assert conversations.start("support", phone=PHONE, version="4").memory.fields() == {"cheese_type": "brie"}


def test_turning_memory_off_counts_for_a_conversation_that_is_open(mem, agents, conversations):
    conv = conversations.start("support", user_id="ada")
    mem.contacts.patch_facts("ada", {"plan": "Premium"}, agent_id="support")
    agents.configure("support", memory_enabled=False)
    conv.add_message("user", "Hello")
    assert conv.memory.fields() == {}
    conv.state["cheese_type"] = "brie"
    assert conv.end().changes == ()


# --- what is kept at the end ------------------------------------------------------------------------------------


def test_the_end_patches_only_the_state_keys(conversations):
    call(conversations, cheese_type="gouda", mood="tired")
    assert conversations.start("support", phone=PHONE).memory.fields() == {"cheese_type": "gouda"}
    call(conversations, booking_day="Friday")
    both = {"booking_day": "Friday", "cheese_type": "gouda"}
    assert conversations.start("support", phone=PHONE).memory.fields() == both


def test_none_in_the_state_removes_a_key_and_leaving_it_out_does_not(conversations):
    call(conversations, booking_day="Friday", cheese_type="brie")
    call(conversations, cheese_type=None)
    assert conversations.start("support", phone=PHONE).memory.fields() == {"booking_day": "Friday"}


def test_each_key_lives_as_long_as_was_configured_for_it(agents, conversations, clock):
    agents.configure("support", state_keys={"booking_day": 30, "cheese_type": None}, memory_retention_days=0)
    call(conversations, booking_day="Friday", cheese_type="brie")
    clock.move(days=30)
    assert conversations.start("support", phone=PHONE).memory.fields() == {"cheese_type": "brie"}
    clock.move(days=60)
    assert conversations.start("support", phone=PHONE).memory.fields() == {}


def test_state_is_checked_when_it_is_set_and_once_more_at_the_end(conversations):
    conv = conversations.start("support", phone=PHONE)
    for bad in (math.inf, object(), {"a": {1}}, "\ud800", "a" * 20_000, {1: 2}):
        with pytest.raises(InvalidInputError, match=r"^state: cheese_type"):
            conv.state["cheese_type"] = bad
    conv.state["basket"] = object()
    basket = conv.state["cheese_type"] = ["brie"]
    basket.append(math.nan)
    with pytest.raises(InvalidInputError, match=r"^state: cheese_type"):
        conv.end()
    assert conversations.get(conv.id).status == "open"
    basket.pop()
    assert [change.after for change in conv.end().changes] == [["brie"]]


def test_the_state_that_a_conversation_begins_with_is_kept_too(conversations):
    with conversations.start("support", phone=PHONE, state={"cheese_type": "brie", "basket": {1, 2}}) as conv:
        assert dict(conv.state) == {"cheese_type": "brie", "basket": {1, 2}}
        del conv.state["basket"]
        assert len(conv.state) == 1
    assert conversations.start("support", phone=PHONE).memory.fields() == {"cheese_type": "brie"}


def test_an_exception_ends_the_conversation_as_failed_and_keeps_only_what_was_said(conversations):
    conv = conversations.start("support", phone=PHONE)

    def talk():
        with conv:
            conv.add_message("user", "Divide")
            conv.state["cheese_type"] = "brie"
            _ = 1 / 0

    with pytest.raises(ZeroDivisionError):
        talk()
    record = conversations.get(conv.id)
    assert (record.status, record.changes, [one.content for one in record.messages]) == ("failed", (), ["Divide"])
    assert conversations.start("support", phone=PHONE).memory.fields() == {}


def test_the_exception_is_the_one_that_is_seen_whatever_becomes_of_the_conversation(mem, conversations, caplog):
    def talk():
        with conversations.start("support", phone=PHONE):
            mem.close()
            _ = 1 / 0

    with pytest.raises(ZeroDivisionError):
        talk()
    assert "could not be ended as failed" in caplog.text


def test_a_clock_that_goes_back_ends_no_conversation_before_it_began(conversations, clock):
    conv = conversations.start("support", phone=PHONE)
    clock.move(hours=-1)
    conv.say("Hello")
    record = conv.end()
    assert record.ended_at == record.started_at


def test_ending_twice_is_harmless(conversations):
    with conversations.start("support", phone=PHONE) as conv:
        conv.state["cheese_type"] = "brie"
        first = conv.end()
        conv.state["cheese_type"] = "gouda"
        assert conv.end() == first
    assert conversations.end(conv.id) == first == conversations.get(conv.id)
    assert conversations.start("support", phone=PHONE).memory.fields() == {"cheese_type": "brie"}


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ("add_message", ["user", "Hello"]),
        ("say", ["Hello"]),
        ("render_prompt", ["{{memory}}"]),
        ("handoff", ["billing"]),
        ("set_outcome", ["resolved"]),
    ],
)
def test_nothing_is_added_to_a_conversation_that_is_over(conversations, step, words, tables):
    conv = conversations.start("support", phone=PHONE)
    conversations.end(conv.id)
    before = tables()
    with pytest.raises(InvalidInputError, match="it is over"):
        getattr(conv, step)(*words)
    assert tables() == before


def test_many_ends_at_once_are_one(open_mem, conversations):
    conv = conversations.start("support", phone=PHONE)
    conv.say("Hello")
    others = [open_mem().conversations.resume(conv.id) for _ in range(6)]
    for number, other in enumerate(others):
        other.state["cheese_type"] = number
    with ThreadPoolExecutor(len(others)) as pool:
        records = list(pool.map(lambda other: other.end(), others))
    assert len({record.id for record in records}) == 1
    assert [len(record.changes) for record in records] == [1] * len(others)
    assert len(conversations.get(conv.id).changes) == 1


def test_what_is_said_at_once_has_a_place_each(open_mem, conversations):
    conv = conversations.start("support", phone=PHONE)
    others = [open_mem().conversations.resume(conv.id) for _ in range(4)]

    def talk(number):
        for turn in range(5):
            others[number].add_message("user", f"{number}.{turn}")

    with ThreadPoolExecutor(len(others)) as pool:
        list(pool.map(talk, range(len(others))))
    said = [message.content for message in conv.end().messages]
    assert sorted(said) == sorted(f"{number}.{turn}" for number in range(4) for turn in range(5))
    for number in range(4):
        assert [one for one in said if one.startswith(f"{number}.")] == [f"{number}.{turn}" for turn in range(5)]


# --- what was said ----------------------------------------------------------------------------------------------


def test_what_was_said_is_kept_in_order_with_its_time(conversations, clock):
    with conversations.start("support", phone=PHONE, channel="sms") as conv:
        conv.add_message("user", "Hello")
        clock.move(seconds=5)
        conv.say("Hello Ada")
        conv.add_message("tool", "weather: fine")
    record = conversations.get(conv.id)
    assert [(one.role, one.content, one.channel) for one in record.messages] == [
        ("user", "Hello", "sms"),
        ("assistant", "Hello Ada", "sms"),
        ("tool", "weather: fine", "sms"),
    ]
    assert record.messages[1].created_at - record.messages[0].created_at == timedelta(seconds=5)


def test_a_message_with_an_id_of_its_own_is_added_once(open_mem, conversations):
    conv = conversations.start("support", phone=PHONE)
    conv.add_message("user", "Hello", external_id="m-1")
    conv.add_message("user", "Hello", external_id="m-1")
    open_mem().conversations.resume(conv.id).add_message("user", "Hello again", external_id="m-1")
    conv.add_message("user", "Hello", external_id="m-2")
    other = conversations.start("support", phone=PHONE)
    other.add_message("user", "Hello", external_id="m-1")
    assert [message.content for message in conv.end().messages] == ["Hello", "Hello"]
    assert [message.content for message in other.end().messages] == ["Hello"]


def test_a_secret_is_not_kept(conversations):
    conv = conversations.start("support", phone=PHONE)
    conv.add_message("user", "My card is 4111 1111 1111 1111")
    (message,) = conv.end().messages
    assert message.content.startswith("My card is ")
    assert "4111" not in message.content


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"role": "system", "content": "Hello"}, "role: must be one of user, assistant, tool"),
        ({"role": "user", "content": ""}, "content: must not be empty"),
        ({"role": "user", "content": "a\x00"}, "content: a NUL character"),
        ({"role": "user", "content": "a" * 20_001}, "content: 20,001 characters"),
        ({"role": "user", "content": 7}, "content: must be a string"),
        ({"role": "user", "content": "Hello", "external_id": ""}, "external_id: must not be empty"),
    ],
)
def test_a_bad_message_is_refused(conversations, words, said):
    conv = conversations.start("support", phone=PHONE)
    with pytest.raises(InvalidInputError, match=said):
        conv.add_message(**words)
    conv.add_message("user", "a" * 20_000)
    assert len(conv.end().messages) == 1


# --- threads, resuming, looking back ------------------------------------------------------------------------------


def test_a_thread_has_one_open_conversation_at_a_time(mem, conversations):
    conv = conversations.start("support", user_id="ada", thread_id="t")
    assert conversations.find(thread_id="t").id == conv.id
    with pytest.raises(ConflictError, match="resume"):
        conversations.start("support", user_id="bob", thread_id="t")
    mem.tenant("acme").agents.configure("support")
    mem.tenant("acme").conversations.start("support", thread_id="t")
    conv.end()
    assert conversations.find(thread_id="t") is None
    assert conversations.start("support", user_id="ada", thread_id="t").id != conv.id


def test_a_thread_whose_conversation_outlived_its_retention_is_free(agents, conversations, clock):
    agents.configure("support", memory_retention_days=1)
    old = conversations.start("support", user_id="ada", thread_id="t")
    clock.move(days=1)
    assert conversations.find(thread_id="t") is None
    assert conversations.start("support", user_id="ada", thread_id="t").id != old.id


def test_threads_that_are_begun_at_once_have_one_conversation(open_mem, conversations):
    stores = [open_mem() for _ in range(4)]

    def begin(store):
        try:
            return store.conversations.start("support", user_id="ada", thread_id="t").id
        except ConflictError:
            return None

    with ThreadPoolExecutor(len(stores)) as pool:
        begun = [one for one in pool.map(begin, stores) if one]
    assert begun == [conversations.find(thread_id="t").id]


def test_an_interrupted_conversation_is_resumed_with_what_was_noted_until_its_last_message(open_mem, conversations):
    first = conversations.start("support", phone=PHONE, channel="sms", thread_id="t", version="3")
    first.state["cheese_type"] = "brie"
    first.add_message("user", "Hello")
    first.state["booking_day"] = "Monday"
    again = open_mem().conversations.resume(first.id)
    assert (again.id, again.agent_id, again.version) == (first.id, "support", "3")
    assert (again.channel, again.thread_id, again.caller_identity) == ("sms", "t", first.caller_identity)
    assert dict(again.state) == {"cheese_type": "brie"}
    again.say("Welcome back")
    again.state["booking_day"] = "Friday"
    record = again.end()
    assert [message.content for message in record.messages] == ["Hello", "Welcome back"]
    assert {change.ref: change.after for change in record.changes} == {"cheese_type": "brie", "booking_day": "Friday"}


def test_only_an_open_conversation_is_resumed(conversations):
    conv = conversations.start("support", phone=PHONE)
    conv.end()
    with pytest.raises(InvalidInputError, match="it is over"):
        conversations.resume(conv.id)
    with pytest.raises(NotFoundError):
        conversations.resume("missing")


def test_a_resumed_conversation_may_still_wait_for_its_caller(agents, conversations, open_mem):
    agents.configure("support", identifier_source="state:customer_id")
    conv = conversations.start("support")
    again = open_mem().conversations.resume(conv.id)
    again.state["customer_id"] = "C-7"
    again.say("Welcome")
    assert again.caller_identity
    conv.state["customer_id"] = "C-8"
    conv.say("Still here")
    assert conv.caller_identity == again.caller_identity
    assert [message.content for message in conv.end().messages] == ["Welcome", "Still here"]


def test_a_handoff_and_an_outcome_are_kept_at_once(conversations, open_mem):
    conv = conversations.start("support", phone=PHONE)
    conv.handoff(to="billing", reason="refund")
    conv.set_outcome(qa="resolved")
    record = open_mem().conversations.get(conv.id)
    assert (record.handoff.to, record.handoff.reason, record.qa) == ("billing", "refund", "resolved")
    conv.handoff("sales")
    assert (conv.end().handoff.to, conv.end().handoff.reason) == ("sales", None)
    for bad in ("", 7, "a" * 8_001):
        with pytest.raises(InvalidInputError):
            conv.set_outcome(bad)
        with pytest.raises(InvalidInputError):
            conv.handoff(bad)


def test_conversations_are_listed_the_newest_first_in_pages(mem, conversations, clock):
    mem.agents.configure("booking", memory_enabled=True)
    ids = []
    for number in range(7):
        agent_id, user_id = ("support", "booking")[number % 2], ("ada", "bob")[number % 3 == 0]
        ids.append(conversations.start(agent_id, user_id=user_id).id)
        clock.move(seconds=number // 2)  # some begin at once
    found = conversations.list()
    assert {record.id for record in found} == set(ids)
    assert [record.started_at for record in found] == sorted((record.started_at for record in found), reverse=True)
    pages, after = [], None
    while page := conversations.list(limit=3, after=after):
        pages.append(len(page))
        assert page == found[sum(pages) - len(page) : sum(pages)]
        after = page[-1].id
    assert pages == [3, 3, 1]
    assert [one.id for one in conversations.list(agent_id="booking")] == [
        one.id for one in found if one.agent_id == "booking"
    ]
    assert [one.id for one in conversations.list(user_id="ada")] == [
        one.id for one in found if one.caller_identity == "ada"
    ]
    assert conversations.list(user_id="nobody") == conversations.list(agent_id="nobody") == []
    with pytest.raises(NotFoundError):
        conversations.list(after="missing")
    for bad in (0, 1_001, "1"):
        with pytest.raises(InvalidInputError, match="limit"):
            conversations.list(limit=bad)


def test_a_conversation_is_gone_when_it_outlived_the_retention(agents, conversations, clock):
    old = conversations.start("support", phone=PHONE)
    old.say("Hello")
    old.end()
    clock.move(days=45)
    new = call(conversations)
    clock.move(days=45)
    assert [record.id for record in conversations.list()] == [new.id]
    assert [record.id for record in conversations.list(limit=1)] == [new.id]
    for look in (conversations.get, conversations.end, conversations.resume):
        with pytest.raises(NotFoundError):
            look(old.id)
    agents.configure("support", memory_retention_days=0)
    assert [message.content for message in conversations.get(old.id).messages] == ["Hello"]


def test_a_conversation_of_another_tenant_is_as_one_that_is_missing(mem, conversations):
    conv = conversations.start("support", user_id="ada", thread_id="t")
    acme = mem.tenant("acme").conversations
    for look in (acme.get, acme.resume, acme.end):
        said = set()
        for conversation_id in (conv.id, "0" * len(conv.id)):
            with pytest.raises(NotFoundError) as caught:
                look(conversation_id)
            said.add(str(caught.value))
        assert len(said) == 1
    assert (acme.find(thread_id="t"), acme.list(), acme.list(user_id="ada")) == (None, [], [])
    assert conversations.get(conv.id).status == "open"


async def test_a_conversation_is_an_async_context_too(conversations):
    async with await conversations.astart("support", phone=PHONE) as conv:
        await conv.aadd_message("user", "Hello")
        await conv.asay("Hello Ada")
        conv.state["cheese_type"] = "brie"
        assert await conv.arender_prompt("Be kind. {{memory}}") == "Be kind. "
        await conv.ahandoff("billing")
        await conv.aset_outcome("resolved")
    record = await conversations.aget(conv.id)
    assert (record.status, record.qa, len(record.messages), len(record.changes)) == ("ended", "resolved", 2, 1)
    conv = await conversations.astart("support", phone=PHONE)
    with contextlib.suppress(ZeroDivisionError):
        async with conv:
            _ = 1 / 0
    assert (await conversations.aget(conv.id)).status == "failed"
    assert (await conv.aend()).status == "failed"


@pytest.fixture
def extraction(open_mem, agents):
    """What is noted about reading a transcript when a conversation ends."""

    def ended(*said, defer=True, chat_model=None, **words):
        conv = open_mem(chat_model=chat_model).conversations.start("support", **words)
        for content in said:
            conv.add_message("user", content)
        return conv.end(defer=defer).extraction

    return ended


def test_a_transcript_that_is_left_for_later_waits_whether_or_not_there_is_a_model_here(extraction):
    assert extraction("Hello", user_id="ada", chat_model=ScriptedChatModel(script=[])) == "pending"
    assert extraction("Hello", user_id="ada") == "pending"
    assert extraction("Hello", user_id="ada", defer=False) == "none"


def test_nothing_is_read_where_nothing_was_said_nobody_is_known_or_memory_is_off(extraction, agents):
    assert extraction(user_id="ada") == "none"
    assert extraction("Hello") == "none"
    agents.configure("support", memory_enabled=False)
    assert extraction("Hello", user_id="ada") == "none"


def test_a_conversation_and_its_parts_say_nothing_of_anyone_in_their_repr(conversations):
    conv = conversations.start("support", phone=PHONE, state={"cheese_type": "brie"})
    for thing in (conv, conv.memory, conv.state):
        assert PHONE not in repr(thing)
        assert "brie" not in repr(thing)
        assert conv.caller_identity not in repr(thing)
