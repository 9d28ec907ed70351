"""JSON in a column: every format that was ever stored reads, what is stored is what is written down, damage is told."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, NotRequired

import pytest
from typing_extensions import TypedDict

from agentmem import AgentSettings, BackendError, ContactMemory, Entity, EntityRef, Fact, OpenItem
from agentmem.conversations.contexts import NO_CONTEXT, NOTHING, ContextSnapshot, packed, unpacked, with_lines
from agentmem.stored import StoredFormat, json_of, object_of

from .conftest import ROOT
from .stores.loading import NUMBERS, rows

pytestmark = pytest.mark.both_databases

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = datetime(2026, 3, 1, 9, 30, 0, 5, tzinfo=UTC)
KEPT = ContextSnapshot(
    facts=(Fact("seats", [1, {"row": 2.5}, None, True], "operator", 3, AT, LATER, AT),),
    summary="Née Ø",
    summary_at=LATER,
    entities=(Entity("order", "8821", {"carrier": "UPS"}, "late", None, LATER, "extractor", AT, AT),),
    open_items=(OpenItem("i-1", "task", "Call", "high", EntityRef("order", "8821"), "extractor", AT, LATER, None),),
    message_ids=("m-1",),
    line_ids=("l-1",),
    version=7,
    updated_at=LATER,
)
CONTEXT_0 = (
    '{"facts": [{"key": "seats", "value": [1, {"row": 2.5}, null, true], "source": "operator", "version": 3, '
    '"created_at": "2026-01-01T12:00:00+00:00", "updated_at": "2026-03-01T09:30:00.000005+00:00", '
    '"expires_at": "2026-01-01T12:00:00+00:00"}], "summary": "Née Ø", '
    '"summary_at": "2026-03-01T09:30:00.000005+00:00", "entities": [{"entity_type": "order", "entity_id": "8821", '
    '"facts": {"carrier": "UPS"}, "status": "late", "notes": null, '
    '"last_discussed_at": "2026-03-01T09:30:00.000005+00:00", "source": "extractor", '
    '"created_at": "2026-01-01T12:00:00+00:00", "updated_at": "2026-01-01T12:00:00+00:00"}], "open_items": [{"id": '
    '"i-1", "type": "task", "description": "Call", "priority": "high", "related_to": {"entity_type": "order", '
    '"entity_id": "8821"}, "source": "extractor", "created_at": "2026-01-01T12:00:00+00:00", '
    '"updated_at": "2026-03-01T09:30:00.000005+00:00", "resolved_at": null}], "message_ids": ["m-1"], '
    '"line_ids": ["l-1"], "version": 7, "updated_at": "2026-03-01T09:30:00.000005+00:00"}'
)
CONTEXT_1 = (
    '{"format":1,"facts":[{"key":"seats","value":[1,{"row":2.5},null,true],"created_at":"2026-01-01T12:00:00Z",'
    '"updated_at":"2026-03-01T09:30:00.000005Z","source":"operator","version":3,"expires_at":"2026-01-01T12:00:00Z"}],'
    '"summary":"Née Ø","summary_at":"2026-03-01T09:30:00.000005Z","entities":[{"entity_type":"order",'
    '"entity_id":"8821","created_at":"2026-01-01T12:00:00Z","updated_at":"2026-01-01T12:00:00Z",'
    '"facts":{"carrier":"UPS"},"status":"late","notes":null,"last_discussed_at":"2026-03-01T09:30:00.000005Z",'
    '"source":"extractor"}],"open_items":[{"id":"i-1","type":"task","description":"Call",'
    '"created_at":"2026-01-01T12:00:00Z","updated_at":"2026-03-01T09:30:00.000005Z","priority":"high",'
    '"related_to":{"entity_type":"order","entity_id":"8821"},"source":"extractor","resolved_at":null}],'
    '"message_ids":["m-1"],"line_ids":["l-1"],"version":7,"updated_at":"2026-03-01T09:30:00.000005Z"}'
)


@pytest.mark.parametrize("text", [CONTEXT_0, CONTEXT_1])
def test_a_context_of_every_format_reads_to_what_it_was(text):
    assert unpacked(text) == KEPT
    assert unpacked(text).summary_at.tzinfo is UTC


def test_a_context_is_stored_as_it_is_written_down():
    assert with_lines(CONTEXT_0, []) == with_lines(CONTEXT_1, []) == CONTEXT_1
    memory = ContactMemory("ada", "support", fact_records=KEPT.facts, entities=KEPT.entities, version=7)
    assert json.loads(packed(memory, summary_at=None)).keys() == json.loads(CONTEXT_1).keys()


def test_every_context_of_nothing_reads_to_nothing():
    assert NOTHING == ('{"format":1}', "{}")
    assert NO_CONTEXT in NOTHING
    assert [unpacked(text) for text in NOTHING] == [ContextSnapshot()] * 2


def test_what_a_stored_fact_lacks_has_a_default_and_what_is_not_known_of_it_is_left_out():
    times = {"created_at": "2026-01-01T12:00:00Z", "updated_at": "2026-01-01T12:00:00Z"}
    stored = {"format": 1, "facts": [{"key": "tea", "value": 1, **times, "later": 2}], "later": {}}
    assert unpacked(json.dumps(stored)) == ContextSnapshot(facts=(Fact("tea", 1, "", 1, AT, AT, None),))


SETTINGS = {
    "memory_enabled": True,
    "memory_retention_days": 30,
    "recent_messages": 5,
    "state_keys": {"seat": None, "cheese": 3},
    "identifier_source": "sip_header:x-id",
    "identifier_blacklist": ("+1555",),
    "analytics_enabled": True,
}
SETTINGS_0 = (
    '{"memory_enabled": true, "memory_retention_days": 30, "recent_messages": 5, "state_keys": {"seat": null, '
    '"cheese": 3}, "identifier_source": "sip_header:x-id", "identifier_blacklist": ["+1555"], '
    '"analytics_enabled": true}'
)
SETTINGS_1 = (
    '{"format":1,"memory_enabled":true,"memory_retention_days":30,"recent_messages":5,"state_keys":{"seat":null,'
    '"cheese":3},"identifier_source":"sip_header:x-id","identifier_blacklist":["+1555"],"analytics_enabled":true}'
)


def test_an_agents_settings_are_stored_as_they_are_written_down(mem, home, sql):
    assert set(SETTINGS) == set(AgentSettings.model_fields)
    mem.agents.configure("support", **SETTINGS)
    mem.agents.configure("support", version="v2", recent_messages=0)
    stored = sql.execute(home, "SELECT version, settings FROM agentmem_agent_settings ORDER BY version")
    assert [(version, json.loads(text)) for version, text in stored] == [
        ("", json.loads(SETTINGS_1)),
        ("v2", {"format": 1, "recent_messages": 0}),
    ]


@pytest.mark.parametrize("text", [SETTINGS_0, SETTINGS_1, SETTINGS_1[:-1] + ',"later":[1]}'])
def test_an_agents_settings_of_every_format_read_to_what_they_were(mem, home, sql, text):
    mem.agents.configure("support")
    sql.execute(home, "UPDATE agentmem_agent_settings SET settings = :text", text=text)
    assert mem.agents.get("support") == AgentSettings(**SETTINGS)
    assert mem.agents.configure("support", recent_messages=6) == AgentSettings(**SETTINGS | {"recent_messages": 6})
    ((stored,),) = sql.execute(home, "SELECT settings FROM agentmem_agent_settings")
    assert json.loads(stored) == json.loads(SETTINGS_1) | {"recent_messages": 6}


@pytest.mark.parametrize("text", ['["{}"]', '{"format": 1, "result": ["{}"]}'])
def test_a_first_result_of_every_format_is_given_again(memory, home, sql, text):
    (line,) = memory.remember("tea", idempotency_key="k")
    result = "SELECT result FROM agentmem_idempotency_key"
    assert sql.execute(home, result) == [(f'{{"format":1,"result":["{line.id}"]}}',)]
    sql.execute(home, "UPDATE agentmem_idempotency_key SET result = :text", text=text.replace("{}", line.id))
    assert memory.remember("tea", idempotency_key="k") == [line]


@pytest.mark.parametrize("text", ['{"format":1,"values":{"seat":{"row":12}}}'])
def test_a_state_of_every_format_reads_to_what_it_was(mem, home, sql, text):
    conversation_id = tell(mem)
    assert sql.execute(home, "SELECT state FROM agentmem_conversation") == [(text,)]
    assert dict(mem.conversations.resume(conversation_id).state) == {"seat": {"row": 12}}


def tell(mem):
    """Something in every column of JSON."""
    mem.agents.configure("support", memory_enabled=True)
    mem.contacts.create(id="ada")
    mem.contacts.patch_facts("ada", {"drink": "tea"}, agent_id="support")
    mem.contacts.patch_facts("ada", {"drink": "rye"}, agent_id="support")
    mem.contacts.put_entity("ada", "order", "1", agent_id="support", facts={"carrier": "UPS"})
    mem.client("ada").memory.append("core", "tea", idempotency_key="k")
    conv = mem.conversations.start("support", user_id="ada")
    conv.state["seat"] = {"row": 12}
    conv.add_message("user", "Hello")
    return conv.id


COLUMNS = {
    "conversation.state": lambda mem, conversation_id: mem.conversations.resume(conversation_id),
    "conversation.context": lambda mem, conversation_id: mem.conversations.get(conversation_id),
    "agent_settings.settings": lambda mem, _: mem.agents.get("support"),
    "idempotency_key.result": lambda mem, _: mem.client("ada").memory.append("core", "tea", idempotency_key="k"),
    "fact.value": lambda mem, _: mem.contacts.memory("ada", agent_id="support"),
    "entity.facts": lambda mem, _: mem.contacts.memory("ada", agent_id="support"),
    "memory_change.before": lambda mem, _: mem.changes("ada"),
    "memory_change.after": lambda mem, _: mem.changes("ada"),
}
"""What reads each column of JSON there is."""

NUMBERED = ("conversation.context", "conversation.state", "agent_settings.settings", "idempotency_key.result")
"""Those whose shape is one of ours."""


def has_json(text):
    """Whether a value of a column is a JSON object or list; a text or a number of its own may be no JSON at all."""
    return isinstance(text, str) and text.startswith(("{", "[")) and isinstance(json.loads(text), (dict, list))


def test_every_column_with_json_is_listed_here_and_in_the_architecture():
    tables = rows(NUMBERS[-1])
    found = {
        f"{name.removeprefix('agentmem_')}.{column}"
        for name, there in tables.items()
        for row in there
        for column, value in row.items()
        if has_json(value)
    }
    assert found == set(COLUMNS)
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    listed = page.partition("## What is stored as JSON")[2].partition("\n## ")[0]
    assert [kind for kind in found if f"`{kind}`" not in listed and f"`.{kind.partition('.')[2]}`" not in listed] == []


@pytest.mark.parametrize("kind", COLUMNS)
def test_damage_is_told_by_its_place_without_what_is_there(mem, home, sql, kind):
    conversation_id = tell(mem)
    table, column = kind.split(".")
    sql.execute(home, f"UPDATE agentmem_{table} SET {column} = :text", text='{"zebra": "zeb')  # noqa: S608 - of the list above
    with pytest.raises(BackendError) as caught:
        COLUMNS[kind](mem, conversation_id)
    error = caught.value
    assert (error.field, error.code) == (kind, "damaged")
    assert error.advice
    assert "zebra" not in f"{error!r}{error.__cause__!r}"


@pytest.mark.parametrize("kind", [one for one in COLUMNS if not one.startswith(("fact", "memory_change"))])
def test_json_that_is_no_object_of_ours_is_damage(mem, home, sql, kind):
    conversation_id = tell(mem)
    table, column = kind.split(".")
    sql.execute(home, f"UPDATE agentmem_{table} SET {column} = :text", text='"zebra"')  # noqa: S608 - of the list above
    with pytest.raises(BackendError) as caught:
        COLUMNS[kind](mem, conversation_id)
    assert (caught.value.field, caught.value.code) == (kind, "damaged")


@pytest.mark.parametrize("kind", NUMBERED)
def test_a_newer_format_is_refused_with_what_to_do(mem, home, sql, kind):
    conversation_id = tell(mem)
    table, column = kind.split(".")
    sql.execute(home, f"UPDATE agentmem_{table} SET {column} = :text", text='{"format": 2, "zebra": []}')  # noqa: S608 - of the list above
    with pytest.raises(BackendError, match=r"format 2, .* reads up to 1; upgrade agentmem-toolkit") as caught:
        COLUMNS[kind](mem, conversation_id)
    assert (caught.value.field, caught.value.code) == (kind, "newer")


def test_settings_that_break_a_rule_are_damage(mem, home, sql):
    mem.agents.configure("support")
    text = '{"format": 1, "memory_retention_days": -1}'
    sql.execute(home, "UPDATE agentmem_agent_settings SET settings = :text", text=text)
    with pytest.raises(BackendError) as caught:
        mem.agents.get("support")
    assert (caught.value.field, caught.value.code) == ("agent_settings.settings", "damaged")


class Drink(TypedDict):
    """A stored shape of these tests."""

    name: str
    cups: NotRequired[int]


def named(said: Any):
    return {"name": said["called"]}


FORMAT = StoredFormat("drink.json", Drink, number=3, older={1: lambda said: {"called": said["is"]}, 2: named})
READS = {
    "the first": '{"format": 1, "is": "tea"}',
    "the second": '{"format": 2, "called": "tea"}',
    "the newest": '{"format": 3, "name": "tea"}',
    "one with more": '{"more": 1, "name": "tea", "format": 3}',
}
DAMAGED = {
    "nothing": "",
    "one that was cut": '{"format": 3, "na',
    "a raw NUL": '{"format": 3, "name": "\0"}',
    "a NUL alone": "\0",
    "another type": '{"format": 3, "name": 5}',
    "almost another type": '{"format": 3, "name": "tea", "cups": "2"}',
    "almost another type in a hurry": '{"format":3,"name":"tea","cups":"2"}',
    "a list": '["tea"]',
    "a lack": '{"format": 3}',
    "a lack in an older one": '{"format": 1}',
    "no number, which never was": '{"name": "tea"}',
    "a number that is text": '{"format": "3", "name": "tea"}',
    "a number that is true": '{"format": true, "name": "tea"}',
    "a number below none": '{"format": -1, "name": "tea"}',
    "a number with a point": '{"format": 3.0, "name": "tea"}',
    "half a pair": '{"format": 3, "name": "\\ud800"}',
    "a depth": '{"format": 3, "name": ' + "[" * 5_000,
    "no JSON": "{'format': 3}",
}


@pytest.mark.parametrize("text", READS.values(), ids=READS)
def test_every_format_becomes_the_newest_step_by_step(text):
    assert FORMAT.read(text) == {"name": "tea"}
    assert FORMAT.write(FORMAT.read(text)) == '{"format":3,"name":"tea"}'


@pytest.mark.parametrize("text", DAMAGED.values(), ids=DAMAGED)
def test_whatever_else_is_there_is_damage(text):
    with pytest.raises(BackendError) as caught:
        FORMAT.read(text)
    assert (caught.value.field, caught.value.code, caught.value.__cause__) == ("drink.json", "damaged", None)


@pytest.mark.parametrize("text", ["", "nul", "\0", '"\0"', '{"a": NaN}', "Infinity", "[1", '"\\udfff"', "[" * 5_000])
def test_json_of_the_users_that_is_none_is_damage(text):
    for read in (json_of, object_of):
        with pytest.raises(BackendError) as caught:
            read(text, kind="fact.value")
        assert (caught.value.field, caught.value.code) == ("fact.value", "damaged")


@pytest.mark.parametrize(
    "value", [None, True, 0, -0.0, 1e16, 0.1, 2**4_095, "", "\0né\n", [[]], {"": {"a": [1, None]}}]
)
def test_json_of_the_users_comes_back_as_it_was(value):
    again = json_of(json.dumps(value), kind="fact.value")
    assert (again, type(again)) == (value, type(value))
