"""Every example runs to its end, offline, in a folder of its own."""

from __future__ import annotations

import runpy

import pytest

from .conftest import ROOT

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_runs_and_says_something(path, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AGENTMEM_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("sys.argv", [str(path)])
    runpy.run_path(str(path), run_name="__main__")
    assert capsys.readouterr().out.strip()


def test_there_are_examples_and_their_page_names_each():
    page = (ROOT / "examples" / "README.md").read_text("utf-8")
    assert len(EXAMPLES) >= 5
    assert [path.name for path in EXAMPLES if f"({path.name})" not in page] == []
