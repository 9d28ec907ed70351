"""Who someone is: found by what counts most, linked, absorbed, merged, listed, and never another tenant's."""

from __future__ import annotations

import itertools
import subprocess
import sys
from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import insert, update

from agentmem import ConflictError, InvalidInputError, NotFoundError
from agentmem.contacts.identity import Identity
from agentmem.contacts.memory import ContactMemoryStore
from agentmem.contacts.store import ContactStore
from agentmem.models import Scope
from agentmem.tables import ContactIdentifierRow, ContactRow

from ..conftest import environment  # noqa: TID252 - the tests are no installed package
from .conftest import LIMITS, TEST

PHONE, OTHER_PHONE = "+14155550192", "+442079460958"
HOSTILE = ["%", "*", "_", "../ada", "' OR '1'='1", "ada\n", "ADA", "x" * 10_240]


def custom(value):
    return (Identity("sip_header:X-Customer-Id", value),)


def test_a_contact_has_what_it_was_made_with(rooms, clock):
    ada = rooms.person("ada", phone="415 555 0192", email="Ada@X.com", external_id="C-1")
    assert (ada.id, ada.tenant_id, ada.name, ada.phone, ada.email, ada.external_id) == (
        "ada",
        "acme",
        None,
        PHONE,
        "ada@x.com",
        "C-1",
    )
    assert ada.created_at == ada.last_seen_at == clock()
    assert rooms.contacts.get("acme", "ada") == ada
    for identity in rooms.contacts.known_by(phone=PHONE, email="ADA@x.com", external_id="C-1"):
        assert rooms.contacts.find("acme", identity) == ada
    assert rooms.contacts.find("acme", Identity("external_id", "c-1")) is None


def test_a_contact_without_an_id_gets_one_of_its_own(rooms):
    made = [rooms.contacts.create("acme", contact_id=None, identities=(), name="Ada").id for _ in range(2)]
    assert len(set(made)) == 2
    assert all(len(one) == 36 for one in made)


def test_an_id_and_an_identifier_belong_to_one_contact(rooms):
    rooms.person("ada", phone=PHONE)
    bob = rooms.person("bob")
    for write in (
        lambda: rooms.person("ada"),
        lambda: rooms.person("eve", phone=PHONE, email="eve@x.com"),
        lambda: rooms.contacts.link("acme", "bob", rooms.contacts.known_by(email="bob@x.com", phone=PHONE)),
    ):
        with pytest.raises(ConflictError) as caught:
            write()
        assert not any(secret in str(caught.value) for secret in ("ada", "bob", "415"))
    assert rooms.contacts.get("acme", "bob") == bob
    assert {row.id for row in rooms.rows(ContactRow)} == {"ada", "bob"}
    with pytest.raises(ConflictError, match=r"^phone: .*merge"):
        rooms.person("eve", phone=PHONE)


def test_a_contact_may_be_known_by_several_of_a_kind_and_linking_again_is_harmless(rooms, clock):
    rooms.person("ada", phone=PHONE)
    clock.move(hours=1)
    linked = rooms.contacts.link("acme", "ada", rooms.contacts.known_by(phone=OTHER_PHONE, email="ada@x.com"))
    assert [one.value for one in linked.identifiers] == [PHONE, "ada@x.com", OTHER_PHONE]
    assert linked.phone == PHONE
    clock.move(hours=1)
    assert rooms.contacts.link("acme", "ada", rooms.contacts.known_by(phone=OTHER_PHONE)) == linked


def test_nobody_is_met_when_nothing_is_given(rooms):
    assert rooms.meet() == (None, ())
    assert rooms.rows(ContactRow) == []


def test_who_comes_again_by_any_of_it_is_the_same_one(rooms, clock):
    first, _ = rooms.meet(phone=PHONE, email="ada@x.com", external_id="C-1", custom=custom("42"))
    clock.move(hours=1)
    for again in ({"phone": PHONE}, {"email": "ADA@x.com"}, {"external_id": "C-1"}, {"custom": custom("42")}):
        assert rooms.meet(**again) == (first, ())
    assert rooms.meet(user_id=first) == (first, ())
    contact = rooms.contacts.get("acme", first)
    assert contact.last_seen_at == clock()
    assert {one.last_seen_at for one in contact.identifiers} == {clock()}
    assert len(rooms.rows(ContactRow)) == 1


def test_a_clock_that_goes_back_makes_nobody_seen_earlier(rooms, clock):
    first, _ = rooms.meet(phone=PHONE)
    seen = rooms.contacts.get("acme", first)
    clock.move(days=-3)
    assert rooms.meet(phone=PHONE) == (first, ())
    assert rooms.contacts.get("acme", first) == seen


