"""The whole system on this machine, as the benchmarks use it; nothing in it is a stand-in."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from sqlalchemy import func, select
from sqlmodel import col

from bench.samples import OFFERS, REQUESTER, TWO_STAGES, directory_of
from domain.errors import Code, Refusal
from domain.offers import Offer
from domain.orders import OrderItem, OrderOutcome, OrderState, SubmitOrder
from starter.client import Countersign
from starter.dev.program import Program
from starter.dev.samples import copy_zones, load_samples
from starter.dev.stack import WORKER_SHUTDOWN, WORKER_STARTUP, Stack
from starter.logs import WORKER_READY
from starter.publishing import publish
from starter.submission import Submitted
from storage.directory import load_directory
from storage.tables import MailRow, MailStatus

SIDE_BY_SIDE = 32
"""Calls under way at once."""

LOOK_EVERY_S = 0.2


T = TypeVar("T")


class Site:
    """A running stack with something to order.

    Attributes:
        sent_again: How many orders were sent again because the database was busy with other writers.
    """

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.client = stack.client
        self.sent_again = 0
        self.countersign = Countersign(stack.client, stack.database, allow_special_use=True)

    async def submit(self, offer: Offer, customer: str, domain: str | None = None) -> Submitted:
        """Orders one service."""
        order = SubmitOrder(
            customer=customer,
            requested_by=REQUESTER,
            items=(OrderItem(offer=offer.name),),
            domain=domain,
        )
        while True:
            try:
                return await self.countersign.submit(order, idempotency_key=f"{offer.name}-{customer}")
            except Refusal as refusal:
                if refusal.code is not Code.UNAVAILABLE:
                    raise
                self.sent_again += 1

    async def approve(self, line: str, actor: str, stage: str) -> None:
        """Approves a stage, as soon as it can be approved."""
        while not await self._is_open(line, stage):  # noqa: ASYNC110 - what changes is in another process
            await asyncio.sleep(LOOK_EVERY_S)
        await self.countersign.approve(line, actor, stage=stage)

    async def completed(self, order: str) -> None:
        """Waits until an order has ended, its service provisioned."""
        handle = self.client.get_workflow_handle(order, result_type=OrderOutcome)
        outcome = await handle.result()
        assert outcome.state is OrderState.COMPLETED, outcome

    async def mails_out(self) -> int:
        """Waits until every mail is out and returns how many there were so far."""
        statuses = select(col(MailRow.status), func.count()).group_by(col(MailRow.status))
        while True:
            async with self.stack.database.reading() as session:
                rows = await session.execute(statuses)
            mails = {status: number for status, number in rows}  # noqa: C416 - a Row is a tuple, but not to the type checker
            if not mails.get(MailStatus.QUEUED):
                return sum(mails.values())
            await asyncio.sleep(LOOK_EVERY_S)

    async def _is_open(self, line: str, stage: str) -> bool:
        try:
            view = await self.countersign.view(line)
        except Refusal as refusal:
            if refusal.code is Code.NOT_FOUND:
                return False  # The line has not begun yet.
            raise
        return view.approval is not None and view.approval.stage == stage


@asynccontextmanager
async def open_site(
    folder: Path, *, customers: tuple[str, ...] = (), workers: int = 1
) -> AsyncGenerator[Site]:
    """A site with fresh state.

    Args:
        folder: Where state is kept.
        customers: Keys of customers beside those of the sample directory.
        workers: Processes of our worker.
    """
    copy_zones(folder / "zones")
    async with Stack(folder) as stack:
        now = datetime.now(UTC)
        await load_samples(stack.database, now)
        await publish(stack.database, OFFERS, [TWO_STAGES], now)
        async with stack.database.session() as session:
            await load_directory(session, directory_of(customers))
        async with programs(stack, "worker", workers - 1, WORKER_READY):
            yield Site(stack)


@asynccontextmanager
async def programs(stack: Stack, module: str, number: int, ready: str) -> AsyncGenerator[None]:
    """So many more processes of a module that finds the stack by its environment.

    Args:
        stack: The stack.
        module: What `python -m` runs.
        number: How many.
        ready: What each says once it works.
    """
    started: list[Program] = []
    try:
        for each in range(number):
            program = Program(f"{module} {each}", stack.folder / f"{module}-{each}.log")
            await _start(program, module, stack, ready)
            started.append(program)
        yield
    finally:
        await asyncio.gather(*(program.stop(WORKER_SHUTDOWN) for program in started))


async def _start(program: Program, module: str, stack: Stack, ready: str) -> None:
    async def works() -> bool:
        return ready in program.said

    await program.start(
        sys.executable,
        "-m",
        module,
        environment=os.environ | stack.running.environment,
        is_ready=works,
        within=WORKER_STARTUP,
    )


async def for_each(
    items: Iterable[T], do: Callable[[T], Awaitable[object]], at_once: int = SIDE_BY_SIDE
) -> None:
    """Does something with every item, `at_once` of them at a time."""
    left = iter(items)

    async def take_turns() -> None:
        for item in left:
            await do(item)

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(take_turns())
