"""Nothing outlives its retention, whether or not the job runs, and whatever becomes of it."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest

from agentmem.conversations.idle import IdleConversations
from agentmem.retention.sweep import Sweeping

DAYS = 400
OPERATIONS = {"sqlite": 3_000, "postgresql": 1_000}
KILLS = 10
MOST_FACT_DAYS = 90
USERS = ["ada", "bob"]
RETENTIONS = {"brief": 7, "usual": 90, "long": 250, "endless": 0}
OTHER_RETENTIONS = [3, 40, 90, 120, 0]


class Killed(BaseException):
    """The end of a process, as far as a test can have it and go on."""


class Dying:
    """Transactions of which one of the next ends the process, before it or after it."""

    def __init__(self, transactions, dice):
        self._transactions = transactions
        self._left = dice.randrange(1, 40)
        self._after = dice.random() < 0.5

    def __getattr__(self, name):
        return getattr(self._transactions, name)

    def write(self, body, **options):
        self._left -= 1
        if self._left or self._after:
            written = self._transactions.write(body, **options)
            if self._left:
                return written
        raise Killed


@dataclass(frozen=True)
class Written:
    """One thing as it was last written; each text is there once."""

    text: str
    at: datetime
    ends: datetime | None = None


class Model:
    """What there is of everybody, and the rules of its life written down once more."""

    def __init__(self, clock):
        self.clock = clock
        self.retentions = dict(RETENTIONS)
        self.facts, self.entities, self.summaries = {}, {}, {}  # by user, agent and name
        self.items, self.lines, self.messages, self.conversations = {}, {}, {}, {}  # by user, agent and number
        self.ends_of_facts = {}

    def lives(self, agent_id, written):
        days = self.retentions[agent_id]
        now = self.clock()
        return (not days or now < written.at + timedelta(days=days)) and (written.ends is None or now < written.ends)

    def visible(self, kind, user_id, agent_id):
        return {
            name: written.text
            for (user, agent, name), written in getattr(self, kind).items()
            if (user, agent) == (user_id, agent_id) and self.lives(agent_id, written)
        }

    def fact(self, user_id, agent_id, key, text, ttl_days):
        hour = self.clock().replace(minute=0, second=0, microsecond=0)
        ends = hour + timedelta(days=min(MOST_FACT_DAYS, ttl_days or MOST_FACT_DAYS))
        self.facts[user_id, agent_id, key] = Written(text, hour, ends)
        self.ends_of_facts[text] = agent_id, Written(text, hour, ends)

    def forget_what_is_over(self):
        for kind in ("facts", "entities", "summaries", "items", "lines", "messages", "conversations"):
            here = getattr(self, kind)
            for key in [key for key, written in here.items() if not self.lives(key[1], written)]:
                del here[key]


class Simulation:
    def __init__(self, mem, clock, *, seed, pace):
        self.mem, self.clock, self.pace = mem, clock, pace
        self.dice = random.Random(seed)
        self.model = Model(clock)
        self._texts = 0
        for agent_id, days in RETENTIONS.items():
            mem.agents.configure(agent_id, memory_enabled=True, memory_retention_days=days, state_keys={"day": 2})
        for user_id in USERS:
            mem.contacts.create(id=user_id)

    def text(self):
        self._texts += 1
        return f"text-{self._texts}-"

    def step(self):
        self.clock.move(hours=self.dice.uniform(0, 2 * 24 * self.pace))
        where = self.dice.choice(USERS), self.dice.choice(list(RETENTIONS))
        self.dice.choices(
            [self.patch, self.drop, self.entity, self.summary, self.item, self.line, self.converse],
            [8, 1, 3, 1, 2, 3, 2],
        )[0](*where)

    def patch(self, user_id, agent_id):
        text, key, ttl_days = self.text(), self.dice.choice("abcdef"), self.dice.choice([None, 1, 10, 60, 200])
        self.mem.contacts.patch_facts(user_id, {key: text}, agent_id=agent_id, ttl_days=ttl_days)
        self.model.fact(user_id, agent_id, key, text, ttl_days)

    def drop(self, user_id, agent_id):
        key = self.dice.choice("abcdef")
        self.mem.contacts.patch_facts(user_id, {key: None}, agent_id=agent_id)
        self.model.facts.pop((user_id, agent_id, key), None)

    def entity(self, user_id, agent_id):
        text, name = self.text(), self.dice.choice("xyz")
        self.mem.contacts.put_entity(user_id, "order", name, agent_id=agent_id, notes=text)
        self.model.entities[user_id, agent_id, name] = Written(text, self.clock())

    def summary(self, user_id, agent_id):
        text = self.text()
        self.mem.contacts.update_summary(user_id, text, agent_id=agent_id)
        self.model.summaries[user_id, agent_id, ""] = Written(text, self.clock())

    def item(self, user_id, agent_id):
        open_items = self.mem.contacts.memory(user_id, agent_id=agent_id).open_items
        if open_items and self.dice.random() < 0.4:
            self.mem.contacts.resolve_open_item(user_id, open_items[0].id, agent_id=agent_id)
            del self.model.items[user_id, agent_id, open_items[0].id]
        else:
            text = self.text()
            item = self.mem.contacts.add_open_item(user_id, text, agent_id=agent_id)
            self.model.items[user_id, agent_id, item.id] = Written(text, self.clock())

    def line(self, user_id, agent_id):
        text = self.text()
        line, *_ = self.mem.client(user_id).memory.remember(text, agent_id=agent_id)
        self.model.lines[user_id, agent_id, line.id] = Written(text, self.clock())

    def converse(self, user_id, agent_id):
        conv = self.mem.conversations.start(agent_id, user_id=user_id)
        assert dict(conv.memory) == self.model.visible("facts", user_id, agent_id)
        text = self.text()
        conv.add_message("user", text)
        self.model.messages[user_id, agent_id, text] = Written(text, self.clock())
        self.model.conversations[user_id, agent_id, conv.id] = Written(conv.id, self.clock())
        if self.dice.random() < 0.7:  # else the line went dead
            told = self.text()
            conv.state["day"] = told
            conv.end()
            self.model.fact(user_id, agent_id, "day", told, 2)

    def sweep(self, *, killed):
        if killed:
            container = self.mem._container  # noqa: SLF001 - its database is to die
            transactions = Dying(container.transactions, self.dice)
            idle = IdleConversations(transactions, container.conversations, idle_minutes=60)
            dying = Sweeping(transactions, container.index, end_idle=idle.end)
            with pytest.raises(Killed):
                dying.sweep()
            return
        report = self.mem.sweep()
        assert report.pending == ()
        assert self.mem.sweep() == replace(report, ended=0, deleted={})
        self.model.forget_what_is_over()

    def change_a_retention(self):
        agent_id, days = self.dice.choice(list(RETENTIONS)), self.dice.choice(OTHER_RETENTIONS)
        self.mem.agents.configure(agent_id, memory_retention_days=days)
        self.model.retentions[agent_id] = days

    def check(self):
        """What is shown is what lives, and nothing that is over."""
        for user_id in USERS:
            for agent_id in RETENTIONS:
                self.check_memory(user_id, agent_id)
            self.check_feed(user_id)

    def check_memory(self, user_id, agent_id):
        def expected(kind):
            return self.model.visible(kind, user_id, agent_id)

        memory = self.mem.contacts.memory(user_id, agent_id=agent_id)
        assert memory.facts == expected("facts")
        assert {one.entity_id: one.notes for one in memory.entities} == expected("entities")
        assert memory.summary == expected("summaries").get("")
        assert {one.id: one.description for one in memory.open_items} == expected("items")
        messages = list(expected("messages").values())[-20:]
        assert [one.content for one in memory.recent_messages] == messages
        blocks = self.mem.client(user_id).memory.list(agent_id=agent_id)
        assert [line for block in blocks for line in block.content.splitlines()] == list(expected("lines").values())
        talks = self.mem.conversations.list(agent_id=agent_id, user_id=user_id, limit=1_000)
        assert {one.id for one in talks} == set(expected("conversations"))
        for talk in talks:
            assert [one.content for one in talk.messages if one.content not in expected("messages")] == []
            for text in talk.context.memory.facts.values():
                assert self.fact_lives(text)

    def check_feed(self, user_id):
        for entry in self.mem.changes(user_id, limit=10_000):
            if entry.agent_id is not None:
                assert self.model.lives(entry.agent_id, Written("", entry.at))
            for text in (entry.before, entry.after):
                if entry.kind == "fact" and text is not None:
                    assert self.clock() < self.model.ends_of_facts[text][1].ends

    def fact_lives(self, text):
        return self.model.lives(*self.model.ends_of_facts[text])

    def check_rows(self, tables):
        """After a sweep, the rows are those of what lives, and no other row says what is over."""
        counted = {name.removeprefix("agentmem_"): len(rows) for name, rows in tables.items()}
        model = self.model
        assert counted["fact"] == len(model.facts)
        assert counted["entity"] == len(model.entities)
        assert counted["message"] == len(model.messages)
        assert counted["conversation"] == len(model.conversations)
        assert counted["line_chunk"] == counted["line_terms"] == len(model.lines)
        stored = set(re.findall(r"text-\d+-", repr(tables)))
        assert [
            text for text, (_, fact) in model.ends_of_facts.items() if fact.ends <= self.clock() and text in stored
        ] == []
        stored -= set(re.findall(r"text-\d+-", repr(tables["agentmem_memory_change"])))
        assert [text for text, fact in model.ends_of_facts.items() if text in stored and not model.lives(*fact)] == []


def test_nothing_outlives_its_retention(mem, clock, tables, dialect):
    operations = OPERATIONS[dialect]
    simulation = Simulation(mem, clock, seed=7, pace=DAYS / operations)
    for number in range(1, operations + 1):
        simulation.step()
        if number % 250 == 0:
            simulation.check()
        if number % (operations // KILLS) == 0:
            simulation.sweep(killed=True)
            simulation.check()
            simulation.sweep(killed=False)
            simulation.check_rows(tables())
            simulation.change_a_retention()
