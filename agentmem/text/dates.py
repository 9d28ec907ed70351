"""Gives what is said of days relative to today the date it meant. Pure functions.

A memory is read weeks later, when "next Friday" is another Friday, so the date
is put behind it. Dates are UTC's, and English is read.

    >>> from datetime import UTC, datetime
    >>> dated("Caller wants a call next Friday", datetime(2025, 7, 22, 10, 30, tzinfo=UTC))
    'Caller wants a call next Friday (2025-07-25)'
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

_Meaning: TypeAlias = "Callable[[re.Match[str], date, str], str]"


def dated(text: str, at: datetime) -> str:
    """Put the date behind each phrase of a text that is relative to the moment it was said.

    A phrase that has a date is left as it is, so that doing it twice changes
    nothing more. A weekday with no more than "on" before it is the next one, or
    after a verb of the past the last one.

    Args:
        text: What was said, or what is to be remembered of it.
        at: When it was said.
    """
    today = at.astimezone(UTC).date()

    def with_date(found: re.Match[str]) -> str:
        if found["has_date"] is not None:
            return found[0]
        for pattern, meaning in _RULES:
            if phrase := pattern.fullmatch(found[0]):
                return f"{found[0]}{_in_brackets(meaning, phrase, today, text[: found.start()])}"
        raise AssertionError("every phrase is one of a rule")

    return _PHRASE.sub(with_date, text)


def _in_brackets(meaning: _Meaning, phrase: re.Match[str], today: date, before: str) -> str:
    try:
        return f" ({meaning(phrase, today, before)})"
    except (OverflowError, ValueError):  # before the year 1, or after 9999
        return ""


# --- what phrases are made of -----------------------------------------------------------------------------------------

_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_NUMBERS: Final = {
    word: number
    for number, words in enumerate(
        ("", "a an one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
    )
    for word in words.split()
}
_MONTHS: Final = "january|february|march|april|may|june|july|august|september|october|november|december"
_SATURDAY: Final = 5
_WEEK: Final = timedelta(weeks=1)
_DAY: Final = timedelta(days=1)

_WEEKDAY: Final = rf"(?P<day>{'|'.join(_DAYS)})"
_COUNT: Final = rf"(?P<count>\d{{1,3}}|{'|'.join(_NUMBERS)})\s+(?P<unit>day|week|fortnight|month|year)s?"
_PART: Final = r"(?:\s+(?:early\s+|late\s+)?(?:morning|noon|afternoon|evening|night))?"
_EXPLICIT: Final = (
    rf"(?=[^.;()\n]{{0,20}}\(\d{{4}}\b)|(?=,?\s+(?:the\s+)?(?:\d{{1,2}}(?:st|nd|rd|th)\b|\d{{1,2}}[./]\d|\d{{4}}-\d"
    rf"|\d{{1,2}}\s+(?:of\s+)?(?:{_MONTHS})\b|(?:{_MONTHS})\s+\d))"
)
_HABIT: Final = r"\s+(?:mornings|noons|afternoons|evenings|nights)\b"


def _weekday(phrase: re.Match[str]) -> int:
    return _DAYS.index(phrase["day"].casefold())


def _ahead(today: date, weekday: int) -> date:
    """Return the first such day after today."""
    return today + timedelta(days=(weekday - today.weekday() - 1) % 7 + 1)


def _behind(today: date, weekday: int) -> date:
    """Return the last such day before today."""
    return _ahead(today, weekday) - _WEEK if today.weekday() != weekday else today - _WEEK


def _monday(today: date) -> date:
    return today - timedelta(days=today.weekday())


def _moved(today: date, phrase: re.Match[str], sign: int) -> str:
    """Return the day so many days or weeks away, or the month or the year."""
    given = phrase["count"].casefold()
    count = sign * (int(given) if given.isdigit() else _NUMBERS[given])
    unit = phrase["unit"].casefold()
    if unit == "year":
        return _year(today, count)
    if unit == "month":
        return _month(today, count)
    return (today + count * {"day": _DAY, "week": _WEEK, "fortnight": 2 * _WEEK}[unit]).isoformat()


def _month(today: date, count: int) -> str:
    months = today.year * 12 + today.month - 1 + count
    return date(months // 12, months % 12 + 1, 1).isoformat()[:7]


def _year(today: date, count: int) -> str:
    return date(today.year + count, 1, 1).isoformat()[:4]


def _span(unit: str, today: date, count: int) -> str:
    """Return the week, weekend, month or year so many away from this one."""
    if unit == "month":
        return _month(today, count)
    if unit == "year":
        return _year(today, count)
    monday = _monday(today) + count * _WEEK
    first = monday + timedelta(days=_SATURDAY) if unit == "weekend" else monday
    return f"{first.isoformat()} to {(monday + _WEEK - _DAY).isoformat()}"


# --- tense ------------------------------------------------------------------------------------------------------------

_PAST: Final = re.compile(
    r"was|were|had|did|came|got|went|left|sent|paid|bought|spoke|called|met|saw|took|gave|made|broke|lost|\w{2,}ed"
)
# These look forward, or look back on what lies ahead: "asked for a call on Monday".
_COMING: Final = re.compile(
    r"will|would|shall|should|must|can|could|may|to|wants?|needs?|wishe?s?|is|are|be|asks?|due|arrives?|expects?|\w+ing|"
    r"(?:want|need|ask|agree|plan|schedul|reschedul|book|rebook|request|arrang|expect|reserv|suppos|mov|postpon|"
    r"confirm|invit|offer|preferr?|hop|intend|decid|remind|suggest|promis)e?d|told|said"
)
_WORDS_BACK: Final = 8


def _past(before: str) -> bool:
    """Return whether the last verb before a phrase, in its sentence, is of the past."""
    sentence = re.split(r"[.!?;\n]", before[-200:])[-1]
    for word in reversed(re.findall(r"[^\W\d_]+", sentence.casefold())[-_WORDS_BACK:]):
        if _COMING.fullmatch(word):
            return False
        if _PAST.fullmatch(word):
            return True
    return False


# --- the phrases, and what they mean ----------------------------------------------------------------------------------


def _bare_weekday(phrase: re.Match[str], today: date, before: str) -> str:
    past = phrase["before"].casefold() == "since" or _past(before)
    return (_behind if past else _ahead)(today, _weekday(phrase)).isoformat()


def _named_weekday(phrase: re.Match[str], today: date, _before: str) -> str:
    which = phrase["which"].casefold()
    weekday = _weekday(phrase)
    if which in {"last", "past", "previous"}:
        return _behind(today, weekday).isoformat()
    if which == "this" and today.weekday() == weekday:
        return today.isoformat()
    return _ahead(today, weekday).isoformat()


def _day_of_week(phrase: re.Match[str], today: date, _before: str) -> str:
    away = {"last": -1, "this": 0, "next": 1}[phrase["which"].casefold()]
    return (_monday(today) + away * _WEEK + timedelta(days=_weekday(phrase))).isoformat()


def _from_weekday(phrase: re.Match[str], today: date, _before: str) -> str:
    return _moved(_ahead(today, _weekday(phrase)), phrase, 1)


def _from_day(phrase: re.Match[str], today: date, _before: str) -> str:
    anchor = {"yesterday": -1, "tomorrow": 1}.get(phrase["anchor"].casefold(), 0)
    return _moved(today + timedelta(days=anchor), phrase, 1)


def _near(phrase: re.Match[str], today: date, _before: str) -> str:
    words = phrase[0].casefold().split()
    if "tomorrow" in words:
        return (today + (2 if "after" in words else 1) * _DAY).isoformat()
    if "yesterday" in words or words == ["last", "night"]:
        return (today - (2 if "before" in words else 1) * _DAY).isoformat()
    return today.isoformat()


def _whole(phrase: re.Match[str], today: date, _before: str) -> str:
    away = {"last": -1, "previous": -1, "this": 0, "next": 1, "coming": 1}[phrase["which"].casefold()]
    return _span(phrase["unit"].casefold(), today, away)


_NEAR: Final = (
    rf"(?:the\s+)?day\s+(?:after\s+tomorrow|before\s+yesterday)|(?:tomorrow|yesterday){_PART}|today|tonight|last\s+night"
    r"|this\s+(?:morning|afternoon|evening)"
)
_WRITTEN: Final[tuple[tuple[str, _Meaning], ...]] = (
    (rf"{_COUNT}\s+(?:from|after)\s+(?:this\s+|next\s+)?{_WEEKDAY}{_PART}", _from_weekday),
    (rf"{_COUNT}\s+(?:from|after)\s+(?P<anchor>now|today|tomorrow|yesterday)", _from_day),
    (rf"in\s+{_COUNT}(?:'?\s+time)?", lambda phrase, today, _: _moved(today, phrase, 1)),
    (rf"{_COUNT}\s+ago", lambda phrase, today, _: _moved(today, phrase, -1)),
    (_NEAR, _near),
    (
        rf"(?:on\s+|by\s+)?{_WEEKDAY}{_PART}\s+after\s+next",
        lambda phrase, today, _: (_ahead(today, _weekday(phrase)) + _WEEK).isoformat(),
    ),
    (rf"(?:on\s+|by\s+)?{_WEEKDAY}{_PART},?\s+(?:of\s+)?(?P<which>last|this|next)\s+week", _day_of_week),
    (rf"(?P<which>last|this|next)\s+week,?\s+(?:on\s+)?{_WEEKDAY}{_PART}", _day_of_week),
    (rf"(?:this\s+)?(?P<which>next|this|last|past|previous|coming|upcoming)\s+{_WEEKDAY}{_PART}", _named_weekday),
    (
        rf"(?P<before>on|by|until|till|before|after|from|since|for|to)\s+{_WEEKDAY}{_PART}(?!{_HABIT})",
        _bare_weekday,
    ),
    (r"(?:the\s+)?(?P<unit>week|month|year)\s+after\s+next", lambda phrase, today, _: _span(_unit(phrase), today, 2)),
    (r"(?:the\s+)?(?P<unit>week|month|year)\s+before\s+last", lambda phrase, today, _: _span(_unit(phrase), today, -2)),
    (r"(?P<which>last|previous|this|next|coming)\s+(?P<unit>week|weekend|month|year)(?!\s+of\b)", _whole),
)


def _unit(phrase: re.Match[str]) -> str:
    return phrase["unit"].casefold()


_RULES: Final = tuple((re.compile(written, re.IGNORECASE), meaning) for written, meaning in _WRITTEN)
_ANY: Final = "|".join(re.sub(r"\(\?P<\w+>", "(?:", written) for written, _ in _WRITTEN)
# "twice in a week" is a rate, "Mondays" and "Monday-ish" are no day.
_PHRASE: Final = re.compile(
    rf"(?<![\w'-])(?<!once )(?<!twice )(?<!times )(?<!every )(?<!each )(?:{_ANY})(?![\w-])(?!['\u2019]\w)"
    rf"(?P<has_date>{_EXPLICIT})?",
    re.IGNORECASE,
)
