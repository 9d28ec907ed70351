"""Contacts straight on a database, without a store around them."""

from __future__ import annotations

import pytest
from sqlmodel import select

from agentmem.changes import feed
from agentmem.contacts.memory import ContactMemoryStore
from agentmem.contacts.reading import read_memory
from agentmem.contacts.store import ContactStore
from agentmem.contacts.writing import MemoryWrites
from agentmem.database import Database
from agentmem.models import Scope
from agentmem.tables import AgentSettingsRow, ConversationRow, MemoryChangeRow, MessageRow
from agentmem.transaction import Transactions, Writer

LIMITS = {"max_id_chars": 255, "max_line_chars": 8_000, "max_summary_chars": 20_000, "max_value_bytes": 16_384}
TEST = Writer("test")


def patch(values, **options):
    return lambda writes: writes.patch_facts(values, **options)


def summary(text):
    return lambda writes: writes.set_summary(text)


def entity(entity_type="order", entity_id="8821", **given):
    return lambda writes: writes.put_entity(entity_type, entity_id, **given)


def item(description="Call back", related_to=None, **given):
    return lambda writes: writes.add_open_item(
        description, type="follow_up", priority="normal", related_to=related_to, **given
    )


class Rooms:
    """The rooms under test, and shorthands for what their tests do most."""

    def __init__(self, url, clock):
        self.url = url
        self.clock = clock
        self.database = Database(url)
        self.transactions = Transactions(self.database, clock, max_fact_days=90)
        self.contacts = ContactStore(self.transactions, default_region="US", max_id_chars=255)
        self.memories = ContactMemoryStore(self.transactions, self.contacts, **LIMITS)

    def run(self, body):
        """What a body gives that is run in a transaction."""
        return self.transactions.write(body, writer=TEST)

    def living(self, max_fact_days):
        """The transactions of a store whose facts live so long."""
        return Transactions(self.database, self.clock, max_fact_days=max_fact_days)

    def person(self, contact_id="ada", tenant_id="acme", **known_by):
        """A contact that is there from now on."""
        identities = self.contacts.known_by(**known_by)
        return self.contacts.create(tenant_id, contact_id=contact_id, identities=identities, name=None)

    def meet(self, user_id=None, tenant_id="acme", custom=(), name=None, **known_by):
        """Whom a conversation would be with: their id, and those to be absorbed."""
        identities = (*custom, *self.contacts.known_by(**known_by))

        def body(tx):
            resolved = self.contacts.resolve(tx, tenant_id, identities, user_id=user_id, name=name)
            return resolved.contact and resolved.contact.id, resolved.absorb

        return self.run(body)

    def write(self, scope, *changes, max_fact_days=90, **options):
        """Each change is a function of the writes; the version that they made."""

        def body(tx):
            writes = self.writes(tx, scope, **options)
            for change in changes:
                change(writes)
            return writes.version

        return self.living(max_fact_days).write(body, writer=TEST)

    def writes(self, tx, scope, **options):
        """The writes of a transaction."""
        return MemoryWrites(tx, scope, **{"source": "operator", "max_value_bytes": 16_384, **options})

    def memory(self, scope, *, max_fact_days=90, **options):
        """The memory as it is now."""
        with self.living(max_fact_days).read() as snapshot:
            return read_memory(snapshot, scope, **options)

    def rows(self, table, *conditions):
        """What is stored."""
        with self.database.read() as session:
            return session.exec(select(table).where(*conditions)).all()

    def retain(self, days, agent_id="support", tenant_id="acme"):
        """Let an agent's memory be kept for so many days."""

        def body(session):
            session.merge(
                AgentSettingsRow(
                    tenant_id=tenant_id,
                    agent_id=agent_id,
                    version="",
                    settings="{}",
                    retention_days=days,
                    created_at=self.clock(),
                    updated_at=self.clock(),
                )
            )

        self.database.write(body)


@pytest.fixture
def rooms(home, sql, clock):
    rooms = Rooms(sql.url(home), clock)
    yield rooms
    rooms.database.close()


@pytest.fixture
def scope(rooms):
    """An agent scope of a contact that is there."""
    rooms.person("ada")
    return Scope("acme", "ada", "support")


@pytest.fixture
def told(rooms):
    """The feed of a user, oldest first, as short tuples."""

    def read(user_id="ada"):
        with rooms.database.read() as session:
            of_user = MemoryChangeRow.user_id == user_id
            entries = feed(session, of_user, now=rooms.clock(), max_fact_days=90)
        return [(one.action, one.kind, one.ref, one.before, one.after) for one in entries]

    return read


def say(rooms, scope, conversation_id, *texts, channel="voice", minutes=1):
    """A conversation and its messages, a minute apart."""

    def body(tx):
        session, now = tx.session, rooms.clock()
        conversation = ConversationRow(
            id=conversation_id,
            tenant_id=scope.tenant_id,
            agent_id=scope.agent_id,
            contact_id=scope.user_id,
            channel=channel,
            status="open",
            started_at=now,
            last_active_at=now,
            context="{}",
            extraction="none",
        )
        session.add(conversation)
        session.flush()
        writes = rooms.writes(tx, scope)
        memory_id = writes.memory_id
        for position, text in enumerate(texts):
            rooms.clock.move(minutes=minutes)
            message = MessageRow(
                id=f"{conversation_id}-{position}",
                conversation_id=conversation_id,
                memory_id=memory_id,
                position=position,
                role="user",
                content=text,
                created_at=rooms.clock(),
            )
            session.add(message)
        return writes.version

    return rooms.run(body)
