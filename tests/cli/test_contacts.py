"""`agentmem contacts`: looking people up, what an agent knows of them, and its end."""

from __future__ import annotations

import dataclasses

import pytest

from agentmem.records import Contact, ContactMemory, EntityRef

HOSTILE = "[bold red]hi[/] :smile: \x1b[31mred\x07 \u202eevil"


@pytest.fixture
def edges(clock):
    return {"clock": clock}


@pytest.fixture
def contacts(mem):
    mem.agents.configure("support", memory_enabled=True)
    mem.agents.configure("sales", memory_enabled=True)
    return mem.contacts


@pytest.fixture
def sarah(contacts):
    """The contact of seed 004, as she is known after her first call."""
    made = contacts.create(id="sarah", phone="+1 415 555 0192", name="Sarah Chen")
    contacts.patch_facts("sarah", {"name": "Sarah Chen", "visits": 2}, agent_id="support")
    contacts.update_summary("sarah", "Customer called about order #8821.", agent_id="support")
    facts = {"carrier": "UPS", "order_number": "#8821"}
    contacts.put_entity(
        "sarah", "order", "order-8821", agent_id="support", facts=facts, status="delayed", notes="Promised a follow-up"
    )
    contacts.add_open_item(
        "sarah",
        "Follow up on order #8821",
        agent_id="support",
        priority="high",
        related_to=EntityRef("order", "order-8821"),
    )
    return made


def safe(shown):
    return all(character.isprintable() or character == "\n" for character in shown)


def test_the_list_shows_who_they_are_and_what_they_are_known_by(run, contacts):
    contacts.create(id="ada", name="Ada", email="Ada@Example.com")
    contacts.create(id="ben", phone="+14155550192", external_id="crm-7")
    shown = run("contacts", "list").out
    for word in ("ada", "Ada", "ada@example.com", "ben", "+14155550192", "crm-7", "2026-01-01 12:00"):
        assert word in shown
    found = run("contacts", "list", "--json").json
    assert set(found[0]) == {field.name for field in dataclasses.fields(Contact)}
    assert [each["id"] for each in found] == ["ada", "ben"]
    assert {each["value"] for each in found[1]["identifiers"]} == {"+14155550192", "crm-7"}


def test_the_list_goes_on_behind_the_last_one(run, contacts):
    for name in ("a", "b", "c"):
        contacts.create(id=name)
    assert [each["id"] for each in run("contacts", "list", "--limit", "2", "--json").json] == ["a", "b"]
    assert [each["id"] for each in run("contacts", "list", "--after", "b", "--json").json] == ["c"]
    assert run("contacts", "list", "--after", "c").out == "No more contacts.\n"
    assert run("contacts", "list", "--tenant", "other").out == "No contacts.\n"


def test_ids_that_can_be_copied_are_never_broken_over_lines(run, contacts):
    made = contacts.create(phone="+14155550192", name="A name that is long enough to be broken over lines")
    assert made.id in run("contacts", "list").out
    for word in ("broken", "over", "lines", "+14155550192"):
        assert word in run("contacts", "list").out


def test_show_tells_what_a_contact_is_known_by(run, sarah):
    shown = run("contacts", "show", "sarah").out
    for word in ("sarah", "Sarah Chen", "phone", "+14155550192", "2026-01-01 12:00 UTC"):
        assert word in shown
    assert "knows" not in shown
    told = run("contacts", "show", "sarah", "--json").json
    assert set(told) == {field.name for field in dataclasses.fields(Contact)} | {"memory"}
    assert told["memory"] is None


