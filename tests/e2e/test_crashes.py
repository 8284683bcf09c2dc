"""Worker and server are killed without a warning in mid-run; nothing is lost and nothing done twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from sqlalchemy import func, select

from storage.tables import TransitionRow
from tests.e2e.site import Site, until

ORDERS = 8
CRASH_AFTER = (20, 40)
"""Steps of all orders together, of about 80, after which something is killed."""


async def work_while(site: Site, crash: Callable[[], Awaitable[None]]) -> list[str]:
    """Has archives ordered and released, and lets something crash meanwhile."""
    before = await steps(site)
    orders = [asyncio.ensure_future(site.archive()) for _ in range(ORDERS)]
    for number in CRASH_AFTER:

        async def is_time() -> bool:
            return await steps(site) >= before + number  # noqa: B023 - awaited in this turn

        await until(is_time, f"{number} steps")
        assert not all(order.done() for order in orders)
        await crash()
    return await asyncio.gather(*orders)


async def steps(site: Site) -> int:
    """How many steps of all processes are written."""
    async with site.database.reading() as session:
        return await session.scalar(select(func.count()).select_from(TransitionRow)) or 0


async def test_a_killed_worker_loses_nothing_and_does_nothing_twice(site: Site) -> None:
    async def crash() -> None:
        await site.stack.kill_worker()
        await site.stack.start_worker()

    orders = await work_while(site, crash)
    await site.nothing_is_lost_or_doubled(*orders)


async def test_a_killed_server_keeps_every_decision_it_acknowledged(site: Site) -> None:
    async def crash() -> None:
        await site.stack.temporal.kill()
        await site.stack.temporal.start()

    orders = await work_while(site, crash)
    await site.nothing_is_lost_or_doubled(*orders)
