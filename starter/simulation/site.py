"""The throw-away stack of one simulation: server, database and worker, the worker in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from temporalio import activity
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionResponse,
    GetWorkflowExecutionHistoryReverseRequest,
    ResetActivityRequest,
)
from temporalio.client import Client
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.worker import Worker

from activities.directory import Directory
from activities.notices import Notices
from domain import wire
from domain.checks import CheckOrder, CheckReport
from domain.definitions import LONGEST
from domain.external import AwaitCondition, ConditionMet
from starter.dev.temporal import TemporalServer, VirtualTime
from storage.database import Database
from workflows.line import OrderLineWorkflow
from workflows.registry import INTERCEPTORS, workflow_runner

PATIENCE_S = 30
"""How long the stack may take for one thing, in real seconds."""

LOOK_EVERY_S = 0.01


class OutsideWorld:
    """Stands for all outside systems: the check finds nothing, and conditions are what the script says."""

    def __init__(self) -> None:
        self._answers: dict[tuple[str, int], ConditionMet] = {}

    def answer(self, stage: str, round_: int, met: ConditionMet) -> None:
        """Settles the condition that an opening of a stage waits for; it is told when it asks again."""
        self._answers[stage, round_] = met

    @activity.defn(name=wire.APPROVAL_AWAIT_CONDITION)
    async def await_condition(self, question: AwaitCondition) -> ConditionMet:
        """Answers as the script says.

        Raises:
            ApplicationError: NOT_YET (benign) if it has said nothing yet.
        """
        met = self._answers.get((question.stage, question.round))
        if met is None:
            # Polling for months would be the simulation's whole work; `Site.ask_again` has it ask.
            raise ApplicationError(
                "not yet",
                type=wire.NOT_YET,
                category=ApplicationErrorCategory.BENIGN,
                next_retry_delay=2 * LONGEST,
            )
        return met

    @activity.defn(name=wire.CHECK)
    async def check(self, request: CheckOrder) -> CheckReport:
        """Finds nothing: what is simulated is the approval."""
        return CheckReport(id="simulated", at=request.at)


@dataclass(frozen=True, slots=True)
class Site:
    """A running stack.

    Attributes:
        database: The simulation's own, migrated.
        time: Starts runs and moves their clocks.
        world: Answers for outside systems.
    """

    database: Database
    time: VirtualTime
    world: OutsideWorld

    @property
    def client(self) -> Client:
        """Starts runs that stand still in time until they are moved."""
        return self.time.client

    async def worked_off(self, process: str, *, moved: bool = False) -> None:
        """Waits until a run has dealt with what reached it, and has had it written.

        It is not asked for its view: a query that meets a task with a local activity splits that task, and
        the run does not replay any more.

        Args:
            process: The run.
            moved: Whether its clock has just been moved on to a timer, which may still have to fire.

        Raises:
            TimeoutError: It does not.
        """

        async def idle() -> bool:
            return not (moved and await self._has_just_jumped(process)) and not await self._is_busy(process)

        await until(idle)

    async def settle_condition(self, process: str, stage: str, round_: int, met: ConditionMet) -> None:
        """Has the outside system that an open stage waits for give its answer now.

        Raises:
            TimeoutError: Nobody asks it.
        """
        self.world.answer(stage, round_, met)
        asking = await self._asking(process)
        for activity_id in asking:
            request = ResetActivityRequest(
                namespace=self.client.namespace,
                execution=WorkflowExecution(workflow_id=process),
                id=activity_id,
            )
            await self.client.workflow_service.reset_activity(request)

        async def answered() -> bool:
            return asking.isdisjoint(await self._asking(process))

        await until(answered)

    async def _describe(self, process: str) -> DescribeWorkflowExecutionResponse:
        return (await self.client.get_workflow_handle(process).describe()).raw_description

    async def _is_busy(self, process: str) -> bool:
        """Whether a worker has something to do for a run; asking for a condition can go on for months."""
        described = await self._describe(process)
        working = {each.activity_type.name for each in described.pending_activities} - {
            wire.APPROVAL_AWAIT_CONDITION
        }
        return bool(working) or described.HasField("pending_workflow_task")

    async def _asking(self, process: str) -> set[str]:
        """The ids of the activities that ask for a condition."""
        pending = (await self._describe(process)).pending_activities
        return {
            each.activity_id for each in pending if each.activity_type.name == wire.APPROVAL_AWAIT_CONDITION
        }

    async def _has_just_jumped(self, process: str) -> bool:
        """Whether nothing has come of the last jump of the clock yet."""
        request = GetWorkflowExecutionHistoryReverseRequest(
            namespace=self.client.namespace,
            execution=WorkflowExecution(workflow_id=process),
            maximum_page_size=100,
        )
        page = await self.client.workflow_service.get_workflow_execution_history_reverse(request)
        newest = next((each.event_type for each in page.history.events if each.event_type in _TELLING), None)
        return newest == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIME_SKIPPING_TRANSITIONED


_TELLING = frozenset(
    {
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIME_SKIPPING_TRANSITIONED,
        EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED,
    }
)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Waits for a condition.

    Raises:
        TimeoutError: It did not come true in time.
    """
    async with asyncio.timeout(PATIENCE_S):
        while not await condition():  # noqa: ASYNC110 - what changes is in another process
            await asyncio.sleep(LOOK_EVERY_S)


@asynccontextmanager
async def site(folder: Path, database: Database) -> AsyncIterator[Site]:
    """Runs server and worker; both are gone afterwards, with every run.

    Args:
        folder: For the server's log.
        database: Migrated.

    Raises:
        FileNotFoundError: There is no `temporal` on this machine.
        RuntimeError: The server does not start.
    """
    server = TemporalServer(folder / "temporal", keeps=False)
    try:
        await server.start()
        time, world = VirtualTime(await server.connect()), OutsideWorld()
        worker = Worker(
            time.client,
            task_queue=wire.TASK_QUEUE,
            workflows=[OrderLineWorkflow],
            activities=[
                Notices(database).announce,
                Directory(database).look_up,
                world.check,
                world.await_condition,
            ],
            workflow_runner=workflow_runner(),
            interceptors=INTERCEPTORS,
        )
        async with worker:
            yield Site(database, time, world)
    finally:
        # There is nothing to keep, and ending in order takes a second.
        await server.kill()
