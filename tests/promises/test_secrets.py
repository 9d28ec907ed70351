"""Promise 15: structured secrets are caught in 99 of 100 sentences, and almost nothing else is.

What is caught reaches neither SQL nor the embedder nor the log, wherever in a conversation it stands.
"""

from __future__ import annotations

import base64
import json
import logging
import random
import string
import uuid

import pytest
from stdnum import luhn
from stdnum.iso7064 import mod_97_10

from agentmem.testing import HashingEmbeddings, ScriptedChatModel
from agentmem.text.secrets import secrets

ALNUM = string.ascii_letters + string.digits
HEX = "0123456789abcdef"
WIDE = str.maketrans(string.digits, "０１２３４５６７８９")
PER_KIND = 30


def of(rng, alphabet, length):
    return "".join(rng.choices(alphabet, k=length))


def digits(rng, length):
    return of(rng, string.digits, length)


def grouped(number, sizes, separator):
    parts, at = [], 0
    for size in sizes:
        parts.append(number[at : at + size])
        at += size
    return separator.join(part for part in [*parts, number[at:]] if part)


# --- secrets ----------------------------------------------------------------------------------------------------------

ISSUED = {"4": (13, 16, 19), "51": (16,), "55": (16,), "2221": (16,), "37": (15,), "34": (15,), "6011": (16,)} | {
    "65": (16,),
    "3528": (16,),
    "36": (14,),
    "62": (16, 19),
    "6759": (18,),
}


def a_card(rng):
    prefix = rng.choice(list(ISSUED))
    length = rng.choice(ISSUED[prefix])
    number = prefix + digits(rng, length - len(prefix) - 1)
    number += luhn.calc_check_digit(number)
    sizes = {15: [4, 6, 5], 14: [4, 6, 4]}.get(length, [4, 4, 4, 4])
    number = grouped(number, sizes, rng.choice(["", " ", "-", ".", "\u00a0", " - "]))
    return number.translate(WIDE) if rng.random() < 0.2 else number


def an_iban(rng):
    letters = of(rng, string.ascii_uppercase, 4)
    banks = {"DE": ("", 18), "GB": (letters, 14), "NL": (letters, 10), "AT": ("", 16), "CH": ("", 17), "NO": ("", 11)}
    country = rng.choice(list(banks))
    bank, length = banks[country]
    account = bank + digits(rng, length)
    number = country + mod_97_10.calc_check_digits(account + country) + account
    spaced = grouped(number, [4] * 8, rng.choice(["", " ", "-", "  "]))
    return rng.choice([spaced, spaced.lower(), " ".join(number)])


def a_key(rng):
    return rng.choice(
        [
            f"sk-{of(rng, ALNUM, 48)}",
            f"sk-proj-{of(rng, ALNUM + '_-', 60)}A",
            f"sk-ant-api03-{of(rng, ALNUM + '_-', 60)}A",
            f"sk_live_{of(rng, ALNUM, 24)}",
            f"rk_test_{of(rng, ALNUM, 24)}",
            f"AKIA{of(rng, string.ascii_uppercase + string.digits, 16)}",
            f"ghp_{of(rng, ALNUM, 36)}",
            f"github_pat_{of(rng, ALNUM, 22)}_{of(rng, ALNUM, 59)}",
            f"glpat-{of(rng, ALNUM, 20)}",
            f"xoxb-{digits(rng, 11)}-{digits(rng, 12)}-{of(rng, ALNUM, 24)}",
            f"AIza{of(rng, ALNUM, 35)}",
            f"SG.{of(rng, ALNUM, 22)}.{of(rng, ALNUM, 43)}",
            f"hf_{of(rng, ALNUM, 34)}",
            f"npm_{of(rng, ALNUM, 36)}",
            f"SK{of(rng, HEX, 32)}",
            f"shpat_{of(rng, HEX, 32)}",
            f"{digits(rng, 10)}:{of(rng, ALNUM, 35)}",
        ]
    )


def a_jwt(rng):
    parts = [{"alg": "HS256", "typ": "JWT"}, {"sub": digits(rng, 8), "iat": 1}]
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*encoded, of(rng, ALNUM + "_-", 43)])


def a_pem(rng):
    kind = rng.choice(["RSA PRIVATE KEY", "PRIVATE KEY", "OPENSSH PRIVATE KEY", "ENCRYPTED PRIVATE KEY"])
    body = [of(rng, ALNUM + "+/", 64) for _ in range(rng.randint(2, 6))]
    return rng.choice(["\n", " "]).join([f"-----BEGIN {kind}-----", *body, f"-----END {kind}-----"])


