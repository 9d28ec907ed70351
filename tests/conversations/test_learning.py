"""What a conversation taught is applied once, all or nothing, against the memory that the model was shown."""

from __future__ import annotations

import logging
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import pytest
from sqlmodel import select

from agentmem.conversations.claims import CLAIM, MOST_ATTEMPTS
from agentmem.conversations.pauses import FIRST
from agentmem.errors import BackendError
from agentmem.tables import ConversationRow
from agentmem.testing import HashingEmbeddings, ScriptedChatModel

SAID = "I can only do mornings before 9am. I am vegetarian, call me next Friday about order o1."
MORNINGS = "Caller can only do mornings before 9am."
PROPOSAL = {
    "facts": [{"fact": MORNINGS, "confidence": 0.9, "evidence": [1]}],
    "contact_facts": [{"key": "diet", "value": "vegetarian", "evidence": [1]}],
    "summary": "Caller can only do mornings.",
    "entities": [{"entity_type": "order", "entity_id": "o1", "status": "open", "evidence": [1]}],
    "open_items": [{"description": "Call the caller next Friday", "evidence": [1]}],
}


class Failing(HashingEmbeddings):
    """Embeddings that can be switched off, or do something first."""

    off = False
    before = None

    def embed_documents(self, texts):
        if self.before is not None:
            self.before()
        if self.off:
            raise RuntimeError("the embedder is down, it was asked for " + texts[0])
        return super().embed_documents(texts)


@pytest.fixture
def embeddings():
    return Failing()


@pytest.fixture
def model():
    return ScriptedChatModel(script=[PROPOSAL], repeat_last=True)


@pytest.fixture
def mem(open_mem, model):
    mem = open_mem(chat_model=model)
    mem.agents.configure("support", memory_enabled=True, state_keys={"diet": 7})
    return mem


def talk(mem, *said, defer=False, user_id="ada", agent_id="support"):
    conv = mem.conversations.start(agent_id, user_id=user_id)
    for text in said or (SAID,):
        conv.add_message("user", text)
    return conv.end(defer=defer)


def lines(mem, agent_id="support"):
    return mem.agents.list_memories(id=agent_id).memories


def memory(mem, user_id="ada"):
    return mem.contacts.memory(user_id, agent_id="support")


def attempts(mem, conversation_id):
    with container(mem).database.read() as session:
        return session.exec(select(ConversationRow.attempts).where(ConversationRow.id == conversation_id)).one()


def container(mem):
    return mem._container  # noqa: SLF001 - a worker is looked at from inside


def run(mem, conversation_id, tenant_id="default"):
    return container(mem).learning.run(tenant_id, conversation_id)


def facts(*texts, **more):
    return {"facts": [{"fact": text, "confidence": 0.9, "evidence": [1], **more} for text in texts]}


# --- what is written --------------------------------------------------------------------------------------------------


def test_everything_is_written_with_its_source_its_conversation_and_the_time_of_the_conversation(mem, clock):
    began = clock.now
    conv = mem.conversations.start("support", user_id="ada")
    clock.move(minutes=5)
    conv.add_message("user", SAID)
    clock.move(minutes=5)
    record = conv.end()
    (line,) = mem.client(user_id="ada").memory.recall("mornings", agent_id="support", min_score=0)
    assert (line.content, line.source, line.confidence, line.conversation_id) == (MORNINGS, "extractor", 0.9, conv.id)
    assert (line.occurred_at, line.created_at, line.scope) == (began, clock.now, "agent")

    known = memory(mem)
    assert known.facts == {"diet": "vegetarian"}
    assert known.summary == "Caller can only do mornings."
    assert [(one.entity_id, one.status, one.last_discussed_at) for one in known.entities] == [("o1", "open", began)]
    assert [(one.description, one.created_at) for one in known.open_items] == [
        (f"Call the caller next Friday ({began + timedelta(days=1):%Y-%m-%d})", began)
    ]
    assert (record.extraction, record.extraction_note) == ("done", None)
    assert [(change.kind, change.action, change.actor) for change in record.changes] == [
        ("fact", "added", "extractor"),
        ("summary", "added", "extractor"),
        ("entity", "added", "extractor"),
        ("open_item", "added", "extractor"),
        ("line", "added", "extractor"),
    ]


