"""CPU of a full replay, in the sandbox of our workers and without one (peers.md C4, C9)."""

from __future__ import annotations

import gc
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
WARM_UP = 5
REPLAYS = 15
"""Of each block; every history is replayed in two blocks with sandbox and two without, in turn."""

MOST_RATIO = 2.0


async def measure(_: Path) -> list[Figures]:
    """Replays every stored history, the runs we promise to keep replaying."""
    rows, ratios = [], []
    for file in sorted(HISTORIES.glob("*/*.json")):
        text = file.read_text()
        blocks: dict[type[WorkflowRunner], list[float]] = {}
        for _turn in range(2):
            for runner in (workflow_runner(), UnsandboxedWorkflowRunner()):
                blocks.setdefault(type(runner), []).extend(await _replay(file.stem, text, runner))
        sandboxed, bare = (median(times) for times in blocks.values())
        ratios.append(sandboxed / bare)
        events = len(WorkflowHistory.from_json(file.stem, text).events)
        rows.append((file.stem, str(events), f"{sandboxed:.1f}", f"{bare:.1f}", f"{ratios[-1]:.2f}"))
    rows.append(("geometric mean", "", "", "", f"{geometric_mean(ratios):.2f}"))
    rows.append(("worst", "", "", "", f"{max(ratios):.2f}"))
    note = (
        f"Process CPU time, threads of the SDK's core included; median of {2 * REPLAYS} replays, in two "
        f"blocks with {WARM_UP} more each to warm up. At most {MOST_RATIO:.0f} times is wanted."
    )
    columns = ("history", "events", "sandbox, ms", "without, ms", "ratio")
    return [Figures("Replay CPU per history", columns, rows, [note])]


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
