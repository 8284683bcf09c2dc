"""Orders: checked whole, run line by line, ended with what the lines add up to (SPEC 5)."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from domain import wire
from domain.checks import Finding
from domain.decisions import Verdict
from domain.dns.verdicts import ObservationSeverity
from domain.line import LineState
from domain.mail import Template
from domain.orders import OrderState
from tests.workflows.conftest import Scene
from tests.workflows.world import World, definition, line

DAY = timedelta(days=1)
BLOCKED = Finding(
    code="SPF_BUDGET", severity=ObservationSeverity.BLOCKING, field="domain", message="11 of 10 look-ups"
)
WARNED = Finding(code="MIXED", severity=ObservationSeverity.WARNING, field="domain", message="mixes scripts")


async def test_a_clean_order_runs_each_line_as_a_process_of_its_own(scene: Scene, world: World) -> None:
    handle = await scene.order(line(1), line(2))
    outcome = await handle.result()
    assert outcome["state"] == OrderState.COMPLETED
    assert [each["state"] for each in outcome["lines"]] == [LineState.PROVISIONED] * 2
    assert world.states(handle.id) == ["acknowledged", "inProgress", "completed"]


async def test_an_order_is_partial_when_only_some_lines_are_provisioned(scene: Scene, world: World) -> None:
    handle = await scene.order(line(1), line(2, approval=definition()))
    second = await scene.line_of(handle, 2, "approval.opened")
    await scene.decide(second, "ann", Verdict.DENY)
    assert (await handle.result())["state"] == OrderState.PARTIAL


async def test_warnings_do_not_hold_an_order_up(scene: Scene, world: World) -> None:
    world.findings = (WARNED,)
    handle = await scene.order(line())
    assert (await handle.result())["state"] == OrderState.COMPLETED


async def test_findings_keep_an_order_from_being_confirmed_until_a_clean_check(
    scene: Scene, world: World
) -> None:
    world.findings = (BLOCKED,)
    handle = await scene.order(line())
    await world.told(handle.id, "order.checked")
    assert Template.CHECK_FINDINGS in world.mails(handle.id)
    report = await scene.command(handle, wire.CHECK_ORDER)
    assert report["findings"][0]["code"] == "SPF_BUDGET"  # type: ignore[index]
    world.findings = ()
    await scene.command(handle, wire.CHECK_ORDER)
    assert (await handle.result())["state"] == OrderState.COMPLETED


async def test_the_nightly_check_finds_that_findings_were_mended(scene: Scene, world: World) -> None:
    world.findings = (BLOCKED,)
    handle = await scene.order(line())
    await world.told(handle.id, "order.checked")
    await scene.skip(handle, 2 * DAY)
    mails = world.mails(handle.id)
    assert mails.count(Template.CHECK_FINDINGS) == 1, "the same findings are told once"
    world.findings = ()
    await scene.skip(handle, 2 * DAY)
    assert (await handle.result())["state"] == OrderState.COMPLETED


async def test_an_order_nobody_mends_is_reminded_of_after_fourteen_days(scene: Scene, world: World) -> None:
    world.findings = (BLOCKED,)
    handle = await scene.order(line())
    first = await world.told(handle.id, "order.checked")
    await scene.skip(handle, 15 * DAY)
    reminded = await world.told(handle.id, "order.reminded")
    assert abs(reminded.at - first.at - 14 * DAY) < timedelta(minutes=1)
    await scene.command(handle, wire.CANCEL_ORDER)


async def test_an_order_with_findings_can_be_cancelled(scene: Scene, world: World) -> None:
    world.findings = (BLOCKED,)
    handle = await scene.order(line(1), line(2))
    await world.told(handle.id, "order.checked")
    assert await scene.command(handle, wire.CANCEL_ORDER) == OrderState.CANCELLED
    outcome = await handle.result()
    assert [each["state"] for each in outcome["lines"]] == [LineState.CANCELLED] * 2
    assert (await world.told(handle.id, "order.cancelled")).release_claim


async def test_an_order_whose_lines_have_begun_is_cancelled_line_by_line(scene: Scene, world: World) -> None:
    handle = await scene.order(line(1, approval=definition()))
    first = await scene.line_of(handle, 1, "approval.opened")
    with pytest.raises(WorkflowUpdateFailedError) as failure:
        await scene.command(handle, wire.CANCEL_ORDER)
    assert isinstance(failure.value.cause, ApplicationError)
    assert failure.value.cause.type == "LINES_STARTED"
    assert first.id in str(failure.value.cause)
    await scene.command(first, wire.CANCEL_LINE)
    assert (await handle.result())["state"] == OrderState.CANCELLED


async def test_a_line_ended_from_outside_does_not_leave_its_order_waiting(scene: Scene, world: World) -> None:
    handle = await scene.order(line(1, approval=definition()))
    first = await scene.line_of(handle, 1, "approval.opened")
    await first.terminate("an operator ended it")
    assert (await handle.result())["state"] == OrderState.FAILED
    lost = await world.told(handle.id, "order.line_lost")
    assert (lost.services[0].status, lost.release_claim) == ("cancelled", True)
    assert lost.notices[0].template is Template.FAILED


@pytest.mark.parametrize("ended", [False, True], ids=["running", "ended"])
async def test_an_order_that_was_reset_names_the_lines_that_it_cannot_start_again(
    scene: Scene, world: World, ended: bool
) -> None:
    handle = await scene.order(line(1, approval=definition()))
    first = await scene.line_of(handle, 1, "approval.opened")
    if ended:
        await scene.decide(first, "ann", Verdict.DENY)
        await handle.result()
    run = (await first.describe()).run_id
    await reset(scene.client, handle)

    outcome = await scene.client.get_workflow_handle(handle.id).result()
    assert outcome["state"] == OrderState.FAILED
    assert outcome["lines"][0]["reason"].startswith(f"{first.id} was started before this order was reset")
    assert (await first.describe()).run_id == run, "it was not started again"
    if not ended:  # else all this was told already, of the run that was reset
        lost = await world.told(handle.id, "order.line_lost")
        assert lost.notices[0].template is Template.FAILED
        assert (lost.services, lost.release_claim) == ((), False), "they are the line's own"
        await scene.decide(first, "ann")
        assert (await first.result())["state"] == LineState.PROVISIONED


async def reset(client: Client, handle: WorkflowHandle[object, object]) -> None:
    """Takes a run back to its beginning, as operators do in Temporal itself."""
    run = await handle.describe()
    request = ResetWorkflowExecutionRequest(
        namespace=client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=handle.id, run_id=run.run_id),
        reason="try again",
        workflow_task_finish_event_id=4,
        request_id=uuid.uuid4().hex,
    )
    await client.workflow_service.reset_workflow_execution(request)


@pytest.mark.parametrize("begun", [False, True])
async def test_cancellation_requested_in_temporal_itself_cancels_order_and_lines(
    scene: Scene, world: World, begun: bool
) -> None:
    world.findings = () if begun else (BLOCKED,)
    handle = await scene.order(line(1, approval=definition()))
    if begun:
        await scene.line_of(handle, 1, "approval.opened")
    else:
        await world.told(handle.id, "order.checked")
    await handle.cancel()
    assert (await handle.result())["state"] == OrderState.CANCELLED


async def test_lines_carry_what_operators_search_by(scene: Scene, world: World) -> None:
    handle = await scene.order(line(1, approval=definition()))
    first = await scene.line_of(handle, 1, "approval.opened")
    described = await first.describe()
    found = {pair.key.name: pair.value for pair in described.typed_search_attributes}
    assert found[wire.PROCESS_KIND] == "order_line"
    assert found[wire.TENANT_REF] == "customer"
    assert found[wire.DEFINITION_VERSION] == "standard@1"
    assert (await described.memo())["offer"] == "sign@1"
    assert await described.static_summary() == "Sign for contoso.test, Customer Ltd"
    await scene.command(first, wire.CANCEL_LINE)


async def test_the_longest_names_fit_what_the_server_takes(scene: Scene, world: World) -> None:
    handle = await scene.order(line(1, title="Ü" * 200, adapter="local"))
    assert (await handle.result())["state"] == OrderState.COMPLETED


async def test_a_start_date_holds_every_line(scene: Scene, world: World) -> None:
    handle = await scene.order(line(1), line(2), start=datetime.now(UTC) + 3 * DAY)
    for number in (1, 2):
        each = await scene.line_of(handle, number, "line.scheduled")
        await scene.skip(each, 4 * DAY)
    assert (await handle.result())["state"] == OrderState.COMPLETED
