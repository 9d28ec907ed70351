"""Structured secrets are found however they are written, and what only looks like one is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import luhn

from agentmem.text.secrets import redact, secrets

SECRETS = [
    "4111-1111-1111-1111",
    "4１１１ １１１１ １１１１ １１１１",
    "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
    "41\u200b11111111111111",
    "card 4111111111111111 exp 12/27 cvv 123",
    "My Amex is 3782 822463 10005",
    "30569309025904",
    "4222222222222",
    "Discover 6011000990139424",
    "paid with 4000056655665556",
    "de89 3704 0044 0532 0130 00",
    "GB29NWBK60161331926819.",
    "fr14 2004 1010 0505 0001 3m02 606",
    "N L 9 1 A B N A 0 4 1 7 1 6 4 3 0 0",
    "AWS secret wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY is the secret access key",
    "AKIAIOSFODNN7EXAMPLE",
    "key=AbCd1234EfGh5678",
    'api_key: "0123456789abcdef0123456789abcdef"',
    "sk-abcdefghijklmnopqrstuvwx",
    "xoxp-1234567890-abcdef",
    "Use bearer abcdef1234567890abcdef",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-def_ghi",
    "-----BEGIN CERTIFICATE-----MIIB",
    "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nAbC=\n-----END RSA PRIVATE KEY-----",
    "postgres://scott:tiger@localhost/db",
    "Server=db;Password=tiger;",
    "my pin's 1234",
    "PIN 1 2 3 4",
    "My pin for the app is 4821",
    "CVC code 123",
    "SSN 123-45-6789",
    "pw: Hunter2!",
    "password hunter2",
    "the password\u2019s hunter2",
    "Password: swordfish",
    "password: 1234",
    "password is correct horse battery staple",
    "My password is: \u201cp@ss word 1\u201d",
    "the pass\u200bword is hunter2",
    "I set my password to Summer2024",
    "the password which I use is hunter2, which password is hunter3",
    "密码是 hunter2",
]
NO_SECRETS = [
    "Order 1234567890123456 and tracking 9400 1000 0000 0000 0000 00",
    "order number 4111111111111111",
    "call me at 49 151 1234 5678 or +4911111111111111",
    "4111 1111 1111 1112",
    "IMEI 490154203237518, EAN 4006381333931",
    "DE89 3704 0044 0532 0130 01",
    "idempotency key 550e8400-e29b-41d4-a716-446655440000",
    "see /docs/v2/authentication/oauth2.html for the token",
    "the key is order-2025-07-22-item-44",
    "please reset the token for sarah_chen2025@example.org",
    "git commit 0123456789abcdef0123456789abcdef01234567",
    "https://user@example.org/ and 10.0.0.1:8080",
    "The PIN is 4 digits, pin the meeting to 1200, pinned at 1300",
    "security code was not accepted, confirmation code 7Q2X9P, zip code 94105",
    "boarding pass AB12345",
    "Password: ********",
    "The password is expired, the passcode is printed on the card, the password is correct.",
    "Caller forgot her password and wants a reset by SMS",
    "password is 8 characters long",
]


@pytest.mark.parametrize("text", SECRETS)
def test_a_secret_is_found(text):
    assert secrets(text)


@pytest.mark.parametrize("text", NO_SECRETS)
def test_what_is_no_secret_is_left_alone(text):
    assert redact(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Pay with ４１１１ 1111 1111 1111, please", "Pay with [card number], please"),
        ("IBAN de89 3704 0044 0532 0130 00 by Friday", "IBAN [bank account] by Friday"),
        ("my password is hunter2 and my PIN is 4821", "my password is [password] and my PIN is [code]"),
        ("Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sig", "Authorization: [token]"),
        ("nothing here", "nothing here"),
        ("", ""),
    ],
)
def test_a_secret_is_replaced_by_its_kind_and_the_rest_stays(text, shown):
    assert redact(text) == shown


@pytest.mark.parametrize("length", [12, 13, 19, 20])
def test_a_card_number_has_13_to_19_digits(length):
    number = "4" + "1" * (length - 2)
    assert bool(secrets(f"my card is {number}{luhn.calc_check_digit(number)}")) is (13 <= length <= 19)


@given(st.text())
def test_redacting_twice_changes_nothing_more(text):
    once = redact(text)
    assert redact(once) == once


@given(st.text(alphabet="0123456789 -.pPiIn:=\u200b１eyJ", max_size=200))
def test_the_places_of_secrets_are_in_order_and_inside_the_text(text):
    last = 0
    for secret in secrets(text):
        assert last <= secret.start < secret.end <= len(text)
        last = secret.end


@pytest.mark.parametrize(
    "piece", ["1 ", "1-", "a1", "pin ", "password ", "password is ", "-----BEGIN A-----", "DE89 ", "x" * 40]
)
def test_no_text_takes_long(piece):
    secrets(piece * (20_000 // len(piece)))
