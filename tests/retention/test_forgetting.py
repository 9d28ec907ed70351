"""What one agent knows of someone can be reset, and everything there is of a person forgotten."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from agentmem import BackendError, InvalidInputError
from agentmem.models import Scope


@pytest.fixture
def known(mem):
    """Somebody whom two agents know, and somebody else."""
    for agent_id in ("support", "sales"):
        mem.agents.configure(agent_id, memory_enabled=True, state_keys={"told": None})
    for user_id in ("ada", "bob"):
        for agent_id in ("support", "sales"):
            with mem.conversations.start(agent_id, user_id=user_id, thread_id=f"{user_id} {agent_id}") as conv:
                conv.add_message("user", f"zebra of {user_id} to {agent_id}")
                conv.state["told"] = f"zebra of {user_id} to {agent_id}"
                conv.handoff(to="billing", reason=f"zebra of {user_id} to {agent_id}")
                conv.set_outcome(qa=f"zebra of {user_id} to {agent_id}")
            mem.contacts.update_summary(user_id, f"zebra of {user_id} to {agent_id}", agent_id=agent_id)
            memory = mem.client(user_id).memory
            memory.append("core", f"zebra of {user_id} to {agent_id}", agent_id=agent_id)
            memory.remember(f"zebra of {user_id} to {agent_id}", agent_id=agent_id, idempotency_key="key")
        mem.client(user_id).memory.append("core", f"zebra of {user_id}")
    return mem


def test_a_reset_leaves_nothing_of_one_contact_with_one_agent(known, tables):
    conv = known.conversations.list(user_id="ada", agent_id="support")[0]
    last = known.changes("ada")[-1].id
    known.contacts.reset("ada", agent_id="support")
    said = repr(tables())
    assert "zebra of ada to support" not in said
    for other in ("ada to sales", "bob to support", "bob to sales", "ada'", "bob'"):
        assert f"zebra of {other}" in said
    left = known.conversations.get(conv.id)
    assert (left.messages, left.qa, left.handoff, left.extraction) == ((), None, None, "none")
    assert [(one.kind, one.action) for one in known.changes("ada", since=last)] == [
        ("block", "removed"),
        ("memory", "removed"),
    ]


def test_a_reset_again_or_of_someone_unknown_does_nothing(known, tables):
    known.contacts.reset("ada", agent_id="support")
    before = tables()
    known.agents.delete_memories_by_caller("support", caller_identity="ada")
    known.agents.delete_memories_by_caller("support", caller_identity="nobody")
    assert tables() == before


def test_what_a_key_wrote_before_a_reset_is_not_written_again(known):
    known.contacts.add_open_item("ada", "call", agent_id="support", idempotency_key="item")
    known.contacts.reset("ada", agent_id="support")
    with pytest.raises(LookupError):
        known.client("ada").memory.remember("zebra of ada to support", agent_id="support", idempotency_key="key")


def test_nothing_of_who_is_forgotten_is_in_any_row(known, tables):
    others = [row for rows in tables().values() for row in rows if "bob" in repr(row)]
    receipt = known.forget("ada")
    rows = [row for rows in tables().values() for row in rows]
    assert not re.search(r"\bada\b", repr(rows))
    assert [row for row in rows if "bob" in repr(row)] == others
    assert "conversations: 2" in receipt.done
    assert "ada" not in repr(receipt)


@pytest.mark.parametrize("forgotten", ["ada", "bob"])
def test_whoever_was_merged_is_forgotten_with_the_other_by_either_id(known, tables, forgotten):
    known.contacts.merge("bob", into="ada")
    known.forget(forgotten, wait=True)
    assert "zebra" not in repr(tables())
    assert tables()["agentmem_contact"] == []


def test_another_tenants_user_of_that_id_stays(known, mem):
    mem.tenant("acme").client("ada").memory.append("core", "tea")
    known.forget("ada", wait=True)
    assert mem.tenant("acme").client("ada").memory.get("core").content == "tea"


def test_someone_unknown_has_a_receipt_too(mem):
    receipt = mem.forget("nobody")
    assert receipt.done == ("nothing was kept of this user",)
    assert receipt.pending == ()
    assert any("backups" in where for where in receipt.out_of_reach)
    assert any("LangGraph" in where for where in receipt.out_of_reach)


def go_on(saver, thread_id):
    """A run stores a step of a thread."""
    config = {"configurable": {"thread_id": thread_id, "checkpoint_ns": ""}}
    saver.put(config, {"v": 1, "id": "1", "ts": "", "channel_values": {}, "channel_versions": {}}, {}, {})


def test_a_checkpointer_is_told_to_delete_the_threads(known):
    saver = InMemorySaver()
    for thread_id in ("ada support", "ada sales", "bob support"):
        go_on(saver, thread_id)
    receipt = known.forget("ada", checkpointer=saver)
    assert list(saver.storage) == ["bob support"]
    assert "LangGraph threads: 2" in receipt.done


class Running(InMemorySaver):
    """A saver whose first deletion of a thread is followed by one more step of a run in it."""

    def __init__(self):
        super().__init__()
        self.deleted = []

    def delete_thread(self, thread_id):
        super().delete_thread(thread_id)
        if thread_id not in self.deleted:
            go_on(self, thread_id)
        self.deleted.append(thread_id)


def test_what_a_run_stores_while_its_user_is_forgotten_is_deleted_and_nobody_gets_into_the_thread(known):
    saver = Running()
    known.forget("ada", checkpointer=saver)
    assert list(saver.storage) == []
    with pytest.raises(InvalidInputError, match="begun for another user"):
        known._container.threads.find(Scope("default", "eve"), "ada support")  # noqa: SLF001 - as a run would


class BrokenLater(InMemorySaver):
    """A saver that fails from its third deletion on: after the rows were erased."""

    calls = 0

    def delete_thread(self, thread_id):
        self.calls += 1
        if self.calls > 2:
            raise OSError(thread_id)
        super().delete_thread(thread_id)


def test_threads_whose_deletion_fails_at_last_are_found_by_the_next_try(known, tables):
    with pytest.raises(BackendError, match="OSError"):
        known.forget("ada", checkpointer=BrokenLater())
    saver = InMemorySaver()
    go_on(saver, "ada support")
    known.forget("ada", checkpointer=saver)
    assert list(saver.storage) == []
    assert not re.search(r"\bada\b", repr(tables()["agentmem_thread"]))


def test_a_thread_that_somebody_else_began_is_not_deleted_for_a_conversation_in_it(known):
    known._container.threads.claim(Scope("default", "bob"), "ada support")  # noqa: SLF001 - as a run would
    saver = InMemorySaver()
    go_on(saver, "ada support")
    known.forget("ada", checkpointer=saver)
    assert list(saver.storage) == ["ada support"]
    assert known._container.threads.find(Scope("default", "bob"), "ada support") is not None  # noqa: SLF001 - as above


class Broken:
    def delete_thread(self, thread_id):
        raise OSError(thread_id)


def test_nothing_is_erased_when_the_checkpointer_fails(known, tables):
    before = tables()
    with pytest.raises(BackendError, match="OSError") as refused:
        known.forget("ada", checkpointer=Broken())
    assert "ada" not in str(refused.value)
    assert tables() == before


def test_what_is_no_checkpointer_is_refused(mem):
    with pytest.raises(InvalidInputError, match="checkpointer"):
        mem.forget("ada", checkpointer=object())


@pytest.mark.sqlite("its log")
def test_a_reader_keeps_the_log_and_the_receipt_says_so(known, home):
    with closing(sqlite3.connect(home / "agentmem.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM agentmem_contact").fetchone()
        assert any("reading" in left for left in known.forget("ada", wait=True).pending)
        assert known.forget("ada").pending != ()
    assert known.sweep().pending == ()
    assert known.forget("ada").pending == ()
    assert (home / "agentmem.db-wal").stat().st_size < 50_000


def test_another_processes_index_is_filled_anew_by_its_owner(open_mem, other, home, tables):
    mem, owner = open_mem(scan_below=0), other(scan_below=0)
    for user_id in ("ada", "bob"):
        mem.client(user_id).memory.remember([f"tea of {user_id} {number}" for number in range(20)])
    owner.ask("recall", "tea", user="bob")
    before = set(home.glob("index/generation-*"))
    receipt = mem.forget("ada", wait=True)
    assert [left for left in receipt.pending if "another process owns" in left]
    owner.ask("recall", "tea", user="bob")  # it hears of it
    owner.ask("recall", "tea", user="bob")
    assert not before & set(home.glob("index/generation-*"))
    assert mem.sweep().pending == ()
    assert tables()["agentmem_search_index"][0][-1] == 0


def test_an_index_that_is_to_be_erased_is_a_problem_until_reindex(open_mem):
    mem = open_mem(scan_below=0)
    mem.client("ada").memory.remember("tea")
    mem.client("bob").memory.remember("rye")
    mem.client("ada").memory.recall("tea")
    mem.forget("ada")
    assert any("forgotten" in problem for problem in mem.check().problems)
    assert mem.reindex() == 1
    assert mem.check().ok
