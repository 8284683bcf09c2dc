"""Bare workflows to compare with: they wait for signals, or for updates, and do nothing else."""

from __future__ import annotations

from datetime import timedelta

from temporalio import activity, workflow

TASK_QUEUE = "bench-bare"


@activity.defn
async def nothing() -> None:
    """Does nothing: what is left is what a local activity costs."""


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


@workflow.defn
class Updates:
    """Takes updates that a validator lets pass."""

    def __init__(self) -> None:
        self._voted: list[str] = []

    @workflow.run
    async def run(self) -> None:
        """Waits for more updates than anybody sends."""
        await workflow.wait_condition(lambda: len(self._voted) == 1_000)

    @workflow.update
    def vote(self, actor: str) -> int:
        """Counts, without any activity."""
        self._voted.append(actor)
        return len(self._voted)

    @workflow.update
    async def vote_and_tell(self, actor: str) -> int:
        """Counts, and has a local activity run."""
        self._voted.append(actor)
        await workflow.execute_local_activity(nothing, start_to_close_timeout=timedelta(seconds=3))
        return len(self._voted)

    @vote.validator
    @vote_and_tell.validator
    def _may_vote(self, actor: str) -> None:
        if actor in self._voted:
            raise ValueError(f"{actor} has voted")
