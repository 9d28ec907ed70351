"""`agentmem conversations`: what the agent had going in, and what it changed."""

from __future__ import annotations

import dataclasses

import pytest

from agentmem.records import ConversationRecord
from agentmem.testing import ScriptedChatModel

HOSTILE = "[bold red]hi[/] :smile: \x1b[31mred\x07 \u202eevil"

ORDER = {"entity_type": "order", "entity_id": "order-8821", "evidence": [1]}
FIRST_CALL = {
    "facts": [{"fact": "Caller waits for order #8821.", "confidence": 0.9, "evidence": [1]}],
    "contact_facts": [{"key": "name", "value": "Sarah Chen", "evidence": [1]}],
    "summary": "Customer called about order #8821 which was delayed.",
    "entities": [{**ORDER, "facts": [{"key": "carrier", "value": "UPS"}], "status": "delayed"}],
    "open_items": [{"description": "Follow up on order #8821", "priority": "high", "evidence": [1]}],
}
FOLLOW_UP = {
    "facts": [{"fact": "Caller prefers SMS over calls.", "confidence": 0.9, "evidence": [1]}],
    "contact_facts": [{"key": "preferred_contact", "value": "sms", "evidence": [1]}],
    "summary": "Order #8821 shipped and is now in transit.",
    "entities": [{**ORDER, "facts": [], "status": "in_transit"}],
    "resolved_items": [1],
}


@pytest.fixture
def edges(clock):
    return {"clock": clock}


@pytest.fixture
def mem(open_mem):
    opened = open_mem()
    opened.agents.configure("support", memory_enabled=True, state_keys=["day", "tea", HOSTILE])
    return opened


def talk(mem, *said, user="ada", state=(), **options):
    """One conversation from its start to its end."""
    with mem.conversations.start("support", user_id=user, **options) as conversation:
        for words in said:
            conversation.add_message("user", words)
        conversation.state.update(state)
    return conversation.id


def section(shown, name):
    """The lines below one heading."""
    _, _, rest = shown.partition(f"\n{name}\n")
    return rest.split("\n\n", maxsplit=1)[0] if name != "Memory context" else rest.partition("\nChanges made\n")[0]


def test_the_list_shows_the_newest_first_with_agent_channel_status_and_caller(run, mem, clock):
    first = talk(mem, "hello", channel="voice")
    clock.move(hours=1)
    second = talk(mem, user="ben", channel="sms")
    shown = run("conversations", "list", "--user", "ada").out
    for word in (first, "ada", "2026-01-01 12:00", "ended", "support", "voice"):
        assert word in shown
    assert second not in shown
    found = run("conversations", "list", "--user", "ben", "--json").json
    assert set(found[0]) == {field.name for field in dataclasses.fields(ConversationRecord)}
    assert [each["id"] for each in found] == [second]


def test_everyones_conversations_are_listed_unless_someone_is_named(run, mem, monkeypatch):
    ids = {talk(mem, user="ada"), talk(mem, user="ben"), talk(mem, user="default")}

    def listed(*words):
        return {each["id"] for each in run("conversations", "list", "--json", *words).json}

    assert len(listed()) == 1  # AGENTMEM_USER is ada
    monkeypatch.delenv("AGENTMEM_USER")
    assert listed() == ids
    assert len(listed("--user", "default")) == 1
    assert listed("--agent", "support") == ids
    assert listed("--agent", "sales") == set()
    assert run("conversations", "list", "--user", "nobody").out == "No conversations.\n"


def test_the_list_goes_on_behind_the_last_one(run, mem, clock):
    ids = []
    for _ in range(3):
        ids.insert(0, talk(mem))
        clock.move(minutes=1)
    assert [each["id"] for each in run("conversations", "list", "--limit", "2", "--json").json] == ids[:2]
    assert [each["id"] for each in run("conversations", "list", "--after", ids[1], "--json").json] == ids[2:]
    assert run("conversations", "list", "--after", ids[2]).out == "No more conversations.\n"


def test_an_anonymous_conversation_is_called_so(run, mem, monkeypatch):
    monkeypatch.delenv("AGENTMEM_USER")
    with mem.conversations.start("support") as conversation:
        pass
    assert "anonymous" in run("conversations", "list").out
    assert "anonymous" in run("conversations", "show", conversation.id).out


def test_show_tells_what_the_agent_had_going_in(run, mem):
    first = talk(mem, "I drink tea", state={"tea": "Assam"})
    mem.contacts.update_summary("ada", "Likes tea.", agent_id="support")
    shown = section(run("conversations", "show", talk(mem, "Again")).out, "Memory context")
    for word in ("Facts", "Assam", "Summary", "Likes tea.", "Recent messages", "I drink tea"):
        assert word in shown
    assert "Again" not in shown
    assert section(run("conversations", "show", first).out, "Memory context").strip() == "Nothing."


def test_show_tells_what_was_added_changed_and_removed_with_before_and_after(run, mem):
    talk(mem, state={"tea": "Assam", "day": "Monday"})
    shown = section(run("conversations", "show", talk(mem, state={"tea": "Oolong", "day": None})).out, "Changes made")
    rows = [line.split() for line in shown.splitlines()]
    assert ["fact", "tea", "changed", "Assam", "Oolong"] in rows
    assert ["fact", "day", "removed", "Monday"] in rows
    nothing = section(run("conversations", "show", talk(mem)).out, "Changes made")
    assert nothing.strip() == "None."


