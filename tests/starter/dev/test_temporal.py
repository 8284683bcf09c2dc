from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from temporalio import activity, workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from starter.dev.temporal import TemporalServer, VirtualTime, free_port, temporal_program

POLL = timedelta(minutes=5)


@activity.defn
async def poll() -> None:
    raise ApplicationError("not yet", next_retry_delay=POLL, category=ApplicationErrorCategory.BENIGN)


@workflow.defn
class Sleeper:
    def __init__(self) -> None:
        self.nudges = 0

    @workflow.run
    async def run(self, days: int) -> datetime:
        await workflow.sleep(timedelta(days=days))
        return workflow.now()

    @workflow.update
    async def nudge(self) -> int:
        self.nudges += 1
        return self.nudges


@workflow.defn
class Poller:
    @workflow.run
    async def run(self) -> None:
        polling = workflow.start_activity(poll, start_to_close_timeout=timedelta(seconds=10))
        await workflow.sleep(timedelta(days=1))
        polling.cancel()


@workflow.defn
class Parent:
    @workflow.run
    async def run(self) -> datetime:
        child = f"{workflow.info().workflow_id}-child"
        return await workflow.execute_child_workflow(Sleeper.run, 30, id=child)


def sleeper_worker(client: Client, task_queue: str) -> Worker:
    return Worker(
        client,
        task_queue=task_queue,
        workflows=[Sleeper, Poller, Parent],
        activities=[poll],
        workflow_runner=UnsandboxedWorkflowRunner(),
    )


async def sleep_for(client: Client, days: int, task_queue: str) -> WorkflowHandle[Sleeper, datetime]:
    return await client.start_workflow(Sleeper.run, days, id=f"sleeper-{uuid4()}", task_queue=task_queue)


@pytest.fixture
async def worker(client: Client, task_queue: str) -> AsyncIterator[Worker]:
    async with sleeper_worker(client, task_queue) as worker:
        yield worker


async def test_killed_server_comes_back_on_its_port_with_every_acknowledged_update(
    tmp_path: Path, task_queue: str
) -> None:
    async with TemporalServer(tmp_path) as server:
        client = await server.connect()
        port = server.port
        async with sleeper_worker(client, task_queue):
            run = await sleep_for(client, 30, task_queue)
            assert await run.execute_update(Sleeper.nudge) == 1
            await server.kill()
            await server.start()
            assert server.port == port
            assert await run.execute_update(Sleeper.nudge) == 2


async def test_state_survives_an_orderly_restart(tmp_path: Path, task_queue: str) -> None:
    async with TemporalServer(tmp_path) as server:
        run = await sleep_for(await server.connect(), 30, task_queue)
    async with TemporalServer(tmp_path, port=server.port) as server:
        client = await server.connect()
        assert (await client.get_workflow_handle(run.id).describe()).run_id == run.first_execution_run_id


async def test_stopping_twice_is_no_fault(tmp_path: Path) -> None:
    server = TemporalServer(tmp_path)
    await server.stop()
    await server.start()
    await server.stop()
    await server.stop()


async def test_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "temporal.db").write_text("this is no database")
    with pytest.raises(RuntimeError, match=r"does not start: .*database"):
        await TemporalServer(tmp_path).start()


async def test_web_interface_answers_where_it_is_said_to_be(tmp_path: Path) -> None:
    async with TemporalServer(tmp_path, ui_port=free_port()) as server:
        assert server.ui_url == f"http://127.0.0.1:{server.ui_port}"
        _, writer = await asyncio.open_connection("127.0.0.1", server.ui_port)
        writer.close()


def test_server_program_is_the_one_of_this_environment() -> None:
    assert Path(temporal_program()).is_file()


@pytest.mark.usefixtures("worker")
async def test_a_month_passes_at_once_for_one_run_and_not_for_its_neighbour(
    virtual_time: VirtualTime, task_queue: str
) -> None:
    moved = await sleep_for(virtual_time.client, 30, task_queue)
    neighbour = await sleep_for(virtual_time.client, 30, task_queue)
    started = await virtual_time.now(moved.id)
    assert await virtual_time.skip(moved.id, timedelta(days=29))
    assert await virtual_time.now(moved.id) - started >= timedelta(days=29)
    assert await virtual_time.now(neighbour.id) - datetime.now(UTC) < timedelta(minutes=1)
    assert not await virtual_time.skip_until(moved.id, started + timedelta(days=31)), "it ends on the way"
    assert abs(await moved.result() - started - timedelta(days=30)) < timedelta(minutes=1)
    assert not await virtual_time.skip(moved.id, timedelta(days=1)), "its time has ended"


@pytest.mark.usefixtures("worker")
async def test_a_skip_over_more_polls_than_the_servers_own_limit_reaches_its_end(
    virtual_time: VirtualTime, task_queue: str
) -> None:
    run = await virtual_time.client.start_workflow(Poller.run, id=f"poller-{uuid4()}", task_queue=task_queue)
    span = timedelta(hours=20)
    started = await virtual_time.now(run.id)
    assert await virtual_time.skip(run.id, span)
    assert await virtual_time.now(run.id) - started >= span
    pending = (await run.describe()).raw_description.pending_activities
    assert pending[0].attempt >= span / POLL


@pytest.mark.usefixtures("worker")
async def test_a_child_is_moved_in_its_parents_place(virtual_time: VirtualTime, task_queue: str) -> None:
    parent = await virtual_time.client.start_workflow(
        Parent.run, id=f"parent-{uuid4()}", task_queue=task_queue
    )
    async for event in parent.fetch_history_events(wait_new_event=True):
        if event.HasField("child_workflow_execution_started_event_attributes"):
            break
    started = await virtual_time.now(f"{parent.id}-child")
    assert not await virtual_time.skip(f"{parent.id}-child", timedelta(days=31))
    assert await parent.result() - started > timedelta(days=30, seconds=-5)


@pytest.mark.usefixtures("worker")
async def test_a_step_ends_at_the_next_timer_or_at_its_moment(
    virtual_time: VirtualTime, task_queue: str
) -> None:
    run = await virtual_time.client.start_workflow(Poller.run, id=f"poller-{uuid4()}", task_queue=task_queue)
    started = await virtual_time.now(run.id)
    assert await virtual_time.step(run.id, started + timedelta(minutes=1))
    assert timedelta(minutes=1) <= await virtual_time.now(run.id) - started < timedelta(minutes=2)
    assert not await virtual_time.step(run.id, started + timedelta(days=300)), "the next poll comes before"
    assert POLL - timedelta(minutes=1) < await virtual_time.now(run.id) - started < 2 * POLL
    assert await virtual_time.step(run.id, started), "a moment that has passed is reached"


async def test_a_server_that_keeps_nothing_writes_no_database(tmp_path: Path) -> None:
    async with TemporalServer(tmp_path, keeps=False) as server:
        assert await (await server.connect()).count_workflows() is not None
    assert not list(tmp_path.glob("*.db*"))