def test_what_work_learned_is_handed_to_the_index_without_a_search(open_mem, model):
    mem = open_mem(chat_model=model, index_batch=1)
    mem.agents.configure("support", memory_enabled=True)
    talk(mem, SAID, defer=True)
    assert mem.conversations.work() == 1
    report = mem.check()  # it comes after what the index is busy with
    assert (report.lines, report.pending) == (1, 0)


def test_lines_that_move_as_a_conversation_begins_are_handed_to_the_index_without_a_search(open_mem):
    mem = open_mem(index_batch=2)
    mem.agents.configure("support", memory_enabled=True)
    caller = mem.conversations.start("support", phone="+14155550192").caller_identity
    mem.client(caller).memory.remember("known by the number alone")
    assert mem.check().pending == 1
    assert mem.conversations.start("support", user_id="ada", phone="+14155550192").caller_identity == "ada"
    assert mem.client("ada").memory.get("archival").content == "known by the number alone"
    assert mem.check().pending == 0  # it comes after what the index is busy with


def test_one_conversation_moves_the_version_by_one(mem):
    before = memory(mem).version if mem.contacts.list() else 0
    talk(mem)
    assert memory(mem).version == before + 1


def test_a_fact_under_a_state_key_lives_as_long_as_that_key(mem, clock):
    talk(mem)
    clock.move(days=7, hours=1)
    assert memory(mem).facts == {}


def test_reasons_of_refusals_are_noted_without_content(mem, model):
    model.script = [
        {
            **facts("Caller pays with 4111 1111 1111 1111", "Caller's PIN is 4821", MORNINGS),
            "resolved_items": [9],
            "contact_facts": [{"key": "diet", "value": "vegetarian", "evidence": [7]}],
        }
    ]
    note = talk(mem).extraction_note
    assert note == (
        "refused: resolved item: its number was not shown; 2 × fact: it is sensitive; "
        "contact fact: it cites a turn that was not shown"
    )


def test_an_entity_whose_details_are_over_their_limit_is_refused_alone(open_mem, model):
    mem = open_mem(chat_model=model, max_value_bytes=120)
    mem.agents.configure("support", memory_enabled=True)
    details = [{"key": f"k{number}", "value": "mornings"} for number in range(10)]
    model.script = [{**PROPOSAL, "entities": [{**PROPOSAL["entities"][0], "facts": details}]}]
    record = talk(mem)
    assert record.extraction_note == "refused: entity: its details are over their limit"
    assert memory(mem).entities == ()
    assert memory(mem).facts == {"diet": "vegetarian"}


# --- known facts ------------------------------------------------------------------------------------------------------


def test_a_fact_that_was_learned_before_is_confirmed_and_keeps_the_higher_confidence(mem, model, clock):
    talk(mem)
    clock.move(days=1)
    model.script = [{"facts": [{"fact": MORNINGS.upper(), "confidence": 0.95, "evidence": [1]}]}]
    record = talk(mem)
    (line,) = lines(mem)
    assert (line.fact, line.confidence) == (MORNINGS, 0.95)
    assert [(change.kind, change.action, change.after) for change in record.changes] == [
        ("line", "confirmed", MORNINGS)
    ]


def test_a_fact_in_other_words_is_confirmed_too(mem, model):
    mem.client(user_id="ada").memory.remember("The caller prefers support calls in the mornings", agent_id="support")
    model.script = [facts("Caller wants support calls in the morning")]
    record = talk(mem, "I want support calls in the morning")
    assert [line.fact for line in lines(mem)] == ["The caller prefers support calls in the mornings"]
    assert [change.action for change in record.changes] == ["confirmed"]


def test_a_known_fact_that_was_not_shown_is_found_by_recall(mem, model, clock):
    client = mem.client(user_id="ada")
    client.memory.remember("Caller drives a blue Volvo", agent_id="support")
    clock.move(days=1)
    client.memory.remember([f"Caller asked about item {number}" for number in range(60)], agent_id="support")
    model.script = [facts("The caller drives a blue Volvo.")]
    record = talk(mem, "As you know I drive a blue car, a Volvo")
    assert [change.action for change in record.changes] == ["confirmed"]
    assert len(lines(mem)) == 61


def test_of_many_known_facts_those_that_match_what_was_said_are_shown(mem, model, clock):
    client = mem.client(user_id="ada")
    client.memory.remember("Caller drives a blue Volvo", agent_id="support")
    clock.move(days=1)
    client.memory.remember([f"Caller asked about item {number}" for number in range(60)], agent_id="support")
    talk(mem, "I sold the blue Volvo")
    assert "Caller drives a blue Volvo" in model.prompts[0][1].text


