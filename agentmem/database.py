"""The SQL database: engine, pragmas, transactions, schema on open, and the one place its errors are translated."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import time
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm.exc import ObjectDeletedError, StaleDataError
from sqlmodel import Session

from agentmem import private
from agentmem.errors import BackendError, Code, InvalidInputError
from agentmem.migrations import HEAD, VERSION_TABLE, upgrade
from agentmem.prepared import connection_of
from agentmem.tables import STATE_ID, StoreStateRow

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    from sqlalchemy import Connection, Select
    from sqlalchemy.engine import URL, Engine

T = TypeVar("T")

_ATTEMPTS: Final = 20
_REFUSALS: Final = 10
_IDS_AT_ONCE: Final = 500
_BUSY_MILLISECONDS: Final = 30_000
"""How long a writer waits for the others: for a lock, and again and again for its turn."""

_MOMENT_MILLISECONDS: Final = 100
_MIGRATION_MILLISECONDS: Final = 600_000
_LONGEST_PAUSE: Final = 0.1
_WRITES: Final = "agentmem_writes"
_RACED: Final = ("40001", "40P01")
"""What PostgreSQL says when two transactions cannot both be done as they are: one of them is to be run again."""


class RacedError(Exception):
    """Another transaction came between; the body of a write raises it to be run again from the start."""


class Database:
    """One SQL database with agentmem's schema.

    Reads see one snapshot each. A write is a function of a session that is run
    in one transaction, and run again when another writer came between.

    On SQLite a transaction that writes is alone from its beginning. On
    PostgreSQL it sees, statement by statement, what others commit: it is to
    `lock` what it decides on before it reads it.

    Args:
        url: A SQLAlchemy URL, or the path of a SQLite file.

    Raises:
        InvalidInputError: The URL cannot be read, or its driver is not installed.
        BackendError: The database cannot be opened, is no database, or has a newer schema.
    """

    def __init__(self, url: str | Path | URL) -> None:
        self.url = _parse(url)
        self._engine = _engine(self.url)
        self._readers, self._writers = (
            self._engine.execution_options(**_options(self.url, writes=writes)) for writes in (False, True)
        )
        self._pid = os.getpid()
        self._closed = False
        try:
            self._migrate()
        except BaseException:
            self._engine.dispose()
            raise

    @contextmanager
    def read(self) -> Generator[Session]:
        """One snapshot."""
        try:
            with _translated(), self._bind(writes=False).connect() as connection:
                session = Session(connection, expire_on_commit=False)  # it begins when it is asked for objects
                try:
                    yield session
                finally:
                    if session.in_transaction():
                        session.close()
        except (RacedError, IntegrityError) as error:
            raise BackendError(
                f"it could not be read ({type(error).__name__})", field="database", advice="try again"
            ) from _bare(error)

    def write(self, body: Callable[[Session], T]) -> T:
        """Return what `body` returns, once its transaction is committed.

        It is run again when another transaction came between, until half a
        minute is over; as long it waits for a lock. What a rule of the schema
        refuses ten times is refused for good.

        Raises:
            BackendError: The database could not do it; nothing was written.
        """
        give_up_at = time.monotonic() + _BUSY_MILLISECONDS / 1000
        last: Exception | None = None
        refused = 0
        for attempt in count():
            try:
                with _translated(), Session(self._bind(writes=True), expire_on_commit=False) as session:
                    result = body(session)
                    session.commit()
                    return result
            except RacedError as error:
                last = error
            except IntegrityError as error:  # two writers created one row, or it is refused for good
                last = _bare(error)
                refused += 1
                if refused == _REFUSALS:
                    raise BackendError(
                        "a rule of the schema refused the write; nothing was written", field="database"
                    ) from last
            if time.monotonic() >= give_up_at:
                break
            time.sleep(min(0.002 * attempt, _LONGEST_PAUSE))
        raise BackendError(
            "too many writers changed the same rows at once", field="database", advice="try again", code="busy"
        ) from last

    @property
    def is_file(self) -> bool:
        """Whether it is a SQLite file, whose traces and log are ours to remove; a server looks after its own."""
        return self.url.get_backend_name() == _SQLITE

    def rewrite(self) -> None:
        """Write a SQLite file anew, so that nothing is left in it of what was deleted.

        `secure_delete` overwrites what is deleted, but not the copies that stay
        behind when a row moves to another page. Other writers wait meanwhile.

        Raises:
            BackendError: The disk is full, or another program writes for long; try again.
        """
        with self._alone() as connection:
            connection.exec_driver_sql("VACUUM")

    def truncate_log(self) -> bool:
        """Empty SQLite's write-ahead log into its file; False while someone reads from it."""
        for attempt in range(_ATTEMPTS):
            time.sleep(0.002 * attempt)  # it waits for readers by itself, but not for someone who does the same
            with self._alone(patience=_MOMENT_MILLISECONDS) as connection:
                if not connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").scalar_one():
                    return True
        return False

    def close(self) -> None:
        """Give every connection back; a call after this is refused."""
        self._closed = True
        if self._pid == os.getpid():
            self._engine.dispose()

    def _bind(self, *, writes: bool) -> Engine:
        self._require_open()
        return self._writers if writes else self._readers

    def _require_open(self) -> None:
        if self._closed:
            raise InvalidInputError(
                "it is closed", field="store", advice="open it again with agentmem.open", code="store_closed"
            )
        if self._pid != os.getpid():  # a fork must not use its parent's connections, nor close them
            self._engine.dispose(close=False)
            self._pid = os.getpid()

    @contextmanager
    def _alone(self, *, patience: int = _BUSY_MILLISECONDS) -> Generator[Connection]:
        """A connection for statements that stand alone, outside of any transaction; to SQLite."""
        self._require_open()
        with _translated(), self._engine.connect() as connection:
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {patience}")
            try:
                yield connection
            finally:
                connection.exec_driver_sql(f"PRAGMA busy_timeout = {_BUSY_MILLISECONDS}")

    def _migrate(self) -> None:
        with _translated(), self._bind(writes=False).connect() as connection:
            if _version(connection) == HEAD:
                return
        try:
            with _translated(), self._bind(writes=True).begin() as connection:
                if (
                    connection.dialect.name == _POSTGRESQL
                ):  # whoever opens it at the same moment waits, and finds it done
                    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {_MIGRATION_MILLISECONDS}")
                    connection.execute(_LOCK, {"key": _key("schema")})
                upgrade(connection)
        except (RacedError, IntegrityError) as error:
            said = "another program changed the schema at the same time"
            raise BackendError(said, field="database", advice="try again", code="busy") from _bare(error)


