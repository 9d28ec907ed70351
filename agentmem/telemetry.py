"""Keeps the libraries that run the models from reporting to their makers."""

from __future__ import annotations

import os
from typing import Final

ONNXRUNTIME: Final = "ORT_DISABLE_TELEMETRY"
"""onnxruntime reads it once, while its library is loaded; its `disable_telemetry_events()` comes too late."""


def silence() -> None:
    """Turn onnxruntime's telemetry off, unless the environment says something else; to be called before it is loaded.

    It would look up a host of Microsoft's from a thread of its own, and keep an
    id of this computer in the user's cache folder.
    """
    os.environ.setdefault(ONNXRUNTIME, "1")
