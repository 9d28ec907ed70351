"""The databases of the tests' stores: a file in each store's folder, or one of PostgreSQL's beside it."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from pathlib import Path

import psycopg
from sqlalchemy import create_engine, event, inspect, text
from sqlalchemy.pool import NullPool


class Sql:
    """What tests do to a store's database from outside, by the store's folder."""

    dialect: str

    def url(self, home):
        """The URL of the folder's database, as text."""
        raise NotImplementedError

    def options(self, home):  # noqa: ARG002 - of a file there is nothing to say
        """What `agentmem.open` needs besides the folder."""
        return {}

    def new_home(self, home):
        """A folder with a store nobody wrote to."""
        raise NotImplementedError

    def bare(self, home):
        """What `agentmem.open` needs besides the folder to make a store in a database where nothing is."""
        return self.options(home)

    def copy(self, home, to):
        """A copy of a store that nobody has open, made the quickest way there is."""
        raise NotImplementedError

    def execute(self, home, statement, **values):
        """The rows that a statement of its own transaction returns, as tuples; none if it returns none."""
        with self._connected(home) as connection:
            result = connection.execute(text(statement), values)
            return [tuple(row) for row in result] if result.returns_rows else []

    def tables(self, home):
        """Every row of every table."""
        with self._connected(home) as connection:
            names = inspect(connection).get_table_names()
            return {
                name: [tuple(row) for row in connection.exec_driver_sql(f"SELECT * FROM {name} ORDER BY 1")]  # noqa: S608 - our own tables
                for name in names
            }

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Let go of all of them."""

    def _connected(self, home):
        return create_engine(self.url(home), poolclass=NullPool).begin()


class Files(Sql):
    """SQLite's."""

    dialect = "sqlite"

    def __init__(self, new_store):
        self._new_store = new_store

    def url(self, home):
        return f"sqlite:///{Path(home) / 'agentmem.db'}"

    def new_home(self, home):
        return self.copy(self._new_store, home)

    def copy(self, home, to):
        return Path(shutil.copytree(home, to))


class Databases(Sql):
    """PostgreSQL's, lent by its server until the end of the test."""

    dialect = "postgresql"

    def __init__(self, server):
        self._server = server
        self._lent = []

    def url(self, home):
        if _place(home) not in self._server.places:
            self._lend(home, self._server.lend())
        return self._server.places[_place(home)].render_as_string(hide_password=False)

    def options(self, home):
        return {"database_url": self.url(home)}

    def bare(self, home):
        self._lend(home, self._server.bare())
        return self.options(home)

    def new_home(self, home):
        home.mkdir(mode=0o700)
        return home

    def copy(self, home, to):
        if Path(home).exists():
            shutil.copytree(home, to)
        self._lend(to, self._server.copy(self._server.places[_place(home)].database))
        return Path(to)

    def __exit__(self, *_):
        for place in self._lent:
            self._server.give_back(self._server.places.pop(place))

    def _lend(self, home, url):
        self._server.places[_place(home)] = url
        self._lent.append(_place(home))


def _place(home):
    return Path(home).resolve()


@contextmanager
def selects_of(mem, dialect):
    """The selects that reads of a store send to the driver, whether SQLAlchemy is told of them or not."""
    asked = []

    def note(statement):
        if str(statement).startswith(("SELECT", "WITH")):
            asked.append(statement)

    class Noting(psycopg.Cursor):
        def execute(self, query, *given, **named):
            note(query)
            return super().execute(query, *given, **named)

    def listen(connection, *_):
        if dialect == "sqlite":
            connection.set_trace_callback(note)
        else:
            connection.cursor_factory = Noting

    engine = mem._container.database._readers  # noqa: SLF001 - what is sent to it is what is counted
    event.listen(engine, "checkout", listen)
    yield asked
    event.remove(engine, "checkout", listen)