def is_postgresql(session: Session) -> bool:
    """Return whether a session is one of PostgreSQL, which has many writers at once."""
    return session.get_bind().dialect.name == _POSTGRESQL


def lock(session: Session, *names: Sequence[str]) -> None:
    """Let nobody else lock what is so named until the transaction ends, whether or not there is a row of it.

    Those of one call are locked in one order, so two calls never wait for each
    other; a transaction is to call it once, before it locks any row. What was
    read before is to be read again.

    Args:
        session: The transaction.
        *names: What to lock, each as a kind and the ids of one of it.
    """
    if is_postgresql(session):
        for key in sorted({_key(*name) for name in names}):
            session.connection().execute(_LOCK, {"key": key})


def try_lock(session: Session, name: Sequence[str]) -> bool:
    """Lock one thing as `lock` does, unless somebody else has it: then nothing is locked, and nobody waited."""
    if not is_postgresql(session):
        return True
    return bool(session.connection().execute(_TRY_LOCK, {"key": _key(*name)}).scalar_one())


def state(session: Session) -> StoreStateRow:
    """Return the store's one state row, read once in a session."""
    return session.get_one(StoreStateRow, STATE_ID)


def locked_state(session: Session) -> StoreStateRow:
    """Return the same as it is now, and nobody else writes to it until the transaction ends."""
    return session.get_one(StoreStateRow, STATE_ID, populate_existing=True, with_for_update=True)


