"""`mem.agents`: what is configured for an agent and its versions, by keyword and in the vendors' documents."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from agentmem import AgentSettings, InvalidInputError, NotFoundError

SEED_000 = {
    "memory": {
        "repeat_caller": {
            "analytics_enabled": True,
            "state_keys": ["booking_day", "preferred_language"],
            "identifier_blacklist": ["+440000000000"],
        }
    }
}
SEED_001 = {
    "memory": {
        "repeat_caller": {
            "analytics_enabled": True,
            "state_keys": ["booking_day", "cheese_type"],
            "identifier_source": "sip_header:X-Customer-Id",
        }
    }
}


def test_an_agent_that_was_never_configured_is_unknown(mem):
    for call in (mem.agents.get, mem.agents.metrics, mem.conversations.start):
        with pytest.raises(NotFoundError, match=r"mem\.agents\.configure"):
            call("support")
    assert mem.agents.list() == []


def test_memory_is_off_until_it_is_turned_on(mem):
    assert mem.agents.configure("support") == AgentSettings()
    assert AgentSettings().memory_enabled is False
    assert AgentSettings().memory_retention_days == 90
    assert mem.agents.configure("support", memory_enabled=True).memory_enabled is True


def test_configuring_changes_what_is_given_and_keeps_the_rest(mem, open_mem):
    mem.agents.configure("support", memory_enabled=True, recent_messages=5)
    mem.agents.configure("support", state_keys={"booking_day": 30, "name": None})
    settings = mem.agents.configure("support", recent_messages=7)
    expected = AgentSettings(memory_enabled=True, recent_messages=7, state_keys={"booking_day": 30, "name": None})
    assert settings == mem.agents.get("support") == open_mem().agents.get("support") == expected


def test_seed_000_the_configuration_is_accepted_as_it_stands_and_turns_memory_on(mem):
    assert mem.agents.configure("support", SEED_000) == AgentSettings(
        memory_enabled=True,
        analytics_enabled=True,
        state_keys={"booking_day": None, "preferred_language": None},
        identifier_blacklist=("+440000000000",),
    )


def test_seed_001_the_configuration_is_accepted_as_it_stands_and_turns_memory_on(mem):
    settings = mem.agents.configure("support", SEED_001)
    assert settings.identifier_source == "sip_header:X-Customer-Id"
    assert settings.state_keys == {"booking_day": None, "cheese_type": None}
    assert settings.memory_enabled


def test_a_document_may_come_with_keywords_which_win(mem):
    settings = mem.agents.configure("support", SEED_000, memory_enabled=False, state_keys={"booking_day": 30})
    assert (settings.memory_enabled, settings.state_keys) == (False, {"booking_day": 30})
    assert settings.analytics_enabled


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (
            {"memory": {"repeat_caller": {"analytics": True}}},
            r"document\.memory\.repeat_caller: 'analytics' is not a setting",
        ),
        ({"memory": {"repeat_callers": {}}}, r"document\.memory: 'repeat_callers' is not a setting"),
        ({"memory": {"repeat_caller": {}}, "voice": "ada"}, "document: 'voice' is not a setting"),
        ({"repeat_caller": {}}, "document: 'repeat_caller' is not a setting"),
        ({}, "document: has no 'memory'"),
        ({"memory": {}}, r"document\.memory: has no 'repeat_caller'"),
        ({"memory": []}, r"document\.memory: must be a mapping, not list"),
        ({"memory": {"repeat_caller": None}}, r"document\.memory\.repeat_caller: must be a mapping, not NoneType"),
        ("memory", "document: must be a mapping, not str"),
        ([], "document: must be a mapping, not list"),
    ],
)
def test_a_document_of_another_form_is_refused_by_name(mem, document, said):
    with pytest.raises(InvalidInputError, match=said):
        mem.agents.configure("support", document)
    assert mem.agents.list() == []


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("memory_enabled", ["yes", 1, "true"]),
        ("analytics_enabled", [1, "no"]),
        ("memory_retention_days", [-1, 36_501, 1.5, "90", True]),
        ("recent_messages", [-1, 1_001, "20"]),
        (
            "state_keys",
            ["booking_day", [1], {"a": 0}, {"a": 36_501}, {"a": "30"}, {"": None}, ["REPEAT_CALLER_QA"], ["a" * 256]],
        ),
        ("identifier_source", ["phone", "sip_header", "sip_header:", "header:X", ":x", 1, "state: "]),
        ("identifier_blacklist", ["+44", [1], [""], ["a" * 256], 1]),
    ],
)  # fmt: skip
def test_a_setting_that_breaks_its_rule_is_refused_by_name(mem, name, bad):
    for value in bad:
        with pytest.raises(InvalidInputError, match=rf"^{name}"):
            mem.agents.configure("support", **{name: value})
    assert mem.agents.list() == []


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("memory_retention_days", [0, 1, 36_500]),
        ("recent_messages", [0, 1_000]),
        ("state_keys", [{}, {"a": 1}, {"a": 36_500}, {"a" * 255: None}]),
        ("identifier_blacklist", [(), ("a" * 255,)]),
        ("identifier_source", ["sip_header:X-Customer-Id", "integration_attribute:customer_id", "state:customer_id"]),
    ],
)
def test_a_setting_at_its_limit_is_accepted(mem, name, good):
    for value in good:
        assert getattr(mem.agents.configure("support", **{name: value}), name) == value


def test_an_unknown_keyword_is_a_mistake_of_the_program(mem):
    with pytest.raises(TypeError):
        mem.agents.configure("support", retention=90)


def test_a_version_has_the_agents_settings_but_for_its_own(mem):
    mem.agents.configure("support", memory_enabled=True, recent_messages=5, state_keys=["name"])
    three = mem.agents.configure("support", version="3", recent_messages=7)
    assert three == AgentSettings(memory_enabled=True, recent_messages=7, state_keys={"name": None})
    mem.agents.configure("support", memory_enabled=False, recent_messages=6)
    assert mem.agents.get("support", version="3").recent_messages == 7
    assert mem.agents.get("support", version="3").memory_enabled is False
    assert mem.agents.get("support", version="4") == mem.agents.get("support")


def test_a_version_may_be_what_an_agent_is_known_by_first(mem):
    mem.agents.configure("support", version="3", memory_enabled=True)
    assert mem.agents.get("support", version="3").memory_enabled
    assert mem.agents.get("support") == AgentSettings()
    mem.conversations.start("support")


def test_retention_is_one_for_all_versions(mem):
    mem.agents.configure("support", version="3", memory_enabled=True, memory_retention_days=90)
    with pytest.raises(InvalidInputError, match="memory_retention_days: is one for all versions"):
        mem.agents.configure("support", version="3", memory_retention_days=30)
    mem.agents.configure("support", memory_retention_days=30)
    assert mem.agents.get("support", version="3").memory_retention_days == 30
    mem.agents.configure("support", version="3", memory_retention_days=30)


def test_a_custom_identifier_source_can_be_taken_back(mem):
    mem.agents.configure("support", SEED_001)
    assert mem.agents.configure("support", identifier_source="").identifier_source is None


def test_seed_002_update_is_speechifys_word_for_it(mem):
    assert mem.agents.update(id="support", memory_enabled=True, memory_retention_days=30) == AgentSettings(
        memory_enabled=True, memory_retention_days=30
    )
    assert mem.agents.get("support").memory_retention_days == 30


def test_agents_are_listed_each_followed_by_its_versions(mem):
    for agent_id, version in [("b", None), ("a", "2"), ("a", "10"), ("B", None)]:
        mem.agents.configure(agent_id, version=version, recent_messages=5)
    found = [(one.agent_id, one.version, one.settings.recent_messages) for one in mem.agents.list()]
    assert found == [("B", None, 5), ("a", None, 20), ("a", "10", 5), ("a", "2", 5), ("b", None, 5)]


def test_an_agent_of_another_tenant_is_another_agent(mem):
    mem.agents.configure("support", memory_enabled=True)
    other = mem.tenant("acme")
    assert other.agents.list() == []
    with pytest.raises(NotFoundError):
        other.agents.get("support")
    assert other.agents.configure("support") == AgentSettings()
    assert mem.agents.get("support").memory_enabled


def test_settings_changed_at_once_are_all_kept(open_mem):
    changes = [{"memory_enabled": True}, {"recent_messages": 7}, {"analytics_enabled": True}, {"state_keys": ["a"]}]
    stores = [open_mem() for _ in changes]
    with ThreadPoolExecutor(len(changes)) as pool:
        list(pool.map(lambda store, change: store.agents.configure("support", **change), stores, changes))
    assert stores[0].agents.get("support") == AgentSettings(
        memory_enabled=True, recent_messages=7, analytics_enabled=True, state_keys={"a": None}
    )


def test_settings_are_frozen_and_know_no_other_names(mem):
    with pytest.raises(ValueError, match="frozen"):
        mem.agents.configure("support").memory_enabled = True
    with pytest.raises(ValueError, match="Extra inputs"):
        AgentSettings(memory=True)
