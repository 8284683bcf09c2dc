"""CPU of a full replay, in the sandboxes of workers and of tests, and without one (peers.md C4, C9)."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from statistics import geometric_mean, median
from uuid import uuid4

from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, WorkflowRunner

from bench.tables import Figures
from workflows.registry import WORKFLOWS, workflow_runner

HISTORIES = Path(__file__).parents[1] / "tests" / "replay" / "histories"
WARM_UP = 3
REPLAYS = 15
BLOCKS = 2

NOTE = (
    f"Process CPU time, threads of the SDK's core included; median of {BLOCKS * REPLAYS} replays in {BLOCKS} "
    f"blocks, each with {WARM_UP} more to warm up. Workers use the sandbox with our workflow modules passed "
    "through; tests in the guarded one, which imports them anew for every run, here from byte code. "
    "At most twice the time without a sandbox is wanted of workers."
)


async def measure(_: Path) -> list[Figures]:
    """Replays every stored history, the runs we promise to keep replaying."""
    sys.dont_write_bytecode = False  # else every import of the guarded sandbox compiles as well
    rows = []
    ratios: list[tuple[float, ...]] = []
    for file in sorted(HISTORIES.glob("*/*.json")):
        text = file.read_text()
        times = await _times(file.stem, text)
        bare = times["without"]
        ratios.append(tuple(times[name] / bare for name in ("worker", "guarded")))
        events = len(WorkflowHistory.from_json(file.stem, text).events)
        figures = (f"{each:.1f}" for each in times.values())
        rows.append((file.stem, str(events), *figures, *(f"{each:.2f}" for each in ratios[-1])))
    for name, summary in (("geometric mean", geometric_mean), ("worst", max)):
        summed = (summary(each) for each in zip(*ratios, strict=True))
        rows.append((name, "", "", "", "", *(f"{each:.2f}" for each in summed)))
    columns = (
        "history",
        "events",
        "worker, ms",
        "guarded, ms",
        "no sandbox, ms",
        "worker, ratio",
        "guarded, ratio",
    )
    return [Figures("Replay CPU per history", columns, rows, [NOTE])]


async def _times(name: str, text: str) -> dict[str, float]:
    """Median milliseconds by sandbox; the sandboxes take turns."""
    runners = {
        "worker": workflow_runner(),
        "guarded": workflow_runner(guarded=True),
        "without": UnsandboxedWorkflowRunner(),
    }
    times: dict[str, list[float]] = {each: [] for each in runners}
    for _ in range(BLOCKS):
        for each, runner in runners.items():
            times[each] += await _replay(name, text, runner)
    return {each: median(taken) for each, taken in times.items()}


async def _replay(name: str, text: str, runner: WorkflowRunner) -> list[float]:
    """Milliseconds of CPU for each replay of one block."""
    copies = [_copy(name, text) for _ in range(WARM_UP + REPLAYS)]
    replayer = Replayer(workflows=WORKFLOWS, data_converter=pydantic_data_converter, workflow_runner=runner)
    gc.collect()
    times = []
    async with replayer.workflow_replay_iterator(_given(copies)) as results:
        began = time.process_time()
        async for result in results:
            times.append((time.process_time() - began) * 1000)
            if result.replay_failure:
                raise result.replay_failure
            began = time.process_time()
    return times[WARM_UP:]


async def _given(histories: list[WorkflowHistory]) -> AsyncIterator[WorkflowHistory]:
    for each in histories:
        yield each


def _copy(name: str, text: str) -> WorkflowHistory:
    """The history under a run id of its own: the core caches by it."""
    history = WorkflowHistory.from_json(name, text)
    started = history.events[0].workflow_execution_started_event_attributes
    started.original_execution_run_id = str(uuid4())
    return history
