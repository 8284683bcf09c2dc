"""The rows L1 to L23 of provisioning.md b.2, one test each: from where to where, when, and who is told.

Without a server, so that every row can be read and run in one go; rules in depth, races and faults are tested
beside this file on the real one.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from domain import wire
from domain.checks import Finding
from domain.dns.verdicts import ObservationSeverity, Overall
from tests.workflows.offline_world import OfflineWorld, order_offline
from tests.workflows.played import NOW, OWNERS, PLACED, READERS, Played, completed_by, mails, moved, to, who
from tests.workflows.world import OWNERSHIP, definition, line, stage

SECOND, MINUTE, HOUR, DAY = (timedelta(**{unit: 1}) for unit in ("seconds", "minutes", "hours", "days"))
FORM = {"fields": [{"name": "site", "type": "text", "title": {"en": "Site", "de": "Site"}}]}
PREPARATION = [{"name": "site", "title": "Site", "adapter": "local"}]
APPROVAL = definition(stage(deadline=60 * DAY))
BLOCKED = Finding(
    code="SPF_BUDGET", severity=ObservationSeverity.BLOCKING, field="domain", message="11 of 10 look-ups"
)
MAPPING: dict[str, Any] = {
    "actor": "carla@contoso.example",
    "purpose": "for_customer",
    "partner": {"key": "partner"},
    "customer": {"key": "customer"},
    "generation": 1,
}
DORA = {"actor": "dora"}


def test_l1_an_order_is_received() -> None:
    world = OfflineWorld()
    world.findings = (BLOCKED,)
    run = order_offline(world, line(1), line(2), now=NOW)
    received = world.steps[0]
    assert (received.action, mails(received)) == ("order.submitted", {"order_received": OWNERS})
    assert [(each.id, str(each.status)) for each in received.services] == [
        ("offline-1", "ordered"),
        ("offline-2", "ordered"),
    ]
    run.pass_until(NOW + 14 * DAY)
    reminded = world.steps[-1]
    assert (reminded.action, reminded.at, mails(reminded)) == (
        "order.reminded",
        NOW + 14 * DAY,
        {"order_reminder": OWNERS},
    )


def test_l2_findings_block_and_are_mailed_unless_somebody_asked_for_the_check() -> None:
    world = OfflineWorld()
    world.findings = (BLOCKED,)
    run = order_offline(world, line(), now=NOW)
    first = world.steps[-1]
    assert (first.action, first.to_state, mails(first)) == (
        "order.checked",
        "acknowledged",
        {"check_findings": OWNERS},
    )
    assert run.update(wire.CHECK_ORDER, DORA) is None
    asked = world.steps[-1]
    assert (asked.action, asked.actor, mails(asked)) == ("order.checked", "dora", {})
    world.findings = (BLOCKED.model_copy(update={"message": "12 of 10 look-ups"}),)
    run.world_has_changed()
    nightly = world.steps[-1]
    assert (nightly.action, nightly.to_state, mails(nightly)) == (
        "order.checked",
        "acknowledged",
        {"check_findings": OWNERS},
    )


def test_l3_a_line_is_asked_for() -> None:
    opened = Played(line(approval=APPROVAL)).says("approval.opened")
    assert moved(opened) == ("ordered", "awaiting_approval")
    assert opened.view.until == NOW + 60 * DAY
    assert sorted(who(notice) for notice in opened.notices) == ["approvers", PLACED]


def test_l4_a_granted_line_is_confirmed() -> None:
    played = Played(line(approval=APPROVAL, deployment="on_demand"))
    played.decides("approve")
    confirmed = played.says("line.confirmed")
    assert moved(confirmed) == ("awaiting_approval", "confirmed")
    assert mails(confirmed) == {"approval_granted": OWNERS}
    assert [str(each.status) for each in confirmed.services] == ["confirmed"]


@pytest.mark.parametrize(
    ("how", "state", "told"),
    [
        ("deny", "rejected", {"approval_denied": OWNERS}),
        ("wait", "expired", {"approval_expired": OWNERS}),
        ("withdraw", "cancelled", {"approval_withdrawn": OWNERS}),
    ],
)
def test_l5_a_line_that_is_not_granted_ends(how: str, state: str, told: dict[str, str]) -> None:
    played = Played(line(approval=APPROVAL))
    if how == "deny":
        played.decides("deny")
    elif how == "withdraw":
        played.does(wire.WITHDRAW, DORA)
    else:
        played.run.pass_until(NOW + 60 * DAY)
    ended = played.says(f"line.{state}")
    assert moved(ended) == ("awaiting_approval", state)
    assert who(ended.notices[0]) == told[str(ended.notices[0].template)]
    in_vain = [who(notice) for notice in ended.notices[1:]]
    assert in_vain == ([] if how == "deny" else ["ann, bob"])
    assert [str(each.status) for each in ended.services] == ["cancelled"]
    assert played.run.has_ended


def test_l6_a_start_date_ahead_is_waited_for() -> None:
    played = Played(line(), start=NOW + 10 * DAY)
    scheduled = played.says("line.scheduled")
    assert (moved(scheduled), mails(scheduled)) == (("confirmed", "scheduled"), {})
    played.run.pass_until(NOW + 10 * DAY)
    assert played.says("line.start_reached").at == NOW + 10 * DAY


def test_l7_the_contact_is_mailed_at_the_start_date_and_the_clock_starts_with_the_hand_off() -> None:
    played = Played(completed_by("slow@contoso.example"), start=NOW + DAY)
    played.run.pass_until(NOW + DAY)
    assert moved(played.says("line.awaiting_details")) == ("scheduled", "awaiting_provisioning_details")
    asked = played.says("line.details_requested")
    assert (asked.at, mails(asked)) == (NOW + DAY, {"provisioning_details": "slow"})
    assert played.view.until is None, "no server has taken the mail"
    played = Played(completed_by())
    assert played.says("line.details_sent").view.until == NOW + 7 * DAY


def test_l7_a_bounce_is_told_at_once_and_starts_no_clock() -> None:
    bounced = Played(completed_by("gone@contoso.example")).says("line.contact_bounced")
    assert (bounced.at, bounced.view.until, mails(bounced)) == (NOW, None, {"contact_bounced": OWNERS})


@pytest.mark.parametrize("how", [wire.DEPLOY_LINE, None], ids=["by somebody", "at once"])
def test_l8_a_line_without_a_contact_is_deployed(how: str | None) -> None:
    played = Played(line(deployment="on_demand" if how else "at_once", adapter="local"), backend="are away")
    if how:
        played.does(how, DORA)
    deployed = played.says("line.deployed")
    assert moved(deployed) == ("confirmed", "provisioning")
    assert (deployed.actor, mails(deployed)) == (
        "dora" if how else "countersign",
        {"line_deployed": READERS},
    )
    assert [str(each.status) for each in deployed.services] == ["provisioning"]


def test_l9_the_mail_is_sent_again_after_a_minute_and_the_clock_goes_on() -> None:
    played = Played(completed_by())
    assert played.run.update(wire.RESEND_MAIL, DORA) == "TOO_OFTEN"
    played.run.pass_until(NOW + 60 * SECOND)
    played.does(wire.RESEND_MAIL, DORA)
    resent = played.says("line.details_resent")
    assert (resent.actor, mails(resent)) == ("dora", {"provisioning_details": "carla"})
    assert played.view.until == NOW + 7 * DAY
    played.does(wire.MAP_LINE, MAPPING)  # through the link of the first mail


def test_l9_before_the_first_mail_there_is_nothing_to_send_again() -> None:
    assert Played(completed_by(), start=NOW + DAY).run.update(wire.RESEND_MAIL, DORA) == "NOT_YET_SENT"


def test_l10_another_contact_is_mailed_the_one_before_is_told_and_their_link_is_dead() -> None:
    played = Played(completed_by())
    played.run.pass_until(NOW + DAY)
    played.does(wire.CHANGE_CONTACT, {**DORA, "contact": to("dave")})
    changed = played.says("line.contact_changed")
    assert mails(changed) == {"provisioning_details": "dave", "contact_changed": "carla"}
    assert played.view.until == NOW + 7 * DAY
    assert played.run.update(wire.MAP_LINE, MAPPING) == "LINK_REVOKED"


def test_l10_after_a_bounce_the_clock_starts_with_the_next_contact() -> None:
    played = Played(completed_by("gone@contoso.example"))
    played.run.pass_until(NOW + 3 * DAY)
    played.does(wire.CHANGE_CONTACT, {**DORA, "contact": to("dave")})
    assert played.view.until == NOW + 10 * DAY


def test_l11_the_contact_hands_over_and_the_placing_contact_hears_of_it() -> None:
    played = Played(completed_by())
    played.does(wire.HAND_OVER, {"generation": 1, "contact": to("dave")})
    changed = played.says("line.contact_changed")
    assert changed.actor == "carla@contoso.example"
    assert mails(changed) == {
        "provisioning_details": "dave",
        "contact_changed": "carla",
        "contact_handed_over": OWNERS,
    }


def test_l12_the_mapping_is_the_point_of_no_return_and_the_clock_goes_on() -> None:
    played = Played(completed_by(form=FORM))
    played.run.pass_until(NOW + DAY)
    played.does(wire.MAP_LINE, MAPPING)
    mapped = played.says("line.mapped")
    assert moved(mapped) == ("awaiting_provisioning_details", "provisioning")
    assert (mapped.view.ponr_at, mapped.view.until) == (NOW + DAY, NOW + 7 * DAY)
    assert mails(mapped)["line_mapped"] == f"{PLACED}, notify at partner and customer, {READERS}"


def test_l13_whoever_sets_up_is_mailed_and_reminded_after_three_and_six_days() -> None:
    played = Played(completed_by(form=FORM, closes_after=None))
    played.does(wire.MAP_LINE, MAPPING | {"set_up_by": "customer", "customer_admin": to("admin")})
    mapped = played.says("line.mapped")
    assert mails(mapped)["customer_set_up"] == "admin"
    assert mapped.view.open_tasks == ("customer_setup",)
    for times, days in ((1, 3), (2, 6)):
        played.run.pass_until(NOW + days * DAY)
        reminded = played.says("line.set_up_reminded", times)
        assert (reminded.at, mails(reminded)) == (NOW + days * DAY, {"set_up_reminder": "admin"})
    played.run.pass_until(NOW + 30 * DAY)
    played.says("line.set_up_reminded", 2)
    played.does(wire.SET_UP_LINE, {**DORA, "answers": {"site": "Bern"}})
    assert played.path[-1] == "provisioned"


def test_l14_open_tasks_are_told_to_those_who_can_do_something_about_them() -> None:
    played = Played(line())
    seen = played.says("line.records_seen")
    assert mails(seen) == {"open_tasks": f"{PLACED}, deploy at partner and customer, {READERS}"}
    assert seen.view.open_tasks == ("dns",)
    played.run.pass_until(NOW + 5 * DAY)
    played.says("line.records_seen")


@pytest.mark.parametrize("how", ["by itself", "check now"])
def test_l15_done_tasks_are_seen_and_the_backend_is_asked(how: str) -> None:
    played = Played(line(adapter="local"), backend="are away")
    played.world.records = Overall.VERIFIED
    if how == "check now":
        played.does(wire.CHECK_RECORDS, DORA)
    else:
        played.run.world_has_changed()
    assert played.says("line.executing").to_state == "provisioning"
    assert played.view.ponr_at == NOW


def test_l16_a_provisioned_line_is_told_to_everybody_concerned() -> None:
    played = Played(completed_by(adapter="local"))
    played.does(wire.MAP_LINE, MAPPING)
    done = played.says("line.provisioned")
    assert moved(done) == ("provisioning", "provisioned")
    assert mails(done) == {"provisioned": f"{OWNERS}, carla"}
    (told,) = done.notices
    assert "order summary" in str(told.facts.command)
    assert [str(each.status) for each in done.services] == ["provisioned"]
    assert played.run.has_ended


@pytest.mark.parametrize(("days", "warned"), [(7, [6]), (30, [27, 29])])
def test_l17_a_line_nobody_completes_is_warned_and_closed(days: int, warned: list[int]) -> None:
    played = Played(completed_by(closes_after=days * DAY))
    played.run.pass_until(NOW + days * DAY)
    warnings = [step for step in played.world.steps if step.action == "line.closure_warned"]
    assert [step.at for step in warnings] == [NOW + day * DAY for day in warned]
    closed = played.says("line.closed")
    assert (moved(closed), closed.at) == (("awaiting_provisioning_details", "closed"), NOW + days * DAY)
    for step in (*warnings, closed):
        assert set(mails(step).values()) == {f"{OWNERS}, carla"}


def test_l17_a_closure_waits_for_the_step_that_is_executed() -> None:
    played = Played(line(closes_after=7 * DAY, preparation=PREPARATION), backend="are away")
    played.run.pass_until(NOW + 8 * DAY)
    assert played.view.state == "provisioning"
    played.world.backend = "work"
    played.run.world_has_changed()
    assert moved(played.says("line.closed")) == ("provisioning", "closed")


def test_l18_a_closed_line_takes_another_contact_and_has_no_clock_any_more() -> None:
    played = Played(completed_by())
    played.run.pass_until(NOW + 8 * DAY)
    played.does(wire.RESEND_MAIL, DORA)
    played.does(wire.CHANGE_CONTACT, {**DORA, "contact": to("dave")})
    assert (played.view.state, played.view.until) == ("closed", None)
    played.run.pass_until(NOW + 100 * DAY)
    played.says("line.closed")


@pytest.mark.parametrize("how", ["the contact completes it", "the records appear"])
def test_l19_a_closed_line_goes_on_late(how: str) -> None:
    played = Played(completed_by() if how.startswith("the contact") else line(closes_after=7 * DAY))
    played.run.pass_until(NOW + 20 * DAY)
    assert played.view.state == "closed"
    if how.startswith("the contact"):
        played.does(wire.MAP_LINE, MAPPING)
    else:
        played.finds(Overall.VERIFIED)
    assert played.path[-3:] == ["closed", "provisioning", "provisioned"]


@pytest.mark.parametrize("state", ["awaiting_approval", "confirmed", "scheduled"])
def test_l20_before_it_is_under_way_a_line_is_cancelled_at_once(state: str) -> None:
    wanted = {
        "awaiting_approval": line(approval=APPROVAL),
        "confirmed": line(deployment="on_demand"),
        "scheduled": completed_by(),
    }[state]
    played = Played(wanted, start=NOW + DAY if state == "scheduled" else NOW)
    assert played.view.state == state
    played.does(wire.CANCEL_LINE, {**DORA, "reason": "not needed"})
    cancelled = played.says("line.cancelled")
    assert moved(cancelled) == (state, "cancelled")
    told = [who(notice) for notice in cancelled.notices]
    if state == "awaiting_approval":
        assert (told, played.view.approval and played.view.approval.status) == (
            [OWNERS, "ann, bob"],
            "WITHDRAWN",
        )
    else:
        assert told == [OWNERS]


@pytest.mark.parametrize("state", ["awaiting_provisioning_details", "provisioning", "closed"])
def test_l21_a_line_under_way_is_taken_back_before_it_is_cancelled(state: str) -> None:
    with_contact = state != "provisioning"
    wanted = {"preparation": PREPARATION, "closes_after": 7 * DAY}
    played = Played(completed_by(**wanted) if with_contact else line(**wanted))
    if state == "closed":
        played.run.pass_until(NOW + 7 * DAY)
    assert (played.view.state, played.world.reserved) == (state, {"offline-1-site"})
    played.does(wire.CANCEL_LINE, DORA)
    assert played.path[-3:] == [state, "cancelling", "cancelled"]
    assert not played.world.reserved
    told = set(mails(played.says("line.cancelled")).values())
    assert told == {f"{OWNERS}, carla" if with_contact else OWNERS}


def test_l21_a_step_under_way_may_finish_and_a_late_success_changes_no_state() -> None:
    played = Played(line(preparation=PREPARATION), backend="are away")
    played.does(wire.CANCEL_LINE, DORA)
    assert played.view.state == "cancelling"
    played.run.pass_until(NOW + 10 * MINUTE)
    assert played.view.state == "cancelled"
    played.world.reserved.add("offline-1-site")
    played.run.pass_until(NOW + 8 * HOUR)
    late = played.says("line.compensated_late")
    assert (moved(late), played.world.reserved) == (("cancelled", "cancelled"), set())


@pytest.mark.parametrize("state", ["provisioning", "closed"])
def test_l22_past_the_point_of_no_return_nothing_is_cancelled(state: str) -> None:
    played = Played(completed_by(form=FORM))
    played.does(wire.MAP_LINE, MAPPING)
    if state == "closed":
        played.run.pass_until(NOW + 7 * DAY)
    before = len(played.world.steps)
    assert played.run.update(wire.CANCEL_LINE, DORA) == "POINT_OF_NO_RETURN"
    assert (played.view.state, len(played.world.steps)) == (state, before)


def test_l23_a_refused_line_is_tried_again_by_an_operator() -> None:
    played = Played(line(records=(), adapter="local", retry_for=10 * DAY), backend="refuse")
    refused = played.says("line.refused")
    assert [who(notice) for notice in refused.notices] == ["operate at provider", OWNERS]
    assert refused.view.until == NOW + 10 * DAY
    played.world.backend = "work"
    played.does(wire.RETRY_LINE, {"actor": "otto"})
    assert played.path[-2:] == ["provisioning", "provisioned"]


@pytest.mark.parametrize("patience", [None, 10 * DAY], ids=["at once", "after ten days"])
def test_l23_a_refused_line_fails_and_what_was_done_is_taken_back(patience: timedelta | None) -> None:
    played = Played(line(records=(OWNERSHIP,), preparation=PREPARATION, adapter="local", retry_for=patience))
    played.world.backend = "refuse"
    played.finds(Overall.VERIFIED)
    played.run.pass_until(NOW + 10 * DAY)
    failed = played.says("line.failed")
    assert moved(failed) == ("provisioning", "failed")
    assert [who(notice) for notice in failed.notices] == [OWNERS, "operate at provider"]
    assert not played.world.reserved
