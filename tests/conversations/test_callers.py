"""Who is calling, by what came along and how the agent is configured."""

from __future__ import annotations

import pytest

from agentmem import AgentSettings, InvalidInputError
from agentmem.contacts.identity import Identity
from agentmem.conversations.callers import Caller, Identified, awaited, caller, identified

PHONE = Identity("phone", "+14155550192")
EMAIL = Identity("email", "ada@example.com")
NOBODY = Identified(None, ())


def known(settings=None, /, **words):
    return identified(Caller(**words), settings or AgentSettings(), limit=255)


def test_whatever_came_along_counts_in_its_order():
    assert known(user_id="ada", identities=(PHONE, EMAIL)) == Identified("ada", (PHONE, EMAIL))
    assert not known()
    assert known(user_id="ada")
    assert known(identities=(PHONE,))


def test_a_custom_source_comes_before_the_rest():
    settings = AgentSettings(identifier_source="sip_header:X-Id")
    custom = Identity("sip_header:x-id", "7")
    headers = {"sip_headers": {"x-ID": "7"}}
    assert known(settings, identities=(PHONE,), attributes=headers) == Identified(None, (custom, PHONE))
    assert known(settings, identities=(PHONE,)) == Identified(None, (PHONE,))


@pytest.mark.parametrize("missing", [{}, {"customer": None}, {"customer": " "}])
def test_with_a_source_in_the_state_nobody_is_known_before_it_is_there(missing):
    settings = AgentSettings(identifier_source="state:customer")
    assert known(settings, user_id="ada", identities=(PHONE,), state=missing) == NOBODY
    there = known(settings, user_id="ada", identities=(PHONE,), state={"customer": 7})
    assert there == Identified("ada", (Identity("state:customer", "7"), PHONE))
    assert awaited(settings).name == "customer"
    assert awaited(AgentSettings(identifier_source="sip_header:X-Id")) is awaited(AgentSettings()) is None


def test_what_is_blacklisted_does_not_count_whatever_it_is():
    settings = AgentSettings(
        identifier_source="sip_header:X-Id", identifier_blacklist=("+1 (415)", "test", "ada@EXAMPLE")
    )
    headers = {"sip_headers": {"X-Id": "test-7"}}
    assert known(settings, user_id="testing", identities=(PHONE, EMAIL), attributes=headers) == NOBODY
    assert known(settings, user_id="ada", identities=(PHONE,)) == Identified("ada", ())


def test_an_identifier_in_the_state_that_is_no_text_is_refused():
    with pytest.raises(InvalidInputError, match="state"):
        known(AgentSettings(identifier_source="state:customer"), state={"customer": ["7"]})


def test_attributes_are_copied_when_they_come():
    headers = {"X-Id": "7"}
    given = {"sip_headers": headers, "integration": None}
    one = caller(user_id=None, caller_identity="ada", identities=(), attributes=given, state={}, name="Ada", limit=255)
    headers["X-Id"] = "8"
    assert one == Caller(user_id="ada", attributes={"sip_headers": {"X-Id": "7"}}, name="Ada")
