"""Every notebook runs from its first cell to its last in a new kernel, and its values show themselves as tables."""

from __future__ import annotations

import os

import nbformat
import pytest
from nbclient import NotebookClient

from .conftest import ROOT, environment

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.name)
def notebook(request):
    return nbformat.read(request.param, as_version=4)


def test_a_notebook_runs(notebook, tmp_path, monkeypatch):
    monkeypatch.setenv("AGENTMEM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    client = NotebookClient(
        notebook, kernel_name="python3", timeout=240, resources={"metadata": {"path": os.fspath(tmp_path)}}
    )
    client.execute()
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in cells if cell.source.strip())
    shown = [output for cell in cells for output in cell.outputs if "text/html" in output.get("data", {})]
    assert any("<table" in output.data["text/html"] for output in shown)


def test_a_notebook_is_kept_with_what_its_cells_show_and_without_errors(notebook):
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert any(cell.outputs for cell in cells)
    assert [output for cell in cells for output in cell.outputs if output.output_type == "error"] == []


def test_the_notebooks_are_there():
    names = {"01_core_and_archival.ipynb", "02_langgraph_agent.ipynb", "03_contacts.ipynb"}
    assert {path.name for path in NOTEBOOKS} >= names
