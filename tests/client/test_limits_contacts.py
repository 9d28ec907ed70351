"""Every limit of contacts and conversations, at the limit and one over it, through every call that is bound by it."""

from __future__ import annotations

import pytest

from agentmem import InvalidInputError, NotFoundError

LIMITS = {"max_block_chars": 40, "max_line_chars": 30, "max_id_chars": 64, "max_value_bytes": 150}
AGENT = {"agent_id": "support"}


def _said(mem, text):
    conv = mem.conversations.start("support", user_id="ada")
    conv.add_message("user", text)
    return mem.conversations.get(conv.id).messages[0].content


def _noted(mem, note):
    conv = mem.conversations.start("support", user_id="ada")
    note(conv)
    return mem.conversations.get(conv.id)


def _kept(mem, value):
    with mem.conversations.start("support", user_id="ada") as conv:
        conv.state["key"] = value
    return mem.contacts.memory("ada", **AGENT).facts["key"]


IDS = {
    "contact": lambda mem, text: mem.contacts.create(id=text),
    "name": lambda mem, text: mem.contacts.create(id="eve", name=text),
    "external id": lambda mem, text: mem.contacts.create(external_id=text),
    "external id to link": lambda mem, text: mem.contacts.link("ada", external_id=text),
    "email": lambda mem, text: mem.contacts.create(email=text[:-2] + "@x"),
    "key": lambda mem, text: mem.contacts.patch_facts("ada", {text: 1}, **AGENT),
    "entity type": lambda mem, text: mem.contacts.put_entity("ada", text, "1", **AGENT),
    "entity id": lambda mem, text: mem.contacts.put_entity("ada", "order", text, **AGENT),
    "key of an entity": lambda mem, text: mem.contacts.put_entity("ada", "order", "1", facts={text: 1}, **AGENT),
    "type of an open item": lambda mem, text: mem.contacts.add_open_item("ada", "call", type=text, **AGENT),
    "priority of an open item": lambda mem, text: mem.contacts.add_open_item("ada", "call", priority=text, **AGENT),
    "key of an open item": lambda mem, text: mem.contacts.add_open_item("ada", "call", idempotency_key=text, **AGENT),
    "agent": lambda mem, text: mem.agents.configure(text, memory_enabled=True),
    "version": lambda mem, text: mem.agents.configure("support", version=text, memory_enabled=True),
    "state key": lambda mem, text: mem.agents.configure("support", state_keys=[text]),
    "blacklist": lambda mem, text: mem.agents.configure("support", identifier_blacklist=[text]),
    "caller": lambda mem, text: mem.conversations.start("support", user_id=text),
    "caller's name": lambda mem, text: mem.conversations.start("support", user_id="eve", name=text),
    "channel": lambda mem, text: mem.conversations.start("support", channel=text),
    "thread": lambda mem, text: mem.conversations.start("support", thread_id=text),
    "message's id": lambda mem, text: mem.conversations.start("support", user_id="ada").add_message(
        "user", "hi", external_id=text
    ),
}
TEXTS = {
    "summary": ("max_block_chars", lambda mem, text: mem.contacts.update_summary("ada", text, **AGENT).summary),
    "message": ("max_block_chars", _said),
    "open item": ("max_line_chars", lambda mem, text: mem.contacts.add_open_item("ada", text, **AGENT).description),
    "status": (
        "max_line_chars",
        lambda mem, text: mem.contacts.put_entity("ada", "order", "1", status=text, **AGENT).entities[0].status,
    ),
    "notes": (
        "max_line_chars",
        lambda mem, text: mem.contacts.put_entity("ada", "order", "1", notes=text, **AGENT).entities[0].notes,
    ),
    "outcome": ("max_line_chars", lambda mem, text: _noted(mem, lambda conv: conv.set_outcome(text)).qa),
    "handoff": ("max_line_chars", lambda mem, text: _noted(mem, lambda conv: conv.handoff(text)).handoff.to),
    "reason": (
        "max_line_chars",
        lambda mem, text: _noted(mem, lambda conv: conv.handoff("billing", text)).handoff.reason,
    ),
}
VALUES = {
    "fact": lambda mem, value: mem.contacts.patch_facts("ada", {"key": value}, **AGENT).facts["key"],
    "state": _kept,
    "facts of an entity": lambda mem, value: (
        mem.contacts.put_entity("ada", "order", "1", facts=value, **AGENT).entities[0].facts
    ),
}
COUNTS = {
    "life of a fact": (1, 36_500, lambda mem, n: mem.contacts.patch_facts("ada", {"key": 1}, ttl_days=n, **AGENT)),
    "life of a state key": (1, 36_500, lambda mem, n: mem.agents.configure("support", state_keys={"key": n})),
    "retention": (0, 36_500, lambda mem, n: mem.agents.configure("support", memory_retention_days=n)),
    "recent messages": (0, 1_000, lambda mem, n: mem.agents.configure("support", recent_messages=n)),
    "page of contacts": (1, 1_000, lambda mem, n: mem.contacts.list(limit=n)),
    "page of conversations": (1, 1_000, lambda mem, n: mem.conversations.list(limit=n)),
    "page of changes": (1, 10_000, lambda mem, n: mem.changes("ada", limit=n)),
    "work": (1, 1_000, lambda mem, n: mem.conversations.work(n)),
}


