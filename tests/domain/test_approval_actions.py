"""What holds for everything people may do besides deciding (SPEC 4.4)."""

from __future__ import annotations

from typing import Any

import pytest

from domain import actions
from domain.acting import ACTIONS, needs
from domain.approval import Approval
from domain.decisions import Part
from domain.definitions import Approvers
from domain.errors import Code
from domain.lookups import Authorise, LookedUp, LookUp
from domain.organisations import Parties
from tests.domain.approval_samples import (
    EVERYTHING,
    code_of_action,
    delegate,
    do,
    inquire,
    message_of_action,
    wants,
)
from tests.domain.samples import DAY, HOUR, NOW, definition, opened, people, says, stage, vote

FREE = stage(combine="all", allow=EVERYTHING)
PARTIES = Parties(provider="nordwall", partner="helvetic", customer="contoso")
NOBODY = LookedUp(person=None)
NO_APPROVER = LookedUp(person=people("zoe")[0], person_may_approve=False)
NO_LONGER = LookedUp(authorised=False, person=people("zoe")[0], person_may_approve=True)

WELL_FORMED: dict[type[actions.StageCommand], dict[str, Any]] = {
    actions.Delegate: {"to": "zoe"},
    actions.HandBack: {},
    actions.AddApprover: {"person": "zoe"},
    actions.Escalate: {},
    actions.Inquire: {"asked": "zoe", "question": "Why?"},
    actions.Answer: {"inquiry": 1, "answer": "So."},
    actions.RecallInquiry: {"inquiry": 1},
    actions.Reroute: {"to": "second"},
    actions.Undo: {},
    actions.RefreshRoster: {},
}


# What holds for every action


@pytest.mark.parametrize("kind", ACTIONS)
def test_no_action_hits_another_stage_or_round(kind: type[actions.StageCommand]) -> None:
    more = WELL_FORMED[kind]
    assert code_of_action(opened(FREE), kind, "ann", stage="second", **more) == Code.WRONG_STAGE
    assert code_of_action(opened(FREE), kind, "ann", round=2, **more) == Code.WRONG_STAGE


@pytest.mark.parametrize("kind", ACTIONS)
def test_no_action_changes_what_is_decided(kind: type[actions.StageCommand]) -> None:
    rejected, passed = opened(stage()), opened(stage(), stage("second"))
    vote(rejected, "ann-")
    vote(passed, "ann+")
    assert code_of_action(rejected, kind, "ben", **WELL_FORMED[kind]) == Code.ALREADY_DECIDED
    assert code_of_action(passed, kind, "ben", **WELL_FORMED[kind]) == Code.ALREADY_DECIDED


@pytest.mark.parametrize("kind", ACTIONS)
def test_after_the_deadline_only_questions_are_closed(kind: type[actions.StageCommand]) -> None:
    approval = opened(FREE)
    inquire(approval, "ann", "ann2")
    late = NOW + 60 * DAY
    code = code_of_action(approval, kind, "zoe", late, **WELL_FORMED[kind])
    only_questions = kind in {actions.Answer, actions.RecallInquiry}
    assert code == (Code.NOT_PERMITTED if only_questions else Code.APPROVAL_EXPIRED)


def test_an_action_received_in_time_counts_though_workers_were_down() -> None:
    approval = opened(FREE)
    late, in_time = NOW + 61 * DAY, NOW + 59 * DAY
    assert delegate(approval, "ann", "zoe", at=late, received_at=in_time).at == in_time
    assert code_of_action(opened(FREE), actions.Delegate, "ann", late, to="zoe") == Code.APPROVAL_EXPIRED


def test_an_action_before_the_roster_is_known_is_not_turned_away_for_want_of_a_seat() -> None:
    approval = Approval(definition(FREE), requester="req")
    command = wants(approval, actions.Delegate, "ann", to="zoe")
    approval.check_action(command, NOW)
    approval.open_next(NOW)
    approval.check_action(command, NOW)
    approval.seat(people("ben"))
    assert code_of_action(approval, actions.Delegate, "ann", to="zoe") == Code.NOT_AN_APPROVER


def test_a_hundred_actions_are_enough_and_refused_ones_count_as_well() -> None:
    approval = opened(FREE)
    for _ in range(100):
        assert code_of_action(approval, actions.Delegate, "ann", to="zoe", found=NOBODY) == Code.NOT_FOUND
    assert code_of_action(approval, actions.Delegate, "ann", to="zoe") == Code.LIMIT_REACHED
    assert vote(approval, "ann+", "ben+", "cas+").status == "APPROVED"