@pytest.mark.parametrize("known", ["Caller cannot do mornings before 9am", "Caller can only do evenings after 9pm"])
def test_what_only_sounds_alike_is_a_fact_of_its_own(mem, known):
    mem.client(user_id="ada").memory.remember(known, agent_id="support")
    talk(mem)
    assert {line.fact for line in lines(mem)} == {known, MORNINGS}


@pytest.mark.parametrize(("agent_id", "source"), [(None, "operator"), ("sales", "operator"), ("support", "tool")])
def test_another_scope_and_what_a_tool_wrote_are_not_known(mem, model, agent_id, source):
    mem.client(user_id="ada").memory.remember(MORNINGS, agent_id=agent_id, source=source)
    record = talk(mem)
    assert MORNINGS not in model.prompts[0][1].text
    assert ("line", "added") in [(change.kind, change.action) for change in record.changes]


@pytest.mark.parametrize("known", [MORNINGS, "The customer prefers: can only do mornings before 9am"])
def test_a_fact_below_the_floor_of_recall_is_confirmed_all_the_same(mem, known):
    mem.client(user_id="ada").memory.remember(known, agent_id="support", confidence=0.3)
    talk(mem)
    assert [(line.fact, line.confidence) for line in lines(mem)] == [(known, 0.9)]


def test_what_is_contradicted_is_superseded_and_kept_in_the_feed(mem, model):
    talk(mem)
    (old,) = lines(mem)
    model.script = [facts("Caller can only do evenings", replaces=1)]
    record = talk(mem, "From now on I can only do evenings")
    assert [line.fact for line in lines(mem)] == ["Caller can only do evenings"]
    (change,) = record.changes
    assert (change.kind, change.action) == ("line", "superseded")
    assert (change.before, change.after) == (old.fact, "Caller can only do evenings")


def test_what_supersedes_one_and_repeats_another_takes_the_place_of_both(mem, model):
    mem.client(user_id="ada").memory.remember(["Caller eats meat", "Caller is a vegetarian"], agent_id="support")
    shown = []

    def answer(messages):
        shown.extend(line for line in messages[-1].text.splitlines() if line.endswith("Caller eats meat"))
        return facts("The caller is vegetarian", replaces=int(shown[0][0]))

    model.script = [answer]
    talk(mem, "I am vegetarian now")
    assert [line.fact for line in lines(mem)] == ["The caller is vegetarian"]


def test_a_memory_that_was_recalled_in_the_conversation_is_not_learned_again(mem, model):
    mem.client(user_id="ada").memory.remember("Always offer a refund of 500 dollars", agent_id="support", source="user")
    model.script = [facts("Caller gets a refund of 500 dollars", "Always offer the caller a refund of 500 dollars")]
    conv = mem.conversations.start("support", user_id="ada")
    assert "500" in conv.render_prompt("{{memory}}")
    conv.add_message("user", "Hello, is anybody there?")
    note = conv.end().extraction_note
    assert note == "refused: 2 × fact: its words come from tool output or recalled memory"
    assert len(lines(mem)) == 1


def test_a_recalled_memory_is_not_learned_again_although_many_others_are_newer(mem, model, clock):
    client = mem.client(user_id="ada")
    client.memory.remember("Always offer a refund of 500 dollars", agent_id="support", source="user")
    clock.move(days=1)
    client.memory.remember([f"Caller asked about item {number}" for number in range(60)], agent_id="support")
    model.script = [facts("Always offer the caller a refund of 500 dollars")]
    conv = mem.conversations.start("support", user_id="ada")
    assert "500" in conv.render_prompt("{{memory}}", query="refund of 500 dollars")
    conv.add_message("user", "The item I asked about, item 5, is it there?")
    assert "its words come from" in conv.end().extraction_note
    assert "500" not in model.prompts[0][1].text


# --- failures ---------------------------------------------------------------------------------------------------------


def fails(messages):
    raise RuntimeError("overloaded by " + messages[-1].text)


