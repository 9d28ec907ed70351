"""What is relative to the day of a conversation gets its date, once, and nothing else is touched."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmem.text.dates import dated

TUESDAY = datetime(2025, 7, 22, 10, 30, tzinfo=UTC)
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
PHRASES = [
    *("tomorrow", "yesterday", "today", "tonight", "last week", "next month", "this weekend", "in two weeks"),
    *("a week from Friday", "3 days ago", "Friday of next week", "the Friday after next", "last night"),
    *(f"{which} {day}" for which in ("next", "last", "on", "by", "since", "this") for day in DAYS),
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Caller wants a call next Friday", "Caller wants a call next Friday (2025-07-25)"),
        ("Caller wants a call next Tuesday.", "Caller wants a call next Tuesday (2025-07-29)."),
        ("this Tuesday, last Tuesday", "this Tuesday (2025-07-22), last Tuesday (2025-07-15)"),
        ("Tomorrow morning or on Monday?", "Tomorrow morning (2025-07-23) or on Monday (2025-07-28)?"),
        ("yesterday evening and last night", "yesterday evening (2025-07-21) and last night (2025-07-21)"),
        ("this evening, tonight, today", "this evening (2025-07-22), tonight (2025-07-22), today (2025-07-22)"),
        ("the day after tomorrow", "the day after tomorrow (2025-07-24)"),
        ("day before yesterday", "day before yesterday (2025-07-20)"),
        ("last week", "last week (2025-07-14 to 2025-07-20)"),
        ("next week", "next week (2025-07-28 to 2025-08-03)"),
        ("this weekend", "this weekend (2025-07-26 to 2025-07-27)"),
        ("the week after next", "the week after next (2025-08-04 to 2025-08-10)"),
        ("the week before last", "the week before last (2025-07-07 to 2025-07-13)"),
        ("next month, last year", "next month (2025-08), last year (2024)"),
        ("in two weeks", "in two weeks (2025-08-05)"),
        ("in 3 days' time", "in 3 days' time (2025-07-25)"),
        ("in six months, two years ago", "in six months (2026-01), two years ago (2023)"),
        ("two weeks ago", "two weeks ago (2025-07-08)"),
        ("a week from Friday", "a week from Friday (2025-08-01)"),
        ("two days after tomorrow", "two days after tomorrow (2025-07-25)"),
        ("three weeks from now", "three weeks from now (2025-08-12)"),
        ("Friday of next week", "Friday of next week (2025-08-01)"),
        ("next week on Friday", "next week on Friday (2025-08-01)"),
        ("the Friday after next", "the Friday after next (2025-08-01)"),
        ("until Thursday", "until Thursday (2025-07-24)"),
        ("since Friday", "since Friday (2025-07-18)"),
        ("ON FRIDAY", "ON FRIDAY (2025-07-25)"),
    ],
)
def test_a_phrase_gets_the_date_that_it_meant(text, expected):
    assert dated(text, TUESDAY) == expected


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("The parcel arrived on Monday", "2025-07-21"),
        ("Caller was in Bergen on Friday", "2025-07-18"),
        ("Caller asked for a call on Monday", "2025-07-28"),
        ("The parcel arrives on Monday", "2025-07-28"),
        ("Caller was told that it will come on Monday", "2025-07-28"),
        ("Caller moved to Oslo. Is free on Monday", "2025-07-28"),
        ("on Tuesday", "2025-07-29"),
    ],
)
def test_a_weekday_is_the_next_one_unless_the_sentence_speaks_of_the_past(text, day):
    assert dated(text, TUESDAY).startswith(f"{text} ({day})")


@pytest.mark.parametrize(
    "text",
    [
        "Caller is free on Mondays, every Friday, on Friday mornings and on Monday-Friday",
        "Expected delivery Friday July 25. On Friday, July 25th; by Friday the 25th; on Friday 25 July; on Friday 7/25",
        "Promised a follow-up within 24 hours, twice in a week, five times in a month",
        "the last week of August",
        "Call back Friday",
        "tomorrow's call, today's mood",
        "next Friday at 10 am (2025-07-25)",
        "Caller has lived here for 3 years",
        "Mondayish, someday, nexting Friday",
        "",
    ],
)
def test_what_is_no_day_of_its_own_or_has_its_date_is_left_as_it_is(text):
    assert dated(text, TUESDAY) == text


def test_dates_are_those_of_utc():
    late = datetime(2025, 7, 22, 23, 30, tzinfo=timezone(timedelta(hours=-5)))
    assert dated("tomorrow", late) == "tomorrow (2025-07-24)"


@pytest.mark.parametrize(
    ("text", "at"),
    [("999 years ago", datetime(2, 1, 1, tzinfo=UTC)), ("in 2 weeks", datetime(9999, 12, 31, tzinfo=UTC))],
)
def test_a_day_outside_the_calendar_has_no_date(text, at):
    assert dated(text, at) == text


texts = st.lists(st.one_of(st.sampled_from(PHRASES), st.sampled_from(DAYS), st.text(max_size=12)), max_size=6).map(
    " ".join
)
moments = st.datetimes(datetime(3, 1, 1), datetime(9990, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone


@given(texts, moments, moments)
def test_a_date_is_given_once_whenever_it_is_read_again(text, at, later):
    once = dated(text, at)
    assert dated(once, at) == once
    assert dated(once, later) == once


@given(texts, moments)
def test_nothing_but_dates_is_added(text, at):
    added = re.compile(r" \(\d{4}(?:-\d\d)?(?:-\d\d)?(?: to \d{4}-\d\d-\d\d)?\)")
    if not added.search(text):
        assert added.sub("", dated(text, at)) == text


@given(st.sampled_from(DAYS), st.sampled_from(["next", "last"]), moments)
def test_next_is_within_the_coming_seven_days_and_last_within_the_past_seven(day, which, at):
    found = datetime.fromisoformat(re.search(r"\((.*)\)", dated(f"{which} {day}", at))[1]).date()
    away = (found - at.date()).days
    assert DAYS[found.weekday()] == day
    assert 1 <= (away if which == "next" else -away) <= 7