@pytest.fixture
def small(open_mem):
    mem = open_mem(**LIMITS)
    mem.agents.configure("support", memory_enabled=True, state_keys=["key"])
    mem.contacts.create(id="ada")
    return mem


def refused(call, *arguments):
    with pytest.raises(InvalidInputError):
        call(*arguments)


@pytest.mark.parametrize("call", IDS.values(), ids=IDS)
def test_an_id_or_a_name_has_max_id_chars_and_no_more(small, tables, call):
    before = tables()
    refused(call, small, "x" * (LIMITS["max_id_chars"] + 1))
    assert {name for name, rows in tables().items() if rows != before[name]} <= {"agentmem_conversation"}
    call(small, "x" * LIMITS["max_id_chars"])


@pytest.mark.parametrize(("setting", "call"), TEXTS.values(), ids=TEXTS)
def test_a_text_has_as_many_characters_as_its_setting_says_and_no_more(small, setting, call):
    refused(call, small, "é" * (LIMITS[setting] + 1))
    assert call(small, "é" * LIMITS[setting]) == "é" * LIMITS[setting]


@pytest.mark.parametrize("call", VALUES.values(), ids=VALUES)
def test_a_value_has_max_value_bytes_as_json_in_utf_8_and_no_more(small, call):
    frame = len('{"a":""}')
    fits = {"a": "é" * ((LIMITS["max_value_bytes"] - frame) // 2)}
    refused(call, small, {"a": fits["a"] + "x"})
    assert call(small, fits) == fits


@pytest.mark.parametrize("call", [VALUES["fact"], VALUES["state"]], ids=["fact", "state"])
def test_a_value_is_nested_32_levels_deep_and_no_deeper(open_mem, call):
    mem = open_mem()
    mem.agents.configure("support", memory_enabled=True, state_keys=["key"])
    mem.contacts.create(id="ada")
    value = 1
    for _ in range(32):
        value = [value]
    refused(call, mem, [value])
    assert call(mem, value) == value


@pytest.mark.parametrize(("low", "high", "call"), COUNTS.values(), ids=COUNTS)
def test_a_number_is_within_its_bounds(small, low, high, call):
    for number in (low - 1, high + 1, True, 1.5, "1"):
        refused(call, small, number)
    for number in (low, high):
        call(small, number)


def test_a_page_after_somebody_who_is_not_there_is_an_error(small):
    for page in (small.contacts.list, small.conversations.list):
        with pytest.raises(NotFoundError):
            page(after="nobody")
