"""What the tests share: a store with fakes at its edges, other processes, and a Chroma server."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

import agentmem
from agentmem.testing import FrozenClock, HashingEmbeddings

pytest.register_assert_rewrite("agentmem.testing.contracts")  # its asserts explain themselves like any test's

for name in [name for name in os.environ if name.startswith("AGENTMEM_") and not name.startswith("AGENTMEM_TEST_")]:
    del os.environ[name]  # a developer's own settings are not the tests'
os.environ["HF_HUB_OFFLINE"] = "1"  # before anything reads it: no test goes to the network

ROOT = Path(__file__).parents[1]
PROGRAMS = Path(__file__).parent / "programs"


@pytest.fixture
def embeddings():
    return HashingEmbeddings()


@pytest.fixture
def clock():
    return FrozenClock()


@pytest.fixture(scope="session")
def new_store(tmp_path_factory):
    """The folder of a store nobody wrote to: copying it is quicker than making each test's own."""
    folder = tmp_path_factory.mktemp("new") / "home"
    agentmem.open(folder, embeddings=HashingEmbeddings()).close()
    return folder


@pytest.fixture
def home(tmp_path, new_store):
    return Path(shutil.copytree(new_store, tmp_path / "home"))


@pytest.fixture
def open_mem(home, embeddings, clock):
    """Opens the test's store again, with other options if you like; closed at the end."""
    opened = []

    def open_(path=home, **options):
        mem = agentmem.open(path, **{"embeddings": embeddings, "clock": clock, **options})
        opened.append(mem)
        return mem

    yield open_
    for mem in opened:
        mem.close()


@pytest.fixture
def mem(open_mem):
    return open_mem()


@pytest.fixture
def client(mem):
    return mem.client(user_id="ada")


@pytest.fixture
def memory(client):
    return client.memory


def environment():
    """What a child process needs to find agentmem, and none of the developer's own settings."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("AGENTMEM_")}
    paths = [str(ROOT), *filter(None, [own.get("PYTHONPATH")])]
    return {**own, "PYTHONPATH": os.pathsep.join(paths)}


def run_program(name, *arguments, cwd=None, timeout=120):
    """One of the programs beside the tests, run to its end; what it printed."""
    command = [sys.executable, str(PROGRAMS / name), *map(str, arguments)]
    ran = subprocess.run(
        command, cwd=cwd, env=environment(), check=False, capture_output=True, text=True, timeout=timeout
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


class Other:
    """A store opened in a process of its own, that does what it is asked, one call at a time."""

    def __init__(self, home, **options):
        command = [sys.executable, str(PROGRAMS / "other.py"), str(home), json.dumps(options)]
        self.process = subprocess.Popen(
            command, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, call, *arguments, user="ada", **options):
        """The outcome of a call of `client.memory`, or of the store itself for `mem.…`."""
        self.tell(call, *arguments, user=user, **options)
        return self.hear()

    def tell(self, call, *arguments, user="ada", **options):
        """Ask without waiting for the answer."""
        print(json.dumps([user, call, arguments, options]), file=self.process.stdin, flush=True)

    def hear(self):
        """The answer to the oldest question."""
        answer = self.process.stdout.readline()
        assert answer, "the other process ended"
        outcome, value = json.loads(answer)
        assert outcome == "ok", value
        return value

    def kill(self):
        """Let it die as a power cut would."""
        self.process.kill()
        self.end()

    def end(self):
        """Let it come to its end without closing the store."""
        with self.process as process:
            process.stdin.close()


@pytest.fixture
def other(home):
    """Starts processes that open the test's store; ended with the test."""
    started = []

    def start(path=home, **options):
        started.append(Other(path, **options))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        with one.process:
            pass


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def chroma_run(folder, port):
    """A Chroma server on loopback, from the moment it listens."""
    words = ["chroma", "run", "--path", str(folder), "--host", "127.0.0.1", "--port", str(port)]
    main = f"import sys; sys.argv = {words!r}; from chromadb.cli.cli import app; app()"
    command = [sys.executable, "-c", main]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        said = []
        for line in server.stdout:
            said.append(line)
            if "listening" in line:
                break
        else:
            raise AssertionError("".join(said))
        reader = threading.Thread(target=server.stdout.read, daemon=True)  # so that it never waits for a reader
        reader.start()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.kill()
            reader.join()


@pytest.fixture(scope="session")
def chroma_url(tmp_path_factory):
    """One Chroma server for all tests of this process: each store has collections of its own there."""
    with chroma_run(tmp_path_factory.mktemp("chroma"), free_port()) as url:
        yield url


@pytest.fixture
def tables(home):
    """Every row of every table of the test's SQLite store, the files as they are."""

    def read():
        with closing(sqlite3.connect(home / "agentmem.db")) as connection:
            names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return {name: connection.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall() for name in names}  # noqa: S608 - our own tables

    return read


@pytest.fixture(scope="session")
def crowd(tmp_path_factory):
    """A store shared by the examples of property tests, and a function that gives each a user of its own."""
    clock = FrozenClock()
    numbers = itertools.count()
    with agentmem.open(tmp_path_factory.mktemp("crowd"), embeddings=HashingEmbeddings(), clock=clock) as mem:
        yield lambda: mem.client(user_id=f"user-{next(numbers)}")
