"""Who may approve, what a decision does, and what time does (SPEC 4.2, 4.3, 11)."""

from __future__ import annotations

from datetime import timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.approval import Approval
from domain.errors import Code, Refusal
from tests.domain.samples import DAY, HOUR, NOW, definition, opened, people, refused, says, stage, vote

TWO_STAGES = (stage("first"), stage("second"))


# Votes add up


@pytest.mark.parametrize(
    ("rule", "votes", "status"),
    [
        ({"combine": "any"}, "ann+", "APPROVED"),
        ({"combine": "any"}, "ann-", "REJECTED"),
        ({"combine": "any", "denials": 2}, "ann-", "PENDING"),
        ({"combine": "any", "denials": 2}, "ann- ben-", "REJECTED"),
        ({"combine": "any", "denials": 2}, "ann- ben+", "APPROVED"),
        ({"combine": "all"}, "ann+ ben+", "PENDING"),
        ({"combine": "all"}, "ann+ ben+ cas+", "APPROVED"),
        ({"combine": "all"}, "ann+ ben-", "REJECTED"),
        ({"combine": "all", "denials": 3}, "ann-", "REJECTED"),
        ({"combine": "quorum", "quorum": 2}, "ann+", "PENDING"),
        ({"combine": "quorum", "quorum": 2}, "ann+ cas+", "APPROVED"),
        ({"combine": "quorum", "quorum": 2, "denials": 3}, "ann- ben+", "PENDING"),
        ({"combine": "quorum", "quorum": 2, "denials": 3}, "ann- ben-", "REJECTED"),
        ({"combine": "quorum", "quorum": 3}, "ann+ ben+ cas+", "APPROVED"),
    ],
)
def test_a_stage_of_three_is_decided_by_enough_votes_or_once_enough_are_out_of_reach(
    rule: dict[str, Any], votes: str, status: str
) -> None:
    assert vote(opened(stage(**rule)), *votes.split()).status == status


@given(seats=st.integers(1, 9), quorum=st.integers(1, 9), order=st.randoms())
def test_exactly_the_quorum_passes_a_stage_in_whatever_order_people_approve(
    seats: int, quorum: int, order: Any
) -> None:
    roster = [f"p{n}" for n in range(seats)]
    approval = opened(stage(combine="quorum", quorum=quorum), roster=tuple(roster))
    order.shuffle(roster)
    for given_so_far, person in enumerate(roster[:quorum], start=1):
        vote(approval, f"{person}+")
        assert approval.stage_passed is (given_so_far >= quorum)
    assert approval.is_pending is (quorum > seats)


def test_all_of_one_is_one() -> None:
    assert vote(opened(stage(combine="all"), roster=("ann",)), "ann+").status == "APPROVED"


def test_the_last_stage_approves_the_request_and_no_earlier_one() -> None:
    approval = opened(*TWO_STAGES)
    assert vote(approval, "ann+").status == "PENDING"
    assert approval.stage_passed

    second = approval.open_next(NOW + DAY)
    assert second is not None
    assert second.name == "second"
    approval.seat(people("dee"))
    assert vote(approval, "dee+").status == "APPROVED"


def test_nobody_seated_twice_counts_twice() -> None:
    approval = opened(stage(combine="all"), roster=("ann", "ann", "ben"))
    assert [person.key for person in approval.waiting_for] == ["ann", "ben"]
    assert vote(approval, "ann+", "ben+").status == "APPROVED"


def test_who_has_decided_is_not_waited_for() -> None:
    approval = opened(stage(combine="all"))
    vote(approval, "ben+")
    assert [person.key for person in approval.waiting_for] == ["ann", "cas"]
    vote(approval, "ann-")
    assert approval.waiting_for == ()


# Who may decide


@pytest.mark.parametrize("actor", ["req", "ben"])
def test_requester_and_beneficiary_have_no_seat_and_may_not_decide(actor: str) -> None:
    approval = opened(roster=("req", "ann", "ben"), beneficiary="ben")
    assert approval.roster == people("ann")
    assert refused(approval, says(actor)).code is Code.SELF_APPROVAL


def test_requester_and_beneficiary_may_decide_where_the_stage_says_so() -> None:
    approval = opened(stage(self_approval=True, combine="all"), roster=("req", "ben"), beneficiary="ben")
    assert vote(approval, "req+", "ben+").status == "APPROVED"