def test_an_unknown_user_id_makes_the_contact_with_that_id(rooms):
    assert rooms.meet(user_id="ada", phone=PHONE) == ("ada", ())
    assert rooms.meet(phone=PHONE) == ("ada", ())


def test_the_name_that_is_given_last_stays(rooms):
    rooms.meet(user_id="ada", name="Ada")
    rooms.meet(user_id="ada")
    assert rooms.contacts.get("acme", "ada").name == "Ada"
    rooms.meet(user_id="ada", name="Ada Lovelace")
    assert rooms.contacts.get("acme", "ada").name == "Ada Lovelace"


GIVEN = ("custom", "user_id", "external_id", "phone", "email")
OWN = {"custom": custom("42"), "external_id": "C-1", "phone": PHONE, "email": "ada@x.com"}


@pytest.mark.parametrize(
    ("first", "second"), [pytest.param(*pair, id="-before-".join(pair)) for pair in itertools.combinations(GIVEN, 2)]
)
def test_what_counts_more_says_who_it_is_and_what_is_someone_elses_stays_there(rooms, first, second):
    people = {}
    for kind in (first, second):  # each known by one thing, and by an id of their own, so that nobody is absorbed
        people[kind] = f"by-{kind}"
        rooms.person(people[kind], external_id=f"own-{kind}" if kind != "external_id" else "C-1")
        if kind != "user_id":
            rooms.meet(user_id=people[kind], **{kind: OWN[kind]})
    given = {kind: people[kind] if kind == "user_id" else OWN[kind] for kind in (first, second)}
    assert rooms.meet(**given) == (people[first], ())
    if second != "user_id":
        assert rooms.meet(**{second: OWN[second]})[0] == people[second]


def test_what_nobody_has_is_linked_to_whom_it_came_with(rooms):
    rooms.meet(user_id="ada", phone=PHONE)
    assert rooms.meet(phone=PHONE, email="ada@x.com", external_id="C-1") == ("ada", ())
    assert rooms.meet(external_id="C-1") == ("ada", ())
    assert rooms.meet(email="ada@x.com") == ("ada", ())


def test_a_contact_made_for_a_number_is_absorbed_by_who_turns_out_to_have_it(rooms):
    nameless, _ = rooms.meet(phone=PHONE)
    assert rooms.meet(user_id="ada", phone=PHONE) == ("ada", (nameless,))


def test_two_contacts_made_for_a_number_and_an_address_turn_out_to_be_one(rooms):
    by_phone, _ = rooms.meet(phone=PHONE)
    by_email, _ = rooms.meet(email="ada@x.com")
    assert by_phone != by_email
    assert rooms.meet(phone=PHONE, email="ada@x.com") == (by_phone, (by_email,))


@pytest.mark.parametrize("known_by", [{"external_id": "C-1"}, {"custom": custom("42")}])
def test_a_contact_with_an_id_of_the_applications_is_not_absorbed(rooms, known_by):
    other, _ = rooms.meet(phone=PHONE, **known_by)
    assert rooms.meet(user_id="ada", phone=PHONE) == ("ada", ())
    assert rooms.meet(phone=PHONE) == (other, ())
    rooms.meet(user_id="bob", phone=OTHER_PHONE)
    assert rooms.meet(user_id="ada", phone=OTHER_PHONE) == ("ada", ())


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"external_id": "C-1"}, {"external_id": "C-2"}),
        ({"custom": custom("42")}, {"custom": custom("43")}),
    ],
)
def test_two_with_ids_of_their_own_who_share_a_number_are_two(rooms, first, second):
    one, _ = rooms.meet(phone=PHONE, **first)
    other, absorbed = rooms.meet(phone=PHONE, **second)
    assert one != other
    assert absorbed == ()
    assert rooms.meet(phone=PHONE, **first) == (one, ())
    assert rooms.meet(phone=PHONE, **second) == (other, ())
    assert rooms.meet(phone=PHONE) == (one, ())


def merge(rooms, loser, winner):
    rooms.run(lambda tx: rooms.contacts.merge_identity(tx, "acme", loser, winner))


