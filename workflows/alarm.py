"""One timer for all the deadlines of a process.

`workflow.wait_condition(timeout=…)` starts and cancels a timer at every call; a process with many
deadlines would write two events for each. The alarm keeps a single timer and replaces it only when
something falls due earlier (SPEC 9).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from temporalio import workflow


class Alarm:
    """At most one running timer, set for the earliest instant asked for."""

    def __init__(self) -> None:
        self._at: datetime | None = None
        self._timer: asyncio.Task[None] | None = None

    async def wait(self, condition: Callable[[], bool], due: datetime | None) -> None:
        """Returns when the condition holds or some timer has fired; the caller looks again then."""
        self._set(due)
        timer = self._timer
        await workflow.wait_condition(
            lambda: condition() or (due is not None and timer is not None and timer.done())
        )

    def _set(self, due: datetime | None) -> None:
        if due is None:
            return
        if self._timer is not None and not self._timer.done():
            if self._at is not None and self._at <= due:
                return
            self._timer.cancel()
        self._at = due
        span = max(due - workflow.now(), timedelta(milliseconds=1))
        self._timer = asyncio.create_task(workflow.sleep(span, summary="next deadline of this process"))
