# A returning caller: what one call notes in conv.state, the next one finds in conv.memory.

from __future__ import annotations

import tempfile

import agentmem
from agentmem import Conversation

# PolyAI's configuration, as it stands.
SETTINGS = {
    "memory": {
        "repeat_caller": {
            "analytics_enabled": True,
            "state_keys": ["booking_day", "cheese_type"],
            "identifier_blacklist": ["+447777"],
        }
    }
}


def greet(conv: Conversation) -> None:
    booking_day, cheese_type = conv.memory.get("booking_day"), conv.memory.get("cheese_type")
    if booking_day and cheese_type:
        say(conv, f"You booked {cheese_type} for {booking_day}. Would you like to book again?")
    else:
        say(conv, "Which cheese would you like, and when?")


def book_delivery(conv: Conversation, cheese_type: str, booking_day: str) -> None:
    conv.state["cheese_type"] = cheese_type
    conv.state["booking_day"] = booking_day
    conv.state["basket"] = [cheese_type]  # not under state_keys: gone with the call
    say(conv, f"Booked {cheese_type} for {booking_day}.")


def say(conv: Conversation, text: str) -> None:
    conv.say(text)
    print(f"  {text}")


with tempfile.TemporaryDirectory() as folder, agentmem.open(folder) as mem:
    mem.agents.configure("cheesemonger", SETTINGS)

    def call(phone: str, cheese_type: str, booking_day: str) -> None:
        print(f"\n{phone} calls")
        with mem.conversations.start("cheesemonger", phone=phone) as conv:
            if first := conv.memory.get("REPEAT_CALLER_QA"):
                print(f"  (called before; the first time it was {first})")
            greet(conv)
            book_delivery(conv, cheese_type, booking_day)
            conv.set_outcome("resolved")
        # What state_keys names is memory now. Had the process died before, it would be once a sweep had ended the call.

    call("+44 20 7946 0018", "gouda", "Friday")
    call("+442079460018", "brie", "Monday")
    call("+44 20 7946 0321", "stilton", "Friday")
    # A test telephone. Its calls work, and leave nothing behind.
    call("+44 7777 000001", "edam", "Sunday")
    call("+44 7777 000001", "edam", "Sunday")

    metrics = mem.agents.metrics("cheesemonger")
    print(f"\n{metrics.repeat_callers} of {metrics.callers} callers came back, {metrics.resolution_rate:.0%} resolved")
