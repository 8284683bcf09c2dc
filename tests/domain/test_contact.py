"""The provisioning contact of a line: what was sent, what counts, and what is refused (b.2 L7, L9-L11)."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from domain.contact import MAILS_PER_DAY, Contact, ProvisioningContact, reachable
from domain.customer import CustomerAdmin
from domain.errors import Code, Refusal
from tests.domain.samples import DAY, HOUR, NOW

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
CARLA, DAVE, EVE = (Contact(email=f"{name}@contoso.example") for name in ("carla", "dave", "eve"))


def asked(at: datetime = NOW) -> ProvisioningContact:
    """Carla, whose mail went out and was taken."""
    contact = ProvisioningContact(CARLA)
    contact.accepted(contact.sent(at), at)
    return contact


def refusal_of(check: str, contact: ProvisioningContact, *args: object) -> Refusal | None:
    try:
        getattr(contact, f"check_{check}")(*args)
    except Refusal as refusal:
        return refusal
    return None


# Sent again (L9)


def test_before_the_first_mail_nothing_can_be_sent_again() -> None:
    refusal = refusal_of("resend", ProvisioningContact(CARLA), NOW)
    assert refusal is not None
    assert refusal.code is Code.NOT_YET_SENT


@pytest.mark.parametrize(
    ("after", "wait"),
    [
        (timedelta(), 60),
        (20 * SECOND, 40),
        (59.2 * SECOND, 1),
        (60 * SECOND - timedelta(microseconds=1), 1),
        (60 * SECOND, None),
    ],
)
def test_a_mail_is_given_60_seconds_to_arrive_and_the_refusal_says_how_many_are_left(
    after: timedelta, wait: int | None
) -> None:
    refusal = refusal_of("resend", asked(), NOW + after)
    assert (refusal.retry_after if refusal else None) == wait
    if refusal is not None:
        assert refusal.code is Code.TOO_OFTEN
        assert refusal.message.endswith(f" {wait} s")


def test_ten_mails_a_day_go_out_and_the_eleventh_waits_for_the_first_to_be_a_day_old() -> None:
    contact = asked()
    for number in range(1, MAILS_PER_DAY):
        at = NOW + number * HOUR
        assert refusal_of("resend", contact, at) is None
        contact.sent(at)
    evening = NOW + 12 * HOUR
    refusal = refusal_of("resend", contact, evening)
    assert refusal is not None
    assert (refusal.code, refusal.retry_after) == (Code.TOO_OFTEN, 12 * 3600)
    assert "10 mails were sent within 24 hours" in refusal.message
    assert refusal.message.endswith(f"at {NOW + DAY:%Y-%m-%d %H:%M} UTC")
    assert refusal_of("resend", contact, NOW + DAY) is None


def test_those_who_are_asked_instead_count_towards_the_ten() -> None:
    contact = asked()
    for number in range(1, MAILS_PER_DAY):
        contact.change(Contact(email=f"n{number}@contoso.example"))
        contact.sent(NOW + number * MINUTE)
    refusal = refusal_of("change", contact, CARLA, NOW + HOUR)
    assert refusal is not None
    assert (refusal.code, refusal.retry_after) == (Code.TOO_OFTEN, 23 * 3600)
    assert refusal_of("change", contact, CARLA, NOW + DAY) is None


# Somebody else (L10, L11)


def test_another_contact_starts_a_generation_for_whom_nothing_was_sent_yet() -> None:
    contact = asked()
    assert contact.change(DAVE) == CARLA
    state = contact.state
    assert (state.contact, state.generation) == (DAVE, 2)
    assert (state.sent_at, state.accepted_at, state.bounced) == (None, None, None)
    assert not contact.was_asked


def test_links_of_every_contact_before_are_dead_even_if_they_are_the_contact_again() -> None:
    contact = asked()
    contact.change(DAVE)
    contact.change(CARLA)
    codes = [getattr(refusal_of("link", contact, each), "code", None) for each in (1, 2, 3, 4)]
    assert codes == [Code.LINK_REVOKED, Code.LINK_REVOKED, None, Code.LINK_REVOKED]


def test_a_mail_sent_again_leaves_the_link_of_the_same_contact_alive() -> None:
    contact = asked()
    contact.sent(NOW + HOUR)
    assert refusal_of("link", contact, 1) is None


@pytest.mark.parametrize(
    "spelling", ["carla@contoso.example", "carla@CONTOSO.EXAMPLE", "Carla@contoso.example"]
)
def test_the_present_contact_is_no_other_however_their_address_is_written(spelling: str) -> None:
    refusal = refusal_of("change", asked(), Contact(email=spelling), NOW)
    assert refusal is not None
    assert refusal.code is Code.DUPLICATE
    assert "resend" in refusal.message


def test_a_contact_who_was_never_asked_can_be_replaced_at_once() -> None:
    assert refusal_of("change", ProvisioningContact(CARLA), DAVE, NOW) is None


# The clock, and bounces (L7, L10)


def test_the_clock_counts_from_the_first_acceptance_of_all() -> None:
    contact = ProvisioningContact(CARLA)
    first = contact.sent(NOW)
    second = contact.sent(NOW + HOUR)
    assert contact.accepted(second, NOW + HOUR)
    assert not contact.accepted(first, NOW + 2 * HOUR)
    contact.change(DAVE)
    assert not contact.accepted(contact.sent(NOW + DAY), NOW + DAY)
    assert contact.clock_from == NOW + HOUR


def test_a_bounce_starts_no_clock_and_the_next_contact_does() -> None:
    contact = ProvisioningContact(CARLA)
    assert contact.rejected(contact.sent(NOW), "550 no such mailbox")
    assert (contact.is_undeliverable, contact.clock_from) == (True, None)
    assert contact.state.bounced == "550 no such mailbox"
    contact.change(DAVE)
    assert not contact.is_undeliverable
    assert contact.accepted(contact.sent(NOW + DAY), NOW + DAY)
    assert contact.clock_from == NOW + DAY


def test_what_becomes_of_a_mail_to_somebody_replaced_meanwhile_counts_for_nothing() -> None:
    contact = ProvisioningContact(CARLA)
    late = contact.sent(NOW)
    contact.change(DAVE)
    contact.sent(NOW + MINUTE)
    assert not contact.accepted(late, NOW + HOUR)
    assert not contact.rejected(late, "550 no such mailbox")
    assert (contact.clock_from, contact.state.accepted_at, contact.is_undeliverable) == (None, None, False)


def test_an_older_mail_that_bounces_after_a_newer_one_arrived_alarms_nobody() -> None:
    contact = ProvisioningContact(CARLA)
    old, new = contact.sent(NOW), contact.sent(NOW + HOUR)
    contact.accepted(new, NOW + HOUR)
    assert not contact.rejected(old, "452 mailbox full for two days")
    assert not contact.is_undeliverable


def test_a_mail_sent_again_is_not_undeliverable_until_it_bounces_as_well() -> None:
    contact = ProvisioningContact(CARLA)
    contact.rejected(contact.sent(NOW), "550")
    again = contact.sent(NOW + HOUR)
    assert not contact.is_undeliverable
    assert contact.rejected(again, "550")


# Hostile addresses

HOSTILE = [
    "",
    "carla",
    "Carla <carla@contoso.example>",
    "carla@contoso.example, dave@contoso.example",
    "carla@contoso.example; dave@contoso.example",
    "carla@contoso.example\r\nBcc: eve@evil.example",
    "carla@contoso.example\n",
    "carla\x00@contoso.example",
    "carla@contoso.example\u2028",
    "carla@[127.0.0.1]",
    "carla@localhost",
    '"carla dave"@contoso.example',
    "kärla@contoso.example",
    "=?utf-8?q?carla?=@contoso.example",
    "<script>alert(1)</script>@contoso.example",
    "c" * 65 + "@contoso.example",
    "carla@" + ".".join(["contoso"] * 40) + ".example",
    "carla@" + "ü" * 60 + ".example",
]


@pytest.mark.parametrize("address", HOSTILE)
def test_a_contact_is_one_plain_address_and_nothing_else(address: str) -> None:
    refusal = refusal_of("change", asked(), Contact(email=address), NOW)
    assert refusal is not None
    assert refusal.code is Code.INVALID_INPUT
    assert refusal.message.startswith("contact.email: ")
    assert refusal.message.isprintable()


def test_an_international_domain_is_kept_as_mail_carries_it() -> None:
    contact = asked()
    contact.change(Contact(email="dave@Müller.example", name="Dave"))
    assert contact.contact == Contact(email="dave@xn--mller-kva.example", name="Dave")


def test_a_recorded_contact_is_read_whatever_its_address() -> None:
    """Histories keep decoding (SPEC 10); only commands about a contact are judged."""
    recorded = Contact.model_validate({"email": "no address at all"})
    with pytest.raises(Refusal, match=r"customer_admin\.email: "):
        reachable(recorded, "customer_admin")


@given(text=st.text(max_size=400))
def test_no_text_becomes_a_contact_that_breaks_a_header(text: str) -> None:
    with suppress(Refusal):
        address = reachable(Contact(email=text)).email
        assert address.isascii()
        assert address.isprintable()
        assert address.count("@") == 1
        assert not set(address) & set(' <>,;:"()[]\\')


# Any order of events against the log of what happened


class ContactMachine(RuleBasedStateMachine):
    """Mails, what becomes of them and changes of contact, in any order; the model is a log of facts."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.contact = ProvisioningContact(CARLA)
        self.generation = 1
        self.mails: list[tuple[int, datetime]] = []  # to which generation, and when
        self.fates: dict[int, str] = {}
        self.took_first: datetime | None = None
        self.bounced_newest = False

    @rule(span=st.sampled_from([SECOND, 20 * SECOND, MINUTE, HOUR, 7 * HOUR, DAY]))
    def time_passes(self, span: timedelta) -> None:
        self.now += span

    @rule()
    def is_mailed(self) -> None:
        to_contact = [at for generation, at in self.mails if generation == self.generation]
        today = [at for _, at in self.mails if self.now - at < DAY]
        refusal = refusal_of("resend", self.contact, self.now)
        if not to_contact:
            assert refusal is not None
            assert refusal.code is Code.NOT_YET_SENT
            if len(today) >= MAILS_PER_DAY:
                return
        else:
            waits = [to_contact[-1] + MINUTE] + ([today[-MAILS_PER_DAY] + DAY] if len(today) >= 10 else [])
            assert (refusal is None) is all(each <= self.now for each in waits)
            if refusal is not None:
                assert refusal.retry_after is not None
                free_at = self.now + refusal.retry_after * SECOND
                assert any(timedelta() <= free_at - each < SECOND for each in waits)
                return
        self.mails.append((self.generation, self.now))
        self.bounced_newest = False
        assert self.contact.sent(self.now) == len(self.mails)

    @rule(nth=st.integers(1, 12), taken=st.booleans())
    def a_server_answers(self, nth: int, taken: bool) -> None:
        if nth > len(self.mails) or nth in self.fates:
            return
        self.fates[nth] = "taken" if taken else "refused"
        current = self.mails[nth - 1][0] == self.generation
        if taken:
            first = current and self.took_first is None
            self.took_first = self.now if first else self.took_first
            assert self.contact.accepted(nth, self.now) is first
        else:
            newest = current and nth == len(self.mails)
            self.bounced_newest = self.bounced_newest or newest
            assert self.contact.rejected(nth, "550") is newest

    @rule(to=st.sampled_from([CARLA, DAVE, EVE]))
    def is_changed(self, to: Contact) -> None:
        today = [at for _, at in self.mails if self.now - at < DAY]
        refusal = refusal_of("change", self.contact, to, self.now)
        code = refusal.code if refusal else None
        if to == self.contact.contact:
            assert code is Code.DUPLICATE
        elif len(today) >= MAILS_PER_DAY:
            assert code is Code.TOO_OFTEN
        else:
            assert code is None
            self.contact.change(to)
            self.generation += 1
            self.bounced_newest = False

    @invariant()
    def they_agree(self) -> None:
        state = self.contact.state
        mine = [at for generation, at in self.mails if generation == self.generation]
        assert state.generation == self.generation
        assert state.sent_at == (mine[-1] if mine else None)
        assert self.contact.clock_from == self.took_first
        assert self.contact.is_undeliverable is self.bounced_newest
        sliding = [at for _, at in self.mails if self.now - at < DAY]
        assert len(sliding) <= MAILS_PER_DAY
        for generation in range(1, self.generation + 2):
            dead = refusal_of("link", self.contact, generation) is not None
            assert dead is (generation != self.generation)


