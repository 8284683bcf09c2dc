"""What must stand in Temporal before processes run: search attributes, the relay, the deployment schedule.

Every worker sees to it when it starts, so that nobody has to set anything up by hand and nothing is missing
after a move to another cluster. Any number of them may do so at once.
"""

from __future__ import annotations

from datetime import timedelta

import structlog
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.common import AutoUpgradeVersioningOverride, WorkflowIDConflictPolicy
from temporalio.service import RPCError, RPCStatusCode

from domain import wire

DEPLOYMENT_EVERY = timedelta(hours=4)

_NOT_OURS_TO_SET = frozenset({RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNIMPLEMENTED})
"""How clusters answer on which search attributes are set by other means, such as Temporal Cloud."""

_log = structlog.get_logger(__name__)


async def ensure_engine(
    client: Client,
    *,
    task_queue: str = wire.TASK_QUEUE,
    deployment_every: timedelta = DEPLOYMENT_EVERY,
    versioned: bool = False,
) -> None:
    """Creates what is missing and leaves the rest as it is.

    Args:
        client: Where to look.
        task_queue: Where the relay and the rounds of deployment run.
        deployment_every: Time between two rounds; an existing schedule is
            adjusted, and stays paused if it is.
        versioned: Whether workers carry a build id.

    Raises:
        RPCError: Temporal refuses or does not answer.
    """
    await _ensure_search_attributes(client)
    await _ensure_relay(client, task_queue, versioned=versioned)
    await _ensure_schedule(client, task_queue, deployment_every)


async def _ensure_search_attributes(client: Client) -> None:
    operator = client.operator_service
    try:
        known = await operator.list_search_attributes(
            ListSearchAttributesRequest(namespace=client.namespace), retry=True
        )
        missing = set(wire.SEARCH_ATTRIBUTES) - set(known.custom_attributes)
        if missing:
            keyword = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
            await operator.add_search_attributes(
                AddSearchAttributesRequest(
                    namespace=client.namespace, search_attributes=dict.fromkeys(missing, keyword)
                ),
                retry=True,
            )
    except RPCError as error:
        if error.status in _NOT_OURS_TO_SET:
            _log.warning("search_attributes_not_checked", needed=wire.SEARCH_ATTRIBUTES, reason=error.message)
        elif error.status is not RPCStatusCode.ALREADY_EXISTS:
            raise


async def _ensure_relay(client: Client, task_queue: str, *, versioned: bool) -> None:
    # The relay never ends. Pinned like a process it would stay with the build that first started it, and
    # stop for good with that build's last worker.
    override = AutoUpgradeVersioningOverride() if versioned else None
    await client.start_workflow(
        wire.RELAY_OUTBOX,
        id=wire.RELAY_ID,
        task_queue=task_queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        versioning_override=override,
        static_summary="hands mails over to the mail server; runs for ever",
    )


async def _ensure_schedule(client: Client, task_queue: str, every: timedelta) -> None:
    wanted = Schedule(
        action=ScheduleActionStartWorkflow(
            wire.DEPLOYMENT_ROUND,
            id=wire.DEPLOYMENT_SCHEDULE,
            task_queue=task_queue,
            static_summary="deploys every confirmed line",
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every)]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP),
    )
    try:
        await client.create_schedule(wire.DEPLOYMENT_SCHEDULE, wanted)
    except ScheduleAlreadyRunningError:
        await _adjust(client, wanted)


async def _adjust(client: Client, wanted: Schedule) -> None:
    """Brings an existing schedule in line; its state (paused, notes) belongs to the operators."""

    def update(current: ScheduleUpdateInput) -> ScheduleUpdate | None:
        schedule = current.description.schedule
        if schedule.spec.intervals == wanted.spec.intervals:
            return None
        schedule.spec = wanted.spec
        return ScheduleUpdate(schedule=schedule)

    await client.get_schedule_handle(wire.DEPLOYMENT_SCHEDULE).update(update)
