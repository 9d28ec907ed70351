"""Writers that come in between: while a model works, while the index is rebuilt, from many threads, after a `chdir`."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from agentmem import ConflictError, InvalidInputError, NotFoundError
from agentmem.testing import HashingEmbeddings

from ..conftest import environment  # noqa: TID252 - the tests are no installed package
from .test_owner import mute_server


class Interrupted(HashingEmbeddings):
    """A model that lets someone else do something, once, while it makes the vectors of lines."""

    def __init__(self, dimensions=256):
        super().__init__(dimensions)
        self.between = None

    def embed_documents(self, texts):
        if self.between is not None and not texts[0].startswith("The quick brown fox"):
            between, self.between = self.between, None
            between()
        return super().embed_documents(texts)


@pytest.fixture
def interrupted(open_mem):
    """A memory whose model can be interrupted, the model, and another handle on the same memory."""
    model = Interrupted()
    memory = open_mem(embeddings=model).client("ada").memory
    memory.remember("first")
    return memory, model, open_mem().client("ada").memory


def test_an_update_conflicts_with_a_line_that_came_while_its_vectors_were_made(interrupted):
    memory, model, other = interrupted
    token = memory.get("archival").updated_at
    model.between = lambda: other.remember("late")
    with pytest.raises(ConflictError) as caught:
        memory.update("archival", "first\nnew", expected_updated_at=token)
    assert caught.value.current.content == "first\nlate"
    assert memory.get("archival").content == "first\nlate"


def test_a_creation_conflicts_with_one_that_came_while_its_vectors_were_made(interrupted):
    memory, model, other = interrupted
    memory.delete("archival")
    model.between = lambda: other.update("archival", "theirs", expected_updated_at=None)
    with pytest.raises(ConflictError):
        memory.update("archival", "ours", expected_updated_at=None)
    assert memory.get("archival").content == "theirs"


def test_lines_are_added_to_what_came_while_their_vectors_were_made(interrupted):
    memory, model, other = interrupted

    def between():
        other.delete("archival")
        other.remember("late")

    model.between = between
    memory.remember(["one", "two"])
    assert memory.get("archival").content == "late\none\ntwo"
    assert [match.content for match in memory.recall("one", min_score=0.6)] == ["one"]


def test_of_two_writes_under_one_key_at_once_one_is_done_and_both_get_its_result(interrupted):
    memory, model, other = interrupted
    theirs = []
    model.between = lambda: theirs.extend(other.remember(["one", "two"], idempotency_key="k"))
    ours = memory.remember(["one", "two"], idempotency_key="k")
    assert ours == theirs
    assert memory.get("archival").content == "first\none\ntwo"


def test_a_line_that_came_during_a_switch_of_models_is_switched_too(open_mem):
    old = open_mem().client("ada").memory
    (gone, *_) = old.remember([f"line {number}" for number in range(300)])
    model = Interrupted(64)

    def between():
        old.remember("late")
        old.forget_line(gone.id)

    model.between = between
    new = open_mem(embeddings=model, scan_below=0)
    assert new.reindex(embed=True) == 300
    assert new.client("ada").memory.recall("late", min_score=0.6)[0].content == "late"
    assert (new.check().ok, new.check().lines) == (True, 300)
    with pytest.raises(InvalidInputError):
        old.remember("too late")


def test_a_write_begun_with_the_old_model_does_not_land_after_the_switch(open_mem):
    model = Interrupted()
    old = open_mem(embeddings=model).client("ada").memory
    old.remember("first")
    new = open_mem(embeddings=HashingEmbeddings(64))
    model.between = lambda: new.reindex(embed=True)
    with pytest.raises(InvalidInputError, match="embeddings"):
        old.remember("with the old model's vector")
    assert new.client("ada").memory.get("archival").content == "first"
    assert new.check().ok


def in_threads(count, work):
    """What went wrong in threads that all do the same work, each with its number."""
    wrong = []

    def run(number):
        try:
            work(number)
        except Exception as error:  # noqa: BLE001 - told to the test's own thread
            wrong.append(error)

    threads = [threading.Thread(target=run, args=[number]) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return wrong


@pytest.mark.parametrize("scan_below", [0, 5_000])
def test_a_store_may_be_shared_by_threads(open_mem, scan_below):
    mem = open_mem(scan_below=scan_below, index_batch=20)
    memory = mem.client("ada").memory
    missed, stale = [], []

    def work(number):
        for step in range(15):
            word = f"word{number}step{step}"
            (line, _) = memory.remember([word, f"other{word}"])
            if line.id not in {match.id for match in memory.recall(word, limit=50, min_score=0.6)}:
                missed.append(word)
            memory.append("core", f"- {word}")
            if step % 3 == 0:
                memory.forget_line(line.id)
                if line.id in {match.id for match in memory.recall(word, limit=50, min_score=0.6)}:
                    stale.append(word)
            if step == 7 and number % 3 == 0:
                mem.reindex()

    assert in_threads(6, work) == []
    assert (missed, stale) == ([], [])
    assert len(memory.get("core").content.splitlines()) == memory.get("core").version == 6 * 15
    assert len(memory.get("archival").content.splitlines()) == 6 * (15 * 2 - 5)
    assert mem.check().ok


def test_one_key_from_many_threads_writes_once(memory):
    results = []

    def work(_number):
        results.append((memory.append("core", "tea", idempotency_key="k"), memory.remember("tea", idempotency_key="l")))

    assert in_threads(8, work) == []
    assert all(result == results[0] for result in results)
    assert (memory.get("core").content, memory.get("archival").content) == ("tea", "tea")


def test_of_many_creations_at_once_one_wins(mem):
    won, lost = [], []

    def work(number):
        memory = mem.client("ada").memory
        for name in ("core", "archival"):
            try:
                won.append(memory.update(name, f"by {number}", expected_updated_at=None).content)
            except ConflictError as error:
                lost.append(error.current.content)

    assert in_threads(8, work) == []
    assert len(won) == 2
    assert set(lost) <= set(won)
    assert len(lost) == 14


def test_a_context_closes_its_store(open_mem):
    with open_mem() as mem:
        mem.client("ada").memory.append("core", "tea")
    with pytest.raises(InvalidInputError, match="closed"):
        mem.client("ada").memory.get("core")


def test_a_closed_store_says_that_it_is_closed(open_mem):
    mem, other = open_mem(), open_mem()
    memory = mem.client("ada").memory
    memory.append("core", "tea")
    memory.remember("tea")
    assert in_threads(4, lambda _: mem.close()) == []
    uses = {
        "get": lambda: memory.get("core"),
        "append": lambda: memory.append("core", "rye"),
        "recall": lambda: memory.recall("tea"),
        "remember": lambda: memory.remember("rye"),
        "list in another tenant": mem.tenant("acme").client("ada").memory.list,
        "check": mem.check,
        "reindex": mem.reindex,
    }
    wrong = {}
    for name, use in uses.items():
        try:
            wrong[name] = use()
        except InvalidInputError as error:
            if error.code != "store_closed":
                wrong[name] = str(error)
    assert wrong == {}
    assert other.client("ada").memory.get("core").content == "tea"


@pytest.mark.parametrize("scan_below", [0, 5_000])
def test_a_store_with_a_relative_path_stays_where_it_was_opened(tmp_path, monkeypatch, open_mem, scan_below):
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    memory = open_mem("store", scan_below=scan_below).client("ada").memory
    memory.remember("tea")
    monkeypatch.chdir(tmp_path / "there")
    assert in_threads(4, lambda number: memory.remember(f"rye {number}")) == []
    assert len(memory.recall("rye", limit=50)) == 4
    assert list((tmp_path / "there").iterdir()) == []
    with pytest.raises(NotFoundError):
        open_mem("store").client("ada").memory.get("archival")


def test_a_path_may_hold_any_character(tmp_path, open_mem):
    mem = open_mem(tmp_path / "a b%20#?é日本'\";x", scan_below=0)
    memory = mem.client("ada").memory
    memory.remember("tea")
    assert memory.recall("tea", explain=True)[0].explanation.answered_by == "chroma"
    mem.close()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("a b")] == ["a b%20#?é日本'\";x"]


def test_a_program_ends_though_its_chroma_hangs(tmp_path):
    with mute_server() as url:
        program = (
            "import agentmem; from agentmem.testing import HashingEmbeddings\n"
            f"mem = agentmem.open({str(tmp_path / 'home')!r}, embeddings=HashingEmbeddings(), chroma_url={url!r},"
            " scan_below=0, index_timeout=0.2, index_batch=1)\n"
            "memory = mem.client('ada').memory\n"
            "memory.remember('tea')\n"
            "print(memory.recall('tea', explain=True)[0].explanation.answered_by)\n"
        )
        ran = subprocess.run(
            [sys.executable, "-c", program], env=environment(), check=True, capture_output=True, text=True, timeout=60
        )
    assert ran.stdout == "scan\n"
