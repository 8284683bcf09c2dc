from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest, RemoveSearchAttributesRequest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
    WorkflowExecutionStatus,
)

from domain import wire
from starter.dev.temporal import TemporalServer
from starter.engine import ensure_engine


@pytest.fixture
async def new_cluster(tmp_path: Path) -> AsyncIterator[Client]:
    """A server that knows nothing of us, not even our search attributes."""
    async with TemporalServer(tmp_path) as server:
        client = await server.connect()
        forget = RemoveSearchAttributesRequest(
            namespace=client.namespace, search_attributes=wire.SEARCH_ATTRIBUTES
        )
        await client.operator_service.remove_search_attributes(forget)
        yield client


async def search_attributes(client: Client) -> set[str]:
    known = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=client.namespace)
    )
    return set(known.custom_attributes)


async def schedule(client: Client) -> Schedule:
    return (await client.get_schedule_handle(wire.DEPLOYMENT_SCHEDULE).describe()).schedule


async def test_a_new_cluster_gets_everything_though_several_workers_see_to_it_at_once(
    new_cluster: Client,
) -> None:
    assert not await search_attributes(new_cluster)
    await asyncio.gather(*(ensure_engine(new_cluster) for _ in range(5)))
    assert await search_attributes(new_cluster) == set(wire.SEARCH_ATTRIBUTES)
    relay = await new_cluster.get_workflow_handle(wire.RELAY_ID).describe()
    assert (relay.workflow_type, relay.status) == (wire.RELAY_OUTBOX, WorkflowExecutionStatus.RUNNING)
    deployment = await schedule(new_cluster)
    assert deployment.spec.intervals[0].every == timedelta(hours=4)
    assert deployment.policy.overlap is ScheduleOverlapPolicy.SKIP
    maintenance = (await new_cluster.get_schedule_handle(wire.MAINTENANCE_SCHEDULE).describe()).schedule
    assert maintenance.spec.intervals[0].every == timedelta(days=1)


async def test_a_worker_that_starts_later_changes_nothing(new_cluster: Client) -> None:
    await ensure_engine(new_cluster)
    relay = await new_cluster.get_workflow_handle(wire.RELAY_ID).describe()
    await ensure_engine(new_cluster)
    assert (await new_cluster.get_workflow_handle(wire.RELAY_ID).describe()).run_id == relay.run_id


async def test_installations_on_other_task_queues_have_a_relay_and_a_schedule_of_their_own(
    new_cluster: Client,
) -> None:
    for queue in (wire.TASK_QUEUE, "second"):
        await ensure_engine(new_cluster, task_queue=queue)
    relays = [
        await new_cluster.get_workflow_handle(each).describe()
        for each in ("relay-outbox", "relay-outbox-second")
    ]
    assert [each.task_queue for each in relays] == ["countersign-housekeeping", "second-housekeeping"]
    schedules = [
        (await new_cluster.get_schedule_handle(each).describe()).schedule.action
        for each in ("automatic-deployment", "automatic-deployment-second")
    ]
    queues = [each.task_queue for each in schedules if isinstance(each, ScheduleActionStartWorkflow)]
    assert queues == ["countersign-housekeeping", "second-housekeeping"]


async def test_a_relay_that_somebody_ended_is_started_again(new_cluster: Client) -> None:
    await ensure_engine(new_cluster)
    await new_cluster.get_workflow_handle(wire.RELAY_ID).terminate("by hand")
    await ensure_engine(new_cluster)
    relay = await new_cluster.get_workflow_handle(wire.RELAY_ID).describe()
    assert relay.status is WorkflowExecutionStatus.RUNNING


async def test_what_operators_set_on_the_schedule_outlives_the_start_of_a_worker(new_cluster: Client) -> None:
    def every_six_hours(current: ScheduleUpdateInput) -> ScheduleUpdate:
        changed = current.description.schedule
        changed.spec = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(hours=6))])
        return ScheduleUpdate(schedule=changed)

    await ensure_engine(new_cluster)
    handle = new_cluster.get_schedule_handle(wire.DEPLOYMENT_SCHEDULE)
    await handle.update(every_six_hours)
    # Temporal may take a pause sent right after an update before it, and the update then sets what it read.
    assert (await schedule(new_cluster)).spec.intervals[0].every == timedelta(hours=6)
    await handle.pause(note="audit")
    assert (await schedule(new_cluster)).state.paused
    await ensure_engine(new_cluster)
    deployment = await schedule(new_cluster)
    assert deployment.spec.intervals[0].every == timedelta(hours=6)
    assert (deployment.state.paused, deployment.state.note) == (True, "audit")
