"""Seed 002: every snippet and every sentence of Speechify's document on memory that is about memory, and what it says.

Only the import and the client's construction are changed: what is `client.tts.agents` there is `mem.agents`.
"""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from agentmem import Line
from agentmem.testing import ScriptedChatModel

UPDATE = """
agent = client.tts.agents.update(
    id="agent_01H...",
    memory_enabled=True,
    memory_retention_days=90,
)
"""

LIST_AND_DELETE = """
# all memories on an agent (newest first, capped at 500)
result = client.tts.agents.list_memories(id="agent_01H...")
for m in result.memories:
    print(m.caller_identity, m.fact, m.confidence)

# privacy: delete everything for one caller on one agent
client.tts.agents.delete_memories_by_caller(
    id="agent_01H...",
    agent_id="agent_01H...",
    caller_identity="acme_user_42",
)
"""

BLOCK = """Known facts about this caller:
1. Caller prefers weekday mornings for support calls.
2. Caller has a Premium plan renewal due next month.
3. Caller asked about family-sharing last call."""

PROMPT = """You are a support agent for Acme. Speak concisely.
{{memory}}
Greet the caller, confirm what they need, and escalate only if
you cannot resolve in one turn."""

AGENT = "agent_01H..."
CALLER = "acme_user_42"


def run(snippet, mem):
    """The names a snippet leaves behind."""
    names = {"client": SimpleNamespace(tts=SimpleNamespace(agents=mem.agents))}
    exec(compile(snippet, "<seed 002>", "exec", dont_inherit=True), names)  # noqa: S102 - the text above
    return names


def call(mem, *said, caller=CALLER, prompt=PROMPT, query=None):
    """One call; the prompt its agent had, and its record."""
    with mem.conversations.start(AGENT, caller_identity=caller) as conv:
        shown = conv.render_prompt(prompt, query=query)
        for content in said:
            conv.add_message("user", content)
    return shown, mem.conversations.get(conv.id)


@pytest.fixture
def acme(mem):
    run(UPDATE, mem)
    return mem


@pytest.fixture
def remember(acme, clock):
    """Lets the agent know facts, each a day newer than the one before."""

    def facts(*texts, caller=CALLER, agent_id=AGENT):
        for text in texts:
            acme.client(caller).memory.remember(text, agent_id=agent_id, source="extractor")
            clock.move(days=1)

    return facts


def test_seed_002_enable_it_on_an_agent(mem):
    agent = run(UPDATE, mem)["agent"]
    assert (agent.memory_enabled, agent.memory_retention_days) == (True, 90)
    assert mem.agents.get(AGENT) == agent


def test_seed_002_the_block_is_a_numbered_list_in_place_of_the_placeholder(acme, remember):
    remember(*(line.partition(". ")[2] for line in reversed(BLOCK.splitlines()[1:])))
    shown, record = call(acme)
    assert shown == PROMPT.replace("{{memory}}", BLOCK)
    assert record.context.memories == tuple(line.partition(". ")[2] for line in BLOCK.splitlines()[1:])


def test_seed_002_the_top_10_by_recency_weighted_similarity(acme, remember):
    remember("Caller's dog is called Tom", *(f"Caller likes tea number {number}" for number in range(12)))
    shown, _ = call(acme, query="What is the dog called?")
    facts = re.findall(r"^\d+\. (.*)$", shown, re.MULTILINE)
    assert (len(facts), facts[0]) == (10, "Caller's dog is called Tom")
    shown, _ = call(acme)
    facts = re.findall(r"^\d+\. (.*)$", shown, re.MULTILINE)
    assert facts == [f"Caller likes tea number {number}" for number in range(11, 1, -1)]


def test_seed_002_no_placeholder_means_no_injection_and_enabling_it_later_grounds_future_calls(acme, remember):
    remember("Caller likes tea")
    assert call(acme, prompt="Speak concisely.")[0] == "Speak concisely."
    assert "Caller likes tea" in call(acme)[0]


@pytest.mark.parametrize("prompt", [PROMPT, "{{ memory }}"])
def test_seed_002_if_memory_is_off_the_placeholder_is_stripped(acme, remember, prompt):
    remember("Caller likes tea")
    acme.agents.update(id=AGENT, memory_enabled=False)
    shown, _ = call(acme, prompt=prompt)
    assert shown == re.sub(r"\{\{ ?memory ?\}\}", "", prompt)