def test_only_who_is_asked_may_decide() -> None:
    assert refused(opened(), says("stranger")).code is Code.NOT_AN_APPROVER


def test_a_vote_before_the_roster_is_known_is_not_turned_away_for_want_of_a_seat() -> None:
    approval = Approval(definition(*TWO_STAGES), requester="req")
    approval.check(says("ann"), NOW)
    approval.open_next(NOW)
    approval.check(says("ann"), NOW)
    approval.seat(people("ben"))
    assert refused(approval, says("ann")).code is Code.NOT_AN_APPROVER


@pytest.mark.parametrize(
    ("stage_name", "round_"), [("second", 1), ("nowhere", 1), ("first", 0), ("first", 2)]
)
def test_a_decision_for_another_stage_or_round_hits_none(stage_name: str, round_: int) -> None:
    decision = says("ann", stage=stage_name, round=round_)
    assert refused(opened(*TWO_STAGES), decision).code is Code.WRONG_STAGE
    assert refused(Approval(definition(*TWO_STAGES), "req"), decision).code is Code.WRONG_STAGE


@pytest.mark.parametrize(
    ("verdict", "reason", "required", "is_refused"),
    [
        ("approve", None, True, True),
        ("approve", "\t", True, True),
        ("approve", "capacity is there", True, False),
        ("approve", None, False, False),
        ("deny", None, True, False),
    ],
)
def test_an_approval_gives_a_reason_where_the_stage_wants_one(
    verdict: str, reason: str | None, required: bool, is_refused: bool
) -> None:
    approval = opened(stage(reason_required=False, approval_reason_required=required))
    decision = says("ann", verdict, reason=reason)
    if is_refused:
        refusal = refused(approval, decision)
        assert refusal.code is Code.REASON_REQUIRED
        assert refusal.message == "reason: stage first wants one for an approval"
    else:
        approval.check(decision, NOW)


@pytest.mark.parametrize(
    ("verdict", "reason", "required", "is_refused"),
    [
        ("deny", None, True, True),
        ("deny", " \n", True, True),
        ("deny", "too dear", True, False),
        ("deny", None, False, False),
        ("approve", None, True, False),
    ],
)
def test_a_denial_gives_a_reason_unless_the_stage_wants_none(
    verdict: str, reason: str | None, required: bool, is_refused: bool
) -> None:
    approval = opened(stage(reason_required=required))
    decision = says("ann", verdict, reason=reason)
    if is_refused:
        assert refused(approval, decision).code is Code.REASON_REQUIRED
    else:
        approval.check(decision, NOW)


def test_while_a_vote_is_being_recorded_it_can_be_looked_at_as_if_it_counted() -> None:
    approval = opened(stage(combine="all"))
    with approval.counting(approval.vote_for(says("ann"), NOW)):
        assert approval.decided == ("ann",)
    assert approval.decided == ()


# Again, otherwise, too late


def test_the_same_decision_again_gets_the_very_answer_it_got_first() -> None:
    approval = opened(stage(combine="quorum", quorum=2), stage("second"))
    first = vote(approval, "ann+")
    vote(approval, "ben+", at=NOW + HOUR)
    approval.open_next(NOW + HOUR)
    approval.seat(people("dee"))
    vote(approval, "dee+", at=NOW + HOUR)

    assert approval.status == "APPROVED"
    assert approval.answer_to(says("ann", received_at=NOW + DAY)) == first
    assert len(approval.votes) == 3


def test_another_decision_of_the_same_person_is_refused_and_named() -> None:
    approval = opened(stage(combine="all"))
    vote(approval, "ann+")
    contrary = says("ann", "deny")
    assert approval.answer_to(contrary) is None
    refusal = refused(approval, contrary)
    assert refusal.code is Code.ALREADY_DECIDED
    assert "ann decided approve at 2026-03-02 08:00:00 UTC" in refusal.message


@pytest.mark.parametrize(
    "stages", [(stage("first"),), TWO_STAGES], ids=["the only stage", "the first of two"]
)
def test_of_two_who_race_exactly_one_decides_and_the_other_hears_who_won(stages: Any) -> None:
    approval = opened(*stages)
    vote(approval, "ann+")
    votes = list(approval.votes)

    refusal = refused(approval, says("ben", "deny"))

    assert refusal.code is Code.ALREADY_DECIDED
    assert "ann" in refusal.message
    assert approval.votes == votes


