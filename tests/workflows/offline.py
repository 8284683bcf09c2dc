"""A run of a real workflow without a server: the SDK's own workflow loop, fed by hand.

What a server does for a run is done here in one thread and on a clock that only tests move: activities are
answered at once or stay open, timers fire in their order, updates are validated and handled. Nothing waits,
so a step takes milliseconds and the same steps always lead to the same end.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from temporalio.api.common.v1 import Payloads
from temporalio.bridge.proto.activity_result import ActivityResolution
from temporalio.bridge.proto.workflow_activation import (
    DoUpdate,
    FireTimer,
    InitializeWorkflow,
    QueryWorkflow,
    ResolveActivity,
    WorkflowActivation,
    WorkflowActivationJob,
)
from temporalio.bridge.proto.workflow_commands import QueryResult, UpdateResponse, WorkflowCommand
from temporalio.common import Priority, TypedSearchAttributes
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError
from temporalio.worker import UnsandboxedWorkflowRunner, WorkflowInstance, WorkflowInstanceDetails
from temporalio.workflow import Info
from temporalio.workflow._definition import _Definition

T = TypeVar("T")

_CONVERTER = pydantic_data_converter.payload_converter
_FAILURES = pydantic_data_converter.failure_converter


class NotYet(Exception):
    """An activity stays open; it is asked again when the world has changed."""


@dataclass(frozen=True)
class Fake:
    """What stands in for an activity.

    Attributes:
        takes: The type of its one argument.
        does: Its answer; an `ApplicationError` fails it for good, `NotYet` leaves it open.
    """

    takes: type[Any]
    does: Callable[[Any], object]


@dataclass(frozen=True)
class _Asked:
    """An activity that was not answered yet."""

    type: str
    request: object


class OfflineRun:
    """One run.

    Args:
        workflow: Its class.
        argument: Its input.
        name: Its workflow id.
        now: When it starts.
        activities: What stands in for every activity it asks.

    Attributes:
        now: What its clock says.
        has_ended: Whether the run is over.
    """

    def __init__(
        self, workflow: type, argument: object, *, name: str, now: datetime, activities: Mapping[str, Fake]
    ) -> None:
        self.now = now
        self.has_ended = False
        self._activities = activities
        self._open: dict[int, _Asked] = {}
        self._timers: dict[int, datetime] = {}
        self._jobs: deque[WorkflowActivationJob] = deque()
        self._answers: dict[str, UpdateResponse] = {}
        self._shown: QueryResult | None = None
        definition = _Definition.must_from_class(workflow)
        details = _details(definition, name, now)
        loop = asyncio.new_event_loop()
        self._instance: WorkflowInstance = loop.run_until_complete(_create(details))
        loop.close()
        start = InitializeWorkflow(
            workflow_type=definition.name or "",
            workflow_id=name,
            arguments=_CONVERTER.to_payloads([argument]),
        )
        self._go_on(WorkflowActivationJob(initialize_workflow=start))

    # What callers do

    def update(self, name: str, command: object) -> str | None:
        """Sends an update.

        Returns:
            The code it was refused with, None if it was let through, answered already or not.
        """
        number = str(len(self._answers))
        arguments = _CONVERTER.to_payloads([command])
        job = DoUpdate(id=number, protocol_instance_id=number, name=name, input=arguments, run_validator=True)
        self._go_on(WorkflowActivationJob(do_update=job))
        response = self._answers[number]
        if not response.HasField("rejected"):
            return None
        cause = _FAILURES.from_failure(response.rejected, _CONVERTER)
        assert isinstance(cause, ApplicationError)
        return cause.type

    def query(self, name: str, result_type: type[T]) -> T:
        """Asks a query."""
        self._go_on(WorkflowActivationJob(query_workflow=QueryWorkflow(query_id="q", query_type=name)))
        assert self._shown is not None
        payload = self._shown.succeeded.response
        found: T = _CONVERTER.from_payloads([payload], [result_type])[0]
        return found

    def pass_until(self, moment: datetime) -> None:
        """Moves the clock on; timers on the way fire in their order."""
        while self._timers and not self.has_ended:
            number, due = min(self._timers.items(), key=lambda each: (each[1], each[0]))
            if due > moment:
                break
            self.now = max(self.now, due)
            del self._timers[number]
            self._go_on(WorkflowActivationJob(fire_timer=FireTimer(seq=number)))
        self.now = max(self.now, moment)

    def world_has_changed(self) -> None:
        """Asks the activities again that are open."""
        for number in list(self._open):
            if number in self._open:
                self._ask(number)
                self._go_on()

    # What a server does

    def _go_on(self, *jobs: WorkflowActivationJob) -> None:
        """Lets the run go on until it waits for its clock, a caller, or an activity that stays open."""
        self._jobs.extend(jobs)
        while self._jobs:
            activation = WorkflowActivation(run_id="run", jobs=[self._jobs.popleft()])
            activation.timestamp.FromDatetime(self.now)
            completion = self._instance.activate(activation)
            assert not completion.HasField("failed"), completion.failed.failure
            for command in completion.successful.commands:
                self._obey(command)

    def _obey(self, command: WorkflowCommand) -> None:
        kind = command.WhichOneof("variant")
        wanted = getattr(command, kind or "")
        if kind in {"schedule_activity", "schedule_local_activity"}:
            takes = self._activities[wanted.activity_type].takes
            request = _CONVERTER.from_payloads(wanted.arguments, [takes])[0]
            self._open[wanted.seq] = _Asked(wanted.activity_type, request)
            self._ask(wanted.seq)
        elif kind in {"request_cancel_activity", "request_cancel_local_activity"}:
            self._fail(wanted.seq, CancelledError("cancelled"))
        elif kind == "start_timer":
            self._timers[wanted.seq] = self.now + wanted.start_to_fire_timeout.ToTimedelta()
        elif kind == "cancel_timer":
            del self._timers[wanted.seq]
        elif kind == "update_response":
            self._answers[wanted.protocol_instance_id] = wanted
        elif kind == "respond_to_query":
            self._shown = wanted
        elif kind == "complete_workflow_execution":
            self.has_ended = True
        else:
            assert kind == "upsert_workflow_search_attributes", f"nobody has taught this server {kind}"

    def _ask(self, number: int) -> None:
        asked = self._open[number]
        try:
            answer = self._activities[asked.type].does(asked.request)
        except NotYet:
            return
        except ApplicationError as error:
            self._fail(number, error)
            return
        result = ActivityResolution()
        result.completed.result.CopyFrom(_CONVERTER.to_payloads([answer])[0])
        self._resolve(number, result)

    def _fail(self, number: int, cause: BaseException) -> None:
        asked = self._open.get(number)
        if asked is None:
            return  # It was answered in the same breath.
        error = ActivityError(
            "the activity failed",
            scheduled_event_id=1,
            started_event_id=2,
            identity="offline",
            activity_type=asked.type,
            activity_id=str(number),
            retry_state=None,
        )
        error.__cause__ = cause
        result = ActivityResolution()
        how = result.cancelled if isinstance(cause, CancelledError) else result.failed
        _FAILURES.to_failure(error, _CONVERTER, how.failure)
        self._resolve(number, result)

    def _resolve(self, number: int, result: ActivityResolution) -> None:
        del self._open[number]
        resolved = ResolveActivity(seq=number, result=result)
        self._jobs.append(WorkflowActivationJob(resolve_activity=resolved))


async def _create(details: WorkflowInstanceDetails) -> WorkflowInstance:
    """An instance looks for a running loop while it is made."""
    return UnsandboxedWorkflowRunner().create_instance(details)


def _details(definition: _Definition, name: str, now: datetime) -> WorkflowInstanceDetails:
    info = Info(
        attempt=1,
        continued_run_id=None,
        cron_schedule=None,
        execution_timeout=None,
        first_execution_run_id="run",
        headers={},
        namespace="default",
        original_execution_run_id="run",
        parent=None,
        root=None,
        priority=Priority.default,
        raw_memo={},
        retry_policy=None,
        run_id="run",
        run_timeout=None,
        search_attributes={},
        start_time=now,
        task_queue="offline",
        task_timeout=timedelta(seconds=10),
        typed_search_attributes=TypedSearchAttributes.empty,
        workflow_id=name,
        workflow_start_time=now,
        workflow_type=definition.name or "",
    )
    return WorkflowInstanceDetails(
        payload_converter_factory=lambda: _CONVERTER,
        failure_converter_class=type(_FAILURES),
        interceptor_classes=[],
        defn=definition,
        info=info,
        randomness_seed=1,
        extern_functions={"__temporal_assert_local_activity_valid": lambda _name: None},
        disable_eager_activity_execution=True,
        worker_level_failure_exception_types=[],
        patch_activation_callback=None,
        last_completion_result=Payloads(),
        last_failure=None,
    )
