"""Scripted runs, one for each way an approval can go besides being granted, denied or left alone (SPEC 4)."""

from __future__ import annotations

from domain import actions
from domain.decisions import Verdict
from domain.definitions import OnChange
from domain.external import ConditionState
from tests.replay.scenarios import Run, scenario
from tests.workflows.conftest import Scene
from tests.workflows.gate_case import DAY, HOUR, Case, free, of
from tests.workflows.world import stage

CLEO = {"people": ["cleo"]}
ANYBODY = {"permission": "approve"}


async def _approved_by(case: Case, *people: str, at: str = "sales", round_: int = 1) -> Run:
    for person in people:
        await case.decide(person, stage=at, round=round_)
    await case.ends()
    run: Run = case.handle
    return run


@scenario
async def approval_escalated_twice_and_granted(scene: Scene) -> Run:
    levels = [
        {"approvers": CLEO, "deadline": 2 * DAY, "replaces": True},
        {"approvers": {"people": ["emma"]}, "deadline": DAY},
    ]
    case = await Case.opens(scene, free(deadline=5 * DAY, on_deadline="escalate", escalations=levels))
    await case.skip(5 * DAY + HOUR)
    await case.told("approval.escalated")
    await case.skip(2 * DAY)
    await case.told("approval.escalated", 2)
    return await _approved_by(case, "emma")


@scenario
async def approval_escalated_by_hand_and_expired(scene: Scene) -> Run:
    level = {"approvers": CLEO, "deadline": 2 * DAY}
    case = await Case.opens(scene, free(escalations=[level]))
    await case.act(actions.Escalate, "dora", reason="urgent")
    await case.skip(2 * DAY + HOUR)
    await case.ends()
    return case.handle  # type: ignore[no-any-return]


@scenario
async def approval_delegated_handed_back_and_delegated_again(scene: Scene) -> Run:
    case = await Case.opens(scene)
    await case.act(actions.Delegate, "ann", to="cleo")
    await case.act(actions.HandBack, "cleo", reason="not mine")
    await case.act(actions.Delegate, "ann", to="emma")
    return await _approved_by(case, "bob", "emma")


@scenario
async def approval_with_an_added_approver(scene: Scene) -> Run:
    case = await Case.opens(scene, free(combine="any"))
    await case.act(actions.AddApprover, "ann", person="cleo")
    return await _approved_by(case, "ann", "cleo")


@scenario
async def approval_after_an_answer_and_a_recalled_question(scene: Scene) -> Run:
    case = await Case.opens(scene)
    await case.act(actions.Inquire, "ann", asked="dora", question="Why so many?")
    await case.act(actions.Inquire, "bob", asked="emma", question="May we?")
    await case.act(actions.RecallInquiry, "bob", inquiry=2)
    await case.act(actions.Answer, "dora", inquiry=1, answer="We grow.")
    return await _approved_by(case, "ann", "bob")


@scenario
async def approval_rerouted(scene: Scene) -> Run:
    case = await Case.opens(
        scene, free(allow=["reroute"], reroute_to=["board"]), stage("legal"), stage("board")
    )
    await case.act(actions.Reroute, "ann", to="board", reason="too large for us")
    await case.told("approval.opened", 2)
    return await _approved_by(case, "bob", at="board", round_=2)


@scenario
async def approval_sent_back_and_granted(scene: Scene) -> Run:
    case = await Case.opens(scene, stage(), stage("legal", on_deny="sales"))
    await case.decide("ann")
    await case.told("approval.opened", 2)
    await case.decide("bob", Verdict.DENY, stage="legal")
    await case.told("approval.opened", 3)
    await case.decide("ann", round=2)
    await case.told("approval.opened", 4)
    return await _approved_by(case, "bob", at="legal", round_=2)


@scenario
async def approval_undone_and_denied(scene: Scene) -> Run:
    case = await Case.opens(scene)
    await case.decide("ann")
    await case.act(actions.Undo, "ann", reason="I misread it")
    await case.decide("ann", Verdict.DENY)
    await case.ends()
    return case.handle  # type: ignore[no-any-return]


@scenario
async def approval_reset_by_a_new_definition(scene: Scene) -> Run:
    case = await Case.opens(scene, stage(), stage("legal"))
    await case.decide("ann")
    await case.told("approval.opened", 2)
    await case.change(of(stage("board"), version=2), reason="the board wants a say")
    await case.told("approval.opened", 3)
    return await _approved_by(case, "bob", at="board", round_=2)


@scenario
async def approval_aborted_by_a_new_definition(scene: Scene) -> Run:
    case = await Case.opens(scene)
    await case.decide("ann")
    await case.change(of(stage("board"), version=2), OnChange.ABORT)
    await case.ends()
    return case.handle  # type: ignore[no-any-return]


@scenario
async def approval_with_votes_by_rule(scene: Scene) -> Run:
    first = free(approvers={"people": ["ann", "bob", "dora"]})
    stages = first, free("legal", always_ask=True), free("board")
    case = await Case.opens(scene, *stages, reuse_grants=True, requester_is_approver="granted")
    await case.decide("ann")
    await case.decide("bob")
    await case.told("approval.opened", 2)
    await case.decide("ann", stage="legal")
    await case.decide("bob", stage="legal")
    await case.ends()
    return case.handle  # type: ignore[no-any-return]


@scenario
async def approval_of_a_stage_skipped_as_it_asks_the_requester(scene: Scene) -> Run:
    own = free(approvers={"people": ["dora", "ann"]})
    case = await Case.opens(
        scene, own, stage("legal"), first="approval.skipped", requester_is_approver="skipped"
    )
    await case.told("approval.opened")
    return await _approved_by(case, "bob", at="legal")


@scenario
async def approval_with_stages_that_do_not_apply(scene: Scene) -> Run:
    never = 'request.offer == ""'
    stages = stage("legal", when=never), stage(), stage("board", when=never)
    case = await Case.opens(scene, *stages, first="approval.skipped")
    await case.told("approval.opened")
    return await _approved_by(case, "ann")


@scenario
async def approval_by_the_fallback(scene: Scene) -> Run:
    scene.world.roster = ()
    rule = stage(approvers=ANYBODY, on_nobody="fallback", fallback=CLEO)
    case = await Case.opens(scene, rule, first="approval.fallback")
    return await _approved_by(case, "cleo")


@scenario
async def approval_held_and_granted_by_the_team(scene: Scene) -> Run:
    scene.world.roster = ()
    case = await Case.opens(
        scene, stage(approvers=ANYBODY), first="approval.held", escalation_team={"people": ["emma"]}
    )
    await case.told("approval.escalated")
    return await _approved_by(case, "emma")


@scenario
async def approval_with_a_refreshed_roster(scene: Scene) -> Run:
    case = await Case.opens(scene, free(approvers=ANYBODY))
    case.seat("bob", "cleo")
    await case.act(actions.RefreshRoster, "otto")
    return await _approved_by(case, "bob", "cleo")


@scenario
async def approval_held_until_somebody_may_decide(scene: Scene) -> Run:
    scene.world.roster = ()
    case = await Case.opens(scene, free(approvers=ANYBODY), first="approval.held")
    case.seat("cleo")
    await case.act(actions.RefreshRoster, "otto")
    return await _approved_by(case, "cleo")


@scenario
async def approval_after_a_fulfilled_condition(scene: Scene) -> Run:
    scene.world.condition = ConditionState.FULFILLED
    credit = stage("credit", approvers=None, wait={"source": "credit"})
    case = await Case.opens(scene, credit, stage())
    await case.told("approval.opened", 2)
    return await _approved_by(case, "ann")