def rows(session: Session, statement: Select[Any], **values: object) -> Sequence[Any]:
    """Return the rows of a statement that chooses columns, by name.

    It goes to the connection: half of the time of a short read is what the
    session does for objects.

    Args:
        session: The transaction.
        statement: A `select`.
        **values: What its parameters are bound to.
    """
    return connection_of(session).execute(statement, values).all()


def in_batches(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield the ids in their order, as many at a time as fit into one statement."""
    for start in range(0, len(ids), _IDS_AT_ONCE):
        yield ids[start : start + _IDS_AT_ONCE]


def _parse(url: str | Path | URL) -> URL:
    try:
        parsed = make_url("sqlite://").set(database=str(url)) if isinstance(url, Path) else make_url(url)
    except ArgumentError:
        raise InvalidInputError(
            "not a SQLAlchemy URL, like postgresql+psycopg://host/name", field="database_url"
        ) from None
    if parsed.drivername == "postgres":
        raise InvalidInputError(
            "postgres:// is no scheme of SQLAlchemy's", field="database_url", advice="write postgresql+psycopg://"
        )
    if parsed.drivername == _POSTGRESQL:
        return parsed.set(drivername=_PSYCOPG)
    if parsed.get_backend_name() == _POSTGRESQL:
        if parsed.drivername != _PSYCOPG:  # another says otherwise what is to be run again
            raise InvalidInputError(
                "PostgreSQL is spoken to through psycopg 3", field="database_url", advice="write postgresql+psycopg://"
            )
        return parsed
    if parsed.get_backend_name() != _SQLITE:
        raise InvalidInputError(
            "a store is kept in SQLite or in PostgreSQL: postgresql+psycopg://host/name", field="database_url"
        )
    if parsed.database in {None, "", ":memory:"} or "uri" in parsed.query:
        raise InvalidInputError("a SQLite URL must name a file, like sqlite:///a.db", field="database_url")
    return parsed.set(database=str(Path(parsed.database or "").resolve()))  # wherever the program goes from here


def _engine(url: URL) -> Engine:
    is_server = url.get_backend_name() == _POSTGRESQL
    try:
        engine = create_engine(url, pool_size=20, max_overflow=40, hide_parameters=True, pool_pre_ping=is_server)
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise InvalidInputError(
            f"its driver is not installed ({error})",
            field="database_url",
            advice="pip install 'agentmem-toolkit[postgres]' brings the one of postgresql+psycopg://",
        ) from None
    if is_server:
        event.listen(engine, "connect", _configure_postgresql)
        return engine
    with suppress(OSError):  # SQLite says better what is in the way
        private.make_file(Path(url.database or ""))  # the files beside it get its rights from SQLite
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _options(url: URL, *, writes: bool) -> dict[str, Any]:
    """How a transaction begins: on SQLite a reader has one snapshot anyway, on PostgreSQL it has to be asked for.

    A writer must not have one: what it reads once it has its locks is what others committed before it had them.
    """
    if url.get_backend_name() == _SQLITE:
        return {_WRITES: writes}
    return {_WRITES: writes, "isolation_level": "READ COMMITTED" if writes else "REPEATABLE READ"}


def _configure_postgresql(connection: Any, _record: object) -> None:  # noqa: ANN401 - a DBAPI connection has no type of its own
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = {_BUSY_MILLISECONDS}")
    connection.commit()


def _configure_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401 - a DBAPI connection has no type of its own
    connection.isolation_level = None  # the begin event says which kind of transaction it is
    run = partial(_execute, connection)
    run(f"PRAGMA busy_timeout = {_BUSY_MILLISECONDS}")
    if run("PRAGMA journal_mode") != ("wal",):
        _until_free(partial(run, "PRAGMA journal_mode = WAL"))
    run("PRAGMA synchronous = FULL")
    run("PRAGMA secure_delete = ON")
    run("PRAGMA foreign_keys = ON")


def _execute(connection: Any, statement: str) -> tuple[object, ...] | None:  # noqa: ANN401 - see above
    row: tuple[object, ...] | None = connection.execute(statement).fetchone()
    return row


def _until_free(switch: Callable[[], object]) -> None:
    """Changing the journal mode does not wait for the busy timeout, so two processes that create a store wait here."""
    for _ in range(100):
        try:
            switch()
        except sqlite3.OperationalError as error:
            if _primary(error) not in _BUSY:
                raise
            time.sleep(0.05)
        else:
            return
    switch()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES)
    if writes:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    elif writes is not None:  # else it is a statement that stands alone
        _execute(
            connection.connection.driver_connection, "BEGIN"
        )  # it waits for nobody, so nothing is to be translated


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    version: str | None = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608 - a constant
    return version


def _key(*name: str) -> int:
    """Return the number of an advisory lock, 64 bits with a sign; two names of one number only wait for each other."""
    digest = hashlib.sha256(json.dumps(["agentmem", *name]).encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


@contextmanager
def _translated() -> Generator[None]:
    try:
        yield
    except IntegrityError:
        raise
    except (ObjectDeletedError, StaleDataError) as error:  # another transaction deleted a row that was read
        raise RacedError from error
    except SQLAlchemyError as error:
        if getattr(getattr(error, "orig", None), "sqlstate", None) in _RACED:
            raise RacedError from _bare(error)
        raise _failed(error) from _bare(error)


def _bare(error: Exception) -> Exception:
    """The same error without what a driver adds to it: PostgreSQL's details quote the row that they are about."""
    if not isinstance(error, DBAPIError) or error.orig is None:
        return error
    said = Exception(*str(error.orig).splitlines()[:1])
    return type(error)(error.statement, None, said, hide_parameters=True).with_traceback(error.__traceback__)


def _failed(error: SQLAlchemyError) -> BackendError:
    """Return the error of a database, with what to do about it."""
    orig = getattr(error, "orig", None)
    kind = _primary(orig) if isinstance(orig, sqlite3.Error) else getattr(orig, "sqlstate", None)
    said = str(orig or type(error).__name__).splitlines()[0]
    code: Code | None = "busy" if kind in _BUSY else None
    return BackendError(said, field="database", advice=_ADVICE.get(kind, ""), code=code)


def _primary(error: sqlite3.Error) -> int | None:
    """Return the number of a SQLite error without what its upper bits say more; `None` for one of the driver's own."""
    number: int | None = getattr(error, "sqlite_errorcode", None)
    return None if number is None else number & 0xFF


_SQLITE: Final = "sqlite"
_POSTGRESQL: Final = "postgresql"
_PSYCOPG: Final = "postgresql+psycopg"
_LOCK: Final = text("SELECT pg_advisory_xact_lock(:key)")
_TRY_LOCK: Final = text("SELECT pg_try_advisory_xact_lock(:key)")
_LOCKED: Final = "another program keeps it locked: try again, or end that program"
_NOT_WRITABLE: Final = "the file or its folder cannot be written: check their permissions"
_FULL: Final = "the disk is full: free some space and try again; nothing was written"
_ADVICE: Final[Mapping[object, str]] = {
    sqlite3.SQLITE_NOTADB: "the file is something else, or damaged: give another folder, or restore a backup",
    sqlite3.SQLITE_CORRUPT: "the file is damaged: restore a backup",
    sqlite3.SQLITE_CANTOPEN: "check that its folder exists and can be written",
    sqlite3.SQLITE_READONLY: _NOT_WRITABLE,
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_IOERR: "the disk refused: check its space and health",
    "25006": "the server takes no writes: check that it is no standby",
    "53100": _FULL,
    "58030": "the disk refused: check its space and health",
    "55P03": "other writers keep what is to be written locked: try again",
}
"""What to do, by the primary number of a SQLite error or the SQLSTATE of PostgreSQL."""
_BUSY: Final = frozenset[object]({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, "55P03"})
