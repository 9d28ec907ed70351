"""`check` tells the truth, and `reindex` mends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from agentmem import CheckReport


def test_an_empty_store_is_fine_and_has_no_model_yet(mem):
    assert mem.check() == CheckReport(ok=True, answers="chroma", lines=0, indexed=None, pending=0, embedder=None)


def test_a_store_that_never_needed_chroma_is_fine(mem, memory):
    memory.remember(["tea", "rye"])
    memory.recall("tea")
    report = mem.check()
    assert (report.ok, report.answers, report.lines, report.indexed) == (True, "chroma", 2, None)
    assert report.embedder == "hashing-256"


def test_what_is_waiting_is_no_fault(open_mem):
    mem = open_mem(scan_below=0)
    memory = mem.client("ada").memory
    lines = memory.remember(["one", "two", "three", "four"])
    memory.recall("one")
    memory.forget_line(lines[0].id)
    memory.update("archival", "four\nfive\ntwo", expected_updated_at=memory.get("archival").updated_at)
    memory.remember("unsure", confidence=0.1)
    report = mem.check()
    assert (report.ok, report.problems, report.answers, report.lines) == (True, (), "chroma", 4)
    assert report.pending > 0
    memory.recall("one")
    report = mem.check()
    assert (report.ok, report.pending, report.indexed) == (True, 0, 3)


def test_lines_below_the_confidence_floor_are_not_missing(open_mem):
    mem = open_mem(scan_below=0)
    mem.client("ada").memory.remember(["tea"], confidence=0.1)
    assert mem.reindex() == 0
    report = mem.check()
    assert (report.ok, report.lines, report.indexed) == (True, 1, 0)


DAMAGE = {
    "missing": "DELETE FROM agentmem_line_chunk WHERE line_id = :line",
    "different": "UPDATE agentmem_line_chunk SET vector = :nothing WHERE line_id = :line",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_store_whose_index_is_not_that_of_sql_says_so(open_mem, home, sql, damage):
    mem = open_mem(scan_below=0)
    memory = mem.client("ada").memory
    line = memory.remember(["tea", "rye"])[0]
    memory.recall("tea")
    sql.execute(home, damage, line=line.id, nothing=bytes(4 * 256))
    report = mem.check()
    assert not report.ok
    assert all("reindex(" in problem for problem in report.problems)
    assert "tea" not in str(report)


def test_lines_without_a_vector_are_told_and_mended(open_mem, home, sql):
    mem = open_mem(scan_below=0)
    memory = mem.client("ada").memory
    memory.remember(["tea", "rye"])
    sql.execute(home, "DELETE FROM agentmem_line_chunk")
    report = mem.check()
    assert not report.ok
    assert "2 lines have no vector" in report.problems[0]
    assert mem.reindex(embed=True) == 2
    assert mem.check().ok
    assert memory.recall("tea")[0].content == "tea"


def test_reindex_reports_its_progress_to_the_end(open_mem):
    mem = open_mem(index_batch=10)
    mem.client("ada").memory.remember([f"line {number}" for number in range(35)])
    steps = []
    assert mem.reindex(progress=lambda done, total: steps.append((done, total))) == 35
    assert steps[-1] == (35, 35)
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)


def test_reindex_of_an_empty_store_holds_nothing(mem):
    assert mem.reindex() == 0
    assert mem.reindex(embed=True) == 0
    report = mem.check()
    assert (report.ok, report.indexed, report.pending) == (True, 0, 0)


def test_reindex_is_about_every_tenant_user_and_agent(mem):
    for tenant in ("one", "two"):
        for user in ("ada", "bob"):
            for agent in (None, "x"):
                mem.tenant(tenant).client(user).memory.remember("tea", agent_id=agent)
    assert mem.tenant("one").reindex() == 8
    assert mem.check() == mem.tenant("two").check()


def test_reindex_leaves_nothing_of_what_was_deleted(open_mem, home):
    mem = open_mem(scan_below=0)
    memory = mem.client("ada").memory
    memory.remember([f"tea {number}" for number in range(50)])
    memory.recall("tea")
    memory.delete("archival")
    memory.remember("rye")
    assert mem.reindex() == 1
    assert mem.check().indexed == 1
    assert len(list((home / "index").glob("generation-*"))) == 1


def test_a_failing_progress_leaves_a_store_that_goes_on(open_mem):
    mem = open_mem(scan_below=0, index_batch=10)
    memory = mem.client("ada").memory
    memory.remember([f"tea {number}" for number in range(50)])

    def progress(_done, _total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mem.reindex(progress=progress)
    assert len(memory.recall("tea", limit=50, min_score=0)) == 50
    assert mem.reindex() == 50
    assert mem.check().ok


def test_times_and_provenance_survive_reindexing(open_mem, clock):
    mem = open_mem(scan_below=0)
    memory = mem.client("ada").memory
    memory.remember("tea", conversation_id="c")
    before = memory.recall("tea")
    clock.now = datetime(2030, 1, 1, tzinfo=UTC) + timedelta(days=1)
    mem.reindex()
    mem.reindex(embed=True)
    assert memory.recall("tea") == before