def test_show_tells_what_is_known_of_the_conversation_itself(run, mem, clock):
    given = {"user_id": "ada", "channel": "chat", "thread_id": "t-9", "version": "3"}
    with mem.conversations.start("support", **given) as conversation:
        conversation.set_outcome(qa="resolved")
        conversation.handoff(to="billing", reason="a refund")
        clock.move(minutes=5)
    shown = run("conversations", "show", conversation.id).out
    for word in (
        conversation.id,
        "support, version 3",
        "ada",
        "chat",
        "t-9",
        "ended, 2026-01-01 12:00 to 2026-01-01 12:05 UTC",
        "resolved",
        "billing: a refund",
    ):
        assert word in shown


def test_seed_004_the_memory_tab_of_the_follow_up_shows_what_was_known_and_what_changed(run, open_mem, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")  # so that no phrase is broken over lines
    mem = open_mem(chat_model=ScriptedChatModel(script=[FIRST_CALL, FOLLOW_UP]))
    mem.agents.configure("support", memory_enabled=True)
    ids = []
    for channel, words in (
        ("voice", "I am Sarah Chen, where is my order #8821? UPS has it, it is delayed."),
        ("sms", "Has order #8821 shipped? It is in transit by now, I think. I prefer SMS over calls."),
    ):
        with mem.conversations.start("support", phone="+14155550192", channel=channel) as conversation:
            conversation.add_message("user", words)
        ids.append(conversation.id)
    shown = run("conversations", "show", ids[1]).out

    context = section(shown, "Memory context")
    for word in ("Sarah Chen", "which was delayed.", "order order-8821 · delayed", "UPS", "high", "where is my order"):
        assert word in context
    assert "in_transit" not in context

    changed = [line.split() for line in section(shown, "Changes made").splitlines()]
    assert ["fact", "preferred_contact", "added", "sms"] in changed
    assert any({"summary", "changed", "delayed.", "transit."} <= set(line) for line in changed)
    assert any({"entity", "changed", "delayed", "in_transit"} <= set(line) for line in changed)
    assert any({"open", "item", "removed"} <= set(line) for line in changed)
    assert section(shown, "Memories written this call").strip() == "- Caller prefers SMS over calls."
    assert "read" in shown.partition("\nMemory context\n")[0]


def test_a_memory_that_was_forgotten_since_is_no_longer_told(run, open_mem):
    mem = open_mem(chat_model=ScriptedChatModel(script=[{"facts": FIRST_CALL["facts"]}]))
    mem.agents.configure("support", memory_enabled=True)
    told = talk(mem, "I wait for order #8821")
    assert "Caller waits" in run("conversations", "show", told).out
    mem.client("ada").memory.delete("archival", agent_id="support")
    shown = run("conversations", "show", told).out
    assert section(shown, "Memories written this call").strip() == "- added; no longer there"


def test_messages_are_shown_when_asked_for(run, mem):
    told = talk(mem, "I drink tea " * 40)
    assert "Messages" not in run("conversations", "show", told).out
    shown = run("conversations", "show", told, "--messages").out
    assert shown.count("tea") == 40


def test_long_texts_are_cut_for_a_person_and_whole_for_a_script(run, mem):
    told = talk(mem, state={"tea": "x" * 5_000})
    assert 100 < run("conversations", "show", told).out.count("x") < 300
    assert run("conversations", "show", told, "--json").json["changes"][0]["after"] == "x" * 5_000


def test_show_in_json_is_the_whole_record(run, mem):
    told = run("conversations", "show", talk(mem, "hello", state={"tea": "Assam"}), "--json").json
    assert set(told) == {field.name for field in dataclasses.fields(ConversationRecord)}
    assert told["changes"][0]["after"] == "Assam"
    assert told["messages"][0]["content"] == "hello"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("show", "nothing"), 3, "conversation"),
        (("show", ""), 2, "empty"),
        (("show",), 2, "CONVERSATION"),
        (("list", "--limit", "0"), 2, "limit"),
        (("list", "--after", "nothing"), 3, "agentmem conversations list"),
        (("list", "--user", ""), 2, "user_id"),
    ],
)
def test_what_cannot_be_is_refused(words, code, says, run, mem):
    talk(mem)
    ran = run("conversations", *words)
    assert (ran.code, ran.out) == (code, "")
    assert says in ran.err


def test_another_tenants_conversation_is_not_there(run, mem):
    assert run("conversations", "show", talk(mem), "--tenant", "other").code == 3


def test_stored_text_steers_no_terminal_and_is_no_markup(run, mem):
    told = talk(mem, HOSTILE, user=HOSTILE, channel="chat", thread_id=HOSTILE, state={HOSTILE: {HOSTILE: HOSTILE}})
    for words in (("show", told, "--messages"), ("list", "--user", HOSTILE)):
        shown = run("conversations", *words).out
        assert "[bold red]hi[/]" in shown
        assert all(character.isprintable() or character == "\n" for character in shown)
        as_json = run("conversations", *words, "--json")
        assert all(character.isprintable() or character == "\n" for character in as_json.out)
