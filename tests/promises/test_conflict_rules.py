"""The conflict rules, against a dictionary: 200 stories of 30 steps, with a clock that jumps and a store that is opened
again.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

import agentmem
from agentmem import ConflictError, InvalidInputError, NotFoundError
from agentmem.testing import FrozenClock, HashingEmbeddings

STORIES = {"sqlite": 200, "postgresql": 60}
LIMIT = 24
TICK = timedelta(microseconds=1)
KEYS = st.tuples(st.sampled_from(["core", "notes"]), st.sampled_from([None, "x"]))
TEXTS = st.sampled_from(["", "tea", "tea\n", "tea and tea", "rye", "x" * LIMIT])
MAYBE_DESCRIPTION = st.sampled_from([None, None, "", "what it is"])
MAYBE_FLAG = st.sampled_from([None, None, False, True])
TOKENS = st.sampled_from(["none", "current", "current", "current", "stale", "made up"])
SPELLINGS = st.sampled_from(
    [
        lambda at: at,
        lambda at: at.isoformat(),
        lambda at: at.astimezone(timezone(timedelta(hours=-7))),
        lambda at: at.isoformat().replace("+00:00", "Z"),
    ]
)
USERS = itertools.count()


@dataclass
class Model:
    """What a block must be."""

    live: bool = False
    content: str = ""
    description: str = ""
    read_only: bool = False
    version: int = 0
    updated_at: datetime | None = None
    tokens: list = field(default_factory=list)
    history: list = field(default_factory=list)

    def write(self, now, action, **values):
        for name, value in values.items():
            setattr(self, name, value)
        self.version += 1
        self.updated_at = now if self.version == 1 else max(now, self.updated_at + TICK)
        self.tokens.append(self.updated_at)
        self.history.append([self.version, action, self.content, self.description, self.read_only, self.updated_at])


class Story(RuleBasedStateMachine):
    """One user of one store."""

    def __init__(self, home, place):
        super().__init__()
        self.home = home
        self.place = place
        self.clock = FrozenClock()
        self.user = f"user-{next(USERS)}"
        self.model = {}
        self._open()

    def _open(self):
        edges = {"embeddings": HashingEmbeddings(), "clock": self.clock}
        self.mem = agentmem.open(self.home, **self.place, **edges, max_block_chars=LIMIT)
        self.memory = self.mem.client(self.user).memory

    def teardown(self):
        self.list()
        for (block_type, agent_id), model in self.model.items():
            entries = self.memory.history(block_type, agent_id=agent_id) if model.version else []
            told = [[v.version, v.action, v.content, v.description, v.read_only, v.created_at] for v in entries]
            assert told == model.history
        self.mem.close()

    @rule()
    def reopen(self):
        self.mem.close()
        self._open()

    @rule(seconds=st.sampled_from([1, 3600, -1, -3600, 1e-6]))
    def move_the_clock(self, seconds):
        self.clock.move(seconds=seconds)

    @rule(key=KEYS, content=TEXTS, token=TOKENS, spelled=SPELLINGS, description=MAYBE_DESCRIPTION, read_only=MAYBE_FLAG)
    def update(self, key, content, token, spelled, description, read_only):  # noqa: PLR0917 - hypothesis passes them by name
        model = self.model.setdefault(key, Model())
        expected = self._token(model, token)
        given = {
            name: value for name, value in (("description", description), ("read_only", read_only)) if value is not None
        }
        wanted = {"content": content, **given}

        def call():
            return self.memory.update(
                key[0], content, agent_id=key[1], expected_updated_at=expected and spelled(expected), **given
            )

        if expected is None and model.live:
            self._conflicts(call, model)
        elif expected is None:
            model.write(self.clock(), "created", **{"description": "", "read_only": False, "live": True, **wanted})
            self._is(call(), model)
        elif not model.live:
            self._conflicts(call, None)
        elif all(getattr(model, name) == value for name, value in wanted.items()):
            self._is(call(), model)
        elif expected != model.updated_at:
            self._conflicts(call, model)
        else:
            model.write(self.clock(), "updated", **wanted)
            self._is(call(), model)

    @rule(key=KEYS, content=TEXTS.filter(bool))
    def append(self, key, content):
        model = self.model.setdefault(key, Model())

        def call():
            return self.memory.append(key[0], content, agent_id=key[1])

        before = model.content if model.live else ""
        joined = (before if before.endswith("\n") or not before else before + "\n") + content
        if len(joined) > LIMIT:
            with pytest.raises(InvalidInputError):
                call()
        elif model.live:
            model.write(self.clock(), "appended", content=joined)
            self._is(call(), model)
        else:
            model.write(self.clock(), "created", live=True, content=joined, description="", read_only=False)
            self._is(call(), model)

    @rule(key=KEYS, old=st.sampled_from(["tea", "rye", "tea and", "", "\n"]), new=st.sampled_from(["tea", "", "oats"]))
    def replace(self, key, old, new):
        model = self.model.setdefault(key, Model())

        def call():
            return self.memory.replace(key[0], old, new, agent_id=key[1])

        replaced = model.content.replace(old, new)
        if not model.live:
            with pytest.raises(NotFoundError):
                call()
        elif not old or model.content.count(old) != 1 or len(replaced) > LIMIT:
            with pytest.raises(InvalidInputError):
                call()
        else:
            if replaced != model.content:
                model.write(self.clock(), "replaced", content=replaced)
            self._is(call(), model)

    @rule(key=KEYS, token=TOKENS, spelled=SPELLINGS)
    def delete(self, key, token, spelled):
        model = self.model.setdefault(key, Model())
        expected = self._token(model, token)

        def call():
            return self.memory.delete(key[0], agent_id=key[1], expected_updated_at=expected and spelled(expected))

        if model.live and expected is not None and expected != model.updated_at:
            self._conflicts(call, model)
            return
        assert call() is None
        if model.live:
            for entry in model.history:
                entry[2] = entry[3] = ""
            model.write(self.clock(), "deleted", live=False, content="", description="", read_only=False)

    @rule(key=KEYS)
    @precondition(lambda self: self.model)
    def get(self, key):
        model = self.model.setdefault(key, Model())
        if model.live:
            self._is(self.memory.get(key[0], agent_id=key[1]), model)
            return
        with pytest.raises(NotFoundError):
            self.memory.get(key[0], agent_id=key[1])

    @rule()
    def list(self):
        live = [key for key, model in self.model.items() if model.live]
        live.sort(key=lambda key: (key[1] or "", key[0]))
        listed = self.memory.list(scope="all")
        assert [(block.block_type, block.agent_id) for block in listed] == live
        for block, key in zip(listed, live, strict=True):
            self._is(block, self.model[key])

    def _token(self, model, kind):
        if kind == "current" and model.tokens:
            return model.updated_at
        if kind == "stale" and model.tokens:
            return model.tokens[len(model.tokens) // 2]
        return None if kind == "none" else self.clock() + timedelta(days=1, microseconds=7)

    def _is(self, block, model):
        for name in ("content", "description", "read_only", "version", "updated_at"):
            assert getattr(block, name) == getattr(model, name), name

    def _conflicts(self, call, current):
        with pytest.raises(ConflictError) as caught:
            call()
        if current is None:
            assert caught.value.current is None
        else:
            self._is(caught.value.current, current)


def test_the_conflict_rules_are_those_of_a_dictionary(home, sql, dialect):
    run_state_machine_as_test(
        lambda: Story(home, sql.options(home)),
        settings=settings(
            max_examples=STORIES[dialect],
            stateful_step_count=30,
            derandomize=True,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