@pytest.mark.parametrize(
    ("kind", "actor", "more"),
    [(actions.Answer, "zoe", {"answer": "So."}), (actions.RecallInquiry, "ann", {})],
)
def test_the_last_question_of_a_hundred_actions_can_still_be_closed(
    kind: type[actions.StageCommand], actor: str, more: dict[str, object]
) -> None:
    approval = opened(FREE)
    for _ in range(99):
        code_of_action(approval, actions.Delegate, "ann", to="zoe", found=NOBODY)
    inquire(approval, "ann", "zoe")
    another = {"asked": "zoe", "question": "Why?"}
    assert code_of_action(approval, actions.Inquire, "ben", **another) == Code.LIMIT_REACHED
    do(approval, kind, actor, inquiry=1, **more)
    assert code_of_action(approval, actions.Inquire, "ben", **another) == Code.LIMIT_REACHED
    assert vote(approval, "ann+", "ben+", "cas+").status == "APPROVED"


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        (actions.Delegate, {"to": "zoe"}),
        (actions.AddApprover, {"person": "zoe"}),
        (actions.Inquire, {"asked": "zoe", "question": "Why?"}),
        (actions.Reroute, {"to": "second"}),
    ],
)
def test_an_action_the_stage_does_not_allow_is_refused_by_name(
    kind: type[actions.StageCommand], more: dict[str, Any]
) -> None:
    message = message_of_action(opened(stage(), stage("second")), kind, "ann", **more)
    assert message == f"stage first does not allow to {kind.action.replace('_', ' an ')}"


@pytest.mark.parametrize("text", ["", "  \n\t"])
def test_a_question_and_an_answer_say_something(text: str) -> None:
    approval = opened(FREE)
    asking = code_of_action(approval, actions.Inquire, "ann", asked="zoe", question=text)
    inquire(approval, "ann", "zoe")
    answering = code_of_action(approval, actions.Answer, "zoe", inquiry=1, answer=text)
    assert (asking, answering) == (Code.INVALID_INPUT, Code.INVALID_INPUT)
    assert approval.open_inquiries


@pytest.mark.parametrize(
    ("kind", "field"),
    [(actions.Delegate, "to"), (actions.AddApprover, "person"), (actions.Inquire, "asked")],
)
def test_who_is_not_in_the_directory_cannot_be_brought_in(
    kind: type[actions.StageCommand], field: str
) -> None:
    more = {field: "zoe", **({"question": "Why?"} if kind is actions.Inquire else {})}
    assert code_of_action(opened(FREE), kind, "ann", found=NOBODY, **more) == Code.NOT_FOUND
    assert code_of_action(opened(FREE), kind, "ann", found=NO_LONGER, **more) == Code.NOT_PERMITTED
    if kind is actions.Inquire:
        assert do(opened(FREE), kind, "ann", found=NO_APPROVER, **more).inquiry == 1
    else:
        assert code_of_action(opened(FREE), kind, "ann", found=NO_APPROVER, **more) == Code.NOT_PERMITTED


def test_an_answer_says_what_was_done_where_and_until_when() -> None:
    recorded = delegate(opened(FREE), "ann", "zoe", at=NOW + DAY)
    assert recorded.model_dump() == {
        "action": "delegate",
        "actor": "ann",
        "stage": "first",
        "round": 1,
        "at": NOW + DAY,
        "status": "PENDING",
        "deadline": NOW + 61 * DAY,
        "inquiry": None,
    }


# What the directory is asked before


def test_whoever_acts_from_a_seat_must_still_be_entitled_to_it() -> None:
    approval = opened(FREE)
    ask = needs(approval, wants(approval, actions.Delegate, "ann", to="zoe"), PARTIES)
    approve = Authorise(actor="ann", approvers=approval.stage.asks, parties=PARTIES)
    assert ask == LookUp(parties=PARTIES, authorise=approve, person="zoe")
    delegate(approval, "ann", "zoe")
    ask = needs(approval, wants(approval, actions.Escalate, "zoe"), PARTIES)
    assert ask.authorise == approve.model_copy(update={"delegate": "zoe"})


def test_who_has_lost_the_permission_may_still_make_way() -> None:
    approval = opened(FREE)
    delegate(approval, "ann", "zoe")
    inquire(approval, "zoe", "ann2")
    for kind in (actions.HandBack, actions.Answer, actions.RecallInquiry):
        command = wants(approval, kind, "zoe", **WELL_FORMED[kind])
        assert needs(approval, command, PARTIES) == LookUp(parties=PARTIES)


def test_a_refreshed_roster_takes_an_operator_and_the_stages_approvers() -> None:
    approval = opened(FREE)
    command = wants(approval, actions.RefreshRoster, "otto")
    assert needs(approval, command, PARTIES) == LookUp(
        parties=PARTIES, operator="otto", roster=FREE.approvers
    )
    code = code_of_action(approval, actions.RefreshRoster, "ann", found=LookedUp(roster=()))
    assert code == Code.NOT_PERMITTED


