"""The database below a store: opening, the schema, what is left alone, and what damage is told as."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import sys
from contextlib import ExitStack
from datetime import UTC

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, bindparam, column, create_engine, inspect, table, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError
from sqlalchemy.pool import StaticPool
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlmodel import SQLModel, select, update

import agentmem
from agentmem import BackendError, migrations
from agentmem.database import Database, RacedError, _options, in_batches
from agentmem.prepared import Prepared, moment
from agentmem.tables import MemoryBlockRow, metadata

from .conftest import PROGRAMS, ROOT, environment


def test_ten_processes_may_create_one_store_at_once(tmp_path, embeddings, sql):
    def store(name):
        return {"path": str(tmp_path / name), **sql.bare(tmp_path / name)}

    own, shared = [store(f"own-{number}") for number in range(10)], [store(f"shared-{number}") for number in range(3)]
    program = [sys.executable, str(PROGRAMS / "open_many.py")]
    commands = [[*program, *map(json.dumps, [one, *shared])] for one in own]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with ExitStack() as stack:
        processes = [stack.enter_context(subprocess.Popen(one, env=environment(), **pipes)) for one in commands]
        assert [process.stdout.readline() for process in processes] == ["ready\n"] * 10
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        said = [process.communicate() for process in processes]
    assert [out for out, _ in said] == ["done\n"] * 10, "".join(err for _, err in said)
    for one in shared:
        with agentmem.open(**one, embeddings=embeddings) as mem:
            memory = mem.client("ada").memory
            assert memory.get("core").content == "\n".join(["- here"] * 10)
            assert memory.get("archival").content == "\n".join(["here"] * 10)


def test_the_known_head_is_alembics(tmp_path):
    config = Config()
    config.set_main_option("script_location", str(ROOT / "agentmem" / "migrations"))
    assert ScriptDirectory.from_config(config).get_heads() == [migrations.HEAD]


def test_a_step_of_the_schema_names_the_types_of_sqlalchemy_alone(tmp_path, embeddings):
    folder = shutil.copytree(ROOT / "agentmem" / "migrations", tmp_path / "migrations")
    steps = sorted((folder / "versions").glob("0*.py"))
    assert [step.name for step in steps if re.search(r"sqlmodel|agentmem\.", step.read_text("utf-8"))] == []
    for step in steps[1:]:
        step.unlink()
    config = Config()
    config.set_main_option("script_location", str(folder))
    engine = create_engine("sqlite://", poolclass=StaticPool)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        command.revision(config, "Whatever Alembic finds", autogenerate=True, rev_id="new")
    engine.dispose()
    ((made),) = [path.read_text("utf-8") for path in (folder / "versions").glob("new*.py")]
    assert "agentmem_conversation" in made
    assert "sa.String()" in made
    assert "sa.DateTime(timezone=True)" in made
    assert "sqlmodel" not in made


def ours(_object, name, kind, _reflected, _other):
    return kind != "table" or name.startswith("agentmem_")


def differences(url):
    """What Alembic would change to come from the schema that is there to that of the tables."""
    engine = create_engine(url)
    with engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True, "include_object": ours}
        context = MigrationContext.configure(
            connection, opts={**options, "version_table": migrations.VERSION_TABLE, "target_metadata": metadata}
        )
        found = compare_metadata(context, metadata)
    engine.dispose()
    return found


def test_the_migrated_schema_is_that_of_the_tables(home, sql):
    assert differences(sql.url(home)) == []


def test_our_tables_are_in_no_metadata_but_ours():
    assert [name for name in SQLModel.metadata.tables if name.startswith("agentmem")] == []
    assert {name for name in metadata.tables if not name.startswith("agentmem_")} == set()


def test_every_table_of_the_schema_is_named_as_ours(home, tables):
    assert {name for name in tables() if not name.startswith(("agentmem_", "sqlite_"))} == set()


def described(url):
    """Every table that is not ours, as the statements that would make it."""
    engine, found = create_engine(url), MetaData()
    found.reflect(engine)
    engine.dispose()
    others = [table for name, table in sorted(found.tables.items()) if not name.startswith("agentmem_")]
    return [str(made) for table in others for made in (CreateTable(table), *map(CreateIndex, table.indexes))]


def test_a_host_applications_tables_and_its_migrations_are_left_alone(tmp_path, open_mem, sql):
    host = tmp_path / "host"
    host.mkdir()
    sql.bare(host)
    sql.execute(host, "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
    sql.execute(host, "INSERT INTO alembic_version VALUES ('host-7')")
    sql.execute(host, "CREATE TABLE memory_block (id INTEGER PRIMARY KEY, word TEXT)")
    sql.execute(host, "CREATE INDEX words ON memory_block (word)")
    sql.execute(host, "INSERT INTO memory_block VALUES (1, 'theirs')")
    before, url = described(sql.url(host)), sql.url(host)
    with open_mem(database_url=url) as mem:
        mem.client("ada").memory.append("core", "tea")
        mem.client("ada").memory.remember("tea")
        mem.reindex(embed=True)
    open_mem(database_url=url).client("ada").memory.get("core")
    assert described(url) == before
    rows = sql.tables(host)
    assert rows["alembic_version"] == [("host-7",)]
    assert rows["memory_block"] == [(1, "theirs")]
    assert rows[migrations.VERSION_TABLE] == [(migrations.HEAD,)]
    assert differences(url) == []


def test_a_store_of_a_newer_schema_is_not_touched_and_says_so(home, tables, sql):
    sql.execute(home, "UPDATE agentmem_alembic_version SET version_num = '9999'")
    before = tables()
    with pytest.raises(BackendError, match=r"newer.*upgrade agentmem-toolkit") as caught:
        agentmem.open(home, **sql.options(home))
    assert caught.value.code == "newer"
    assert tables() == before


def test_a_failed_migration_leaves_nothing_behind(tmp_path, embeddings, sql):
    home = tmp_path / "new"
    home.mkdir()
    store = {"path": home, **sql.bare(home), "embeddings": embeddings}
    sql.execute(home, "CREATE TABLE agentmem_search_index (odd TEXT)")  # in the way of the first schema
    with pytest.raises(BackendError, match="database"):
        agentmem.open(**store)
    assert sql.tables(home) == {"agentmem_search_index": []}
    sql.execute(home, "DROP TABLE agentmem_search_index")
    with agentmem.open(**store) as mem:
        assert mem.client("ada").memory.append("core", "tea").version == 1


def test_opening_a_store_that_is_up_to_date_loads_no_alembic(home, sql):
    options = sql.options(home)
    program = (
        f"import agentmem, sys; agentmem.open({str(home)!r}, **{options!r}).close(); print('alembic' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", program], env=environment(), check=True, capture_output=True, text=True)
    assert ran.stdout == "False\n"


def a_file(home):
    home.write_text("a file")
    return home


def below_a_file(home):
    home.write_text("a file")
    return home / "store"


def not_a_database(home):
    home.mkdir()
    (home / "agentmem.db").write_bytes(b"something else\n" * 1_000)
    return home


def a_folder_for_a_file(home):
    (home / "agentmem.db").mkdir(parents=True)
    return home


def a_damaged_one(home):
    with agentmem.open(home) as mem:
        mem.client("ada").memory.append("core", "tea " * 4_000)
    path = home / "agentmem.db"
    path.write_bytes(path.read_bytes()[:100] + b"\xff" * 8_000)
    return home


@pytest.mark.parametrize("make", [a_file, below_a_file, not_a_database, a_folder_for_a_file, a_damaged_one])
def test_a_place_that_cannot_be_used_is_told_with_what_to_do(tmp_path, embeddings, make):
    path = make(tmp_path / "there")
    before = {one: one.read_bytes() for one in tmp_path.rglob("*") if one.is_file()}
    with pytest.raises(BackendError) as caught:
        agentmem.open(path, embeddings=embeddings)
    assert caught.value.field in {"home", "database"}
    assert caught.value.rule
    assert caught.value.advice
    assert caught.value.__cause__ is not None
    after = {one: one.read_bytes() for one in tmp_path.rglob("*") if one.is_file() and one.suffix in {"", ".db"}}
    assert {one: content for one, content in before.items() if one.suffix in {"", ".db"}} == after


def test_a_database_in_a_folder_that_does_not_exist_is_told(tmp_path, embeddings):
    with pytest.raises(BackendError, match=r"database: .*; check that its folder exists"):
        agentmem.open(tmp_path / "home", database_url=f"sqlite:///{tmp_path}/no/where.db", embeddings=embeddings)


def test_a_database_that_breaks_while_in_use_is_a_backend_error(memory, home, sql):
    memory.append("core", "tea")
    sql.execute(home, "ALTER TABLE agentmem_block_version RENAME TO gone")
    for use in (lambda: memory.append("core", "rye"), lambda: memory.history("core")):
        with pytest.raises(BackendError, match=r"database: .*(no such table|does not exist)"):
            use()
    sql.execute(home, "ALTER TABLE gone RENAME TO agentmem_block_version")
    assert memory.append("core", "rye").content == "tea\nrye"


@pytest.mark.sqlite("its triggers")
def test_advice_goes_by_the_number_of_a_database_error_and_not_by_its_words(memory, home, sql):
    memory.append("core", "tea")
    sql.execute(
        home,
        "CREATE TRIGGER seen AFTER INSERT ON agentmem_block_version BEGIN INSERT INTO locked_and_full VALUES (1); END",
    )
    with pytest.raises(BackendError) as caught:
        memory.append("core", "rye")
    assert "locked_and_full" in caught.value.rule
    assert (caught.value.field, caught.value.advice) == ("database", "")
    assert caught.value.code == "backend_unavailable"


def test_a_new_folder_is_private_and_out_of_version_control(tmp_path, embeddings):
    with agentmem.open(tmp_path / "a" / "b", embeddings=embeddings):
        assert (tmp_path / "a" / "b").stat().st_mode & 0o077 == 0
        assert (tmp_path / "a" / "b" / ".gitignore").read_text() == "*\n"
    (tmp_path / "mine").mkdir(mode=0o755)
    with agentmem.open(tmp_path / "mine", embeddings=embeddings):
        assert not (tmp_path / "mine" / ".gitignore").exists()


@pytest.fixture
def database(mem):
    return mem._container.database  # noqa: SLF001 - the room below is the one under test


@pytest.mark.sqlite("its pragmas")
@pytest.mark.parametrize(
    ("pragma", "value"), [("journal_mode", "wal"), ("synchronous", 2), ("secure_delete", 1), ("foreign_keys", 1)]
)
def test_sqlite_is_set_up_to_lose_nothing_and_to_erase(database, pragma, value):
    with database.read() as session:
        assert session.connection().execute(text(f"PRAGMA {pragma}")).scalar() == value


def test_the_user_scope_exists_once_by_the_databases_own_rule(memory, database):
    memory.append("core", "tea")
    with database.read() as session:
        names = {
            tuple(one["column_names"])
            for one in inspect(session.connection()).get_unique_constraints("agentmem_memory_block")
        }
        columns = {one["name"]: one for one in inspect(session.connection()).get_columns("agentmem_memory_block")}
        others = ", ".join(name for name in columns if name != "id")
        copy = f"INSERT INTO agentmem_memory_block (id, {others}) SELECT 'other', {others} FROM agentmem_memory_block"  # noqa: S608 - our own columns
        with pytest.raises(IntegrityError, match=r"(?i)unique"):
            session.connection().execute(text(copy))
    assert ("tenant_id", "user_id", "agent_id", "block_type") in names
    assert not any(columns[name]["nullable"] for name in ("tenant_id", "user_id", "agent_id", "block_type"))


def test_a_write_is_all_or_nothing(database, memory, tables):
    memory.append("core", "tea")
    before = tables()

    def body(session):
        session.connection().execute(text("UPDATE agentmem_memory_block SET content = 'half'"))
        raise KeyError("half-way")

    with pytest.raises(KeyError):
        database.write(body)
    assert tables() == before


def test_a_write_that_was_raced_is_run_again_from_the_start(database):
    ran = []

    def body(_session):
        ran.append(len(ran))
        if len(ran) < 4:
            raise RacedError
        return "done"

    assert database.write(body) == "done"
    assert ran == [0, 1, 2, 3]


def test_a_write_that_is_raced_for_ever_ends(database):
    def body(_session):
        raise RacedError

    with pytest.raises(BackendError, match="too many writers"):
        database.write(body)


def test_a_write_that_breaks_a_rule_of_the_schema_ends_soon_and_says_so(database):
    ran = []

    def body(session):
        ran.append(len(ran))
        session.connection().execute(
            text("INSERT INTO agentmem_line_terms (line_id, made_by, terms) VALUES (:id, '', '')"), {"id": "zebra"}
        )

    with pytest.raises(BackendError, match="a rule of the schema refused the write") as caught:
        database.write(body)
    assert isinstance(caught.value.__cause__, IntegrityError)
    assert "zebra" not in str(caught.value.__cause__)
    assert len(ran) == 10


def test_a_row_that_another_writer_created_first_is_found_when_the_write_is_run_again(database, memory):
    def body(session):
        ran.append(len(ran))
        if len(ran) < 5:
            raise IntegrityError("", {}, KeyError())
        return "done"

    ran = []
    assert database.write(body) == "done"


def test_ids_come_in_batches_that_fit_into_one_statement():
    ids = [f"{number}" for number in range(1_001)]
    assert [len(batch) for batch in in_batches(ids)] == [500, 500, 1]
    assert [one for batch in in_batches(ids) for one in batch] == ids
    assert list(in_batches([])) == []


@pytest.mark.parametrize(
    ("url", "writes", "isolation"),
    [
        ("postgresql+psycopg://host/name", False, "REPEATABLE READ"),
        ("postgresql+psycopg://host/name", True, "READ COMMITTED"),
        ("sqlite:///a.db", False, None),
        ("sqlite:///a.db", True, None),
    ],
)
def test_on_postgresql_a_reader_asks_for_one_snapshot_and_a_writer_for_none(url, writes, isolation):
    assert _options(make_url(url), writes=writes).get("isolation_level") == isolation


def test_a_reader_sees_one_moment(database, memory):
    memory.append("core", "tea")
    with database.read() as session:

        def seen():
            return session.connection().execute(text("SELECT content FROM agentmem_memory_block")).scalar()

        assert seen() == "tea"
        memory.append("core", "rye")
        assert seen() == "tea"


_CORE = Prepared(
    select(MemoryBlockRow.content, MemoryBlockRow.updated_at).where(MemoryBlockRow.user_id == bindparam("user_id"))
)


def test_a_prepared_statement_of_a_reader_sees_one_moment_too(database, memory):
    memory.append("core", "tea")
    with database.read() as session:
        seen = [content for content, _ in _CORE.rows(session, user_id="ada")]
        memory.append("core", "rye")
        assert seen == [content for content, _ in _CORE.rows(session, user_id="ada")] == ["tea"]
        assert session.exec(select(MemoryBlockRow.content)).all() == ["tea"]
    with database.read() as session:
        assert [content for content, _ in _CORE.rows(session, user_id="ada")] == ["tea\nrye"]
        assert list(_CORE.rows(session, user_id="bob")) == []


def test_a_prepared_statement_sees_what_its_own_transaction_wrote(database, memory):
    memory.append("core", "tea")

    def body(session):
        session.exec(update(MemoryBlockRow).values(content="rye"))
        return [content for content, _ in _CORE.rows(session, user_id="ada")]

    assert database.write(body) == ["rye"]


def test_a_moment_of_a_prepared_statement_is_the_one_that_was_stored(database, memory):
    block = memory.append("core", "tea")
    with database.read() as session:
        ((_, updated_at),) = _CORE.rows(session, user_id="ada")
    assert moment(updated_at) == block.updated_at
    assert moment(updated_at).tzinfo is UTC


def test_what_a_driver_refuses_of_a_prepared_statement_is_told_as_of_any_other(database):
    missing = Prepared(select(column("id")).select_from(table("missing")))
    with pytest.raises(BackendError, match="missing"), database.read() as session:
        missing.rows(session)


def deleted_rows(path, seed):
    """A database out of which every row with a CANARY was deleted, after much moving about of rows."""
    database, choice = Database(path), random.Random(seed)
    kept = {"CANARY": [], "other": []}

    def create(session):
        session.connection().exec_driver_sql("CREATE TABLE host (id TEXT PRIMARY KEY, who TEXT, body TEXT, twice BLOB)")
        session.connection().exec_driver_sql("CREATE INDEX host_who ON host (who, id)")

    def change(session):
        execute = session.connection().exec_driver_sql
        for _ in range(100):
            who = "CANARY" if choice.random() < 0.1 else "other"
            fate, text = choice.random(), f"{who} " * choice.choice([1, 3, 20, 200, 900])
            if fate < 0.6 or not kept[who]:
                kept[who].append(f"{choice.getrandbits(64):x}")
                twice = text.encode() * choice.choice([1, 2])
                execute("INSERT INTO host VALUES (?, ?, ?, ?)", (kept[who][-1], who, text, twice))
            elif fate < 0.85:
                execute("UPDATE host SET body = ? WHERE id = ?", (text, choice.choice(kept[who])))
            else:
                execute("DELETE FROM host WHERE id = ?", (kept[who].pop(choice.randrange(len(kept[who]))),))

    def delete(session):
        session.connection().exec_driver_sql("DELETE FROM host WHERE who = 'CANARY'")

    for body in (create, *[change] * 60, delete):
        database.write(body)
    assert database.truncate_log()
    return database


def test_a_rewritten_file_has_nothing_of_rows_that_moved_between_pages_before_they_were_deleted(tmp_path):
    for seed in range(30):  # until one shows what secure_delete leaves, so that this fails when nothing is rewritten
        path = tmp_path / f"{seed}.db"
        database = deleted_rows(path, seed)
        left = b"CANARY" in path.read_bytes()
        database.rewrite()
        assert database.truncate_log()
        assert b"CANARY" not in path.read_bytes()
        database.close()
        if left:
            return
    pytest.fail("secure_delete left nothing in thirty files; is rewriting them still of use?")
