"""Ways through the stages: conditions, jumps, rounds, votes by rule, new definitions (SPEC 4.1, 4.6)."""

from __future__ import annotations

from typing import Any

import pytest

from domain.approval import Approval
from domain.definitions import ApprovalDefinition, OnChange, Stage
from domain.errors import Code, Refusal
from tests.domain.approval_samples import asked, changes_to
from tests.domain.samples import DAY, HOUR, NOW, definition, opened, people, refused, says, stage, vote


def applies(condition: str) -> bool:
    return condition == "yes"


def started(*stages: Stage, roster: tuple[str, ...] = ("ann", "ben"), **more: Any) -> Approval:
    """Like `opened`, with settings of the definition, and conditions that hold if they say yes."""
    approval = Approval(definition(*stages, **more), "req", holds=applies)
    if approval.open_next(NOW) is not None:
        approval.seat(people(*roster))
    return approval


def goes_on(approval: Approval, *roster: str) -> str:
    """The stage that opens next."""
    following = approval.open_next(NOW)
    assert following is not None
    approval.seat(people(*roster))
    return following.name


# Conditions


def test_a_stage_whose_condition_is_false_is_passed_over_by_name() -> None:
    approval = started(stage(when="no"), stage("second", when="yes"), stage("third", when="no"))
    assert (approval.stage.name, approval.skipped) == ("second", ("first",))
    assert refused(approval, says("ann")).code is Code.ALREADY_DECIDED
    assert refused(approval, says("ann", stage="third")).code is Code.WRONG_STAGE


def test_the_last_vote_is_answered_as_the_approval_though_other_stages_are_left_over() -> None:
    approval = started(stage(), stage("second", when="no"), stage("third", when="no"))
    assert vote(approval, "ann+").status == "APPROVED"
    assert approval.ended_by == "ann"
    assert approval.open_next(NOW) is None
    assert approval.skipped == ("second", "third")


def test_stages_passed_over_are_named_once() -> None:
    approval = started(stage(when="no"), stage("second"), stage("third", when="no"), stage("fourth"))
    vote(approval, "ann+")
    assert goes_on(approval, "ann", "ben") == "fourth"
    assert approval.skipped == ("third",)
    vote(approval, "ann-")
    assert approval.open_next(NOW) is None
    assert approval.skipped == ()


def test_a_request_to_which_no_stage_applies_is_approved_as_its_definition_says() -> None:
    approval = started(stage(when="no"))
    assert (approval.status, approval.skipped, approval.opened_at) == ("APPROVED", ("first",), None)


def test_conditions_hold_where_nobody_can_tell() -> None:
    assert opened(stage(when="no"), stage("second")).stage.name == "first"


# Jumps and rounds


@pytest.mark.parametrize("before", [[], ["earlier"]])
def test_an_approval_jumps_where_the_stage_says(before: list[str]) -> None:
    stages = stage(on_approve="third"), stage("second"), stage("third")
    approval = started(*map(stage, before), *stages)
    for _ in before:
        vote(approval, "ann+")
        goes_on(approval, "ann")
    vote(approval, "ann+")
    assert goes_on(approval, "ann") == "third"
    assert approval.passed == {*before, "first"}
    assert refused(approval, says("ann", stage="second")).code is Code.WRONG_STAGE
    assert refused(approval, says("ann", stage="first")).code is Code.ALREADY_DECIDED


def test_an_approval_may_end_it_before_the_last_stage() -> None:
    approval = started(stage(on_approve="end"), stage("second"))
    assert vote(approval, "ann+").status == "APPROVED"
    approval = started(stage(), stage("second", on_approve="end"), stage("third"))
    vote(approval, "ann+")
    goes_on(approval, "ann")
    assert vote(approval, "ann+").status == "APPROVED"


def test_a_denial_leads_back_and_everything_from_there_is_decided_anew() -> None:
    approval = started(stage(), stage("second", on_deny="first"))
    first = vote(approval, "ann+")
    goes_on(approval, "dee")
    denied = vote(approval, "dee-")
    assert (denied.status, denied.round, approval.stage_status) == ("PENDING", 1, "REJECTED")
    assert refused(approval, says("dee", stage="second")).code is Code.ALREADY_DECIDED

    assert goes_on(approval, "ann", "ben") == "first"
    assert (approval.round, approval.passed, approval.stage_status) == (2, frozenset(), "PENDING")
    assert approval.answer_to(says("ann")) == first
    assert refused(approval, says("ben")).code is Code.WRONG_STAGE
    approval.check(says("ann", round=2), NOW)


