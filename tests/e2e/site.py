"""An installation as its users know it: the whole stack, what people do with it, and what must hold then."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from temporalio.api.enums.v1 import EventType

from domain import wire
from domain.decisions import DecisionRecorded
from domain.errors import Code, Refusal
from domain.links import LinkSigner
from domain.orders import OrderItem, OrderState, SubmitOrder
from domain.organisations import Directory
from starter.client import Countersign
from starter.dev.keys import link_key
from starter.dev.samples import copy_zones, load_samples
from starter.dev.stack import Stack
from starter.gateway import utc_now
from storage.database import Database
from storage.directory import load_directory
from storage.mails import Mail
from storage.tables import MailStatus

SALES = "bergsicht-sales-1"
TICKETS = "tickets@bergsicht.example"
MANAGERS = ("nordwall-manager-1", "nordwall-manager-3")
"""Two of the three who release an archive."""

CUSTOMERS = Directory.model_validate(
    {
        "organisations": [
            {"key": f"customer-{n}", "kind": "customer", "name": f"Customer {n}", "partner": "bergsicht"}
            for n in range(100)
        ],
        "people": [],
    }
)
"""Customers of the partner without a domain, each of whom can have one archive."""

T = TypeVar("T")


@dataclass
class Site:
    """A running installation and the client of its backend.

    Attributes:
        database: The one the worker works on, SQLite or PostgreSQL.
        customers: Those nobody has ordered for yet.
    """

    stack: Stack
    database: Database
    countersign: Countersign
    customers: Iterator[str]

    # What people do

    async def order_archive(self) -> str:
        """Orders an archive, which two of three managers have to release, and returns the order's id."""
        wanted = archive_for(next(self.customers))
        submitted = await insisting(lambda: self.countersign.submit(wanted, "archive"))
        return submitted.order

    async def asked(self, order: str, number: int = 1) -> str:
        """The line's process, once its people are asked."""
        process = wire.line_id(order, number)

        async def is_asked() -> bool:
            try:
                stages = (await self.countersign.approval(process)).stages
            except Refusal as refusal:
                if refusal.code is not Code.NOT_FOUND:
                    raise
                return False
            return any(stage.is_open and stage.roster for stage in stages)

        await until(is_asked, f"{process} to be open for approval")
        return process

    async def approve(self, process: str, person: str) -> DecisionRecorded:
        """Approves, and asks again under the same id for as long as nobody answers."""
        return await insisting(
            lambda: self.countersign.approve(process, person, request_id=f"{process}-{person}")
        )

    async def release_archive(self, order: str) -> None:
        """Has an archive released by as many managers as it takes."""
        process = await self.asked(order)
        for manager in MANAGERS:
            await self.approve(process, manager)

    async def archive(self) -> str:
        """Orders an archive, has it released and waits for its end."""
        order = await self.order_archive()
        await self.release_archive(order)
        await self.ended(order)
        return order

    async def ended(self, order: str, state: OrderState = OrderState.COMPLETED) -> None:
        """Waits until an order has ended."""

        async def has_ended() -> bool:
            view = (await self.countersign.show(order)).view
            return view.ended and view.state == state

        await until(has_ended, f"order {order} to be {state}")

    async def link(self, process: str, address: str) -> str:
        """The link of a line that an address was mailed, once one was that still opens something."""
        found: list[str] = []

        async def has_come() -> bool:
            texts = [mail.text for mail in self.stack.mail.messages if mail.recipient == address]
            for token in re.findall(r"countersign link show (\S+)", "\n".join(texts)):
                with suppress(Refusal):
                    if (await self.countersign.show_link(token)).process == process:
                        found.append(token)
            return bool(found)

        await until(has_come, f"a link in a mail to {address}")
        return found[-1]

    async def step(self, process: str, action: str, times: int = 1) -> None:
        """Waits until something has happened to a process."""
        order = process.split("-")[1]

        async def has_happened() -> bool:
            steps = (await self.countersign.show(order)).timeline
            return sum((each.process, each.action) == (process, action) for each in steps) >= times

        await until(has_happened, f"{process}: {action}")

    # What is there afterwards

    async def mails(self, *orders: str) -> list[Mail]:
        """Every mail of these orders."""
        return [mail for order in orders for mail in await self.countersign.mails(order=order, limit=1000)]

    async def all_mails_sent(self, *orders: str) -> list[Mail]:
        """Every mail of these orders, once each has an end."""

        async def none_waits() -> bool:
            return not any(mail.status is MailStatus.QUEUED for mail in await self.mails(*orders))

        await until(none_waits, "every mail to be sent")
        return await self.mails(*orders)

    async def nothing_is_lost_or_doubled(self, *orders: str) -> None:
        """Checks the audit of these orders, their decisions and their mails."""
        for order in orders:
            await self._audit_is_complete(order)
        mails = await self.all_mails_sent(*orders)
        received = Counter(mail.message_id for mail in self.stack.mail.messages)
        for mail in mails:
            if mail.recipient in self.stack.mail.unknown:
                assert mail.status is MailStatus.REJECTED, mail
                continue
            if mail.status is MailStatus.COLLECTING:  # Somebody gets one mail an hour.
                continue
            assert mail.status is MailStatus.ACCEPTED, mail
            times = received[message_id(mail)]
            assert times == 1 or (times > 1 and mail.maybe_duplicate), f"{times} times: {mail}"

    async def _audit_is_complete(self, order: str) -> None:
        """Every step is there once, each begins where the last one ended, and every vote counted once."""
        status = await self.countersign.show(order)
        assert status.view.ended
        for process in (status.process, *(line.id for line in status.lines)):
            steps = sorted((s for s in status.timeline if s.process == process), key=lambda s: s.seq)
            assert [step.seq for step in steps] == list(range(1, len(steps) + 1)), process
            assert [step.from_state for step in steps[1:]] == [step.to_state for step in steps[:-1]]
            votes = Counter(step.actor for step in steps if step.action == "approval.approve")
            assert set(votes.values()) <= {1}, votes
            assert await self._updates(process) == set(votes)

    async def _updates(self, process: str) -> set[str]:
        """Who decided by the history of the run itself, each once."""
        history = self.stack.client.get_workflow_handle(process).fetch_history_events()
        ids = [
            event.workflow_execution_update_accepted_event_attributes.accepted_request.meta.update_id
            async for event in history
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED
        ]
        decisions = [each.removeprefix(f"{process}-") for each in ids if each.startswith(process)]
        assert len(set(decisions)) == len(decisions), decisions
        return set(decisions)


