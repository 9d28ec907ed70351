"""What a store answers, as JSON: asked of the code that wrote it, and again of the code that opens it now.

It calls what every version of agentmem has, and names each field, so that a field that came later is no difference.
"""

from __future__ import annotations

USERS = ("ada", "bob")
QUERIES = {"Where does Ada live?": "ada", "Which train does Bob take?": "bob"}
BLOCK = ("block_type", "content", "scope", "agent_id", "description", "read_only", "version")
VERSION = ("version", "action", "actor", "content", "description", "read_only")
LINE = ("id", "content", "scope", "agent_id", "speaker", "source", "confidence", "conversation_id")
CHANGE = ("id", "user_id", "agent_id", "conversation_id", "actor", "kind", "action", "ref", "before", "after")
CONVERSATION = ("id", "agent_id", "version", "caller_identity", "channel", "thread_id", "status", "qa", "extraction")
CONTACT = ("id", "name", "phone", "email", "external_id")
FACT = ("key", "value", "source", "version")
SETTINGS = ("memory_enabled", "memory_retention_days", "recent_messages", "state_keys", "identifier_source")


def answers(mem):
    """Everything that callers of `mem` read, by what it is about."""
    found = {"memory": {user: of_memory(mem.client(user).memory) for user in USERS}, "recalled": recalled(mem)}
    if hasattr(mem, "contacts"):
        found["contacts"] = [
            {**shown(contact, CONTACT), "memory": of_contact(mem, contact.id)} for contact in mem.contacts.list()
        ]
        found["conversations"] = [of_conversation(mem, one.id) for one in mem.conversations.list()]
        found["changes"] = {user: [of_change(one) for one in mem.changes(user)] for user in USERS}
        found["agents"] = [
            {"agent_id": one.agent_id, "version": one.version, **shown(one.settings, SETTINGS)}
            for one in mem.agents.list()
        ]
    return found


def repeated(mem):
    """What the writes with an idempotency key give; the first call does them, every later one gives the same."""
    memory = mem.client("ada").memory
    gave = {
        "append": memory.append("core", "- Likes tea", idempotency_key="append-1").version,
        "replace": memory.replace("core", "tea", "green tea", idempotency_key="replace-1").version,
        "remember": [
            line.id
            for line in memory.remember(["Ada lives in Oslo", "Ada's dog is called Tom"], idempotency_key="remember-1")
        ],
    }
    if hasattr(mem, "contacts") and mem.agents.list():
        gave["open_item"] = mem.contacts.add_open_item(
            "ada", "Call Ada back", agent_id="support", idempotency_key="item-1"
        ).id
    return gave


def of_memory(memory):
    found = []
    for agent_id in (None, "support"):
        for block in memory.list(scope="user" if agent_id is None else "agent", agent_id=agent_id):
            has_history = block.block_type != "archival"
            versions = memory.history(block.block_type, agent_id=agent_id) if has_history else []
            history = [{**shown(one, VERSION), "created_at": at(one.created_at)} for one in versions]
            times = {"created_at": at(block.created_at), "updated_at": at(block.updated_at)}
            found.append({**shown(block, BLOCK), **times, "history": history})
    return found


def recalled(mem):
    """The best line for each question, with where it comes from."""
    found = {}
    for query, user in QUERIES.items():
        best = mem.client(user).memory.recall(query, limit=1, min_score=0)[0]
        found[query] = {**shown(best, LINE), "occurred_at": at(best.occurred_at), "created_at": at(best.created_at)}
    return found


def of_contact(mem, contact_id):
    known = mem.contacts.memory(contact_id, agent_id="support")
    return {
        **known.to_json(),
        "version": known.version,
        "fact_records": [
            {**shown(one, FACT), "updated_at": at(one.updated_at), "expires_at": at(one.expires_at)}
            for one in known.fact_records
        ],
        "messages": [[one.id, one.role, one.content] for one in known.recent_messages],
    }


def of_conversation(mem, conversation_id):
    one = mem.conversations.get(conversation_id)
    handoff = one.handoff and [one.handoff.to, one.handoff.reason]
    return {
        **shown(one, CONVERSATION),
        "times": [at(one.started_at), at(one.ended_at)],
        "handoff": handoff,
        "context": one.context.to_json(),
        "context_facts": [
            {**shown(fact, FACT), "updated_at": at(fact.updated_at), "expires_at": at(fact.expires_at)}
            for fact in one.context.memory.fact_records
        ],
        "changes": [of_change(change) for change in one.changes],
        "messages": [[message.id, message.role, message.content, at(message.created_at)] for message in one.messages],
    }


def of_change(change):
    return {**shown(change, CHANGE), "at": at(change.at)}


def shown(value, names):
    return {name: getattr(value, name) for name in names}


def at(moment):
    return None if moment is None else moment.isoformat()
