"""Who comes into a stage, who leaves it, and what that does to its clock (SPEC 4.4, 4.5; S20)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain import actions
from domain.approval import Approval
from domain.calendars import Calendar
from domain.decisions import Part
from domain.errors import Code
from domain.organisations import OrganisationKind
from tests.domain.approval_samples import (
    EVERYTHING,
    asked,
    changes_to,
    code_of_action,
    delegate,
    do,
    inquire,
    refresh,
    sits,
)
from tests.domain.samples import DAY, HOUR, NOW, definition, opened, people, refused, says, stage, vote

FREE = stage(combine="all", allow=EVERYTHING)


# Delegation


def test_a_delegate_decides_instead_and_the_audit_says_for_whom() -> None:
    approval = opened(FREE)
    delegate(approval, "ann", "zoe")
    assert asked(approval) == ["zoe", "ben", "cas"]
    assert refused(approval, says("ann")).code is Code.NOT_AN_APPROVER
    assert vote(approval, "zoe+", "ben+", "cas+").status == "APPROVED"
    assert [each.stands_for for each in approval.votes] == ["ann", None, None]
    seat = approval.seat_of("zoe")
    assert seat is not None
    assert (seat.stands_for, seat.stands_for_name, seat.part) == ("ann", "Ann", Part.APPROVER)


@pytest.mark.parametrize("to", ["ann", "ben", "zoe"], ids=["back", "to another approver", "to themselves"])
def test_a_delegation_never_goes_in_a_circle(to: str) -> None:
    approval = opened(FREE)
    delegate(approval, "ann", "zoe")
    assert code_of_action(approval, actions.Delegate, "zoe", to=to) == Code.NOT_ALLOWED
    assert code_of_action(approval, actions.Delegate, "cas", to="ann") == Code.NOT_ALLOWED
    assert code_of_action(approval, actions.Delegate, "cas", to="zoe") == Code.NOT_ALLOWED


def test_nobody_who_has_voted_was_never_asked_or_was_added_passes_anything_on() -> None:
    approval = opened(FREE)
    vote(approval, "ann+")
    do(approval, actions.AddApprover, "ben", person="zoe")
    for kind, more in [(actions.Delegate, {"to": "fay"}), (actions.AddApprover, {"person": "fay"})]:
        assert code_of_action(approval, kind, "ann", **more) == Code.ALREADY_DECIDED
        assert code_of_action(approval, kind, "mallory", **more) == Code.NOT_AN_APPROVER
        assert code_of_action(approval, kind, "zoe", **more) == Code.NOT_ALLOWED


@pytest.mark.parametrize("kind", [actions.Delegate, actions.AddApprover])
def test_requester_and_beneficiary_are_not_brought_in_by_the_back_door(
    kind: type[actions.StageCommand],
) -> None:
    field = "to" if kind is actions.Delegate else "person"
    for person in ("req", "ina"):
        approval = opened(FREE, beneficiary="ina")
        assert code_of_action(approval, kind, "ann", **{field: person}) == Code.SELF_APPROVAL
    may = opened(stage(allow=EVERYTHING, self_approval=True))
    assert do(may, kind, "ann", **{field: "req"}).status == "PENDING"


def test_what_was_handed_back_is_its_owners_again() -> None:
    approval = opened(FREE)
    delegate(approval, "ann", "zoe")
    do(approval, actions.HandBack, "zoe")
    assert approval.roster == people("ann", "ben", "cas")
    assert code_of_action(approval, actions.HandBack, "ann") == Code.NOT_ALLOWED
    assert code_of_action(approval, actions.HandBack, "zoe") == Code.NOT_AN_APPROVER


def test_a_delegate_who_has_voted_hands_nothing_back() -> None:
    approval = opened(FREE)
    delegate(approval, "ann", "zoe")
    vote(approval, "zoe+")
    assert code_of_action(approval, actions.HandBack, "zoe") == Code.ALREADY_DECIDED


def test_an_owner_who_has_come_by_another_seat_gets_no_second_one_back() -> None:
    rule = stage(
        combine="all", allow=EVERYTHING, escalations=[{"approvers": {"people": ["ann"]}, "deadline": DAY}]
    )
    approval = opened(rule)
    delegate(approval, "ann", "zoe")
    do(approval, actions.Escalate, "ben", roster=("ann",))
    do(approval, actions.HandBack, "zoe")
    assert [seat.key for seat in approval.roster or ()] == ["ben", "cas", "ann"]
    assert vote(approval, "ann+").status == "APPROVED"


# Clocks


@pytest.mark.parametrize(
    ("kind", "more"),
    [(actions.Delegate, {"to": "zoe"}), (actions.AddApprover, {"person": "zoe"})],
)
def test_whoever_is_brought_in_has_the_whole_time(kind: type[actions.StageCommand], more: Any) -> None:
    approval = opened(stage(combine="all", deadline=2 * DAY, allow=EVERYTHING))
    assert do(approval, kind, "ann", at=NOW + DAY, **more).deadline == NOW + 3 * DAY


def test_what_is_handed_back_gives_the_owner_the_whole_time_again() -> None:
    approval = opened(stage(combine="all", deadline=2 * DAY, allow=EVERYTHING))
    delegate(approval, "ann", "zoe", at=NOW + DAY)
    assert do(approval, actions.HandBack, "zoe", at=NOW + 2 * DAY).deadline == NOW + 4 * DAY


def test_after_an_escalation_a_share_is_that_of_the_level_and_no_deadline_moves_back() -> None:
    level = {"approvers": {"people": ["lea"]}, "deadline": 2 * DAY}
    approval = opened(stage(combine="all", allow=EVERYTHING, escalations=[level]))
    escalated = do(approval, actions.Escalate, "ann", roster=("lea",), at=NOW + DAY)
    assert escalated.deadline == NOW + 3 * DAY
    assert delegate(approval, "lea", "zoe", at=NOW + 2 * DAY).deadline == NOW + 4 * DAY
    assert delegate(approval, "ann", "fay", at=NOW + DAY).deadline == NOW + 4 * DAY


def test_an_inquiry_stops_no_clock() -> None:
    approval = opened(stage(combine="all", deadline=2 * DAY, allow=EVERYTHING))
    assert inquire(approval, "ann", "zoe", at=NOW + DAY).deadline == NOW + 2 * DAY
    assert approval.pass_deadline(NOW + 2 * DAY) == "expire"
    assert approval.status == "EXPIRED"


def test_sixteen_working_hours_run_through_a_question_and_anew_for_a_delegate() -> None:
    """S20: Friday 09:00 to the end of Monday; handed to a delegate on Monday at noon, to Wednesday noon."""
    friday = datetime(2026, 5, 8, 9, tzinfo=UTC)
    rule = stage(combine="all", deadline=timedelta(hours=16), calendar="provider", allow=EVERYTHING)
    approval = Approval(definition(rule), "req", calendars={OrganisationKind.PROVIDER: Calendar()})
    approval.open_next(friday)
    approval.seat(people("ann", "ben"))
    monday = friday + 3 * DAY
    assert approval.deadline == monday.replace(hour=17)

    inquire(approval, "ann", "zoe", at=friday + HOUR)
    do(approval, actions.Answer, "zoe", inquiry=1, answer="So.", at=monday)
    assert approval.deadline == monday.replace(hour=17)
    assert delegate(approval, "ann", "zoe", at=monday.replace(hour=12)).deadline == monday.replace(
        day=13, hour=12
    )
    assert approval.pass_deadline(monday.replace(hour=17)) is None
    assert approval.pass_deadline(monday.replace(day=13, hour=12)) == "expire"


# Additional approvers


def test_an_added_approver_has_to_approve_as_well() -> None:
    approval = opened(stage(allow=EVERYTHING))
    do(approval, actions.AddApprover, "ann", person="zoe")
    assert vote(approval, "ann+").status == "PENDING"
    assert sits(approval, Part.ADDITIONAL) == ["zoe"]
    assert vote(approval, "zoe+").status == "APPROVED"


def test_the_approval_of_an_added_approver_replaces_nobodys() -> None:
    approval = opened(stage(combine="quorum", quorum=2, allow=EVERYTHING))
    do(approval, actions.AddApprover, "ann", person="zoe")
    assert vote(approval, "zoe+", "ann+").status == "PENDING"
    assert vote(approval, "cas+").status == "APPROVED"


def test_an_added_approver_is_waited_for_though_more_than_enough_others_have_approved() -> None:
    approval = opened(stage(allow=EVERYTHING))
    do(approval, actions.AddApprover, "ann", person="zoe")
    assert vote(approval, "ann+", "ben+", "cas+").status == "PENDING"
    assert vote(approval, "zoe+").status == "APPROVED"


def test_one_denial_of_an_added_approver_ends_it_however_many_the_stage_wants() -> None:
    approval = opened(stage(combine="all", denials=3, allow=EVERYTHING))
    do(approval, actions.AddApprover, "ann", person="zoe")
    assert vote(approval, "zoe-").status == "REJECTED"


# Refreshing the roster


def test_a_refreshed_roster_has_the_joiners_and_without_the_leavers() -> None:
    approval = opened(FREE)
    refresh(approval, "ben", "dee", at=NOW + DAY)
    assert asked(approval) == ["ben", "dee"]
    assert approval.deadline == NOW + 60 * DAY
    assert vote(approval, "ben+", "dee+").status == "APPROVED"


def test_a_leavers_vote_stands_and_so_does_its_weight() -> None:
    approval = opened(FREE)
    vote(approval, "ann+")
    refresh(approval, "ben", "dee")
    assert approval.opening.needed == 3
    assert [seat.key for seat in approval.roster or ()] == ["ann", "ben", "dee"]
    assert vote(approval, "ben+", "dee+").status == "APPROVED"


def test_a_delegates_seat_falls_with_whoever_delegated_it() -> None:
    approval = opened(FREE)
    delegate(approval, "ann", "zoe")
    delegate(approval, "ben", "fay")
    vote(approval, "fay+")
    refresh(approval, "zoe", "cas")
    assert [(seat.key, seat.stands_for) for seat in approval.roster or ()] == [
        ("fay", "ben"),
        ("cas", None),
        ("zoe", None),
    ]


def test_nobody_who_sits_already_or_has_delegated_joins_again() -> None:
    approval = opened(FREE)
    do(approval, actions.AddApprover, "ben", person="dee")
    delegate(approval, "ann", "zoe")
    refresh(approval, "ann", "ben", "zoe", "dee", "req")
    assert [seat.key for seat in approval.roster or ()] == ["zoe", "ben", "dee"]
    assert sits(approval, Part.ADDITIONAL) == ["dee"]


def test_a_stage_that_has_all_it_needs_without_the_leavers_is_over() -> None:
    approval = opened(FREE)
    vote(approval, "ann+", "ben+")
    refresh(approval, "ann", "ben")
    assert approval.stage_is_over
    assert approval.open_next(NOW) is None
    assert approval.status == "APPROVED"


def test_a_quorum_that_leavers_put_out_of_reach_is_held_and_the_next_approval_rejects_nothing() -> None:
    approval = opened(stage(combine="quorum", quorum=2, denials=3))
    vote(approval, "ann-")
    refresh(approval, "ann", "cas")
    assert approval.lacks_approvers
    assert not approval.settle_nobody()
    assert vote(approval, "cas+").status == "PENDING"
    refresh(approval, "ann", "cas", "dee")
    assert not approval.lacks_approvers
    assert vote(approval, "dee+").status == "APPROVED"


def test_nothing_that_somebody_has_denied_is_skipped_as_the_others_have_left() -> None:
    approval = opened(stage(combine="quorum", quorum=2, denials=2, on_nobody="skip"))
    vote(approval, "ann-")
    refresh(approval, "ben")
    assert approval.lacks_approvers
    assert not approval.settle_nobody()
    assert not approval.stage_is_over


def test_a_requester_whose_vote_counts_as_given_does_not_join_later() -> None:
    approval = Approval(definition(stage(combine="all"), requester_is_approver="granted"), "req")
    approval.open_next(NOW)
    approval.seat(people("ann", "ben"))
    refresh(approval, "req", "ben")
    assert asked(approval) == ["ben"]


def test_a_stage_that_asks_no_people_has_no_roster_to_refresh() -> None:
    waiting = stage(approvers=None, wait={"source": "ledger"})
    approval = opened(waiting, roster=())
    assert code_of_action(approval, actions.RefreshRoster, "otto") == Code.NOT_ALLOWED


def test_whoever_is_asked_when_the_definition_changes_is_asked_anew() -> None:
    approval = opened(FREE)
    inquire(approval, "ann", "zoe")
    changes_to(approval, definition(FREE, version=2))
    approval.open_next(NOW + DAY)
    assert (approval.open_inquiries, approval.deadline) == ((), NOW + 61 * DAY)
