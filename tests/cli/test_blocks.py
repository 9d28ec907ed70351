"""`agentmem blocks`: what it shows, what it refuses, and that no edit is lost unseen."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
import signal

import pytest

from agentmem import BlockVersion, MemoryBlock

HOSTILE = "[bold red]hi[/] :smile: \x1b[31mred\x07 \u202eevil\u2066 \u200bhidden \x9b2J"


def advised(ran, start):
    """The words of the command that the error advises, without the program's name."""
    line = next(line for line in ran.err.splitlines() if line.strip().startswith(start))
    words = shlex.split(line.partition(":")[2])
    return words[words.index("agentmem.cli") + 1 :]


def test_set_creates_a_missing_block(run):
    assert run("blocks", "set", "core", "- Likes tea").code == 0
    block = run("blocks", "get", "core", "--json").json
    assert set(block) == {field.name for field in dataclasses.fields(MemoryBlock)}
    assert (block["content"], block["version"], block["scope"]) == ("- Likes tea", 1, "user")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", block["updated_at"])


def test_set_does_not_overwrite_what_was_not_named(run):
    run("blocks", "set", "core", "first")
    ran = run("blocks", "set", "core", "second")
    assert (ran.code, ran.out) == (4, "")
    assert run("blocks", "get", "core", "--json").json["content"] == "first"


@pytest.mark.parametrize("text", ["second", '- it\'s "quoted" $HOME; rm', ""])
def test_the_conflict_prints_the_command_that_replaces_and_it_works_as_it_stands(text, run):
    run("blocks", "set", "core", "first", "--agent", "juno's")
    ran = run("--agent", "juno's", "blocks", "set", "core", text)
    shown = run("blocks", "get", "core", "--agent", "juno's", "--json").json
    assert shown["updated_at"] in ran.err
    assert "first" in run(*advised(ran, "look at it")).out
    assert run(*advised(ran, "replace it")).code == 0
    assert run("blocks", "get", "core", "--agent", "juno's", "--json").json["content"] == text


def test_the_advised_command_keeps_what_stands_behind_two_dashes_there(run):
    run("blocks", "set", "core", "first")
    ran = run("blocks", "set", "core", "--", "--second")
    assert run(*advised(ran, "replace it")).code == 0
    assert run("blocks", "get", "core", "--json").json["content"] == "--second"


def test_the_advice_after_a_stale_edit_names_the_version_that_is_stored_now(run):
    token = run("blocks", "set", "core", "first", "--json").json["updated_at"]
    run("blocks", "append", "core", "more")
    ran = run("blocks", "set", "core", "mine", "--expected-updated-at", token)
    assert ran.code == 4
    assert run(*advised(ran, "replace it")).code == 0
    assert run("blocks", "get", "core", "--json").json["content"] == "mine"


def test_a_conflict_in_json_brings_the_stored_block(run):
    stored = run("blocks", "set", "core", "first", "--json").json
    error = run("blocks", "set", "core", "second", "--create", "--json").error
    assert error["type"] == "ConflictError"
    assert error["current"] == stored


def test_a_text_that_cannot_be_typed_is_not_repeated_in_the_advice(run):
    run("blocks", "set", "core", "first")
    assert "\x1b" not in run("blocks", "set", "core", "\x1b[31mred").err
    assert len(run("blocks", "set", "core", "x" * 5_000).err) < 1_500


def test_set_to_what_is_stored_already_changes_nothing(run):
    stored = run("blocks", "set", "core", "same", "--json").json
    assert run("blocks", "set", "core", "same", "--json").json == stored
    assert run("blocks", "set", "core", "same", "--description", "new").code == 4
    assert run("blocks", "set", "core", "same", "--create").code == 4


def test_set_replaces_the_version_that_is_named(run):
    token = run("blocks", "set", "core", "first", "--json").json["updated_at"]
    assert run("blocks", "set", "core", "second", "--expected-updated-at", token, "--json").json["version"] == 2
    assert run("blocks", "set", "core", "third", "--expected-updated-at", token).code == 4
    assert run("blocks", "set", "core", "third", "--expected-updated-at", token, "--create").code == 2
    assert run("blocks", "set", "core", "third", "--expected-updated-at", "2026-03-14").code == 2


def test_description_and_read_only_are_kept_unless_given(run):
    first = run("blocks", "set", "persona", "x", "--description", "who", "--read-only", "--json").json
    assert (first["description"], first["read_only"]) == ("who", True)
    token = ("--expected-updated-at", first["updated_at"])
    second = run("blocks", "set", "persona", "y", *token, "--writable", "--json").json
    assert (second["description"], second["read_only"]) == ("who", False)
    assert "who" in run("blocks", "get", "persona").out


@pytest.mark.parametrize("text", ["one\ntwo", "ends\n", "\n\n", "", "  a\ttab ", "日本 🙂", "a\r\nb", HOSTILE])
def test_a_text_goes_to_a_file_and_back_unchanged(text, run, tmp_path, memory):
    written = memory.update("core", text, expected_updated_at=None)
    file = tmp_path / "core.md"
    file.write_bytes(run("blocks", "get", "core", "--raw").out.encode())
    run("blocks", "set", "copy", "--file", file)
    assert memory.get("copy").content == text
    assert run("blocks", "set", "piped", "-", stdin=file.read_bytes()).code == 0
    assert memory.get("piped").content == text
    assert written.content == text


def test_a_text_is_piped_in_when_none_is_typed(run):
    run("blocks", "append", "core", stdin=b"\xef\xbb\xbfone\n")
    run("blocks", "append", "core", "--file", "-", stdin="zwei ü\n".encode())
    assert run("blocks", "get", "core", "--json").json["content"] == "one\nzwei ü"


