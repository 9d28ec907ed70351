"""Who is forgotten is hidden at once, and leaves no byte in any file of the store once the receipt says so."""

from __future__ import annotations

import itertools
import re

import pytest

from agentmem import Line, NotFoundError
from agentmem.embedding import Embedder, pack
from agentmem.langgraph.threads import behind
from agentmem.models import Scope
from agentmem.testing import HashingEmbeddings, ScriptedChatModel

LINES = 40


class Canaries:
    """Numbered words that are nowhere else, each given to one place of the store."""

    def __init__(self, stem, said):
        self.stem = stem
        self.said = said
        self.words = set()
        self.lines = []
        self._numbers = itertools.count(1_000)

    def word(self):
        return self._new(f"{self.stem}{next(self._numbers)}", end="grün")  # UTF-8, UTF-16 and JSON differ on it

    def name(self):
        """One that may be a part of an address, or the name of a block."""
        return self._new(f"{self.stem}{next(self._numbers)}", end="name")

    def phone(self):
        return self._new(f"+1415555{next(self._numbers)}")

    def line(self):
        self.lines.append(f"{self.word()} {self.said}")
        return self.lines[-1]

    def words_in(self, home):
        """Which words stand in the files, in whichever form."""
        found = {word for content in contents(home).values() for word in self.pattern.findall(content)}
        return {word.replace(b"\0", b"").decode() for word in found}

    def vectors_in(self, home):
        """The vectors of which lines stand in the files, each with the folder or file of the store."""
        embedded = Embedder(HashingEmbeddings()).embed_lines(self.lines)
        return {
            (path.relative_to(home).parts[0], line)
            for path, content in contents(home).items()
            for line, vector in zip(self.lines, embedded, strict=True)
            if pack(vector[0]) in content
        }

    def _new(self, word, end=""):
        self.words.add(word)
        return word + end

    @property
    def pattern(self):
        """As UTF-8, as UTF-16 of both kinds, and as JSON."""
        stems = [[*stem, r"\d", r"\d", r"\d", r"\d"] for stem in (self.stem, r"+1415555")]
        forms = [
            gap.join(re.escape(one) if len(one) == 1 else one for one in stem) for stem in stems for gap in ("", "\\0")
        ]
        return re.compile("|".join(forms).encode())


def contents(home):
    return {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}


def fill(mem, canaries, user_id):
    """Something of the user in every place there is."""
    word, name, phone, line = canaries.word, canaries.name, canaries.phone, canaries.line
    tell_memory(mem.client(user_id, actor=word()).memory, canaries)

    mem.contacts.create(id=user_id, phone=phone(), email=f"{name()}@example.org", external_id=word(), name=word())
    for agent_id in ("support", "sales"):
        mem.contacts.patch_facts(
            user_id, {word(): word(), word(): {word(): [word(), {"deep": word()}]}}, agent_id=agent_id
        )
        mem.contacts.patch_facts(user_id, {word(): word()}, agent_id=agent_id, ttl_days=1)
        mem.contacts.put_entity(
            user_id, word(), word(), agent_id=agent_id, facts={word(): word()}, status=word(), notes=word()
        )
        mem.contacts.update_summary(user_id, word(), agent_id=agent_id)
        mem.contacts.update_summary(user_id, word(), agent_id=agent_id)
        related = {"entity_type": word(), "entity_id": word()}
        mem.contacts.add_open_item(user_id, word(), agent_id=agent_id, related_to=related, idempotency_key=word())
        item = mem.contacts.add_open_item(user_id, word(), agent_id=agent_id, type=word(), priority=word())
        mem.contacts.resolve_open_item(user_id, item.id, agent_id=agent_id)
    talk(mem, canaries, user_id=user_id, thread_id=word())
    behind(mem).threads.claim(Scope(mem.tenant_id, user_id), word())
    for _ in range(3):
        talk(mem, canaries, user_id=user_id, attributes={"sip_headers": {"X-Id": word()}})

    other = mem.contacts.create(id=name(), phone=phone(), email=f"{name()}@example.org", name=word()).id
    mem.client(other).memory.append("core", word())
    mem.client(other).memory.remember([line(), line()], agent_id="support")
    mem.contacts.patch_facts(other, {word(): word()}, agent_id="support")
    talk(mem, canaries, user_id=other, thread_id=word())
    behind(mem).threads.claim(Scope(mem.tenant_id, other), word())
    opened = mem.conversations.start("support", user_id=other, state={"told": word(), word(): [word()]})
    mem.contacts.merge(other, into=user_id)
    mem.conversations.add(opened.id, state={word(): word()})


