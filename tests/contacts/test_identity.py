"""What a person is known by: one spelling of each thing, what is refused, and what does not count."""

from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmem import InvalidInputError
from agentmem.contacts.identity import (
    EMAIL,
    PHONE,
    Identity,
    blacklisted,
    known_by,
    normalise_email,
    normalise_phone,
    parse_source,
)

ONE_NUMBER = [
    "+14155550192", "(415) 555-0192", "415.555.0192", "1 415 555 0192", "+1 (415) 555-0192", " tel:+1-415-555-0192 ",
    "011 1 415 555 0192", "＋１４１５５５５０１９２", "+1 415/555/0192", "415-555-0192 ext. 7",
]  # fmt: skip
NO_NUMBERS = [
    "", " ", "zebra", "+", "+1", "123", "+1 415 555 019", "+1 415 555 0192 3333", "+999123456789",
    "call zebra +14155550192", "1-800-ZEBRAS", "+1415555\x000192", "\ud800", "4" * 256, 14155550192, None, b"+44", [],
]  # fmt: skip
NO_ADDRESSES = [
    "", " ", "zebra", "@", "zebra@", "@zebra", "zebra@x@y", "ze bra@x.com", "zebra@x .com", "zebra@x\u00a0.com",
    "zebra@x.com\x00", "zebra@\ud800", "zebra@" + "x" * 250, "ß" * 200 + "@zebra", 5, None, b"zebra@x.com",
]  # fmt: skip


def phone(value, region="US"):
    return normalise_phone(value, region=region, limit=255)


def email(value):
    return normalise_email(value, limit=255)


@pytest.mark.parametrize("written", ONE_NUMBER)
def test_a_number_is_one_however_it_is_written(written):
    assert phone(written) == "+14155550192"


def test_a_number_is_read_in_the_region_that_is_given():
    assert phone("020 7946 0958", "GB") == phone("020 7946 0958", "gb") == "+442079460958"
    assert phone("+44 20 7946 0958", None) == "+442079460958"


@pytest.mark.parametrize("written", NO_NUMBERS)
def test_what_is_no_possible_number_is_refused_and_not_repeated(written):
    with pytest.raises(InvalidInputError, match=r"^phone: ") as caught:
        phone(written)
    assert "zebra" not in str(caught.value).lower()
    assert "4155550192" not in str(caught.value)


@pytest.mark.parametrize("region", [None, "XX", "zebra"])
def test_a_number_without_a_country_code_needs_a_known_region(region):
    with pytest.raises(InvalidInputError, match=r"country code.*default_region"):
        phone("(415) 555-0192", region)


@given(st.integers(min_value=2_000_000_000, max_value=9_999_999_999), st.sampled_from(["{}", "({}) {}-{}", "{}.{} {}"]))
def test_a_normalised_number_stays_as_it_is(number, form):
    digits = str(number)
    parts = [digits] if form == "{}" else [digits[:3], digits[3:6], digits[6:]]
    once = phone(form.format(*parts))
    assert phone(once) == phone(once, None) == once == f"+1{digits}"


COUNTRY_CODES = st.sampled_from(sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE))


@given(COUNTRY_CODES, st.from_regex(r"0{0,3}[0-9]{4,12}", fullmatch=True))
def test_a_normalised_number_of_any_country_stays_as_it_is(country_code, rest):
    try:
        once = phone(f"+{country_code} {rest}")
    except InvalidInputError:
        return
    assert phone(once) == once


@given(st.text(max_size=30))
def test_any_text_is_a_number_or_refused(text):
    try:
        once = phone(text)
    except InvalidInputError as error:
        assert str(error).startswith("phone: ")  # noqa: PT017 - the other outcome is as good
    else:
        assert phone(once, None) == once


def test_the_case_of_an_address_and_the_blanks_around_it_do_not_count():
    assert email(" Ada.Lovelace@Example.COM\n") == "ada.lovelace@example.com"
    assert email("STRASSE@x.de") == email("straße@x.de")


@pytest.mark.parametrize("written", NO_ADDRESSES)
def test_what_is_no_address_is_refused_and_not_repeated(written):
    with pytest.raises(InvalidInputError, match=r"^email: ") as caught:
        email(written)
    assert "zebra" not in str(caught.value)


@given(st.text(max_size=20), st.text(max_size=20))
def test_a_normalised_address_stays_as_it_is(local, domain):
    try:
        once = email(f"{local}@{domain}")
    except InvalidInputError:
        return
    assert email(once) == once
    assert once.count("@") == 1


