"""A conversation that several processes hold: what one of them notes the others see, and whoever ends it keeps it."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import pytest

from agentmem import BackendError, InvalidInputError, NotFoundError
from agentmem.conversations.idle import IdleConversations
from agentmem.testing import ScriptedChatModel
from agentmem.transaction import Writer

from ..conftest import PROGRAMS, environment  # noqa: TID252 - the tests are no installed package

PHONE = "+14155550192"
LIMIT = 16_384


@pytest.fixture
def support(mem):
    mem.agents.configure("support", memory_enabled=True, state_keys=["booking_day", "cheese_type"])
    return mem


@pytest.fixture
def conversations(support):
    return support.conversations


@pytest.fixture
def elsewhere(open_mem, conversations):
    """The conversations of the same store in another process, as far as it knows."""
    return open_mem().conversations


@pytest.fixture
def kept_rows(home, sql):
    """What the rows of all conversations hold of their state, in the order in which they began."""
    return lambda: [
        row for (row,) in sql.execute(home, "SELECT state FROM agentmem_conversation ORDER BY started_at, id")
    ]


@pytest.fixture
def damage(home, sql):
    """Lets the row of a conversation hold a state that a newer agentmem wrote."""
    statement = "UPDATE agentmem_conversation SET state = :odd WHERE id = :id"
    return lambda conversation_id: sql.execute(home, statement, odd='{"format":2,"zebra":1}', id=conversation_id)


def facts(mem, user_id="ada"):
    return dict(mem.contacts.memory(user_id, agent_id="support").facts)


def said(record):
    return [(message.role, message.content) for message in record.messages]


# --- three turns, three processes -------------------------------------------------------------------------------


def test_three_processes_hold_a_turn_each_and_a_fourth_ends_the_call(support, home, sql, kept_rows):
    def hold(*turn):
        command = [sys.executable, str(PROGRAMS / "hold_turn.py"), str(home), json.dumps(sql.options(home)), *turn]
        ran = subprocess.run(command, env=environment(), check=False, capture_output=True, text=True)
        assert ran.returncode == -9, ran.stderr
        return json.loads(ran.stdout)

    begun = hold("first")
    after_two = hold("second", begun["id"])
    before_three = hold("third", begun["id"])

    assert after_two == {"memory": {}, "state": {"step": 2, "booking_day": "Friday", "cheese_type": "brie"}}
    assert before_three == after_two
    record = support.conversations.end(begun["id"], state={"cheese_type": "gouda"})
    assert said(record) == [
        ("user", "Friday, please"), ("user", "And brie"), ("assistant", "Brie it is"), ("user", "Monday is better"),
    ]  # fmt: skip
    assert facts(support, record.caller_identity) == {"booking_day": "Monday", "cheese_type": "gouda"}
    assert kept_rows() == [None]


# --- `add` ------------------------------------------------------------------------------------------------------


def test_add_says_where_the_conversation_stands(support, conversations):
    support.contacts.create(id="ada")
    support.contacts.patch_facts("ada", {"booking_day": "Friday"}, agent_id="support")
    conv = conversations.start("support", user_id="ada", state={"step": 1})
    turn = conversations.add(conv.id, messages=[{"role": "user", "content": "Hi"}], state={"cheese_type": None})
    assert (turn.conversation_id, turn.caller_identity) == (conv.id, "ada")
    assert (turn.memory, turn.state) == ({"booking_day": "Friday"}, {"step": 1, "cheese_type": None})


def test_add_takes_a_state_alone_or_messages_alone(conversations):
    conv = conversations.start("support", user_id="ada")
    assert conversations.add(conv.id, state={"step": 1}).state == {"step": 1}
    assert conversations.add(conv.id, messages=[{"role": "tool", "content": "4"}]).state == {"step": 1}
    assert said(conversations.get(conv.id)) == [("tool", "4")]


@pytest.mark.parametrize("nothing", [{}, {"messages": []}, {"state": {}}, {"state": None}])
def test_add_of_nothing_is_refused(conversations, nothing):
    conv = conversations.start("support", user_id="ada")
    with pytest.raises(InvalidInputError, match=r"^messages: neither"):
        conversations.add(conv.id, **nothing)


@pytest.mark.parametrize(
    ("third", "field"),
    [
        ({"role": "system", "content": "x"}, "messages[2].role"),
        ({"content": "x"}, "messages[2].role"),
        ({"role": "user"}, "messages[2].content"),
        ({"role": "user", "content": " "}, "messages[2].content"),
        ({"role": "user", "content": "x" * 200_001}, "messages[2].content"),
        ({"role": "user", "content": "x", "external_id": 7}, "messages[2].external_id"),
        ({"role": "user", "content": "x", "at": "now"}, "messages[2]"),
        ("x", "messages[2]"),
    ],
)
def test_a_message_that_breaks_a_rule_is_named_by_its_place_and_none_is_added(conversations, tables, third, field):
    conv = conversations.start("support", user_id="ada")
    before = tables()
    sound = {"role": "user", "content": "Hello"}
    with pytest.raises(InvalidInputError) as caught:
        conversations.add(conv.id, messages=[sound, sound, third], state={"step": 1})
    assert caught.value.field == field
    assert tables() == before


@pytest.mark.parametrize(
    "messages", ["x", 5, {"role": "user", "content": "x"}, [{"role": "user", "content": "x"}] * 1_001]
)
def test_messages_are_a_list_of_at_most_a_thousand(conversations, messages):
    conv = conversations.start("support", user_id="ada")
    with pytest.raises(InvalidInputError, match=r"^messages: "):
        conversations.add(conv.id, messages=messages)


@pytest.mark.parametrize(
    ("state", "field"),
    [
        ({"basket": object()}, "state: basket"),
        ({"basket": math.nan}, "state: basket"),
        ({"basket": "x" * LIMIT}, "state: basket"),
        ({"": 1}, "state: a key"),
        ({7: 1}, "state: a key"),
        ({str(number): "x" * (LIMIT - 2) for number in range(16)}, "state"),
    ],
)
def test_an_add_or_end_whose_state_cannot_be_kept_leaves_nothing_half(conversations, tables, state, field):
    conv = conversations.start("support", user_id="ada", state={"step": 1})
    before = tables()
    with pytest.raises(InvalidInputError) as caught:
        conversations.add(conv.id, messages=[{"role": "user", "content": "Hello"}], state=state)
    assert caught.value.field == field
    if field != "state":  # what is dropped at the end anyway has no bound together
        with pytest.raises(InvalidInputError):
            conversations.end(conv.id, state=state)
    assert tables() == before


def test_as_much_as_sixteen_of_the_largest_values_is_kept_and_no_byte_more(conversations):
    conv = conversations.start("support", user_id="ada")
    size = 16 * LIMIT // 17
    state = {f"{number:02}": "x" * size for number in range(17)}
    over = len(json.dumps({"format": 1, "values": state}, separators=(",", ":"))) - 16 * LIMIT
    state["16"] = "x" * (size - over)
    assert conversations.add(conv.id, state=state).state == state
    with pytest.raises(InvalidInputError, match=r"^state: 262,145 bytes as JSON together, and at most 262,144"):
        conversations.add(conv.id, state={"16": state["16"] + "x"})


def test_a_message_with_an_external_id_is_added_once_and_secrets_are_replaced(conversations):
    conv = conversations.start("support", user_id="ada")
    message = {"role": "user", "content": "My card is 4111 1111 1111 1111", "external_id": "m-1"}
    for _ in range(2):
        conversations.add(conv.id, messages=[message, message])
    assert said(conversations.get(conv.id)) == [("user", "My card is [card number]")]


def test_a_conversation_that_is_over_or_anothers_takes_nothing(support, conversations, tables):
    conv = conversations.start("support", user_id="ada")
    with pytest.raises(NotFoundError):
        support.tenant("acme").conversations.add(conv.id, state={"step": 1})
    with pytest.raises(NotFoundError):
        support.tenant("acme").conversations.end(conv.id, state={"booking_day": "Friday"})
    conv.end()
    before = tables()
    with pytest.raises(InvalidInputError, match="it is over"):
        conversations.add(conv.id, state={"booking_day": "Friday"})
    assert conversations.end(conv.id, state={"booking_day": "Friday"}).changes == ()
    assert tables() == before


# --- several holders --------------------------------------------------------------------------------------------


def test_assigning_and_reading_do_no_io_and_the_next_step_keeps_it(conversations, elsewhere, tables):
    conv = conversations.start("support", user_id="ada")
    steps = [
        lambda: conv.add_message("user", "Hello"),
        lambda: conv.say("Hello"),
        lambda: conv.handoff("billing"),
        lambda: conv.set_outcome("resolved"),
        lambda: conversations.add(conv.id, state={"other": 1}) and conv.say("Bye"),
    ]
    for number, step in enumerate(steps):
        before = tables()
        conv.state["step"] = number
        assert conv.state["step"] == number
        assert tables() == before
        step()
        assert elsewhere.resume(conv.id).state["step"] == number


def test_two_holders_keep_what_each_of_them_sets_and_see_the_others_after_a_step(conversations, elsewhere):
    one = conversations.start("support", user_id="ada", state={"step": 0, "gone": 1})
    two = elsewhere.resume(one.id)
    one.state["booking_day"] = "Friday"
    del one.state["gone"]
    two.state["cheese_type"] = "brie"
    one.say("Friday")
    two.say("Brie")
    assert dict(two.state) == {"step": 0, "booking_day": "Friday", "cheese_type": "brie"}
    assert dict(one.state) == {"step": 0, "booking_day": "Friday"}
    one.say("And?")
    assert dict(one.state) == dict(two.state)
    two.state["step"] = 2
    two.say("Two")
    one.state["step"] = 1
    one.say("One")
    assert one.state["step"] == 1
    two.say("Three")
    assert two.state["step"] == 1


def test_what_is_changed_in_place_counts_at_the_next_step(conversations, elsewhere):
    conv = conversations.start("support", user_id="ada", state={"basket": ["soap"]})
    basket = conv.state["basket"]
    basket.append("tea")
    conv.say("Tea, too")
    assert elsewhere.resume(conv.id).state["basket"] == ["soap", "tea"]
    basket.append("rye")  # still the list that is in the state
    conv.say("And rye")
    assert elsewhere.resume(conv.id).state["basket"] == ["soap", "tea", "rye"]
    conv.state["basket"] = True
    conv.say("Yes")
    conv.state["basket"] = 1
    conv.say("One")
    assert elsewhere.resume(conv.id).state["basket"] is not True


def test_a_deleted_key_is_deleted_for_everyone_and_none_is_a_value(support, conversations, elsewhere):
    support.contacts.create(id="ada")
    support.contacts.patch_facts("ada", {"booking_day": "Friday", "cheese_type": "brie"}, agent_id="support")
    conv = conversations.start("support", user_id="ada", state={"booking_day": None, "cheese_type": "gouda"})
    conv.say("Hello")
    other = elsewhere.resume(conv.id)
    del other.state["cheese_type"]
    other.say("Bye")
    assert dict(other.state) == {"booking_day": None}
    conversations.end(conv.id)
    assert facts(support) == {"cheese_type": "brie"}


def test_a_key_deleted_after_the_last_step_is_no_memory(support, conversations):
    with conversations.start("support", user_id="ada", state={"cheese_type": "gouda"}) as conv:
        del conv.state["cheese_type"]
    assert facts(support) == {}


def test_objects_stay_in_their_process_and_are_lost_by_nothing_that_others_do(conversations, elsewhere):
    things = {"basket": object(), "page": "x" * 20_000, 7: "a key that is no text"}
    conv = conversations.start("support", user_id="ada", state=things)
    other = elsewhere.resume(conv.id)
    assert dict(other.state) == {}
    other.state["basket"] = "soap"
    other.say("Soap")
    conv.state["step"] = 1
    conv.say("One")
    conv.say("Two")
    assert dict(conv.state) == {**things, "step": 1}
    assert elsewhere.resume(conv.id).state["basket"] == "soap"
    other.say("Two")
    other.state["step"] = {1, 2}  # an object in the place of what is kept
    other.say("Three")
    assert other.state["step"] == {1, 2}
    assert "step" not in elsewhere.resume(conv.id).state


def test_a_message_with_a_state_that_cannot_be_kept_is_refused_with_it_and_both_can_be_mended(conversations, tables):
    conv = conversations.start("support", user_id="ada")
    cheeses = conv.state["cheese_type"] = ["brie"]
    cheeses.append(math.nan)
    before = tables()
    for step in (partial(conv.add_message, "user", "Hello"), partial(conv.handoff, "billing")):
        with pytest.raises(InvalidInputError, match=r"^state: cheese_type"):
            step()
    assert tables() == before
    cheeses.pop()
    conv.state.update({str(number): "x" * 16_000 for number in range(17)})
    with pytest.raises(InvalidInputError, match=r"^state: .* together"):
        conv.say("Hello")
    assert tables() == before
    assert len(conv.state) == 18
    del conv.state["0"]
    conv.say("Hello")
    assert said(conversations.get(conv.id)) == [("assistant", "Hello")]


# --- of whom nothing is kept ------------------------------------------------------------------------------------


def test_of_an_anonymous_caller_nothing_is_kept(support, conversations, elsewhere, kept_rows):
    conv = conversations.start("support", state={"cheese_type": "brie", "step": 1})
    conv.say("Hello")
    turn = elsewhere.add(conv.id, messages=[{"role": "user", "content": "Hi"}], state={"step": 2})
    assert (turn.caller_identity, turn.memory, turn.state) == ("", {}, {})
    assert dict(elsewhere.resume(conv.id).state) == {}
    assert dict(conv.state) == {"cheese_type": "brie", "step": 1}
    assert kept_rows() == [None]
    conv.end()
    assert (conversations.get(conv.id).messages, support.contacts.list()) == ((), [])


def test_by_an_agent_without_memory_nothing_is_kept_and_a_change_of_that_counts_at_once(
    support, conversations, elsewhere, kept_rows
):
    support.agents.configure("support", memory_enabled=False)
    conv = conversations.start("support", user_id="ada", state={"cheese_type": "brie"})
    conv.say("Hello")
    assert kept_rows() == [None]
    support.agents.configure("support", memory_enabled=True)
    conv.say("Hello again")
    assert elsewhere.resume(conv.id).state["cheese_type"] == "brie"
    support.agents.configure("support", memory_enabled=False)
    assert dict(elsewhere.resume(conv.id).state) == {}
    conv.end()
    assert (facts(support), kept_rows()) == ({}, [None])


def test_whoever_notes_who_is_calling_makes_them_known_and_from_then_on_all_is_kept(support, elsewhere, kept_rows):
    support.agents.configure("support", identifier_source="state:customer_id")
    conv = support.conversations.start("support", state={"step": 1})
    conv.add_message("user", "I am customer seven")
    assert elsewhere.add(conv.id, state={"step": 2}).state == {}
    assert kept_rows() == [None]
    turn = elsewhere.add(conv.id, messages=[{"role": "user", "content": "Seven"}], state={"customer_id": "C-7"})
    assert turn.caller_identity
    assert turn.state == {"customer_id": "C-7"}
    conv.say("Welcome")  # what was said before waits in the process that heard it
    assert conv.caller_identity == turn.caller_identity
    assert sorted(said(elsewhere.get(conv.id))) == sorted([
        ("user", "Seven"), ("user", "I am customer seven"), ("assistant", "Welcome"),
    ])  # fmt: skip
    assert dict(elsewhere.resume(conv.id).state) == {"customer_id": "C-7", "step": 1}


def test_who_is_calling_may_be_noted_with_an_end_elsewhere(support, elsewhere):
    support.agents.configure("support", identifier_source="state:customer_id")
    conv = support.conversations.start("support")
    record = elsewhere.end(conv.id, state={"customer_id": "C-7", "cheese_type": "brie"})
    assert facts(support, record.caller_identity) == {"cheese_type": "brie"}
    other = support.conversations.start("support")
    with pytest.raises(InvalidInputError, match="state"):
        elsewhere.end(other.id, state={"customer_id": ["C-7"]})
    assert elsewhere.get(other.id).status == "open"


# --- the end, whoever ends it -----------------------------------------------------------------------------------


def test_memory_does_not_show_what_is_noted_before_the_next_conversation(conversations, elsewhere):
    conv = conversations.start("support", user_id="ada", state={"cheese_type": "brie"})
    conv.add_message("user", "Brie")
    assert conv.memory.fields() == {}
    assert elsewhere.add(conv.id, messages=[{"role": "user", "content": "And?"}]).memory == {}
    assert elsewhere.resume(conv.id).memory.fields() == {}
    elsewhere.end(conv.id)
    assert conversations.start("support", user_id="ada").memory.fields() == {"cheese_type": "brie"}


def test_a_sweep_makes_memory_of_the_state_and_drops_the_rest(support, conversations, clock, tables, kept_rows):
    conv = conversations.start("support", user_id="ada", state={"cheese_type": "brie", "mood": "zebra"})
    conv.say("Hello")
    conv.state["booking_day"] = "noted after the last message"
    clock.move(hours=1)
    assert support.sweep().ended == 1
    record = conversations.get(conv.id)
    (change,) = record.changes
    assert (record.status, change.ref, change.after, change.actor) == ("ended", "cheese_type", "brie", "assistant")
    assert (facts(support), kept_rows()) == ({"cheese_type": "brie"}, [None])
    assert "zebra" not in repr(tables())


def test_what_a_sweep_makes_memory_of_lives_as_long_as_if_it_had_been_ended_when_last_heard_of(support, clock):
    support.agents.configure("support", state_keys={"booking_day": 3, "cheese_type": None}, memory_retention_days=10)
    state = {"booking_day": "Friday", "cheese_type": "brie"}
    support.conversations.start("support", user_id="ada", state=state)
    begun = clock.now
    clock.move(days=2)
    assert support.sweep().ended == 1
    known = {fact.key: fact for fact in support.contacts.memory("ada", agent_id="support").fact_records}
    assert known["booking_day"].expires_at <= begun + timedelta(days=3)
    clock.now = begun + timedelta(days=3)
    assert facts(support) == {"cheese_type": "brie"}
    clock.now = begun + timedelta(days=10)
    assert facts(support) == {}


def test_nothing_comes_back_that_would_be_over_by_the_time_of_the_sweep(support, clock, kept_rows):
    support.agents.configure("support", state_keys={"booking_day": 3, "cheese_type": None}, memory_retention_days=0)
    state = {"booking_day": "Friday", "cheese_type": "brie"}
    support.conversations.start("support", user_id="ada", state=state)
    clock.move(days=4)
    assert support.sweep().ended == 1
    assert facts(support) == {"cheese_type": "brie"}
    support.conversations.start("support", user_id="bob", state=state)
    clock.move(days=91)
    assert support.sweep().ended == 1
    assert (facts(support, "bob"), support.changes("bob"), kept_rows()) == ({}, [], [None, None])


def test_a_sweep_does_not_undo_what_was_written_since_the_conversation_was_last_heard_of(support, clock):
    state = {"booking_day": None, "cheese_type": "brie"}
    support.contacts.create(id="ada")
    support.contacts.patch_facts("ada", {"booking_day": "Friday"}, agent_id="support")
    clock.move(hours=1)
    support.conversations.start("support", user_id="ada", state=state)
    clock.move(hours=1)
    with support.conversations.start("support", user_id="ada") as later:
        later.state.update(booking_day="Monday", cheese_type="gouda")
    assert support.sweep().ended == 1
    assert facts(support) == {"booking_day": "Monday", "cheese_type": "gouda"}


def test_a_conversation_that_goes_on_is_not_swept_and_keeps_what_it_notes(support, conversations, clock):
    conv = conversations.start("support", user_id="ada", state={"cheese_type": "brie"})
    clock.move(minutes=59)
    conversations.add(conv.id, state={"step": 2})
    clock.move(minutes=59)
    assert support.sweep().ended == 0
    assert dict(conversations.resume(conv.id).state) == {"cheese_type": "brie", "step": 2}


def test_an_exception_leaves_nothing_of_the_state_in_memory_or_in_the_row(support, conversations, kept_rows, tables):
    def talk():
        with conversations.start("support", user_id="ada", state={"cheese_type": "zebra"}) as conv:
            conv.add_message("user", "Divide")
            _ = 1 / 0

    with pytest.raises(ZeroDivisionError):
        talk()
    assert (facts(support), kept_rows()) == ({}, [None])
    assert "zebra" not in repr(tables())


def test_a_conversation_of_a_thread_that_outlived_its_retention_gives_way_and_leaves_nothing(
    support, conversations, clock, kept_rows
):
    conversations.start("support", user_id="ada", thread_id="t", state={"cheese_type": "brie"})
    clock.move(days=90)
    conversations.start("support", user_id="bob", thread_id="t")
    assert (facts(support), kept_rows()) == ({}, [None, None])


def test_the_settings_of_the_end_say_what_is_kept(support, conversations):
    conv = conversations.start("support", user_id="ada", state={"cheese_type": "brie", "mood": "tired"})
    conv.say("Hello")
    support.agents.configure("support", state_keys=["mood", "late"])
    conv.state["late"] = "Friday"
    conv.end()
    assert facts(support) == {"mood": "tired", "late": "Friday"}


def test_one_that_cannot_be_ended_is_told_of_stays_open_and_stands_in_nobodys_way(
    support, conversations, clock, damage, caplog
):
    ids = [conversations.start("support", user_id=one, state={"cheese_type": one}).id for one in ("ada", "bob", "eve")]
    damage(ids[1])
    with pytest.raises(BackendError, match=r"^conversation\.state: "):
        conversations.resume(ids[1])
    clock.move(hours=1)
    report = support.sweep()
    assert (report.ended, len(report.pending)) == (2, 1)
    assert "conversation.state" in report.pending[0]
    assert "conversation.state" in caplog.text
    assert "zebra" not in caplog.text + repr(report)
    assert [conversations.get(one).status for one in ids] == ["ended", "open", "ended"]
    assert [facts(support, one) for one in ("ada", "bob", "eve")] == [
        {"cheese_type": "ada"},
        {},
        {"cheese_type": "eve"},
    ]
    clock.move(days=90)  # past its retention there is nothing in it to be read
    assert support.sweep().pending == ()
    assert conversations.list() == []


# --- people -----------------------------------------------------------------------------------------------------


def test_the_state_goes_with_the_conversation_when_its_caller_turns_out_to_be_another(support, conversations, clock):
    support.contacts.create(id="ada", email="ada@example.com")
    conv = conversations.start("support", phone=PHONE, state={"cheese_type": "brie"})
    swept = conversations.start("support", phone=PHONE, state={"booking_day": "Friday"})
    support.contacts.merge(conv.caller_identity, into="ada")
    assert conversations.add(conv.id, state={"step": 2}).caller_identity == "ada"
    conv.say("Hello")
    assert dict(conv.state) == {"cheese_type": "brie", "step": 2}
    conv.end()
    clock.move(hours=1)
    assert support.sweep().ended == 1
    assert conversations.get(swept.id).caller_identity == "ada"
    assert facts(support) == {"cheese_type": "brie", "booking_day": "Friday"}


def test_a_reset_empties_the_state_of_what_is_open_and_its_holders_see_that(support, conversations, tables):
    conv = conversations.start("support", user_id="ada", state={"cheese_type": "zebra"})
    support.contacts.reset("ada", agent_id="support")
    assert "zebra" not in repr(tables())
    conv.say("Hello")
    assert dict(conv.state) == {}
    conv.end()
    assert facts(support) == {}


def test_forgetting_someone_leaves_no_byte_of_what_was_noted(support, conversations, home, tables):
    conv = conversations.start("support", user_id="ada", state={"cheese_type": "zebrabrie", "note": ["zebranote"]})
    conv.say("Hello")
    support.forget("ada", wait=True)
    assert "zebra" not in repr(tables())
    support.close()
    left = [path.name for path in home.rglob("*") if path.is_file() and b"zebra" in path.read_bytes()]
    assert left == []


def test_who_holds_the_conversation_of_someone_who_was_forgotten_brings_nothing_back(support, conversations, tables):
    conv = conversations.start("support", user_id="ada", state={"cheese_type": "zebra"})
    support.forget("ada")
    for step in (
        partial(conv.say, "Hello"),
        partial(conversations.add, conv.id, state={"cheese_type": "zebra"}),
        conv.end,
    ):
        with pytest.raises(NotFoundError):
            step()
    assert "zebra" not in repr(tables())


def test_the_transcript_of_a_swept_conversation_is_read_beside_its_state(open_mem, support, conversations, clock):
    conv = conversations.start("support", user_id="ada", state={"cheese_type": "brie"})
    conv.add_message("user", "I live in Oslo")
    clock.move(hours=1)
    assert support.sweep().ended == 1
    learned = {"facts": [{"fact": "Caller lives in Oslo.", "confidence": 0.9, "evidence": [1]}]}
    assert open_mem(chat_model=ScriptedChatModel(script=[learned])).conversations.work() == 1
    assert [change.kind for change in conversations.get(conv.id).changes] == ["fact", "line"]


def test_a_store_of_the_schema_before_opens_and_its_open_conversations_go_on(
    support, conversations, open_mem, home, sql
):
    conv = conversations.start("support", user_id="ada", thread_id="t")
    conv.add_message("user", "Hello")
    support.close()
    sql.execute(home, "ALTER TABLE agentmem_conversation DROP COLUMN state")
    sql.execute(home, "UPDATE agentmem_alembic_version SET version_num = '0004'")
    again = open_mem().conversations.resume(conv.id)
    assert dict(again.state) == {}
    again.state["cheese_type"] = "brie"
    again.say("Welcome back")
    upgraded = open_mem()
    assert upgraded.conversations.find(thread_id="t").id == conv.id
    assert said(upgraded.conversations.end(conv.id)) == [("user", "Hello"), ("assistant", "Welcome back")]
    assert facts(upgraded) == {"cheese_type": "brie"}


# --- at once ----------------------------------------------------------------------------------------------------


def idle(mem, **options):
    container = mem._container  # noqa: SLF001 - nothing public ends few at a time
    return IdleConversations(container.transactions, container.conversations, idle_minutes=60, **options)


def test_idle_conversations_are_ended_page_by_page(support, conversations, clock):
    for number in range(11):
        clock.move(seconds=number // 4)  # some begin at once
        state = {"cheese_type": number} if number % 3 else {}
        conversations.start("support", user_id=f"user-{number}", state=state)
    clock.move(hours=1)
    assert idle(support, at_once=2).end(clock.now).ended == 11
    assert [facts(support, f"user-{number}") for number in (2, 10)] == [{"cheese_type": 2}, {"cheese_type": 10}]


def test_many_holders_at_once_lose_no_key(conversations, open_mem):
    conv = conversations.start("support", user_id="ada")

    def hold(number):
        holder = open_mem().conversations.resume(conv.id)
        for step in range(4):
            holder.state[f"{number}-{step}"] = step
            holder.say(f"{number}-{step}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(hold, range(4)))
    assert dict(conversations.resume(conv.id).state) == {f"{n}-{step}": step for n in range(4) for step in range(4)}


@pytest.mark.postgresql("SQLite has one writer at a time")
def test_a_sweep_goes_around_who_is_written_of_and_ends_theirs_the_next_time(support, conversations, clock):
    for user_id in ("ada", "bob"):
        conversations.start("support", user_id=user_id, state={"cheese_type": user_id})
    clock.move(hours=1)
    locked, may_go = threading.Event(), threading.Event()

    def body(tx):
        tx.lock(support.tenant_id, "ada")
        locked.set()
        may_go.wait(60)

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(support._container.transactions.write, body, writer=Writer("test"))  # noqa: SLF001 - nothing public stops there
        assert locked.wait(60)
        try:
            assert (support.sweep().ended, facts(support), facts(support, "bob")) == (1, {}, {"cheese_type": "bob"})
        finally:
            may_go.set()
        writing.result()
    assert support.sweep().ended == 1
    assert facts(support) == {"cheese_type": "ada"}


def test_ends_sweeps_merges_and_holders_at_once_all_end_and_keep_each_state_once(
    support, conversations, open_mem, clock
):
    people = [f"user-{number}" for number in range(6)]
    ids = [conversations.start("support", user_id=one, state={"cheese_type": one}).id for one in people]
    clock.move(hours=1)
    stores = [open_mem() for _ in range(4)]
    calls = [
        stores[0].sweep,
        stores[1].sweep,
        lambda: [stores[2].conversations.end(one) for one in ids],
        lambda: [stores[3].contacts.merge(one, into=people[0]) for one in people[1:]],
    ]
    with ThreadPoolExecutor(len(calls)) as pool:
        for done in [pool.submit(call) for call in calls]:
            done.result()
    support.sweep()
    assert {conversations.get(one).status for one in ids} == {"ended"}
    told = [change.after for change in support.changes(people[0]) if change.kind == "fact"]
    assert sorted(told) == people
