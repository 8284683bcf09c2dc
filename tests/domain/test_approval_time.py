"""What time and the want of approvers do to an approval (SPEC 4.1, 4.5, 11)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from domain.approval import Approval
from tests.domain.approval_samples import changes_to
from tests.domain.samples import DAY, HOUR, NOW, definition, opened, people, refused, says, stage, vote


@pytest.mark.parametrize(
    ("outcome", "status"), [("expire", "EXPIRED"), ("deny", "REJECTED"), ("approve", "APPROVED")]
)
def test_a_deadline_leads_where_the_stage_says(outcome: str, status: str) -> None:
    approval = opened(stage(on_deadline=outcome, deadline=HOUR))
    assert not approval.pass_deadline(NOW + HOUR - timedelta(microseconds=1))
    assert approval.status == "PENDING"
    assert approval.pass_deadline(NOW + HOUR)
    assert approval.status == status
    assert approval.open_next(NOW + HOUR) is None
    assert approval.deadline is None
    assert not approval.pass_deadline(NOW + 2 * HOUR)


def test_an_undecided_stage_expires_after_sixty_days_unless_it_says_otherwise() -> None:
    approval = opened()
    assert approval.deadline == NOW + 60 * DAY
    approval.pass_deadline(NOW + 60 * DAY)
    assert approval.status == "EXPIRED"
    assert approval.ended_by is None


def test_a_deadline_is_passed_however_late_somebody_looks() -> None:
    approval = opened(stage(deadline=HOUR))
    assert approval.pass_deadline(NOW + DAY) == "expire"


def test_each_stage_has_its_own_clock_from_its_opening() -> None:
    approval = opened(stage(deadline=HOUR), stage("second", deadline=DAY))
    vote(approval, "ann+")
    approval.open_next(NOW + 5 * DAY)
    assert approval.deadline == NOW + 6 * DAY


def test_nothing_is_due_before_the_first_stage_opens() -> None:
    approval = Approval(definition(stage(reminders=[HOUR])), requester="req")
    assert approval.next_due() is None
    assert not approval.pass_deadline(NOW)
    assert approval.remind(NOW) == ()


def test_reminders_go_to_the_silent_in_order_and_collapse_after_an_outage() -> None:
    approval = opened(stage(combine="all", deadline=10 * DAY, reminders=[7 * DAY, 3 * DAY, 5 * DAY]))
    assert approval.next_due() == NOW + 3 * DAY
    assert approval.remind(NOW + 3 * DAY - HOUR) == ()
    assert approval.remind(NOW + 3 * DAY) == people("ann", "ben", "cas")
    assert approval.next_due() == NOW + 5 * DAY

    vote(approval, "ann+", at=NOW + 4 * DAY)
    assert approval.remind(NOW + 8 * DAY) == people("ben", "cas")
    assert approval.remind(NOW + 8 * DAY) == ()
    assert approval.next_due() == approval.deadline == NOW + 10 * DAY


def test_nobody_is_reminded_of_what_has_ended() -> None:
    approval = opened(stage(deadline=10 * DAY, reminders=[DAY]))
    vote(approval, "ann+")
    assert approval.next_due() is None
    assert approval.remind(NOW + 2 * DAY) == ()


# Nobody may decide


@pytest.mark.parametrize(
    ("rule", "roster", "lacks"),
    [
        ({"combine": "any"}, (), True),
        ({"combine": "any"}, ("req",), True),
        ({"combine": "any"}, ("ann",), False),
        ({"combine": "all"}, (), True),
        ({"combine": "quorum", "quorum": 2}, ("ann", "ann", "req"), True),
        ({"combine": "quorum", "quorum": 2}, ("ann", "ben"), False),
    ],
)
def test_a_stage_lacks_approvers_if_those_there_can_never_decide_it(
    rule: dict[str, Any], roster: tuple[str, ...], lacks: bool
) -> None:
    assert opened(stage(**rule), roster=roster).lacks_approvers is lacks


def test_a_roster_nobody_has_looked_up_yet_lacks_nobody() -> None:
    approval = Approval(definition(), requester="req")
    approval.open_next(NOW)
    assert not approval.lacks_approvers


@pytest.mark.parametrize(
    ("outcome", "settled", "status"),
    [("hold", False, "PENDING"), ("skip", True, "APPROVED"), ("deny", True, "REJECTED")],
)
def test_a_stage_nobody_may_decide_is_held_skipped_or_denied(
    outcome: str, settled: bool, status: str
) -> None:
    approval = opened(stage(on_nobody=outcome), roster=())
    assert approval.settle_nobody() is settled
    assert approval.status == status


@pytest.mark.parametrize("by", ["deadline", "want of approvers", "own request"])
def test_whoever_comes_late_hears_that_it_has_ended_though_nobody_ended_it(by: str) -> None:
    approval = opened()
    changes_to(approval, definition(stage(on_nobody="skip", on_deadline="approve"), version=2))
    approval.open_next(NOW)
    approval.seat(people("ann") if by == "deadline" else ())
    if by == "deadline":
        approval.pass_deadline(NOW + 60 * DAY)
    elif by == "want of approvers":
        approval.settle_nobody()
    else:
        approval.pass_stage()
    refusal = refused(approval, says("ann", round=1))
    assert (refusal.code, "the approval is APPROVED" in refusal.message) == ("ALREADY_DECIDED", True)


def test_an_approval_in_a_held_stage_never_rejects_the_request() -> None:
    approval = opened(stage(combine="quorum", quorum=3), roster=("ann", "ben"))
    assert vote(approval, "ann+", "ben+").status == "PENDING"
    assert not approval.stage_is_over


def test_a_held_stage_still_ends_at_its_deadline() -> None:
    approval = opened(roster=())
    assert approval.next_due() == NOW + 60 * DAY
    approval.pass_deadline(NOW + 60 * DAY)
    assert approval.status == "EXPIRED"
