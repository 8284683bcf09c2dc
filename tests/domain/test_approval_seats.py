"""Who is asked when those before do not answer or nobody may: levels, team, fallback (SPEC 4.1; a5)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from domain import actions
from domain.approval import Approval
from domain.decisions import Part
from domain.definitions import OnDeadline, Stage
from domain.opening import Opening
from tests.domain.approval_samples import asked, delegate, do, sits
from tests.domain.samples import DAY, HOUR, NOW, definition, opened, people, stage, vote


def level(*people: str, deadline: timedelta = DAY, replaces: bool = False) -> dict[str, Any]:
    return {"approvers": {"people": people}, "deadline": deadline, "replaces": replaces}


def escalating(*levels: dict[str, Any], **more: Any) -> Stage:
    return stage(
        **{
            "combine": "all",
            "deadline": 10 * DAY,
            "on_deadline": "escalate",
            "escalations": levels,
            "allow": ["delegate", "add_approver"],
            **more,
        }
    )


def runs_out(approval: Approval, *asks: str) -> OnDeadline | None:
    """Lets the deadline pass as the gate does; the directory names those who are asked next."""
    at = approval.deadline
    assert at is not None
    outcome = approval.pass_deadline(at)
    if outcome is OnDeadline.ESCALATE:
        approval.escalate(at, people(*asks))
    return outcome


# Levels


def test_each_level_has_its_own_time_and_one_of_it_decides_alone() -> None:
    approval = opened(escalating(level("lea"), level("max", deadline=2 * DAY)))
    assert approval.after_deadline == "escalate"
    assert runs_out(approval, "lea") == "escalate"
    assert (approval.opening.level, approval.deadline) == (1, NOW + 11 * DAY)
    assert asked(approval) == ["ann", "ben", "cas", "lea"]
    assert runs_out(approval, "max") == "escalate"
    assert (approval.opening.level, approval.deadline) == (2, NOW + 13 * DAY)
    assert [(seat.key, seat.level) for seat in approval.roster or ()][3:] == [("lea", 1), ("max", 2)]
    assert vote(approval, "lea+", at=NOW + 12 * DAY).status == "APPROVED"


@pytest.mark.parametrize(
    ("outcome", "status"), [("expire", "EXPIRED"), ("deny", "REJECTED"), ("approve", "APPROVED")]
)
def test_after_the_last_level_it_ends_as_the_stage_says(outcome: str, status: str) -> None:
    approval = opened(escalating(level("lea"), after_escalation=outcome))
    runs_out(approval, "lea")
    assert approval.after_deadline == outcome
    runs_out(approval)
    approval.open_next(NOW)
    assert approval.status == status


def test_a_stage_escalated_by_hand_goes_on_to_the_next_level_whatever_its_deadline_leads_to() -> None:
    approval = opened(escalating(level("lea"), level("max"), on_deadline="expire", after_escalation="deny"))
    assert approval.after_deadline == "expire"
    approval.escalate(NOW, people("lea"))
    assert approval.after_deadline == "escalate"
    runs_out(approval, "max")
    assert approval.after_deadline == "deny"


def test_a_level_decides_before_those_who_were_asked_first_and_they_still_may() -> None:
    approval = opened(escalating(level("lea")))
    runs_out(approval, "lea")
    late = NOW + 10 * DAY
    assert vote(approval, "ann+", "ben+", at=late).status == "PENDING"
    assert vote(approval, "cas+", at=late).status == "APPROVED"


def test_the_denial_of_a_level_ends_it_however_many_the_stage_wants() -> None:
    approval = opened(escalating(level("lea"), denials=3))
    runs_out(approval, "lea")
    assert vote(approval, "lea-", at=NOW + 10 * DAY).status == "REJECTED"


def test_a_denial_that_leaves_too_few_approvals_does_not_end_what_a_level_may_still_grant() -> None:
    approval = opened(escalating(level("lea"), denials=2))
    runs_out(approval, "lea")
    late = NOW + 10 * DAY
    assert vote(approval, "ann-", at=late).status == "PENDING"
    assert vote(approval, "lea+", at=late).status == "APPROVED"


def test_nobody_is_reminded_of_what_was_escalated() -> None:
    approval = opened(escalating(level("lea"), reminders=[DAY, 2 * DAY], on_deadline="expire"))
    approval.escalate(NOW + HOUR, people("lea"))
    assert approval.next_due() == approval.deadline == NOW + HOUR + DAY
    assert approval.remind(NOW + DAY) == ()


def test_a_level_that_replaces_takes_the_seats_of_the_silent_and_leaves_what_was_said() -> None:
    approval = opened(escalating(level("lea", replaces=True)))
    vote(approval, "ann+")
    runs_out(approval, "lea")
    assert [seat.key for seat in approval.roster or ()] == ["ann", "lea"]
    assert not approval.lacks_approvers
    assert not approval.stage_passed
    assert vote(approval, "lea+", at=NOW + 10 * DAY).status == "APPROVED"


@pytest.mark.parametrize("found", [(), ("req",), ("ann",)], ids=["nobody", "only the requester", "who voted"])
def test_nobody_loses_a_seat_to_a_level_that_can_decide_nothing(found: tuple[str, ...]) -> None:
    approval = opened(escalating(level("lea", replaces=True), on_nobody="skip"))
    vote(approval, "ann+")
    runs_out(approval, *found)
    assert asked(approval) == ["ben", "cas"]
    assert not approval.lacks_approvers


def test_a_level_that_the_directory_names_later_is_seated_then() -> None:
    approval = opened(escalating(level("lea", replaces=True)))
    approval.pass_deadline(NOW + 10 * DAY)
    approval.opening.escalate(NOW + 10 * DAY)
    assert asked(approval) == ["ann", "ben", "cas"]
    approval.seat_level(people("lea"))
    assert asked(approval) == ["lea"]
    assert sits(approval, Part.ESCALATION) == ["lea"]


@pytest.mark.parametrize(("replaces", "waiting"), [(False, ["lea", "ann", "ben"]), (True, ["lea"])])
def test_approvers_whom_the_directory_names_after_an_escalation_sit_unless_the_level_replaced_them(
    replaces: bool, waiting: list[str]
) -> None:
    approval = Approval(definition(escalating(level("lea", replaces=replaces))), "req")
    approval.open_next(NOW)
    runs_out(approval, "lea")
    approval.seat(people("ann", "ben"))
    assert asked(approval) == waiting


def test_a_level_that_nobody_is_in_says_nothing_of_approvers_not_yet_known() -> None:
    approval = Approval(definition(escalating(level("lea", replaces=True), on_nobody="skip")), "req")
    approval.open_next(NOW)
    runs_out(approval)
    assert (approval.roster, approval.lacks_approvers) == (None, False)
    approval.seat(people("ann"))
    assert asked(approval) == ["ann"]


def test_of_many_levels_each_has_its_own_people_time_and_way_of_asking() -> None:
    levels = [level("lea", deadline=DAY), level("max", deadline=3 * DAY), level("ned", replaces=True)]
    approval = opened(escalating(*levels))
    several = ["ann", "ben", "cas", "lea"]
    cases = [("lea", DAY, several), ("max", 3 * DAY, [*several, "max"]), ("ned", DAY, ["ned"])]
    for person, time, still_asked in cases:
        runs_out(approval, person)
        seat = approval.seat_of(person)
        assert seat is not None
        assert approval.opening.authority(seat, None).people == (person,)
        assert asked(approval) == still_asked
        last_hour = (approval.deadline or NOW) - HOUR
        delegate(approval, person, "zoe", at=last_hour)
        assert approval.deadline == last_hour + time
        do(approval, actions.HandBack, "zoe", at=last_hour)


def test_there_is_no_level_above_the_last() -> None:
    opening = Opening(escalating(level("lea")), 1, NOW, None)
    opening.escalate(NOW)
    with pytest.raises(ValueError, match="stage first has no further level"):
        opening.escalate(NOW)


# People who are asked twice


def test_an_approver_whom_the_level_names_decides_alone_from_then_on() -> None:
    approval = opened(escalating(level("ben")))
    runs_out(approval, "ben")
    assert [(seat.key, seat.part) for seat in approval.roster or ()] == [
        ("ann", "approver"),
        ("cas", "approver"),
        ("ben", "escalation"),
    ]
    assert vote(approval, "ben+", at=NOW + 10 * DAY).status == "APPROVED"


def test_a_delegate_whom_the_level_names_returns_what_was_delegated() -> None:
    approval = opened(escalating(level("lea")))
    delegate(approval, "ann", "lea")
    runs_out(approval, "lea")
    assert [(seat.key, seat.part) for seat in approval.roster or ()] == [
        ("ann", "approver"),
        ("ben", "approver"),
        ("cas", "approver"),
        ("lea", "escalation"),
    ]


def test_who_has_voted_keeps_the_seat_the_vote_was_cast_from() -> None:
    approval = opened(escalating(level("ann")))
    vote(approval, "ann+")
    runs_out(approval, "ann")
    assert sits(approval, Part.ESCALATION) == []
    assert approval.is_pending


def test_who_decides_alone_already_is_not_moved_by_the_next_level() -> None:
    approval = opened(escalating(level("lea"), level("lea", "max")))
    runs_out(approval, "lea")
    runs_out(approval, "lea", "max")
    assert [(seat.key, seat.level) for seat in approval.roster or ()][3:] == [("lea", 1), ("max", 2)]


# Nobody may decide


HELD = stage(combine="quorum", quorum=3, allow=["delegate", "add_approver"])


@pytest.mark.parametrize("part", [Part.FALLBACK, Part.ESCALATION])
def test_one_of_those_asked_in_place_of_the_missing_decides_alone(part: Part) -> None:
    for word, status in [("fay+", "APPROVED"), ("fay-", "REJECTED")]:
        approval = opened(HELD, roster=("ann", "ben"))
        assert approval.lacks_approvers
        approval.bring_in(people("fay", "req"), part)
        assert not approval.lacks_approvers
        assert asked(approval) == ["ann", "ben", "fay"]
        assert vote(approval, word).status == status


@pytest.mark.parametrize("part", [Part.FALLBACK, Part.ESCALATION])
def test_an_approver_of_a_short_stage_may_be_its_only_help(part: Part) -> None:
    approval = opened(HELD, roster=("ann", "ben"))
    approval.bring_in(people("ann"), part)
    assert not approval.lacks_approvers
    assert vote(approval, "ann+").status == "APPROVED"


def test_a_held_stage_is_denied_by_denials_alone() -> None:
    approval = opened(stage(combine="quorum", quorum=3, denials=2), roster=("ann", "ben"))
    assert vote(approval, "ann-").status == "PENDING"
    assert approval.lacks_approvers
    assert vote(approval, "ben-").status == "REJECTED"


def test_the_fallback_is_asked_by_the_gate_and_settles_nothing_itself() -> None:
    approval = opened(stage(on_nobody="fallback", fallback={"people": ["fay"]}), roster=())
    assert approval.settle_nobody() is False
    assert not approval.stage_is_over


def test_a_stage_denied_as_nobody_may_decide_says_so() -> None:
    approval = opened(stage(on_nobody="deny"), roster=())
    approval.settle_nobody()
    assert (approval.ended_by, approval.ended_reason) == (None, "nobody may decide stage first")


def test_the_escalation_team_is_next_only_where_no_level_is_left_and_once() -> None:
    approval = Approval(
        definition(stage(escalations=[level("lea")]), escalation_team={"people": ["tea"]}), "req"
    )
    approval.open_next(NOW)
    approval.seat(people("ann"))
    first = approval.next_asked
    assert first is not None
    assert first.people == ("lea",)
    approval.escalate(NOW, people("lea"))
    team = approval.next_asked
    assert team is not None
    assert team.people == ("tea",)
    approval.escalate(NOW, people("tea"))
    assert approval.next_asked is None
    assert approval.deadline == NOW + DAY
