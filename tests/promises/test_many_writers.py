"""Writers at once: whatever comes between them, what was acknowledged is there, and none waits for a stranger."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial

import pytest
from sqlalchemy import text

from agentmem import AgentMemError, BackendError, ConflictError, InvalidInputError, Line
from agentmem.aliases import lock_people
from agentmem.archival.lines.drafts import Draft
from agentmem.archival.lines.expire import tombstone_expired
from agentmem.models import Scope
from agentmem.testing import HashingEmbeddings, ScriptedChatModel
from agentmem.transaction import Writer

TEST = Writer("test")
WRITERS = 8
LOOKS = 5_000


def at_once(*calls):
    """What each call returned, or the error of ours that it raised; all begin at the same moment."""
    begin = threading.Barrier(len(calls))

    def run(call):
        begin.wait()
        try:
            return call()
        except AgentMemError as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def errors(outcomes):
    return [repr(one) for one in outcomes if isinstance(one, Exception)]


@contextmanager
def held_open(mem, write):
    """A transaction that has written and is not committed before the block ends; `write` is given it."""
    written, may_commit = threading.Event(), threading.Event()

    def body(tx):
        write(tx)
        tx.finish()
        written.set()
        may_commit.wait()

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(mem._container.transactions.write, body, writer=TEST)  # noqa: SLF001 - nothing public stops there
        try:
            assert written.wait(60)
            yield
        finally:
            may_commit.set()
            done.result()


def learned(mem, user_id, *texts, agent_id=None):
    """Writes lines as a conversation's end does, in someone's transaction: the line, its numbers and its feed."""
    archival = mem._container.archival  # noqa: SLF001 - as above
    entries = archival.entries([Draft(text, source="extractor") for text in texts])

    def write(tx):
        archival.learn(tx, Scope(mem.tenant_id, user_id, agent_id), add=entries, confirm={}, supersede={})

    return write


# --- the first writes of a store ----------------------------------------------------------------------------------


def test_the_first_writes_of_many_processes_are_all_found(other, memory):
    writers = [other() for _ in range(WRITERS)]
    for number, writer in enumerate(writers):
        writer.tell("remember", f"word{number} of the first writer {number}")
    for writer in writers:
        writer.hear()
    found = memory.recall("first writer", limit=50, min_score=0)
    assert sorted(match.content for match in found) == [f"word{n} of the first writer {n}" for n in range(WRITERS)]


def test_a_first_write_that_waits_for_another_takes_nobodys_vectors_away(mem, sql, home):
    with ThreadPoolExecutor(1) as pool:
        with held_open(mem, learned(mem, "bob", "a line of bob")):
            second = pool.submit(mem.client("ada").memory.remember, "a line of ada")
            until_someone_waits(sql, home)
        second.result()
    for user_id in ("ada", "bob"):
        assert len(mem.client(user_id).memory.recall("a line", min_score=0)) == 1
    assert mem.check().ok


def until_someone_waits(sql, home):
    """On PostgreSQL, until a transaction of this database waits for another's end."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    for _ in range(LOOKS):
        if sql.dialect == "sqlite" or sql.execute(home, waiting) != [(0,)]:
            return
    raise AssertionError("no transaction waits for another")