def a_password(rng):
    usual = ["hunter2", "Tr0ub4dor&3", "letmein123", "P@ssw0rd!", "Winter2025!", "sunshine", "Liverpool", "iloveyou"]
    return rng.choice([*usual, of(rng, ALNUM + "!#$%&*", 10) + "7a"])


def a_connection(rng):
    user, host = rng.choice(["admin", "app"]), rng.choice(["db.internal", "10.0.0.5:5432", "cluster0.example.net"])
    scheme = rng.choice(["postgresql", "mysql", "mongodb+srv", "redis", "amqp", "postgresql+psycopg"])
    url = f"{scheme}://{user}:{of(rng, ALNUM, 14)}@{host}/app"
    return rng.choice([url, f"Server={host};Database=app;User Id={user};Password={of(rng, ALNUM, 12)};"])


SECRETS = {
    "card": (
        a_card,
        (
            "Caller pays with card {}.",
            "My card number is {}, it expires in March",
            "it's {} on the front",
            "Please charge {} for the renewal",
            "use the Visa {} and send me the receipt",
            "{} expiry 04/29 code 123",
            "Sure, {}. Did you get that?",
            "カード番号は {} です",
        ),
    ),
    "iban": (
        an_iban,
        (
            "My IBAN is {}",
            "Please refund to {} by Friday",
            "Caller's account: {}.",
            "{} belongs to the caller",
            "iban {} thanks",
        ),
    ),
    "key": (
        a_key,
        (
            "Caller uses {} in production.",
            "here it is: {}",
            "export OPENAI_API_KEY={}",
            "It runs with {}, he says",
            '"{}"',
        ),
    ),
    "jwt": (a_jwt, ("Authorization: Bearer {}", "my session is {}", "Caller pasted {} into the chat.", "token={}")),
    "pem": (a_pem, ("{}", "Here is my key: {}", "Caller's key is {} he said")),
    "password": (
        a_password,
        (
            "my password is {}",
            "The password for the portal is {}, please log in for me",
            "Caller's wifi password: {}",
            "password={}",
            "Passwort ist {}",
            "mot de passe : {}",
            "Her new password will be {}",
            'The passphrase is "{}"',
            "login ada@example.org, password: {}",
            "I changed the password to {}",
            "su contraseña es {}",
            "The PASSWORD IS {}!",
        ),
    ),
    "pin": (
        lambda rng: digits(rng, rng.choice([4, 4, 6])),
        (
            "My PIN is {}",
            "PIN: {}",
            "the pin code is {}, write it down",
            "Caller's card PIN is {}.",
            "his voicemail PIN number is {}",
            "The one-time passcode is {}",
            "verification code: {}",
            "pin {} please",
        ),
    ),
    "cvv": (
        lambda rng: digits(rng, rng.choice([3, 3, 4])),
        ("CVV {}", "cvv: {}, expiry 04/29", "The security code is {}", "and the CVC is {}", "CVC code {}"),
    ),
    "bearer": (
        lambda rng: of(rng, ALNUM, rng.randint(24, 40)) + "9",
        ("Authorization: Bearer {}", "curl -H 'authorization: bearer {}'", "use bearer {} for the API"),
    ),
    "connection": (a_connection, ("The database is at {}", "DATABASE_URL={}", "he connects to {} from his laptop")),
    "token": (
        lambda rng: of(rng, ALNUM, rng.randint(24, 48)) + "4x",
        (
            "the API key is {}",
            "Client secret: {}",
            "aws_secret_access_key = {}",
            "his access token is {}, valid for a year",
            "use {} as the token",
            "Caller's webhook secret is {}.",
        ),
    ),
}

# --- what looks a little like one -------------------------------------------------------------------------------------


def a_phone(rng):
    return rng.choice(
        [
            f"+1 {digits(rng, 3)} {digits(rng, 3)} {digits(rng, 4)}",
            f"({digits(rng, 3)}) {digits(rng, 3)}-{digits(rng, 4)}",
            f"+49 151 {digits(rng, 8)}",
            f"0049 30 {digits(rng, 4)} {digits(rng, 4)}",
            f"+44 7{digits(rng, 9)}",
            f"+8613{digits(rng, 9)}",
            f"49 4{digits(rng, 2)} {digits(rng, 4)} {digits(rng, 4)}",
            f"+1-{digits(rng, 3)}-{digits(rng, 3)}-{digits(rng, 4)} ext. {digits(rng, 3)}",
        ]
    )


def an_order(rng):
    return rng.choice(
        [
            f"#{digits(rng, 4)}",
            f"{digits(rng, 3)}-{digits(rng, 7)}-{digits(rng, 7)}",
            f"ORD-2025-{digits(rng, 6)}",
            digits(rng, rng.choice([8, 10, 12, 14, 16])),
            f"SO{digits(rng, 10)}",
            f"4{digits(rng, 15)}",
        ]
    )