def test_a_seat_is_held_by_what_gave_it() -> None:
    team, level, fallback = (Approvers(people=(each, "kim")) for each in ("tea", "lea", "fay"))
    rule = stage(
        combine="quorum",
        quorum=2,
        on_deadline="escalate",
        on_nobody="fallback",
        fallback=fallback,
        escalations=[{"approvers": level, "deadline": DAY}],
        allow=EVERYTHING,
    )
    approval = Approval(definition(rule, escalation_team=team), "req")
    approval.open_next(NOW)
    approval.seat(people("ann"))
    approval.bring_in(people("fay"), Part.FALLBACK)
    do(approval, actions.Escalate, "ann", roster=("lea",))
    do(approval, actions.Escalate, "ann", roster=("tea",))
    do(approval, actions.AddApprover, "ann", person="zoe")
    delegate(approval, "lea", "dee")

    def by(person: str) -> tuple[str, Approvers, str | None]:
        seat = approval.seat_of(person)
        assert seat is not None
        wish = approval.authorisation(seat, PARTIES)
        return wish.actor, wish.approvers, wish.delegate

    assert by("ann") == ("ann", rule.asks, None)
    assert by("fay") == ("fay", fallback, None)
    assert by("dee") == ("lea", level, "dee")
    assert by("tea") == ("tea", team, None)
    assert by("zoe") == ("zoe", Approvers(people=("zoe",)), None)


# Escalation by hand


LEVEL = {"approvers": {"people": ["lea"]}, "deadline": 2 * DAY}
TEAM = {"people": ["tea"]}


def test_whoever_is_asked_and_the_requester_escalate_to_each_level_then_once_to_the_team() -> None:
    approval = opened(stage(combine="all", escalations=[LEVEL]), roster=("ann", "ben"))
    approval.definition = definition(approval.stage, escalation_team=TEAM)
    for stranger in ("mallory", "zoe"):
        assert code_of_action(approval, actions.Escalate, stranger) == Code.NOT_AN_APPROVER
    do(approval, actions.Escalate, "req", roster=("lea",), at=NOW + DAY)
    assert (approval.opening.level, approval.deadline) == (1, NOW + 3 * DAY)
    do(approval, actions.Escalate, "lea", roster=("tea",), at=NOW + 2 * DAY)
    assert (approval.opening.level, approval.deadline) == (1, NOW + 3 * DAY)
    assert [(seat.key, seat.level) for seat in approval.roster or ()][2:] == [("lea", 1), ("tea", 0)]
    assert code_of_action(approval, actions.Escalate, "ann") == Code.NOT_ALLOWED


def test_who_has_voted_escalates_nothing() -> None:
    approval = opened(stage(combine="all", escalations=[LEVEL]))
    vote(approval, "ann+")
    assert code_of_action(approval, actions.Escalate, "ann") == Code.ALREADY_DECIDED


def test_a_stage_without_levels_and_team_has_nobody_to_escalate_to() -> None:
    assert code_of_action(opened(), actions.Escalate, "ann") == Code.NOT_ALLOWED


def test_an_escalation_asks_the_directory_for_those_who_are_next() -> None:
    approval = opened(stage(escalations=[LEVEL]))
    ask = needs(approval, wants(approval, actions.Escalate, "req"), PARTIES)
    assert (ask.roster, ask.authorise) == (Approvers(people=("lea",)), None)


# Rerouting


ROUTES = stage(combine="all", allow=["reroute"], reroute_to=["third", "fourth"])


def test_a_rerouted_request_goes_on_elsewhere_in_a_new_round() -> None:
    approval = opened(ROUTES, stage("second"), stage("third"), stage("fourth"))
    vote(approval, "ann+")
    recorded = do(approval, actions.Reroute, "ben", to="third")
    assert (recorded.stage, recorded.round, recorded.status) == ("first", 1, "PENDING")
    assert approval.stage_status == "WITHDRAWN"
    third = approval.open_next(NOW + HOUR)
    assert third is not None
    assert (third.name, approval.round, approval.opened_at) == ("third", 2, NOW + HOUR)
    assert approval.passed == frozenset()
    assert approval.answer_to(says("ann")) is not None


def test_a_request_is_rerouted_only_where_the_definition_leads_and_where_it_applies() -> None:
    approval = opened(
        ROUTES, stage("second"), stage("third", when="no"), stage("fourth"), holds=lambda text: text == "yes"
    )
    assert "to third, fourth, not to second" in message_of_action(
        approval, actions.Reroute, "ann", to="second"
    )
    message = message_of_action(approval, actions.Reroute, "ann", to="third")
    assert message == "to: stage third does not apply to this request"
    assert do(approval, actions.Reroute, "ann", to="fourth").status == "PENDING"


def test_a_request_is_rerouted_so_often_and_no_more() -> None:
    there, back = (
        stage(name, allow=["reroute"], reroute_to=[other])
        for name, other in (("first", "second"), ("second", "first"))
    )
    approval = opened(there, back)
    for _ in range(19):
        do(approval, actions.Reroute, "ann", to=approval.stage.reroute_to[0])
        approval.open_next(NOW)
        approval.seat(people("ann"))
    assert approval.round == 20
    code = code_of_action(approval, actions.Reroute, "ann", to=approval.stage.reroute_to[0])
    assert code == Code.LIMIT_REACHED


def test_a_delegate_reroutes_nothing() -> None:
    approval = opened(
        stage(allow=["reroute", "delegate"], reroute_to=["second"]),
        stage("second"),
    )
    delegate(approval, "ann", "zoe")
    assert code_of_action(approval, actions.Reroute, "zoe", to="second") == Code.NOT_ALLOWED
