"""What the examples in docstrings have: a folder of their own, a `mem` with fakes at its edges, one user's `client`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

import agentmem
from agentmem.testing import HashingEmbeddings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _names_in_docstrings(request: pytest.FixtureRequest, doctest_namespace: dict[str, Any]) -> Iterator[None]:
    if not isinstance(request.node, pytest.DoctestItem) or not _wants_memory(request.node):
        yield
        return
    folder: Path = request.getfixturevalue("tmp_path")
    monkeypatch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("AGENTMEM_HOME", str(folder / "home"))
    with agentmem.open(folder / "memory", embeddings=HashingEmbeddings()) as mem:
        doctest_namespace.update(agentmem=agentmem, mem=mem, client=mem.client(user_id="ada"))
        yield


def _wants_memory(item: pytest.DoctestItem) -> bool:
    examples = item.dtest.examples if item.dtest else []
    return any(re.search(r"\b(mem|client)\b", example.source) for example in examples)