def test_show_with_an_agent_tells_all_that_this_agent_knows(run, sarah, mem, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")  # so that no phrase is broken over lines
    with mem.conversations.start("support", user_id="sarah", channel="sms") as conversation:
        conversation.add_message("user", "Where is my order?")
    shown = run("contacts", "show", "sarah", "--agent", "support").out
    for word in (
        "What agent support knows",
        "visits",
        "2026-04-01 12:00",  # 90 days later, the fact is gone
        "Customer called about order #8821.",
        "order order-8821 · delayed",
        "UPS",
        "Promised a follow-up",
        "high",
        "Follow up on order #8821",
        "Where is my order?",
        "sms",
    ):
        assert word in shown
    told = run("contacts", "show", "sarah", "--agent", "support", "--json").json["memory"]
    assert set(told) == {field.name for field in dataclasses.fields(ContactMemory)}
    assert told["facts"] == {"name": "Sarah Chen", "visits": 2}
    assert told["entities"][0]["facts"]["carrier"] == "UPS"


def test_an_agent_that_knows_nothing_is_said_to(run, sarah):
    shown = run("contacts", "show", "sarah", "--agent", "sales").out
    assert "What agent sales knows" in shown
    assert "Nothing yet." in shown
    assert "UPS" not in shown


def test_a_contact_is_found_by_one_thing(run, contacts):
    contacts.create(id="ada", phone="+14155550192", email="ada@example.com", external_id="crm-7")
    for words in (("--phone", "+1 (415) 555-0192"), ("--email", "ADA@example.com"), ("--external-id", "crm-7")):
        assert run("contacts", "find", *words, "--json").json["id"] == "ada"
    assert "ada@example.com" in run("contacts", "find", "--external-id", "crm-7").out


def test_a_contact_is_found_by_what_a_custom_source_held(run, mem):
    mem.agents.configure("support", memory_enabled=True, identifier_source="sip_header:X-Customer-Id")
    with mem.conversations.start("support", attributes={"sip_headers": {"X-Customer-Id": "a=77"}}) as conversation:
        pass
    found = run("contacts", "find", "--custom", "sip_header:X-Customer-Id=a=77", "--json").json
    assert found["id"] == conversation.caller_identity


def test_nobody_found_ends_with_3(run, contacts):
    assert run("contacts", "find", "--phone", "+14155550192").code == 3
    assert run("contacts", "find", "--external-id", "x", "--json").error["type"] == "NotFoundError"


def test_a_link_is_one_more_way_to_be_found(run, sarah):
    linked = run("contacts", "link", "sarah", "--email", "Sarah@Example.com", "--external-id", "crm-7", "--json").json
    assert {each["value"] for each in linked["identifiers"]} == {"+14155550192", "sarah@example.com", "crm-7"}
    assert run("contacts", "find", "--email", "sarah@example.com", "--json").json["id"] == "sarah"
    assert "+442071838750" in run("contacts", "link", "sarah", "--phone", "+44 20 7183 8750").out


def test_what_another_is_known_by_stays_theirs(run, sarah, contacts):
    contacts.create(id="ben", email="ben@example.com")
    ran = run("contacts", "link", "ben", "--phone", "+14155550192")
    assert ran.code == 4
    assert "merge" in ran.err
    assert "sarah" not in ran.err


def test_merge_makes_two_contacts_one(run, sarah, contacts):
    contacts.create(id="s2", email="sarah@example.com")
    contacts.patch_facts("s2", {"city": "Oslo"}, agent_id="support")
    merged = run("contacts", "merge", "s2", "--into", "sarah", "--yes", "--json").json
    assert merged["id"] == "sarah"
    assert {each["value"] for each in merged["identifiers"]} == {"+14155550192", "sarah@example.com"}
    told = run("contacts", "show", "s2", "--agent", "support", "--json").json
    assert (told["id"], told["memory"]["facts"]["city"]) == ("sarah", "Oslo")


def test_reset_erases_what_one_agent_knows_and_nothing_else(run, sarah, contacts):
    contacts.patch_facts("sarah", {"budget": 100}, agent_id="sales")
    assert run("contacts", "reset", "sarah", "--agent", "support", "--yes", "--json").json == {
        "contact_id": "sarah",
        "agent_id": "support",
        "reset": True,
    }
    assert contacts.memory("sarah", agent_id="support").facts == {}
    assert contacts.memory("sarah", agent_id="sales").facts == {"budget": 100}
    said = run("contacts", "reset", "sarah", "--agent", "sales", "--yes").out
    assert said == "Agent sales knows nothing of contact sarah any more.\n"


@pytest.mark.parametrize(
    ("words", "asks"),
    [
        (("reset", "sarah", "--agent", "support"), "Erase all that agent support knows of contact sarah?"),
        (("merge", "sarah", "--into", "ben"), "Merge contact sarah into ben, for good?"),
    ],
)
def test_a_person_is_asked_before_memory_is_lost(words, asks, sarah, contacts, at_terminal):
    contacts.create(id="ben")
    ended, shown = at_terminal("contacts", *words, typed=[("[y/N]", b"n\n")])
    assert asks in shown
    assert ended == 1
    assert contacts.memory("sarah", agent_id="support").summary is not None
    assert contacts.get("sarah").id == "sarah"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("show", "nobody"), 3, "no such contact"),
        (("show", ""), 2, "empty"),
        (("list", "--limit", "0"), 2, "limit"),
        (("list", "--after", "nobody"), 3, "after"),
        (("find",), 2, "--phone"),
        (("find", "--phone", "+14155550192", "--email", "a@b.c"), 2, "one thing"),
        (("find", "--phone", "not a number"), 2, "phone"),
        (("find", "--email", "nobody"), 2, "email"),
        (("find", "--custom", "cookie=1"), 2, "kind"),
        (("find", "--custom", "sip_header:X"), 2, "value"),
        (("link", "sarah"), 2, "nothing to link"),
        (("link", "nobody", "--phone", "+14155550192"), 3, "no such contact"),
        (("link", "sarah", "--phone", "0"), 2, "phone"),
        (("merge", "sarah", "--into", "nobody"), 3, "no such contact"),
        (("merge", "sarah", "--into", "sarah"), 2, "into"),
        (("merge", "sarah"), 2, "--into"),
        (("reset", "sarah"), 2, "--agent"),
        (("reset", "nobody", "--agent", "support"), 3, "no such contact"),
    ],
)
def test_what_cannot_be_is_refused(words, code, says, run, sarah):
    before = run("contacts", "show", "sarah", "--agent", "support").out
    ran = run("contacts", *words)
    assert (ran.code, ran.out) == (code, "")
    assert says in ran.err
    assert run("contacts", "show", "sarah", "--agent", "support").out == before


def test_stored_text_steers_no_terminal_and_is_no_markup(run, contacts):
    contacts.create(id=HOSTILE, name=HOSTILE, external_id=HOSTILE)
    contacts.patch_facts(HOSTILE, {HOSTILE: {HOSTILE: HOSTILE}}, agent_id="support")
    contacts.update_summary(HOSTILE, HOSTILE, agent_id="support")
    contacts.put_entity(
        HOSTILE, HOSTILE, HOSTILE, agent_id="support", facts={HOSTILE: HOSTILE}, status=HOSTILE, notes=HOSTILE
    )
    contacts.add_open_item(HOSTILE, HOSTILE, agent_id="support", related_to=EntityRef(HOSTILE, HOSTILE))
    for words in (
        ("list",),
        ("show", HOSTILE, "--agent", "support"),
        ("reset", HOSTILE, "--agent", "support", "--yes"),
    ):
        as_json = run("contacts", *words, "--json")
        assert safe(as_json.out)
        shown = run("contacts", *words)
        assert shown.code == 0
        assert "[bold red]hi[/]" in shown.out
        assert safe(shown.out)
