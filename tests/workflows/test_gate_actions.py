"""Every action of SPEC 4.4 through its update: what it does, whom it tells, and how it is refused."""

from __future__ import annotations

from typing import Any

import pytest

from domain import actions, wire
from domain.acting import ACTIONS
from domain.decisions import Verdict
from domain.line import LineState
from tests.workflows.conftest import Scene
from tests.workflows.gate_case import DAY, Case, code_of, free, mailed, refusal_of
from tests.workflows.world import World, stage

LEVEL = {"approvers": {"people": ["cleo"]}, "deadline": 2 * DAY}
FIELDS: dict[str, dict[str, Any]] = {
    "delegate": {"to": "cleo"},
    "add_approver": {"person": "cleo"},
    "inquire": {"asked": "cleo", "question": "Why?"},
    "answer": {"inquiry": 1, "answer": "So."},
    "recall_inquiry": {"inquiry": 1},
    "reroute": {"to": "legal"},
}


# Each does what it says


async def test_a_delegate_is_told_and_decides_instead(scene: Scene) -> None:
    case = await Case.opens(scene)
    await case.act(actions.Delegate, "ann", to="cleo", reason="on leave")
    step = await case.told("approval.delegate")
    assert (step.actor, step.reason, step.data["to"]) == ("ann", "on leave", "cleo")
    assert mailed(step) == {"approval_delegated": ("cleo",)}
    assert (step.notices[0].facts.decided_by, step.notices[0].facts.reason) == ("ann", "on leave")
    assert await code_of(case.decide("ann")) == "NOT_AN_APPROVER"
    await case.decide("cleo")
    assert (await case.told("approval.approve")).on_behalf_of == "ann"
    await case.decide("bob")
    assert await case.ends() == LineState.PROVISIONED


async def test_what_is_handed_back_is_told_its_owner(scene: Scene) -> None:
    case = await Case.opens(scene)
    await case.act(actions.Delegate, "ann", to="cleo")
    await case.act(actions.HandBack, "cleo", reason="not mine")
    assert mailed(await case.told("approval.hand_back")) == {"approval_handed_back": ("ann",)}
    assert (await case.view()).waiting_for == "Sales: Ann, Bob"
    await case.cancel()


async def test_an_added_approver_is_told_and_has_to_approve_as_well(scene: Scene) -> None:
    case = await Case.opens(scene, free(combine="any"))
    await case.act(actions.AddApprover, "ann", person="cleo")
    assert mailed(await case.told("approval.add_approver")) == {"approver_added": ("cleo",)}
    assert (await case.decide("ann")).status == "PENDING"
    assert (await case.decide("cleo")).status == "APPROVED"
    assert await case.ends() == LineState.PROVISIONED


async def test_a_question_goes_to_whoever_is_asked_and_the_answer_to_who_asked(scene: Scene) -> None:
    case = await Case.opens(scene)
    asked = await case.act(actions.Inquire, "ann", asked="dora", question="Why so many?")
    assert asked.inquiry == 1
    step = await case.told("approval.inquire")
    assert mailed(step) == {"approval_asked": ("dora",)}
    assert step.notices[0].facts.question == "Why so many?"
    assert (await case.view()).waiting_for == "Sales: on hold for an answer of Dora"
    assert await code_of(case.decide("bob")) == "ON_HOLD"

    await case.act(actions.Answer, "dora", inquiry=1, answer="We grow.")
    step = await case.told("approval.answer")
    assert mailed(step) == {"approval_answered": ("ann",)}
    assert step.notices[0].facts.answer == "We grow."
    await case.decide("bob")
    await case.decide("ann")
    assert await case.ends() == LineState.PROVISIONED


async def test_a_question_taken_back_lets_deciding_go_on_and_mails_nobody(scene: Scene) -> None:
    case = await Case.opens(scene)
    await case.act(actions.Inquire, "ann", asked="dora", question="Why?")
    await case.act(actions.RecallInquiry, "ann", inquiry=1)
    assert mailed(await case.told("approval.recall_inquiry")) == {}
    assert (await case.decide("bob")).status == "PENDING"
    await case.cancel()


async def test_escalating_by_hand_asks_the_next_level_at_once(scene: Scene) -> None:
    case = await Case.opens(scene, free(escalations=[LEVEL]))
    answer = await case.act(actions.Escalate, "dora")
    step = await case.told("approval.escalate")
    assert mailed(step) == {"approval_escalated": ("cleo",)}
    assert answer.deadline is not None
    assert answer.deadline - answer.at == 2 * DAY
    assert (await case.decide("cleo")).status == "APPROVED"
    assert await case.ends() == LineState.PROVISIONED


