"""`benchmarks/embedding.py`: what it measures, and the table it prints."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest


@pytest.fixture
def program(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")
    return import_module("embedding")


def test_the_table_has_a_row_for_each_cost_and_how_many_times_it_is(program):
    costs = {
        "onnxruntime": program.Cost(ready=1, single=2, batch=4, memory=200),
        "sentence-transformers": program.Cost(ready=8, single=6, batch=5, memory=300),
    }
    lines = program.markdown(costs, 1.5e-7).splitlines()
    assert [line.split("|")[-2].strip() for line in lines[2:6]] == ["8.0", "3.0", "1.2", "1.5"]
    assert "1.5e-07" in lines[-1]


def test_a_process_tells_what_it_costs_and_what_it_computed(program, monkeypatch):
    monkeypatch.setattr(program, "BATCH", ["tea"])
    told = program.child("onnxruntime", 0)
    assert set(told["cost"]) == {"ready", "single", "batch", "memory"}
    assert all(value > 0 for value in told["cost"].values())
    assert len(told["vectors"]) == len(program.SAMPLES)
