"""Order lines against the rows of provisioning.md b.2, on the real server and virtual time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from domain import wire
from domain.checks import Claim, Finding
from domain.decisions import Verdict
from domain.dns.verdicts import ObservationSeverity, Overall
from domain.line import LineState, ServiceStatus
from domain.mail import RecordFact, Template
from domain.offers import Deployment
from domain.provisioning import Provisioned, ProvisionService
from domain.transitions import Audience, ProcessView
from tests.workflows.conftest import Scene
from tests.workflows.world import World, definition, line, seen, stage

DAY = timedelta(days=1)
BLOCKED = Finding(
    code="SPF_BUDGET", severity=ObservationSeverity.BLOCKING, field="domain", message="11 of 10 look-ups"
)


async def refused(command: object) -> str:
    """The code a command is refused with."""
    with pytest.raises(WorkflowUpdateFailedError) as failure:
        await command  # type: ignore[misc]
    cause = failure.value.cause
    assert isinstance(cause, ApplicationError)
    return str(cause.type)


# L3, L4, L8, L16: the straight way


async def test_a_line_is_approved_confirmed_deployed_and_provisioned(scene: Scene, world: World) -> None:
    handle = await scene.start(line(approval=definition()))
    await world.told(handle.id, "approval.opened")
    await scene.decide(handle, "ann")
    outcome = await handle.result()
    assert outcome["state"] == LineState.PROVISIONED
    assert world.states(handle.id) == [
        "ordered",
        "awaiting_approval",
        "confirmed",
        "provisioning",
        "provisioned",
    ]
    assert world.mails(handle.id) == [
        Template.APPROVAL_REQUESTED,
        Template.APPROVAL_REQUESTED,
        Template.APPROVAL_GRANTED,
        Template.LINE_DEPLOYED,
        Template.PROVISIONED,
    ]


async def test_a_line_without_approval_goes_straight_to_confirmed(scene: Scene, world: World) -> None:
    handle = await scene.start(line())
    await handle.result()
    assert world.states(handle.id) == ["ordered", "confirmed", "provisioning", "provisioned"]


async def test_the_service_moves_through_the_seven_statuses_in_order(scene: Scene, world: World) -> None:
    handle = await scene.start(line(approval=definition()))
    await world.told(handle.id, "approval.opened")
    await scene.decide(handle, "ann")
    await handle.result()
    changes = [change.status for step in world.announced[handle.id] for change in step.services]
    assert changes == [ServiceStatus.CONFIRMED, ServiceStatus.PROVISIONING, ServiceStatus.PROVISIONED]


async def test_transitions_are_numbered_without_gaps(scene: Scene, world: World) -> None:
    handle = await scene.start(line(approval=definition()))
    await world.told(handle.id, "approval.opened")
    await scene.decide(handle, "ann")
    await handle.result()
    assert [step.seq for step in world.announced[handle.id]] == list(
        range(1, len(world.announced[handle.id]) + 1)
    )


async def test_the_backend_is_asked_once_and_with_a_stable_key(scene: Scene, world: World) -> None:
    handle = await scene.start(line(adapter="local", parameters={"size": "s"}))
    await handle.result()
    (asked,) = world.provisioned
    assert asked.adapter == "local"
    assert asked.order.idempotency_key == f"{handle.id}/provision"
    assert asked.order.parameters == {"size": "s"}


# L4: the check is repeated when it is older than a day


async def test_a_check_older_than_a_day_is_repeated_before_the_line_is_confirmed(
    scene: Scene, world: World
) -> None:
    handle = await scene.start(line(approval=definition()))
    await world.told(handle.id, "approval.opened")
    await scene.skip(handle, 2 * DAY)
    await scene.decide(handle, "ann")
    await handle.result()
    assert world.checks >= 1
    assert "order.checked" in world.actions(handle.id)


async def test_a_line_whose_late_check_finds_something_waits_until_it_is_mended(
    scene: Scene, world: World
) -> None:
    handle = await scene.start(line(approval=definition()))
    await world.told(handle.id, "approval.opened")
    await scene.skip(handle, 2 * DAY)
    world.findings = (BLOCKED,)
    await scene.decide(handle, "ann")
    await world.told(handle.id, "order.checked")
    assert (await handle.query(wire.VIEW, result_type=ProcessView)).state == LineState.AWAITING_APPROVAL
    world.findings = ()
    report = await scene.command(handle, wire.CHECK_ORDER)
    assert report["findings"] == []  # type: ignore[index]
    assert (await handle.result())["state"] == LineState.PROVISIONED


async def test_a_check_asked_for_meanwhile_does_not_stand_for_one_at_confirmation(
    scene: Scene, world: World
) -> None:
    handle = await scene.start(line(approval=definition()))
    await world.told(handle.id, "approval.opened")
    await scene.command(handle, wire.CHECK_ORDER)
    await scene.skip(handle, 20 * DAY)
    world.findings = (BLOCKED,)
    await scene.decide(handle, "ann")
    await world.told(handle.id, "order.checked", 2)
    view = await handle.query(wire.VIEW, result_type=ProcessView)
    assert view.state == LineState.AWAITING_APPROVAL
    await scene.command(handle, wire.CANCEL_LINE)


# L6: requested start date


async def test_a_start_date_ahead_is_waited_for(scene: Scene, world: World) -> None:
    start = datetime.now(UTC) + 10 * DAY
    handle = await scene.start(line(), start=start)
    await world.told(handle.id, "line.scheduled")
    await scene.skip(handle, 9 * DAY)
    assert (await handle.query(wire.VIEW, result_type=ProcessView)).state == LineState.SCHEDULED
    await scene.skip(handle, 2 * DAY)
    await handle.result()
    deployed = await world.told(handle.id, "line.deployed")
    assert abs(deployed.at - start) < timedelta(seconds=5)


# L8, deployment


async def test_a_confirmed_line_waits_for_its_deployment(scene: Scene, world: World) -> None:
    handle = await scene.start(line(deployment=Deployment.ON_DEMAND))
    await world.told(handle.id, "line.confirmed")
    await scene.skip(handle, 3 * DAY)
    assert "line.deployed" not in world.actions(handle.id)
    await scene.command(handle, wire.DEPLOY_LINE)
    await handle.result()
    assert (await world.told(handle.id, "line.deployed")).actor == "dora"


async def test_the_automatic_deployment_deploys_by_signal(scene: Scene, world: World) -> None:
    handle = await scene.start(line(deployment=Deployment.ON_DEMAND))
    await world.told(handle.id, "line.confirmed")
    await handle.signal(wire.DEPLOY, {"actor": "countersign"})
    assert (await handle.result())["state"] == LineState.PROVISIONED


async def test_a_deployment_is_told_to_those_who_only_read_along(scene: Scene, world: World) -> None:
    handle = await scene.start(line())
    await handle.result()
    [notice] = (await world.told(handle.id, "line.deployed")).notices
    assert notice.template is Template.LINE_DEPLOYED
    assert notice.audience == Audience(organisations=("partner", "customer"), workflow_mails=True)


async def test_a_line_that_is_not_confirmed_cannot_be_deployed(scene: Scene, world: World) -> None:
    handle = await scene.start(line(approval=definition()))
    await world.told(handle.id, "approval.opened")
    assert await refused(scene.command(handle, wire.DEPLOY_LINE)) == "NOT_DEPLOYABLE"
    await handle.signal(wire.DEPLOY, {"actor": "countersign"})
    step = await world.told(handle.id, "line.deploy")
    assert not step.accepted
    await scene.command(handle, wire.CANCEL_LINE)


# L14 and L15, open tasks


def pending(*owners: str) -> object:
    facts = tuple(
        RecordFact(owner=o, relative_owner=o, rrtype="TXT", value="v", verdict="MISSING") for o in owners
    )
    return seen(Overall.PENDING, digest=" ".join(owners), open=facts)


async def test_open_tasks_are_mailed_once_per_change_of_the_set(scene: Scene, world: World) -> None:
    looks = [pending("a", "b"), pending("a", "b"), pending("b"), seen(Overall.VERIFIED)]
    world.records = lambda _watch, _attempt: looks[min(world.looks, len(looks)) - 1]  # type: ignore[assignment,return-value]
    handle = await scene.start(line())
    await world.told(handle.id, "line.records_seen")
    await scene.skip(handle, timedelta(hours=1))
    await handle.result()
    assert world.mails(handle.id).count(Template.OPEN_TASKS) == 2


async def test_unknown_answers_change_nothing(scene: Scene, world: World) -> None:
    world.records = lambda _watch, attempt: seen(Overall.PENDING if attempt == 1 else Overall.UNKNOWN)
    handle = await scene.start(line(closes_after=None))
    await world.told(handle.id, "line.records_seen")
    before = len(world.actions(handle.id))
    await scene.skip(handle, timedelta(hours=12))
    assert len(world.actions(handle.id)) == before
    await scene.command(handle, wire.CANCEL_LINE)


def unreachable(_: ProvisionService) -> Provisioned:
    raise ConnectionError("the backend is away")


async def test_check_now_answers_with_what_is_seen_and_moves_the_line_on(scene: Scene, world: World) -> None:
    world.records = lambda _watch, _attempt: seen(Overall.PENDING)
    handle = await scene.start(line())
    await world.told(handle.id, "line.records_seen")
    world.records = lambda _watch, _attempt: seen(Overall.VERIFIED)
    provision, world.provision = world.provision, unreachable  # A run that ends may take the answer with it.
    looked = await scene.command(handle, wire.CHECK_RECORDS)
    assert looked["state"] == Overall.VERIFIED  # type: ignore[index]
    world.provision = provision
    await scene.skip(handle, timedelta(hours=1))
    assert (await handle.result())["state"] == LineState.PROVISIONED


async def test_check_now_is_refused_within_thirty_seconds(scene: Scene, world: World) -> None:
    world.records = lambda _watch, _attempt: seen(Overall.PENDING)
    handle = await scene.start(line())
    await world.told(handle.id, "line.records_seen")
    await scene.command(handle, wire.CHECK_RECORDS)
    assert await refused(scene.command(handle, wire.CHECK_RECORDS)) == "TOO_OFTEN"
    await scene.skip(handle, timedelta(seconds=31))
    await scene.command(handle, wire.CHECK_RECORDS)
    await scene.command(handle, wire.CANCEL_LINE)


async def test_a_domain_verified_by_somebody_else_first_fails_the_line(scene: Scene, world: World) -> None:
    world.records = lambda _watch, _attempt: seen(Overall.VERIFIED, claim=Claim.TAKEN)
    handle = await scene.start(line())
    outcome = await handle.result()
    assert outcome["state"] == LineState.FAILED
    assert "somebody else" in outcome["reason"]


# L17, L18, L19: closure


async def test_a_line_nobody_completes_is_warned_and_closed_on_time(scene: Scene, world: World) -> None:
    world.records = lambda _watch, _attempt: seen(Overall.PENDING)
    handle = await scene.start(line(closes_after=7 * DAY))
    begun = await world.told(handle.id, "line.deployed")
    await world.told(handle.id, "line.records_seen")
    await scene.skip(handle, 7 * DAY + timedelta(minutes=1))
    closed = await world.told(handle.id, "line.closed")
    assert timedelta() <= closed.at - begun.at - 7 * DAY < timedelta(seconds=5)
    mails = world.mails(handle.id)
    assert mails.count(Template.CLOSURE_WARNING) == 1
    assert mails.count(Template.LINE_CLOSED) == 1
    await scene.command(handle, wire.CANCEL_LINE)


async def test_a_closed_line_is_provisioned_when_its_records_appear_late(scene: Scene, world: World) -> None:
    world.records = lambda _watch, _attempt: seen(Overall.PENDING)
    handle = await scene.start(line(closes_after=7 * DAY))
    await world.told(handle.id, "line.records_seen")
    await scene.skip(handle, 7 * DAY + timedelta(minutes=1))
    await world.told(handle.id, "line.closed")
    world.records = lambda _watch, _attempt: seen(Overall.VERIFIED)
    await scene.skip(handle, timedelta(hours=1))
    assert (await handle.result())["state"] == LineState.PROVISIONED
    assert world.states(handle.id)[-4:] == ["provisioning", "closed", "provisioning", "provisioned"]
    assert world.actions(handle.id).count("line.closed") == 1


async def test_records_that_appear_just_before_closure_are_found_by_the_last_look(
    scene: Scene, world: World
) -> None:
    world.records = lambda watch, _attempt: seen(Overall.VERIFIED if watch.patience else Overall.PENDING)
    handle = await scene.start(line(closes_after=7 * DAY))
    await world.told(handle.id, "line.records_seen")
    await scene.skip(handle, 7 * DAY + timedelta(minutes=1))
    assert (await handle.result())["state"] == LineState.PROVISIONED
    assert "line.closed" not in world.actions(handle.id)


async def test_an_unknown_last_look_defers_the_closure_by_a_day_at_most(scene: Scene, world: World) -> None:
    world.records = lambda watch, _attempt: seen(Overall.UNKNOWN if watch.patience else Overall.PENDING)
    handle = await scene.start(line(closes_after=7 * DAY))
    begun = await world.told(handle.id, "line.deployed")
    await world.told(handle.id, "line.records_seen")
    await scene.skip(handle, 7 * DAY + timedelta(hours=23))
    assert "line.closed" not in world.actions(handle.id)
    await scene.skip(handle, timedelta(hours=2))
    closed = await world.told(handle.id, "line.closed")
    assert timedelta(hours=23) < closed.at - begun.at - 7 * DAY <= timedelta(hours=25)
    await scene.command(handle, wire.CANCEL_LINE)


async def test_a_cancel_is_heeded_while_the_last_look_learns_nothing(scene: Scene, world: World) -> None:
    world.records = lambda watch, _attempt: seen(Overall.UNKNOWN if watch.patience else Overall.PENDING)
    handle = await scene.start(line(closes_after=DAY))
    await world.told(handle.id, "line.records_seen")
    await scene.skip(handle, DAY + timedelta(hours=2))
    assert await scene.command(handle, wire.CANCEL_LINE) == LineState.CANCELLED


async def test_a_closed_line_fails_when_somebody_else_verifies_the_domain(scene: Scene, world: World) -> None:
    world.records = lambda _watch, _attempt: seen(Overall.PENDING)
    handle = await scene.start(line(closes_after=DAY))
    await world.told(handle.id, "line.records_seen")
    await scene.skip(handle, DAY + timedelta(minutes=1))
    await world.told(handle.id, "line.closed")
    world.records = lambda _watch, _attempt: seen(Overall.VERIFIED, claim=Claim.TAKEN)
    await scene.command(handle, wire.CHECK_RECORDS)
    assert (await handle.result())["state"] == LineState.FAILED


# L5, L20, L21, L22: ends


@pytest.mark.parametrize(("verdict", "state"), [(Verdict.DENY, LineState.REJECTED)], ids=["denied"])
async def test_a_denied_line_is_rejected_with_its_reason(
    scene: Scene, world: World, verdict: Verdict, state: LineState
) -> None:
    handle = await scene.start(line(approval=definition()))
    await world.told(handle.id, "approval.opened")
    await scene.decide(handle, "ann", verdict)
    outcome = await handle.result()
    assert (outcome["state"], outcome["reason"]) == (state, "too expensive")
    assert world.mails(handle.id)[-1] is Template.APPROVAL_DENIED


async def test_an_undecided_line_expires_at_the_deadline(scene: Scene, world: World) -> None:
    handle = await scene.start(line(approval=definition(stage(deadline=60 * DAY))))
    opened = await world.told(handle.id, "approval.opened")
    await scene.skip(handle, 61 * DAY)
    assert (await handle.result())["state"] == LineState.EXPIRED
    expired = await world.told(handle.id, "line.expired")
    assert abs(expired.at - opened.at - 60 * DAY) < timedelta(seconds=5)


async def test_a_withdrawn_line_is_cancelled(scene: Scene, world: World) -> None:
    handle = await scene.start(line(approval=definition()))
    await world.told(handle.id, "approval.opened")
    await handle.execute_update(wire.WITHDRAW, {"actor": "dora", "reason": "changed our minds"})
    assert (await handle.result())["state"] == LineState.CANCELLED
    assert world.mails(handle.id)[-1] is Template.APPROVAL_WITHDRAWN


async def test_cancelling_an_open_approval_withdraws_it(scene: Scene, world: World) -> None:
    handle = await scene.start(line(approval=definition()))
    await world.told(handle.id, "approval.opened")
    assert await scene.command(handle, wire.CANCEL_LINE) == LineState.CANCELLED
    view = (await world.told(handle.id, "line.cancelled")).view
    assert view.approval is not None
    assert view.approval.status == "WITHDRAWN"


async def test_a_line_waiting_for_records_is_cancelled_and_frees_the_domain(
    scene: Scene, world: World
) -> None:
    world.records = lambda _watch, _attempt: seen(Overall.PENDING)
    handle = await scene.start(line())
    await world.told(handle.id, "line.records_seen")
    await scene.command(handle, wire.CANCEL_LINE)
    assert world.states(handle.id)[-2:] == ["cancelling", "cancelled"]
    assert (await world.told(handle.id, "line.cancelled")).release_claim


async def test_a_closed_line_can_still_be_cancelled(scene: Scene, world: World) -> None:
    world.records = lambda _watch, _attempt: seen(Overall.PENDING)
    handle = await scene.start(line(closes_after=DAY))
    await world.told(handle.id, "line.records_seen")
    await scene.skip(handle, DAY + timedelta(minutes=1))
    await world.told(handle.id, "line.closed")
    assert await scene.command(handle, wire.CANCEL_LINE) == LineState.CANCELLED


async def test_cancelling_after_the_point_of_no_return_is_refused(scene: Scene, world: World) -> None:
    def pend(_order: object) -> Provisioned:
        raise ApplicationError("still building", next_retry_delay=timedelta(hours=1))

    world.provision = pend
    handle = await scene.start(line(adapter="local"))
    await world.told(handle.id, "line.executing")
    assert await refused(scene.command(handle, wire.CANCEL_LINE)) == "POINT_OF_NO_RETURN"
    world.provision = lambda _order: Provisioned(reference="done")
    await scene.skip(handle, timedelta(hours=2))
    assert (await handle.result())["state"] == LineState.PROVISIONED


async def test_a_backend_that_refuses_fails_the_line_and_tells_the_operators(
    scene: Scene, world: World
) -> None:
    def refuse(_order: object) -> Provisioned:
        raise ApplicationError("no such size", type=wire.ADAPTER_REFUSED, non_retryable=True)

    world.provision = refuse
    handle = await scene.start(line(adapter="local"))
    outcome = await handle.result()
    assert outcome["state"] == LineState.FAILED
    assert "no such size" in outcome["reason"]
    assert world.mails(handle.id).count(Template.FAILED) == 2


async def test_cancellation_requested_in_temporal_itself_cancels_the_line_in_order(
    scene: Scene, world: World
) -> None:
    handle = await scene.start(line(approval=definition()))
    await world.told(handle.id, "approval.opened")
    await handle.cancel()
    assert (await handle.result())["state"] == LineState.CANCELLED
    cancelled = await world.told(handle.id, "line.cancelled")
    assert (cancelled.actor, cancelled.release_claim) == ("operator", True)


async def test_cancellation_requested_after_the_point_of_no_return_fails_the_line_and_takes_it_back(
    scene: Scene, world: World
) -> None:
    def pend(_order: object) -> Provisioned:
        raise ApplicationError("still building", next_retry_delay=timedelta(hours=1))

    world.provision = pend
    handle = await scene.start(line(adapter="local"))
    await world.told(handle.id, "line.executing")
    await handle.cancel()
    failed = await world.told(handle.id, "line.failed")
    assert [each.order.idempotency_key for each in world.removed] == [f"{handle.id}/provision/undo"]
    assert (failed.actor, failed.release_claim) == ("operator", True)
    await scene.skip(handle, timedelta(hours=8))
    assert (await handle.result())["state"] == LineState.FAILED
    assert world.mails(handle.id).count(Template.FAILED) == 2


async def test_cancellation_requested_while_the_end_is_being_written_loses_nothing(
    scene: Scene, world: World
) -> None:
    handle = await scene.start(line(approval=definition()))
    await world.told(handle.id, "approval.opened")
    world.database_down = True
    await scene.decide(handle, "ann")
    async with asyncio.timeout(80):
        while (await handle.query(wire.VIEW, result_type=ProcessView)).state != LineState.PROVISIONED:
            await asyncio.sleep(0.05)
    await handle.cancel()
    world.database_down = False
    assert (await handle.result())["state"] == LineState.PROVISIONED
    assert world.actions(handle.id)[-1] == "line.provisioned"


# SPEC D6: nothing waits for the database, and nothing is lost


async def test_decisions_are_accepted_while_the_database_is_away_and_announced_later(
    scene: Scene, world: World
) -> None:
    handle = await scene.start(line(approval=definition(stage("sales", ("ann",)), stage("legal", ("bob",)))))
    await world.told(handle.id, "approval.opened")
    world.database_down = True
    await scene.decide(handle, "ann")
    world.database_down = False
    await world.told(handle.id, "approval.opened", 2)
    await scene.decide(handle, "bob", stage="legal")
    await handle.result()
    assert [step.seq for step in sorted(world.announced[handle.id], key=lambda t: t.seq)] == list(
        range(1, len(world.announced[handle.id]) + 1)
    )
    assert world.actions(handle.id).count("approval.approve") == 2
