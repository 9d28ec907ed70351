"""Promise 15: structured secrets are caught in 99 of 100 sentences, and almost nothing else is."""

from __future__ import annotations

import base64
import json
import random
import string
import uuid

from stdnum import luhn
from stdnum.iso7064 import mod_97_10

from agentmem.extraction.sensitive import redacted, secrets

ALNUM = string.ascii_letters + string.digits
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
    return separator.join([*parts, number[at:]] if number[at:] else parts)


# --- secrets ----------------------------------------------------------------------------------------------------------


def card(rng):
    prefix, length = rng.choice(
        [("4", 16), ("4", 13), ("4", 19), ("51", 16), ("55", 16), ("2221", 16), ("37", 15), ("34", 15), ("6011", 16)]
        + [("65", 16), ("3528", 16), ("36", 14), ("62", 16), ("62", 19), ("6759", 18)]
    )
    number = prefix + digits(rng, length - len(prefix) - 1)
    number += luhn.calc_check_digit(number)
    sizes = {15: [4, 6, 5], 14: [4, 6, 4]}.get(length, [4, 4, 4, 4])
    number = grouped(number, sizes, rng.choice(["", " ", "-", ".", "\u00a0", " - "]))
    return number.translate(WIDE) if rng.random() < 0.2 else number


def a_card(rng):
    return rng.choice(
        [
            "Caller pays with card {}.",
            "My card number is {}, it expires in March",
            "it's {} on the front",
            "Please charge {} for the renewal",
            "use the Visa {} and send me the receipt",
            "{} expiry 04/29 code 123",
            "Sure, {}. Did you get that?",
            "The customer's credit card ends the call: {}",
            "カード番号は {} です",
        ]
    ).format(card(rng))