def test_seed_002_memory_is_scoped_per_agent_and_caller(acme, remember):
    remember("Caller likes tea")
    remember("Caller likes rye", caller="acme_user_43")
    remember("Caller likes oats", agent_id="agent_02H...")
    assert re.findall(r"^\d+\. (.*)$", call(acme)[0], re.MULTILINE) == ["Caller likes tea"]


def test_seed_002_the_same_caller_identity_is_the_same_caller_and_another_is_not(acme, remember):
    remember("Caller likes tea")
    assert "Caller likes tea" in call(acme)[0]
    assert "Known facts" not in call(acme, caller="acme_user_7")[0]


def test_seed_002_anonymous_sessions_are_never_recorded_and_never_retrieved_from(acme, remember):
    remember("Caller likes tea")
    shown, record = call(acme, "I like rye", caller=None)
    assert shown == PROMPT.replace("{{memory}}", "")
    assert (record.caller_identity, record.messages, record.changes) == ("", (), ())  # "empty = anon"


def test_seed_002_facts_below_the_confidence_floor_are_listed_and_not_injected(acme):
    memory = acme.client(CALLER).memory
    memory.remember(
        [Line("Caller likes tea", confidence=0.5), Line("Caller likes rye", confidence=0.49)], agent_id=AGENT
    )
    assert re.findall(r"^\d+\. (.*)$", call(acme)[0], re.MULTILINE) == ["Caller likes tea"]
    assert {m.fact for m in acme.agents.list_memories(id=AGENT).memories} == {"Caller likes tea", "Caller likes rye"}


def test_seed_002_retention_caps_visibility_and_0_means_no_cap(acme, remember, clock):
    remember("Caller likes tea")
    clock.move(days=89)
    assert "Known facts" not in call(acme)[0]
    assert acme.agents.list_memories(id=AGENT).memories == ()
    acme.agents.update(id=AGENT, memory_retention_days=0)
    assert "Caller likes tea" in call(acme)[0]


def test_seed_002_list_and_delete_memories(acme, remember, capsys):
    remember("Caller likes tea", "Caller likes rye")
    remember("Caller likes oats", caller="acme_user_43")
    run(LIST_AND_DELETE, acme)
    assert capsys.readouterr().out.splitlines() == [
        "acme_user_43 Caller likes oats 1.0",
        "acme_user_42 Caller likes rye 1.0",
        "acme_user_42 Caller likes tea 1.0",
    ]
    assert [m.fact for m in acme.agents.list_memories(id=AGENT).memories] == ["Caller likes oats"]
    assert "Known facts" not in call(acme)[0]  # "unreachable from search instantly"


def test_seed_002_the_list_is_capped_at_500(acme):
    acme.client(CALLER).memory.remember([f"Fact {number}" for number in range(501)], agent_id=AGENT)
    assert len(acme.agents.list_memories(id=AGENT).memories) == 500


def test_seed_002_try_it_end_to_end(open_mem):
    said = "I can only do mornings before 9am; I'm vegetarian."
    facts = ["Caller can only do mornings before 9am.", "Caller is vegetarian."]
    proposed = {"facts": [{"fact": fact, "confidence": 0.9, "evidence": [1]} for fact in facts]}
    mem = open_mem(chat_model=ScriptedChatModel(script=[proposed, {"facts": []}]))
    run(UPDATE, mem)
    shown, record = call(mem, said)
    assert "Known facts" not in shown
    assert [change.after for change in record.changes if change.kind == "line"] == facts  # "Memories written this call"
    shown, record = call(mem, "What's a good time next week?", query="What's a good time next week?")
    assert set(re.findall(r"^\d+\. (.*)$", shown, re.MULTILINE)) == set(facts)
    assert (record.extraction, record.changes) == ("done", ())  # "Extractor writes zero facts: Normal."


def test_seed_002_memory_is_extracted_also_where_the_prompt_has_no_placeholder(open_mem):
    proposed = {"facts": [{"fact": "Caller is vegetarian.", "confidence": 0.9, "evidence": [1]}]}
    mem = open_mem(chat_model=ScriptedChatModel(script=[proposed]))
    run(UPDATE, mem)
    call(mem, "I am vegetarian.", prompt="Speak concisely.")
    assert [m.fact for m in mem.agents.list_memories(id=AGENT).memories] == ["Caller is vegetarian."]
