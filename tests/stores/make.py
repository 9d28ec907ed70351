"""Writes `schema_<number>.sql` and `.json` with the agentmem that PYTHONPATH leads to; see README.md beside it."""

from __future__ import annotations

import json
import sqlite3
import sys
import tempfile
from contextlib import closing, suppress
from pathlib import Path

from langchain.agents import create_agent
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

import agentmem
from agentmem import Line, migrations
from agentmem.langgraph import MemoryContext, MemoryMiddleware
from agentmem.testing import FrozenClock, HashingEmbeddings, ScriptedChatModel

sys.path.insert(0, str(Path(__file__).parent))

from answers import answers, repeated

BEGINNING = "Hello, I am Ada and my order is late"
PROPOSAL = {
    "facts": [{"fact": "Caller's order is late", "confidence": 0.9, "evidence": [1]}],
    "contact_facts": [{"key": "mood", "value": "impatient about the late order", "evidence": [1]}],
    "summary": "Ada asked about an order that is late.",
    "entities": [
        {
            "entity_type": "order",
            "entity_id": "o-1",
            "facts": [{"key": "state", "value": "late"}],
            "status": "late",
            "evidence": [1],
        }
    ],
    "open_items": [{"description": "Find out where the order is", "evidence": [1]}],
}


def fill_memory(mem, clock):
    """Blocks, versions, lines, keys; some deleted."""
    ada, bob = mem.client("ada").memory, mem.client("bob", actor="import").memory
    core = ada.get("core")
    clock.move(hours=1)
    ada.update(
        "core",
        f"{core.content}\n- Née Ø, writes “quotes”\n",
        description="What Ada is like",
        expected_updated_at=core.updated_at,
    )
    ada.append("house_rules", "Be brief", agent_id="support")
    ada.append("gone", "Nobody is to read this")
    ada.delete("gone", expected_updated_at=ada.get("gone").updated_at)
    secret = ada.remember("This line was forgotten")
    ada.forget_line(secret[0].id)
    ada.remember(
        [
            Line("I moved to Oslo in March", speaker="Ada", occurred_at="2025-03-14T09:30:00+00:00", source="user"),
            Line("The tool said 42", source="tool", confidence=0.8),
        ],
        conversation_id="import-1",
    )
    ada.remember("Support knows that Ada calls on Mondays", agent_id="support")
    bob.append("core", "- Bob is patient")
    bob.update("locked", "Do not touch", read_only=True, expected_updated_at=None)
    bob.remember(["Bob takes the night train to Rome", "Bob sings"])
    mem.tenant("acme").client("ada").memory.append("core", "- Another tenant's Ada")
    ada.recall("Oslo")  # through Chroma, which makes the row of an index


def fill_contacts(mem, clock):
    """Contacts with identifiers and memory, and who was merged."""
    contacts = mem.contacts
    mem.agents.configure(
        "support",
        memory_enabled=True,
        memory_retention_days=365,
        state_keys={"cheese_type": 30, "seat": None},
        identifier_source="sip_header:x-customer-id",
        analytics_enabled=True,
    )
    mem.agents.configure("support", version="v2", recent_messages=3)
    contacts.create(id="ada", name="Ada", phone="+14155550192", email="ada@example.com")
    contacts.link("ada", external_id="crm-7")
    contacts.create(id="bob", name="Bob")
    contacts.create(id="ada-2", phone="+14155550193")
    contacts.patch_facts("ada-2", {"from": "the other Ada"}, agent_id="support")
    contacts.merge("ada-2", into="ada")
    contacts.patch_facts("ada", {"diet": "vegan", "seats": [1, {"row": 2.5}], "gone": 1}, agent_id="support")
    contacts.patch_facts("ada", {"code": "short"}, agent_id="support", ttl_days=20)
    contacts.patch_facts("ada", {"gone": None, "diet": "vegetarian"}, agent_id="support")
    contacts.update_summary("ada", "Ada is kind.", agent_id="support")
    contacts.put_entity(
        "ada", "order", "8821", agent_id="support", facts={"carrier": "UPS", "parts": 3}, status="delayed", notes="Ask"
    )
    clock.move(minutes=90)


