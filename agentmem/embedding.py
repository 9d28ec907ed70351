"""Text to vectors, through any LangChain `Embeddings`; the default MiniLM if none is given."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from functools import cache, lru_cache
from itertools import accumulate, chain, pairwise
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from agentmem.errors import AgentMemError, BackendError
from agentmem.minilm import MiniLM
from agentmem.text.chunks import chunks

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from langchain_core.embeddings import Embeddings

Vectors: TypeAlias = NDArray[np.float32]
Floats: TypeAlias = NDArray[np.float64]

PROBE: Final = "The quick brown fox jumps over the lazy dog."
SAME_MODEL: Final = 0.999
"""Two models whose probe vectors have at least this cosine are the same model, perhaps in another runtime."""

QUERY_CHARS: Final = 8_000
"""How much of a query is read."""

_DECIMALS: Final = 6
_CHUNKS_AT_ONCE: Final = 256  # models answer in Python floats, which take eight times the space of what is kept
_ROWS_AT_ONCE: Final = 128
"""How many vectors are compared together: so many stay in a processor's cache."""

_QUERIES_KEPT: Final = 1_000
_FRAME: Final = 2  # the word pieces that no byte of a text stands for


@runtime_checkable
class Measured(Protocol):
    """An `Embeddings` that knows how much of a text it reads: a line over that gets several vectors, not a cut one.

    No text may have more word pieces than UTF-8 bytes and two: only one that is longer is counted.
    """

    @property
    def max_word_pieces(self) -> int:
        """How many word pieces of a text are read."""
        ...

    def count_word_pieces(self, texts: list[str]) -> list[int]:
        """Return how many word pieces each text has."""
        ...


@cache
def default_embeddings() -> MiniLM:
    """Return the process's one default model: every store that wants it shares it."""
    return MiniLM()


class Embedder:
    """An `Embeddings` as the store uses it: unit vectors in float32, checked, with errors of our tree.

    Args:
        embeddings: The model.
    """

    def __init__(self, embeddings: Embeddings) -> None:
        self._embeddings = embeddings
        self._lock = threading.Lock()
        self._probe: Vectors | None = None
        self._query = lru_cache(_QUERIES_KEPT)(self._embed_query)

    @property
    def name(self) -> str:
        """The model's own name if it has one, else its qualified class name."""
        for attribute in ("model_name", "model"):
            if isinstance(name := getattr(self._embeddings, attribute, None), str) and name:
                return name
        kind = type(self._embeddings)
        return f"{kind.__module__}.{kind.__qualname__}"

    def probe(self) -> Vectors:
        """Return what the model makes of a fixed text, shape `(dimensions,)`: its identity, whatever it is called."""
        with self._lock:
            probe = self._probe
            if probe is None:
                probe = _unit(self._ask([PROBE]), 1)[0]
                if not probe.any():
                    raise BackendError("the model gives nothing but zeros for a plain sentence", field="embeddings")
                self._probe = probe
            return probe

    def embed_lines(self, texts: Sequence[str]) -> list[Vectors]:
        """For each text its unit vectors, shape `(chunks, dimensions)`: one, or several if it is longer than is read.

        The chunks of a text are pieces of it, in order, each overlapping the
        one before it. Where the model does not say how much it reads
        (`Measured`), there is one. The model is asked for 256 chunks at a time.

        Raises:
            BackendError: The model failed, or gave something that is no vector.
        """
        if not texts:
            return []
        chunks = self._chunks(texts)
        spoken = list(chain.from_iterable(chunks))
        batches = (spoken[begin : begin + _CHUNKS_AT_ONCE] for begin in range(0, len(spoken), _CHUNKS_AT_ONCE))
        vectors = np.concatenate([self._embed(batch) for batch in batches])
        return [vectors[begin:end] for begin, end in pairwise(accumulate(map(len, chunks), initial=0))]

    def embed_query(self, text: str) -> Vectors:
        """The unit vector of a query, shape `(dimensions,)`, not to be written to; of a very long one, its beginning.

        The last thousand are kept, so that asking again costs nothing.

        Raises:
            BackendError: The model failed, or gave something that is no vector.
        """
        return self._query(text[:QUERY_CHARS])

    def _embed_query(self, text: str) -> Vectors:
        with _failures():
            vector = self._embeddings.embed_query(text)
        unit: Vectors = self._checked(_unit([vector], 1))[0]
        unit.setflags(write=False)
        return unit

    def _embed(self, texts: list[str]) -> Vectors:
        return self._checked(_unit(self._ask(texts), len(texts)))

    def _ask(self, texts: list[str]) -> object:
        with _failures():
            return self._embeddings.embed_documents(texts)

    def _checked(self, vectors: Vectors) -> Vectors:
        dimensions = len(self.probe())
        if vectors.shape[1] != dimensions:
            raise BackendError(
                f"the model gives vectors of {dimensions} numbers, and then of {vectors.shape[1]}", field="embeddings"
            )
        return vectors

    def _chunks(self, texts: Sequence[str]) -> list[list[str]]:
        if not isinstance(self._embeddings, Measured):
            return [[text] for text in texts]
        measured: Measured = self._embeddings

        def count(text: str) -> int:
            return measured.count_word_pieces([text])[0]

        with _failures():
            limit = measured.max_word_pieces
            return [[text] if _most_pieces(text) <= limit else chunks(text, limit=limit, count=count) for text in texts]