TestContact = ContactMachine.TestCase
TestContact.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


# The customer's admin (L13)


def test_an_admin_may_be_asked_again_after_a_minute_and_another_at_once() -> None:
    admin = CustomerAdmin(CARLA)
    admin.check_ask(CARLA, NOW)
    admin.sent(NOW)
    admin.check_ask(DAVE, NOW)
    with pytest.raises(Refusal, match=r"^customer_admin: .* in 60 s$"):
        admin.check_ask(Contact(email="CARLA@contoso.example"), NOW)
    admin.check_ask(CARLA, NOW + MINUTE)


def test_a_bounce_of_an_admin_who_was_replaced_is_of_no_interest() -> None:
    admin = CustomerAdmin(CARLA)
    first = admin.sent(NOW)
    admin.change(DAVE)
    second = admin.sent(NOW)
    assert not admin.rejected(first, "550")
    assert not admin.accepted(first, NOW)
    assert admin.accepted(second, NOW)
    assert (admin.state.accepted_at, admin.state.bounced) == (NOW, None)


def test_the_link_of_an_admin_who_was_replaced_is_dead() -> None:
    admin = CustomerAdmin(CARLA)
    admin.check_link(1)
    admin.change(DAVE)
    with pytest.raises(Refusal) as refused:
        admin.check_link(1)
    assert refused.value.code is Code.LINK_REVOKED
