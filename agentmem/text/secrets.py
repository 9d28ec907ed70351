"""Finds structured secrets in text: card numbers, accounts, keys, tokens, passwords, PINs. Pure functions.

Phone, order and tracking numbers, dates, prices, UUIDs and e-mail addresses are
no secrets. Text is read as a person would: full-width digits are digits, and
what cannot be seen is not there.

    >>> redact("Pay with 4111 1111 1111 1111, please")
    'Pay with [card number], please'
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final

from agentmem.text import accounts, credentials

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Secret:
    """One secret in a text: what it is, and where it stands."""

    kind: str
    start: int
    end: int


def secrets(text: str) -> list[Secret]:
    """Return the secrets in a text, in order; where two overlap, they are one.

    >>> [secret.kind for secret in secrets("My PIN is 4821 and my order number is 4821-77")]
    ['code']
    """
    read = _Visible.of(text)
    joined: list[Secret] = []
    for start, end, kind in sorted(chain(accounts.found(read.text), credentials.found(read.text))):
        first, last = read.places[start], read.places[end - 1] + 1
        if joined and first < joined[-1].end:
            joined[-1] = Secret(joined[-1].kind, joined[-1].start, max(last, joined[-1].end))
        else:
            joined.append(Secret(kind, first, last))
    return joined


def redact(text: str) -> str:
    """Put each secret's kind, in brackets, in its place; doing it twice changes nothing more."""
    parts: list[str] = []
    done = 0
    for secret in secrets(text):
        parts += [text[done : secret.start], f"[{secret.kind}]"]
        done = secret.end
    return "".join([*parts, text[done:]])


_MINUS: Final = "\u2212"
_SINGLE_QUOTES: Final = "\u2018\u2019\u201a\u2039\u203a"
_LOW_QUOTES: Final = "\u201a\u201e"


@dataclass(frozen=True, slots=True)
class _Visible:
    """A text as it is read, and for each of its characters the place in the original."""

    text: str
    places: Sequence[int]

    @classmethod
    def of(cls, text: str) -> _Visible:
        if text.isascii():
            return cls(text, range(len(text)))
        pairs = [(shown, place) for place, character in enumerate(text) for shown in _shown(character)]
        return cls("".join(shown for shown, _ in pairs), [place for _, place in pairs])


def _shown(character: str) -> str:
    if character.isascii():
        return character
    category = unicodedata.category(character)
    if category == "Cf":
        return ""
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if category == "Pd" or character == _MINUS:
        return "-"
    if category in {"Pi", "Pf"} or character in _LOW_QUOTES:
        return "'" if character in _SINGLE_QUOTES else '"'
    return " " if category in {"Zs", "Zl", "Zp"} else unicodedata.normalize("NFKC", character)
