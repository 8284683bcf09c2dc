"""Fixtures: the client on a real server and database, with the sample catalogue and directory loaded.

Processes, projection and mails are the real ones; DNS and the backend are the fakes of `tests.workflows`.
There is no relay: only mails that their process waits for are handed over by themselves.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
from temporalio.worker import Worker

from activities.directory import Directory
from activities.mail.delivery import MailSettings, Tls
from activities.notices import Notices
from activities.outbox import Outbox
from domain import wire
from domain.errors import Refusal
from domain.links import LinkSigner
from domain.orders import OrderItem, SubmitOrder
from starter.client import Countersign
from starter.dev.mailcatcher import MailCatcher
from starter.dev.temporal import VirtualTime
from starter.reading import OrderStatus
from starter.submission import Submitted
from storage.database import Database
from storage.tables import MailStatus
from tests.workflows.world import World
from workflows.registry import INTERCEPTORS, WORKFLOWS, workflow_runner

SALES = "bergsicht-sales-1"
OPERATOR = "nordwall-operator-1"
LINK_KEY = "k" * 64
PORTAL = "https://portal.example"


@dataclass
class Office:
    """Where orders are placed and decided.

    Attributes:
        world: What DNS and the backend answer.
        client: What is under test.
        mail: The mail server.
        outbox: Hands over mails that no process waits for, when it is told to.
    """

    client: Countersign
    mail: MailCatcher
    outbox: Outbox
    world: World
    time: VirtualTime
    database: Database
    queue: str

    async def submit(self, *offers: str, key: str = "k1", **more: object) -> Submitted:
        """Places an order; by Bergsicht's sales for Alpenblick unless told otherwise."""
        return await self.client.submit(order(*offers, **more), key)

    async def until(self, order_id: str, holds: Callable[[OrderStatus], bool]) -> OrderStatus:
        """The order, once something holds for it."""
        async with asyncio.timeout(80):
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
        async with asyncio.timeout(80):
            while True:
                waiting = await self.client.open_approvals()
                if any(e.process == process and e.stage == stage and e.roster for e in waiting):
                    return process
                await asyncio.sleep(0.02)

    async def link(self, process: str, recipient: str) -> str:
        """The token of the newest link of a line that was mailed to an address, once one was."""
        async with asyncio.timeout(80):
            while True:
                await self.outbox.hand_over_due()
                mails = await self.client.mails(process=process, recipient=recipient)
                for raw in (mail.raw for mail in mails if mail.status is MailStatus.ACCEPTED and mail.raw):
                    body = message_from_bytes(raw, policy=default).get_body(("plain",))
                    found = re.search(rf"{PORTAL}/links/(\S+)", str(body.get_content()) if body else "")
                    if found:
                        return found[1]
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
def sampled(sqlite_database: Database, sampled_template: Path) -> Database:
    """A database with the sample catalogue and directory."""
    assert sqlite_database.url.database is not None
    shutil.copy(sampled_template, sqlite_database.url.database)
    return sqlite_database


@pytest.fixture
async def office(sampled: Database, virtual_time: VirtualTime, task_queue: str) -> AsyncIterator[Office]:
    """An office with a running worker."""
    world = World()
    signer = LinkSigner((LINK_KEY,))
    client = Countersign(
        virtual_time.client,
        sampled,
        clock=no_clock,
        allow_special_use=True,
        task_queue=task_queue,
        links=signer,
    )
    async with MailCatcher() as mail:
        outbox = Outbox(sampled, settings(mail), public_url=PORTAL, signer=signer)
        real = [Notices(sampled).announce, Directory(sampled).look_up, outbox.deliver]
        fakes = {world.announce, world.look_up, world.deliver}
        async with Worker(
            virtual_time.client,
            task_queue=task_queue,
            workflows=WORKFLOWS,
            activities=[*real, *(each for each in world.activities if each not in fakes)],
            workflow_runner=workflow_runner(),
            interceptors=INTERCEPTORS,
        ):
            yield Office(client, mail, outbox, world, virtual_time, sampled, task_queue)


def settings(mail: MailCatcher) -> MailSettings:
    """How the office's mails reach its server."""
    return MailSettings(
        host="127.0.0.1",
        port=mail.port,
        sender="noreply@nordwall.example",
        sender_name="Nordwall",
        tls=Tls.NONE,
    )