def test_the_first_writes_of_two_models_leave_the_store_to_one_of_them(open_mem, mem):
    models = [HashingEmbeddings(), HashingEmbeddings(dimensions=64)] * (WRITERS // 2)
    memories = [open_mem(embeddings=model).client("ada").memory for model in models]
    outcomes = at_once(*(partial(one.remember, f"line {number}") for number, one in enumerate(memories)))
    refused = [isinstance(outcome, InvalidInputError) for outcome in outcomes]
    assert refused in ([False, True] * (WRITERS // 2), [True, False] * (WRITERS // 2))
    own = memories[refused.index(False)]
    assert len(own.recall("line", limit=50, min_score=0)) == WRITERS // 2
    assert not [problem for problem in mem.check().problems if "no vector" in problem]


# --- one scope ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", ["nothing", "a deletion"])
def test_of_many_who_create_one_block_at_once_one_is_acknowledged(memory, after):
    for number in range(10):
        name = f"block-{number}"
        if after == "a deletion":
            memory.delete(name, expected_updated_at=memory.update(name, "old", expected_updated_at=None).updated_at)
        create = [partial(memory.update, name, f"text {n}", expected_updated_at=None) for n in range(WRITERS)]
        outcomes = at_once(*create)
        made = [one for one in outcomes if not isinstance(one, Exception)]
        assert [type(one) for one in outcomes if isinstance(one, Exception)] == [ConflictError] * (WRITERS - 1)
        assert memory.get(name) == made[0]
        assert [version.content for version in memory.history(name)][-1:] == [made[0].content]


def test_of_many_who_create_one_archival_memory_at_once_one_is_acknowledged(memory):
    create = [partial(memory.update, "archival", f"text {n}", expected_updated_at=None) for n in range(WRITERS)]
    outcomes = at_once(*create)
    made = [one for one in outcomes if not isinstance(one, Exception)]
    assert [type(one) for one in outcomes if isinstance(one, Exception)] == [ConflictError] * (WRITERS - 1)
    assert memory.get("archival").content == made[0].content


def test_many_who_add_to_one_scope_all_come_to_their_turn(memory):
    each = 12

    def add(writer):
        for number in range(each):
            memory.append("core", f"{writer}-{number}")
            memory.remember(f"line {writer}-{number}")
            memory.append("notes", "x", idempotency_key=f"{writer}-{number}")

    outcomes = at_once(*(partial(add, writer) for writer in range(WRITERS)))
    assert errors(outcomes) == []
    every = {f"{writer}-{number}" for writer in range(WRITERS) for number in range(each)}
    assert set(memory.get("core").content.split("\n")) == every
    assert {line.removeprefix("line ") for line in memory.get("archival").content.split("\n")} == every
    assert memory.get("notes").version == len(every)


def test_one_key_that_many_use_at_once_writes_once(memory, mem):
    mem.contacts.create(id="ada")
    add_item = partial(mem.contacts.add_open_item, "ada", "Call back", agent_id="support", idempotency_key="k")
    for call in (
        partial(memory.append, "core", "- Likes tea", idempotency_key="core"),
        partial(memory.remember, "Acme renews", idempotency_key="line"),
        add_item,
    ):
        outcomes = at_once(*[call] * WRITERS)
        assert errors(outcomes) == []
        assert len({repr(one) for one in outcomes}) == 1
    assert memory.get("core").content == "- Likes tea"
    assert memory.get("archival").content == "Acme renews"
    assert len(mem.contacts.memory("ada", agent_id="support").open_items) == 1


def test_many_who_write_to_one_contact_memory_all_come_to_their_turn(mem):
    mem.contacts.create(id="ada")
    each = 6

    def write(writer):
        for number in range(each):
            mem.contacts.patch_facts("ada", {f"{writer}-{number}": number}, agent_id="support")
            mem.contacts.put_entity("ada", "order", "1", agent_id="support", facts={f"{writer}-{number}": number})
            mem.contacts.add_open_item("ada", f"{writer}-{number}", agent_id="support")

    assert errors(at_once(*(partial(write, writer) for writer in range(WRITERS)))) == []
    every = {f"{writer}-{number}" for writer in range(WRITERS) for number in range(each)}
    memory = mem.contacts.memory("ada", agent_id="support")
    assert memory.facts.keys() == every
    assert memory.entities[0].facts.keys() == every
    assert {item.description for item in memory.open_items} == every
    assert memory.version == 3 * len(every)


def test_many_who_speak_in_one_conversation_are_all_heard(mem):
    mem.agents.configure("support", memory_enabled=True)
    conv = mem.conversations.start("support", user_id="ada")

    def speak(writer):
        for number in range(6):
            mem.conversations.resume(conv.id).add_message("user", f"{writer}-{number}")

    assert errors(at_once(*(partial(speak, writer) for writer in range(WRITERS)))) == []
    said = [message.content for message in mem.conversations.get(conv.id).messages]
    assert sorted(said) == sorted(f"{writer}-{number}" for writer in range(WRITERS) for number in range(6))
    outcomes = at_once(*[partial(mem.conversations.end, conv.id)] * WRITERS)
    assert errors(outcomes) == []


def test_many_who_configure_one_agent_keep_each_others_settings(mem):
    patches = [
        {"memory_enabled": True},
        {"memory_retention_days": 30},
        {"recent_messages": 7},
        {"state_keys": ["k"]},
        {"identifier_source": "state:x"},
        {"identifier_blacklist": ["+44"]},
        {"analytics_enabled": True},
    ]
    for number in range(5):
        agent_id = f"agent-{number}"
        assert errors(at_once(*(partial(mem.agents.configure, agent_id, **patch) for patch in patches))) == []
        settings = mem.agents.get(agent_id)
        assert settings.memory_enabled
        assert (settings.memory_retention_days, settings.recent_messages) == (30, 7)
        assert settings.state_keys == {"k": None}
        assert (settings.identifier_source, settings.analytics_enabled) == ("state:x", True)


def test_every_entry_of_a_users_feed_comes_after_those_that_a_reader_has_seen(memory, mem):
    seen, stop = [], threading.Event()

    def follow():
        while True:
            last = stop.is_set()
            seen.extend(mem.changes("ada", since=seen[-1].id if seen else None))
            if last:
                return

    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(follow)
        outcomes = at_once(
            *(lambda n=n: [memory.append(f"block-{n}", str(step)) for step in range(8)] for n in range(WRITERS))
        )
        stop.set()
        reader.result()
    assert errors(outcomes) == []
    assert [one.id for one in seen] == [one.id for one in mem.changes("ada")]
    assert len(seen) == 8 * WRITERS


# --- people who turn out to be one --------------------------------------------------------------------------------


def test_two_merges_in_opposite_directions_leave_one_person(mem):
    for number in range(6):
        a, b = f"a{number}", f"b{number}"
        for one in (a, b):
            mem.contacts.create(id=one)
            mem.client(one).memory.append("core", f"of {one}")
        outcomes = at_once(*[partial(mem.contacts.merge, a, into=b), partial(mem.contacts.merge, b, into=a)] * 4)
        assert {type(one) for one in outcomes if isinstance(one, Exception)} <= {InvalidInputError}
        winners = {mem.contacts.get(one).id for one in (a, b)}
        assert len(winners) == 1
        text_of = mem.client(a).memory.get("core").content
        assert sorted(text_of.split("\n")) == [f"of {a}", f"of {b}"]


def test_merges_in_a_ring_leave_one_person(mem):
    ring = [f"c{number}" for number in range(WRITERS)]
    for one in ring:
        mem.contacts.create(id=one)
        mem.client(one).memory.remember(f"line of {one}")
    merges = [partial(mem.contacts.merge, one, into=ring[number - 1]) for number, one in enumerate(ring)]
    at_once(*merges)
    assert len({mem.contacts.get(one).id for one in ring}) == 1
    lines = mem.client(ring[0]).memory.get("archival").content.split("\n")
    assert sorted(lines) == [f"line of {one}" for one in ring]


def test_a_circle_of_merges_that_the_database_has_is_an_error_and_no_endless_search(mem, sql, home):
    for one in ("a", "b"):
        mem.contacts.create(id=one)
    sql.execute(home, "UPDATE agentmem_contact SET merged_into = CASE id WHEN 'a' THEN 'b' ELSE 'a' END")
    with pytest.raises(BackendError, match="in a circle"):
        mem.contacts.get("a")


def test_conversations_that_begin_with_the_same_number_at_once_are_with_one_contact(mem):
    mem.agents.configure("support", memory_enabled=True)

    def call():
        with mem.conversations.start("support", phone="+14155550192", email="ada@example.com") as conv:
            conv.add_message("user", "Hello")
            return conv.caller_identity

    outcomes = at_once(*[call] * WRITERS)
    assert errors(outcomes) == []
    assert len(set(outcomes)) == 1
    assert len(mem.contacts.list()) == 1


LOSERS = [f"loser-{number}" for number in range(10)]
TIMES = 15


def append(mem):
    for number in range(TIMES):
        mem.client("winner").memory.append("core", f"appended {number}")
        mem.client(LOSERS[number % len(LOSERS)]).memory.remember("a line", agent_id="support")


def merge(mem):
    for one in LOSERS:
        mem.contacts.merge(one, into="winner")


def talk(mem):
    for number in range(5):
        with mem.conversations.start("support", user_id=LOSERS[-1 - number]) as conv:
            conv.add_message("user", "I like rye tea")
        mem.contacts.patch_facts("winner", {"k": number}, agent_id="support")


def sweep(mem):
    for _ in range(5):
        mem.sweep()


def visit(mem):
    for number in range(TIMES):
        mem.tenant("elsewhere").client("stranger").memory.append("core", str(number))


def test_merges_appends_learning_a_sweep_and_strangers_at_once_all_end_without_a_deadlock(open_mem, sql, home):
    facts = {"facts": [{"fact": "Caller likes rye tea", "confidence": 0.9, "evidence": [1]}]}
    mem = open_mem(chat_model=ScriptedChatModel(script=[facts], repeat_last=True))
    mem.agents.configure("support", memory_enabled=True)
    people = ["winner", *LOSERS]
    for one in people:
        mem.contacts.create(id=one)
        mem.client(one).memory.append("core", f"of {one}")
        mem.client(one).memory.remember(f"line of {one}", agent_id="support")
    before = deadlocks(sql, home)
    outcomes = at_once(*(partial(work, mem) for work in (append, append, merge, talk, talk, sweep, visit, visit)))
    assert errors(outcomes) == []
    assert deadlocks(sql, home) == before
    appended = [f"appended {number}" for number in range(TIMES)] * 2
    told = mem.client("winner").memory.get("core").content.split("\n")
    assert sorted(told) == sorted([*(f"of {one}" for one in people), *appended])


def deadlocks(sql, home):
    """How many PostgreSQL has ended in this database; SQLite has none."""
    if sql.dialect == "sqlite":
        return 0
    [(count,)] = sql.execute(home, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    return count


# --- strangers ----------------------------------------------------------------------------------------------------


@pytest.mark.postgresql("SQLite has one writer at a time")
def test_no_write_of_a_tenant_waits_for_another_tenants(mem):
    other = mem.tenant("elsewhere")
    for one in (mem, other):
        one.agents.configure("support", memory_enabled=True)
        one.contacts.create(id="ada")
        one.client("ada").memory.remember("first")
    with held_open(mem, learned(mem, "ada", "not committed yet")), ThreadPoolExecutor(1) as pool:
        for write in strangers_writes(other):
            pool.submit(write).result(timeout=60)
    assert "not committed yet" in mem.client("ada").memory.get("archival").content


def strangers_writes(mem):
    """One call of every kind of write there is."""
    memory = mem.client("ada").memory
    yield partial(memory.append, "core", "x")
    yield partial(memory.update, "notes", "x", expected_updated_at=None)
    yield partial(memory.replace, "core", "x", "y")
    yield partial(memory.delete, "notes")
    yield partial(memory.remember, ["one", Line("two", speaker="Ada")])
    yield lambda: memory.forget_line(memory.remember("three")[0].id)
    yield lambda: memory.update("archival", "four", expected_updated_at=memory.get("archival").updated_at)
    yield partial(memory.delete, "archival")
    yield partial(mem.agents.configure, "support", memory_retention_days=30)
    yield partial(mem.contacts.patch_facts, "ada", {"k": 1}, agent_id="support")
    yield partial(mem.contacts.link, "ada", phone="+14155550192")

    def talk():
        with mem.conversations.start("support", phone="+14155550192") as conv:
            conv.add_message("user", "Hello")

    yield talk
    yield partial(mem.contacts.create, id="bob")
    yield partial(mem.contacts.merge, "bob", into="ada")
    yield partial(mem.contacts.reset, "ada", agent_id="support")
    yield mem.sweep
    yield partial(mem.forget, "ada")


@pytest.mark.postgresql("SQLite has one writer at a time")
def test_a_sweep_goes_around_the_scopes_that_someone_writes_to(mem, clock):
    mem.agents.configure("support", memory_enabled=True, memory_retention_days=1)
    people = [f"user-{number}" for number in range(4)]
    for one in people:
        mem.client(one).memory.remember("over soon", agent_id="support")
    clock.move(days=2)
    transactions = mem._container.transactions  # noqa: SLF001 - nothing public sweeps a batch of one
    batch = partial(tombstone_expired, days=1, limit=1)
    with held_open(mem, learned(mem, people[0], "new", agent_id="support")):
        assert [transactions.write(batch, writer=TEST) for _ in people] == [1, 1, 1, 0]
    assert transactions.write(batch, writer=TEST) == 1


@pytest.mark.postgresql("SQLite has one writer at a time")
def test_a_line_that_is_committed_while_another_model_takes_over_keeps_a_vector(open_mem, mem, sql, home):
    memory = mem.client("ada").memory
    memory.remember("the first line")
    other = open_mem(embeddings=HashingEmbeddings(dimensions=64))
    with ThreadPoolExecutor(1) as pool:
        with held_open(mem, learned(mem, "bob", "committed late")):
            reindexed = pool.submit(partial(other.reindex, embed=True))
            until_someone_waits(sql, home)
        reindexed.result()
    assert [match.content for match in other.client("bob").memory.recall("committed late")] == ["committed late"]
    assert other.check().ok


@pytest.mark.postgresql("SQLite has one writer at a time")
def test_an_index_neither_skips_nor_misses_what_a_transaction_commits_late(open_mem):
    mem = open_mem(scan_below=0, index_batch=20)
    memory, late = mem.client("ada").memory, mem.tenant("elsewhere").client("bob").memory
    memory.remember("the first line")
    with held_open(mem.tenant("elsewhere"), learned(mem.tenant("elsewhere"), "bob", "a line that comes late")):
        for number in range(60):  # several batches with higher numbers
            memory.remember(f"line number{number}")
            if number % 10 == 9:
                [match] = memory.recall(f"number{number}", limit=1, explain=True)
                assert match.content == f"line number{number}"
    [match] = late.recall("comes late", limit=1, explain=True)
    assert match.content == "a line that comes late"
    mem._container.index.catch_up()  # noqa: SLF001 - nothing public waits for it
    report = mem.check()
    assert (report.ok, report.pending, report.indexed) == (True, 0, 62)


@pytest.mark.postgresql("SQLite has one writer at a time")
def test_an_index_does_not_skip_what_the_youngest_transaction_commits_late(open_mem):
    mem = open_mem(scan_below=0)
    mem.client("ada").memory.remember("the first line")
    catch_up = mem._container.index.catch_up  # noqa: SLF001 - nothing public waits for it
    catch_up()
    with held_open(mem, learned(mem, "bob", "begun last")):
        catch_up()
    catch_up()
    report = mem.check()
    assert (report.ok, report.pending, report.indexed) == (True, 0, 2)


@pytest.mark.postgresql("SQLite has one writer at a time")
def test_an_index_does_not_skip_what_begins_while_it_waits_for_another(open_mem):
    mem = open_mem(scan_below=0)
    mem.client("ada").memory.remember("the first line")
    catch_up = mem._container.index.catch_up  # noqa: SLF001 - nothing public waits for it
    catch_up()
    with ExitStack() as second:
        with held_open(mem, learned(mem, "bob", "begun first")):
            catch_up()
            second.enter_context(held_open(mem, learned(mem, "eve", "begun second")))
            catch_up()
        catch_up()
        catch_up()
    catch_up()
    report = mem.check()
    assert (report.ok, report.pending, report.indexed) == (True, 0, 3)


@pytest.mark.postgresql("its own waiting")
def test_a_lock_that_is_not_given_back_ends_in_an_error_of_ours(mem, memory):
    memory.append("core", "x")
    database = mem._container.database  # noqa: SLF001 - nothing public waits for less than half a minute
    assert database.write(lambda session: session.exec(text("SHOW lock_timeout")).scalar()) == "30s"

    def impatient(session):
        session.exec(text("SET LOCAL lock_timeout = 50"))
        lock_people(session, mem.tenant_id, "ada")

    def patient(tx):
        tx.lock(mem.tenant_id, "ada")

    with held_open(mem, patient), pytest.raises(BackendError, match="lock timeout; other writers"):
        database.write(impatient)
    assert memory.append("core", "z").content == "x\nz"
