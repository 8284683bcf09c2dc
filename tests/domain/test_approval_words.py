"""Questions before a decision, and votes that are taken back (SPEC 4.4, 4.5)."""

from __future__ import annotations

import pytest

from domain import actions
from domain.approval import Approval
from domain.errors import Code
from tests.domain.approval_samples import (
    EVERYTHING,
    asked,
    code_of_action,
    delegate,
    do,
    inquire,
)
from tests.domain.samples import DAY, HOUR, NOW, definition, opened, people, refused, says, stage, vote

FREE = stage(combine="all", allow=EVERYTHING)


# Questions


def test_while_a_question_is_open_nobody_decides() -> None:
    approval = opened(FREE)
    assert inquire(approval, "ann", "zoe").inquiry == 1
    refusal = refused(approval, says("ben"))
    assert refusal.code is Code.ON_HOLD
    assert "an answer of zoe to inquiry 1" in refusal.message
    answered = do(approval, actions.Answer, "zoe", inquiry=1, answer="So.", at=NOW + HOUR)
    assert answered.inquiry == 1
    assert approval.opening.inquiries[0].answer == "So."
    assert approval.opening.inquiries[0].closed_at == NOW + HOUR
    assert vote(approval, "ann+", "ben+", "cas+").status == "APPROVED"


def test_every_open_question_holds_the_stage() -> None:
    approval = opened(FREE)
    inquire(approval, "ann", "zoe")
    assert inquire(approval, "ben", "fay").inquiry == 2
    do(approval, actions.Answer, "zoe", inquiry=1, answer="So.")
    assert refused(approval, says("ben")).code is Code.ON_HOLD
    do(approval, actions.RecallInquiry, "ben", inquiry=2)
    assert approval.opening.inquiries[1].answer is None
    approval.check(says("ben"), NOW)


def test_only_who_was_asked_answers_and_only_the_asker_or_who_decides_alone_takes_it_back() -> None:
    rule = stage(
        combine="all", allow=EVERYTHING, escalations=[{"approvers": {"people": ["lea"]}, "deadline": DAY}]
    )
    approval = opened(rule)
    inquire(approval, "ann", "zoe")
    assert code_of_action(approval, actions.Answer, "ann", inquiry=1, answer="So.") == Code.NOT_PERMITTED
    assert code_of_action(approval, actions.RecallInquiry, "ben", inquiry=1) == Code.NOT_PERMITTED
    assert code_of_action(approval, actions.RecallInquiry, "zoe", inquiry=1) == Code.NOT_PERMITTED
    do(approval, actions.Escalate, "ben", roster=("lea",))
    assert do(approval, actions.RecallInquiry, "lea", inquiry=1).inquiry == 1


def test_each_of_several_questions_is_closed_by_its_number() -> None:
    approval = opened(FREE)
    inquire(approval, "ben", "zoe")
    inquire(approval, "cas", "fay")
    inquire(approval, "ann", "eve")
    assert code_of_action(approval, actions.RecallInquiry, "ann", inquiry=1) == Code.NOT_PERMITTED
    assert do(approval, actions.Answer, "fay", inquiry=2, answer="So.").inquiry == 2
    assert code_of_action(approval, actions.Answer, "fay", inquiry=2, answer="So.") == Code.NOT_PENDING
    assert do(approval, actions.RecallInquiry, "ann", inquiry=3).inquiry == 3
    assert [(each.number, each.asked.key, each.answer) for each in approval.opening.inquiries] == [
        (1, "zoe", None),
        (2, "fay", "So."),
        (3, "eve", None),
    ]
    assert [inquiry.number for inquiry in approval.open_inquiries] == [1]


