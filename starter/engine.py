"""What must stand in Temporal before processes run: search attributes, the relay, the schedules.

Every worker sees to it when it starts, so that nobody has to set anything up by hand and nothing is missing
after a move to another cluster. Any number of them may do so at once.
"""

from __future__ import annotations

from contextlib import suppress
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
)
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError, RPCStatusCode

from domain import wire

DEPLOYMENT_EVERY = timedelta(hours=4)
MAINTENANCE_EVERY = timedelta(days=1)

_NOT_OURS_TO_SET = frozenset({RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNIMPLEMENTED})
"""How clusters answer on which search attributes are set by other means, such as Temporal Cloud."""

_log = structlog.get_logger(__name__)


async def ensure_engine(
    client: Client,
    *,
    task_queue: str = wire.TASK_QUEUE,
    deployment_every: timedelta = DEPLOYMENT_EVERY,
) -> None:
    """Creates what is missing and leaves the rest as it is.

    Args:
        client: Where to look.
        task_queue: Where processes run; the relay and what is scheduled run beside it.
        deployment_every: Time between two rounds, for a schedule that does not exist yet.

    Raises:
        RPCError: Temporal refuses or does not answer.
    """
    await _ensure_search_attributes(client)
    await _ensure_relay(client, task_queue)
    await _ensure_schedule(
        client,
        wire.deployment_schedule(task_queue),
        wire.DEPLOYMENT_ROUND,
        housekeeping_queue(task_queue),
        every=deployment_every,
        summary="deploys every confirmed line",
    )
    await _ensure_schedule(
        client,
        wire.maintenance_schedule(task_queue),
        wire.DEFINITIONS_MAINTENANCE,
        housekeeping_queue(task_queue),
        every=MAINTENANCE_EVERY,
        summary="removes definitions that nobody uses",
    )


def housekeeping_queue(task_queue: str) -> str:
    """Where what is no process runs: the relay, what is scheduled, and rollouts.

    On versioned workers processes are pinned to the build that started them. The relay never ends: pinned, it
    would stay with its first build and stop for good with the last worker of that. What runs are pinned to is
    for a worker to say (SPEC 10), so the relay needs a worker of its own.
    """
    return f"{task_queue}-housekeeping"


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


async def _ensure_relay(client: Client, task_queue: str) -> None:
    await client.start_workflow(
        wire.RELAY_OUTBOX,
        id=wire.relay_id(task_queue),
        task_queue=housekeeping_queue(task_queue),
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        static_summary="hands mails over to the mail server; runs for ever",
    )


async def _ensure_schedule(
    client: Client, schedule: str, workflow: str, task_queue: str, *, every: timedelta, summary: str
) -> None:
    wanted = Schedule(
        action=ScheduleActionStartWorkflow(
            workflow, id=schedule, task_queue=task_queue, static_summary=summary
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every)]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP),
    )
    # One that exists belongs to the operators: they set its interval, and pause it.
    with suppress(ScheduleAlreadyRunningError):
        await client.create_schedule(schedule, wanted)