def test_what_is_known_comes_in_the_order_it_counts():
    found = known_by(phone="415 555 0192", email="Ada@x.com", external_id=" C-1 ", region="US", limit=255)
    assert [(one.kind, one.value) for one in found] == [
        ("external_id", " C-1 "),
        ("phone", "+14155550192"),
        ("email", "ada@x.com"),
    ]
    assert known_by(phone=None, email=None, external_id=None, region=None, limit=255) == ()


ATTRIBUTES = {"sip_headers": {"X-Customer-ID": " 42 ", "Other": "no"}, "integration": {"crm": 43, "flag": True}}


FOUND = [
    ("sip_header:X-Customer-Id", Identity("sip_header:x-customer-id", "42")),
    ("sip_header: x-CUSTOMER-id", Identity("sip_header:x-customer-id", "42")),
    ("integration_attribute:crm", Identity("integration_attribute:crm", "43")),
    ("state:Crm", Identity("state:Crm", "s-1")),
    ("state: Crm ", Identity("state:Crm", "s-1")),
    ("state:crm", None),
]


@pytest.mark.parametrize(("source", "identity"), FOUND)
def test_a_custom_identifier_is_found_where_its_source_says_under_one_kind(source, identity):
    assert parse_source(source).identity(ATTRIBUTES, {"Crm": "s-1"}, limit=255) == identity


@pytest.mark.parametrize("source", ["sip_header:none", "integration_attribute:none", "state:none", "state:blank"])
def test_a_custom_identifier_that_is_not_there_is_none(source):
    assert parse_source(source).identity(ATTRIBUTES, {"blank": " "}, limit=255) is None
    assert parse_source(source).identity(None, None, limit=255) is None
    assert parse_source(source).identity({"sip_headers": None}, {}, limit=255) is None


@pytest.mark.parametrize("value", [True, 1.5, ["zebra"], {"zebra": 1}, "zebra\x00", "\ud800", "z" * 256])
def test_a_custom_identifier_that_is_no_id_is_refused_and_not_repeated(value):
    for source, attributes, state in (
        ("sip_header:x", {"sip_headers": {"X": value}}, {}),
        ("integration_attribute:x", {"integration": {"x": value}}, {}),
        ("state:x", {}, {"x": value}),
    ):
        with pytest.raises(InvalidInputError, match=r"^(attributes|state): ") as caught:
            parse_source(source).identity(attributes, state, limit=255)
        assert "zebra" not in str(caught.value)


def test_attributes_that_are_no_mapping_are_refused():
    with pytest.raises(InvalidInputError, match="attributes: sip_headers must be a mapping"):
        parse_source("sip_header:x").identity({"sip_headers": "zebra"}, None, limit=255)


@pytest.mark.parametrize(
    "source", ["", "x", "phone", "sip_header", "sip_header:", "sip_header: ", "SIP_HEADER:x", 5, None]
)
def test_a_source_names_a_place_and_something_there(source):
    with pytest.raises(InvalidInputError, match="identifier_source"):
        parse_source(source)


@pytest.mark.parametrize("entry", ["+440000000000", "+44 (0000) 000-000", "+44/0000", "+44.0", "+", "+44\t00"])
def test_an_identifier_that_begins_with_an_entry_does_not_count(entry):
    assert blacklisted(Identity(PHONE, "+440000000000"), ["+1", entry])


def test_seed_000_its_blacklisted_number_does_not_count_however_its_zeros_are_read():
    entry = "+440000000000"
    assert phone(entry) != entry
    for written in (entry, "+44 0000 000000", phone(entry)):
        assert blacklisted(Identity(PHONE, phone(written)), [entry])
    assert not blacklisted(Identity("user_id", phone(entry)), [entry])


@pytest.mark.parametrize("entry", ["+441", "440000000000", "0000", "+4400000000001", "", " -", "x"])
def test_an_identifier_that_begins_otherwise_counts(entry):
    assert not blacklisted(Identity(PHONE, "+440000000000"), ["+1", entry])


def test_the_case_of_an_entry_says_nothing_of_an_address_and_all_of_an_id():
    assert blacklisted(Identity(EMAIL, "test.bot@x.com"), ["Test-Bot@"])
    assert not blacklisted(Identity("user_id", "test-7"), ["TEST"])
    assert blacklisted(Identity("user_id", "test-7"), ["test"])
    assert not blacklisted(Identity("user_id", "test-7"), [])
