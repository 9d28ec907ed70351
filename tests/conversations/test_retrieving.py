"""Which remembered facts `{{memory}}` brings: the agent's own, sure enough, from no tool, ten at most."""

from __future__ import annotations

import pytest

from agentmem import Line

PROMPT = "{{memory}}"


@pytest.fixture
def support(mem):
    mem.agents.configure("support", memory_enabled=True)
    return mem


@pytest.fixture
def memory(support):
    return support.client("ada").memory


@pytest.fixture
def conv(support):
    return support.conversations.start("support", user_id="ada")


def facts(shown):
    return [line.partition(". ")[2] for line in shown.splitlines()[1:]]


@pytest.mark.parametrize("query", [None, "What tea does the caller like?"])
def test_facts_come_from_every_source_but_tools(conv, memory, query):
    for source in ("user", "assistant", "tool", "extractor", "operator"):
        memory.remember(f"Caller likes {source} tea", agent_id="support", source=source)
    shown = facts(conv.render_prompt(PROMPT, query=query))
    assert sorted(shown) == sorted(
        f"Caller likes {source} tea" for source in ("user", "assistant", "extractor", "operator")
    )


@pytest.mark.parametrize("query", [None, "tea"])
def test_facts_that_are_not_sure_enough_or_not_the_agents_own_stay_out(conv, memory, support, query):
    memory.remember([Line("Caller likes tea", confidence=0.5), Line("tea unsure", confidence=0.49)], agent_id="support")
    memory.remember("tea shared")
    memory.remember("tea of booking", agent_id="booking")
    support.client("bob").memory.remember("tea of bob", agent_id="support")
    assert facts(conv.render_prompt(PROMPT, query=query)) == ["Caller likes tea"]


@pytest.mark.parametrize("query", [None, "number"])
def test_at_most_ten_facts_are_shown_the_newest_first(conv, memory, clock, query):
    for number in range(12):
        memory.remember(f"The caller's number is {number}", agent_id="support")
        clock.move(days=1)
    assert facts(conv.render_prompt(PROMPT, query=query)) == [
        f"The caller's number is {number}" for number in range(11, 1, -1)
    ]


def test_without_a_query_a_surer_fact_comes_before_a_newer_one_up_to_a_point(conv, memory, clock):
    memory.remember(Line("Sure", confidence=1.0), agent_id="support")
    clock.move(days=29)
    memory.remember(Line("Unsure", confidence=0.5), agent_id="support")
    assert facts(conv.render_prompt(PROMPT)) == ["Sure", "Unsure"]
    clock.move(days=1)
    memory.remember(Line("Newer", confidence=0.6), agent_id="support")
    assert facts(conv.render_prompt(PROMPT)) == ["Newer", "Sure", "Unsure"]


def test_with_a_query_what_answers_it_comes_first(conv, memory):
    memory.remember(
        ["Caller has a dog called Tom", "Caller likes rye bread", "Caller lives in Oslo"], agent_id="support"
    )
    assert facts(conv.render_prompt(PROMPT, query="What is the dog called?"))[0] == "Caller has a dog called Tom"


def test_without_the_placeholder_nothing_is_looked_up_or_noted(conv, memory, embeddings, monkeypatch, tables):
    memory.remember("Caller likes tea", agent_id="support")
    before = tables()
    monkeypatch.setattr(embeddings, "embed_query", None)
    assert conv.render_prompt("Be kind. {memory}", query="tea") == "Be kind. {memory}"
    assert tables() == before


def test_what_was_shown_before_is_not_noted_again(conv, memory, tables):
    memory.remember(["Caller likes tea", "Caller likes rye"], agent_id="support")
    first = conv.render_prompt(PROMPT)
    before = tables()
    assert conv.render_prompt(PROMPT) == first
    assert conv.render_prompt(PROMPT, query="tea")
    assert tables() == before


def test_an_empty_store_strips_the_placeholder(conv):
    assert conv.render_prompt("You are kind.\n{{memory}}\nGreet.") == "You are kind.\n\nGreet."
    assert conv.render_prompt("{{ memory }}", query="tea") == ""


def test_a_fact_that_was_deleted_or_outlived_its_retention_is_not_shown(conv, memory, support, clock):
    (line,) = memory.remember("Caller likes tea", agent_id="support")
    memory.forget_line(line.id)
    assert conv.render_prompt(PROMPT) == conv.render_prompt(PROMPT, query="tea") == ""
    memory.remember("Caller likes tea", agent_id="support")
    clock.move(days=60)
    conv.say("Still here")
    clock.move(days=30)
    assert conv.render_prompt(PROMPT) == conv.render_prompt(PROMPT, query="tea") == ""
    support.agents.configure("support", memory_retention_days=91)
    assert facts(conv.render_prompt(PROMPT)) == ["Caller likes tea"]
