from __future__ import annotations

import struct

import numpy as np
import pytest

from agentmem.archival.index.chroma import ChromaVectors
from agentmem.archival.index.segments import Segments
from agentmem.archival.index.vectors import LineChange

DIMENSIONS = 8


@pytest.fixture
def graph(tmp_path):
    """A folder of a graph for four elements of 6 bytes, of which there are two, written from used memory."""
    folder = tmp_path / "graph"
    folder.mkdir()
    (folder / "header.bin").write_bytes(struct.pack("<i6Q", 1, 0, 4, 2, 6, 0, 0) + bytes(48))
    (folder / "data_level0.bin").write_bytes(b"first.second" + b"of them" + b"other")
    (folder / "length.bin").write_bytes(b"one.two." + b"somebody")
    return folder


def test_what_is_no_vector_is_overwritten(graph):
    Segments(graph.parent).blank()
    assert (graph / "data_level0.bin").read_bytes() == b"first.second" + bytes(12)
    assert (graph / "length.bin").read_bytes() == b"one.two." + bytes(8)


def test_a_graph_is_looked_at_once(graph):
    segments = Segments(graph.parent)
    segments.blank()
    (graph / "length.bin").write_bytes(b"one.two.three.four.")
    segments.blank()
    assert (graph / "length.bin").read_bytes() == b"one.two.three.four."


def test_a_graph_of_another_version_is_left_alone(graph):
    (graph / "header.bin").write_bytes(struct.pack("<i6Q", 2, 0, 4, 2, 6, 0, 0))
    Segments(graph.parent).blank()
    assert (graph / "length.bin").read_bytes() == b"one.two.somebody"


def test_nothing_of_the_memory_of_this_process_is_in_a_new_graph(tmp_path):
    chroma = ChromaVectors(tmp_path, "test")
    for number in range(20):
        vector = np.ones((1, DIMENSIONS), np.float32)
        chroma.apply([LineChange(f"line{number}", f"block{number}", number, vector, 1)])
    written = [path for name in ("data_level0.bin", "length.bin") for path in tmp_path.glob(f"*/{name}")]
    assert len(written) >= 20
    assert all(not any(path.read_bytes()) for path in written)  # the vectors are in Chroma's own log until it has many
    assert chroma.nearest("block7", np.ones(DIMENSIONS, np.float32), 1) == ["line7"]
    chroma.close()
    again = ChromaVectors(tmp_path, "test")
    assert again.nearest("block7", np.ones(DIMENSIONS, np.float32), 1) == ["line7"]
    again.close()