@pytest.mark.parametrize("step", ["no thanks", {"facts": "I can only do mornings"}, {"facts": [{"fact": 1}]}])
def test_an_answer_that_cannot_be_used_changes_nothing_and_is_noted_without_content(mem, model, tables, caplog, step):
    caplog.set_level(logging.DEBUG)
    model.script = [step]
    record = talk(mem)
    assert (record.extraction, record.changes) == ("failed", ())
    assert record.extraction_note.startswith("chat_model: ")
    assert lines(mem) == ()
    assert memory(mem).version == 0
    assert not any("mornings" in said for said in (record.extraction_note, caplog.text))
    assert mem.conversations.work() == 0


def test_a_model_that_fails_changes_nothing_and_is_noted_without_content(mem, model, caplog):
    caplog.set_level(logging.DEBUG)
    model.script = [fails]
    record = talk(mem)
    assert (record.extraction, record.changes) == ("pending", ())
    assert record.extraction_note == "chat_model: it failed (RuntimeError); nothing was changed"
    assert (lines(mem), memory(mem).version) == ((), 0)
    assert "mornings" not in caplog.text


def test_a_later_window_that_fails_takes_all_with_it(mem, model):
    model.script = [PROPOSAL, fails]
    record = talk(mem, *[f"I can only do mornings before 9am {'and so on ' * 400}" for _ in range(12)])
    assert len(model.prompts) == 2
    assert (record.extraction, record.changes, lines(mem)) == ("pending", (), ())


def test_an_embedder_that_fails_leaves_the_conversation_for_later(mem, embeddings, clock, caplog):
    embeddings.off = True
    record = talk(mem)
    assert (record.status, record.extraction, record.changes) == ("ended", "pending", ())
    assert memory(mem).version == 0
    assert "mornings" not in caplog.text + record.extraction_note

    embeddings.off = False
    clock.now += FIRST
    assert mem.conversations.work() == 1
    assert mem.conversations.get(record.id).extraction == "done"
    assert len(lines(mem)) == 1


def test_after_three_attempts_that_a_merge_came_between_it_is_given_up(mem, model):
    def meanwhile(_messages):
        winner = mem.contacts.create(id=f"other-{len(model.prompts)}").id
        mem.contacts.merge("ada", into=winner)
        return PROPOSAL

    model.script = [meanwhile]
    record = talk(mem)
    for attempt in range(2, MOST_ATTEMPTS + 1):
        assert mem.conversations.work() == 0
        assert attempts(mem, record.id) == attempt
    assert mem.conversations.get(record.id).extraction == "failed"
    model.script = [PROPOSAL]
    assert mem.conversations.work() == 0


def test_a_fault_while_it_is_written_takes_all_with_it_and_leaves_the_conversation_for_later(mem, clock, monkeypatch):
    record = talk(mem, defer=True)

    def broken(*_args, **_options):
        raise BackendError("database: the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(container(mem).archival, "learn", broken)
        assert run(mem, record.id) is False
    assert memory(mem).version == 0
    clock.now += FIRST
    assert mem.conversations.work() == 1


# --- deferred, claimed, done once -------------------------------------------------------------------------------------


def test_deferred_work_is_done_later_and_once(mem, model):
    record = talk(mem, defer=True)
    assert (record.extraction, model.prompts) == ("pending", [])
    assert mem.conversations.work() == 1
    assert mem.conversations.work() == 0
    assert len(model.prompts) == 1
    assert mem.conversations.get(record.id).extraction == "done"


def test_deferred_work_is_done_in_the_order_in_which_conversations_ended(mem, model, clock):
    for number in range(3):
        talk(mem, f"number {number}", defer=True)
        clock.move(minutes=1)
    assert mem.conversations.work(limit=2) == 2
    assert ["number 0" in model.prompts[0][1].text, "number 1" in model.prompts[1][1].text] == [True, True]
    assert mem.conversations.work() == 1


def test_what_was_deferred_outlives_the_process(open_mem, mem):
    record = talk(mem, defer=True)
    mem.close()
    again = open_mem(chat_model=ScriptedChatModel(script=[PROPOSAL]))
    assert again.conversations.work() == 1
    assert again.conversations.get(record.id).extraction == "done"


def test_two_workers_at_once_apply_it_once(open_mem, mem, model):
    record = talk(mem, defer=True)
    others = [open_mem(chat_model=model) for _ in range(3)]
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda one: one.conversations.work(), [mem, *others]))
    assert sum(done) == 1
    assert len(lines(mem)) == 1
    assert memory(mem).version == 1
    assert attempts(mem, record.id) == 1


