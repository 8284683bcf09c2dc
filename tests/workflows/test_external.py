"""Decisions of other systems: conditions that are waited for, services that approve (SPEC 4.1, D5, D7)."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest
from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.conditions import Conditions
from activities.conditions.http import HttpSource, HttpSourceSettings
from activities.directory import Directory as DirectoryActivities
from activities.notices import Notices
from domain import wire
from domain.approval import Approval
from domain.audit import ChainedEntry
from domain.decisions import Verdict
from domain.definitions import ApprovalDefinition, Stage
from domain.external import ConditionMet, ConditionState
from domain.line import LineState
from domain.orders import Line
from domain.organisations import Directory
from domain.request_data import RequestData
from domain.transitions import ProcessView
from starter.client import Countersign
from starter.dev.temporal import VirtualTime
from storage.database import Database
from storage.directory import load_directory
from tests.activities.provisioning.backend import Backend
from tests.workflows.conftest import Scene
from tests.workflows.world import GUARDED, World, definition, line, stage
from workflows.external import await_condition
from workflows.process import let_go
from workflows.registry import WORKFLOWS

HOUR = timedelta(hours=1)
ACTIVITY_EVENTS = (
    EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
    EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED,
    EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED,
)


# A stage that waits for a condition


@workflow.defn
class Waiting:
    """As much of a gate as it takes to wait for a condition and to stop waiting."""

    def __init__(self) -> None:
        self.enough = False

    @workflow.signal
    def stop(self) -> None:
        self.enough = True

    @workflow.run
    async def run(self, waits: ApprovalDefinition) -> ConditionMet | None:
        approval = Approval(waits, "dora")
        approval.open_next(workflow.now())
        asking = asyncio.create_task(await_condition(approval, RequestData(offer="sign")))
        await workflow.wait_condition(lambda: self.enough or asking.done())
        if asking.done():
            return asking.result()
        let_go(asking)
        return None


CREDIT = definition(
    Stage.model_validate(
        {"name": "credit", "title": "Credit", "wait": {"source": "credit", "parameters": {"limit": "5000"}}}
    )
)
Run = WorkflowHandle[Waiting, ConditionMet | None]
StartRun = Callable[[], Awaitable[Run]]


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    backend = Backend()
    server = await asyncio.start_server(backend.serve, "127.0.0.1", 0)
    backend.port = server.sockets[0].getsockname()[1]
    async with server:
        yield backend
        backend.stopped.set()


@pytest.fixture
async def start(backend: Backend, virtual_time: VirtualTime) -> AsyncIterator[StartRun]:
    """Starts a run that waits for the credit check, on virtual time."""
    client = virtual_time.client
    queue = f"test-{uuid.uuid4()}"
    async with (
        HttpSource(HttpSourceSettings(url=backend.origin)) as source,
        Worker(
            client,
            task_queue=queue,
            workflows=[Waiting],
            activities=[Conditions({"credit": source}).await_condition],
            workflow_runner=UnsandboxedWorkflowRunner(),
        ),
    ):
        yield lambda: client.start_workflow(Waiting.run, CREDIT, id=f"waiting-{queue}", task_queue=queue)


async def asked(backend: Backend, times: int) -> None:
    """Waits until the source was asked so often."""
    async with asyncio.timeout(80):
        while len(backend.requests) < times:
            await asyncio.sleep(0.01)


async def test_a_condition_is_polled_until_it_is_fulfilled_and_polling_costs_no_history(
    start: StartRun, backend: Backend, virtual_time: VirtualTime
) -> None:
    for _ in range(5):
        backend.says(200, {"answer": "not_yet", "message": "being checked"})
    waiting = await start()
    await asked(backend, 1)
    await virtual_time.skip(waiting.id, 2 * HOUR)
    await asked(backend, 5)
    backend.says(200, {"answer": "fulfilled", "message": "4800 are free"})
    await virtual_time.skip(waiting.id, 2 * HOUR)
    assert await waiting.result() == ConditionMet(answer=ConditionState.FULFILLED, message="4800 are free")
    history = (await waiting.fetch_history()).events
    about_it = [event.event_type for event in history if event.event_type in ACTIVITY_EVENTS]
    assert about_it == list(ACTIVITY_EVENTS)
    assert {request.headers["Idempotency-Key"] for request in backend.requests} == {f"{waiting.id}/credit/1"}
    assert json.loads(backend.requests[0].body)["parameters"] == {"limit": "5000"}


async def test_a_condition_that_fails_says_why(start: StartRun, backend: Backend) -> None:
    backend.says(200, {"answer": "failed", "message": "no credit"})
    waiting = await start()
    assert await waiting.result() == ConditionMet(answer=ConditionState.FAILED, message="no credit")


async def test_a_source_that_is_away_is_asked_again_and_fails_nothing(
    start: StartRun, backend: Backend, virtual_time: VirtualTime
) -> None:
    backend.says(500, {"answer": "failed", "message": "oops"})
    backend.says(200, {"answer": "fulfilled"})
    waiting = await start()
    await asked(backend, 1)
    await virtual_time.skip(waiting.id, timedelta(minutes=1))
    met = await waiting.result()
    assert met is not None
    assert met.is_fulfilled


async def test_who_no_longer_waits_no_longer_asks(
    start: StartRun, backend: Backend, virtual_time: VirtualTime
) -> None:
    backend.says(200, {"answer": "not_yet"})
    waiting = await start()
    await asked(backend, 1)
    await waiting.signal(Waiting.stop)
    assert await waiting.result() is None
    description = await waiting.describe()
    assert not description.raw_description.pending_activities
    assert len(backend.requests) == 1


async def test_an_operator_can_have_a_condition_fail(
    start: StartRun, backend: Backend, virtual_time: VirtualTime
) -> None:
    asking = asyncio.Event()

    async def stall(_writer: asyncio.StreamWriter) -> None:
        asking.set()
        await backend.stopped.wait()

    backend.script.append(stall)
    waiting = await start()
    await asyncio.wait_for(asking.wait(), 20)
    [pending] = (await waiting.describe()).raw_description.pending_activities
    run = virtual_time.client.get_async_activity_handle(
        workflow_id=waiting.id, run_id=waiting.result_run_id, activity_id=pending.activity_id
    )
    await run.fail(ApplicationError("the credit bureau has closed", non_retryable=True))
    met = await waiting.result()
    assert met == ConditionMet(answer=ConditionState.FAILED, message="the credit bureau has closed")


# A service that approves

OFFICE = Directory.model_validate(
    {
        "organisations": [
            {"key": "provider", "kind": "provider", "name": "Provider"},
            {"key": "partner", "kind": "partner", "name": "Partner"},
            {"key": "customer", "kind": "customer", "name": "Customer", "partner": "partner"},
        ],
        "people": [
            {
                "key": "dora",
                "name": "Dora",
                "email": "dora@partner.example",
                "grants": [{"organisation": "partner", "role": "sales"}],
            },
            {
                "key": "ann",
                "name": "Ann",
                "email": "ann@provider.example",
                "grants": [{"organisation": "provider", "role": "finance"}],
            },
            {"key": "erp", "name": "ERP", "grants": [{"organisation": "provider", "role": "service"}]},
            {"key": "crm", "name": "CRM", "grants": [{"organisation": "provider", "role": "service"}]},
        ],
    }
)
ASKS_A_SERVICE = line(approval=definition(stage("stock", people=("erp",))), records=())


@pytest.fixture
async def office(
    world: World, sqlite_database: Database, virtual_time: VirtualTime, backend: Backend
) -> AsyncIterator[tuple[Scene, Countersign]]:
    """A worker that asks and writes a real database, asks a real credit check, and fakes the rest."""
    database = sqlite_database
    async with database.session() as session:
        await load_directory(session, OFFICE)
    queue = f"test-{uuid.uuid4()}"
    replaced = {world.announce, world.look_up, world.await_condition}
    async with (
        HttpSource(HttpSourceSettings(url=backend.origin)) as source,
        Worker(
            virtual_time.client,
            task_queue=queue,
            workflows=list(WORKFLOWS),
            activities=[
                Notices(database).announce,
                DirectoryActivities(database).look_up,
                Conditions({"credit": source}).await_condition,
                *(each for each in world.activities if each not in replaced),
            ],
            workflow_runner=GUARDED,
        ),
    ):
        yield Scene(world, virtual_time, queue), Countersign(virtual_time.client, database)


async def asking(handle: WorkflowHandle[object, object], stage: str = "stock") -> ProcessView:
    """What a line says of itself once somebody is asked to decide a stage."""
    async with asyncio.timeout(80):
        while True:
            view = await handle.query(wire.VIEW, result_type=ProcessView)
            if view.approval is not None and view.approval.stage == stage and view.approval.roster:
                return view
            await asyncio.sleep(0.01)


async def decisions(countersign: Countersign, process: str, verdict: Verdict) -> list[ChainedEntry]:
    return [entry for entry in await countersign.audit(process) if entry.action == f"approval.{verdict}"]


@pytest.mark.parametrize("by_signal", [False, True])
@pytest.mark.parametrize(
    ("verdict", "state"),
    [(Verdict.APPROVE, LineState.PROVISIONED), (Verdict.DENY, LineState.REJECTED)],
)
async def test_a_service_decides_and_the_audit_names_it_and_whom_it_speaks_for(
    office: tuple[Scene, Countersign], verdict: Verdict, state: LineState, *, by_signal: bool
) -> None:
    scene, countersign = office
    handle = await scene.start(ASKS_A_SERVICE)
    await asking(handle)
    said = {"stage": "stock", "actor": "erp", "on_behalf_of": "ann", "reason": "counted this morning"}
    if by_signal:
        await handle.signal(verdict, said)
    else:
        await handle.execute_update(wire.DECIDE, said | {"verdict": verdict})
    assert (await handle.result())["state"] == state
    [entry] = await decisions(countersign, handle.id, verdict)
    assert entry.accepted
    assert (entry.actor, entry.on_behalf_of, entry.reason) == ("erp", "ann", "counted this morning")


async def test_a_service_is_asked_without_a_mail(office: tuple[Scene, Countersign]) -> None:
    scene, countersign = office
    handle = await scene.start(ASKS_A_SERVICE)
    view = await asking(handle)
    assert view.approval is not None
    assert [seat.key for seat in view.approval.roster or ()] == ["erp"]
    mails = await countersign.mails(order=view.order)
    assert {mail.recipient for mail in mails} == {"dora@partner.example"}
    assert [each.process for each in await countersign.inbox("erp")] == [handle.id]
    await scene.command(handle, wire.CANCEL_LINE)


@pytest.mark.parametrize(
    ("actor", "left", "code"),
    [("crm", False, "NOT_AN_APPROVER"), ("ann", False, "NOT_AN_APPROVER"), ("erp", True, "NOT_PERMITTED")],
)
async def test_only_the_service_that_is_named_and_still_there_decides(
    office: tuple[Scene, Countersign], sqlite_database: Database, actor: str, code: str, *, left: bool
) -> None:
    scene, _ = office
    handle = await scene.start(ASKS_A_SERVICE)
    await asking(handle)
    if left:
        gone = [each.model_copy(update={"active": each.key != actor}) for each in OFFICE.people]
        async with sqlite_database.session() as session:
            await load_directory(session, OFFICE.model_copy(update={"people": tuple(gone)}))
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await scene.decide(handle, actor, stage="stock", on_behalf_of="erp")
    assert isinstance(refused.value.cause, ApplicationError)
    assert refused.value.cause.type == code
    await scene.command(handle, wire.CANCEL_LINE)


# Both in one approval


def credit_then_stock(**more: object) -> Line:
    """A line that is checked for credit before a service is asked for stock."""
    credit = {"name": "credit", "title": "Credit", "wait": {"source": "credit"}} | more
    stages = Stage.model_validate(credit), stage("stock", people=("erp",))
    return line(approval=definition(*stages), records=())


async def test_a_stage_waits_until_its_condition_is_fulfilled_and_the_next_one_is_asked(
    office: tuple[Scene, Countersign], backend: Backend
) -> None:
    scene, countersign = office
    backend.says(200, {"answer": "not_yet"})
    backend.says(200, {"answer": "fulfilled", "message": "4800 are free"})
    handle = await scene.start(credit_then_stock())
    await asked(backend, 1)
    await scene.skip(handle, HOUR)
    await asking(handle)
    await scene.decide(handle, "erp", stage="stock")
    assert (await handle.result())["state"] == LineState.PROVISIONED
    sent = json.loads(backend.requests[0].body)
    assert (sent["process"], sent["stage"], sent["request"]["customer"]) == (handle.id, "credit", "customer")
    reasons = {entry.action: entry.reason for entry in await countersign.audit(handle.id)}
    assert reasons["approval.condition_fulfilled"] == "4800 are free"


async def test_a_condition_that_fails_rejects_the_request_and_says_why(
    office: tuple[Scene, Countersign], backend: Backend
) -> None:
    scene, countersign = office
    backend.says(200, {"answer": "failed", "message": "no credit"})
    handle = await scene.start(credit_then_stock())
    outcome = await handle.result()
    assert (outcome["state"], outcome["reason"]) == (LineState.REJECTED, "no credit")
    actions = [entry.action for entry in await countersign.audit(handle.id)]
    assert "approval.condition_failed" in actions


async def test_a_condition_that_is_not_fulfilled_in_time_expires_like_any_stage(
    office: tuple[Scene, Countersign], backend: Backend
) -> None:
    scene, _ = office
    for _ in range(10):
        backend.says(200, {"answer": "not_yet"})
    handle = await scene.start(credit_then_stock(deadline=timedelta(hours=3)))
    await asked(backend, 1)
    await scene.skip(handle, 4 * HOUR)
    assert (await handle.result())["state"] == LineState.EXPIRED
    assert not (await handle.describe()).raw_description.pending_activities


async def test_who_is_asked_after_the_deadline_decides_in_place_of_the_condition(
    office: tuple[Scene, Countersign], backend: Backend
) -> None:
    scene, _ = office
    for _ in range(10):
        backend.says(200, {"answer": "not_yet"})
    above = {"approvers": {"people": ["ann"]}, "deadline": "P2D"}
    late = {"deadline": timedelta(hours=3), "on_deadline": "escalate", "escalations": [above]}
    handle = await scene.start(credit_then_stock(**late))
    await asked(backend, 1)
    await scene.skip(handle, 4 * HOUR)
    await asking(handle, "credit")
    await scene.decide(handle, "ann", stage="credit")
    await asking(handle)
    await scene.decide(handle, "erp", stage="stock")
    assert (await handle.result())["state"] == LineState.PROVISIONED
