"""Who answers: one owner for an index folder, the scan for everyone else and in every doubt."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
import threading
from contextlib import closing, contextmanager
from pathlib import Path

import chromadb
import pytest
from sqlalchemy import create_mock_engine

import agentmem
from agentmem import BackendError
from agentmem.archival.index.chroma import ChromaFolder
from agentmem.archival.index.projection import ProjectedIndex
from agentmem.archival.index.protocol import IndexElsewhereError, IndexUnavailableError
from agentmem.archival.index.sync import IndexSync
from agentmem.database import Database

from ..conftest import chroma_run, free_port, run_program  # noqa: TID252 - the tests are no installed package
from .conftest import ThreeWords

SAID = ["Acme renews in March", "The dog is called Tom", "Likes tea and rye", "Likes tea"]


def ask(memory, query="Likes tea", **options):
    """What is found, and who answered."""
    found = memory.recall(query, min_score=0, limit=50, explain=True, **options)
    engines = {match.explanation.answered_by for match in found}
    assert len(engines) <= 1
    return [(match.content, match.score) for match in found], *engines


def ask_other(process, query="Likes tea"):
    found = process.ask("recall", query, min_score=0, limit=50, explain=True)
    engines = {match["explanation"]["answered_by"] for match in found}
    return [(match["content"], match["score"]) for match in found], *engines


def index_row(sql, home):
    (row,) = sql.execute(home, "SELECT generation, watermark, clean FROM agentmem_search_index")
    return row


def index_state(sql, home):
    """Everything on the disk and in SQL that is about the index."""
    rows = sql.execute(home, "SELECT * FROM agentmem_search_index")
    return rows, sorted(str(path) for path in (home / "index", *(home / "index").rglob("*")) if path.exists())


@pytest.fixture
def large(open_mem):
    """A store that sends every scope to Chroma, and a user's memory in it."""
    mem = open_mem(scan_below=0)
    memory = mem.client("ada").memory
    memory.remember(SAID)
    return mem, memory


def test_two_handles_on_one_folder_share_one_owner(large, open_mem, home, tmp_path, monkeypatch):
    _, memory = large
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(home)
    handles = [open_mem(path, scan_below=0) for path in (home, str(home), "home", "./x/../home", tmp_path / "link")]
    expected = ask(memory)
    assert expected[1] == "chroma"
    for mem in handles:
        assert ask(mem.client("ada").memory) == expected
        assert mem.check().answers == "chroma"
    handles[1].client("ada").memory.remember("Likes oats")
    for mem in handles:
        assert ask(mem.client("ada").memory) == ask(memory)


def test_the_index_is_open_until_the_last_handle_is_closed(large, open_mem):
    first, memory = large
    second, third = open_mem(scan_below=0), open_mem(scan_below=0)
    assert ask(memory)[1] == "chroma"
    for _ in range(3):
        first.close()
    assert ask(second.client("ada").memory)[1] == "chroma"
    second.close()
    assert ask(third.client("ada").memory)[1] == "chroma"
    third.close()


def test_a_store_opened_again_after_its_end_uses_its_index_again(large, open_mem, home, sql):
    mem, memory = large
    expected = ask(memory)
    mem.close()
    assert index_row(sql, home) == (1, 4, 1)
    assert ask(open_mem(scan_below=0).client("ada").memory) == expected
    assert index_row(sql, home)[0] == 1


@pytest.mark.skipif(
    not Path("/proc/self/fd").is_dir(), reason="looks at the process's open files where Linux lists them"
)
def test_closing_gives_every_file_back(home, sql, embeddings):
    with (
        agentmem.open(home, embeddings=embeddings, scan_below=0, **sql.options(home)) as mem,
        agentmem.open(home, embeddings=embeddings, **sql.options(home)) as other,
    ):
        mem.client("ada").memory.remember(SAID)
        assert ask(mem.client("ada").memory)[1] == "chroma"
        mem.close()
        other.client("ada").memory.recall("tea")
    assert _open_files(home) == []