def test_the_id_of_a_merged_contact_leads_to_who_they_are(rooms):
    rooms.contacts.create("acme", contact_id="ada", identities=rooms.contacts.known_by(phone=PHONE), name="Ada")
    rooms.person("bob", email="bob@x.com")
    rooms.person("eve")
    merge(rooms, "ada", "bob")
    merge(rooms, "bob", "eve")
    for old in ("ada", "bob", "eve"):
        found = rooms.contacts.get("acme", old)
        assert (found.id, found.name, found.phone, found.email) == ("eve", "Ada", PHONE, "bob@x.com")
        assert rooms.meet(user_id=old) == ("eve", ())
        assert rooms.contacts.link("acme", old, rooms.contacts.known_by(external_id="C-1")).id == "eve"
    assert rooms.meet(phone=PHONE) == ("eve", ())
    assert [one.id for one in rooms.contacts.list("acme", limit=10, after=None)] == ["eve"]
    merged = {row.id: (row.name, row.merged_into) for row in rooms.rows(ContactRow)}
    assert merged == {"ada": (None, "eve"), "bob": (None, "eve"), "eve": ("Ada", None)}
    with pytest.raises(ConflictError, match=r"^id: "):
        rooms.person("ada")


def test_contacts_are_listed_as_they_were_made_in_pages(rooms, clock):
    made = []
    for number in range(9):
        clock.move(hours=number % 3 and 1)  # some at the same time
        made.append(rooms.person(f"{number * 7 % 10}", phone=f"+1415555010{number}"))
    rooms.person("elsewhere", tenant_id="other")
    ordered = sorted(made, key=lambda one: (one.created_at, one.id))
    seen, after = [], None
    while page := rooms.contacts.list("acme", limit=2, after=after):
        seen += page
        after = page[-1].id
    assert seen == ordered == rooms.contacts.list("acme", limit=1_000, after=None)


def test_a_page_goes_on_behind_a_contact_that_was_merged_meanwhile(rooms, clock):
    for name in ("ada", "bob", "eve"):
        rooms.person(name)
        clock.move(hours=1)
    merge(rooms, "ada", "eve")
    assert [one.id for one in rooms.contacts.list("acme", limit=9, after="ada")] == ["bob", "eve"]


@pytest.mark.parametrize("contact_id", ["nobody", "elsewhere", *HOSTILE])
def test_a_foreign_id_and_a_missing_one_are_told_apart_by_nobody(rooms, contact_id):
    rooms.person("ada", phone=PHONE)
    rooms.person("elsewhere", tenant_id="other", email="x@x.com")
    said = set()
    for call in (
        lambda: rooms.contacts.get("acme", contact_id),
        lambda: rooms.contacts.link("acme", contact_id, rooms.contacts.known_by(external_id="C-1")),
        lambda: rooms.contacts.list("acme", limit=10, after=contact_id),
    ):
        with pytest.raises(NotFoundError) as caught:
            call()
        said.add(str(caught.value).partition(":")[2])
    assert len(said) == 1
    assert "elsewhere" not in said.pop()
    assert rooms.contacts.find("acme", Identity("email", "x@x.com")) is None


def test_tenants_have_their_own_contacts_of_one_id_and_one_number(rooms):
    for tenant in ("acme", "other"):
        rooms.person("ada", tenant_id=tenant, phone=PHONE)
    rooms.contacts.link("other", "ada", rooms.contacts.known_by(email="ada@x.com"))
    assert rooms.contacts.get("acme", "ada").email is None
    assert rooms.meet(phone=PHONE, tenant_id="third")[0] != "ada"
    assert [one.tenant_id for one in rooms.contacts.list("other", limit=10, after=None)] == ["other"]


@pytest.mark.parametrize("name", ["", " ", "x" * 256, "x\x00", "\ud800", 5])
def test_a_name_is_text_that_fits(rooms, name):
    for write in (
        lambda: rooms.contacts.create("acme", contact_id="ada", identities=(), name=name),
        lambda: rooms.meet(user_id="ada", name=name),
    ):
        with pytest.raises(InvalidInputError, match=r"^name: "):
            write()
    assert rooms.rows(ContactRow) == []


class Overtaken(ContactStore):
    """A store whose first new contact comes too late: someone else was there in between, as on a server."""

    calls = 0

    def _make(self, tx, tenant_id, contact_id, *, name):
        self.calls += 1
        if self.calls == 1:
            session = tx.session
            other = {"tenant_id": tenant_id, "created_at": tx.now, "last_seen_at": tx.now}
            session.exec(insert(ContactRow).values(id="other", generated=True, by_hand=False, **other))
            session.exec(insert(ContactIdentifierRow).values(kind="phone", value=PHONE, contact_id="other", **other))
        return super()._make(tx, tenant_id, contact_id, name=name)


