"""The project stands alone: nothing in it leads out of it, and nothing it tests with is missing."""

from __future__ import annotations

import json
import re
from pathlib import Path

from .conftest import ROOT

PARTS = ["agentmem", "benchmarks", "docs", "examples", "graphs", "notebooks", "tests", ".ci"]
OF_EVERY_SYSTEM = {"bin", "dev", "etc", "lib", "lib64", "proc", "run", "sbin", "sys", "tmp", "usr", "var"}
PLACE = re.compile(r"""(?<![\w.:/\\<}\])])/([A-Za-z][\w.-]*)/[\w./-]+""")


def files():
    inside = [path for part in PARTS for path in (ROOT / part).rglob("*")]
    found = [path for path in [*ROOT.iterdir(), *inside] if path.is_file() and "__pycache__" not in path.parts]
    return [path for path in found if not any(part.endswith("_cache") for part in path.relative_to(ROOT).parts)]


def texts():
    for path in files():
        try:
            yield path, path.read_text("utf-8")
        except UnicodeDecodeError:
            continue


def test_no_file_is_a_link_out_of_the_project():
    assert [path for path in files() if not path.resolve().is_relative_to(ROOT.resolve())] == []


def test_no_file_names_a_place_on_one_computer():
    named = [
        (path.relative_to(ROOT).as_posix(), found[0])
        for path, text in texts()
        for found in PLACE.finditer(text)
        if found[1] not in OF_EVERY_SYSTEM and Path("/", found[1]).exists()
    ]
    assert named == []


def test_every_data_file_beside_the_tests_can_be_read():
    data = [path for path in files() if path.suffix == ".json" and path.is_relative_to(ROOT)]
    for path in data:
        json.loads(path.read_text("utf-8"))
    assert {path.name for path in data} >= {"langgraph.json"}
