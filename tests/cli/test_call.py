"""What holds for every command: options anywhere, help, JSON, exit codes, errors."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

import agentmem
from agentmem.cli.app import app
from agentmem.cli.call import TextCommand, program
from agentmem.cli.output import WORDS
from agentmem.errors import sentence
from agentmem.wording import Phrase

HEAVY = {"alembic", "chromadb", "langchain", "langchain_core", "langgraph", "sqlalchemy", "sqlmodel", "torch", "numpy"}


def commands(group, *before):
    """Every command there is, with the words that name it."""
    for name, each in group.commands.items():
        words = (*before, name)
        yield (words, each)
        if hasattr(each, "commands"):
            yield from commands(each, *words)


COMMANDS = dict(commands(typer.main.get_command(app)))
LEAVES = [words for words, each in COMMANDS.items() if not hasattr(each, "commands")]
ABOUT_WHAT_IS_THERE = [
    ("recall", "tea"),
    ("status",),
    ("check",),
    ("reindex",),
    ("blocks", "list"),
    ("blocks", "get", "core"),
    ("blocks", "history", "core"),
    ("blocks", "delete", "core", "--yes"),
    ("contacts", "list"),
    ("contacts", "show", "ada"),
    ("contacts", "find", "--phone", "+14155550192"),
    ("contacts", "link", "ada", "--phone", "+14155550192"),
    ("contacts", "merge", "ada", "--into", "eve"),
    ("contacts", "reset", "ada", "--agent", "juno"),
    ("conversations", "list"),
    ("conversations", "show", "c1"),
    ("agents", "list"),
    ("agents", "show", "juno"),
    ("changes", "ada"),
    ("forget", "ada"),
    ("work", "--model", "openai:gpt-5"),
    ("sweep",),
]
GROUPS = [(), *(words for words, each in COMMANDS.items() if hasattr(each, "commands"))]
NAMED = {words: " ".join(words) for words in COMMANDS}


@pytest.mark.parametrize("words", COMMANDS, ids=NAMED.get)
def test_every_command_has_help_with_the_options_that_all_have(words, run):
    ran = run(*words, "--help")
    assert ran.code == 0
    assert f"Usage: agentmem {' '.join(words)}" in ran.out
    for option in ("--home", "--tenant", "--user", "--agent", "--json"):
        assert option in ran.out


@pytest.mark.parametrize("words", LEAVES, ids=NAMED.get)
def test_every_help_ends_with_examples_of_the_command(words, run):
    _, _, shown = run(*words, "--help").out.partition("Examples")
    assert f"agentmem {' '.join(words)}" in shown


@pytest.mark.parametrize("words", GROUPS, ids=" ".join)
def test_a_group_alone_shows_its_help(words, run):
    ran = run(*words)
    assert ran.code == 0
    assert "Commands" in ran.out


def test_help_fits_a_terminal_of_80_columns(run):
    for words in COMMANDS:
        assert max(map(len, run(*words, "--help").out.splitlines())) <= 80


@pytest.mark.parametrize("words", LEAVES, ids=NAMED.get)
def test_no_example_is_broken_over_lines_so_that_it_can_be_copied(words, run):
    _, _, shown = run(*words, "--help").out.partition("Examples")
    lines = [line.strip() for line in shown.splitlines() if line.strip()]
    assert lines == [line.strip() for line in COMMANDS[words].epilog.splitlines()[1:]]


@pytest.mark.parametrize("words", GROUPS, ids=" ".join)
def test_every_command_is_told_in_one_line_of_the_list(words, run):
    _, _, listed = run(*words, "--help").out.partition("Commands")
    rows = [line for line in listed.splitlines() if line.startswith("│")]
    assert all(row[2] != " " for row in rows)
    assert len(rows) == len([each for each in COMMANDS if each[:-1] == words])


def test_the_version_is_shown_for_a_person_and_for_a_script(run):
    assert run("--version").out == f"agentmem {agentmem.__version__}\n"
    assert run("--version", "--json").json == {"version": agentmem.__version__}


@pytest.mark.parametrize(
    "words",
    [
        ("--user", "ada", "blocks", "get", "core"),
        ("blocks", "--user", "ada", "get", "core"),
        ("blocks", "get", "core", "--user", "ada"),
        ("--user", "eve", "blocks", "get", "core", "--user", "ada"),
    ],
)
def test_whose_memory_is_said_before_or_after_the_command_and_the_last_word_counts(words, run):
    run("blocks", "append", "core", "Ada's", "--user", "ada")
    run("blocks", "append", "core", "Eve's", "--user", "eve")
    assert run(*words, "--json").json["content"] == "Ada's"


@pytest.mark.parametrize("option", ["tenant", "user", "agent"])
def test_the_environment_says_whose_memory_unless_an_option_does(option, run, monkeypatch):
    monkeypatch.setenv(f"AGENTMEM_{option.upper()}", "ours")
    run("blocks", "append", "core", "text")
    assert run("blocks", "get", "core", f"--{option}", "ours").code == 0
    assert run("blocks", "get", "core", f"--{option}", "other").code == 3
    monkeypatch.setenv(f"AGENTMEM_{option.upper()}", "")
    assert run("blocks", "get", "core").code == 3


def test_without_a_word_it_is_about_the_default_user_of_the_default_tenant(run, mem, monkeypatch):
    monkeypatch.delenv("AGENTMEM_USER")
    run("blocks", "append", "core", "text")
    assert mem.tenant("default").client("default").memory.get("core").content == "text"


def test_a_store_is_where_home_says(run, tmp_path):
    run("blocks", "append", "core", "here", "--home", tmp_path / "mine")
    assert (tmp_path / "mine").is_dir()
    assert run("blocks", "get", "core").code == 3
    assert run("--home", tmp_path / "mine", "blocks", "get", "core").code == 0


@pytest.mark.parametrize("words", ABOUT_WHAT_IS_THERE, ids=" ".join)
def test_a_command_about_what_is_there_makes_no_store(words, run, tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("mistyped", "empty"):
        ran = run(*words, "--home", tmp_path / name)
        assert (ran.code, ran.out) == (3, "")
        assert f"there is no store in {tmp_path / name}" in ran.err
        assert f"remember 'Something worth keeping' --home {tmp_path / name}" in ran.err
        assert "agentmem.cli demo" in ran.err
        error = run(*words, "--home", tmp_path / name, "--json").error
        assert error["type"] == "NotFoundError"
        assert str(tmp_path / name) in error["message"]
        assert len(error["advice"]) == 2
    assert not (tmp_path / "mistyped").exists()
    assert list((tmp_path / "empty").iterdir()) == []


def test_every_other_command_is_known_to_make_one():
    others = {words for words in LEAVES if words not in {each[: len(words)] for each in ABOUT_WHAT_IS_THERE}}
    assert others == {
        ("demo",),
        ("chat",),
        ("remember",),
        ("blocks", "set"),
        ("blocks", "append"),
        ("agents", "configure"),
    }


@pytest.mark.parametrize(
    "words",
    [("remember", "x"), ("chat", "x"), ("blocks", "set", "core", "x"), ("agents", "configure", "x", "--memory", "on")],
)
def test_a_command_that_writes_makes_the_store(words, run, tmp_path):
    assert run(*words, "--home", tmp_path / "new").code == 0
    assert run("status", "--home", tmp_path / "new").code == 0


def test_without_any_word_on_where_it_is_the_store_is_looked_for_here(run, tmp_path, monkeypatch):
    monkeypatch.delenv("AGENTMEM_HOME")
    monkeypatch.chdir(tmp_path)
    assert f"there is no store in {tmp_path / '.agentmem'}" in run("status").err
    assert not (tmp_path / ".agentmem").exists()


def test_a_database_of_its_own_needs_no_folder_unless_one_is_named(run, home, tmp_path, monkeypatch):
    monkeypatch.setenv("AGENTMEM_DATABASE_URL", f"sqlite:///{home / 'agentmem.db'}")
    monkeypatch.setenv("AGENTMEM_HOME", str(tmp_path / "none"))
    assert run("status").code == 0
    assert run("status", "--home", tmp_path / "other").code == 3


@pytest.mark.parametrize(
    "words", [("--nope",), ("nope",), ("recall",), ("recall", "a", "b"), ("recall", "--limit", "x")]
)
def test_a_wrong_call_ends_with_2_and_says_where_the_help_is(words, run):
    ran = run(*words)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: ")
    assert "--help" in ran.err
    error = run(*words, "--json").error
    assert error["type"] == "UsageError"


def test_a_mistyped_command_is_guessed(run):
    assert "'recall'" in run("recal", "x").err


@pytest.mark.parametrize(
    ("words", "code", "kind"),
    [
        (("blocks", "get", "nope"), 3, "NotFoundError"),
        (("blocks", "set", "core", "new"), 4, "ConflictError"),
        (("recall", ""), 2, "InvalidInputError"),
        (("status", "--home", "{file}"), 3, "NotFoundError"),
        (("remember", "x", "--home", "{file}"), 6, "BackendError"),
    ],
)
def test_an_error_is_one_object_on_stderr_and_ends_with_its_code(words, code, kind, run, tmp_path):
    (tmp_path / "file").touch()
    run("blocks", "append", "core", "old")
    given = [word.format(file=tmp_path / "file") for word in words]
    ran = run(*given, "--json")
    assert ran.code == code
    assert ran.error["type"] == kind
    for_a_person = run(*given)
    assert for_a_person.code == code
    assert for_a_person.out == ""
    assert for_a_person.err.startswith("error: ")
    assert "Traceback" not in for_a_person.err


def test_json_may_be_a_text_too(run):
    assert run("remember", "--", "--json").code == 0
    assert run("recall", "--json", "--", "--json", stdin=b"").json[0]["content"] == "--json"


def test_advice_is_in_the_words_of_the_command_line(run):
    assert "--agent names the agent" in run("blocks", "get", "core").err
    assert "datetime" not in run("recall", "x", "--since", "2026-03-01").err


def test_the_command_line_has_words_for_every_phrase_and_each_is_said_somewhere():
    assert set(WORDS) == set(Phrase)
    package = Path(agentmem.__file__).parent
    sources = "".join(file.read_text("utf-8") for file in package.rglob("*.py") if "cli" not in file.parts)
    assert [one.name for one in Phrase if f"Phrase.{one.name}" not in sources] == []


def test_an_error_object_has_the_parts_of_its_message(run):
    run("blocks", "append", "core", "tea")
    for words in (
        ("recall", "x", "--since", "2026-03-01"),
        ("blocks", "get", "tone"),
        ("blocks", "set", "core", "rye"),
    ):
        error = run(*words, "--json").error
        assert {"type", "message", "advice", "code", "field", "rule", "hint", "status"} <= set(error)
        assert error["message"] == sentence(error["rule"], field=error["field"], advice=error["hint"])
    error = run("recall", "x", "--scope", "agent", "--json").error
    assert (error["code"], error["field"], error["rule"]) == ("invalid_input", "scope", '"agent" needs --agent')
    assert (error["hint"], error["status"], error["advice"]) == ("", 422, [])
    error = run("recall", "--nothing", "--json").error
    assert (error["code"], error["field"], error["rule"]) == ("invalid_input", None, error["message"])


def test_the_program_is_named_as_it_is_started_from_here(tmp_path, monkeypatch):
    program_file = tmp_path / "bin" / "agentmem"
    program_file.parent.mkdir()
    program_file.write_text("#!/bin/sh\n")
    program_file.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(program_file)])
    assert program() == "bin/agentmem"
    monkeypatch.setenv("PATH", str(program_file.parent), prepend=os.pathsep)
    assert program() == "agentmem"
    monkeypatch.setattr(sys, "argv", ["elsewhere/__main__.py"])
    assert program() == f"{shlex.quote(sys.executable)} -m agentmem.cli"


def test_ctrl_c_ends_with_130_and_without_a_traceback(run):
    def interrupted(path=None, **options):
        raise KeyboardInterrupt

    ran = run("status", opener=interrupted)
    assert ran.code == 130
    assert "Traceback" not in ran.err


def test_a_reader_that_has_enough_is_no_error(run, start):
    run("blocks", "set", "core", "-", stdin=b"many words\n" * 1_500)
    run("blocks", "set", "other", "-", stdin=b"many words\n" * 1_500)
    for more in (["--json"], []):
        with start("blocks", "list", "--scope", "all", *more) as process:
            process.stdout.close()
            assert process.stderr.read() == b""
        assert process.returncode in {0, 1}


def test_help_and_version_load_nothing_heavy():
    program = (
        "import sys, json\n"
        "from agentmem.cli import main\n"
        "main(['--help']), main(['recall', '--help']), main(['--version'])\n"
        "print(json.dumps(sorted(sys.modules)))\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert HEAVY & set(json.loads(ran.stdout.splitlines()[-1])) == set()


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (["- Likes tea"], "- Likes tea"),
        (["- Likes tea", "--json"], "- Likes tea"),
        (["--json", "- Likes tea"], "- Likes tea"),
        (["--idempotency-key", "- key", "--json", "-- signed"], "-- signed"),
        (["--json", "--", "--raw"], "--raw"),
    ],
)
def test_a_text_may_begin_with_a_dash_and_a_blank(given, text, run):
    assert run("--user", "ada", "--json", "blocks", "append", "core", *given).json["content"] == text


def test_every_command_that_takes_text_lets_it_begin_with_a_dash():
    texts = {"text", "query", "message"}
    taking = [each for each in COMMANDS.values() if texts & {param.name for param in each.params}]
    assert len(taking) >= 5
    assert all(isinstance(each, TextCommand) for each in taking)
