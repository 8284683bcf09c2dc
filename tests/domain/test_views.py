"""What people read of a process: whom it waits for, until when, what then (SPEC 8)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from domain.actions import Answer, Inquire, OpenQuestion
from domain.approval import Approval
from domain.checks import CheckReport, Finding, RecordsSeen
from domain.contact import Contact, ContactState
from domain.decisions import Approver, Part
from domain.definitions import Combine
from domain.dns.verdicts import ObservationSeverity, Overall
from domain.line import LineProgress, LineState, OpenTask
from domain.line_view import line_view, title
from domain.lookups import LookedUp
from domain.next_step import next_step
from domain.transitions import OpenApproval, ProcessView
from domain.views import after_deadline, at, details, named, open_approval, waiting_for_approval
from tests.domain.samples import (
    DAY,
    NOW,
    context,
    definition,
    offer,
    opened,
    order_line,
    people,
    says,
    stage,
)


def snapshot(approval: Approval) -> OpenApproval:
    shown = open_approval(approval)
    assert shown is not None
    return shown


# Whom an approval waits for


@pytest.mark.parametrize(
    ("rule", "roster", "words"),
    [
        ({"combine": "any"}, ("ann",), "First: Ann"),
        ({"combine": "any"}, ("ann", "ben"), "First: one of Ann, Ben"),
        ({"combine": "all"}, ("ann", "ben"), "First: Ann, Ben"),
        (
            {"combine": "quorum", "quorum": 2},
            ("ann", "ben", "cas"),
            "First: 2 of 3 (0 decided; open: Ann, Ben, Cas)",
        ),
        ({"combine": "any"}, (), "an operator: nobody may decide stage First"),
        ({"combine": "quorum", "quorum": 2}, ("ann",), "an operator: nobody may decide stage First"),
    ],
)
def test_an_open_stage_names_whose_decision_it_waits_for(
    rule: dict[str, Any], roster: tuple[str, ...], words: str
) -> None:
    assert waiting_for_approval(snapshot(opened(stage(**rule), roster=roster))) == words


def test_of_many_people_the_first_are_named_and_the_others_counted() -> None:
    many = tuple(f"p{number:03}" for number in range(1_000))
    approval = opened(stage(combine="all"), roster=many)
    waiting = waiting_for_approval(snapshot(approval))
    assert waiting == f"First: {', '.join(each.title() for each in many[:20])} and 980 more"
    assert waiting_for_approval(snapshot(opened(stage(combine="all"), roster=many[:20]))).endswith(", P019")


def test_a_stage_without_a_roster_waits_for_the_directory() -> None:
    approval = Approval(definition(), requester="req")
    approval.open_next(NOW)
    assert waiting_for_approval(snapshot(approval)) == "the directory, to name who decides stage First"


def test_who_has_decided_is_named_no_longer() -> None:
    approval = opened(stage(combine="quorum", quorum=2))
    approval.decide(says("ben"), NOW)
    assert waiting_for_approval(snapshot(approval)) == "First: 2 of 3 (1 decided; open: Ann, Cas)"


ANN, BEN, CAS, DORA, EMMA = people("ann", "ben", "cas", "dora", "emma")
FOR_ANN = CAS.model_copy(update={"stands_for": "ann", "stands_for_name": "Ann"})
ADDED = CAS.model_copy(update={"part": Part.ADDITIONAL})
LEVEL = tuple(each.model_copy(update={"part": Part.ESCALATION, "level": 1}) for each in (DORA, EMMA))
FALLBACK = DORA.model_copy(update={"part": Part.FALLBACK})


@pytest.mark.parametrize(
    ("rule", "roster", "decided", "words"),
    [
        ({"combine": "all"}, (FOR_ANN, BEN), (), "First: Cas for Ann, Ben"),
        ({"combine": "any"}, (ANN, BEN, ADDED), (), "First: one of Ann, Ben; Cas in addition"),
        ({"combine": "any"}, (ANN, BEN, ADDED), ("ann",), "First: Cas in addition"),
        ({"combine": "all"}, (ANN, BEN, ADDED), ("ann",), "First: Ben; Cas in addition"),
        ({"combine": "all"}, (ANN, BEN, ADDED), ("cas",), "First: Ann, Ben"),
        (
            {"combine": "quorum", "quorum": 2},
            (ANN, BEN, DORA, ADDED),
            ("ann",),
            "First: 2 of 3 (1 decided; open: Ben, Dora); Cas in addition",
        ),
        (
            {"combine": "quorum", "quorum": 2},
            (ANN, BEN, DORA, ADDED),
            ("ann", "ben"),
            "First: Cas in addition",
        ),
        ({"combine": "any"}, (ANN, LEVEL[0]), (), "First: Ann; or Dora alone"),
        ({"combine": "any"}, (ANN, *LEVEL), (), "First: Ann; or one of Dora, Emma alone"),
        ({"combine": "any"}, (FALLBACK,), (), "First: Dora alone"),
    ],
)
def test_who_was_brought_in_is_named_with_how_they_count(
    rule: dict[str, Any], roster: tuple[Approver, ...], decided: tuple[str, ...], words: str
) -> None:
    shown = snapshot(opened(stage(**rule)))
    waiting = shown.model_copy(update={"roster": roster, "decided": decided})
    assert waiting_for_approval(waiting) == words


def test_an_escalated_stage_says_how_far_it_went() -> None:
    shown = snapshot(opened()).model_copy(update={"roster": LEVEL, "level": 1})
    assert waiting_for_approval(shown) == "First (escalated, level 1): one of Dora, Emma alone"


def test_a_stage_with_open_questions_waits_for_those_asked() -> None:
    shown = snapshot(opened()).model_copy(update={"asked": (DORA, EMMA)})
    assert waiting_for_approval(shown) == "First: on hold for an answer of Dora, Emma"


@pytest.mark.parametrize(
    ("seat", "words"),
    [
        (ANN, "Ann"),
        (FOR_ANN, "Cas for Ann"),
        (ADDED, "Cas, in addition"),
        (FALLBACK, "Dora, fallback"),
        (LEVEL[0], "Dora, escalated"),
    ],
)
def test_a_seat_is_named_with_its_part(seat: Approver, words: str) -> None:
    assert named(seat) == words


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ("expire", "the approval expires"),
        ("approve", "the stage counts as approved"),
        ("deny", "the request counts as denied"),
    ],
)
def test_a_deadline_says_what_it_leads_to(outcome: str, words: str) -> None:
    assert after_deadline(opened(stage(on_deadline=outcome))) == words


# The approval in lists


def test_an_approval_is_listed_once_its_first_stage_is_open() -> None:
    approval = Approval(definition(), requester="req")
    assert open_approval(approval) is None
    approval.open_next(NOW)
    assert snapshot(approval).roster is None


def test_a_listed_approval_tells_its_stage_deadline_and_who_has_decided() -> None:
    approval = opened(stage(combine="all", deadline=DAY))
    approval.decide(says("cas"), NOW)
    assert snapshot(approval) == OpenApproval(
        status=approval.status,
        stage="first",
        stage_title="First",
        round=1,
        definition="release@1",
        opened_at=NOW,
        deadline=NOW + DAY,
        roster=people("ann", "ben", "cas"),
        decided=("cas",),
        combine=Combine.ALL,
    )


def test_a_listed_approval_says_whom_it_asks_and_what() -> None:
    approval = opened(stage(allow=("inquire",)))
    asks = {"stage": "first", "actor": "ann", "asked": "req", "question": "How many seats?"}
    found = LookedUp(person=people("req")[0])
    approval.act(Inquire.model_validate(asks), NOW, found)
    shown = snapshot(approval)
    assert [each.key for each in shown.asked] == ["req"]
    [question] = shown.questions
    assert question == OpenQuestion(number=1, asker="ann", asked="req", question="How many seats?")
    closes = {"stage": "first", "actor": "req", "inquiry": 1, "answer": "Five."}
    approval.act(Answer.model_validate(closes), NOW, found)
    assert (snapshot(approval).asked, snapshot(approval).questions) == ((), ())


def test_an_ended_approval_is_never_shown_as_pending() -> None:
    approval = opened()
    approval.withdraw("req")
    assert (snapshot(approval).status, snapshot(approval).deadline) == ("WITHDRAWN", None)


def test_an_ended_approval_names_only_those_who_did_decide() -> None:
    approval = opened()
    approval.decide(says("ben", "deny"), NOW)
    assert snapshot(approval).decided == ("ben",)


# A line


def view(
    state: LineState,
    *,
    approval: Approval | None = None,
    report: CheckReport | None = None,
    seen: RecordsSeen | None = None,
    closes_at: datetime | None = None,
    ponr_at: datetime | None = None,
    contact: ContactState | None = None,
    set_up: OpenTask | None = None,
    customer_admin: ContactState | None = None,
    **more: Any,
) -> ProcessView:
    progress = LineProgress(state)
    progress.ponr_at, progress.is_verified = ponr_at, ponr_at is not None
    line = order_line(offer(adapter="local"), **more)
    return line_view(
        line,
        progress,
        approval=approval,
        report=report,
        seen=seen,
        closes_at=closes_at,
        contact=contact,
        set_up=set_up,
        customer_admin=customer_admin,
    )


def seen(summary: str = "mx MISSING") -> RecordsSeen:
    return RecordsSeen(report="r1", at=NOW, state=Overall.PENDING, digest="d", summary=summary)


def waits(shown: ProcessView) -> tuple[str, datetime | None, str]:
    return shown.waiting_for, shown.until, shown.what_then


def test_a_line_in_approval_waits_for_its_approvers() -> None:
    shown = view(LineState.AWAITING_APPROVAL, approval=opened())
    assert waits(shown) == ("First: one of Ann, Ben, Cas", NOW + 60 * DAY, "the approval expires")
    assert shown.approval is not None


def test_an_approved_line_whose_check_found_something_waits_for_the_partner() -> None:
    approval = opened()
    approval.decide(says("ann"), NOW)
    blocking = Finding(code="X", severity=ObservationSeverity.BLOCKING, field="items", message="x; mend it.")
    shown = view(
        LineState.AWAITING_APPROVAL,
        approval=approval,
        report=CheckReport(id="c1", at=NOW, findings=(blocking,)),
    )
    assert waits(shown) == ("the partner: the check found something to mend", None, "")


def test_a_scheduled_line_waits_for_its_start_date() -> None:
    shown = view(LineState.SCHEDULED, requested_start=NOW + DAY)
    assert waits(shown) == ("the requested start date", NOW + DAY, "provisioning may begin")


def test_a_confirmed_line_waits_for_its_deployment() -> None:
    assert waits(view(LineState.CONFIRMED)) == (
        "somebody to deploy it, or the automatic deployment",
        None,
        "",
    )


def test_a_deployed_line_waits_for_records_until_it_closes() -> None:
    shown = view(LineState.PROVISIONING, seen=seen(), closes_at=NOW + 30 * DAY)
    assert waits(shown) == (
        "DNS records: mx MISSING",
        NOW + 30 * DAY,
        "the line closes; it can still be completed",
    )
    assert shown.open_tasks == (OpenTask.DNS,)


def test_a_closed_line_still_waits_for_records_and_nothing_ends_that() -> None:
    shown = view(LineState.CLOSED, seen=seen())
    assert waits(shown) == ("DNS records: mx MISSING", None, "")
    assert not shown.ended


def test_before_anybody_has_looked_no_task_is_open() -> None:
    shown = view(LineState.PROVISIONING)
    assert shown.waiting_for == "DNS records: the first look"
    assert shown.open_tasks == ()


def test_past_the_point_of_no_return_a_line_waits_for_its_backend() -> None:
    shown = view(LineState.PROVISIONING, seen=seen(), ponr_at=NOW)
    assert waits(shown) == ("the backend local", None, "")
    assert shown.open_tasks == ()
    assert shown.ponr_at == NOW


@pytest.mark.parametrize(
    "state",
    [
        LineState.PROVISIONED,
        LineState.REJECTED,
        LineState.EXPIRED,
        LineState.CANCELLED,
        LineState.FAILED,
    ],
)
def test_what_has_ended_waits_for_nothing(state: LineState) -> None:
    shown = view(state, seen=seen(), ponr_at=NOW, closes_at=None)
    assert shown.ended
    assert waits(shown) == ("", None, "")


def test_a_title_says_what_is_for_whom() -> None:
    assert title(context(), "Mail") == "Mail for contoso.ch, Contoso AG"
    assert title(context(None), "Mail") == "Mail, Contoso AG"


# Details in the Temporal UI


def test_details_list_in_markdown_what_is_known() -> None:
    shown = view(LineState.PROVISIONING, seen=seen(), closes_at=NOW + 30 * DAY)
    assert details(shown).splitlines() == [
        "- **State:** provisioning",
        "- **Waiting for:** DNS records: mx MISSING",
        "- **Until:** 2026-04-01 08:00 UTC",
        "- **What then:** the line closes; it can still be completed",
        "- **Open tasks:** dns",
        "- **Next step:** `countersign order check-records 7k3f --line 1`",
        "- **Offer:** `mail@1`",
    ]


CARLA = ContactState(
    contact=Contact(email="carla_b@contoso.ch"), generation=1, sent_at=NOW, accepted_at=NOW + DAY
)
GONE = CARLA.model_copy(update={"bounced": "550 5.1.1 no such mailbox"})


def test_details_show_the_contact_the_clock_and_who_maps_next() -> None:
    shown = view(LineState.AWAITING_PROVISIONING_DETAILS, contact=CARLA, closes_at=NOW + 7 * DAY)
    assert details(shown).splitlines() == [
        "- **State:** awaiting_provisioning_details",
        "- **Waiting for:** the provisioning contact carla\\_b@contoso.ch",
        "- **Until:** 2026-03-09 08:00 UTC",
        "- **What then:** the line closes; it can still be completed",
        "- **Provisioning contact:** carla\\_b@contoso.ch, mailed at 2026-03-02 08:00 UTC",
        "- **Next step:** `countersign order map 7k3f --line 1`",
        "- **Offer:** `mail@1`",
    ]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"sent_at": None, "accepted_at": None}, "not mailed yet"),
        ({"accepted_at": None}, "on its way"),
        ({"bounced": "550 5.1.1 no such mailbox"}, "cannot be reached: 550 5.1.1 no such mailbox"),
    ],
)
def test_details_say_what_became_of_the_contacts_mail(more: dict[str, Any], words: str) -> None:
    state = CARLA.model_copy(update=more)
    assert words in details(view(LineState.AWAITING_PROVISIONING_DETAILS, contact=state))


@pytest.mark.parametrize(
    ("admin", "words"),
    [
        (CARLA, "the customer's admin carla\\_b@contoso.ch, to set the services up"),
        (GONE, "another admin of the customer: carla\\_b@contoso.ch cannot be reached"),
    ],
)
def test_details_name_the_customers_admin_and_say_if_they_cannot_be_reached(
    admin: ContactState, words: str
) -> None:
    asked = {"contact": CARLA, "ponr_at": NOW, "set_up": OpenTask.CUSTOMER_SETUP, "customer_admin": admin}
    shown = details(view(LineState.PROVISIONING, **asked)).splitlines()
    assert f"- **Waiting for:** {words}" in shown
    assert any(row.startswith("- **Customer's admin:** carla\\_b@contoso.ch, ") for row in shown)


def test_details_of_a_mapped_line_name_its_organisations() -> None:
    shown = view(LineState.PROVISIONING, contact=CARLA, ponr_at=NOW, set_up=OpenTask.PARTNER)
    mapped = "- **Mapped to:** `" + shown.parties.customer + "`, partner `" + shown.parties.partner + "`"
    assert mapped in details(shown).splitlines()


@pytest.mark.parametrize(
    ("state", "more", "command"),
    [
        (LineState.ORDERED, {}, None),
        (LineState.CONFIRMED, {}, "countersign order deploy 7k3f --line 1"),
        (LineState.SCHEDULED, {"requested_start": NOW + DAY}, None),
        (
            LineState.AWAITING_APPROVAL,
            {"approval": opened()},
            "countersign approvals approve order-7k3f-line-1",
        ),
        (LineState.CLOSED, {"contact": CARLA}, "countersign order map 7k3f --line 1"),
        (
            LineState.AWAITING_PROVISIONING_DETAILS,
            {"contact": CARLA.model_copy(update={"sent_at": None})},
            None,
        ),
        (
            LineState.CLOSED,
            {"contact": CARLA.model_copy(update={"bounced": "550"})},
            "countersign order change-contact 7k3f --line 1",
        ),
        (
            LineState.PROVISIONING,
            {"contact": CARLA, "ponr_at": NOW, "set_up": OpenTask.CUSTOMER_SETUP},
            "countersign order set-up 7k3f --line 1",
        ),
        (
            LineState.PROVISIONING,
            {"contact": CARLA, "ponr_at": NOW, "set_up": OpenTask.CUSTOMER_SETUP, "customer_admin": GONE},
            "countersign order ask-customer 7k3f --line 1",
        ),
        (LineState.PROVISIONING, {"contact": CARLA, "ponr_at": NOW}, None),
        (LineState.PROVISIONED, {"contact": CARLA, "ponr_at": NOW}, None),
    ],
)
def test_the_next_step_is_a_command_unless_all_runs_by_itself(
    state: LineState, more: dict[str, Any], command: str | None
) -> None:
    assert next_step(view(state, **more)) == command


def test_the_next_step_of_a_held_line_is_an_operators() -> None:
    held = view(LineState.PROVISIONING, contact=CARLA, set_up=OpenTask.PARTNER).model_copy(
        update={"held": True}
    )
    assert next_step(held) == "countersign order retry 7k3f --line 1"


def test_what_has_no_limit_says_so_and_has_no_consequence() -> None:
    assert "- **Until:** no limit" in details(view(LineState.CONFIRMED))
    assert "What then" not in details(view(LineState.CONFIRMED))


def test_the_point_of_no_return_and_the_definition_are_shown() -> None:
    approval = Approval(definition(version=3), requester="req")
    approval.open_next(NOW)
    shown = details(view(LineState.AWAITING_APPROVAL, approval=approval))
    assert "- **Approval definition:** `release@3`" in shown
    assert "- **Point of no return:** 2026-03-02 08:00 UTC" in details(view(LineState.FAILED, ponr_at=NOW))


@pytest.mark.parametrize(("instant", "words"), [(None, "no limit"), (NOW, "2026-03-02 08:00 UTC")])
def test_an_instant_reads_as_utc(instant: datetime | None, words: str) -> None:
    assert at(instant) == words
