"""What the documentation shows is true: its Python runs, its commands exist, and its links lead somewhere."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import os
import re
import shlex
import subprocess
import sys
import tomllib
from dataclasses import dataclass

import pytest
import typer

from agentmem.cli.app import app, main

from .conftest import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*.md"), *ROOT.glob("graphs/*.md")])
FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^\n]*)\n(?P<code>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
NOT_RUN = "# Not run by the tests: "


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    info: str
    code: str
    line: int


def blocks(page):
    text = page.read_text("utf-8")
    return [
        Block(found["info"].strip(), found["code"], text.count("\n", 0, found.start()) + 2)
        for found in FENCE.finditer(text)
    ]


def name(page):
    return page.relative_to(ROOT).as_posix()


def with_python():
    return [page for page in PAGES if any(block.info.startswith("python") for block in blocks(page))]


@pytest.mark.parametrize("page", with_python(), ids=name)
def test_the_python_of_a_page_runs_from_its_first_block_to_its_last(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shared = {"__name__": "__main__"}
    with asyncio.Runner() as runner:
        for block in blocks(page):
            if block.info == "python":
                _run(page, block, shared, runner)


LOOSE = """[mypy]
strict = true
follow_imports = skip
ignore_missing_imports = true
[mypy-agentmem,agentmem.errors,agentmem.models,agentmem.records]
follow_imports = silent
"""
"""mypy --strict for who uses the errors and the values; all that stands behind them would take it a minute to read."""


@pytest.mark.sqlite("mypy reads the code")
def test_what_is_shown_of_a_conflict_passes_mypy_strict(tmp_path):
    (tmp_path / "mypy.ini").write_text(LOOSE)
    programs = []
    for page in with_python():
        code = "\n".join(block.code for block in blocks(page) if block.info == "python")
        if "ConflictError" in code:
            programs.append(tmp_path / f"{page.stem}_page.py")
            programs[-1].write_text(code, "utf-8")
    programs += [file for file in ROOT.glob("examples/*.py") if "ConflictError" in file.read_text("utf-8")]
    assert len(programs) >= 4
    for program in programs:
        ran = subprocess.run(
            [sys.executable, "-m", "mypy", "--config-file=mypy.ini", "--cache-dir=cache", program],
            cwd=tmp_path,
            env={**os.environ, "MYPYPATH": str(ROOT)},
            check=False,
            capture_output=True,
            text=True,
        )
        assert ran.stdout.startswith("Success"), ran.stdout + ran.stderr


def _run(page, block, shared, runner):
    """One block, at its place in the page for the traceback's sake; a cell that awaits may do so at its top level."""
    code = compile(
        "\n" * (block.line - 1) + block.code, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True
    )
    outcome = eval(code, shared)  # noqa: S307 - our own documentation
    if inspect.iscoroutine(outcome):
        runner.run(outcome)


def test_a_block_that_is_not_run_says_why_to_its_reader():
    odd = [
        (name(page), block.line)
        for page in PAGES
        for block in blocks(page)
        if block.info.startswith("python") and block.info != "python" and not block.code.startswith(NOT_RUN)
    ]
    assert odd == []


def commands(block):
    """The commands of a block: what stands behind a `$`, or every line of a script."""
    lines = block.code.replace("\\\n", " ").splitlines()
    if block.info == "console":
        lines = [line.strip()[2:] for line in lines if line.strip().startswith("$ ")]
    for line in lines:
        part = []
        for word in [*shlex.split(line, comments=True), ";"]:
            if word in {"|", ";", "&&", "||", "&", ">", ">>", "<"}:
                if part:
                    yield part
                part = []
            elif part or "=" not in word:
                part.append(word)


def shown(program):
    """Every call of a program that a page shows."""
    found = [
        (page, block, tuple(words))
        for page in PAGES
        for block in blocks(page)
        if block.info in {"console", "bash", "sh"}
        for words in commands(block)
        if words[0].rpartition("/")[2] == program
    ]
    return [
        pytest.param(words, id=f"{number}-{name(page)}:{block.line}-{' '.join(words)[:40]}")
        for number, (page, block, words) in enumerate(found)
    ]


def walk(words):
    """The command that some words call, the names on the way, and the options that were given."""
    command, path, options = typer.main.get_command(app), [], []
    context = typer.Context(command, info_name="agentmem")
    known = [command]
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            break
        if re.match("-{1,2}[a-z]", word):  # and no text that begins with a dash
            options.append(word.partition("=")[0])
            found = [one for each in known for one in each.get_params(context) if options[-1] in one.opts]
            if (
                found
                and "=" not in word
                and not getattr(found[0], "is_flag", False)
                and not getattr(found[0], "count", False)
                and rest
            ):
                rest.pop(0)
        elif hasattr(command, "commands"):
            assert word in command.commands, f"there is no command {' '.join([*path, word])}"
            path.append(word)
            command = command.commands[word]
            known.append(command)
    taken = {opt for each in known for one in each.get_params(context) for opt in [*one.opts, *one.secondary_opts]}
    return path, [option for option in options if option not in taken | {"--help"}]


