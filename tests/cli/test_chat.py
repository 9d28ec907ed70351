"""`agentmem chat`: a conversation with memory, for a person and for a script."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess

import pytest

from agentmem import BackendError, InvalidInputError, MemoryContext
from agentmem.cli.agent import Conversation, build_agent, chat_model
from agentmem.testing import ScriptedChatModel


def turns(ran):
    return [json.loads(line) for line in ran.out.splitlines()]


def test_without_a_model_it_says_that_it_is_scripted(run):
    assert "The chat model is scripted" in run("chat", "hello").out
    assert turns(run("chat", "hello", "--json"))[0]["model"] == "scripted"


def test_a_question_is_looked_up_and_answered_from_what_was_found(run):
    run("remember", "The spare key is with Noor", "--speaker", "Ada", "--occurred-at", "2026-03-14T09:30:00+00:00")
    ran = run("chat", "Where is the spare key?")
    assert 'recall(query="Where is the spare key?"' in ran.out
    assert "→ 1 memory" in ran.out
    assert "On 14 March 2026 Ada said: “The spare key is with Noor”" in ran.out


def test_a_question_about_nothing_known_is_answered_honestly(run):
    assert "No memories match" in turns(run("chat", "Where is the spare key?", "--json"))[0]["text"]


def test_what_begins_with_remember_is_found_again_by_another_run(run):
    told = turns(run("chat", "Please remember that the bike is blue", "--json"))[0]
    assert [(tool["name"], tool["args"]) for tool in told["tools"]] == [
        ("archival_memory_insert", {"content": "the bike is blue"})
    ]
    assert "the bike is blue" in turns(run("chat", "Which colour is the bike?", "--json"))[0]["text"]
    assert run("recall", "bike", "--min-score", "0.1", "--json").json[0]["source"] == "assistant"


def test_a_lasting_wish_goes_to_core_memory_which_the_model_sees(run, memory):
    run("chat", "Always call me M.")
    assert "Always call me M." in memory.get("core").content
    assert "Always call me M." in turns(run("chat", "What do you know about me?", "--json"))[0]["text"]


def test_an_agent_keeps_what_it_is_told_to_itself(run):
    run("chat", "Remember: the bike is blue", "--agent", "juno")
    assert run("recall", "bike", "--min-score", "0.1", "--json").json == []
    assert len(run("recall", "bike", "--min-score", "0.1", "--agent", "juno", "--json").json) == 1


def test_auto_reminds_the_model_before_it_answers(run):
    run("remember", "the bike is blue")
    told = turns(run("chat", "I lost the blue bike", "--auto", "--json"))[0]
    assert told["tools"] == []
    assert [match["content"] for match in told["matches"]] == ["the bike is blue"]
    assert "the bike is blue" in told["text"]
    assert "reminded of 1 memory" in run("chat", "I lost the blue bike", "--auto").out


def test_what_is_piped_in_is_said_line_by_line_until_quit(run):
    ran = run("chat", stdin=b"Remember: the bike is blue\n\nWhich colour is the bike?\n/quit\nWhat else?\n")
    assert ran.code == 0
    assert ran.out.count("you> ") == 2
    assert "“the bike is blue”" in ran.out
    assert len(turns(run("chat", "--json", stdin=b"hello\nhello again"))) == 2


@pytest.mark.parametrize(
    ("words", "stdin", "says"),
    [
        (("chat", ""), b"", "message"),
        (("chat", "a\udcffb"), b"", "surrogate"),
        (("chat", "a\x00b"), b"", "NUL"),
        (("chat",), b"a\xffb\n", "UTF-8"),
        (("chat", "hello", "--user", ""), b"", "user_id"),
        (("chat", "hello", "--agent", ""), b"", "agent_id"),
        (("chat", "hello", "--model", "nobody:nothing"), b"", "provider:name"),
        (("chat", "hello", "--model", "nothing"), b"", "provider:name"),
    ],
)
def test_bad_input_is_refused(words, stdin, says, run):
    ran = run(*words, stdin=stdin)
    assert ran.code == 2
    assert says in ran.err


def test_hostile_words_steer_no_terminal(run, memory):
    memory.append("core", "\x1b[31m[bold]red\u202e")
    ran = run("chat", "What do you know about me?")
    assert "\\u001B[31m[bold]red\\u202E" in ran.out
    assert all(character.isprintable() or character == "\n" for character in ran.out)


def test_a_model_that_fails_is_an_error_of_ours(mem):
    def fail(messages):
        raise ConnectionError("no route\nto the provider")

    agent = build_agent(mem, ScriptedChatModel(script=[fail]))
    conversation = Conversation(agent, MemoryContext(user_id="ada"))
    with pytest.raises(BackendError, match=r"ConnectionError: no route$"):
        list(conversation.say("hello"))


def test_words_on_the_way_to_a_tool_are_shown_but_are_not_the_answer(mem):
    model = chat_model(None)
    assert model.invoke("Where?").tool_calls[0]["name"] == "recall"
    with pytest.raises(InvalidInputError, match="A model is named provider:name"):
        chat_model("nobody:nothing")


def test_ctrl_c_while_it_waits_ends_with_130_and_no_traceback(start):
    with start("chat") as process:
        assert b"scripted" in process.stdout.readline() + process.stdout.readline()
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        process.stdin.close()  # wakes a read that began when the signal had come already
        said = process.stderr.read()
    assert process.returncode == 130
    assert b"Traceback" not in said


def test_a_person_at_a_terminal_is_asked_and_leaves_with_ctrl_d(at_terminal):
    code, shown = at_terminal("chat", typed=[("you> ", b"hello\n"), ("you> ", b"\x00\n"), ("you> ", b"\x04")])
    assert code == 0
    assert "agent> I have nothing to say to that." in shown
