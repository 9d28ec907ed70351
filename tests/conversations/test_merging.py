"""Two contacts become one, with all that is kept of them, or nothing of it happens."""

from __future__ import annotations

import pytest

from agentmem import BackendError, InvalidInputError, NotFoundError
from agentmem.archival.lines.store import ArchivalStore


@pytest.fixture
def two(mem):
    """Ada, and someone who called and is her."""
    mem.agents.configure("support", memory_enabled=True, state_keys=["cheese_type", "booking_day"])
    mem.contacts.create(id="ada", email="ada@example.com")
    mem.client("ada").memory.append("core", "- Likes tea")
    mem.client("ada").memory.remember("Ada lives in Oslo", agent_id="support")
    mem.contacts.patch_facts("ada", {"booking_day": "Friday"}, agent_id="support")
    mem.contacts.create(id="caller", phone="+14155550192", name="Ada")
    mem.client("caller").memory.append("core", "- Likes rye")
    mem.client("caller").memory.append("notes", "- Short", agent_id="support")
    mem.client("caller").memory.remember("Caller has a dog", agent_id="support")
    mem.client("caller").memory.remember("Caller has a cat")
    with mem.conversations.start("support", phone="+14155550192") as conv:
        conv.add_message("user", "Hello")
        conv.state["cheese_type"] = "brie"
    return mem, conv.id


def test_all_that_is_kept_of_one_becomes_the_others(two):
    mem, conversation_id = two
    merged = mem.contacts.merge("caller", into="ada")
    assert (merged.id, merged.name, merged.phone, merged.email) == (
        "ada", "Ada", "+14155550192", "ada@example.com",
    )  # fmt: skip
    assert [contact.id for contact in mem.contacts.list()] == ["ada"]
    memory = mem.client("ada").memory
    assert memory.get("core").content == "- Likes tea\n- Likes rye"
    assert memory.get("notes", agent_id="support").content == "- Short"
    assert memory.get("archival", agent_id="support").content.splitlines() == ["Ada lives in Oslo", "Caller has a dog"]
    assert memory.get("archival").content == "Caller has a cat"
    assert [match.content for match in memory.recall("dog", agent_id="support", limit=1)] == ["Caller has a dog"]
    known = mem.contacts.memory("ada", agent_id="support")
    assert known.facts == {"booking_day": "Friday", "cheese_type": "brie"}
    assert [message.content for message in known.recent_messages] == ["Hello"]
    assert mem.conversations.get(conversation_id).caller_identity == "ada"
    assert [one.id for one in mem.conversations.list(user_id="ada")] == [conversation_id]


def test_a_merge_is_in_the_feed_with_what_was_there_before_it(two):
    mem, conversation_id = two
    mem.contacts.merge("caller", into="ada")
    feed = mem.changes("ada")
    (merged,) = [change for change in feed if change.kind == "contact"]
    assert (merged.action, merged.ref, merged.after, merged.actor) == ("merged", "caller", "ada", "operator")
    assert conversation_id in {change.conversation_id for change in feed}
    assert {change.user_id for change in feed} == {"ada"}


def test_the_losers_id_leads_to_the_winner(two):
    mem, conversation_id = two
    mem.contacts.merge("caller", into="ada")
    assert mem.contacts.get("caller").id == "ada"
    assert mem.contacts.memory("caller", agent_id="support").contact_id == "ada"
    assert mem.client("caller").memory.get("core").content == "- Likes tea\n- Likes rye"
    assert [one.id for one in mem.conversations.list(user_id="caller")] == [conversation_id]
    with mem.conversations.start("support", user_id="caller") as conv:
        assert conv.caller_identity == "ada"


def test_merging_again_changes_nothing(two, tables):
    mem, _ = two
    mem.contacts.merge("caller", into="ada")
    before = tables()
    assert mem.contacts.merge("caller", into="ada").id == "ada"
    assert mem.contacts.merge("ada", into="caller").id == "ada"
    assert tables() == before


def test_a_merge_of_a_merge_leads_on(two):
    mem, _ = two
    mem.contacts.create(id="third")
    mem.contacts.merge("caller", into="ada")
    mem.contacts.merge("ada", into="third")
    assert {mem.contacts.get(one).id for one in ("caller", "ada", "third")} == {"third"}
    assert mem.contacts.memory("caller", agent_id="support").facts == {"booking_day": "Friday", "cheese_type": "brie"}
    assert mem.client("third").memory.get("core").content == "- Likes tea\n- Likes rye"


def test_who_is_not_there_is_not_merged(two, tables):
    mem, _ = two
    before = tables()
    for loser, winner in [("caller", "nobody"), ("nobody", "ada")]:
        with pytest.raises(NotFoundError):
            mem.contacts.merge(loser, into=winner)
        with pytest.raises(NotFoundError):
            mem.tenant("acme").contacts.merge("caller", into="ada")
    with pytest.raises(InvalidInputError, match="into"):
        mem.contacts.merge("ada", into="ada")
    assert tables() == before


def test_a_merge_that_fails_at_its_last_step_leaves_everything_as_it_was(two, tables, monkeypatch):
    mem, _ = two
    mem.contacts.create(phone="+14155550100")  # with an id of ours: this may be anyone
    before = tables()

    def fail(*_, **__):
        raise BackendError("database: gone")

    monkeypatch.setattr(ArchivalStore, "move", fail)
    with pytest.raises(BackendError):
        mem.contacts.merge("caller", into="ada")
    with pytest.raises(BackendError):
        mem.conversations.start("support", user_id="new", phone="+14155550100")
    assert tables() == before


def test_a_conversation_that_is_open_goes_on_with_the_winner(two):
    mem, _ = two
    conv = mem.conversations.start("support", phone="+14155550192")
    conv.say("Hello")
    mem.contacts.merge("caller", into="ada")
    conv.add_message("user", "It is me, Ada")
    assert (conv.caller_identity, conv.memory["booking_day"]) == ("ada", "Friday")
    conv.state["booking_day"] = "Monday"
    record = conv.end()
    assert (record.caller_identity, len(record.messages)) == ("ada", 2)
    assert mem.contacts.memory("ada", agent_id="support").facts["booking_day"] == "Monday"