@pytest.mark.parametrize("words", shown("agentmem"))
def test_a_command_that_is_shown_exists_with_its_options(words, capsys):
    path, unknown = walk(words[1:])
    assert unknown == []
    with contextlib.suppress(SystemExit):
        assert main([*path, "--help"]) == 0
    assert "Usage" in capsys.readouterr().out


@pytest.mark.parametrize("words", shown("make"))
def test_a_target_that_is_shown_exists(words):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {word for word in words[1:] if "=" not in word} <= targets


@pytest.mark.parametrize("words", shown("python"))
def test_a_program_that_is_shown_exists(words):
    (program,) = [word for word in words[1:] if word.endswith(".py")] or [""]
    assert words[1] == "-m" or (ROOT / program).is_file()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_link_inside_the_project_leads_somewhere(page):
    targets = re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", page.read_text("utf-8")))
    inside = [target.partition("#")[0] for target in targets if not re.match(r"[a-z]+:", target)]
    assert [target for target in inside if target and not (page.parent / target).exists()] == []


def test_the_picture_of_the_rooms_is_of_the_layers_that_are_held():
    package = ROOT / "agentmem"
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract.get("containers") == ["agentmem"]]
    written = [[room for room in re.findall(r"\w+", layer) if any(package.glob(f"{room}*"))] for layer in layers]
    (picture,) = [block for block in blocks(ROOT / "docs/architecture.md") if block.info == "text"]
    drawn = [re.split(" {2,}", line)[0] for line in picture.code.splitlines() if not line.startswith(" ")]
    assert [line.split(" | ") for line in drawn] == [rooms for rooms in written if rooms]


def test_every_file_of_archival_memory_is_in_its_table():
    page = (ROOT / "docs/architecture.md").read_text("utf-8")
    rows = re.findall(r"^\| (`[\w/]+\.py`(?:, `[\w/]+\.py`)*) \|.*\|.*\|$", page, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"(?:lines|search|index)/\w+\.py|\bmaintenance\.py", row)}
    archival = ROOT / "agentmem/archival"
    files = {str(file.relative_to(archival)) for file in archival.rglob("*.py") if file.name != "__init__.py"}
    assert named == files


ROOMS_WITH_A_TABLE = ("agents", "contacts", "conversations", "extraction", "retention", "text")


@pytest.mark.parametrize("room", ROOMS_WITH_A_TABLE)
def test_every_file_of_the_room_is_in_its_table(room):
    page = (ROOT / "docs/architecture.md").read_text("utf-8")
    named = set(re.findall(rf"`{room}/(\w+\.py)`", page))
    assert named == {file.name for file in (ROOT / "agentmem" / room).glob("*.py")} - {"__init__.py"}


def names_of_tests(path):
    """The names of a file's tests."""
    nodes = ast.parse(path.read_text("utf-8")).body if path.is_file() else []
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def rows_of_the_seeds():
    """The rows of the tables of docs/seeds.md: what a seed says, the call, and the tests that show it."""
    lines = (ROOT / "docs/seeds.md").read_text("utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    return [row for row in rows if row[0] != "it says"]


def test_every_test_that_shows_a_seed_is_there():
    named = {found for _, _, shown_by in rows_of_the_seeds() for found in re.findall(r"`([^`]+)::([^`]+)`", shown_by)}
    assert len(named) >= 50
    assert sorted(f"{path}::{test}" for path, test in named if test not in names_of_tests(ROOT / path)) == []


def test_every_row_of_a_seed_names_its_test_but_the_advice():
    rows = rows_of_the_seeds()
    assert [says for says, here, shown_by in rows if "::" not in shown_by and not here.startswith("advice")] == []


def test_every_test_of_a_seed_is_in_the_table():
    page = (ROOT / "docs/seeds.md").read_text("utf-8")
    tests = [name for path in (ROOT / "tests").rglob("test_*.py") for name in names_of_tests(path)]
    assert [test for test in tests if test.startswith("test_seed_") and f"::{test}`" not in page] == []


def test_the_first_screen_of_the_readme_tells_the_rule_of_the_async_twins():
    first = "\n".join((ROOT / "README.md").read_text("utf-8").splitlines()[:40])
    assert "async twin" in first
    assert ".aget(" in first


def test_there_is_documentation_and_it_has_something_to_run():
    assert {name(page) for page in PAGES} >= {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs/architecture.md"}
    assert "README.md" in map(name, with_python())
    assert len(shown("agentmem")) >= 3
