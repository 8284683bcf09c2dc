"""Workflow code counts in calendars, within the sandbox of the workers, and again on replay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer, Worker

from domain import calendars
from domain.calendars import Calendar
from starter.dev.temporal import VirtualTime
from tests.workflows.counting import CountingWorkflow
from workflows.registry import workflow_runner

WORKING = timedelta(days=2)
"""48 working hours: a weekend lies in between, whenever it begins."""


@pytest.mark.parametrize("guarded", [True, False])
async def test_a_run_waits_until_working_time_has_passed(
    virtual_time: VirtualTime, task_queue: str, guarded: bool
) -> None:
    calendar = Calendar(time_zone="America/New_York")
    runner = workflow_runner(guarded=guarded)
    calendars._zone.cache_clear()  # the zone's rules are to be read within the sandbox
    async with Worker(
        virtual_time.client, task_queue=task_queue, workflows=[CountingWorkflow], workflow_runner=runner
    ):
        handle = await virtual_time.client.start_workflow(
            CountingWorkflow.run, args=[calendar, WORKING], id=f"count-{uuid4()}", task_queue=task_queue
        )
        await virtual_time.skip_until(handle.id, datetime.now(UTC) + timedelta(days=11))
        begun, end, passed = await handle.result()
    assert end == calendar.add(begun, WORKING) > begun + timedelta(days=7)
    assert WORKING <= passed < WORKING + timedelta(hours=1)

    calendars._zone.cache_clear()
    replayer = Replayer(
        workflows=[CountingWorkflow], data_converter=pydantic_data_converter, workflow_runner=runner
    )
    await replayer.replay_workflow(await handle.fetch_history())