def test_a_number_that_someone_takes_in_between_is_never_left_with_two_contacts(rooms, clock):
    rooms.contacts = Overtaken(rooms.transactions, default_region="US", max_id_chars=255)
    met, _ = rooms.meet(phone=PHONE)
    assert rooms.contacts.calls == 2
    assert [row.contact_id for row in rooms.rows(ContactIdentifierRow)] == [met]
    assert [row.id for row in rooms.rows(ContactRow)] == [met]


class Merged(ContactStore):
    """A store whose contact is merged into another, once, between being read and being written to."""

    calls = 0

    def winner(self, session, tenant_id, contact_id):
        row = super().winner(session, tenant_id, contact_id)
        self.calls += 1
        if self.calls == 1:
            statement = update(ContactRow).where(ContactRow.id == contact_id).values(merged_into="bob")
            session.exec(statement.execution_options(synchronize_session=False))
        return row


@pytest.mark.parametrize("write", ["resolve", "link", "patch"])
def test_nothing_is_written_to_a_contact_that_was_merged_in_between(rooms, clock, write):
    for name in ("ada", "bob"):
        rooms.person(name)
    rooms.contacts = Merged(rooms.transactions, default_region="US", max_id_chars=255)
    rooms.memories = ContactMemoryStore(rooms.transactions, rooms.contacts, **LIMITS)
    if write == "resolve":
        rooms.meet(user_id="ada", phone=PHONE)
    elif write == "link":
        rooms.contacts.link("acme", "ada", rooms.contacts.known_by(phone=PHONE))
    else:
        scope = Scope("acme", "ada", "support")
        rooms.memories.patch_facts(scope, {"a": 1}, ttl_days=None, writer=TEST, expected_version=None)
    assert rooms.contacts.calls == 2


PROGRAM = """
import sys
from datetime import UTC, datetime
from agentmem.contacts.store import ContactStore
from agentmem.database import Database
from agentmem.transaction import Transactions, Writer

now = datetime(2026, 1, 1, tzinfo=UTC)
transactions = Transactions(Database(sys.argv[1]), lambda: now, max_fact_days=90)
contacts = ContactStore(transactions, default_region=None, max_id_chars=255)
print("ready", flush=True)
sys.stdin.readline()
for number in range(20):
    identities = contacts.known_by(phone=f"+1415555{number:04}")
    print(transactions.write(
        lambda tx: contacts.resolve(tx, "acme", identities, user_id=None).contact.id, writer=Writer("test")
    ))
"""


def test_processes_that_meet_the_same_new_numbers_at_once_make_one_contact_of_each(rooms):
    command = [sys.executable, "-c", PROGRAM, rooms.url]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with ExitStack() as stack:
        processes = [stack.enter_context(subprocess.Popen(command, env=environment(), **pipes)) for _ in range(3)]
        assert [process.stdout.readline() for process in processes] == ["ready\n"] * 3
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        said = [process.communicate() for process in processes]
    assert len({out for out, _ in said}) == 1, "".join(err for _, err in said)
    assert len(set(said[0][0].split())) == 20 == len(rooms.rows(ContactRow)) == len(rooms.rows(ContactIdentifierRow))


PEOPLE = st.fixed_dictionaries(
    {},
    optional={
        "user_id": st.sampled_from(["ada", "bob"]),
        "phone": st.sampled_from([PHONE, OTHER_PHONE]),
        "email": st.sampled_from(["ada@x.com", "bob@x.com"]),
        "external_id": st.sampled_from(["C-1", "C-2"]),
        "custom": st.sampled_from([custom("42"), custom("43")]),
    },
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=st.lists(PEOPLE, max_size=8))
def test_whoever_calls_the_same_call_again_meets_the_same_person(rooms, calls):
    tenant = f"tenant-{len(rooms.rows(ContactRow))}-{id(calls)}"
    for known_by in calls:
        met, absorbed = rooms.meet(tenant_id=tenant, **known_by)
        assert (met is None) == (known_by == {})
        assert met not in absorbed
        for other in absorbed:
            rooms.run(lambda tx, loser=other, winner=met: rooms.contacts.merge_identity(tx, tenant, loser, winner))
        assert rooms.meet(tenant_id=tenant, **known_by) == (met, ())
        rows = rooms.rows(ContactRow, ContactRow.tenant_id == tenant)
        merged = {row.id for row in rows if row.merged_into is not None}
        owners = {row.contact_id for row in rooms.rows(ContactIdentifierRow, ContactIdentifierRow.tenant_id == tenant)}
        assert not merged & owners
        assert not merged & {row.merged_into for row in rows}