def a_date(rng):
    year, month, day = rng.randint(1940, 2030), rng.randint(1, 12), rng.randint(1, 28)
    return rng.choice(
        [
            f"{year}-{month:02}-{day:02}",
            f"{day:02}/{month:02}/{year}",
            f"{year}{month:02}{day:02}T{rng.randint(0, 23):02}3000Z",
            f"{year}-{month:02}-{day:02}T10:30:00.000Z",
            f"{day}.{month}.{year} 14:30",
            f"17{digits(rng, 11)}",
        ]
    )


def a_uuid(rng):
    value = str(uuid.UUID(int=rng.getrandbits(128), version=4))
    return rng.choice([value, value.upper()])


def an_address(rng):
    name = rng.choice(["ada", "bob.smith", "sarah_chen+acme", "info2024", "x-99"])
    return f"{name}@{rng.choice(['example.org', 'mail.example.co.uk', 'b2b-4711.example.com'])}"


def a_price(rng):
    euros, dollars = f"{digits(rng, 2)},50 €", f"${digits(rng, 3)}.99"
    return rng.choice([euros, dollars, f"USD 1,{digits(rng, 3)},{digits(rng, 3)}.00", f"£{digits(rng, 4)}"])


def a_tracking_number(rng):
    return rng.choice(
        [
            f"1Z{of(rng, string.ascii_uppercase + string.digits, 16)}",
            f"94{digits(rng, 20)}",
            f"9400 {digits(rng, 4)} {digits(rng, 4)} {digits(rng, 4)} {digits(rng, 4)} 00",
            digits(rng, 12),
            f"RR{digits(rng, 9)}DE",
            f"JD0146{digits(rng, 14)}",
            f"{digits(rng, 4)} {digits(rng, 4)} {digits(rng, 4)}",
        ]
    )


def a_thing(rng):
    return rng.choice(
        [
            f"BMW 320d with plate M-AB {digits(rng, 4)}",
            f"serial number {of(rng, string.ascii_uppercase, 2)}{digits(rng, 8)}",
            f"flight LH{digits(rng, 3)} on seat 14C, booking code {of(rng, string.ascii_uppercase, 6)}",
            f"meter with {digits(rng, 6)} kWh",
            f"phone with IMEI 35{digits(rng, 13)}",
            f"book ISBN 978-3-16-{digits(rng, 6)}-0",
            f"SKU ABC-{digits(rng, 5)}-XL, 3 pieces",
            f"promo code SUMMER{digits(rng, 2)}",
            f"git commit {of(rng, HEX, 40)}",
            f"page https://example.org/orders/{digits(rng, 12)}?ref=mail",
            f"room {digits(rng, 3)}, floor 12, building 5",
            f"car with VIN WVWZZZ1JZXW{digits(rng, 6)}",
        ]
    )


TALK_OF_SECRETS = (
    "Caller forgot her password and wants a reset",
    "The password is expired",
    "My password is not working since Monday",
    "the password must be at least 12 characters",
    "Caller prefers the password reset by SMS",
    "his password was changed on 2025-07-22",
    "The PIN was blocked after three attempts",
    "Please pin the meeting to 10 o'clock",
    "Caller lost the security token on the train",
    "the key to the office is under the mat in room 4711",
    "She asked how to rotate an API key",
    "He keeps his spare key with the neighbour at number 12",
    "The secret of the recipe is cardamom",
    "Password reset was requested twice this week",
    "Caller does not share her PIN with anybody",
    "the code on the door was repaired",
    "Caller asked what a CVV is",
    "Customer paid by card ending in 4242",
    "The token expires after 3600 seconds",
    "A bearer of good news called at 9",
)
TALK = (
    "Caller prefers weekday mornings for support calls.",
    "Caller has a Premium plan renewal due next month.",
    "I can only do mornings before 9am; I'm vegetarian.",
    "The de facto rule is 5 days, 2 weeks at most",
    "Table for 4 at 19:30 on the 24th, 2 adults and 2 children",
    "GB and DE customers get 14 days, AT12 rules apply in the north and the south of the country",
    "Caller's postcode is SW1A 1AA and the flat is 12b",
    "She wants 1200 1300 or 1400 units in the next 3 quarters",
)
NO_SECRETS = {
    "phone": (a_phone, ("Call me back on {}", "Caller's number is {}.", "{} is his mobile", "reach her at {} after 5")),
    "order": (
        an_order,
        (
            "Order {} has not arrived",
            "the order number is {}",
            "Customer called about order {}, delayed.",
            "Invoice {}, please",
        ),
    ),
    "date": (
        a_date,
        ("Caller was born on {}", "The appointment is {}", "renewal due {}", "timestamp {}", "from {} on"),
    ),
    "uuid": (
        a_uuid,
        (
            "Conversation {} ended",
            "the idempotency key is {}",
            "ticket id {}",
            "Session token {} was renewed",
            "contact {}",
        ),
    ),
    "address": (
        an_address,
        ("Caller's e-mail is {}", "write to {}", "{} is the login", "The password reset goes to {}"),
    ),
    "price": (
        a_price,
        ("The plan costs {}", "Caller was charged {} twice", "{} is too much", "budget of {} for 4 people"),
    ),
    "tracking": (
        a_tracking_number,
        ("Tracking number {} shows no progress", "UPS says {} is in Memphis", "the parcel {} is late", "tracking: {}"),
    ),
    "thing": (a_thing, ("Caller asked about the {}", "the {} is out of warranty", "{} did not work")),
    "talk of secrets": (lambda rng: rng.choice(TALK_OF_SECRETS), ("{}",)),
    "talk": (lambda rng: rng.choice(TALK), ("{}",)),
}