def test_whoever_was_first_to_go_back_is_not_asked_more_often_than_the_rounds_allow() -> None:
    approval = started(stage(), stage("second", on_deny="first"))
    for round_ in range(1, 20 + 1):
        assert approval.round == round_
        approval.decide(says("ann", round=round_), NOW)
        goes_on(approval, "dee")
        answer = approval.decide(says("dee", "deny", stage="second", round=round_), NOW)
        if round_ < 20:
            goes_on(approval, "ann")
    assert answer.status == "REJECTED"
    assert approval.ended_by == "dee"


def test_new_definitions_may_add_rounds_in_which_nothing_goes_back_any_more() -> None:
    approval = started(stage(), stage("second", on_deny="first"))
    for _ in range(20):
        changes_to(approval, approval.definition)
        goes_on(approval, "ann")
    assert approval.round == 21
    with pytest.raises(Refusal, match="it has gone 20 rounds"):
        approval.check_rounds()
    approval.decide(says("ann", round=21), NOW)
    goes_on(approval, "dee")
    assert approval.decide(says("dee", "deny", stage="second", round=21), NOW).status == "REJECTED"


@pytest.mark.parametrize("by", ["deadline", "want of approvers"])
def test_a_denial_by_nobody_leads_back_as_well(by: str) -> None:
    approval = started(stage(), stage("second", on_deny="first", on_deadline="deny", on_nobody="deny"))
    vote(approval, "ann+")
    if by == "deadline":
        goes_on(approval, "dee")
        approval.pass_deadline(NOW + 60 * DAY)
    else:
        goes_on(approval)
        assert approval.settle_nobody()
    assert goes_on(approval, "ann") == "first"
    assert approval.round == 2


# Stages that wait for a system

WAITING = stage(approvers=None, wait={"source": "ledger"})


def test_a_condition_that_is_fulfilled_passes_its_stage() -> None:
    approval = started(WAITING, stage("second"), roster=())
    assert (approval.roster, approval.lacks_approvers, approval.stage_is_over) == ((), False, False)
    approval.settle_condition(fulfilled=True)
    assert goes_on(approval, "ann") == "second"


@pytest.mark.parametrize(("fulfilled", "status"), [(True, "APPROVED"), (False, "REJECTED")])
def test_the_last_condition_ends_the_approval_with_its_message(fulfilled: bool, status: str) -> None:
    approval = started(WAITING, roster=())
    approval.settle_condition(fulfilled=fulfilled, message="budget 7")
    assert (approval.status, approval.ended_by, approval.ended_reason) == (status, None, "budget 7")


def test_a_condition_that_failed_without_a_word_says_which() -> None:
    approval = started(WAITING, roster=())
    approval.settle_condition(fulfilled=False)
    assert approval.ended_reason == "the condition of stage first failed"


def test_a_condition_that_failed_leads_back_where_a_denial_does() -> None:
    waiting = stage("second", approvers=None, wait={"source": "ledger"}, on_deny="first")
    approval = started(stage(), waiting)
    vote(approval, "ann+")
    approval.open_next(NOW)
    approval.settle_condition(fulfilled=False)
    assert goes_on(approval, "ann") == "first"


def test_whom_a_waiting_stage_was_escalated_to_decides_in_place_of_the_system() -> None:
    level = {"approvers": {"people": ["lea"]}, "deadline": DAY}
    rule = stage(approvers=None, wait={"source": "ledger"}, on_deadline="escalate", escalations=[level])
    for word, status in [("lea+", "APPROVED"), ("lea-", "REJECTED")]:
        approval = started(rule, roster=())
        approval.pass_deadline(NOW + 60 * DAY)
        approval.escalate(NOW + 60 * DAY, people("lea"))
        assert not approval.lacks_approvers
        assert vote(approval, word, at=NOW + 60 * DAY).status == status


# Votes by rule


