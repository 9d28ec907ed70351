"""Stores as older code left them: the dumps beside this file, in SQLite as they stand, in PostgreSQL table by table."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Boolean, DateTime, MetaData, create_engine, func, select
from sqlalchemy.pool import NullPool

from agentmem import migrations

FOLDER = Path(__file__).parent
NUMBERS = sorted(path.stem.removeprefix("schema_") for path in FOLDER.glob("schema_*.sql"))
COUNTERS = {"agentmem_line_seq": "seq", "agentmem_change_seq": "change_seq"}


def said_then(number):
    """What the code that wrote a store answered, and at what time."""
    return json.loads((FOLDER / f"schema_{number}.json").read_text("utf-8"))


def rows(number):
    """Every row of a dump, as a dictionary, by its table."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.row_factory = sqlite3.Row
        connection.executescript((FOLDER / f"schema_{number}.sql").read_text("utf-8"))
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: [dict(row) for row in connection.execute(f'SELECT * FROM "{name}"')] for name in names}  # noqa: S608 - our own tables


def load(number, home, sql):
    """Make the store in a folder that does not exist yet.

    Returns:
        What `agentmem.open` needs besides the folder.
    """
    home.mkdir(mode=0o700)
    options = sql.bare(home)
    if sql.dialect == "sqlite":
        with closing(sqlite3.connect(home / "agentmem.db")) as connection:
            connection.executescript((FOLDER / f"schema_{number}.sql").read_text("utf-8"))
        return options
    engine = create_engine(sql.url(home), poolclass=NullPool)
    with engine.begin() as connection:
        _migrate(connection, number)
        _insert(connection, rows(number))
    engine.dispose()
    return options


def _migrate(connection, number):
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.attributes["connection"] = connection
    command.upgrade(config, number)


def _insert(connection, tables):
    there = MetaData()
    there.reflect(connection)
    connection.execute(there.tables["agentmem_store_state"].delete())
    for table in there.sorted_tables:
        if table.name != migrations.VERSION_TABLE:
            connection.execute(table.insert(), [_typed(table, row) for row in tables[table.name]])
    (state,) = tables["agentmem_store_state"]
    for sequence, column in COUNTERS.items():
        if connection.execute(select(func.to_regclass(sequence))).scalar_one() is not None:
            connection.execute(select(func.setval(sequence, state[column])))
    for table in there.sorted_tables:  # whose numbers PostgreSQL gives itself go on after those that came along
        own = table.autoincrement_column
        if own is not None and own.server_default is not None:
            last = connection.execute(select(func.max(own))).scalar_one()
            connection.execute(select(func.setval(func.pg_get_serial_sequence(table.name, own.name), last)))


def _typed(table, row):
    return {name: _value(table.columns[name].type, value) for name, value in row.items()}


def _value(kind, value):
    if value is None:
        return None
    if isinstance(kind, DateTime):
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    return bool(value) if isinstance(kind, Boolean) else value
