"""The automatic deployment's schedule, as operators see and set it (SPEC 5.3)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from temporalio.client import (
    ScheduleHandle,
    ScheduleIntervalSpec,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)

from domain import wire
from domain.base import Message, UtcDatetime
from domain.errors import Code, Refusal
from starter.faults import NotRunning, temporal_errors
from starter.gateway import Gateway

SHORTEST = timedelta(minutes=1)
"""More often, a round would not be over before the next."""


class ScheduleStatus(Message):
    """The automatic deployment.

    Attributes:
        every: Time between two rounds.
        note: Why it is paused, or what an operator last did.
        next_rounds: The next times, unless paused.
        rounds: How many there have been.
    """

    id: str
    every: timedelta
    paused: bool
    note: str | None
    next_rounds: tuple[UtcDatetime, ...]
    last_round: UtcDatetime | None
    rounds: int


class Schedules(Gateway):
    """Operators' commands to the schedule; the engine creates it."""

    async def schedule(self) -> ScheduleStatus:
        """The schedule as it is.

        Raises:
            Refusal: NOT_FOUND before the first worker has started, or UNAVAILABLE.
        """
        async with self._schedule() as handle:
            description = await handle.describe()
        info, state = description.info, description.schedule.state
        intervals = description.schedule.spec.intervals
        return ScheduleStatus(
            id=description.id,
            every=intervals[0].every if intervals else timedelta(),
            paused=state.paused,
            note=state.note,
            next_rounds=() if state.paused else tuple(info.next_action_times[:3]),
            last_round=info.recent_actions[-1].started_at if info.recent_actions else None,
            rounds=info.num_actions,
        )

    async def set_schedule(self, every: timedelta) -> ScheduleStatus:
        """Sets the time between two rounds.

        Raises:
            Refusal: INVALID_INPUT, NOT_FOUND or UNAVAILABLE.
        """
        if every < SHORTEST:
            raise Refusal(Code.INVALID_INPUT, f"every: {every} is shorter than a minute")

        def update(current: ScheduleUpdateInput) -> ScheduleUpdate:
            schedule = current.description.schedule
            schedule.spec = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every)])
            return ScheduleUpdate(schedule=schedule)

        async with self._schedule() as handle:
            await handle.update(update)
        return await self.schedule()

    async def trigger_schedule(self) -> ScheduleStatus:
        """Starts a round now, paused or not.

        Raises:
            Refusal: NOT_FOUND or UNAVAILABLE.
        """
        async with self._schedule() as handle:
            await handle.trigger()
        return await self.schedule()

    async def pause_schedule(self, note: str) -> ScheduleStatus:
        """Stops the rounds until somebody resumes them.

        Raises:
            Refusal: NOT_FOUND or UNAVAILABLE.
        """
        async with self._schedule() as handle:
            await handle.pause(note=note)
        return await self.schedule()

    async def resume_schedule(self, note: str) -> ScheduleStatus:
        """Lets the rounds go on.

        Raises:
            Refusal: NOT_FOUND or UNAVAILABLE.
        """
        async with self._schedule() as handle:
            await handle.unpause(note=note)
        return await self.schedule()

    @asynccontextmanager
    async def _schedule(self) -> AsyncIterator[ScheduleHandle]:
        schedule = wire.deployment_schedule(self._task_queue)
        try:
            with temporal_errors("the schedule"):
                yield self.client.get_schedule_handle(schedule)
        except NotRunning:
            raise Refusal(
                Code.NOT_FOUND,
                f"schedule: there is no {schedule} yet; the first worker creates it",
            ) from None
