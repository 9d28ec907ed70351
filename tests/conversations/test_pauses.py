"""A model that fails for the moment costs no memory: the transcript waits, longer each time, and is read."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agentmem.conversations.claims import MOST_ATTEMPTS
from agentmem.conversations.learning import MOST_PUT_OFF
from agentmem.conversations.pauses import FIRST, LONGEST
from agentmem.testing import HashingEmbeddings, ScriptedChatModel

LEARNED = {"facts": [{"fact": "Caller prefers mornings.", "confidence": 0.9, "evidence": [1]}]}


class Down(HashingEmbeddings):
    """Embeddings that can be out of reach."""

    down = False

    def embed_documents(self, texts):
        if self.down:
            raise ConnectionError
        return super().embed_documents(texts)


class StatusError(Exception):
    """What an SDK raises for an answer of HTTP."""

    def __init__(self, status_code):
        super().__init__("refused")
        self.status_code = status_code


def failing(error):
    def fail(_messages):
        raise error

    return fail


BUSY = failing(RuntimeError("429: rate limit, try again in 20 s"))


@pytest.fixture
def embeddings():
    return Down()


@pytest.fixture
def model():
    return ScriptedChatModel(script=[LEARNED], repeat_last=True)


@pytest.fixture
def mem(open_mem, model):
    mem = open_mem(chat_model=model)
    mem.agents.configure("support", memory_enabled=True, memory_retention_days=30)
    return mem


def waiting(mem, *users, defer=True):
    ids = []
    for user in users or ("ada",):
        conv = mem.conversations.start("support", user_id=user)
        conv.add_message("user", "I prefer mornings.")
        ids.append(conv.end(defer=defer).id)
    return ids if users else ids[0]


def state(mem, conversation_id):
    return mem.conversations.get(conversation_id).extraction


@pytest.mark.parametrize(
    "error",
    [RuntimeError("429"), TimeoutError(), ConnectionError(), *map(StatusError, (401, 403, 404, 408, 429, 500, 529))],
    ids=lambda error: f"{type(error).__name__}-{getattr(error, 'status_code', '')}",
)
def test_what_passes_or_is_mended_leaves_the_transcript_pending_with_a_note_and_it_is_read_later(
    mem, model, clock, error
):
    model.script = [failing(error), LEARNED]
    waits = waiting(mem)

    assert mem.conversations.work() == 0
    record = mem.conversations.get(waits)
    assert (record.extraction, record.changes) == ("pending", ())
    assert record.extraction_note == f"chat_model: it failed ({type(error).__name__}); nothing was changed"
    assert mem.conversations.postponed() == 1

    clock.now += FIRST
    assert mem.conversations.work() == 1
    record = mem.conversations.get(waits)
    assert (record.extraction, record.extraction_note) == ("done", None)
    assert mem.conversations.postponed() == 0


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_transcript_that_the_provider_refuses_is_not_sent_again(mem, model, clock, status):
    model.script = [failing(StatusError(status)), LEARNED]
    waits = waiting(mem)

    assert mem.conversations.work() == 0
    clock.now += LONGEST
    assert mem.conversations.work() == 0
    assert (state(mem, waits), len(model.prompts), mem.conversations.postponed()) == ("failed", 1, 0)


def test_a_conversation_that_ends_while_the_model_is_out_of_reach_has_ended_and_is_read_by_work(mem, model, clock):
    model.script = [BUSY, LEARNED]
    waits = waiting(mem, defer=False)

    record = mem.conversations.get(waits)
    assert (record.status, record.extraction) == ("ended", "pending")
    clock.now += FIRST
    assert mem.conversations.work() == 1


def test_a_transcript_rests_a_minute_and_then_twice_as_long_each_time_up_to_an_hour(mem, model, clock):
    model.script = [BUSY]
    waiting(mem)
    mem.conversations.work()

    rested = []
    for _ in range(9):
        asked, since = len(model.prompts), clock.now
        while len(model.prompts) == asked:
            clock.now += timedelta(seconds=30)
            mem.conversations.work()
        rested.append(round((clock.now - since) / timedelta(minutes=1), 1))

    assert rested == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_however_often_it_fails_it_is_read_when_it_no_longer_does(mem, model, clock):
    model.script = [*[BUSY] * 5 * MOST_ATTEMPTS, LEARNED]
    waits = waiting(mem)

    for _ in range(5 * MOST_ATTEMPTS):
        assert mem.conversations.work() == 0
        clock.now += LONGEST
    assert state(mem, waits) == "pending"
    assert mem.conversations.work() == 1


def test_an_embedder_that_is_out_of_reach_again_and_again_costs_no_memory(mem, embeddings, clock):
    waits = waiting(mem)
    embeddings.down = True
    for _ in range(2 * MOST_ATTEMPTS):
        assert mem.conversations.work() == 0
        clock.now += LONGEST
    assert state(mem, waits) == "pending"

    embeddings.down = False
    assert mem.conversations.work() == 1


def test_one_that_fails_for_the_moment_does_not_keep_the_others_from_being_read(mem, model):
    model.script = [BUSY, LEARNED]
    ids = waiting(mem, "ada", "ben")

    assert mem.conversations.work() == 1
    assert sorted(state(mem, one) for one in ids) == ["done", "pending"]


def test_a_provider_that_is_down_is_asked_a_few_times_and_not_for_every_transcript(mem, model, clock):
    model.script = [BUSY]
    ids = waiting(mem, *(f"user-{number}" for number in range(MOST_PUT_OFF + 5)))

    assert mem.conversations.work() == 0
    assert len(model.prompts) == MOST_PUT_OFF == mem.conversations.postponed()
    assert {state(mem, one) for one in ids} == {"pending"}

    model.script = [LEARNED]
    assert mem.conversations.work() == 5
    clock.now += FIRST
    assert mem.conversations.work() == MOST_PUT_OFF


def test_answers_in_between_show_that_the_provider_is_there(mem, model):
    model.script = [BUSY, LEARNED] * (2 * MOST_PUT_OFF)
    waiting(mem, *(f"user-{number}" for number in range(4 * MOST_PUT_OFF)))

    assert mem.conversations.work() == 2 * MOST_PUT_OFF


def test_a_transcript_that_is_over_while_it_rests_is_sent_to_no_model(mem, model, clock):
    model.script = [BUSY, LEARNED]
    waiting(mem)
    mem.conversations.work()

    clock.now += timedelta(days=31)
    mem.conversations.work()
    assert len(model.prompts) == 1


def test_postponed_counts_for_its_own_tenant(mem, model):
    model.script = [BUSY]
    waiting(mem)
    mem.conversations.work()

    assert mem.tenant("other").conversations.postponed() == 0