def by_rule(approval: Approval) -> list[tuple[str, str | None]]:
    """Has the votes cast that the rules cast; who, and from which stage."""
    votes = approval.automatic_votes(NOW + HOUR)
    for each in votes:
        if not approval.stage_is_over:
            approval.count(each)
    return [(each.actor, each.reused_from) for each in votes]


@pytest.mark.parametrize("then", ["audit", "second"])
def test_an_earlier_grant_counts_again_where_the_definition_says_so(then: str) -> None:
    approval = started(stage(combine="all"), stage(then, combine="all"), reuse_grants=True)
    vote(approval, "ann+", "ben+")
    goes_on(approval, "ann", "dee")
    assert by_rule(approval) == [("ann", "first")]
    given = approval.votes[-1]
    assert (given.automatic, given.at, given.reason, given.verdict) == (True, NOW + HOUR, None, "approve")
    assert asked(approval) == ["dee"]
    assert vote(approval, "dee+").status == "APPROVED"


@pytest.mark.parametrize("why", ["by default", "always ask"])
def test_nobodys_grant_counts_again_where_it_must_not(why: str) -> None:
    reuse = why != "by default"
    approval = started(stage(), stage("second", always_ask=reuse), reuse_grants=reuse)
    vote(approval, "ann+")
    goes_on(approval, "ann")
    assert by_rule(approval) == []
    assert approval.seats_before_asking is False


def test_neither_a_denial_nor_a_grant_of_an_earlier_round_counts_again() -> None:
    approval = started(
        stage(combine="quorum", quorum=2, denials=2),
        stage("second", combine="all"),
        stage("third", on_deny="first"),
        roster=("ann", "ben", "cas"),
        reuse_grants=True,
    )
    vote(approval, "ann+", "ben-", "cas+")
    goes_on(approval, "ben", "dee")
    assert by_rule(approval) == []
    vote(approval, "ben+", "dee+")
    goes_on(approval, "dee2")
    approval.decide(says("dee2", "deny", stage="third"), NOW)
    goes_on(approval, "dee", "ben")
    assert by_rule(approval) == []


def test_a_grant_that_counts_again_may_be_the_last_word() -> None:
    approval = started(stage(), stage("second"), reuse_grants=True)
    vote(approval, "ann+")
    goes_on(approval, "ann")
    assert by_rule(approval) == [("ann", "first")]
    assert (approval.status, approval.ended_by) == ("APPROVED", "ann")


def test_the_requesters_own_step_is_given_where_the_definition_says_so() -> None:
    approval = started(stage(combine="all"), requester_is_approver="granted", roster=("req", "ann", "zoe"))
    assert approval.seats_before_asking
    assert by_rule(approval) == [("req", None)]
    assert asked(approval) == ["ann", "zoe"]
    assert vote(approval, "ann+", "zoe+").status == "APPROVED"


def test_the_beneficiarys_step_is_not_given_for_that() -> None:
    approval = Approval(definition(requester_is_approver="granted"), "req", "ina")
    approval.open_next(NOW)
    approval.seat(people("req", "ina", "ann"))
    assert asked(approval) == ["req", "ann"]


def test_the_requester_is_no_fallback_and_in_no_level_though_their_step_is_given() -> None:
    level = {"approvers": {"people": ["lea"]}, "deadline": DAY}
    approval = started(stage(escalations=[level]), requester_is_approver="granted", roster=("ann",))
    approval.escalate(NOW, people("req", "lea"))
    assert asked(approval) == ["ann", "lea"]


@pytest.mark.parametrize(
    ("handling", "always_ask", "roster", "skipped"),
    [
        ("skipped", False, ("req", "ann"), True),
        ("skipped", False, ("ann",), False),
        ("skipped", True, ("req", "ann"), False),
        ("granted", False, ("req", "ann"), False),
        ("forbidden", False, ("req", "ann"), False),
    ],
)
def test_a_stage_that_asks_the_requester_is_skipped_if_the_definition_says_so(
    handling: str, always_ask: bool, roster: tuple[str, ...], skipped: bool
) -> None:
    approval = started(stage(always_ask=always_ask), requester_is_approver=handling)
    assert approval.passes_over(people(*roster)) is skipped
    assert approval.seats_before_asking is (handling != "forbidden" and not always_ask)


