"""Nobody is told that agentmem runs: no network, and nothing outside the store's folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from agentmem import telemetry

from ..conftest import PROGRAMS, environment  # noqa: TID252 - the tests are no installed package


def looked_at(tmp_path, *, scan_below, own=None):
    """What the program says that it did, and the files that are outside the store after it."""
    outside = tmp_path / "outside"
    places = {name: str(outside / name) for name in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "TMPDIR", "work")}
    for place in places.values():
        Path(place).mkdir(parents=True)
    env = {name: value for name, value in environment().items() if name != telemetry.ONNXRUNTIME}
    env |= {**places, "PYTHONDONTWRITEBYTECODE": "1", **(own or {})}
    store = tmp_path / "store"
    command = [sys.executable, str(PROGRAMS / "quiet.py"), str(store), str(scan_below)]
    ran = subprocess.run(command, cwd=places["work"], env=env, check=False, capture_output=True, text=True, timeout=240)
    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout)
    said["elsewhere"] = [path for path in said["written"] if not os.path.realpath(path).startswith(str(store))]
    said["left"] = sorted(str(path.relative_to(outside)) for path in outside.rglob("*") if path.is_file())
    return said


@pytest.mark.parametrize(("scan_below", "loaded"), [(10_000, ["onnxruntime"]), (0, ["onnxruntime", "chromadb"])])
def test_a_recall_asks_no_socket_or_name_of_python_and_leaves_no_file_outside_the_store(tmp_path, scan_below, loaded):
    # What native threads look up passes Python's hooks by; those of onnxruntime leave the file of a device id.
    said = looked_at(tmp_path, scan_below=scan_below)

    assert said["best"] == "Acme renews in March"
    assert said["loaded"] == loaded
    assert (said["asked"], said["elsewhere"], said["left"]) == ([], [], [])


def test_a_value_of_the_users_own_for_the_telemetry_of_onnxruntime_stays(monkeypatch):
    monkeypatch.setenv(telemetry.ONNXRUNTIME, "0")

    telemetry.silence()

    assert os.environ[telemetry.ONNXRUNTIME] == "0"
