"""A workflow that counts in working time, in a module of its own: the guarded sandbox imports it anew."""

from __future__ import annotations

from datetime import datetime, timedelta

from temporalio import workflow

from domain.calendars import Calendar


@workflow.defn
class CountingWorkflow:
    """Waits until working time has passed."""

    @workflow.run
    async def run(self, calendar: Calendar, working: timedelta) -> tuple[datetime, datetime, timedelta]:
        """When it began, when it was to go on, and how much working time had passed when it did."""
        begun = workflow.now()
        end = calendar.add(begun, working)
        await workflow.sleep(end - begun)
        return begun, end, calendar.between(begun, workflow.now())