def _open_files(folder):
    names = [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return [name for name in names if str(folder) in name]


def test_closing_hands_over_what_is_waiting(large, open_mem):
    mem, memory = large
    ask(memory)
    memory.remember(["one", "two"])
    assert mem.check().pending == 2
    mem.close()
    report = open_mem(scan_below=0).check()
    assert (report.ok, report.pending, report.indexed) == (True, 0, 6)


@pytest.mark.parametrize("end", ["end", "kill"])
def test_a_process_that_ends_without_closing_leaves_a_store_that_goes_on(other, open_mem, home, sql, end):
    process = other(scan_below=0)
    process.ask("remember", SAID)
    assert ask_other(process)[1] == "chroma"
    process.ask("remember", ["one", "two"])
    getattr(process, end)()
    clean = index_row(sql, home)[2]
    assert clean == (1 if end == "end" else 0)

    mem = open_mem(scan_below=0)
    memory = mem.client("ada").memory
    found = ask(memory)
    assert found[0] == ask(open_mem(scan_below=5_000).client("ada").memory)[0]
    assert len(found[0]) == 6
    report = mem.check()
    assert (report.ok, report.indexed, report.pending) == (True, 6, 0)
    assert index_row(sql, home)[0] == (1 if end == "end" else 2)  # what its owner did not close is not trusted


def test_a_second_process_scans_while_the_first_owns_the_index_and_answers_the_same(large, other, home, sql):
    mem, memory = large
    expected = ask(memory)
    process = other(scan_below=0)
    assert ask_other(process) == (expected[0], "scan")
    process.ask("remember", ["Likes oats"])
    assert ask(memory) == (ask_other(process)[0], "chroma")
    memory.forget_line(memory.recall("Likes oats")[0].id)
    assert ask_other(process) == (ask(memory)[0], "scan")

    before = index_state(sql, home)
    report = process.ask("mem.check")
    assert (report["ok"], report["answers"], report["indexed"], report["problems"]) == (True, "scan", None, [])
    assert "another process owns the index folder" in report["notes"][0]
    assert index_state(sql, home) == before
    with pytest.raises(AssertionError, match=r"BackendError.*another process owns"):
        process.ask("mem.reindex")
    mem.close()
    assert ask_other(process)[1] == "chroma"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("way", ["hard", "soft"])
def test_a_fork_never_uses_the_inherited_index_and_the_parents_goes_on(home, sql, way):
    ran = run_program("fork.py", home, json.dumps(sql.options(home)), way)
    said = [json.loads(line) for line in ran.splitlines()]
    assert said == [
        ["before", [["tea", "chroma"]]],
        ["child", [["tea", "scan"]]],
        ["child's own", [["tea", "scan"]]],
        ["status", 0],
        ["stranger", [["tea", "scan"]]],
        ["parent", [["tea", "chroma"]], "chroma"],
        ["check", True, "chroma", 2, 2],
    ]


@contextmanager
def mute_server():
    """A server that takes every connection and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken = []

        def take():
            while True:
                try:
                    taken.append(listener.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in taken:
                connection.close()


def test_a_chroma_that_hangs_is_not_waited_for(open_mem):
    with mute_server() as url:
        mem = open_mem(chroma_url=url, scan_below=0, index_timeout=0.2, index_batch=2)
        memory = mem.client("ada").memory
        memory.remember(SAID)
        assert ask(memory)[1] == "scan"
        memory.remember("Likes oats")
        assert len(ask(memory)[0]) == 5
        memory.forget_line(memory.recall("Likes oats")[0].id)
        assert len(ask(memory)[0]) == 4
        assert mem.check().answers == "scan"
        with pytest.raises(BackendError, match="index"):
            mem.reindex()
        mem.close()


def test_a_chroma_that_is_down_is_scanned_for(open_mem):
    mem = open_mem(chroma_url=f"http://127.0.0.1:{free_port()}", scan_below=0)
    memory = mem.client("ada").memory
    memory.remember(SAID)
    assert ask(memory)[1] == "scan"
    memory.remember("Likes oats")
    assert len(ask(memory)[0]) == 5
    report = mem.check()
    assert (report.answers, report.lines, report.indexed, report.pending) == ("scan", 5, None, 5)
    with pytest.raises(BackendError, match="index"):
        mem.reindex()


def test_check_sees_that_a_chroma_server_is_down_before_anything_was_asked_of_it(open_mem):
    report = open_mem(chroma_url=f"http://127.0.0.1:{free_port()}").check()
    assert (report.ok, report.answers) == (False, "scan")
    assert "Chroma cannot be used" in report.problems[0]


def test_check_changes_nothing_of_an_index_on_a_server(open_mem, chroma_url, home, sql):
    mem = open_mem(chroma_url=chroma_url, scan_below=0)
    assert (mem.check().ok, mem.check().answers) == (True, "chroma")
    mem.client("ada").memory.remember(SAID)
    mem.reindex()
    mem.close()
    before = index_state(sql, home)
    report = open_mem(chroma_url=chroma_url, scan_below=0).check()
    assert (report.ok, report.answers, report.indexed, report.notes) == (True, "chroma", 4, ())
    assert index_state(sql, home) == before


def test_a_chroma_server_answers_for_many_processes(open_mem, other, chroma_url):
    mem = open_mem(chroma_url=chroma_url, scan_below=0)
    memory = mem.client("ada").memory
    memory.remember(SAID)
    process = other(chroma_url=chroma_url, scan_below=0)
    assert ask(memory) == ask_other(process)
    assert ask(memory)[1] == "chroma"
    process.ask("remember", ["Likes oats"])
    memory.remember("Likes milk")
    assert ask(memory) == ask_other(process)
    assert len(ask(memory)[0]) == 6
    assert mem.check().ok


def test_an_index_begun_anew_by_another_process_is_followed(open_mem, other, chroma_url):
    mem = open_mem(chroma_url=chroma_url, scan_below=0)
    memories = [mem.client(f"user-{number}").memory for number in range(8)]  # in several collections
    for memory in memories:
        memory.remember(SAID)
    expected = ask(memories[0])
    process = other(chroma_url=chroma_url, scan_below=0)
    assert process.ask("mem.reindex") == 32
    assert (mem.check().ok, mem.check().indexed) == (True, 32)
    for memory in memories:
        assert sorted(ask(memory)[0]) == sorted(expected[0])
    process.ask("remember", ["Likes oats"], user="user-3")
    assert len(ask(memories[3])[0]) == 5


def test_a_server_that_lost_everything_is_not_believed(open_mem, tmp_path):
    port = free_port()
    for name in ("before", "after"):
        (tmp_path / name).mkdir()
    with chroma_run(tmp_path / "before", port) as url:
        first = open_mem(chroma_url=url, scan_below=0)
        first.client("ada").memory.remember(SAID)
        expected = ask(first.client("ada").memory)
        first.close()
    with chroma_run(tmp_path / "after", port) as url:
        mem = open_mem(chroma_url=url, scan_below=0)
        assert ask(mem.client("ada").memory)[0] == expected[0]
        assert mem.reindex() == 4
        assert ask(mem.client("ada").memory) == expected
        assert mem.check().ok


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts the process's sockets where Linux lists them")
def test_an_index_that_failed_lets_go_of_its_connections(open_mem, tmp_path):
    def sockets():
        return sum(
            str(link.readlink()).startswith("socket:") for link in Path("/proc/self/fd").iterdir() if link.is_symlink()
        )

    before = sockets()
    (tmp_path / "server").mkdir()
    with chroma_run(tmp_path / "server", free_port()) as url:
        mem = open_mem(chroma_url=url, scan_below=0)
        memory = mem.client("ada").memory
        memory.remember(SAID)
        assert ask(memory)[1] == "chroma"
        with _client_of(url) as chroma:
            for collection in chroma.list_collections():
                chroma.delete_collection(collection.name)
        assert ask(memory)[1] == "scan"
        mem.close()
        assert sockets() == before


@contextmanager
def _client_of(url):
    client = chromadb.HttpClient(host="127.0.0.1", port=int(url.rpartition(":")[2]))
    yield client
    for one in (client._server, client._admin_client._server):  # noqa: SLF001 - Chroma's own closing leaves them open
        one._session.close()  # noqa: SLF001 - as above
    client.close()


def collections(index):
    """Whose collections are in the one generation that there is."""
    (generation,) = index.glob("generation-*")
    with closing(sqlite3.connect(generation / "chroma.sqlite3")) as connection:
        return {"-".join(name.split("-")[:2]) for (name,) in connection.execute("SELECT name FROM collections")}


def put_a_file(path):
    shutil.rmtree(path)
    path.write_text("a file")


def put_a_folder(path):
    path.unlink()
    path.mkdir()


OF_THE_FILE = pytest.mark.sqlite("the folder beside its file is this index's")
MISSED = {  # on a database server, nobody says that the index it knows of was in this folder
    "the index folder is gone": shutil.rmtree,
    "the index folder is empty": lambda index: (shutil.rmtree(index), index.mkdir()),
}
DAMAGE = {
    "the generation is gone": lambda index: shutil.rmtree(index / "generation-1"),
    "the generation is a file": lambda index: put_a_file(index / "generation-1"),
    "its owner did not close it": "UPDATE agentmem_search_index SET clean = false",
    "its model is gone": "UPDATE agentmem_search_index SET embedder_id = NULL",
    "the id is gone": lambda index: (index / "index-id").unlink(),
    "the id is empty": lambda index: (index / "index-id").write_text(""),
    "the id is of no index": lambda index: (index / "index-id").write_bytes(b"\xff\x00zebra"),
}


@pytest.mark.parametrize(
    "damage",
    [pytest.param(damage, id=name, marks=OF_THE_FILE) for name, damage in MISSED.items()]
    + [pytest.param(damage, id=name) for name, damage in DAMAGE.items()],
)
def test_a_damaged_index_folder_is_filled_anew(large, open_mem, home, sql, damage):
    mem, memory = large
    expected = ask(memory)
    mem.close()
    if isinstance(damage, str):
        sql.execute(home, damage)
    else:
        damage(home / "index")
    before = index_state(sql, home)
    again = open_mem(scan_below=0)
    report = again.check()
    assert (report.ok, report.answers, report.indexed, report.pending) == (False, "chroma", None, 4)
    (problem,) = report.problems
    assert "at the next search in a large scope, or now with reindex()" in problem
    assert index_state(sql, home) == before
    assert ask(again.client("ada").memory) == expected
    report = again.check()
    assert (report.ok, report.indexed, report.problems) == (True, 4, ())
    assert collections(home / "index") == {f"agentmem-{(home / 'index' / 'index-id').read_text()}"}
    assert again.reindex() == 4
    assert ask(again.client("ada").memory) == expected


BLOCKED = {
    "a file is in the place of the index folder": put_a_file,
    "the lock cannot be written": lambda index: put_a_folder(index / "owner.lock"),
    "the id cannot be written": lambda index: put_a_folder(index / "index-id"),
}


@pytest.mark.parametrize("damage", BLOCKED.values(), ids=BLOCKED)
def test_an_index_folder_that_cannot_be_used_leaves_the_scan(large, open_mem, home, sql, damage):
    mem, memory = large
    expected = ask(memory)
    mem.close()
    damage(home / "index")
    before = index_state(sql, home)
    again = open_mem(scan_below=0)
    report = again.check()
    assert (report.ok, report.answers, report.indexed) == (False, "scan", None)
    assert "Chroma cannot be used" in report.problems[0]
    assert ask(again.client("ada").memory) == (expected[0], "scan")
    again.client("ada").memory.remember("Likes oats")
    assert len(ask(again.client("ada").memory)[0]) == 5
    assert again.check().answers == "scan"
    with pytest.raises(BackendError, match="index"):
        again.reindex()
    again.close()
    assert index_state(sql, home) == before


def test_check_of_a_store_without_an_index_makes_none(open_mem, home, sql):
    mem = open_mem(scan_below=0)
    mem.client("ada").memory.remember(SAID)
    report = mem.check()
    assert (report.ok, report.answers, report.indexed, report.pending) == (True, "chroma", None, 4)
    assert index_state(sql, home) == ([], [])
    assert ask(mem.client("ada").memory)[1] == report.answers


def test_check_of_a_closed_index_compares_it_and_leaves_it_to_whoever_comes(large, open_mem, other, home, sql):
    mem, memory = large
    ask(memory)
    mem.close()
    before = index_state(sql, home)
    mem = open_mem(scan_below=0)
    report = mem.check()
    assert (report.ok, report.answers, report.indexed) == (True, "chroma", 4)
    assert index_state(sql, home) == before
    assert ask_other(other(scan_below=0))[1] == "chroma"
    assert mem.check().answers == "scan"


def test_a_search_while_a_closed_index_is_looked_at_keeps_it_open(large, open_mem, other, home, sql):
    mem, memory = large
    expected = ask(memory)
    mem.close()
    mem = open_mem(scan_below=0)
    stored = mem._container.index.stored()  # noqa: SLF001 - no public call stops in the middle
    next(stored)
    assert index_row(sql, home)[2] == 0
    assert ask(mem.client("ada").memory) == expected
    assert len(list(stored)) == 3
    assert index_row(sql, home) == (1, 4, 0)
    assert ask_other(other(scan_below=0)) == (expected[0], "scan")
    assert ask(mem.client("ada").memory) == expected


def test_two_who_look_at_a_closed_index_both_see_all_of_it_and_the_last_closes_it(large, open_mem, home, sql):
    mem, memory = large
    ask(memory)
    mem.close()
    before = index_state(sql, home)
    index = open_mem(scan_below=0)._container.index  # noqa: SLF001 - as above
    one, two = index.stored(), index.stored()
    next(one)
    next(two)
    assert len(list(one)) == len(list(two)) == 3
    assert index_state(sql, home) == before


def test_an_index_begun_anew_while_it_is_looked_at_is_not_closed_by_the_onlooker(large, open_mem, home, sql):
    mem, memory = large
    ask(memory)
    mem.close()
    mem = open_mem(scan_below=0)
    stored = mem._container.index.stored()  # noqa: SLF001 - as above
    next(stored)
    mem.reindex()
    with pytest.raises(IndexUnavailableError, match="begun anew"):
        list(stored)
    assert index_row(sql, home) == (2, 4, 0)
    assert ask(mem.client("ada").memory)[1] == "chroma"


def test_an_index_begun_anew_while_it_is_read_stays_its_owners(large, home, sql):
    mem, memory = large
    ask(memory)
    mem.close()
    database = Database(sql.url(home))
    sync = IndexSync(database, ChromaFolder(home / "index"), batch=10)
    sync.open_read_only()
    sync.begin_anew()
    sync.close_read_only()
    assert index_row(sql, home) == (2, 0, 0)
    with pytest.raises(IndexElsewhereError):
        ChromaFolder(home / "index").acquire()
    sync.close()
    database.close()


def test_an_index_that_chroma_cannot_open_is_told_and_mended(large, open_mem, home, sql):
    mem, memory = large
    expected = ask(memory)
    mem.close()
    (home / "index" / "generation-1" / "chroma.sqlite3").write_bytes(b"garbage" * 1_000)
    before = index_row(sql, home)
    mem = open_mem(scan_below=0)
    report = mem.check()
    assert (report.ok, report.answers, report.indexed) == (False, "scan", None)
    assert "Chroma failed with" in report.problems[0]
    assert index_row(sql, home) == before
    assert ask(mem.client("ada").memory) == (expected[0], "scan")
    assert mem.reindex() == 4
    assert ask(mem.client("ada").memory) == expected
    assert mem.check().ok


def test_a_search_scans_and_check_says_so_while_more_than_a_batch_is_waiting(large, open_mem):
    mem, _ = large
    mem.close()
    mem = open_mem(scan_below=0, index_batch=3)
    report = mem.check()
    assert (report.ok, report.answers, report.pending) == (True, "scan", 4)
    assert "until Chroma has taken over the 4 changes" in report.notes[0]
    assert ask(mem.client("ada").memory)[1] == "scan"
    mem.reindex()
    assert ask(mem.client("ada").memory)[1] == mem.check().answers == "chroma"


def test_a_fresh_home_beside_a_shared_database_server_is_no_doubt(tmp_path):
    class SharedSession:
        """A session of a database that is no file beside the index."""

        def get_bind(self):
            return create_mock_engine("postgresql+psycopg://", lambda *_: None)

    assert ChromaFolder(tmp_path / "index").inconsistency(SharedSession(), None) is None


def test_the_index_folder_of_another_store_is_not_taken_for_its_own(large, open_mem, home, tmp_path, new_store):
    mem, memory = large
    expected = ask(memory)
    mem.close()
    shutil.copytree(new_store, tmp_path / "second")
    second = open_mem(tmp_path / "second", scan_below=0)
    second.client("ada").memory.remember(["other", "words", "here"])
    assert ask(second.client("ada").memory)[1] == "chroma"
    second.close()
    shutil.rmtree(home / "index")
    shutil.copytree(tmp_path / "second" / "index", home / "index")
    again = open_mem(scan_below=0)
    assert ask(again.client("ada").memory)[0] == expected[0]
    assert again.reindex() == 4
    assert again.check().ok


def test_a_store_copied_while_closed_is_a_store_of_its_own(large, open_mem, home, tmp_path):
    mem, memory = large
    ask(memory)
    mem.close()
    shutil.copytree(home, tmp_path / "copy")
    one, other_ = (open_mem(path, scan_below=0).client("ada").memory for path in (home, tmp_path / "copy"))
    one.remember("Likes oats")
    other_.remember("Likes milk")
    assert "Likes oats" in str(ask(one)[0])
    assert "Likes oats" not in str(ask(other_)[0])
    assert {ask(one)[1], ask(other_)[1]} == {"chroma"}


def test_a_home_removed_under_an_open_store_does_not_break_its_closing(large, home):
    mem, memory = large
    ask(memory)
    memory.remember("one more")
    shutil.rmtree(home)
    mem.close()


@pytest.mark.parametrize("where", ["environment", "file"])
def test_a_hosts_own_chroma_settings_are_not_taken_over(open_mem, tmp_path, monkeypatch, where):
    host = {"CHROMA_API_IMPL": "chromadb.api.fastapi.FastAPI", "CHROMA_SERVER_HOST": "127.0.0.1", "ALLOW_RESET": "true"}
    monkeypatch.chdir(tmp_path)
    if where == "file":
        (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in host.items()))
    for name, value in host.items():
        if where == "environment":
            monkeypatch.setenv(name, value)
    memory = open_mem(scan_below=0).client("ada").memory
    memory.remember("tea")
    assert ask(memory, "tea")[1] == "chroma"


class HangingFolder(ChromaFolder):
    """A folder that does not let anyone in before it is told to, the first time."""

    def __init__(self, path):
        super().__init__(path)
        self.entered = threading.Event()
        self.leave = threading.Event()
        self._waits = [self.leave]

    def acquire(self):
        if self._waits:
            self.entered.set()
            self._waits.pop().wait()
            raise IndexUnavailableError("too late")
        super().acquire()


@pytest.fixture
def hanging(mem, home):
    """An index whose first opening hangs, with a deadline."""
    place = HangingFolder(home / "index")
    index = ProjectedIndex(mem._container.database, place, batch=2, timeout=2.0)  # noqa: SLF001 - the edge under test is behind the handle
    yield place, index
    place.leave.set()
    index.close()


def test_an_index_that_hung_while_it_was_fed_is_fed_again_later(mem, hanging):
    place, index = hanging
    memory = mem.client("ada").memory
    memory.remember(SAID)
    index.schedule()  # in the background; hangs
    assert place.entered.wait(10)
    with pytest.raises(IndexUnavailableError):
        index.rebuild(_quiet)
    assert index.rebuild(_quiet) == 4
    memory.remember(SAID)
    assert index.status().pending == 4
    index.schedule()
    for _ in range(3):
        index.status()  # waits its turn behind each batch
    assert index.status().pending == 0


def _quiet(_done, _total):
    """Nobody watches."""


def test_reindex_counts_every_line_though_a_feeding_was_under_way(open_mem):
    mem = open_mem(scan_below=0, index_batch=50)
    for number in range(10):
        mem.client("ada").memory.remember([f"line {number} {place}" for place in range(100)])
        if number % 3 == 0:
            steps = []
            assert mem.reindex(progress=lambda done, total: steps.append((done, total))) == 100 * (number + 1)  # noqa: B023 - called at once
            assert steps[-1] == (100 * (number + 1), 100 * (number + 1))
            assert steps == sorted(steps)


@pytest.mark.sqlite("how much Chroma takes is no matter of the database")
@pytest.mark.parametrize(("lines", "words"), [(6_000, "line"), (3_000, "a line of several vectors")])
def test_batches_larger_than_chroma_takes_are_handed_over_in_parts(open_mem, lines, words):
    mem = open_mem(scan_below=0, index_batch=100_000, embeddings=ThreeWords(4))
    memory = mem.client("ada").memory
    memory.remember([f"{words} {number}" for number in range(lines)])
    assert mem.reindex() == lines
    assert mem.check().indexed >= 6_000
    memory.update("archival", "tea", expected_updated_at=memory.get("archival").updated_at)
    (match,) = memory.recall("tea", explain=True)
    assert (match.content, match.semantic, match.explanation.answered_by) == ("tea", 1.0, "chroma")
    assert mem.check().ok