async def test_where_no_level_is_left_the_team_is_asked_once(scene: Scene) -> None:
    case = await Case.opens(scene, free(), escalation_team={"people": ["emma"]})
    await case.act(actions.Escalate, "ann")
    assert mailed(await case.told("approval.escalate")) == {"approval_escalated": ("emma",)}
    assert await code_of(case.act(actions.Escalate, "ann")) == "NOT_ALLOWED"
    await case.decide("emma")
    assert await case.ends() == LineState.PROVISIONED


async def test_a_rerouted_request_goes_on_elsewhere_and_those_who_waited_hear_of_it(scene: Scene) -> None:
    routes = free(allow=["reroute"], reroute_to=["board"])
    case = await Case.opens(scene, routes, stage("legal"), stage("board"))
    await case.act(actions.Reroute, "ann", to="board", reason="too large for us")
    step = await case.told("approval.reroute")
    assert mailed(step) == {"approval_rerouted": ("dora", "bob")}
    assert step.notices[0].facts.target == "Board"
    opened = await case.told("approval.opened", 2)
    assert opened.data == {"stage": "board", "round": "2"}
    assert await code_of(case.decide("bob")) == "WRONG_STAGE"
    await case.decide("bob", stage="board", round=2)
    assert await case.ends() == LineState.PROVISIONED


async def test_an_undone_vote_is_announced_and_does_not_count(scene: Scene) -> None:
    case = await Case.opens(scene)
    await case.decide("ann")
    await case.act(actions.Undo, "ann")
    step = await case.told("approval.undo")
    assert mailed(step) == {}
    assert step.view.approval is not None
    assert step.view.approval.decided == ()
    assert (await case.decide("bob")).status == "PENDING"
    assert (await case.decide("ann", Verdict.DENY)).status == "REJECTED"
    assert case.actions() == ["opened", "approve", "undo", "approve", "deny"]


async def test_a_refreshed_roster_asks_the_joiners_only(scene: Scene) -> None:
    case = await Case.opens(scene, free(approvers={"permission": "approve"}))
    case.seat("bob", "cleo")
    await case.act(actions.RefreshRoster, "otto")
    assert mailed(await case.told("approval.refresh_roster")) == {"approval_requested": ("cleo",)}
    assert (await case.view()).waiting_for == "Sales: Bob, Cleo"
    assert await code_of(case.decide("ann")) == "NOT_AN_APPROVER"
    await case.decide("bob")
    await case.decide("cleo")
    assert await case.ends() == LineState.PROVISIONED


async def test_a_refresh_that_leaves_nothing_to_wait_for_ends_the_stage(scene: Scene) -> None:
    case = await Case.opens(scene, free(approvers={"permission": "approve"}))
    await case.decide("ann")
    case.seat("ann")
    await case.act(actions.RefreshRoster, "otto")
    assert await case.ends() == LineState.PROVISIONED


async def test_a_refreshed_roster_mends_a_stage_that_is_held(scene: Scene) -> None:
    scene.world.roster = ()
    case = await Case.opens(scene, free(approvers={"permission": "approve"}), first="approval.held")
    case.seat("cleo")
    await case.act(actions.RefreshRoster, "otto")
    case.seat()
    await case.act(actions.RefreshRoster, "otto")
    await case.told("approval.held", 2)
    case.seat("cleo")
    await case.act(actions.RefreshRoster, "otto")
    await case.decide("cleo")
    assert await case.ends() == LineState.PROVISIONED


async def test_operators_find_a_held_stage_in_the_list_of_runs_while_it_is_held(
    scene: Scene,
) -> None:
    scene.world.roster = ()
    case = await Case.opens(scene, free(approvers={"permission": "approve"}), first="approval.held")
    assert await case.listed_as() == wire.APPROVAL_HELD
    case.seat("cleo")
    await case.act(actions.RefreshRoster, "otto")
    assert await case.listed_as() == LineState.AWAITING_APPROVAL
    case.seat()
    await case.act(actions.RefreshRoster, "otto")
    await case.told("approval.held", 2)
    assert await case.listed_as() == wire.APPROVAL_HELD
    await case.cancel()
    assert await case.ends() == LineState.CANCELLED
    assert await case.listed_as() != wire.APPROVAL_HELD


# Refusals


@pytest.mark.parametrize("kind", ACTIONS, ids=lambda kind: kind.action)
async def test_an_action_on_another_stage_is_refused_and_leaves_no_trace(
    scene: Scene, kind: type[actions.StageCommand]
) -> None:
    case = await Case.opens(scene, free(), stage("legal"))
    wrong = FIELDS.get(kind.action, {}) | {"stage": "legal"}
    await code_of(case.act(kind, "ann", **wrong))
    before = (await case.handle.describe()).history_length
    code, message = await refusal_of(case.act(kind, "ann", **wrong))
    assert (code, message) == ("WRONG_STAGE", "stage: legal round 1 is not open; open is sales round 1")
    assert (await case.handle.describe()).history_length == before
    await case.cancel()