def same_model(one: Vectors, other: Vectors) -> bool:
    """Return whether two probe vectors come from the same model."""
    return one.shape == other.shape and float(one @ other) >= SAME_MODEL


def pack(vector: Vectors) -> bytes:
    """Return a vector as little-endian float32."""
    return np.ascontiguousarray(vector, dtype="<f4").tobytes()


def unpack(stored: bytes) -> Vectors:
    """Return what `pack` packed; `b"".join` of several gives their concatenation."""
    return np.frombuffer(stored, dtype="<f4")


def _unit(vectors: object, count: int) -> Vectors:
    try:
        matrix = np.asarray(vectors, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise BackendError("the model did not return lists of numbers of one length", field="embeddings") from error
    if matrix.ndim != 2 or matrix.shape[0] != count or matrix.shape[1] == 0 or not np.isfinite(matrix).all():  # noqa: PLR2004 - a matrix
        raise BackendError(f"the model did not return {count} finite vectors of one length", field="embeddings")
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    unit: Vectors = (matrix / np.where(lengths == 0, 1, lengths)).astype(np.float32)
    return unit


@contextmanager
def _failures() -> Generator[None]:
    """Whatever a model raises, as an error of our tree."""
    try:
        yield
    except AgentMemError:
        raise
    except Exception as error:
        raise BackendError(f"the model failed with {type(error).__name__}", field="embeddings") from error


def _most_pieces(text: str) -> int:
    """Return how many word pieces a text can have."""
    return len(text.encode(errors="surrogatepass")) + _FRAME


def similarities(matrix: Vectors, query: Vectors) -> Floats:
    """`max(0, cosine)` of each row with the query, all of unit length; shape `(rows,)`.

    Summed row by row in float64, so a line has the same score whichever lines
    are scored beside it, and rounded to what float32 vectors can tell, so that
    a floor of 0.9 keeps what is 0.9.

    Args:
        matrix: Shape `(rows, dimensions)`.
        query: Shape `(dimensions,)`.
    """
    total = np.empty(len(matrix))
    products = np.empty((min(len(matrix), _ROWS_AT_ONCE), len(query)))
    for start in range(0, len(matrix), _ROWS_AT_ONCE):
        some = matrix[start : start + _ROWS_AT_ONCE]
        of_some = np.multiply(some, query, out=products[: len(some)], dtype=np.float32)
        np.einsum("ij->i", of_some, out=total[start : start + len(some)])
    return rounded(np.clip(total, 0.0, 1.0))


def rounded(values: Floats) -> Floats:
    """To the decimals that float32 vectors can tell."""
    result: Floats = values.round(_DECIMALS)
    return result
