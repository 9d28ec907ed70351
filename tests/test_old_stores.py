"""Stores that older code wrote: they open, are brought up to date once, and answer as they did."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack
from datetime import datetime

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from langchain.agents import create_agent
from langgraph.checkpoint.memory import InMemorySaver

from agentmem import InvalidInputError, NotFoundError, migrations
from agentmem.langgraph import MemoryContext, MemoryMiddleware
from agentmem.testing import FrozenClock, ScriptedChatModel

from .conftest import PROGRAMS, ROOT, environment
from .stores.answers import answers, repeated
from .stores.loading import NUMBERS, load, rows, said_then

NOT_YET = {"0001": {"contacts": [], "conversations": [], "changes": {"ada": [], "bob": []}, "agents": []}}
"""What a store answers to questions that came after it."""


@pytest.fixture(params=NUMBERS)
def number(request):
    return request.param


@pytest.fixture
def then(number):
    return said_then(number)


@pytest.fixture
def old(tmp_path, number, sql):
    """The folder of an old store that nobody opened since."""
    load(number, tmp_path / "old", sql)
    return tmp_path / "old"


@pytest.fixture
def open_old(old, then, open_mem):
    return lambda: open_mem(old, clock=FrozenClock(datetime.fromisoformat(then["now"])))


def contents(sql, home):
    """Every row of every table, whatever their order."""
    return {name: sorted(map(repr, found)) for name, found in sql.tables(home).items()}


def test_there_is_a_store_of_every_schema_before_the_newest():
    config = Config()
    config.set_main_option("script_location", str(ROOT / "agentmem" / "migrations"))
    every = {step.revision for step in ScriptDirectory.from_config(config).walk_revisions()}
    assert every - {migrations.HEAD} <= set(NUMBERS)


def test_no_table_of_an_old_store_is_empty(number):
    found = rows(number)
    assert [name for name, there in found.items() if not there] == []
    assert found[migrations.VERSION_TABLE] == [{"version_num": number}]


def test_an_old_store_answers_as_it_did(open_old, then, number):
    mem = open_old()
    now = answers(mem)
    assert {name: now[name] for name in then["answers"]} == then["answers"]
    assert {name: now[name] for name in now if name not in then["answers"]} == NOT_YET.get(number, {})


def test_an_old_store_is_in_order_once_it_has_an_index_again(open_old):
    mem = open_old()
    problems = mem.check().problems  # a dump has no folder with an index, which is a fault beside a file alone
    assert [str(one) for one in problems if "reindex" not in str(one)] == []
    mem.reindex()
    assert (mem.check().ok, mem.check().problems) == (True, ())


def test_a_write_that_old_code_did_is_not_done_again(open_old, then):
    mem = open_old()
    before = answers(mem)["memory"]
    again = repeated(mem)
    assert {name: again[name] for name in then["repeated"]} == then["repeated"]
    assert answers(mem)["memory"] == before


def test_a_second_open_changes_nothing(open_old, old, sql):
    open_old().close()
    before = contents(sql, old)
    assert before[migrations.VERSION_TABLE] == [repr((migrations.HEAD,))]
    mem = open_old()
    answers(mem)
    mem.close()
    assert contents(sql, old) == before


def test_numbers_and_times_go_on_where_they_were(open_old, old, sql):
    mem = open_old()
    taken = {seq for (seq,) in sql.execute(old, "SELECT seq FROM agentmem_archival_line")}
    changes = {one.id for user in ("ada", "bob") for one in mem.changes(user)}
    core = mem.client("ada").memory.get("core")
    lines = {line.id for line in mem.client("ada").memory.remember(["Ada has a new bicycle", "Ada rows"])}
    assert mem.client("ada").memory.append("core", "- Rows").updated_at > core.updated_at
    later = {seq for (seq,) in sql.execute(old, "SELECT seq FROM agentmem_archival_line")} - taken
    assert len(later) == len(lines) == 2
    assert min(later) > max(taken)
    new = {one.id for one in mem.changes("ada")} - changes
    assert len(new) == 3
    assert min(new) > max(changes, default=0)
    assert mem.client("ada").memory.recall("bicycle", limit=1)[0].content == "Ada has a new bicycle"


def test_an_open_conversation_goes_on_and_is_learned_from(tmp_path, open_mem, sql):
    for number in NUMBERS[1:]:
        load(number, tmp_path / number, sql)
        model = ScriptedChatModel(script=[{"contact_facts": []}], repeat_last=True)
        clock = FrozenClock(datetime.fromisoformat(said_then(number)["now"]))
        mem = open_mem(tmp_path / number, clock=clock, chat_model=model)
        conv = mem.conversations.resume(mem.conversations.find(thread_id="thread-1").id)
        assert conv.memory["diet"] == "vegetarian"
        assert dict(conv.state) == ({"seat": {"row": 12, "window": True}} if number > "0004" else {})
        conv.say("Yes, I am")
        assert "Mondays" in conv.render_prompt("{{memory}}", "Mondays")
        record = conv.end()
        first, *_, last = [message.content for message in record.messages]
        assert (first, last) == ("Is anybody there?", "Yes, I am")
        assert record.extraction == "done"
        assert mem.conversations.work() == 1  # the one that waited
        assert record.context.to_json()["facts"]["diet"] == "vegetarian"


def test_an_old_thread_is_still_its_owners(tmp_path, open_mem, sql):
    for number in [one for one in NUMBERS if one > "0003"]:
        load(number, tmp_path / number, sql)
        mem = open_mem(tmp_path / number)
        graph = create_agent(
            ScriptedChatModel(script=["Hello"]),
            middleware=[MemoryMiddleware(mem)],
            context_schema=MemoryContext,
            checkpointer=InMemorySaver(),
        )
        place = {"configurable": {"thread_id": "thread-2"}}
        said = {"messages": [("user", "Hello")]}
        with pytest.raises(InvalidInputError) as caught:
            graph.invoke(said, place, context={"user_id": "bob", "agent_id": "support"})
        assert caught.value.code == "foreign_thread"
        assert (
            graph.invoke(said, place, context={"user_id": "ada", "agent_id": "support"})["messages"][-1].text == "Hello"
        )


def test_forgetting_someone_leaves_nothing_of_them(open_old, old, sql):
    mem = open_old()
    assert "Bob" in repr(answers(mem))
    receipt = mem.forget("ada", wait=True)
    assert receipt.pending == ()
    assert mem.client("ada").memory.list() == []
    assert mem.changes("ada") == []
    with pytest.raises(NotFoundError):
        mem.contacts.get("ada")
    mem.tenant("acme").forget("ada", wait=True)
    mem.close()
    left = repr(sql.tables(old))
    for word in ("Ada", "'ada'", "Oslo", "+1415555", "vegetarian", "8821", "Mondays", "green tea", "ada-2"):
        assert word not in left
    assert "night train" in left


def test_processes_that_open_an_old_store_at_once_all_write_to_it(tmp_path, open_mem, sql):
    homes = [tmp_path / number for number in NUMBERS]
    shared = [json.dumps({"path": str(home), **load(home.name, home, sql)}) for home in homes]
    own = [json.dumps({"path": str(tmp_path / f"own-{one}")}) for one in range(3)]
    commands = [[sys.executable, str(PROGRAMS / "open_many.py"), one, *shared] for one in own]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with ExitStack() as stack:
        processes = [stack.enter_context(subprocess.Popen(one, env=environment(), **pipes)) for one in commands]
        assert [process.stdout.readline() for process in processes] == ["ready\n"] * 3
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        said = [process.communicate() for process in processes]
    assert [out for out, _ in said] == ["done\n"] * 3, "".join(err for _, err in said)
    for home in homes:
        assert sql.tables(home)[migrations.VERSION_TABLE] == [(migrations.HEAD,)]
        memory = open_mem(home).client("ada").memory
        assert memory.get("core").content.count("- here") == 3
        assert memory.get("archival").content.splitlines()[-3:] == ["here"] * 3


def killed(stores):
    """Let an upgrade of each store die after so many statements; all statements of one that nothing killed."""
    program = [sys.executable, str(PROGRAMS / "die_in_upgrade.py"), json.dumps(stores)]
    ran = subprocess.run(program, env=environment(), check=False, capture_output=True, text=True, timeout=250)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return json.loads(ran.stdout)


def boundaries(statements):
    """After which statements to die: around each step's end, where tables are swapped, and at both ends."""
    ends, swaps = (
        [place for place, one in enumerate(statements, 1) if one.lstrip().startswith(telling)]
        for telling in (f"UPDATE {migrations.VERSION_TABLE}", "DROP TABLE")
    )
    assert len(ends) >= len(NUMBERS) - 1
    return sorted({1, len(statements), *ends, *(place - 1 for place in ends), *swaps})


@pytest.mark.parametrize("number", NUMBERS[:1])
def test_an_upgrade_that_was_killed_anywhere_is_done_by_the_next_open(tmp_path, number, open_mem, sql):
    def copied(name):
        sql.copy(tmp_path / "untouched", tmp_path / name)
        return {"path": str(tmp_path / name), **sql.options(tmp_path / name)}

    load(number, tmp_path / "untouched", sql)
    before = contents(sql, tmp_path / "untouched")
    (statements,) = killed([[0, copied("whole")]])
    whole = contents(sql, tmp_path / "whole")
    assert whole != before
    places = boundaries(statements)
    assert killed([[place, copied(f"killed-{place}")] for place in places]) == [None] * len(places)
    for place in places:
        home = tmp_path / f"killed-{place}"
        assert contents(sql, home) == before, statements[place - 1]
        open_mem(home).close()
        assert contents(sql, home) == whole, statements[place - 1]