def sentences(kinds, seed):
    """So many realistic sentences of every kind, with the value that stands in each."""
    rng = random.Random(seed)
    made = [(name, make(rng), rng.choice(texts)) for name, (make, texts) in kinds.items() for _ in range(PER_KIND)]
    return [(name, text.format(value), value) for name, value, text in made]


@pytest.mark.parametrize("seed", [15, 300, 2025])
def test_of_300_secrets_99_in_100_are_caught(seed):
    said = sentences(SECRETS, seed)
    assert len(said) >= 300
    missed = [(name, text) for name, text, _ in said if not secrets(text)]
    assert len(missed) <= len(said) * 0.01, missed


@pytest.mark.parametrize("seed", [15, 300, 2025])
def test_of_300_others_at_most_one_in_100_is_taken_for_a_secret(seed):
    said = sentences(NO_SECRETS, seed)
    assert len(said) >= 300
    false = [(name, text) for name, text, _ in said if secrets(text)]
    assert len(false) <= len(said) * 0.01, false


class Recording(HashingEmbeddings):
    """Keeps every text that it was given."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def embed_documents(self, texts):
        self.seen += texts
        return [super(Recording, self).embed_query(text) for text in texts]

    def embed_query(self, text):
        self.seen.append(text)
        return super().embed_query(text)


def proposing(texts):
    """A model that wants to remember every one of these texts, in every way there is."""
    cited = {"evidence": list(range(1, len(texts) + 1))}
    return {
        "facts": [{"fact": text, "confidence": 1, **cited} for text in texts],
        "contact_facts": [{"key": f"k{number}", "value": text, **cited} for number, text in enumerate(texts)],
        "summary": " ".join(texts),
        "entities": [
            {"entity_type": "order", "entity_id": f"o{number}", "notes": text, **cited}
            for number, text in enumerate(texts)
        ],
        "open_items": [{"description": text, **cited} for text in texts],
    }


def test_no_secret_reaches_sql_the_embedder_the_model_or_the_log_when_a_conversation_ends(open_mem, home, caplog):
    caplog.set_level(logging.DEBUG)
    said = [(text, value) for _, text, value in sentences(SECRETS, 15)]
    embeddings, model = Recording(), ScriptedChatModel()
    mem = open_mem(embeddings=embeddings, chat_model=model)
    mem.agents.configure("support", memory_enabled=True)
    for start in range(0, len(said), PER_KIND):
        texts = [text for text, _ in said[start : start + PER_KIND]]
        model.script.append(proposing(texts))
        with mem.conversations.start("support", user_id="ada") as conv:
            conv.add_message("tool", texts[0])
            for text in texts:
                conv.add_message("user", text)
                conv.handoff("billing", text)
                conv.set_outcome(text)
        assert mem.conversations.get(conv.id).extraction == "done"
    assert mem.agents.list_memories(id="support").memories == ()

    stored = b"\n".join(path.read_bytes() for path in home.rglob("*") if path.is_file()).decode("utf-8", "replace")
    shown = "\n".join(message.text for prompt in model.prompts for message in prompt)
    places = {"files": stored, "embedder": "\n".join(embeddings.seen), "model": shown, "log": caplog.text}
    for text, value in said:
        canary = value if len(value) > 6 else text  # a PIN alone may stand anywhere
        for place, content in places.items():
            assert canary not in content, (place, text)
            assert json.dumps(canary)[1:-1] not in content, (place, text)
