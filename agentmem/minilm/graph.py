"""all-MiniLM-L6-v2 on onnxruntime: the graph that ships beside this file, over the weights as they were published.

Neither torch nor transformers is imported, which is nearly all of the time and
memory that sentence-transformers takes to begin.
"""

from __future__ import annotations

from importlib import import_module
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from agentmem import telemetry
from agentmem.errors import BackendError
from agentmem.minilm.weights import TOKENIZER, WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from tokenizers import Tokenizer

DIMENSIONS: Final = 384
GRAPH: Final = "graph.onnx"
INPUTS: Final = ("input_ids", "attention_mask")
SAMPLE: Final = "sample.f32"
SAMPLE_TEXT: Final = "Zoë renewed Acme's contract in März 2026 (¥1,200)… 契約を更新しました 🙂, didn't she?"

_UNUSED: Final = {"embeddings.position_ids", "pooler.dense.bias", "pooler.dense.weight"}
_MAX_WORD_PIECES: Final = 256
_TEXTS_AT_ONCE: Final = 32
_PIECES_AT_ONCE: Final = 1_024  # four of the longest texts: more are slower, and take memory that is never given back
_TOLERANCE: Final = 1e-5


class OnnxGraph:
    """The model, loaded; for any number of threads at once.

    Args:
        folder: Where `model.safetensors` and `tokenizer.json` are.

    Raises:
        BackendError: It does not give the vector that sentence-transformers gave for the same text.
    """

    def __init__(self, folder: Path) -> None:
        self._tokenizer = _tokenizer(folder / TOKENIZER)
        self._session = _session(folder / WEIGHTS)
        expected = np.frombuffer(_shipped(SAMPLE), dtype="<f4")
        if not np.allclose(self.embed([SAMPLE_TEXT])[0], expected, rtol=0, atol=_TOLERANCE):
            raise BackendError("all-MiniLM-L6-v2 on onnxruntime gives other vectors than it should", field="embeddings")

    @property
    def max_word_pieces(self) -> int:
        """How many word pieces of a text are read, the two that frame it included."""
        return _MAX_WORD_PIECES

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors, shape `(len(texts), DIMENSIONS)`."""
        pieces = [self._pieces(text) for text in texts]
        vectors = np.empty((len(texts), DIMENSIONS), dtype=np.float32)
        for batch in _batches([len(ids) for ids in pieces]):
            vectors[batch] = self._run([pieces[place] for place in batch])
        return vectors

    def count_word_pieces(self, texts: Sequence[str]) -> list[int]:
        """Return how many word pieces each text has, the two that frame it included."""
        return [len(self._tokenizer.encode(text)) for text in texts]

    def _pieces(self, text: str) -> list[int]:
        ids = self._tokenizer.encode(text).ids
        return ids if len(ids) <= _MAX_WORD_PIECES else [*ids[: _MAX_WORD_PIECES - 1], ids[-1]]

    def _run(self, pieces: Sequence[list[int]]) -> NDArray[np.float32]:
        ids = np.zeros((len(pieces), max(map(len, pieces))), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, own in enumerate(pieces):
            ids[row, : len(own)] = own
            mask[row, : len(own)] = 1
        vectors: NDArray[np.float32] = self._session.run(None, dict(zip(INPUTS, (ids, mask), strict=True)))[0]
        return vectors


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Yield the places of texts in batches, longest first, so that a batch has texts of about one length."""
    places = sorted(range(len(lengths)), key=lambda place: -lengths[place])
    while places:
        size = max(1, min(_TEXTS_AT_ONCE, _PIECES_AT_ONCE // lengths[places[0]]))
        yield places[:size]
        places = places[size:]


def _tokenizer(path: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _session(weights: Path) -> Any:  # noqa: ANN401 - it has no types
    telemetry.silence()
    onnxruntime: Any = import_module("onnxruntime")
    safetensors: Any = import_module("safetensors")
    options = onnxruntime.SessionOptions()
    # One core for each call: threads of its own would fight with the host's for the same cores, and not survive a fork.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    with safetensors.safe_open(weights, framework="numpy") as stored:
        tensors = {name: stored.get_tensor(name) for name in set(stored.keys()) - _UNUSED}
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(tensor) for tensor in tensors.values()]
    options.add_external_initializers(list(tensors), values)
    return onnxruntime.InferenceSession(_shipped(GRAPH), options, providers=["CPUExecutionProvider"])


def _shipped(name: str) -> bytes:
    return (files("agentmem.minilm") / name).read_bytes()
