"""Finds card numbers and IBANs, by their digits and what stands before them. Pure functions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from stdnum import iban, luhn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def found(text: str) -> Iterator[tuple[int, int, str]]:
    """Return where each of them begins and ends, and what it is."""
    yield from ((start, end, "card number") for start, end in _cards(text))
    yield from ((start, end, "bank account") for start, end in _ibans(text))


# --- card numbers -----------------------------------------------------------------------------------------------------

_DIGITS: Final = re.compile(r"(?<![\w+])\+?\d(?:[ .\-/_\t]{0,3}\d){12,30}(?!\w)")
_GROUP: Final = re.compile(r"\d+")
_LENGTHS: Final = range(13, 20)
_GROUPS: Final = {(4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 1), (4, 4, 4, 3), (4, 4, 4, 4, 3), (8, 8)}
_LONGER_THAN_PHONES: Final = 16
_BEHIND: Final = 8
"""How many digits may follow a card number: an expiry date and a code."""

_BEFORE: Final = 60
# How numbers of cards that are issued begin, and how long they are.
_ISSUED: Final = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"  # Visa
    r"|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}"  # Mastercard
    r"|3[47]\d{13}"  # American Express
    r"|6(?:011|5\d\d|4[4-9]\d)\d{12,15}"  # Discover
    r"|35(?:2[89]|[3-8]\d)\d{12,15}"  # JCB
    r"|3(?:0[0-5]|[689]\d)\d{11,16}"  # Diners
    r"|62\d{14,17}"  # UnionPay
    r"|(?:5018|5020|5038|5[6-8]\d\d|6304|6759|676[1-3])\d{9,15}"  # Maestro
)
_PAYING: Final = re.compile(
    r"\b(?:cards?|visa|master ?card|maestro|amex|american express|discover|diners|jcb|union ?pay|credit|debit|cc|pan"
    r"|karte|kreditkarte|carte|tarjeta|carta)\b[^.!?\d]{0,40}$",
    re.IGNORECASE,
)
_NUMBERED: Final = re.compile(
    r"\b(?:orders?|tracking|trace|parcels?|packages?|shipments?|consignment|waybill|invoices?|tickets?|bookings?"
    r"|reservations?|references?|ref|imei|serial|sku|isbn|ean|gtin|upc|barcode|phone|mobile|fax|call|tel|customer|account"
    r"|member|membership|policy|case|claim|confirmation|transaction|meter|part|article|item|timestamp)"
    r"(?:[\s:#,]*(?:numbers?|no\.?|nr\.?|num|ids?|codes?|ref|is|was|as|at|on|me|us|ending|of|=))*[\s:#(\"'-]*$",
    re.IGNORECASE,
)


def _cards(text: str) -> Iterator[tuple[int, int]]:
    for run in _DIGITS.finditer(text):
        groups = list(_GROUP.finditer(text, run.start(), run.end()))
        before = text[max(0, run.start() - _BEFORE) : run.start()]
        if not run[0].startswith("+") and (_is_card(groups, before) or _begins_with_card(groups)):
            yield run.span()


def _is_card(groups: Sequence[re.Match[str]], before: str) -> bool:
    digits = "".join(group[0] for group in groups)
    if len(digits) not in _LENGTHS or not luhn.is_valid(digits):
        return False
    if _PAYING.search(before):
        return True
    likely = (len(groups) == 1 or len(digits) >= _LONGER_THAN_PHONES) and not _NUMBERED.search(before)
    return (likely or _sizes(groups) in _GROUPS) and _ISSUED.fullmatch(digits) is not None


def _begins_with_card(groups: Sequence[re.Match[str]]) -> bool:
    """Return whether the first groups are a card number, and the others can be what stands beside it on the card."""
    for count in range(1, len(groups)):
        digits = "".join(group[0] for group in groups[:count])
        others = sum(len(group[0]) for group in groups[count:])
        usual = count == 1 or _sizes(groups[:count]) in _GROUPS
        if usual and others <= _BEHIND and _ISSUED.fullmatch(digits) and luhn.is_valid(digits):
            return True
    return False


def _sizes(groups: Sequence[re.Match[str]]) -> tuple[int, ...]:
    return tuple(len(group[0]) for group in groups)


# --- IBANs ------------------------------------------------------------------------------------------------------------

_IBAN: Final = re.compile(
    r"(?<![A-Z0-9])(?=((?:[A-Z][ .\-]{0,3}){2}(?:\d[ .\-]{0,3}){2}(?:[A-Z0-9][ .\-]{0,3}){10,32}))", re.IGNORECASE
)
_SHORTEST: Final = 15


def _ibans(text: str) -> Iterator[tuple[int, int]]:
    for candidate in _IBAN.finditer(text):
        start = candidate.start()
        places = [place for place in range(start, candidate.end(1)) if text[place].isalnum()]
        for count in range(len(places), _SHORTEST - 1, -1):
            end = places[count - 1] + 1
            whole = not text[end : end + 1].isalnum()
            if whole and iban.is_valid("".join(text[place] for place in places[:count]), check_country=False):
                yield start, end
                break
