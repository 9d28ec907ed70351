"""The command line run inside the test's process, on the test's store."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import agentmem
from agentmem.cli import main

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ran:
    """What one run of the command line left."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def error(self):
        assert self.out == ""
        return json.loads(self.err)["error"]


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch, home):
    for name in [name for name in os.environ if name.startswith("AGENTMEM_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AGENTMEM_HOME", str(home))
    monkeypatch.setenv("AGENTMEM_USER", "ada")
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def edges():
    """What more a store is opened with by `run`; a module that wants a clock, say, has its own."""
    return {}


@pytest.fixture
def models():
    """The chat models that `run` knows by name."""
    return {}


@pytest.fixture
def run(embeddings, edges, models, capsys, monkeypatch):
    """Runs `agentmem` with some words, and with what is piped into it."""

    def run_(*words, stdin=b"", embeddings=embeddings, opener=None):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))

        def open_(path=None, *, model=None, **options):
            chat_model = None if model is None else models[model]
            return agentmem.open(path, embeddings=embeddings, chat_model=chat_model, **edges, **options)

        capsys.readouterr()
        code = main([str(word) for word in words], opener=opener or open_)
        return Ran(code, *capsys.readouterr())

    return run_


@pytest.fixture
def interruptible():
    """Programs started now hear Ctrl-C; those that a shell runs in the background would inherit that it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def start(interruptible):
    """Starts `agentmem` in a process of its own, with the default model."""

    def start_(*words, environment=None, **options):
        command = [sys.executable, "-m", "agentmem.cli", *map(str, words)]
        env = {**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, env=env, **{**pipes, **options})

    return start_


@contextlib.contextmanager
def ended_with_its_test(process):
    """Kills the process of a test that failed: to wait for it would take for ever."""
    try:
        yield
    except BaseException:
        process.kill()
        raise


@pytest.fixture
def at_terminal(start):
    """Runs `agentmem` at a terminal, where a person waits for something to be shown, then types or sends a signal."""

    def at_terminal_(*words, typed):
        ours, theirs = pty.openpty()
        streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
        with start(*words, environment={"TERM": "dumb"}, **streams) as process, ended_with_its_test(process):
            os.close(theirs)
            shown, seen = "", 0
            for awaited, keys in typed:
                while awaited not in shown[seen:]:
                    shown += os.read(ours, 1024).decode()
                seen = len(shown)
                if isinstance(keys, bytes):
                    os.write(ours, keys)
                else:
                    process.send_signal(keys)
                    try:
                        process.wait(5)
                    except subprocess.TimeoutExpired:
                        os.write(ours, b"\n")  # wakes a read that began when the signal had come already
            with contextlib.suppress(OSError):  # the other side is closed
                while True:
                    shown += os.read(ours, 1024).decode()
        os.close(ours)
        assert "Traceback" not in shown
        return process.returncode, shown

    return at_terminal_