@asynccontextmanager
async def open_site(folder: Path, database_url: str | None = None) -> AsyncIterator[Site]:
    """Opens an installation with its samples; on the stack's own SQLite file unless told otherwise."""
    copy_zones(folder / "zones")
    environment = {"COUNTERSIGN_DATABASE_URL": database_url} if database_url else {}
    async with Stack(folder, environment=environment) as stack:
        database = Database(database_url) if database_url else stack.database
        await load_samples(database, utc_now())
        async with database.session() as session:
            await load_directory(session, CUSTOMERS)
        signer = LinkSigner((link_key(folder),))
        countersign = Countersign(stack.client, database, allow_special_use=True, links=signer)
        yield Site(stack, database, countersign, (each.key for each in CUSTOMERS.organisations))
        await database.dispose()


def archive_for(customer: str, **more: object) -> SubmitOrder:
    """An order of an archive."""
    items = (OrderItem(offer="mail-archive"),)
    return SubmitOrder.model_validate({"customer": customer, "requested_by": SALES, "items": items, **more})


def message_id(mail: Mail) -> str:
    """The Message-ID a mail went out with."""
    assert mail.raw is not None
    header = next(line for line in mail.raw.splitlines() if line.lower().startswith(b"message-id:"))
    return header.split(b":", 1)[1].strip().decode()


async def insisting(call: Callable[[], Awaitable[T]]) -> T:
    """Calls again, as a careful client does, for as long as somebody needed is unavailable."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await call()
            except Refusal as refusal:
                if refusal.code is not Code.UNAVAILABLE:
                    raise
            await asyncio.sleep(0.05)


async def until(condition: Callable[[], Awaitable[bool]], what: str, within: float = 80) -> None:
    """Waits for a condition.

    Raises:
        TimeoutError: It did not come true within so many seconds.
    """
    try:
        async with asyncio.timeout(within):
            while not await condition():
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise TimeoutError(f"waited {within} s for {what}") from None
