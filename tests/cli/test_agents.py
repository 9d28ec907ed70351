"""`agentmem agents`: what is configured, and who comes back."""

from __future__ import annotations

import json

import pytest

from agentmem.agents.settings import AgentSettings

POLYAI = {
    "memory": {
        "repeat_caller": {
            "analytics_enabled": True,
            "state_keys": ["booking_day", "preferred_language"],
            "identifier_blacklist": ["+440000000000"],
        }
    }
}


@pytest.fixture
def edges(clock):
    return {"clock": clock}


def configured(run, *words):
    return run("agents", "configure", "support", *words, "--json").json


def test_configure_sets_what_is_given_and_keeps_the_rest(run):
    first = configured(
        run,
        *("--memory", "on", "--retention-days", "30", "--recent-messages", "5", "--analytics", "on"),
        *("--state-key", "booking_day=30", "--state-key", "a=b=7", "--state-key", "preferred_language"),
        *("--identifier-source", "sip_header:X-Customer-Id", "--blacklist", "+44000", "--blacklist", "test-"),
    )
    assert first == {
        "agent_id": "support",
        "version": None,
        "memory_enabled": True,
        "memory_retention_days": 30,
        "recent_messages": 5,
        "state_keys": {"booking_day": 30, "a=b": 7, "preferred_language": None},
        "identifier_source": "sip_header:X-Customer-Id",
        "identifier_blacklist": ["+44000", "test-"],
        "analytics_enabled": True,
    }
    assert configured(run, "--memory", "off") == {**first, "memory_enabled": False}
    assert run("agents", "show", "support", "--json").json == {
        **first,
        "memory_enabled": False,
        "metrics": run("agents", "show", "support", "--json").json["metrics"],
    }


def test_every_setting_can_be_configured(run):
    assert set(configured(run, "--memory", "on")) == {"agent_id", "version", *AgentSettings.model_fields}


def test_an_empty_word_takes_away_what_was_there(run):
    configured(run, "--state-key", "name", "--blacklist", "+44", "--identifier-source", "state:id")
    told = configured(run, "--state-key", "", "--blacklist", "", "--identifier-source", "")
    assert (told["state_keys"], told["identifier_blacklist"], told["identifier_source"]) == ({}, [], None)


def test_a_version_has_its_own_on_top_of_the_agents(run):
    configured(run, "--memory", "on", "--recent-messages", "5")
    told = configured(run, "--version", "3", "--memory", "off")
    assert (told["version"], told["memory_enabled"], told["recent_messages"]) == ("3", False, 5)
    assert run("agents", "show", "support", "--json").json["memory_enabled"] is True
    assert run("agents", "show", "support", "--version", "3", "--json").json["memory_enabled"] is False
    shown = run("agents", "show", "support", "--version", "3").out
    assert "version" in shown
    found = run("agents", "list", "--json").json
    assert [(each["agent_id"], each["version"], each["memory_enabled"]) for each in found] == [
        ("support", None, True),
        ("support", "3", False),
    ]


def test_polyais_configuration_is_taken_as_it_stands(run, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(POLYAI))
    told = configured(run, "--file", tmp_path / "config.json")
    assert told["memory_enabled"] is True
    assert told["analytics_enabled"] is True
    assert told["state_keys"] == {"booking_day": None, "preferred_language": None}
    assert told["identifier_blacklist"] == ["+440000000000"]
    piped = run("agents", "configure", "piped", "-f", "-", "--json", stdin=json.dumps(POLYAI).encode()).json
    assert {**piped, "agent_id": "support"} == told


def test_the_settings_are_shown_in_words(run):
    ran = run("agents", "configure", "support", "--memory", "on", "--retention-days", "0", "--state-key", "name=1")
    assert ran.code == 0
    for shown in (ran.out, run("agents", "show", "support").out):
        for word in ("support", "on", "without end", "name (1 day)", "20", "none", "off"):
            assert word in shown
    assert "without end" in run("agents", "list").out