def test_a_decision_on_a_stage_that_was_left_behind_changes_nothing() -> None:
    approval = opened(*TWO_STAGES)
    vote(approval, "ann+")
    approval.open_next(NOW)
    approval.seat(people("ben", "ann"))
    refusal = refused(approval, says("ben", "deny"))
    assert refusal.code is Code.ALREADY_DECIDED
    assert "ann at 2026-03-02 08:00:00 UTC" in refusal.message
    assert [person.key for person in approval.waiting_for] == ["ben", "ann"]


@pytest.mark.parametrize("verdict", ["approve", "deny"])
def test_nobody_decides_what_was_withdrawn_or_rejected(verdict: str) -> None:
    withdrawn, rejected = opened(), opened()
    withdrawn.withdraw("req")
    vote(rejected, "ann-")
    assert refused(withdrawn, says("ben", verdict)).code is Code.ALREADY_DECIDED
    assert "REJECTED by ann" in refused(rejected, says("ben", verdict)).message


@pytest.mark.parametrize(
    ("received", "now", "counts"),
    [
        (None, 60 * DAY - timedelta(microseconds=1), True),
        (None, 60 * DAY, False),
        (60 * DAY - timedelta(microseconds=1), 90 * DAY, True),
        (60 * DAY, 90 * DAY, False),
        (61 * DAY, 59 * DAY, True),
    ],
    ids=[
        "in time",
        "on the stroke",
        "in time, workers down",
        "too late, workers down",
        "stamped ahead of now",
    ],
)
def test_what_was_received_before_the_deadline_counts_even_if_it_is_heard_later(
    received: timedelta | None, now: timedelta, counts: bool
) -> None:
    approval = opened()
    decision = says("ann", received_at=NOW + received if received else None)
    if not counts:
        assert refused(approval, decision, NOW + now).code is Code.APPROVAL_EXPIRED
        return
    approval.check(decision, NOW + now)
    recorded = approval.decide(decision, NOW + now)
    assert recorded.at == NOW + (min(received, now) if received else now)


def test_a_receive_time_in_another_zone_is_the_same_instant() -> None:
    zurich = timezone(HOUR)
    received = (NOW + 60 * DAY - HOUR).astimezone(zurich)
    opened().check(says("ann", received_at=received), NOW + 90 * DAY)


def test_after_the_deadline_has_passed_nobody_decides_any_more() -> None:
    approval = opened()
    assert approval.pass_deadline(NOW + 60 * DAY)
    in_time = says("ann", received_at=NOW)
    assert refused(approval, in_time, NOW + 60 * DAY).code is Code.APPROVAL_EXPIRED


# Ends


@pytest.mark.parametrize("end", ["approve", "deny", "expire", "withdraw"])
def test_what_has_ended_is_neither_withdrawn_nor_opened_again(end: str) -> None:
    approval = opened(*TWO_STAGES) if end != "approve" else opened()
    match end:
        case "approve":
            vote(approval, "ann+")
        case "deny":
            vote(approval, "ann-")
        case "expire":
            approval.pass_deadline(NOW + 60 * DAY)
        case _:
            approval.withdraw("req")
    status = approval.status

    with pytest.raises(Refusal) as caught:
        approval.withdraw("req")

    assert caught.value.code is Code.NOT_PENDING
    assert approval.open_next(NOW) is None
    assert approval.status is status
    assert not approval.is_pending


def test_a_request_withdrawn_before_its_first_stage_asks_nobody() -> None:
    approval = Approval(definition(), requester="req")
    approval.withdraw("req", "ordered by mistake")
    assert approval.open_next(NOW) is None
    assert approval.opened_at is None
    assert (approval.status, approval.ended_by) == ("WITHDRAWN", "req")
    assert approval.ended_reason == "ordered by mistake"


def test_the_last_word_is_recorded_as_the_winner() -> None:
    approval = opened(stage(denials=2))
    vote(approval, "ann-", "cas-", at=NOW + HOUR)
    assert (approval.ended_by, approval.ended_at) == ("cas", NOW + HOUR)
    assert approval.ended_reason == "because"
