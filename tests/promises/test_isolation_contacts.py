"""Nobody sees or touches another tenant's contacts, conversations and agents, nor another agent's memory of a contact.

Every public method that names someone is called, with hostile ids and with the ids of what is another tenant's.
"""

from __future__ import annotations

import itertools
import re

import pytest

import agentmem
from agentmem import AgentMemError
from agentmem.testing import FrozenClock, HashingEmbeddings

from ..surface import BY_ONE_THING, SOUND, SYNC  # noqa: TID252 - the tests are no installed package
from .test_isolation import HOSTILE, OF_ONE_USER

TENANTS = ["acme", "Acme", "acme%"]
USERS = ["ada", "bob"]
AGENTS = ["x", "y"]
ALIKE = ["one", "two"]
"""Two tenants with the same in them."""

OWNERS = list(itertools.product(TENANTS, USERS, AGENTS))
CANARY = re.compile(r"canary-\d+-")
MADE_UP = re.compile(r"[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}")
PHONES = {"ada": "+14155550192", "bob": "+14155550100"}
IDS = {
    "after",
    "agent_id",
    "caller_identity",
    "contact_id",
    "conversation_id",
    "email",
    "entity_id",
    "entity_type",
    "external_id",
    "id",
    "idempotency_key",
    "into",
    "item_id",
    "kind",
    "phone",
    "prefix",
    "thread_id",
    "user_id",
    "value",
    "version",
}
METHODS = [one for one in SYNC if one not in OF_ONE_USER and one.name != "close"]


def canary(owner):
    return f"canary-{OWNERS.index(owner)}-" if owner in OWNERS else "someone"


def fill(mem, user, agent, said):
    """One contact's memory with one agent, said in every part of it; the ids of what was made."""
    own = {"agent_id": agent}
    mem.contacts.patch_facts(user, {"said": said}, **own)
    mem.contacts.update_summary(user, said, **own)
    mem.contacts.put_entity(user, "order", "8821", facts={"said": said}, status=said, notes=said, **own)
    item = mem.contacts.add_open_item(user, said, idempotency_key="key", **own)
    mem.client(user).memory.remember(said, **own)
    with mem.conversations.start(agent, user_id=user) as conv:
        conv.add_message("user", said, external_id="m-1")
        conv.state["state"] = said
        conv.handoff(said, said)
        conv.render_prompt("{{memory}}")
    opened = mem.conversations.start(agent, user_id=user, thread_id=f"{user}-{agent}")
    opened.state["state"] = said
    opened.say(said)
    return item.id, conv.id, opened.id


def settle(mem, agents=AGENTS, users=USERS):
    for agent in agents:
        mem.agents.configure(agent, memory_enabled=True, analytics_enabled=True, state_keys=["state"])
    for user in users:
        mem.contacts.create(id=user, phone=PHONES.get(user), external_id=f"A-{user}")


def fill_every_tenant(mem):
    """Every tenant has the same people, agents and numbers, and something of its own in each; and Acme someone more.
    The ids of what is there.
    """
    made = {}
    for tenant in [*TENANTS, *ALIKE]:
        settle(mem.tenant(tenant))
    for owner in [*OWNERS, *((tenant, "ada", "x") for tenant in ALIKE)]:
        tenant, user, agent = owner
        made[owner] = fill(mem.tenant(tenant), user, agent, f"{canary(owner)} likes tea")
    theirs = mem.tenant("Acme")
    settle(theirs, ["theirs-x"], ["theirs"])
    made["theirs"] = fill(theirs, "theirs", "theirs-x", f"{canary(('Acme', 'ada', 'x'))} is theirs")
    theirs.contacts.link("theirs", email="theirs@example.com")
    return made


@pytest.fixture(scope="module")
def filled(tmp_path_factory, new_sql):
    """A store with everyone in it, closed; and the ids of what is there."""
    home = tmp_path_factory.mktemp("filled") / "home"
    with new_sql() as sql:
        options = {"embeddings": HashingEmbeddings(), "clock": FrozenClock(), **sql.options(home)}
        with agentmem.open(home, **options) as mem:
            made = fill_every_tenant(mem)
        yield home, made


@pytest.fixture
def everyone(filled, tmp_path, open_mem, sql):
    template, made = filled
    return open_mem(sql.copy(template, tmp_path / "everyone")), made


def state(mem, tenants):
    """All that these tenants can see of their own."""
    found = {}
    for tenant in map(mem.tenant, tenants):
        people = tenant.contacts.list()
        found[tenant.tenant_id] = (
            people,
            [tenant.contacts.memory(one.id, agent_id=agent) for one in people for agent in AGENTS],
            [tenant.changes(one.id) for one in people],
            tenant.conversations.list(),
            tenant.agents.list(),
            [(tenant.agents.metrics(agent), tenant.agents.list_memories(agent)) for agent in AGENTS],
        )
    return found


