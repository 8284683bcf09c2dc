"""A workflow that is not always deterministic."""

from __future__ import annotations

import time

from temporalio import workflow


@workflow.defn(failure_exception_types=[Exception])
class Answers:
    """Says what time it is."""

    @workflow.run
    async def run(self, by: str) -> float:
        """Seconds since 1970, by the run's own clock or by that of the machine."""
        return workflow.time() if by == "run" else time.time()
