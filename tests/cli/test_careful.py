"""What cannot be undone is done when somebody said so, to whom they named, and to nobody else."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from agentmem.cli import shortened
from agentmem.errors import InvalidInputError

DESTRUCTIVE = [
    ("forget", "ada"),
    ("contacts", "merge", "ada", "--into", "bob"),
    ("contacts", "reset", "ada", "--agent", "support"),
    ("blocks", "delete", "core"),
]
NOBODY = [
    ("forget", "nobody"),
    ("contacts", "merge", "nobody", "--into", "bob"),
    ("contacts", "merge", "ada", "--into", "nobody"),
    ("contacts", "reset", "nobody", "--agent", "support"),
    ("blocks", "delete", "nothing"),
]


@pytest.fixture
def edges(clock):
    return {"clock": clock}


@pytest.fixture
def people(mem, memory):
    mem.contacts.create(id="ada", email="ada@example.com")
    mem.contacts.create(id="bob")
    mem.contacts.patch_facts("ada", {"tea": "Assam"}, agent_id="support")
    memory.append("core", "- Likes tea")
    return mem.contacts


def everything(mem):
    contacts = {each.id: mem.contacts.memory(each.id, agent_id="support").facts for each in mem.contacts.list()}
    return contacts, mem.client("ada").memory.list(scope="all"), len(mem.changes("ada"))


@pytest.mark.parametrize("words", DESTRUCTIVE, ids=lambda words: " ".join(words[:2]))
@pytest.mark.parametrize("piped", [b"", b"n\n", b"y\n"])
def test_without_a_terminal_and_without_yes_it_is_refused_whatever_is_piped_in(run, mem, people, words, piped):
    before = everything(mem)

    ran = run(*words, stdin=piped)

    assert (ran.code, ran.out) == (2, "")
    assert "nothing was changed" in ran.err
    assert f"agentmem.cli {' '.join(words)} --yes" in ran.err
    assert everything(mem) == before
    assert run(*words, "--json", stdin=piped).error["type"] == "InvalidInputError"


@pytest.mark.parametrize("words", DESTRUCTIVE, ids=lambda words: " ".join(words[:2]))
def test_with_yes_it_is_done_without_a_terminal(run, mem, people, words):
    before = everything(mem)

    assert run(*words, "--yes").code == 0
    assert everything(mem) != before


@pytest.mark.parametrize("words", NOBODY, ids=" ".join)
@pytest.mark.parametrize("yes", [(), ("--yes",)], ids=["ask", "yes"])
def test_who_or_what_is_not_there_ends_with_3_and_is_not_said_to_be_gone(run, mem, people, words, yes):
    before = everything(mem)

    ran = run(*words, *yes)

    assert (ran.code, ran.out) == (3, "")
    assert everything(mem) == before


def test_someone_who_was_forgotten_is_not_there_and_sweep_is_named_for_what_is_left(run, people):
    run("forget", "ada", "--yes")

    ran = run("forget", "ada", "--wait", "--yes")

    assert ran.code == 3
    assert "agentmem.cli sweep" in ran.err
    assert run("sweep").code == 0


def test_someone_who_is_no_contact_and_someone_who_was_merged_can_be_forgotten(run, mem, people):
    mem.client("eve").memory.remember("Eve likes rye")
    assert run("forget", "eve", "--yes").code == 0

    people.merge("bob", into="ada")
    assert run("forget", "bob", "--yes").code == 0
    assert people.list() == []


# --- ids that were shortened ------------------------------------------------------------------------------------------


@pytest.fixture
def called(mem, people):
    """A person with an id of agentmem's, and their conversation."""
    mem.agents.configure("support", memory_enabled=True, state_keys=["day"])
    with mem.conversations.start("support", phone="+14155550192") as conv:
        conv.state["day"] = "Friday"
    return mem.conversations.get(conv.id)


@pytest.mark.parametrize("length", [4, 6, 35])
def test_the_beginning_of_an_id_stands_for_it_where_the_readme_shows_one(run, called, length):
    person, conversation = called.caller_identity[:length], called.id[: min(length, 31)]

    shown = run("contacts", "show", person, "--agent", "support", "--json").json
    assert (shown["id"], shown["memory"]["facts"]) == (called.caller_identity, {"day": "Friday"})
    assert run("conversations", "show", conversation, "--json").json["id"] == called.id
    assert run("changes", person, "--json").json == run("changes", called.caller_identity, "--json").json != []
    assert run("contacts", "link", person, "--email", "eve@example.com", "--json").json["id"] == called.caller_identity
    assert run("contacts", "reset", person, "--agent", "support", "--yes", "--json").json["reset"]
    assert run("contacts", "merge", person, "--into", "ada", "--yes", "--json").json["id"] == "ada"
    assert run("forget", person, "--wait", "--yes").code == 0
    assert run("contacts", "show", person).code == 3


def test_fewer_than_four_characters_stand_for_no_id(run, called):
    assert run("contacts", "show", called.caller_identity[:3]).code == 3
    assert run("conversations", "show", called.id[:3]).code == 3
    assert run("forget", called.caller_identity[:3], "--yes").code == 3


def test_an_exact_id_wins_over_one_that_begins_with_it(run, people):
    people.create(id="sarah")
    people.create(id="sarah-2")

    assert run("contacts", "show", "sarah", "--json").json["id"] == "sarah"
    assert run("forget", "sarah", "--yes").code == 0
    assert [each.id for each in people.list()] == ["ada", "bob", "sarah-2"]


@pytest.mark.parametrize("words", [("contacts", "show"), ("changes",), ("forget", "--yes")], ids=" ".join)
def test_a_beginning_of_several_ids_is_refused_and_none_of_them_is_named(run, people, words):
    people.create(id="sarah-1")
    people.create(id="sarah-2")

    ran = run(*words, "sarah")

    assert (ran.code, ran.out) == (2, "")
    assert "user_id: several begin with this" in ran.err
    assert not re.search(r"sarah-\d", ran.err)


def test_a_beginning_of_several_conversations_is_refused():
    several = SimpleNamespace(conversations=SimpleNamespace(ids=lambda _prefix, limit: ["77be01", "77be02"][:limit]))

    with pytest.raises(InvalidInputError, match="conversation_id: several begin with this; type more of it"):
        shortened.conversation(several, "77be")
    assert shortened.conversation(several, "77be02") == "77be02"


@pytest.mark.parametrize(
    "words",
    [
        ("forget", "john", "--yes"),
        ("contacts", "reset", "john", "--agent", "support", "--yes"),
        ("contacts", "merge", "john", "--into", "ada", "--yes"),
        ("contacts", "merge", "ada", "--into", "john", "--yes"),
        ("contacts", "link", "john", "--email", "john@example.com"),
    ],
    ids=" ".join,
)
def test_an_id_of_the_applications_own_is_changed_only_when_it_was_typed_in_full(run, mem, people, words):
    people.create(id="johnny")
    before = everything(mem)

    assert run(*words).code == 3
    assert everything(mem) == before
    assert run("contacts", "show", "john", "--json").json["id"] == "johnny"


def test_capitals_count_and_another_tenants_ids_do_not(run, mem):
    mem.contacts.create(id="Sarah-1")
    mem.tenant("other").contacts.create(id="zoe-12")

    assert run("contacts", "show", "sarah").code == 3
    assert run("contacts", "show", "zoe-1").code == 3
    assert mem.users(prefix="Sarah") == ["Sarah-1"]
    assert mem.users(prefix="zoe") == mem.users(prefix="sarah") == []
