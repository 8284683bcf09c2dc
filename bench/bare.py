"""A bare workflow to compare with: it waits for two signals and does nothing else."""

from __future__ import annotations

from temporalio import workflow

TASK_QUEUE = "bench-bare"


@workflow.defn
class TwoSignals:
    """Ends after two signals."""

    def __init__(self) -> None:
        self._received = 0

    @workflow.run
    async def run(self) -> None:
        """Waits for one signal, then for the other."""
        await workflow.wait_condition(lambda: self._received >= 1)
        await workflow.wait_condition(lambda: self._received >= 2)

    @workflow.signal
    def go_on(self) -> None:
        """Counts."""
        self._received += 1
