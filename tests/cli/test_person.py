"""`changes` and `forget` on the command line."""

from __future__ import annotations

import dataclasses

import pytest

from agentmem.records import MemoryChange

HOSTILE = "[bold red]hi[/] :smile: \x1b[31mred\x07 \u202eevil"


@pytest.fixture
def edges(clock):
    return {"clock": clock}


@pytest.fixture
def contacts(mem):
    mem.agents.configure("support", memory_enabled=True)
    mem.agents.configure("sales", memory_enabled=True)
    mem.contacts.create(id="ada", email="ada@example.com")
    return mem.contacts


def test_changes_tells_what_was_written_when_by_whom_and_how_it_was_before(run, contacts):
    contacts.patch_facts("ada", {"tea": "Assam"}, agent_id="support")
    contacts.patch_facts("ada", {"tea": "Oolong"}, agent_id="support")
    shown = run("changes", "ada").out
    for word in ("fact tea", "added", "changed", "Assam", "Oolong", "agent support", "operator", "2026-01-01 12:00"):
        assert word in shown
    found = run("changes", "ada", "--json").json
    assert set(found[0]) == {field.name for field in dataclasses.fields(MemoryChange)}
    told = [(each["action"], each["before"], each["after"]) for each in found if each["kind"] == "fact"]
    assert told == [("added", None, "Assam"), ("changed", "Assam", "Oolong")]


def test_of_an_entity_only_what_differs_is_shown(run, contacts, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")  # so that no phrase is broken over lines
    facts = {"carrier": "UPS", "size": "large"}
    contacts.put_entity("ada", "order", "8821", agent_id="support", facts=facts, status="delayed")
    contacts.put_entity("ada", "order", "8821", agent_id="support", facts={"carrier": "DHL"}, status="delayed")
    second = run("changes", "ada", "--json").json[-1]["id"]
    shown = run("changes", "ada", "--since", second - 1).out
    assert "facts.carrier: UPS" in shown
    assert "facts.carrier: DHL" in shown
    assert "large" not in shown
    assert "delayed" not in shown


def test_without_a_person_it_is_the_one_of_the_options(run, contacts):
    contacts.patch_facts("ada", {"tea": "Assam"}, agent_id="support")
    assert run("changes", "--user", "ada", "--json").json == run("changes", "ada", "--json").json
    assert run("changes", "eve", "--user", "ada").out == "No changes for user eve.\n"


def test_since_is_a_change_or_a_time(run, contacts, clock):
    contacts.patch_facts("ada", {"tea": "Assam"}, agent_id="support")
    clock.move(hours=2)
    contacts.patch_facts("ada", {"day": "Monday"}, agent_id="support")

    def keys(*words):
        return [each["ref"] for each in run("changes", "ada", "--json", *words).json if each["kind"] == "fact"]

    first = next(each["id"] for each in run("changes", "ada", "--json").json if each["ref"] == "tea")
    assert keys() == ["tea", "day"]
    assert keys("--since", first) == ["day"]
    assert keys("--since", "2026-01-01T14:30:00+00:00") == ["day"]
    assert keys("--since", "2026-01-01T15:00:00Z") == []


def test_with_an_agent_only_what_it_knows_is_shown(run, contacts):
    contacts.patch_facts("ada", {"tea": "Assam"}, agent_id="support")
    contacts.patch_facts("ada", {"budget": 100}, agent_id="sales")
    told = run("changes", "ada", "--agent", "sales", "--json").json
    assert {each["ref"] for each in told if each["kind"] == "fact"} == {"budget"}


def test_no_more_than_the_limit_is_shown_of_one_agent_as_of_all(run, contacts):
    for number in range(3):
        contacts.patch_facts("ada", {f"a{number}": 1}, agent_id="support")
    for number in range(3):
        contacts.patch_facts("ada", {f"b{number}": 1}, agent_id="sales")

    def keys(*words):
        return [each["ref"] for each in run("changes", "ada", "--limit", "2", "--json", *words).json]

    assert keys() == ["a0", "a1"]
    assert keys("--agent", "sales") == ["b0", "b1"]
    assert keys("--agent", "other") == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("changes", ""), "user_id"),
        (("changes", "ada", "--since", "yesterday"), "since"),
        (("changes", "ada", "--since", "2026-01-01"), "time zone"),
        (("changes", "ada", "--since", "9" * 5_000), "since"),
        (("changes", "ada", "--limit", "0"), "limit"),
        (("forget",), "USER"),
        (("forget", ""), "user_id"),
    ],
)
def test_what_cannot_be_is_refused(words, says, run, contacts):
    ran = run(*words)
    assert (ran.code, ran.out) == (2, "")
    assert says in ran.err


def test_a_number_of_no_change_yet_is_before_nothing(run, contacts):
    contacts.patch_facts("ada", {"tea": "Assam"}, agent_id="support")
    assert run("changes", "ada", "--since", "9" * 18, "--json").json == []


def test_stored_text_steers_no_terminal_and_is_no_markup(run, contacts):
    contacts.patch_facts("ada", {HOSTILE: {HOSTILE: HOSTILE}}, agent_id="support")
    shown = run("changes", "ada").out
    assert "[bold red]hi[/]" in shown
    assert all(character.isprintable() or character == "\n" for character in shown)


def test_forget_erases_a_person_and_prints_the_receipt(run, mem, contacts, memory):
    contacts.patch_facts("ada", {"tea": "Assam"}, agent_id="support")
    memory.append("core", "- Likes tea")
    memory.remember("Likes tea")
    ran = run("forget", "ada", "--wait", "--yes")
    assert ran.code == 0
    assert ran.out.startswith("Erased\n- ")
    assert "Pending" not in ran.out
    assert memory.list(scope="all") == []
    assert contacts.find(email="ada@example.com") is None
    assert run("contacts", "show", "ada").code == 3


def test_the_receipt_in_json_has_its_three_lists(run, contacts):
    receipt = run("forget", "ada", "--yes", "--json").json
    assert set(receipt) == {"done", "pending", "out_of_reach"}
    assert receipt["done"] != []


def test_what_is_pending_is_told_with_the_command_that_finishes_it(run, mem, contacts, memory, monkeypatch):
    monkeypatch.setenv("AGENTMEM_AGENT", "support")
    memory.remember("Likes tea")
    ran = run("forget", "ada", "--yes")
    assert ran.code == 0
    assert "\nPending\n- " in ran.out
    assert ": agentmem sweep removes them\n" in ran.out
    assert ran.out.endswith("agentmem.cli sweep\n")


def test_a_person_is_asked_before_all_is_erased(contacts, at_terminal):
    ended, shown = at_terminal("forget", "ada", typed=[("[y/N]", b"n\n")])
    assert "Erase all that is kept of user ada, for good?" in shown
    assert ended == 1
    assert contacts.find(email="ada@example.com") is not None
