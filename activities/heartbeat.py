"""Heartbeats, by which the server knows within seconds that an activity has died with its worker.

Without them it would wait for the activity's whole time-out before another worker may try.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from temporalio import activity


@asynccontextmanager
async def heartbeating(*details: Any) -> AsyncIterator[None]:
    """Beats well within the activity's heartbeat time-out, however slow the world is.

    Does nothing for an activity that was started without such a time-out.

    Args:
        details: What the next attempt finds in its `heartbeat_details`, should this one not get to say more.
    """
    limit = activity.info().heartbeat_timeout
    if limit is None:
        yield
        return
    every = limit.total_seconds() / 4

    async def beat() -> None:
        while True:
            activity.heartbeat(*details)
            await asyncio.sleep(every)

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