def an_iban(rng):
    country, bban = rng.choice(
        [
            ("DE", digits(rng, 18)),
            ("GB", of(rng, string.ascii_uppercase, 4) + digits(rng, 14)),
            ("NL", of(rng, string.ascii_uppercase, 4) + digits(rng, 10)),
            ("AT", digits(rng, 16)),
            ("CH", digits(rng, 17)),
            ("NO", digits(rng, 11)),
        ]
    )
    number = country + mod_97_10.calc_check_digits(bban + country + "00"[:0]) + bban
    spaced = grouped(number, [4] * (len(number) // 4), rng.choice(["", " ", "-", "  "]))
    said = rng.choice([spaced, spaced.lower(), " ".join(number)])
    return rng.choice(
        ["My IBAN is {}", "Please refund to {} by Friday", "Caller's account: {}.", "{} belongs to the caller", "iban {} thanks"]
    ).format(said)


def a_key(rng):
    key = rng.choice(
        [
            lambda: "sk-" + of(rng, ALNUM, 48),
            lambda: "sk-proj-" + of(rng, ALNUM + "_-", 60) + "A",
            lambda: "sk-ant-api03-" + of(rng, ALNUM + "_-", 60) + "A",
            lambda: "sk_live_" + of(rng, ALNUM, 24),
            lambda: "rk_test_" + of(rng, ALNUM, 24),
            lambda: "AKIA" + of(rng, string.ascii_uppercase + string.digits, 16),
            lambda: "ghp_" + of(rng, ALNUM, 36),
            lambda: "github_pat_" + of(rng, ALNUM, 22) + "_" + of(rng, ALNUM, 59),
            lambda: "glpat-" + of(rng, ALNUM, 20),
            lambda: f"xoxb-{digits(rng, 11)}-{digits(rng, 12)}-{of(rng, ALNUM, 24)}",
            lambda: "AIza" + of(rng, ALNUM, 35),
            lambda: "SG." + of(rng, ALNUM, 22) + "." + of(rng, ALNUM, 43),
            lambda: "hf_" + of(rng, ALNUM, 34),
            lambda: "npm_" + of(rng, ALNUM, 36),
            lambda: "SK" + of(rng, "0123456789abcdef", 32),
            lambda: "shpat_" + of(rng, "0123456789abcdef", 32),
            lambda: f"{digits(rng, 10)}:{of(rng, ALNUM, 35)}",
        ]
    )()
    return rng.choice(
        ["Caller uses {} in production.", "here it is: {}", "export OPENAI_API_KEY={}", "The integration runs with {}, he says", '"{}"']
    ).format(key)


def a_jwt(rng):
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    token = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part({'sub': digits(rng, 8), 'iat': 1})}.{of(rng, ALNUM + '_-', 43)}"
    return rng.choice(["Authorization: Bearer {}", "my session is {}", "Caller pasted {} into the chat.", "token={}"]).format(token)


def a_pem(rng):
    kind = rng.choice(["RSA PRIVATE KEY", "PRIVATE KEY", "OPENSSH PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY"])
    body = [of(rng, ALNUM + "+/", 64) for _ in range(rng.randint(2, 6))]
    end = rng.choice(["\n", " "])
    whole = end.join([f"-----BEGIN {kind}-----", *body, f"-----END {kind}-----"])
    return rng.choice(["{}", "Here is my key: {}", "Caller's key is {} he said"]).format(whole)


def password(rng):
    return rng.choice(
        [
            lambda: of(rng, ALNUM + "!#$%&*", 10) + "7a",
            lambda: rng.choice(["hunter2", "Tr0ub4dor&3", "letmein123", "P@ssw0rd!", "Winter2025!", "qwerty99"]),
            lambda: rng.choice(["sunshine", "dragon", "Liverpool", "butterfly", "iloveyou", "monkey"]),
        ]
    )()


def a_password(rng):
    return rng.choice(
        [
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
        ]
    ).format(password(rng))


def a_code(rng):
    said = rng.choice(
        [
            "My PIN is {4}",
            "PIN: {4}",
            "the pin code is {4}, write it down",
            "Caller's card PIN is {6}.",
            "CVV {3}",
            "cvv: {3}, expiry 04/29",
            "The security code is {3}",
            "and the CVC is {3}",
            "his voicemail PIN number is {4}",
            "The one-time passcode is {6}",
            "verification code: {6}",
            "pin {4} please",
        ]
    )
    for length in (3, 4, 6):
        said = said.replace(f"{{{length}}}", digits(rng, length))
    return said


def a_bearer_token(rng):
    return rng.choice(["Authorization: Bearer {}", "curl -H 'authorization: bearer {}'", "use bearer {} for the API"]).format(
        of(rng, ALNUM, rng.randint(24, 40)) + "9"
    )


def a_connection(rng):
    user, host = rng.choice(["admin", "app", "root"]), rng.choice(["db.internal", "10.0.0.5:5432", "cluster0.example.net"])
    scheme = rng.choice(["postgresql", "mysql", "mongodb+srv", "redis", "amqp", "postgresql+psycopg"])
    url = f"{scheme}://{user}:{of(rng, ALNUM, 14)}@{host}/app"
    odbc = f"Server={host};Database=app;User Id={user};Password={of(rng, ALNUM, 12)};"
    return rng.choice(["The database is at {}", "DATABASE_URL={}", "he connects to {} from his laptop"]).format(rng.choice([url, odbc]))


def a_random_token(rng):
    token = of(rng, ALNUM, rng.randint(24, 48)) + "4x"
    return rng.choice(
        [
            "the API key is {}",
            "Client secret: {}",
            "aws_secret_access_key = {}",
            "his access token is {}, valid for a year",
            "use {} as the token",
            "Caller's webhook secret is {}.",
        ]
    ).format(token)


SECRETS = [a_card, an_iban, a_key, a_jwt, a_pem, a_password, a_code, a_bearer_token, a_connection, a_random_token]

# --- what looks a little like one ----------------------------------------------------------------------------------------


def a_phone(rng):
    number = rng.choice(
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
    return rng.choice(["Call me back on {}", "Caller's number is {}.", "{} is his mobile", "reach her at {} after 5"]).format(number)


def an_order(rng):
    number = rng.choice(
        [
            f"#{digits(rng, 4)}",
            f"{digits(rng, 3)}-{digits(rng, 7)}-{digits(rng, 7)}",
            f"ORD-2025-{digits(rng, 6)}",
            digits(rng, rng.choice([8, 10, 12, 14, 16])),
            f"SO{digits(rng, 10)}",
            f"4{digits(rng, 15)}",
        ]
    )
    return rng.choice(
        ["Order {} has not arrived", "the order number is {}", "Customer called about order {} which was delayed.", "Invoice {}, please"]
    ).format(number)


def a_date(rng):
    year, month, day = rng.randint(1940, 2030), rng.randint(1, 12), rng.randint(1, 28)
    said = rng.choice(
        [
            f"{year}-{month:02}-{day:02}",
            f"{day:02}/{month:02}/{year}",
            f"{year}{month:02}{day:02}T{rng.randint(0, 23):02}3000Z",
            f"{year}-{month:02}-{day:02}T10:30:00.000Z",
            f"{day}.{month}.{year} 14:30",
            f"17{digits(rng, 11)}",
        ]
    )
    return rng.choice(["Caller was born on {}", "The appointment is {}", "renewal due {}", "timestamp {}", "from {} until further notice"]).format(said)


def a_uuid(rng):
    value = uuid.UUID(int=rng.getrandbits(128), version=4)
    return rng.choice(
        ["Conversation {} ended", "the idempotency key is {}", "ticket id {}", "Session token {} was renewed", "contact {}"]
    ).format(rng.choice([str(value), str(value).upper()]))


def an_address(rng):
    name = rng.choice(["ada", "bob.smith", "sarah_chen+acme", "info2024", "x-99"])
    return rng.choice(["Caller's e-mail is {}", "write to {}", "{} is the login", "The password reset link goes to {}"]).format(
        f"{name}@{rng.choice(['example.org', 'mail.example.co.uk', 'b2b-4711.example.com'])}"
    )


def a_price(rng):
    amount = rng.choice([f"${digits(rng, 3)}.99", f"{digits(rng, 2)},50 €", f"USD 1,{digits(rng, 3)},{digits(rng, 3)}.00", f"£{digits(rng, 4)}"])
    return rng.choice(["The plan costs {} a month", "Caller was charged {} twice", "{} is too much", "budget of {} for 4 people"]).format(amount)


def a_tracking_number(rng):
    number = rng.choice(
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
    return rng.choice(["Tracking number {} shows no progress", "UPS says {} is in Memphis", "the parcel {} is late", "tracking: {}"]).format(number)


def talk_of_passwords(rng):
    return rng.choice(
        [
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
        ]
    )


def a_name_of_a_thing(rng):
    return rng.choice(
        [
            f"Caller drives a BMW 320d with plate M-AB {digits(rng, 4)}",
            f"serial number {of(rng, string.ascii_uppercase, 2)}{digits(rng, 8)} is out of warranty",
            f"flight LH{digits(rng, 3)} on seat 14C, booking code {of(rng, string.ascii_uppercase, 6)}",
            f"meter reading {digits(rng, 6)} kWh",
            f"IMEI 35{digits(rng, 13)} of the lost phone",
            f"ISBN 978-3-16-{digits(rng, 6)}-0",
            f"SKU ABC-{digits(rng, 5)}-XL, 3 pieces",
            f"promo code SUMMER{digits(rng, 2)} did not work",
            f"git commit {of(rng, '0123456789abcdef', 40)} broke the build",
            f"https://example.org/orders/{digits(rng, 12)}?ref=mail",
            f"room {digits(rng, 3)}, floor 12, building 5",
            f"VIN WVWZZZ1JZXW{digits(rng, 6)}",
        ]
    )


def plain_talk(rng):
    return rng.choice(
        [
            "Caller prefers weekday mornings for support calls.",
            "Caller has a Premium plan renewal due next month.",
            "I can only do mornings before 9am; I'm vegetarian.",
            "The de facto rule is 5 days, 2 weeks at most",
            "Table for 4 at 19:30 on the 24th, 2 adults and 2 children",
            "GB and DE customers get 14 days, AT12 rules apply in the north and the south of the country",
            "Caller's postcode is SW1A 1AA and the flat is 12b",
            "She wants 1200 1300 or 1400 units in the next 3 quarters",
        ]
    )


NEGATIVES = [a_phone, an_order, a_date, a_uuid, an_address, a_price, a_tracking_number, talk_of_passwords, a_name_of_a_thing, plain_talk]


def sentences(makers, seed):
    rng = random.Random(seed)
    return [(make.__name__, make(rng)) for make in makers for _ in range(PER_KIND)]
