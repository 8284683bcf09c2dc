"""Fixtures: the client on a real server and database, with the sample catalogue and directory loaded.

Processes, projection and mails are the real ones; DNS and the backend are the fakes of `tests.workflows`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from temporalio.worker import Worker

from activities.directory import Directory
from activities.notices import Notices
from domain import wire
from domain.errors import Refusal
from domain.orders import OrderItem, SubmitOrder
from starter.client import Countersign
from starter.dev.samples import load_samples
from starter.dev.temporal import VirtualTime
from starter.gateway import utc_now
from starter.reading import OrderStatus
from starter.submission import Submitted
from storage.database import Database
from tests.workflows.world import World
from workflows.registry import WORKFLOWS, workflow_runner

SALES = "bergsicht-sales-1"
OPERATOR = "nordwall-operator-1"


@dataclass
class Office:
    """Where orders are placed and decided.

    Attributes:
        world: What DNS and the backend answer.
        client: What is under test.
    """

    client: Countersign
    world: World
    time: VirtualTime
    database: Database
    queue: str

    async def submit(self, *offers: str, key: str = "k1", **more: object) -> Submitted:
        """Places an order; by Bergsicht's sales for Alpenblick unless told otherwise."""
        return await self.client.submit(order(*offers, **more), key)

    async def until(self, order_id: str, holds: Callable[[OrderStatus], bool]) -> OrderStatus:
        """The order, once something holds for it."""
        async with asyncio.timeout(20):
            while True:
                status = await self.client.show(order_id)
                if holds(status):
                    return status
                await asyncio.sleep(0.02)

    async def line_is(self, order_id: str, state: str, number: int = 1) -> str:
        """Waits for a line's state and returns its process."""
        await self.until(
            order_id,
            lambda status: any(e.view.line == number and e.view.state == state for e in status.lines),
        )
        return wire.line_id(order_id, number)

    async def pending(self, order_id: str, stage: str, number: int = 1) -> str:
        """Waits until a stage of a line is open with its roster and returns the line's process."""
        process = wire.line_id(order_id, number)
        async with asyncio.timeout(20):
            while True:
                waiting = await self.client.open_approvals()
                if any(e.process == process and e.stage == stage and e.roster for e in waiting):
                    return process
                await asyncio.sleep(0.02)

    async def closed(self, process: str) -> None:
        """Waits until a run has ended."""
        await self.time.client.get_workflow_handle(process).result()

    async def skip(self, process: str, span: timedelta) -> None:
        """Lets a run's time pass."""
        await self.time.skip(process, span)


def order(*offers: str, **more: object) -> SubmitOrder:
    """An order by Bergsicht's sales for Alpenblick."""
    base: dict[str, object] = {
        "customer": "alpenblick",
        "requested_by": SALES,
        "domain": "alpenblick.example",
        "items": tuple(OrderItem(offer=offer) for offer in offers),
    }
    return SubmitOrder.model_validate(base | more)


def no_clock() -> None:
    """Leaves the time to the runs, which have clocks of their own."""


async def refusal(call: Awaitable[object]) -> tuple[str, str]:
    """Code and message of the refusal that a call ends in."""
    with pytest.raises(Refusal) as caught:
        await call
    return caught.value.code, caught.value.message


@pytest.fixture
async def sampled(sqlite_database: Database) -> Database:
    """A database with the sample catalogue and directory."""
    await load_samples(sqlite_database, utc_now())
    return sqlite_database


@pytest.fixture
async def office(sampled: Database, virtual_time: VirtualTime, task_queue: str) -> AsyncIterator[Office]:
    """An office with a running worker."""
    world = World()
    client = Countersign(
        virtual_time.client, sampled, clock=no_clock, allow_special_use=True, task_queue=task_queue
    )
    async with Worker(
        virtual_time.client,
        task_queue=task_queue,
        workflows=WORKFLOWS,
        activities=[
            Notices(sampled).announce,
            Directory(sampled).look_up,
            *(each for each in world.activities if each not in {world.announce, world.look_up}),
        ],
        workflow_runner=workflow_runner(),
    ):
        yield Office(client, world, virtual_time, sampled, task_queue)
