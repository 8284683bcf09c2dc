"""What went wrong in other systems must not go wrong here: one test for each class of peers.md A3.

A3.7, waits of 30, 90 and 400 days, is `test_an_approval_waits_for_its_answer` in `test_gate_clocks.py`. For
A3.6, code that changes while requests wait, stand the stored histories in `tests/replay`.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from domain import wire
from domain.decisions import Decide, DecisionRecorded, Verdict
from domain.line import LineState
from domain.orders import OrderLine
from tests.replay.test_replay import replayer
from tests.workflows.conftest import Scene
from tests.workflows.gate_case import DAY, HOUR, Case, code_of, free, mailed, of
from tests.workflows.world import PEOPLE, World, context, line, stage

QUORUM = free(people=("ann", "bob", "cleo"), combine="quorum", quorum=2)


async def test_a3_1_votes_before_the_stage_opens_wait_and_count_once_in_their_order(
    scene: Scene, world: World
) -> None:
    queue = f"{scene.queue}-later"
    order, now = scene.new_order(), datetime.now(UTC)
    handle = await scene.client.start_workflow(
        wire.ORDER_LINE,
        OrderLine(context=context(order), line=line(approval=of(free(denials=2))), checked_at=now),
        id=wire.line_id(order, 1),
        task_queue=queue,
    )
    for signal, actor in [(wire.APPROVE, "bob"), (wire.APPROVE, "bob"), (wire.APPROVE, "ann")]:
        await handle.signal(signal, {"stage": "sales", "actor": actor})
    async with world.worker(scene.client, queue):
        case = Case(scene, handle)
        assert await case.ends() == LineState.PROVISIONED
    counted = [step.vote for step in world.announced[handle.id] if step.vote is not None and step.accepted]
    assert [vote.actor for vote in counted] == ["bob", "ann"]
    assert case.actions() == ["opened", "approve", "approve"]


async def test_a3_1_a_vote_waits_while_the_directory_cannot_say_who_may_decide(
    scene: Scene, world: World
) -> None:
    world.database_down = True
    case = Case(scene, await scene.start(line(approval=of(stage()))))
    await case.shows("sales")
    deciding = asyncio.create_task(case.decide("ann"))
    await case.skip(HOUR)
    assert not deciding.done()
    world.database_down = False
    await case.skip(HOUR)
    assert (await deciding).status == "APPROVED"
    assert await case.ends() == LineState.PROVISIONED


async def test_a3_2_a_vote_for_one_stage_or_round_never_hits_another(scene: Scene) -> None:
    case = await Case.opens(scene, stage(), stage("legal", on_deny="sales"))
    await case.decide("ann")
    await case.told("approval.opened", 2)
    assert await code_of(case.decide("bob")) == "ALREADY_DECIDED"
    await case.decide("bob", Verdict.DENY, stage="legal")
    await case.told("approval.opened", 3)
    assert await code_of(case.decide("bob")) == "WRONG_STAGE"
    assert await code_of(case.decide("bob", stage="legal")) == "WRONG_STAGE"
    assert await code_of(case.decide("bob", round=3)) == "WRONG_STAGE"
    await case.handle.signal(wire.APPROVE, {"stage": "legal", "actor": "bob"})
    refused = await case.told("approval.approve", 2)
    assert (refused.accepted, refused.code) == (False, "WRONG_STAGE")
    assert (await case.approval()).decided == ()
    await case.cancel()


async def test_a3_3_a_vote_that_comes_again_and_again_counts_once(scene: Scene) -> None:
    case = await Case.opens(scene)
    decision = Decide(stage="sales", actor="ann", verdict=Verdict.APPROVE)
    answers = [await case.decide("ann")]
    answers += [
        await case.handle.execute_update(wire.DECIDE, decision, id=update_id, result_type=DecisionRecorded)
        for update_id in ("first", "first", "second")
    ]
    await case.handle.signal(wire.APPROVE, {"stage": "sales", "actor": "ann"})
    assert set(answers) == {answers[0]}
    assert (await case.approval()).decided == ("ann",)
    assert case.actions() == ["opened", "approve"]
    await case.cancel()


async def test_a3_4_nobodys_part_is_bypassed_and_what_is_skipped_holds_nothing_up(
    scene: Scene, world: World
) -> None:
    never = 'request.offer == ""'
    stages = stage("legal", when=never), free(), stage("board", on_nobody="skip"), stage("last", when=never)
    case = await Case.opens(scene, *stages, first="approval.skipped")
    await case.decide("ann")
    assert (await case.decide("ann")).status == "PENDING"
    assert (await case.view()).state == LineState.AWAITING_APPROVAL
    world.roster = ()
    await case.decide("bob")
    assert await case.ends() == LineState.PROVISIONED
    assert case.actions() == ["skipped", "opened", "approve", "approve", "opened", "skipped", "skipped"]


async def test_a3_5_reminder_escalation_and_expiry_are_steps_of_their_own_and_no_time_out_of_the_engine(
    scene: Scene,
) -> None:
    level = {"approvers": {"people": ["cleo"]}, "deadline": DAY}
    rule = free(deadline=3 * DAY, reminders=(DAY,), on_deadline="escalate", escalations=[level])
    case = await Case.opens(scene, rule)
    for _ in range(4):
        await case.skip(DAY + HOUR)
    assert await case.ends() == LineState.EXPIRED
    assert case.actions() == ["opened", "reminded", "escalated"]
    assert mailed(await case.told("approval.reminded")) == {"approval_reminder": ("ann", "bob")}
    assert mailed(await case.told("approval.escalated")) == {"approval_escalated": ("cleo",)}
    history = await case.handle.fetch_history()
    start = history.events[0].workflow_execution_started_event_attributes
    assert not start.workflow_execution_timeout.ToTimedelta()
    assert not start.workflow_run_timeout.ToTimedelta()
    assert history.events[-1].event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED


async def test_a3_6_a_worker_that_restarts_in_mid_wait_goes_on_where_it_was(
    scene: Scene, world: World
) -> None:
    scene.queue = f"{scene.queue}-restarted"
    async with world.worker(scene.client, scene.queue):
        case = await Case.opens(scene, free(deadline=10 * DAY))
        await case.decide("ann")
        await case.skip(5 * DAY)
    async with world.worker(scene.client, scene.queue):
        assert (await case.approval()).decided == ("ann",)
        assert (await case.decide("bob")).status == "APPROVED"
        assert await case.ends() == LineState.PROVISIONED
    await replayer().replay_workflow(await case.handle.fetch_history())


async def test_a3_8_of_two_votes_racing_for_the_last_slot_exactly_one_closes_the_stage(
    scene: Scene, world: World
) -> None:
    world.roster = tuple(PEOPLE[key] for key in ("ann", "bob", "cleo"))
    for _ in range(5):
        case = await Case.opens(scene, QUORUM, stage("legal"))
        await case.decide("ann")
        both = await asyncio.gather(case.decide("bob"), case.decide("cleo"), return_exceptions=True)
        won = [each for each in both if isinstance(each, DecisionRecorded)]
        lost = [each.cause for each in both if isinstance(each, WorkflowUpdateFailedError)]
        assert (len(won), len(lost)) == (1, 1)
        assert isinstance(lost[0], ApplicationError)
        assert lost[0].type == "ALREADY_DECIDED"
        assert won[0].actor in str(lost[0])
        assert (await case.told("approval.opened", 2)).data["stage"] == "legal"
        assert case.actions().count("approve") == 2
        await case.cancel()


async def test_a3_9_an_approver_who_loses_the_role_loses_the_vote(scene: Scene, world: World) -> None:
    case = await Case.opens(scene)
    world.revoked.add("ann")
    assert await code_of(case.decide("ann")) == "NOT_PERMITTED"
    await case.handle.signal(wire.APPROVE, {"stage": "sales", "actor": "ann"})
    refused = await case.told("approval.approve")
    assert (refused.accepted, refused.code) == (False, "NOT_PERMITTED")
    assert (await case.approval()).decided == ()
    world.revoked.clear()
    assert (await case.decide("ann")).status == "PENDING"
    await case.cancel()
