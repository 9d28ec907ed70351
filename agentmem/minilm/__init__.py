"""The default embedding model, all-MiniLM-L6-v2: loaded on first need, by the quicker of two ways that works here."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final, Protocol

from langchain_core.embeddings import Embeddings

from agentmem.minilm import weights
from agentmem.minilm.graph import OnnxGraph
from agentmem.minilm.original import Original

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

_log = logging.getLogger(__name__)


class MiniLM(Embeddings):
    """all-MiniLM-L6-v2: 384 dimensions, 256 word pieces a text, unit length.

    Nothing is loaded before the first text is embedded. The weights come from
    the package of the extra `[minilm]` when it is installed, checked against
    their published SHA-256, else from the hub by name. They run on onnxruntime;
    where that gives other vectors than sentence-transformers, or none, on
    sentence-transformers.
    """

    model_name: Final = weights.MODEL

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loaded: Loaded | None = None

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return one vector for each text."""
        vectors: list[list[float]] = self._model().embed(texts).tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of one text."""
        return self.embed_documents([text])[0]

    @property
    def max_word_pieces(self) -> int:
        """How many word pieces of a text are read, the two that frame it included."""
        return self._model().max_word_pieces

    def count_word_pieces(self, texts: list[str]) -> list[int]:
        """Return how many word pieces each text has, the two that frame it included."""
        return self._model().count_word_pieces(texts)

    def _model(self) -> Loaded:
        with self._lock:
            if self._loaded is None:
                self._loaded = _load()
            return self._loaded


class Loaded(Protocol):
    """The model in memory, on whichever runtime; the same vectors up to 1e-5."""

    @property
    def max_word_pieces(self) -> int:
        """How many word pieces of a text are read, the two that frame it included."""
        ...

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors, shape `(len(texts), dimensions)`."""
        ...

    def count_word_pieces(self, texts: Sequence[str]) -> list[int]:
        """Return how many word pieces each text has, the two that frame it included."""
        ...


def _load() -> Loaded:
    packaged = weights.packaged()
    if (folder := packaged or weights.cached()) is not None:
        try:
            return OnnxGraph(folder)
        except Exception:  # noqa: BLE001 - whatever it is, the other way may work
            _log.warning("all-MiniLM-L6-v2 goes through sentence-transformers, which is slower", exc_info=True)
    return Original(packaged)