@pytest.mark.parametrize("number", [1, 2])
def test_a_question_that_is_closed_or_was_never_asked_is_not_open(number: int) -> None:
    approval = opened(FREE)
    inquire(approval, "ann", "zoe")
    do(approval, actions.Answer, "zoe", inquiry=1, answer="So.")
    assert code_of_action(approval, actions.Answer, "zoe", inquiry=number, answer="?") == Code.NOT_PENDING
    assert code_of_action(approval, actions.RecallInquiry, "ann", inquiry=number) == Code.NOT_PENDING


def test_nobody_asks_themselves_or_without_a_seat_or_after_voting() -> None:
    approval = opened(FREE)
    vote(approval, "ben+")
    question = {"question": "Why?"}
    assert code_of_action(approval, actions.Inquire, "ann", asked="ann", **question) == Code.NOT_ALLOWED
    assert code_of_action(approval, actions.Inquire, "zoe", asked="ann", **question) == Code.NOT_AN_APPROVER
    assert code_of_action(approval, actions.Inquire, "ben", asked="ann", **question) == Code.ALREADY_DECIDED


def test_a_delegate_may_ask_and_the_requester_be_asked() -> None:
    approval = opened(FREE)
    delegate(approval, "ann", "zoe")
    assert inquire(approval, "zoe", "req").inquiry == 1


def test_during_a_question_only_whoever_was_asked_is_reminded() -> None:
    approval = opened(stage(combine="all", deadline=5 * DAY, reminders=[DAY, 2 * DAY], allow=EVERYTHING))
    inquire(approval, "ann", "zoe")
    inquire(approval, "ben", "zoe")
    assert approval.remind(NOW + DAY) == people("zoe")
    do(approval, actions.Answer, "zoe", inquiry=1, answer="So.")
    do(approval, actions.Answer, "zoe", inquiry=2, answer="So.")
    delegate(approval, "ann", "fay")
    assert [person.key for person in approval.remind(NOW + 2 * DAY)] == ["fay", "ben", "cas"]


def test_the_questions_of_what_has_ended_hold_nothing() -> None:
    approval = opened(FREE)
    inquire(approval, "ann", "zoe")
    approval.withdraw("req")
    assert approval.open_inquiries == ()


# Undoing


def test_a_vote_that_nothing_followed_from_is_taken_back_as_if_never_cast() -> None:
    approval = opened(FREE)
    vote(approval, "ann+", "ben+")
    do(approval, actions.Undo, "ann")
    assert asked(approval) == ["ann", "cas"]
    assert approval.answer_to(says("ann")) is None
    assert approval.answer_to(says("ben")) is not None
    assert vote(approval, "ann-").status == "REJECTED"


def test_nobody_undoes_what_they_have_not_said_here() -> None:
    approval = opened(FREE)
    vote(approval, "ben+")
    assert code_of_action(approval, actions.Undo, "ann") == Code.NOT_ALLOWED


def test_a_vote_that_decided_the_stage_stands() -> None:
    approval = opened(stage(), stage("second"))
    vote(approval, "ann+")
    assert code_of_action(approval, actions.Undo, "ann") == Code.ALREADY_DECIDED
    approval.open_next(NOW)
    approval.seat(people("ann"))
    assert code_of_action(approval, actions.Undo, "ann", stage="first") == Code.ALREADY_DECIDED
    assert code_of_action(approval, actions.Undo, "ann") == Code.NOT_ALLOWED


def test_of_the_votes_given_by_rule_only_an_earlier_grant_is_taken_back() -> None:
    approval = Approval(
        definition(
            stage(), stage("second", combine="all"), reuse_grants=True, requester_is_approver="granted"
        ),
        "req",
    )
    approval.open_next(NOW)
    approval.seat(people("ann"))
    vote(approval, "ann+")
    approval.open_next(NOW)
    approval.seat(people("ann", "req", "cas"))
    for given in approval.automatic_votes(NOW):
        approval.count(given)
    assert code_of_action(approval, actions.Undo, "req") == Code.NOT_ALLOWED
    do(approval, actions.Undo, "ann")
    assert asked(approval) == ["ann", "cas"]
