"""The customer's admin sets a mapped line up: reached, not reached, replaced (b.2 L13; seed 004)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from domain import wire
from domain.errors import Code
from domain.mail import Template
from domain.transitions import Notice, Transition
from tests.workflows.played import NOW, OWNERS, Played, completed_by, mails, to

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
FORM = {"fields": [{"name": "site", "type": "text", "title": {"en": "Site", "de": "Site"}}]}
DORA = {"actor": "dora"}
MAPPING = {
    "actor": "carla@contoso.example",
    "generation": 1,
    "purpose": "for_customer",
    "partner": {"key": "partner"},
    "customer": {"key": "customer"},
}
ANSWERS = {"answers": {"site": "Bern"}}


def left_to(admin: str | None, **more: Any) -> Played:
    """A mapped line whose set-up is the admin's, or nobody's in particular yet."""
    played = Played(completed_by(form=FORM, **{"closes_after": None} | more))
    by = {"set_up_by": "customer", "customer_admin": to(admin)} if admin else {}
    played.does(wire.MAP_LINE, MAPPING | by)
    return played


def ask(admin: str, **more: Any) -> dict[str, Any]:
    return DORA | {"customer_admin": to(admin)} | more


def through(purpose: str, generation: int) -> dict[str, Any]:
    return {"actor": "somebody@contoso.example", "purpose": purpose, "generation": generation} | ANSWERS


def mail_of(step: Transition, template: Template) -> Notice:
    return next(notice for notice in step.notices if notice.template is template)


def generation_of(step: Transition) -> int:
    link = mail_of(step, Template.CUSTOMER_SET_UP).facts.link
    assert link is not None
    return link.generation


# Reached


def test_what_becomes_of_the_mail_to_the_admin_is_waited_for() -> None:
    played = left_to("admin")
    mapped = played.says("line.mapped")
    assert mail_of(mapped, Template.CUSTOMER_SET_UP).awaited is True
    assert "admin@contoso.example, to set" in played.view.waiting_for
    assert played.says("line.customer_mailed").data == {"admin": "1"}
    admin = played.view.customer_admin
    assert admin is not None
    assert (admin.sent_at, admin.accepted_at, admin.bounced) == (NOW, NOW, None)


def test_nobody_is_asked_where_the_partner_sets_up() -> None:
    played = left_to(None)
    assert played.view.customer_admin is None
    assert {step.action for step in played.world.steps}.isdisjoint({"line.customer_mailed"})


# Not reached


def test_a_hard_bounce_tells_at_once_whoever_ordered_and_the_contact_how_to_ask_somebody_else() -> None:
    played = left_to("gone", closes_after=timedelta(days=30))
    bounced = played.says("line.customer_bounced")
    assert (bounced.at, mails(bounced)) == (NOW, {"customer_bounced": f"{OWNERS}, carla"})
    assert bounced.reason == "550 5.1.1 no such mailbox"
    facts = mail_of(bounced, Template.CUSTOMER_BOUNCED).facts
    command = "countersign order ask-customer offline --line 1"
    assert (facts.contact, facts.command) == ("gone@contoso.example", command)
    assert facts.closes_at == NOW + 30 * DAY
    assert facts.link is not None
    assert (facts.link.purpose, facts.link.generation) == ("provision", 1)
    assert "gone@contoso.example cannot be reached" in played.view.waiting_for


def test_who_cannot_be_reached_is_not_reminded_but_whoever_can_ask_somebody_else() -> None:
    played = left_to("gone")
    played.run.pass_until(NOW + 3 * DAY)
    reminded = played.says("line.set_up_reminded")
    assert mails(reminded) == {"set_up_reminder": OWNERS}
    command = mail_of(reminded, Template.SET_UP_REMINDER).facts.command
    assert command == "countersign order ask-customer offline --line 1"


# Asked afterwards


def test_another_admin_is_mailed_and_sets_up_and_the_links_of_the_one_before_are_dead() -> None:
    played = left_to("admin")
    played.does(wire.ASK_CUSTOMER, ask("second", reason="on leave"))
    asked = played.says("line.customer_asked")
    assert (asked.actor, asked.reason, asked.data) == ("dora", "on leave", {"admin": "2"})
    assert mails(asked) == {"customer_set_up": "second", "contact_changed": "admin"}
    assert generation_of(asked) == 2
    assert played.run.update(wire.SET_UP_LINE, through("set_up", 1)) == Code.LINK_REVOKED
    assert played.run.update(wire.SET_UP_LINE, through("set_up", 2)) is None
    assert played.path[-1] == "provisioned"


def test_after_a_bounce_the_new_admin_is_asked_and_nobody_writes_to_the_old_address_again() -> None:
    played = left_to("gone")
    played.does(wire.ASK_CUSTOMER, ask("admin"))
    assert mails(played.says("line.customer_asked")) == {"customer_set_up": "admin"}
    played.says("line.customer_mailed")
    assert "admin@contoso.example, to set" in played.view.waiting_for
    played.run.pass_until(NOW + 3 * DAY)
    assert mails(played.says("line.set_up_reminded")) == {"set_up_reminder": "admin"}


def test_a_set_up_left_for_later_can_be_passed_to_the_customer_by_the_contact() -> None:
    played = left_to(None)
    assert played.view.open_tasks == ("partner",)
    by_link = {"actor": "carla@contoso.example", "generation": 1, "customer_admin": to("admin")}
    played.does(wire.ASK_CUSTOMER, by_link)
    assert played.view.open_tasks == ("customer_setup",)
    asked = played.says("line.customer_asked")
    assert (mails(asked), generation_of(asked)) == ({"customer_set_up": "admin"}, 1)
    assert played.run.update(wire.SET_UP_LINE, through("provision", 1)) == Code.LINK_INVALID
    played.does(wire.SET_UP_LINE, through("set_up", 1))
    assert played.path[-1] == "provisioned"


def test_the_partner_keeps_its_access_and_can_set_up_all_the_same() -> None:
    played = left_to("admin")
    played.does(wire.SET_UP_LINE, DORA | ANSWERS)
    assert played.path[-1] == "provisioned"


def test_the_same_address_is_mailed_again_after_a_minute_and_its_links_stay_good() -> None:
    played = left_to("admin")
    assert played.run.update(wire.ASK_CUSTOMER, ask("Admin")) == Code.TOO_OFTEN
    played.run.pass_until(NOW + MINUTE)
    played.does(wire.ASK_CUSTOMER, ask("admin"))
    asked = played.says("line.customer_asked")
    assert (mails(asked), generation_of(asked)) == ({"customer_set_up": "admin"}, 1)
    played.says("line.customer_mailed", 2)
    played.does(wire.SET_UP_LINE, through("set_up", 1))


def test_no_more_than_ten_mails_a_day_ask_customers() -> None:
    played = left_to("admin0")
    for number in range(1, 10):
        played.does(wire.ASK_CUSTOMER, ask(f"admin{number}"))
    assert played.run.update(wire.ASK_CUSTOMER, ask("admin")) == Code.TOO_OFTEN
    played.run.pass_until(NOW + DAY)
    played.does(wire.ASK_CUSTOMER, ask("admin"))


def test_whoever_is_asked_is_reminded_three_and_six_days_later() -> None:
    played = left_to(None)
    played.run.pass_until(NOW + 10 * DAY)
    played.says("line.set_up_reminded", 2)
    played.does(wire.ASK_CUSTOMER, ask("admin"))
    for times, days in ((3, 13), (4, 16)):
        played.run.pass_until(NOW + days * DAY)
        reminded = played.says("line.set_up_reminded", times)
        assert (reminded.at, mails(reminded)) == (NOW + days * DAY, {"set_up_reminder": "admin"})


def test_a_closed_line_can_be_passed_to_the_customer_too() -> None:
    played = left_to(None, closes_after=timedelta(days=7))
    played.run.pass_until(NOW + 8 * DAY)
    assert played.view.state == "closed"
    played.does(wire.ASK_CUSTOMER, ask("admin"))
    played.does(wire.SET_UP_LINE, through("set_up", 1))
    assert played.path[-3:] == ["closed", "provisioning", "provisioned"]


# Refused


def test_nobody_is_asked_before_the_mapping() -> None:
    played = Played(completed_by(form=FORM))
    assert played.run.update(wire.ASK_CUSTOMER, ask("admin")) == Code.NOT_PENDING


def test_nobody_is_asked_once_the_line_is_set_up() -> None:
    played = left_to("admin", adapter="local")
    played.world.backend = "are away"
    played.does(wire.SET_UP_LINE, DORA | ANSWERS)
    assert played.run.update(wire.ASK_CUSTOMER, ask("second")) == Code.ALREADY_DECIDED


def test_nobody_is_asked_where_the_offer_asks_nothing() -> None:
    played = Played(completed_by())
    assert played.run.update(wire.ASK_CUSTOMER, ask("admin")) == Code.NOT_ALLOWED


@pytest.mark.parametrize(
    "email", ["a@contoso.example, b@contoso.example", "Eve <e@contoso.example>", "e\r\n@x.example"]
)
def test_nobody_is_asked_at_what_is_no_plain_address(email: str) -> None:
    played = left_to("admin")
    command = DORA | {"customer_admin": {"email": email}}
    assert played.run.update(wire.ASK_CUSTOMER, command) == Code.INVALID_INPUT


def test_the_link_of_a_former_contact_asks_nobody() -> None:
    played = Played(completed_by(form=FORM))
    played.does(wire.CHANGE_CONTACT, DORA | {"contact": to("dave")})
    played.does(wire.MAP_LINE, MAPPING | {"generation": 2})
    assert played.run.update(wire.ASK_CUSTOMER, ask("admin", generation=1)) == Code.LINK_REVOKED
    played.does(wire.ASK_CUSTOMER, ask("admin", generation=2))