@pytest.mark.parametrize(
    ("kind", "actor", "more", "code"),
    [
        (actions.Delegate, "mallory", {}, "NOT_AN_APPROVER"),
        (actions.Delegate, "ann", {"to": "dora"}, "SELF_APPROVAL"),
        (actions.Delegate, "ann", {"to": "bob"}, "NOT_ALLOWED"),
        (actions.Delegate, "ann", {"to": "nobody"}, "NOT_FOUND"),
        (actions.AddApprover, "ann", {"person": "emma"}, "NOT_PERMITTED"),
        (actions.Inquire, "ann", {"asked": "ann"}, "NOT_ALLOWED"),
        (actions.Inquire, "ann", {"asked": "nobody"}, "NOT_FOUND"),
        (actions.HandBack, "ann", {}, "NOT_ALLOWED"),
        (actions.Escalate, "ann", {}, "NOT_ALLOWED"),
        (actions.Answer, "ann", {}, "NOT_PENDING"),
        (actions.RecallInquiry, "ann", {}, "NOT_PENDING"),
        (actions.Reroute, "ann", {}, "NOT_ALLOWED"),
        (actions.Undo, "ann", {}, "NOT_ALLOWED"),
        (actions.RefreshRoster, "ann", {}, "NOT_PERMITTED"),
    ],
)
async def test_each_refusal_has_its_code(
    scene: Scene, kind: type[actions.StageCommand], actor: str, more: dict[str, Any], code: str
) -> None:
    scene.world.revoked.add("emma")
    case = await Case.opens(scene)
    assert await code_of(case.act(kind, actor, **FIELDS.get(kind.action, {}) | more)) == code
    await case.cancel()


async def test_what_the_directory_refuses_is_in_the_audit(scene: Scene) -> None:
    case = await Case.opens(scene)
    leaving = case.act(actions.Delegate, "ann", to="nobody", reason="on leave")
    assert await code_of(leaving) == "NOT_FOUND"
    step = await case.told("approval.delegate")
    assert (step.accepted, step.code, step.data["to"]) == (False, "NOT_FOUND", "nobody")
    assert (step.data["reason"], "nobody" in (step.reason or "")) == ("on leave", True)
    await case.cancel()


async def test_whoever_has_lost_the_permission_acts_no_more_but_makes_way(scene: Scene, world: World) -> None:
    case = await Case.opens(scene)
    await case.act(actions.Delegate, "ann", to="cleo")
    world.revoked.add("cleo")
    assert await code_of(case.decide("cleo")) == "NOT_PERMITTED"
    assert await code_of(case.act(actions.Inquire, "cleo", **FIELDS["inquire"] | {"asked": "dora"})) == (
        "NOT_PERMITTED"
    )
    await case.act(actions.HandBack, "cleo")
    assert (await case.decide("ann")).status == "PENDING"
    await case.cancel()


async def test_a_delegates_vote_falls_with_the_permission_of_who_delegated(
    scene: Scene, world: World
) -> None:
    case = await Case.opens(scene)
    await case.act(actions.Delegate, "ann", to="cleo")
    world.revoked.add("ann")
    assert await code_of(case.decide("cleo")) == "NOT_PERMITTED"
    await case.cancel()


async def test_while_the_directory_is_away_people_are_not_brought_in_and_nothing_is_lost(
    scene: Scene, world: World
) -> None:
    case = await Case.opens(scene)
    world.database_down = True
    code, message = await refusal_of(case.act(actions.Delegate, "ann", to="cleo"))
    assert (code, message) == ("UNAVAILABLE", "the directory does not answer; nothing was changed")
    assert (await case.decide("bob")).status == "PENDING"
    world.database_down = False
    await case.act(actions.Delegate, "ann", to="cleo")
    assert (await case.decide("cleo")).status == "APPROVED"
    assert await case.ends() == LineState.PROVISIONED


async def test_the_same_action_sent_again_under_its_id_is_answered_and_done_once(scene: Scene) -> None:
    case = await Case.opens(scene)
    command = actions.Delegate(stage="sales", actor="ann", to="cleo")
    answers = [
        await case.handle.execute_update(
            "approval.delegate", command, id="once", result_type=actions.ActionRecorded
        )
        for _ in range(2)
    ]
    assert answers[0] == answers[1]
    assert case.actions().count("delegate") == 1
    await case.cancel()
