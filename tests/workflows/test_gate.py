"""The approval gate on the real server: who is heard, when, and what stays (SPEC 4; peers.md A3)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from domain import wire
from domain.decisions import ApprovalStatus, Decide, DecisionRecorded, Verdict
from domain.definitions import Combine, OnDeadline, OnNobody
from domain.line import LineState
from domain.mail import Template
from domain.transitions import ProcessView
from tests.workflows.conftest import Scene
from tests.workflows.world import PEOPLE, World, definition, line, stage

DAY = timedelta(days=1)
THREE = ("ann", "bob", "cleo")


async def code_of(decision: object) -> str:
    """The code a decision is refused with."""
    with pytest.raises(WorkflowUpdateFailedError) as failure:
        await decision  # type: ignore[misc]
    assert isinstance(failure.value.cause, ApplicationError)
    return str(failure.value.cause.type)


async def test_a_quorum_of_two_of_three_approves(scene: Scene, world: World) -> None:
    world.roster = tuple(PEOPLE[key] for key in THREE)
    handle = await scene.start(
        line(approval=definition(stage(people=THREE, combine=Combine.QUORUM, quorum=2)))
    )
    await world.told(handle.id, "approval.opened")
    assert (await scene.decide(handle, "ann")).status is ApprovalStatus.PENDING
    assert (await scene.decide(handle, "cleo")).status is ApprovalStatus.APPROVED
    assert (await handle.result())["state"] == LineState.PROVISIONED


async def test_a_stage_for_all_wants_everybody(scene: Scene, world: World) -> None:
    handle = await scene.start(line(approval=definition(stage(combine=Combine.ALL))))
    await world.told(handle.id, "approval.opened")
    assert (await scene.decide(handle, "ann")).status is ApprovalStatus.PENDING
    assert (await scene.decide(handle, "bob")).status is ApprovalStatus.APPROVED
    await handle.result()


async def test_stages_open_one_after_the_other(scene: Scene, world: World) -> None:
    handle = await scene.start(line(approval=definition(stage("sales"), stage("legal"))))
    await world.told(handle.id, "approval.opened")
    assert await code_of(scene.decide(handle, "ann", stage="legal")) == "WRONG_STAGE"
    await scene.decide(handle, "ann")
    await world.told(handle.id, "approval.opened", 2)
    assert await code_of(scene.decide(handle, "bob", stage="sales")) == "ALREADY_DECIDED"
    await scene.decide(handle, "bob", stage="legal")
    await handle.result()


async def test_the_same_decision_again_gets_the_stored_answer_and_counts_once(
    scene: Scene, world: World
) -> None:
    handle = await scene.start(line(approval=definition(stage(combine=Combine.ALL))))
    await world.told(handle.id, "approval.opened")
    first = await scene.decide(handle, "ann")
    again = await scene.decide(handle, "ann")
    assert again == first
    assert world.actions(handle.id).count("approval.approve") == 1
    await scene.decide(handle, "bob")
    await handle.result()


async def test_a_different_second_decision_is_refused(scene: Scene, world: World) -> None:
    handle = await scene.start(line(approval=definition(stage(combine=Combine.ALL))))
    await world.told(handle.id, "approval.opened")
    await scene.decide(handle, "ann")
    assert await code_of(scene.decide(handle, "ann", Verdict.DENY)) == "ALREADY_DECIDED"
    await scene.command(handle, wire.CANCEL_LINE)


async def test_approve_and_deny_at_once_leave_one_winner(scene: Scene, world: World) -> None:
    handle = await scene.start(line(approval=definition()))
    await world.told(handle.id, "approval.opened")
    both = await asyncio.gather(
        scene.decide(handle, "ann"), scene.decide(handle, "bob", Verdict.DENY), return_exceptions=True
    )
    [recorded] = [each for each in both if isinstance(each, DecisionRecorded)]
    [lost] = [each for each in both if each is not recorded]
    if isinstance(lost, RPCError):
        assert lost.status is RPCStatusCode.NOT_FOUND, "the run was over before it was heard"
    else:
        assert isinstance(lost, WorkflowUpdateFailedError)
        assert isinstance(lost.cause, ApplicationError)
        assert lost.cause.type == "ALREADY_DECIDED"
        assert recorded.actor in str(lost.cause)
    outcome = await handle.result()
    won = LineState.PROVISIONED if recorded.verdict is Verdict.APPROVE else LineState.REJECTED
    assert outcome["state"] == won


async def test_the_requester_may_not_decide(scene: Scene, world: World) -> None:
    world.roster = (PEOPLE["dora"], PEOPLE["ann"])
    handle = await scene.start(line(approval=definition(stage(people=("dora", "ann")))))
    await world.told(handle.id, "approval.opened")
    assert await code_of(scene.decide(handle, "dora")) == "SELF_APPROVAL"
    await scene.command(handle, wire.CANCEL_LINE)


async def test_the_requester_may_decide_where_the_stage_says_so(scene: Scene, world: World) -> None:
    world.roster = (PEOPLE["dora"],)
    handle = await scene.start(line(approval=definition(stage(people=("dora",), self_approval=True))))
    await world.told(handle.id, "approval.opened")
    await scene.decide(handle, "dora")
    assert (await handle.result())["state"] == LineState.PROVISIONED


async def test_a_stranger_may_not_decide(scene: Scene, world: World) -> None:
    handle = await scene.start(line(approval=definition()))
    await world.told(handle.id, "approval.opened")
    assert await code_of(scene.decide(handle, "mallory")) == "NOT_AN_APPROVER"
    await scene.command(handle, wire.CANCEL_LINE)


async def test_an_approver_who_lost_the_permission_may_not_decide(scene: Scene, world: World) -> None:
    handle = await scene.start(line(approval=definition()))
    await world.told(handle.id, "approval.opened")
    world.revoked.add("ann")
    assert await code_of(scene.decide(handle, "ann")) == "NOT_PERMITTED"
    assert (await scene.decide(handle, "bob")).status is ApprovalStatus.APPROVED
    await handle.result()


async def test_a_denial_needs_a_reason(scene: Scene, world: World) -> None:
    handle = await scene.start(line(approval=definition()))
    await world.told(handle.id, "approval.opened")
    assert await code_of(scene.decide(handle, "ann", Verdict.DENY, reason="  ")) == "REASON_REQUIRED"
    await scene.command(handle, wire.CANCEL_LINE)


async def test_a_refused_update_leaves_no_trace_in_the_history(scene: Scene, world: World) -> None:
    handle = await scene.start(line(approval=definition()))
    await world.told(handle.id, "approval.opened")
    await code_of(scene.decide(handle, "mallory"))  # once answered, the opening's own task is written, too
    before = (await handle.describe()).history_length
    await code_of(scene.decide(handle, "mallory"))
    assert (await handle.describe()).history_length == before
    await scene.command(handle, wire.CANCEL_LINE)


async def test_unknown_fields_of_a_decision_are_refused(scene: Scene, world: World) -> None:
    handle = await scene.start(line(approval=definition()))
    await world.told(handle.id, "approval.opened")
    with pytest.raises(WorkflowUpdateFailedError):
        await handle.execute_update(
            wire.DECIDE, {"stage": "sales", "actor": "ann", "verdict": "approve", "vote": 2}
        )
    await scene.command(handle, wire.CANCEL_LINE)


async def test_reminders_go_to_those_who_have_not_decided(scene: Scene, world: World) -> None:
    reminded = stage(combine=Combine.ALL, reminders=(3 * DAY, 7 * DAY))
    handle = await scene.start(line(approval=definition(reminded)))
    await world.told(handle.id, "approval.opened")
    await scene.skip(handle, 4 * DAY)
    first = await world.told(handle.id, "approval.reminded")
    assert first.notices[0].audience.people == ("ann", "bob")
    await scene.decide(handle, "ann")
    await scene.skip(handle, 4 * DAY)
    second = await world.told(handle.id, "approval.reminded", 2)
    assert second.notices[0].audience.people == ("bob",)
    await scene.command(handle, wire.CANCEL_LINE)


async def test_reminders_missed_during_an_outage_collapse_into_one(world: World, scene: Scene) -> None:
    queue = f"{scene.queue}-outage"
    reminded = stage(reminders=(DAY, 2 * DAY, 3 * DAY))
    scene.queue = queue
    async with world.worker(scene.client, queue):
        handle = await scene.start(line(approval=definition(reminded)))
        await world.told(handle.id, "approval.opened")
    passing = asyncio.create_task(scene.skip(handle, 4 * DAY))
    async with asyncio.timeout(80):
        while await scene.time.now(handle.id) < datetime.now(UTC) + DAY - timedelta(minutes=1):
            await asyncio.sleep(0.02)
    async with world.worker(scene.client, queue):
        await passing
        await world.told(handle.id, "approval.reminded")
        assert world.mails(handle.id).count(Template.APPROVAL_REMINDER) <= 3
        await scene.command(handle, wire.CANCEL_LINE)


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (OnDeadline.EXPIRE, LineState.EXPIRED),
        (OnDeadline.DENY, LineState.REJECTED),
        (OnDeadline.APPROVE, LineState.PROVISIONED),
    ],
)
async def test_the_deadline_leads_where_the_stage_says(
    scene: Scene, world: World, outcome: OnDeadline, state: LineState
) -> None:
    handle = await scene.start(line(approval=definition(stage(deadline=5 * DAY, on_deadline=outcome))))
    await world.told(handle.id, "approval.opened")
    await scene.skip(handle, 6 * DAY)
    assert (await handle.result())["state"] == state


async def test_a_decision_received_before_the_deadline_counts_although_workers_were_down(
    world: World, scene: Scene
) -> None:
    queue = f"{scene.queue}-late"
    scene.queue = queue
    async with world.worker(scene.client, queue):
        handle = await scene.start(line(approval=definition(stage(deadline=5 * DAY))))
        await world.told(handle.id, "approval.opened")
        await scene.skip(handle, 4 * DAY)
    received = await scene.time.now(handle.id)
    decision = Decide(stage="sales", actor="ann", verdict=Verdict.APPROVE, received_at=received)
    await handle.signal(wire.APPROVE, decision.model_dump(mode="json", exclude={"verdict"}))
    passing = asyncio.create_task(scene.skip(handle, 2 * DAY))
    async with world.worker(scene.client, queue):
        assert (await handle.result())["state"] == LineState.PROVISIONED
        await passing


async def test_nobody_eligible_holds_the_stage_and_says_so(scene: Scene, world: World) -> None:
    world.roster = ()
    handle = await scene.start(line(approval=definition(stage(deadline=5 * DAY))))
    held = await world.told(handle.id, "approval.held")
    assert "nobody may decide" in held.view.waiting_for
    await scene.skip(handle, 6 * DAY)
    assert (await handle.result())["state"] == LineState.EXPIRED


@pytest.mark.parametrize(
    ("outcome", "state"), [(OnNobody.SKIP, LineState.PROVISIONED), (OnNobody.DENY, LineState.REJECTED)]
)
async def test_nobody_eligible_leads_where_the_stage_says(
    scene: Scene, world: World, outcome: OnNobody, state: LineState
) -> None:
    world.roster = ()
    handle = await scene.start(line(approval=definition(stage(on_nobody=outcome))))
    assert (await handle.result())["state"] == state


# Signals (SPEC D5)


async def test_a_signal_approves_by_the_same_rules(scene: Scene, world: World) -> None:
    handle = await scene.start(line(approval=definition()))
    await world.told(handle.id, "approval.opened")
    await handle.signal(wire.APPROVE, {"stage": "sales", "actor": "ann", "on_behalf_of": "bob"})
    assert (await handle.result())["state"] == LineState.PROVISIONED
    assert (await world.told(handle.id, "approval.approve")).on_behalf_of == "bob"


async def test_a_signal_that_arrives_before_the_stage_opens_is_counted_once_it_does(
    scene: Scene, world: World
) -> None:
    from domain.orders import OrderLine
    from tests.workflows.world import context

    wanted = line(approval=definition())
    now = datetime.now(UTC)
    order = scene.new_order()
    handle = await scene.client.start_workflow(
        wire.ORDER_LINE,
        OrderLine(context=context(order), line=wanted, checked_at=now),
        id=wire.line_id(order, 1),
        task_queue=scene.queue,
        start_signal=wire.APPROVE,
        start_signal_args=[{"stage": "sales", "actor": "ann"}],
    )
    assert (await handle.result())["state"] == LineState.PROVISIONED
    assert world.actions(handle.id).count("approval.approve") == 1


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"stage": "sales", "actor": "mallory", "reason": "fine with me"}, "NOT_AN_APPROVER"),
        ({"stage": "legal", "actor": "ann"}, "WRONG_STAGE"),
        ({"stage": "sales"}, "INVALID_INPUT"),
        ({"stage": "sales", "actor": "ann", "amount": 3, "reason": "fine with me"}, "INVALID_INPUT"),
        ({"stage": "sales", "actor": "Bad Actor"}, "INVALID_INPUT"),
        ({"stage": "sales", "actor": None}, "INVALID_INPUT"),
        ({"stage": "sales", "actor": "ann", "x" * 100_000: 1}, "INVALID_INPUT"),
        ("yes please", "INVALID_INPUT"),
        (None, "INVALID_INPUT"),
    ],
)
async def test_a_refused_signal_is_recorded_and_announced(
    scene: Scene, world: World, payload: object, code: str
) -> None:
    handle = await scene.start(line(approval=definition()))
    await world.told(handle.id, "approval.opened")
    await handle.signal(wire.APPROVE, payload)
    step = await world.told(handle.id, "approval.approve")
    assert (step.accepted, step.code) == (False, code)
    assert step.notices[0].template is Template.DECISION_REFUSED
    said = payload.get("reason") if isinstance(payload, dict) else None
    assert step.data.get("reason") == said, "what they said is kept beside why they were refused"
    assert (await handle.query(wire.VIEW, result_type=ProcessView)).state == LineState.AWAITING_APPROVAL
    await scene.command(handle, wire.CANCEL_LINE)


async def test_a_signal_without_payload_is_recorded_and_does_no_harm(scene: Scene, world: World) -> None:
    handle = await scene.start(line(approval=definition()))
    await world.told(handle.id, "approval.opened")
    for signal in (wire.APPROVE, wire.DENY, wire.DEPLOY):
        await handle.signal(signal)
    refused = [
        await world.told(handle.id, each) for each in ("approval.approve", "approval.deny", "line.deploy")
    ]
    assert [step.code for step in refused] == ["INVALID_INPUT"] * 3
    await scene.command(handle, wire.CANCEL_LINE)


async def test_a_stage_that_nobody_may_decide_alarms_the_operators(scene: Scene, world: World) -> None:
    world.roster = ()
    handle = await scene.start(line(approval=definition()))
    held = await world.told(handle.id, "approval.held")
    (alarm,) = held.notices
    assert alarm.template is Template.APPROVAL_HELD
    assert (alarm.audience.organisations, alarm.audience.permission) == (("provider",), "operate")
    await scene.command(handle, wire.CANCEL_LINE)


async def test_what_passes_a_stage_without_a_vote_is_in_the_audit(scene: Scene, world: World) -> None:
    stages = (
        stage("sales", deadline=5 * DAY, on_deadline=OnDeadline.APPROVE),
        stage("legal", on_nobody=OnNobody.SKIP),
    )
    handle = await scene.start(line(approval=definition(*stages)))
    await world.told(handle.id, "approval.opened")
    world.roster = ()
    await scene.skip(handle, 6 * DAY)
    await handle.result()
    passed = [action for action in world.actions(handle.id) if action.startswith("approval.")]
    assert passed == ["approval.opened", "approval.passed_by_deadline", "approval.opened", "approval.skipped"]


async def test_the_view_names_whom_is_waited_for_until_when_and_what_then(scene: Scene, world: World) -> None:
    handle = await scene.start(line(approval=definition(stage(combine=Combine.ALL, deadline=5 * DAY))))
    opened = await world.told(handle.id, "approval.opened")
    await scene.decide(handle, "ann")
    view = await handle.query(wire.VIEW, result_type=ProcessView)
    assert view.waiting_for == "Sales: Bob"
    assert (await world.told(handle.id, "approval.approve")).view.waiting_for == "Sales: Bob"
    assert view.until == opened.at + 5 * DAY
    assert view.what_then == "the approval expires"
    assert view.definition == "standard@1"
    await scene.command(handle, wire.CANCEL_LINE)