def test_no_agent_configured_is_said(run):
    assert run("agents", "list").out == "No agent was configured yet.\n"
    assert run("agents", "list", "--json").json == []


def test_with_analytics_on_show_tells_who_came_back(run, mem):
    configured(run, "--memory", "on")
    for caller in ("ada", "ada", "ben"):
        with mem.conversations.start("support", user_id=caller) as conversation:
            conversation.set_outcome(qa="resolved")
            conversation.handoff(to="billing", reason="a refund")
    assert "Repeat callers" not in run("agents", "show", "support").out
    assert run("agents", "show", "support", "--json").json["metrics"] is None
    configured(run, "--analytics", "on")
    shown = run("agents", "show", "support").out
    for word in ("1 (50%)", "3 (100%)", "billing", "a refund", "2026-01-01 12:00"):
        assert word in shown
    metrics = run("agents", "show", "support", "--json").json["metrics"]
    assert (metrics["conversations"], metrics["callers"], metrics["repeat_callers"]) == (3, 2, 1)
    assert (metrics["repeat_rate"], metrics["resolution_rate"], metrics["handed_off"]) == (0.5, 1, 3)
    assert metrics["first_interactions"][0]["qa"] == "resolved"


@pytest.mark.parametrize(
    ("words", "stdin", "code", "says"),
    [
        (("show", "nobody"), b"", 3, "agentmem agents configure"),
        (("configure", "support"), b"", 2, "nothing given"),
        (("configure", "", "--memory", "on"), b"", 2, "agent_id"),
        (("configure", "support", "--memory", "maybe"), b"", 2, "memory: must be on or off"),
        (("configure", "support", "--analytics", "1"), b"", 2, "analytics: must be on or off"),
        (("configure", "support", "--retention-days", "-1"), b"", 2, "memory_retention_days"),
        (("configure", "support", "--retention-days", "many"), b"", 2, "--retention-days"),
        (("configure", "support", "--version", "3", "--retention-days", "7"), b"", 2, "memory_retention_days"),
        (("configure", "support", "--state-key", "name=soon"), b"", 2, "booking_day=30"),
        (("configure", "support", "--state-key", "name=0"), b"", 2, "state_keys"),
        (("configure", "support", "--state-key", "REPEAT_CALLER_QA"), b"", 2, "state_keys"),
        (("configure", "support", "--identifier-source", "cookie"), b"", 2, "identifier_source"),
        (("configure", "support", "--file", "/no/such/file"), b"", 2, "cannot be read"),
        (("configure", "support", "--file", "-"), b"{", 2, "not JSON, at line 1"),
        (("configure", "support", "--file", "-"), b"[" * 100_000, 2, "not JSON"),
        (("configure", "support", "--file", "-"), b"[]", 2, "mapping"),
        (("configure", "support", "--file", "-"), b'{"memory": {"repeat_callers": {}}}', 2, "repeat_callers"),
        (("configure", "support", "--file", "-"), b'{"memory": {"repeat_caller": {"x": 1}}}', 2, "'x'"),
    ],
)
def test_what_cannot_be_is_refused(words, stdin, code, says, run):
    ran = run("agents", *words, stdin=stdin)
    assert (ran.code, ran.out) == (code, "")
    assert says in ran.err
    assert run("agents", "list", "--json").json == []


def test_stored_text_steers_no_terminal_and_is_no_markup(run):
    hostile = "[bold red]hi[/] \x1b[31mred\u202e"
    words = (hostile, "--version", hostile, "--state-key", hostile, "--blacklist", hostile)
    for ran in (
        run("agents", "configure", *words),
        run("agents", "list"),
        run("agents", "show", hostile, "--version", hostile),
    ):
        assert ran.code == 0
        assert "[bold red]hi[/]" in ran.out
        assert all(character.isprintable() or character == "\n" for character in ran.out)