def fill_conversations(mem, clock):
    """Ended and learned, ended and waiting, failed, anonymous, open in a thread."""
    contacts, conversations = mem.contacts, mem.conversations
    done = contacts.add_open_item("ada", "Send the invoice", agent_id="support", priority="high")
    contacts.resolve_open_item("ada", done.id, agent_id="support")
    with conversations.start("support", phone="+1 (415) 555-0192", version="v2") as conv:
        conv.add_message("user", BEGINNING, external_id="m-1")
        conv.render_prompt("You are kind. {{memory}}", "Mondays")
        conv.say("It is on its way")
        conv.state["cheese_type"] = "brie"
        conv.set_outcome("resolved")
        conv.handoff("billing", "a refund")
    clock.move(hours=2)
    later = conversations.start("support", user_id="ada", channel="chat")
    later.add_message("user", "I will call again")
    later.end(defer=True)
    with suppress(RuntimeError), conversations.start("support", user_id="bob") as conv:
        conv.add_message("user", "Hello?")
        raise RuntimeError
    conversations.start("support").end()
    clock.move(minutes=5)
    header = {"sip_headers": {"x-customer-id": "c-9"}}
    conversations.start("support", user_id="bob", attributes=header).end()
    still = conversations.start("support", user_id="ada", channel="sms", thread_id="thread-1")
    still.add_message("user", "Is anybody there?")
    still.render_prompt("{{memory}}", "Mondays")
    if migrations.HEAD > "0004":
        still.state["seat"] = {"row": 12, "window": True}
        still.add_message("assistant", "Yes, I am listening")
    mem.client("carl").memory.append("core", "Carl is forgotten")
    if migrations.HEAD != "0003":  # whose code looks for the tables of 0004 when it forgets
        mem.forget("carl")


def fill_threads(mem):
    """A thread of Ada's in which Bob was refused."""
    model = ScriptedChatModel(script=["Hello Ada", "Still here"])
    agent = create_agent(model, middleware=[MemoryMiddleware(mem)], context_schema=MemoryContext)
    builder = StateGraph(MessagesState, context_schema=MemoryContext)
    builder.add_node("support", agent)
    builder.add_edge(START, "support")
    graph = builder.compile(checkpointer=InMemorySaver())

    def say(user_id, text):
        context = {"user_id": user_id, "agent_id": "support"}
        graph.invoke({"messages": [("user", text)]}, {"configurable": {"thread_id": "thread-2"}}, context=context)

    say("ada", "Hello, I am Ada")
    with suppress(agentmem.InvalidInputError):
        say("bob", "I am Ada, too")
    say("ada", "And now?")


def dump(database, target):
    """The tables with their rows as SQL, bytes in hexadecimal."""
    with closing(sqlite3.connect(database)) as connection:
        lines = list(connection.iterdump())
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        empty = [name for name in names if connection.execute(f'SELECT count(*) FROM "{name}"').fetchone() == (0,)]  # noqa: S608 - our own tables
    if empty:
        sys.exit(f"nothing is in {', '.join(empty)}")
    target.write_text("\n".join(lines) + "\n", "utf-8")


def main(folder):
    clock = FrozenClock()
    with tempfile.TemporaryDirectory() as home:
        options = {
            "embeddings": HashingEmbeddings(),
            "clock": clock,
            "scan_below": 0,
            "chat_model": ScriptedChatModel(script=[PROPOSAL], repeat_last=True),
        }
        with agentmem.open(home, **options) as mem:
            if migrations.HEAD > "0001":
                fill_contacts(mem, clock)
            repeated(mem)
            fill_memory(mem, clock)
            if migrations.HEAD > "0001":
                fill_conversations(mem, clock)
            if migrations.HEAD > "0003":
                fill_threads(mem)
            gave = repeated(mem)
            said = {"now": clock.now.isoformat(), "repeated": gave, "answers": answers(mem)}
        dump(Path(home) / "agentmem.db", Path(folder) / f"schema_{migrations.HEAD}.sql")
    text = json.dumps(said, indent=1, ensure_ascii=False)
    (Path(folder) / f"schema_{migrations.HEAD}.json").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
