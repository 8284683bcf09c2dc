"""Worker and server are killed without a warning in mid-run; nothing is lost and nothing done twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.e2e.site import Site, open_site, until

KILLS = 2
ORDERS = 12


@pytest.fixture(scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    async with open_site(tmp_path_factory.mktemp("site")) as site:
        yield site


async def work_while(site: Site, customers: range, crash: Callable[[], Awaitable[None]]) -> list[str]:
    """Has an archive ordered and released for each customer, and lets something crash meanwhile.

    The crashes come after so many mails that every stage of the orders gets its share of them.
    """
    before = len(site.stack.mail.messages)
    orders = [asyncio.ensure_future(site.archive(customer)) for customer in customers]
    for kill in range(1, KILLS + 1):
        caught = before + 10 * kill

        async def are_under_way() -> bool:
            return len(site.stack.mail.messages) >= caught  # noqa: B023 - awaited in this turn

        await until(are_under_way, f"{caught} mails")
        assert not all(order.done() for order in orders)
        await crash()
    return await asyncio.gather(*orders)


async def test_a_killed_worker_loses_nothing_and_does_nothing_twice(site: Site) -> None:
    async def crash() -> None:
        await site.stack.kill_worker()
        await site.stack.start_worker()

    orders = await work_while(site, range(ORDERS), crash)
    await site.nothing_is_lost_or_doubled(*orders)


async def test_a_killed_server_keeps_every_decision_it_acknowledged(site: Site) -> None:
    async def crash() -> None:
        await site.stack.temporal.kill()
        await site.stack.temporal.start()

    orders = await work_while(site, range(ORDERS, 2 * ORDERS), crash)
    await site.nothing_is_lost_or_doubled(*orders)
