"""`python -m bench.bare_worker`: the worker of the bare workflows, with the settings of ours."""

from __future__ import annotations

import asyncio
import signal

import uvloop
from temporalio.worker import PollerBehaviorAutoscaling, Worker

from bench.bare import TASK_QUEUE, TwoSignals, Updates, nothing
from starter.settings import connect
from worker import CACHED_RUNS, TAKE_OVER_AFTER

READY = "bare worker ready"


async def work() -> None:
    """Works until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with Worker(
        await connect(),
        task_queue=TASK_QUEUE,
        workflows=[TwoSignals, Updates],
        activities=[nothing],
        max_cached_workflows=CACHED_RUNS,
        sticky_queue_schedule_to_start_timeout=TAKE_OVER_AFTER,
        workflow_task_poller_behavior=PollerBehaviorAutoscaling(),
        activity_task_poller_behavior=PollerBehaviorAutoscaling(),
    ):
        print(READY, flush=True)
        await stop.wait()


if __name__ == "__main__":
    uvloop.run(work())