def test_a_stage_that_always_asks_gives_the_requester_no_seat() -> None:
    approval = started(stage(always_ask=True), requester_is_approver="granted", roster=("req", "ann"))
    assert asked(approval) == ["ann"]


# Another definition


def another(*stages: Stage, **more: Any) -> ApprovalDefinition:
    return definition(*(stages or (stage("review"),)), version=2, **more)


def test_a_reset_voids_what_was_decided_and_starts_again_on_the_new_definition() -> None:
    approval = started(stage(combine="all"), stage("second"))
    vote(approval, "ann+", "ben+")
    goes_on(approval, "dee", "eva")
    voided = changes_to(approval, another())
    assert [each.actor for each in voided] == ["ann", "ben"]
    assert (approval.votes, approval.stage_status, approval.stage_is_over) == ([], "WITHDRAWN", True)
    assert approval.definition.version == 1
    assert refused(approval, says("dee", stage="second")).code is Code.ALREADY_DECIDED

    assert goes_on(approval, "ann") == "review"
    assert (approval.definition.version, approval.round, approval.passed) == (2, 2, frozenset())
    assert approval.answer_to(says("ann")) is None
    assert approval.decide(says("ann", stage="review", round=2), NOW).status == "APPROVED"


def test_a_definition_may_change_before_the_first_stage_opens() -> None:
    approval = Approval(definition(), "req")
    assert changes_to(approval, another()) == ()
    assert goes_on(approval, "ann") == "review"
    assert approval.round == 1


def test_of_two_changes_in_a_row_the_last_one_counts() -> None:
    approval = started()
    changes_to(approval, another())
    assert approval.runs_on(another())
    assert not approval.runs_on(definition())
    changes_to(approval, definition(stage("third"), version=3))
    assert goes_on(approval, "ann") == "third"
    assert approval.runs_on(definition(stage("third"), version=3))


def test_a_held_stage_is_left_with_a_reset() -> None:
    approval = started(roster=())
    assert approval.lacks_approvers
    changes_to(approval, another())
    assert approval.stage_is_over
    assert goes_on(approval, "ann") == "review"


def test_an_abort_ends_the_approval_and_says_for_which_definition() -> None:
    approval = started(stage(combine="all"))
    vote(approval, "ann+")
    assert len(changes_to(approval, another(), OnChange.ABORT)) == 1
    assert (approval.status, approval.ended_by) == ("WITHDRAWN", "otto")
    assert approval.ended_reason == "definition_changed: release@2"
    assert approval.open_next(NOW) is None
    assert [each.actor for each in approval.votes] == ["ann"]


def test_a_new_definition_with_fewer_stages_none_of_which_applies_approves() -> None:
    approval = started(stage(on_approve="third"), stage("second"), stage("third"))
    vote(approval, "ann+")
    goes_on(approval, "dee")
    changes_to(approval, another(stage("review", when="no")))
    assert approval.open_next(NOW) is None
    assert (approval.status, approval.stage.name, approval.round) == ("APPROVED", "third", 1)


# What an approval is before it begins


def test_before_its_first_stage_an_approval_has_neither_opening_nor_clock() -> None:
    approval = Approval(definition(), "req")
    with pytest.raises(Refusal) as caught:
        approval.opening  # noqa: B018 - asking is what is refused
    assert caught.value.code is Code.NOT_PENDING
    assert (approval.opened_at, approval.deadline, approval.roster, approval.seat_of("ann")) == (None,) * 4
    assert (approval.waiting_for, approval.open_inquiries, approval.decided) == ((), (), ())
    assert (approval.stage_is_over, approval.stage_passed, approval.lacks_approvers) == (False,) * 3
    assert (approval.stage.name, approval.stage_status, approval.passed) == ("first", "PENDING", frozenset())
    assert approval.after_deadline == "expire"


def test_what_is_known_of_an_approval_that_was_opened() -> None:
    approval = opened(stage(combine="all"))
    vote(approval, "ben+", at=NOW + HOUR)
    assert (approval.opened_at, approval.deadline) == (NOW, NOW + 60 * DAY)
    assert approval.decided == ("ben",)
    assert approval.vote_of("ben") == approval.votes[0]
    assert approval.vote_of("ann") is None