def tell_memory(memory, canaries):
    word, name, line = canaries.word, canaries.name, canaries.line
    for block, agent_id in (("core", None), (name(), None), ("core", "support"), (name(), word())):
        first = memory.update(block, word(), agent_id=agent_id, expected_updated_at=None, description=word())
        memory.update(block, word(), agent_id=agent_id, expected_updated_at=first.updated_at)
        memory.append(block, word(), agent_id=agent_id, idempotency_key=word())
    memory.append("gone", word())
    memory.delete("gone")
    for agent_id in (None, "support"):
        said = [Line(line(), speaker=word()) for _ in range(LINES // 2)]
        lines = memory.remember(said, agent_id=agent_id, conversation_id=word(), idempotency_key=word())
        for dropped in lines[:2]:
            memory.forget_line(dropped.id)
        block = memory.get("archival", agent_id=agent_id)
        texts = [*block.content.splitlines()[3:], line()]
        memory.update("archival", "\n".join(texts), agent_id=agent_id, expected_updated_at=block.updated_at)
        memory.recall(texts[-1], agent_id=agent_id)  # Chroma has it all


def talk(mem, canaries, **identity):
    word = canaries.word
    with mem.conversations.start("support", channel="voice", version=word(), **identity) as conv:
        conv.state[word()] = {word(): [word()]}
        conv.add_message("user", word(), external_id=word())
        conv.say(word())
        conv.state["told"] = word()
        conv.state["nested"] = {word(): word()}
        conv.handoff(to=word(), reason=word())
        conv.set_outcome(qa=word())


@pytest.fixture
def big(open_mem):
    """A store in which everything goes through Chroma, and that reads what is said."""
    mem = open_mem(scan_below=0, chat_model=ScriptedChatModel(script=[{"facts": []}] * 20))
    for agent_id in ("support", "sales"):
        settings = {"state_keys": {"told": 30, "nested": None}, "identifier_source": "sip_header:X-Id"}
        mem.agents.configure(agent_id, memory_enabled=True, **settings)
    return mem


@pytest.fixture
def crowded(big):
    """The store with someone in every place of it, and rows of others before and after."""
    canaries, others = Canaries("kanarie", "is what they said"), Canaries("bystander", "was heard elsewhere")
    user_id = canaries.name()
    for number in range(60):
        big.client(f"before-{number}").memory.remember([others.line() for _ in range(5)])
    fill(big, canaries, user_id)
    for number in range(60):
        big.client(f"after-{number}").memory.remember([others.line() for _ in range(5)])
    return big, user_id, canaries, others


def test_nothing_of_who_was_forgotten_is_in_any_file(crowded, home):
    mem, user_id, canaries, others = crowded
    assert len(canaries.words_in(home)) >= 200
    assert {where for where, _ in canaries.vectors_in(home)} >= {"agentmem.db", "index"}

    receipt = mem.forget(user_id, wait=True)

    assert receipt.pending == ()
    assert not canaries.pattern.search(repr(receipt).encode())
    assert mem.check().ok
    match, *_ = mem.client("after-59").memory.recall(others.lines[-1], limit=1, explain=True)
    assert match.content == others.lines[-1]
    assert match.explanation.answered_by == "chroma"
    mem.close()
    assert canaries.words_in(home) == canaries.vectors_in(home) == set()
    assert others.words_in(home) == others.words


def test_who_was_forgotten_is_hidden_at_once_and_the_sweep_finishes_it(crowded, home, other):
    mem, user_id, canaries, others = crowded
    elsewhere = other(scan_below=0)
    asked = canaries.lines[10]
    assert elsewhere.ask("recall", asked, agent_id="support", user=user_id)
    contact = mem.contacts.get(user_id)
    conversation = mem.conversations.list(user_id=user_id)[0]

    receipt = mem.forget(user_id)

    assert any("index" in left for left in receipt.pending)
    assert any("database file" in left for left in receipt.pending)
    for scope in ("user", "agent", "all"):
        assert mem.client(user_id).memory.list(scope=scope) == []
        assert elsewhere.ask("list", scope=scope, user=user_id) == []
    for agent_id in (None, "support", "sales"):
        assert mem.client(user_id).memory.recall(asked, agent_id=agent_id, min_score=0) == []
        assert elsewhere.ask("recall", asked, agent_id=agent_id, min_score=0, user=user_id) == []
    assert mem.changes(user_id) == []
    assert mem.contacts.find(phone=contact.phone) is None
    assert mem.conversations.list(user_id=user_id) == []
    assert mem.agents.list_memories("support").memories == ()
    with pytest.raises(NotFoundError):
        mem.contacts.get(user_id)
    with pytest.raises(NotFoundError):
        mem.conversations.get(conversation.id)
    assert canaries.words_in(home)

    elsewhere.end()
    assert mem.sweep().pending == ()
    assert mem.forget(user_id).pending == ()
    mem.close()
    assert canaries.words_in(home) == canaries.vectors_in(home) == set()
    assert others.words_in(home) == others.words
