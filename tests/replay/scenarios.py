"""Scripted runs, one for each way an order or a line can end.

Each script is played live to compare what activities are asked with a golden, and was played once to record
a history. A stored history is never recorded again: it stands for runs that are open when a new version is
deployed (engineering.md 2.1).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from temporalio.client import WorkflowHandle
from temporalio.exceptions import ApplicationError

from domain import wire
from domain.checks import Claim, Finding
from domain.decisions import Verdict
from domain.definitions import Combine
from domain.dns.verdicts import ObservationSeverity, Overall
from domain.offers import Deployment
from domain.orders import Line
from domain.provisioning import Provisioned
from tests.workflows.conftest import Scene
from tests.workflows.world import definition, line, seen, stage

Run = WorkflowHandle[object, object]
Scenario = Callable[[Scene], Awaitable[Run]]

DAY = timedelta(days=1)
BLOCKED = Finding(
    code="SPF_BUDGET", severity=ObservationSeverity.BLOCKING, field="domain", message="11 of 10 look-ups"
)
SCENARIOS: dict[str, Scenario] = {}


def scenario(play: Scenario) -> Scenario:
    """Registers a script under its name."""
    SCENARIOS[play.__name__] = play
    return play


async def _opened(scene: Scene, *stages: object, **more: object) -> Run:
    handle = await scene.start(line(approval=definition(*stages), **more))  # type: ignore[arg-type]
    await scene.world.told(handle.id, "approval.opened")
    return handle


async def _waiting_for_records(scene: Scene, **more: object) -> Run:
    scene.world.records = lambda _watch, _attempt: seen(Overall.PENDING)
    handle = await scene.start(line(**more))
    await scene.world.told(handle.id, "line.records_seen")
    await scene.world.asks(handle.id, wire.WATCH_RECORDS, 2)
    return handle


async def blocked(scene: Scene, *lines: Line) -> Run:
    """An order with a finding that is watched."""
    scene.world.findings = (BLOCKED,)
    handle = await scene.order(*lines)
    await scene.world.told(handle.id, "order.checked")
    await scene.world.asks(handle.id, wire.WATCH_CHECK)
    return handle


@scenario
async def line_provisioned_after_two_stages(scene: Scene) -> Run:
    handle = await _opened(scene, stage("sales"), stage("legal", combine=Combine.ALL))
    await scene.decide(handle, "ann")
    await scene.world.told(handle.id, "approval.opened", 2)
    await scene.decide(handle, "ann", stage="legal")
    await handle.signal(wire.APPROVE, {"stage": "legal", "actor": "bob"})
    await handle.result()
    return handle


@scenario
async def line_provisioned_without_approval(scene: Scene) -> Run:
    handle = await scene.start(line(adapter="local", parameters={"size": "small"}))
    await handle.result()
    return handle


@scenario
async def line_provisioned_after_deployment_and_open_tasks(scene: Scene) -> Run:
    looks = [seen(Overall.PENDING), seen(Overall.VERIFIED)]
    scene.world.records = lambda watch, _attempt: looks[0] if watch.known is None else looks[1]
    handle = await scene.start(line(deployment=Deployment.ON_DEMAND), start=datetime.now(UTC) + 2 * DAY)
    await scene.world.told(handle.id, "line.scheduled")
    await scene.skip(handle, 3 * DAY)
    await scene.world.told(handle.id, "line.start_reached")
    await scene.command(handle, wire.DEPLOY_LINE)
    await handle.result()
    return handle


@scenario
async def line_rejected(scene: Scene) -> Run:
    handle = await _opened(scene, stage(denials=2, combine=Combine.ALL))
    await handle.signal(wire.APPROVE, {"stage": "sales", "actor": "mallory"})
    await scene.world.told(handle.id, "approval.approve")
    await scene.decide(handle, "ann", Verdict.DENY)
    await handle.result()
    return handle


@scenario
async def line_expired_after_a_reminder(scene: Scene) -> Run:
    handle = await _opened(scene, stage(deadline=10 * DAY, reminders=(3 * DAY,)))
    await scene.skip(handle, 4 * DAY)
    await scene.skip(handle, 7 * DAY)
    await handle.result()
    return handle


@scenario
async def line_withdrawn(scene: Scene) -> Run:
    handle = await _opened(scene)
    await handle.execute_update(wire.WITHDRAW, {"actor": "dora", "reason": "not needed"})
    await handle.result()
    return handle


@scenario
async def line_cancelled_while_waiting_for_records(scene: Scene) -> Run:
    handle = await _waiting_for_records(scene)
    await scene.command(handle, wire.CANCEL_LINE)
    await handle.result()
    return handle


@scenario
async def line_closed_and_completed_late(scene: Scene) -> Run:
    handle = await _waiting_for_records(scene, closes_after=DAY, closure_warnings=(timedelta(hours=6),))
    await scene.skip(handle, DAY + timedelta(minutes=1))
    await scene.world.told(handle.id, "line.closed")
    await scene.world.asks(handle.id, wire.WATCH_RECORDS, 3)
    scene.world.records = lambda _watch, _attempt: seen(Overall.VERIFIED)
    await scene.command(handle, wire.CHECK_RECORDS)
    await handle.result()
    return handle


@scenario
async def line_closed_and_cancelled(scene: Scene) -> Run:
    handle = await _waiting_for_records(scene, closes_after=DAY)
    await scene.skip(handle, DAY + timedelta(minutes=1))
    await scene.world.told(handle.id, "line.closed")
    await scene.world.asks(handle.id, wire.WATCH_RECORDS, 3)
    await scene.command(handle, wire.CANCEL_LINE)
    await handle.result()
    return handle


@scenario
async def line_failed_by_its_backend(scene: Scene) -> Run:
    def refuse(_order: object) -> Provisioned:
        raise ApplicationError("no such size", type=wire.ADAPTER_REFUSED, non_retryable=True)

    scene.world.provision = refuse
    handle = await scene.start(line(adapter="local"))
    await handle.result()
    return handle


@scenario
async def line_failed_as_the_domain_is_taken(scene: Scene) -> Run:
    scene.world.records = lambda _watch, _attempt: seen(Overall.VERIFIED, claim=Claim.TAKEN)
    handle = await scene.start(line())
    await handle.result()
    return handle


@scenario
async def order_completed(scene: Scene) -> Run:
    handle = await scene.order(line(1), line(2, adapter="local"))
    await handle.result()
    return handle


@scenario
async def order_partial(scene: Scene) -> Run:
    handle = await scene.order(line(1), line(2, approval=definition()))
    second = await scene.line_of(handle, 2, "approval.opened")
    await scene.decide(second, "bob", Verdict.DENY)
    await handle.result()
    return handle


@scenario
async def order_failed(scene: Scene) -> Run:
    scene.world.records = lambda _watch, _attempt: seen(Overall.VERIFIED, claim=Claim.TAKEN)
    handle = await scene.order(line(1))
    await handle.result()
    return handle


@scenario
async def order_rejected(scene: Scene) -> Run:
    handle = await scene.order(line(1, approval=definition()))
    first = await scene.line_of(handle, 1, "approval.opened")
    await scene.decide(first, "ann", Verdict.DENY)
    await handle.result()
    return handle


@scenario
async def order_cancelled_with_its_lines(scene: Scene) -> Run:
    handle = await scene.order(line(1, approval=definition()))
    first = await scene.line_of(handle, 1, "approval.opened")
    await scene.command(first, wire.CANCEL_LINE)
    await handle.result()
    return handle


@scenario
async def order_cancelled_over_findings(scene: Scene) -> Run:
    handle = await blocked(scene, line(1))
    await scene.skip(handle, 15 * DAY)
    await scene.world.told(handle.id, "order.reminded")
    await scene.command(handle, wire.CANCEL_ORDER)
    await handle.result()
    return handle


@scenario
async def order_completed_after_findings(scene: Scene) -> Run:
    handle = await blocked(scene, line(1))
    scene.world.findings = ()
    await scene.command(handle, wire.CHECK_ORDER)
    await handle.result()
    return handle