def calls(method, sound, foreign):
    """Each hostile or foreign value in each id in turn, everything else sound."""
    yield sound
    for name in sorted(sound.keys() & IDS):
        for value in [*HOSTILE, *foreign]:
            yield {**sound, name: value}


def sound_values(method, **ids):
    words = {**SOUND, "id": "x", "agent_id": "x", "thread_id": None, **ids}
    if method.name == "find":
        words |= BY_ONE_THING
    return {parameter.name: words[parameter.name] for parameter in method.parameters}


def outcome(method, mem, conversation, arguments):
    try:
        return repr(_shown(method.bound(mem, mem.client("ada"), conversation)(**arguments)))
    except (AgentMemError, TypeError) as error:
        return f"{type(error).__name__}: {error} {getattr(error, 'current', None)}"


def _shown(value):
    """A conversation shows what it gives to its holder."""
    fields = getattr(getattr(value, "memory", None), "fields", None)
    return value if fields is None else (value.id, value.caller_identity, fields(), value.render_prompt("{{memory}}"))


def allowed(method, arguments):
    """The canaries that a call of acme's may show: of the person and the agent that it names, if it does."""
    if method.room == "conversation":
        return {canary(("acme", "ada", "x"))}
    people = _named(arguments, "contact_id", "into", "user_id", among=USERS)
    agents = _named(arguments, "agent_id", "id", among=AGENTS)
    return {canary(("acme", user, agent)) for user in people for agent in agents}


def _named(arguments, *names, among):
    """Which of these a call names; all of them where it names none."""
    given = [arguments[name] for name in names if isinstance(arguments.get(name), str)]
    return [one for one in among if one in given] if given else among


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_no_call_shows_or_touches_what_is_another_tenants_or_agents(everyone, method):
    mem, made = everyone
    acme, others = mem.tenant("acme"), TENANTS[1:]
    item, ended, opened = made["acme", "ada", "x"]
    before = state(mem, others)
    foreign = ["theirs", "theirs-x", "theirs-theirs-x", "A-theirs", "theirs@example.com", "key", "m-1"]
    foreign += [one for owner in OWNERS[len(OWNERS) // 3 :][:2] for one in made[owner]]
    sound = sound_values(method, conversation_id=ended, item_id=item)
    conversation = acme.conversations.resume(opened)
    seen = []
    for arguments in calls(method, sound, foreign):
        strange = set(CANARY.findall(outcome(method, acme, conversation, arguments))) - allowed(method, arguments)
        if strange:
            seen.append((arguments, strange))
    assert seen == []
    assert state(mem, others) == before


FOREIGN = {
    "after": "conversation",
    "agent_id": "agent",
    "caller_identity": "contact",
    "contact_id": "contact",
    "conversation_id": "conversation",
    "email": "email",
    "external_id": "external",
    "id": "agent",
    "into": "contact",
    "item_id": "item",
    "thread_id": "thread",
    "user_id": "contact",
}


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_a_foreign_id_and_a_missing_one_cannot_be_told_apart(everyone, method):
    mem, made = everyone
    item, conversation, _ = made["theirs"]
    theirs = {
        "agent": "theirs-x",
        "contact": "theirs",
        "conversation": conversation,
        "email": "theirs@example.com",
        "external": "A-theirs",
        "item": item,
        "thread": "theirs-theirs-x",
    }
    for name in sorted({parameter.name for parameter in method.parameters} & FOREIGN.keys()):
        known = theirs[FOREIGN[name]]
        foreign, missing = (
            _asked(mem, made, method, tenant, {name: value})
            for tenant, value in zip(ALIKE, [known, _missing(known)], strict=True)
        )
        for value in sorted(theirs.values(), key=len, reverse=True):
            foreign, missing = foreign.replace(value, "given"), missing.replace(_missing(value), "given")
        assert foreign == missing, name


def _missing(known):
    return f"z{known[1:]}"


def _asked(mem, made, method, tenant, given):
    """What comes of a call with an id that is not there, without the ids that tell two tenants apart."""
    own = mem.tenant(tenant)
    item, ended, opened = made[tenant, "ada", "x"]
    sound = sound_values(method, conversation_id=ended, item_id=item)
    said = outcome(method, own, own.conversations.resume(opened), {**sound, **given})
    return MADE_UP.sub("made-up", said.replace(f"'{tenant}'", "tenant"))
