"""Writes what agentmem/minilm ships: the graph of all-MiniLM-L6-v2 for onnxruntime, and the vector of one sample text.

python tools/minilm.py

The graph holds no weights, only their names: they stay in `model.safetensors`. The sample is sentence-transformers' own
answer, which the graph has to give again whenever it is loaded. Both change only when the model does.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from agentmem.minilm import weights
from agentmem.minilm.graph import DIMENSIONS, GRAPH, INPUTS, SAMPLE, SAMPLE_TEXT
from agentmem.minilm.original import Original

LAYERS = 6
HEADS = 12
HEAD_WIDTH = DIMENSIONS // HEADS
INNER = 4 * DIMENSIONS
VOCABULARY = 30_522
POSITIONS = 512
EPSILON = 1e-12
SHIPPED = Path(__file__).parents[1] / "agentmem" / "minilm"


class Graph:
    """A graph as it is written: each operation adds a node and gives the name of its result."""

    def __init__(self):
        self.nodes = []
        self.tensors = {}

    def __getattr__(self, kind):
        def operation(*inputs, **attributes):
            result = f"{kind}_{len(self.nodes)}"
            self.nodes.append(helper.make_node(kind, inputs, [result], name=result, **attributes))
            return result

        return operation

    def constant(self, value, kind=np.int64):
        array = np.array(value, dtype=kind)
        name = f"{array.dtype}:{value}"
        self.tensors[name] = numpy_helper.from_array(array, name)
        return name

    def weight(self, name, *shape):
        """A tensor that whoever runs the graph brings along."""
        tensor = TensorProto(name=name, dims=shape, data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
        tensor.external_data.add(key="location", value=weights.WEIGHTS)
        self.tensors[name] = tensor
        return name

    def linear(self, x, name, out, into=DIMENSIONS):
        matrix = self.Transpose(self.weight(f"{name}.weight", out, into), perm=[1, 0])
        return self.Add(self.MatMul(x, matrix), self.weight(f"{name}.bias", out))

    def norm(self, x, name):
        scale, shift = self.weight(f"{name}.weight", DIMENSIONS), self.weight(f"{name}.bias", DIMENSIONS)
        return self.LayerNormalization(x, scale, shift, axis=-1, epsilon=EPSILON)

    def embeddings(self, ids):
        words = self.Gather(self.weight("embeddings.word_embeddings.weight", VOCABULARY, DIMENSIONS), ids)
        kind = self.Gather(self.weight("embeddings.token_type_embeddings.weight", 2, DIMENSIONS), self.constant(0))
        places = self.weight("embeddings.position_embeddings.weight", POSITIONS, DIMENSIONS)
        start = self.constant([0])
        place = self.Slice(places, start, self.Shape(ids, start=1, end=2), start)
        return self.norm(self.Add(self.Add(words, kind), place), "embeddings.LayerNorm")

    def attention(self, x, hidden, name):
        def head(part, perm):
            split = self.constant([0, 0, HEADS, HEAD_WIDTH])
            return self.Transpose(self.Reshape(self.linear(x, f"{name}.self.{part}", DIMENSIONS), split), perm=perm)

        asked, offered = head("query", [0, 2, 1, 3]), head("key", [0, 2, 3, 1])
        scores = self.Mul(self.MatMul(asked, offered), self.constant(HEAD_WIDTH**-0.5, np.float32))
        mixed = self.MatMul(self.Softmax(self.Add(scores, hidden), axis=-1), head("value", [0, 2, 1, 3]))
        joined = self.Reshape(self.Transpose(mixed, perm=[0, 2, 1, 3]), self.constant([0, 0, DIMENSIONS]))
        return self.norm(
            self.Add(self.linear(joined, f"{name}.output.dense", DIMENSIONS), x), f"{name}.output.LayerNorm"
        )

    def layer(self, x, hidden, name):
        x = self.attention(x, hidden, f"{name}.attention")
        inner = self.Gelu(self.linear(x, f"{name}.intermediate.dense", INNER))
        return self.norm(
            self.Add(self.linear(inner, f"{name}.output.dense", DIMENSIONS, INNER), x), f"{name}.output.LayerNorm"
        )

    def mean(self, x, mask):
        present = self.Unsqueeze(mask, self.constant([2]))
        pieces = self.constant([1])
        total = self.ReduceSum(self.Mul(x, present), pieces, keepdims=0)
        return self.Div(total, self.ReduceSum(present, pieces, keepdims=0))


def model():
    """The whole of it: word pieces in, unit vectors out."""
    graph = Graph()
    ids, attended = INPUTS
    mask = graph.Cast(attended, to=TensorProto.FLOAT)
    absent = graph.Sub(graph.constant(1, np.float32), graph.Unsqueeze(mask, graph.constant([1, 2])))
    hidden = graph.Mul(absent, graph.constant(np.finfo(np.float32).min, np.float32))
    x = graph.embeddings(ids)
    for number in range(LAYERS):
        x = graph.layer(x, hidden, f"encoder.layer.{number}")
    vectors = graph.LpNormalization(graph.mean(x, mask), axis=-1, p=2)
    described = helper.make_graph(
        graph.nodes,
        "all-MiniLM-L6-v2",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["texts", "pieces"]) for name in INPUTS],
        [helper.make_tensor_value_info(vectors, TensorProto.FLOAT, ["texts", DIMENSIONS])],
        list(graph.tensors.values()),
    )
    return helper.make_model(described, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def sample():
    """What sentence-transformers makes of the sample text."""
    return Original(weights.packaged()).embed([SAMPLE_TEXT])[0]


if __name__ == "__main__":
    (SHIPPED / GRAPH).write_bytes(model().SerializeToString(deterministic=True))
    (SHIPPED / SAMPLE).write_bytes(sample().astype("<f4").tobytes())
    print(f"{onnx.__name__} {onnx.__version__}: wrote {GRAPH} and {SAMPLE} in {SHIPPED}")
