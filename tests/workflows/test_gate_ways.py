"""Ways through the stages on the real server: conditions, jumps, votes by rule (SPEC 4.1; a5)."""

from __future__ import annotations

import pytest

from domain.decisions import Verdict
from domain.line import LineState
from tests.workflows.conftest import Scene
from tests.workflows.gate_case import DAY, HOUR, Case, code_of, free, mailed, of
from tests.workflows.world import PEOPLE, World, line, stage

NEVER, ALWAYS = 'request.offer == ""', 'request.offer != ""'


async def test_a_stage_that_does_not_apply_is_passed_over_and_the_audit_says_why(scene: Scene) -> None:
    case = await Case.opens(scene, stage("legal", when=NEVER), stage(when=ALWAYS), stage("board", when=NEVER))
    skipped = await case.told("approval.skipped")
    assert skipped.data == {"stage": "legal", "because": "its condition is false"}
    assert await code_of(case.decide("ann", stage="legal")) == "ALREADY_DECIDED"
    assert (await case.decide("ann")).status == "APPROVED"
    assert await case.ends() == LineState.PROVISIONED
    assert case.actions() == ["skipped", "opened", "approve", "skipped"]


async def test_a_request_to_which_no_stage_applies_asks_nobody(scene: Scene) -> None:
    case = await Case.opens(scene, stage(when=NEVER), first="approval.skipped")
    assert await case.ends() == LineState.PROVISIONED
    assert case.actions() == ["skipped"]


async def test_an_approval_jumps_where_the_stage_says(scene: Scene) -> None:
    case = await Case.opens(
        scene, stage(on_approve="board"), stage("legal"), stage("board", on_approve="end")
    )
    await case.decide("ann")
    assert (await case.told("approval.opened", 2)).data["stage"] == "board"
    assert (await case.decide("ann", stage="board")).status == "APPROVED"
    await case.ends()


async def test_a_denial_leads_back_and_all_that_follows_is_decided_anew(scene: Scene) -> None:
    case = await Case.opens(scene, stage(), stage("legal", on_deny="sales"))
    await case.decide("ann")
    await case.told("approval.opened", 2)
    denied = await case.decide("bob", Verdict.DENY, stage="legal")
    assert denied.status == "PENDING"
    assert (await case.told("approval.sent_back")).data == {"stage": "legal", "to": "sales"}
    again = await case.told("approval.opened", 3)
    assert again.data == {"stage": "sales", "round": "2"}
    assert list(mailed(again)) == ["approval_requested"]

    assert await code_of(case.decide("bob")) == "WRONG_STAGE"
    assert (await case.decide("ann")).status == "PENDING"  # the stored answer of the first round
    await case.decide("bob", round=2)
    await case.told("approval.opened", 4)
    assert (await case.decide("bob", stage="legal", round=2)).status == "APPROVED"
    assert await case.ends() == LineState.PROVISIONED


async def test_a_stage_denied_by_time_leads_back_as_well(scene: Scene) -> None:
    case = await Case.opens(scene, stage(), stage("legal", on_deny="sales", on_deadline="deny", deadline=DAY))
    await case.decide("ann")
    await case.told("approval.opened", 2)
    await case.skip(DAY + HOUR)
    assert (await case.told("approval.opened", 3)).data["round"] == "2"
    await case.cancel()


# Votes by rule


async def test_a_grant_that_counts_again_is_announced_and_only_the_others_are_mailed(
    scene: Scene, world: World
) -> None:
    case = await Case.opens(scene, free(combine="any"), free("legal"), reuse_grants=True)
    await case.decide("ann")
    opened = await case.told("approval.opened", 2)
    assert mailed(opened) == {}
    given = await case.told("approval.approve", 2)
    assert given.vote is not None
    assert (given.vote.automatic, given.vote.reused_from, given.actor) == (True, "sales", "ann")
    assert given.data["automatic"] == "reuses sales"
    assert mailed(await case.told("approval.asked", 2)) == {"approval_requested": ("bob",)}
    await case.decide("bob", stage="legal")
    assert await case.ends() == LineState.PROVISIONED


async def test_a_stage_that_grants_of_before_decide_asks_nobody(scene: Scene) -> None:
    case = await Case.opens(scene, free(combine="any"), free("legal", combine="any"), reuse_grants=True)
    await case.decide("ann")
    assert await case.ends() == LineState.PROVISIONED
    assert case.actions() == ["opened", "asked", "approve", "opened", "approve"]


async def test_a_stage_marked_always_ask_asks_everybody(scene: Scene) -> None:
    case = await Case.opens(scene, free(combine="any"), free("legal", always_ask=True), reuse_grants=True)
    await case.decide("ann")
    opened = await case.told("approval.opened", 2)
    assert opened.notices[0].audience.roster
    assert (await case.view()).waiting_for == "Legal: Ann, Bob"
    await case.cancel()


@pytest.mark.parametrize("handling", ["granted", "skipped", "forbidden"])
async def test_the_requester_as_approver_is_handled_as_the_definition_says(
    scene: Scene, world: World, handling: str
) -> None:
    case = await _asked_of_the_requester(scene, handling)
    if handling == "granted":
        given = await case.told("approval.approve")
        assert (given.actor, given.data["automatic"]) == ("dora", "own request")
        assert mailed(await case.told("approval.asked")) == {"approval_requested": ("ann",)}
        assert (await case.decide("ann")).status == "APPROVED"
    elif handling == "skipped":
        assert (await case.told("approval.skipped")).data == {"stage": "sales", "because": "own request"}
    else:
        assert (await case.view()).waiting_for == "Sales: Ann"
        assert await code_of(case.decide("dora")) == "SELF_APPROVAL"
        await case.decide("ann")
    assert await case.ends() == LineState.PROVISIONED


async def _asked_of_the_requester(scene: Scene, handling: str) -> Case:
    scene.world.roster = (PEOPLE["ann"], PEOPLE["dora"]) if handling != "forbidden" else (PEOPLE["ann"],)
    rule = free(people=("dora", "ann"))
    first = "approval.skipped" if handling == "skipped" else "approval.opened"
    return await Case.opens(scene, rule, first=first, requester_is_approver=handling)


async def test_a_requester_whose_stage_is_skipped_hears_of_the_first_that_asks(scene: Scene) -> None:
    rules = free(people=("dora", "ann")), free("legal")
    case = await Case.opens(scene, *rules, requester_is_approver="skipped")
    opened = await case.told("approval.opened")
    assert opened.data["stage"] == "legal"
    assert mailed(opened) == {"approval_requested": ("dora",)}
    await case.cancel()


async def test_rules_apply_once_the_directory_is_back_and_the_clock_runs_meanwhile(
    scene: Scene, world: World
) -> None:
    world.database_down = True
    rule = free(people=("dora", "ann"), deadline=2 * DAY)
    case = Case(scene, await scene.start(line(approval=of(rule, requester_is_approver="granted"))))
    await case.skip(HOUR)
    assert (await case.approval()).roster is None
    world.database_down = False
    await case.skip(HOUR)
    assert (await case.told("approval.approve")).actor == "dora"
    opened = (await case.approval()).opened_at
    assert (await case.approval()).deadline == opened + 2 * DAY
    await case.decide("ann")
    assert await case.ends() == LineState.PROVISIONED