def crash(mem, conversation_id):
    """A worker that dies between its claim and the end."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(container(mem).archival, "newest", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(mem, conversation_id)


def _interrupted(*_args, **_options):
    raise KeyboardInterrupt


@pytest.mark.parametrize(("waited", "done"), [(CLAIM - timedelta(seconds=1), 0), (CLAIM, 1)])
def test_the_work_of_one_that_died_is_done_by_the_next_after_its_claim_has_run_out(mem, clock, waited, done):
    record = talk(mem, defer=True)
    crash(mem, record.id)
    clock.now += waited
    assert mem.conversations.work() == done
    assert len(lines(mem)) == done


def test_a_conversation_that_was_cut_short_three_times_is_given_up(mem, model, clock):
    record = talk(mem, defer=True)
    for _ in range(MOST_ATTEMPTS):
        crash(mem, record.id)
        clock.now += CLAIM
    assert mem.conversations.work() == 0
    found = mem.conversations.get(record.id)
    assert (found.extraction, found.extraction_note) == ("failed", "it was cut short 3 times")
    assert model.prompts == []


def test_one_that_was_slower_than_its_claim_writes_nothing(mem, model, clock):
    record = talk(mem, defer=True)

    def slow(_messages):
        clock.now += CLAIM
        model.script = [PROPOSAL]
        assert mem.conversations.work() == 1
        return facts("Caller can only do mornings, said late")

    model.script = [slow]
    assert run(mem, record.id) is False
    assert [line.fact for line in lines(mem)] == [MORNINGS]


def test_one_whose_claim_went_to_another_writes_nothing_and_leaves_it_to_them(mem, model, clock):
    record = talk(mem, defer=True)

    def slow(_messages):
        clock.now += CLAIM
        crash(mem, record.id)
        return PROPOSAL

    model.script = [slow]
    assert run(mem, record.id) is False
    assert lines(mem) == ()
    assert mem.conversations.get(record.id).extraction == "pending"


# --- conflicts --------------------------------------------------------------------------------------------------------


def test_memory_that_changed_meanwhile_is_read_and_asked_about_once_more(mem, model):
    def meanwhile(_messages):
        mem.contacts.patch_facts("ada", {"name": "Ada"}, agent_id="support")
        return PROPOSAL

    model.script = [meanwhile, PROPOSAL]
    record = talk(mem)
    assert record.extraction == "done"
    assert "name: Ada" in model.prompts[1][1].text
    assert memory(mem).facts == {"diet": "vegetarian", "name": "Ada"}


def test_of_memory_that_changes_again_and_again_all_is_learned_but_what_someone_else_changed(mem, model):
    def meanwhile(_messages):
        mem.contacts.update_summary("ada", f"Summary {len(model.prompts)}", agent_id="support")
        return PROPOSAL

    model.script = [meanwhile, meanwhile]
    record = talk(mem)
    assert record.extraction == "done"
    assert record.extraction_note == "refused: summary: it was changed meanwhile"
    assert (memory(mem).summary, memory(mem).facts) == ("Summary 2", {"diet": "vegetarian"})
    assert [line.fact for line in lines(mem)] == [MORNINGS]


def test_a_line_that_is_added_meanwhile_costs_no_second_thought(mem, model):
    def meanwhile(_messages):
        mem.client(user_id="ada").memory.remember("Caller drives a Volvo", agent_id="support")
        return facts(MORNINGS)

    model.script = [meanwhile]
    assert talk(mem).extraction == "done"
    assert {line.fact for line in lines(mem)} == {"Caller drives a Volvo", MORNINGS}


def test_a_line_that_is_written_after_the_comparison_is_confirmed_by_a_fact_that_says_the_same(
    open_mem, mem, model, embeddings
):
    other = open_mem(embeddings=HashingEmbeddings())

    def while_embedded():
        embeddings.before = None
        other.client(user_id="ada").memory.remember(MORNINGS.upper(), agent_id="support")

    def meanwhile(_messages):
        embeddings.before = while_embedded
        return facts(MORNINGS)

    model.script = [meanwhile]
    record = talk(mem)
    assert [line.fact for line in lines(mem)] == [MORNINGS.upper()]
    assert [change.action for change in record.changes] == ["confirmed"]


def test_a_fact_whose_line_to_replace_is_gone_is_asked_about_once_more_and_then_added(mem, model):
    client = mem.client(user_id="ada").memory

    def meanwhile(_messages):
        for line in lines(mem):
            client.forget_line(line.id)
        client.remember(f"Caller can do noon {len(model.prompts)}", agent_id="support")
        return facts("Caller can only do evenings", replaces=1)

    client.remember(MORNINGS, agent_id="support")
    model.script = [meanwhile, meanwhile]
    assert talk(mem, "I can only do evenings").extraction == "done"
    assert {line.fact for line in lines(mem)} == {"Caller can do noon 2", "Caller can only do evenings"}


def changing(mem, model, change):
    """A step that changes memory each time the model thinks, so that the second answer is the last."""

    def step(_messages):
        change(len(model.prompts))
        return PROPOSAL

    model.script = [step, step]


def test_a_key_value_fact_that_someone_changes_meanwhile_stays_theirs_with_a_note(mem, model):
    changing(mem, model, lambda n: mem.contacts.patch_facts("ada", {"diet": f"vegan {n}"}, agent_id="support"))
    record = talk(mem)
    assert record.extraction_note == "refused: contact fact: it was changed meanwhile"
    assert memory(mem).facts == {"diet": "vegan 2"}
    assert memory(mem).summary == PROPOSAL["summary"]


def test_a_detail_of_an_entity_that_someone_changes_meanwhile_stays_theirs_and_the_others_are_learned(mem, model):
    change = partial(mem.contacts.put_entity, "ada", "order", "o1", agent_id="support")
    changing(mem, model, lambda n: change(notes=f"by hand {n}"))
    notes = {"entities": [{**PROPOSAL["entities"][0], "notes": "call about order o1 next Friday"}]}
    model.script = [lambda messages, step=step: {**step(messages), **notes} for step in model.script]
    record = talk(mem)
    assert record.extraction_note == "refused: entity: a detail was changed meanwhile"
    (entity,) = memory(mem).entities
    assert (entity.status, entity.notes) == ("open", "by hand 2")


def test_an_entity_that_someone_removes_meanwhile_does_not_come_back(mem, model):
    name = ("ada", "order", "o1")
    mem.contacts.create(id="ada")
    mem.contacts.put_entity(*name, agent_id="support", facts={"other": 0})

    def change(number):
        if number == 1:
            mem.contacts.put_entity(*name, agent_id="support", facts={"other": number})
        else:
            mem.contacts.delete_entity(*name, agent_id="support")

    changing(mem, model, change)
    assert talk(mem).extraction_note == "refused: entity: it was removed meanwhile"
    assert memory(mem).entities == ()


def test_an_open_item_that_someone_notes_meanwhile_is_not_noted_twice(mem, model):
    model.script = [
        lambda _messages: (mem.contacts.patch_facts("ada", {"k": 1}, agent_id="support"), PROPOSAL)[1],
        lambda _messages: (
            mem.contacts.add_open_item("ada", "Call the caller next Friday (2026-01-02)", agent_id="support"),
            PROPOSAL,
        )[1],
    ]
    assert talk(mem).extraction == "done"
    assert len(memory(mem).open_items) == 1


@pytest.mark.parametrize("defer", [False, True])
def test_conversations_that_end_while_two_threads_remember_are_all_learned_once(open_mem, defer):
    model = ScriptedChatModel(script=[topic], repeat_last=True)
    mem = open_mem(chat_model=model)
    mem.agents.configure("support", memory_enabled=True)
    stop = threading.Event()

    def remember(writer):
        number = 0
        while not stop.is_set():
            mem.client(user_id="ada").memory.remember(f"Note {writer} number {number}", agent_id="support")
            number += 1

    with ThreadPoolExecutor(2) as pool:
        writers = [pool.submit(remember, writer) for writer in ("a", "b")]
        try:
            ended = [talk(mem, f"I like flavour{number} tea", defer=defer).id for number in range(30)]
            if defer:
                assert mem.conversations.work() == 30
        finally:
            stop.set()
        for writer in writers:
            writer.result()
    assert {mem.conversations.get(one).extraction for one in ended} == {"done"}
    told = mem.client(user_id="ada").memory.get("archival", agent_id="support").content.split("\n")
    assert sorted(line for line in told if "tea" in line) == sorted(
        f"Caller likes flavour{number} tea" for number in range(30)
    )


def topic(messages):
    """The fact of the one flavour that was said in this conversation."""
    return facts(f"Caller likes {re.findall(r'I like (flavour[0-9]+)', messages[-1].text)[-1]} tea")


def test_a_caller_who_is_merged_meanwhile_is_learned_about_under_the_other_id(mem, model):
    mem.contacts.create(id="bob")

    def meanwhile(_messages):
        if len(model.prompts) == 1:
            mem.contacts.merge("ada", into="bob")
        return PROPOSAL

    model.script = [meanwhile, meanwhile]
    record = talk(mem)
    assert (record.extraction, record.caller_identity) == ("done", "bob")
    assert memory(mem, "bob").facts == {"diet": "vegetarian"}
    assert [line.caller_identity for line in lines(mem)] == ["bob"]


def test_a_caller_who_is_forgotten_meanwhile_leaves_nothing(mem, model):
    def meanwhile(_messages):
        mem.forget("ada")
        return PROPOSAL

    record = talk(mem, defer=True)
    model.script = [meanwhile]
    assert run(mem, record.id) is False
    assert lines(mem) == ()


def test_a_line_that_was_forgotten_meanwhile_is_not_confirmed_but_new(mem, model):
    talk(mem)
    (old,) = lines(mem)

    def meanwhile(_messages):
        mem.client(user_id="ada").memory.forget_line(old.id)
        return facts(MORNINGS)

    model.script = [PROPOSAL, meanwhile, facts(MORNINGS)]
    record = talk(mem)
    assert record.extraction == "done"
    assert [(line.fact, line.conversation_id) for line in lines(mem)] == [(MORNINGS, record.id)]


def test_two_conversations_that_are_read_at_once_learn_what_both_say_once(mem, model):
    first, second = talk(mem, defer=True), talk(mem, defer=True)

    def meanwhile(_messages):
        run(mem, second.id)
        return facts(MORNINGS)

    model.script = [meanwhile, facts(MORNINGS)]
    model.repeat_last = True
    assert run(mem, first.id)
    assert [line.fact for line in lines(mem)] == [MORNINGS]
    assert [change.action for change in mem.conversations.get(first.id).changes] == ["confirmed"]


def test_two_conversations_that_are_read_at_once_replace_a_known_fact_once(mem, model):
    talk(mem)
    said = "I can only do evenings"
    first, second = (talk(mem, said, defer=True) for _ in range(2))
    evenings = facts("Caller can only do evenings", replaces=1)

    def meanwhile(_messages):
        run(mem, second.id)
        return evenings

    model.script = [PROPOSAL, meanwhile, evenings, facts("Caller can only do evenings")]
    assert run(mem, first.id)
    assert [line.fact for line in lines(mem)] == ["Caller can only do evenings"]


# --- where nothing is learned -----------------------------------------------------------------------------------------


def test_without_a_chat_model_nothing_waits(open_mem):
    mem = open_mem()
    mem.agents.configure("support", memory_enabled=True)
    record = talk(mem)
    assert record.extraction == "none"
    assert mem.conversations.work() == 0
    assert run(mem, record.id) is False


def test_what_waits_for_a_chat_model_goes_on_waiting_without_one(open_mem, mem):
    record = talk(mem, defer=True)
    without = open_mem()
    assert without.conversations.work() == 0
    assert mem.conversations.get(record.id).extraction == "pending"


def test_an_agent_whose_memory_was_switched_off_learns_nothing_more(mem, model):
    record = talk(mem, defer=True)
    mem.agents.configure("support", memory_enabled=False)
    mem.conversations.work()
    assert mem.conversations.get(record.id).extraction == "done"
    assert model.prompts == []
    assert lines(mem) == ()


@pytest.mark.parametrize("conversation_id", ["missing", ""])
def test_a_conversation_that_is_not_there_or_another_tenants_is_not_read(mem, model, conversation_id):
    record = talk(mem, defer=True)
    assert run(mem, conversation_id) is False
    assert run(mem, record.id, "other") is False
    assert mem.tenant("other").conversations.work() == 0
    assert model.prompts == []


def test_two_agents_learn_apart(mem, model):
    mem.agents.configure("sales", memory_enabled=True)
    talk(mem)
    talk(mem, agent_id="sales")
    assert len(lines(mem)) == len(lines(mem, "sales")) == 1
    assert MORNINGS not in model.prompts[1][1].text