@pytest.mark.parametrize(
    ("words", "stdin", "says"),
    [
        (("blocks", "set", "core"), b"", "nothing piped in"),
        (("blocks", "set", "core", "-"), b"a\xffb", "not UTF-8"),
        (("blocks", "set", "core", "x", "--file", "y"), b"", "given twice"),
        (("blocks", "set", "core", "--file", "/no/such/file"), b"", "No such file"),
        (("blocks", "set", "core", "--file", "/"), b"", "cannot be read"),
        (("blocks", "set", "core", "-"), b"a\x00b", "NUL"),
        (("blocks", "set", "core", "a\udcffb"), b"", "surrogate"),
        (("blocks", "set", "core", "-"), b"x" * 20_001, "20,000"),
        (("blocks", "set", "Core", "x"), b"", "block_type"),
        (("blocks", "append", "core", ""), b"", "empty"),
        (("blocks", "append", "core", "x", "--idempotency-key", ""), b"", "idempotency_key"),
        (("blocks", "list", "--scope", "mine"), b"", "scope"),
        (("blocks", "list", "--user", ""), b"", "user_id"),
        (("blocks", "list", "--user", "a\udcff"), b"", "user_id"),
        (("blocks", "list", "--tenant", "t" * 256), b"", "tenant_id"),
        (("blocks", "get", "core", "--agent", "\x00"), b"", "agent_id"),
        (("blocks", "history", "archival"), b"", "history"),
        (("blocks", "delete", "core!"), b"", "block_type"),
    ],
)
def test_bad_input_is_refused_and_nothing_is_written(words, stdin, says, run, memory):
    ran = run(*words, stdin=stdin)
    assert (ran.code, ran.out) == (2, "")
    assert says in ran.err
    assert memory.list(scope="all") == []


def test_the_list_names_scope_version_and_the_beginning_of_each_text(run):
    run("blocks", "append", "core", "one\ntwo\nthree")
    run("blocks", "append", "core", "agent's", "--agent", "juno")
    run("remember", "a line")
    shown = run("blocks", "list", "--scope", "all").out
    assert "one (+2 lines)" in shown
    assert "agent juno" in shown
    assert "archival" in shown
    found = run("blocks", "list", "--scope", "all", "--json").json
    assert [(block["block_type"], block["agent_id"]) for block in found] == [
        ("archival", None),
        ("core", None),
        ("core", "juno"),
    ]
    assert [block["content"] for block in run("blocks", "list", "--agent", "juno", "--json").json] == ["agent's"]


def test_an_empty_list_says_so(run):
    assert run("blocks", "list", "--user", "nobody").out == "No blocks for user nobody.\n"
    assert run("blocks", "list", "--json").json == []


def test_history_tells_who_did_what(run):
    run("blocks", "append", "core", "one")
    run("blocks", "append", "core", "two")
    shown = run("blocks", "history", "core").out
    assert "created" in shown
    assert "appended" in shown
    versions = run("blocks", "history", "core", "--json").json
    assert set(versions[0]) == {field.name for field in dataclasses.fields(BlockVersion)}
    assert [each["content"] for each in versions] == ["one", "one\ntwo"]
    assert run("blocks", "history", "nope").code == 3


def test_delete_tells_whether_there_was_one(run):
    run("blocks", "append", "core", "text")
    deleted = run("blocks", "delete", "core", "--yes", "--json").json
    assert deleted == {"block_type": "core", "agent_id": None, "deleted": True}
    assert run("blocks", "delete", "core", "--yes").code == 3
    assert "what there is: " in run("blocks", "delete", "core", "--yes").err


def test_delete_keeps_another_version_than_the_named_one(run):
    token = run("blocks", "append", "core", "one", "--json").json["updated_at"]
    run("blocks", "append", "core", "two")
    assert run("blocks", "delete", "core", "--yes", "--expected-updated-at", token).code == 4
    assert run("blocks", "get", "core").code == 0


@pytest.mark.parametrize(("answer", "code", "left"), [(b"y\n", 0, 0), (b"n\n", 1, 1), (signal.SIGINT, 130, 1)])
def test_delete_asks_a_person_first(answer, code, left, memory, at_terminal):
    memory.append("core", "text")
    ended, shown = at_terminal("blocks", "delete", "core", typed=[("[y/N]", answer)])
    assert "Delete core of user ada" in shown
    assert (ended, len(memory.list())) == (code, left)


def test_an_append_with_a_key_is_done_once(run):
    for _ in range(2):
        run("blocks", "append", "core", "one", "--idempotency-key", "k")
    assert run("blocks", "get", "core", "--json").json["content"] == "one"


@pytest.mark.parametrize("words", [("list",), ("get", "core"), ("history", "core")])
def test_stored_text_steers_no_terminal_and_is_no_markup(words, run, memory):
    memory.update("core", HOSTILE, expected_updated_at=None, description=HOSTILE)
    shown = run("blocks", *words).out
    assert "[bold red]hi[/] :smile:" in shown
    assert all(character.isprintable() or character == "\n" for character in shown)
    as_json = run("blocks", *words, "--json")
    assert all(character.isprintable() or character == "\n" for character in as_json.out)
    found = as_json.json[0] if isinstance(as_json.json, list) else as_json.json
    assert found["content"] == HOSTILE


def test_a_stream_that_knows_only_ascii_gets_ascii(start, memory):
    memory.update("core", "naïve 🙂", expected_updated_at=None)
    for more in ([], ["--json"]):
        with start("blocks", "get", "core", *more, environment={"PYTHONIOENCODING": "ascii"}) as process:
            shown = process.stdout.read().decode("ascii")
        assert process.returncode == 0
        assert "na" in shown
    assert json.loads(shown)["content"] == "naïve 🙂"
