"""What the steps of an example do to its order, on a running stack."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from domain.errors import Code, Refusal
from domain.line import LineState
from domain.mail import Template
from starter.client import Countersign
from starter.dev.mailcatcher import MailCatcher
from starter.dev.registrar import set_records
from starter.dev.steps import (
    Act,
    Advance,
    ChangeContact,
    CheckRecords,
    Decision,
    Deploy,
    HandOver,
    MapLine,
    SetRecords,
    SetUp,
    Step,
    Summarise,
    TakeBack,
    Wait,
    in_words,
)
from starter.dev.temporal import VirtualTime
from starter.summary_pdf import summary_pdf
from storage.tables import MailStatus

PATIENCE_S = 60
"""How long one step may take, in real seconds."""

LOOK_EVERY_S = 0.1

_LINK = re.compile(r"countersign link show (\S+)")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all examples share.

    Attributes:
        countersign: The client facade; its clock gives no receive times, as orders live in virtual time.
        virtual_time: Moves the clocks of lines.
        zones: The folder of zone files, in which records are set.
        mail: Where mails arrive, with the links in them.
        papers: The folder for PDFs; made when there is one.
    """

    countersign: Countersign
    virtual_time: VirtualTime
    zones: Path
    mail: MailCatcher
    papers: Path


class Stage:
    """An order that has been accepted, and everything that its steps act on.

    Args:
        surroundings: What every order shares.
        order: The order's id.
        lines: The processes of its lines by offer.
    """

    def __init__(self, surroundings: Surroundings, order: str, lines: dict[str, str]) -> None:
        self._countersign = surroundings.countersign
        self._around = surroundings
        self._order = order
        self._lines = lines

    async def do(self, step: Step) -> None:
        """Does one step and waits for what it needs.

        Raises:
            Refusal: The step is not allowed.
            TimeoutError: What it waits for does not come.
        """
        match step:
            case Wait():
                await until(lambda: self._has_come(step), in_words(step))
            case SetRecords():
                set_records(self._around.zones, await self._wanted_records(step))
            case CheckRecords():
                for number in self._numbers(step.offer):
                    await self._check_records(number, step.by)
            case Deploy():
                await self._deploy(step)
            case Decision():
                await self._decide(step)
            case Act():
                await self._act(step)
            case TakeBack():
                await until(lambda: self._have_begun(step.offer), "the lines to begin")
                take_back = self._countersign.withdraw if step.do == "withdraw" else self._countersign.cancel
                line = self._number(step.offer) if step.offer else None
                await take_back(self._order, step.by, step.reason, line)
            case Advance():
                await self._around.virtual_time.skip(self._lines[step.offer], step.span)
            case _:
                await self._complete(step)

    async def _complete(self, step: ChangeContact | HandOver | MapLine | SetUp | Summarise) -> None:
        """Does what contacts do and what is done about them, until all of it is summed up."""
        match step:
            case ChangeContact():
                line = self._number(step.offer) if step.offer else None
                await self._countersign.change_contact(self._order, step.to, step.by, line)
            case HandOver():
                link = await self._link(step.offer, step.through)
                await self._countersign.hand_over(link, step.to)
            case MapLine():
                link = await self._link(step.offer, step.through)
                await self._countersign.map_by_link(link, step.mapping)
            case SetUp(by=str(person)):
                number = self._number(step.offer)
                await self._countersign.set_up(self._order, number, step.answers, person)
            case SetUp(through=str(address)):
                link = await self._link(step.offer, address)
                await self._countersign.set_up_by_link(link, step.answers)
            case Summarise():
                self._around.papers.mkdir(exist_ok=True)
                summary = await self._countersign.order_summary(self._order)
                (self._around.papers / f"order-{self._order}.pdf").write_bytes(summary_pdf(summary))

    async def _link(self, offer: str, address: str) -> str:
        """The token of the link that an address was mailed for a line, once it was."""
        found: list[str] = []

        async def has_come() -> bool:
            found[:] = [token async for token in self._links(self._lines[offer], address)]
            return bool(found)

        await until(has_come, f"a link for {offer} in a mail to {address}")
        return found[-1]

    async def _links(self, process: str, address: str) -> AsyncIterator[str]:
        """The links of a line in all mails to an address that still open something, oldest first."""
        texts = [mail.text for mail in self._around.mail.messages if mail.recipient == address]
        for token in (token for text in texts for token in _LINK.findall(text)):
            with suppress(Refusal):  # Links of a former contact are dead.
                if (await self._countersign.show_link(token)).process == process:
                    yield token

    async def _deploy(self, step: Deploy) -> None:
        for offer in self._offers(step.offer):
            await until(lambda: self._is(offer, LineState.CONFIRMED), f"{offer} to be confirmed")  # noqa: B023
            await self._countersign.deploy(self._order, step.by, self._number(offer))

    async def _decide(self, step: Decision) -> None:
        await until(lambda: self._asks(step), f"{step.by} to be asked")
        decide = self._countersign.approve if step.do == "approve" else self._countersign.deny
        await decide(self._lines[step.offer], step.by, step.reason or "")

    async def _act(self, step: Act) -> None:
        # Who has decided already, or is the requester in a hurry, has nothing to do in their inbox.
        if step.do not in {"undo", "escalate"}:
            await until(lambda: self._asks(step), f"{step.by} to be asked")
        act = getattr(self._countersign, step.do)
        await act(self._lines[step.offer], step.by, **step.said, reason=step.reason)

    async def _check_records(self, line: int, by: str) -> None:
        try:
            await self._countersign.check_records(self._order, line, by)
        except Refusal as refusal:
            # It has found them by itself in the meantime.
            if refusal.code not in {Code.NOT_PENDING, Code.PROCESS_ENDED}:
                raise

    async def _has_come(self, step: Wait) -> bool:
        if step.state is not None:
            return await self._is(step.offer, step.state)
        if step.step is not None:
            timeline = (await self._countersign.show(self._order)).timeline
            line = self._lines[step.offer]
            return sum((each.process, each.action) == (line, step.step) for each in timeline) >= step.times
        mails = await self._countersign.mails(process=self._lines[step.offer])
        return any(mail.template == step.mail and mail.status is MailStatus.ACCEPTED for mail in mails)

    async def _is(self, offer: str, state: LineState) -> bool:
        try:
            return (await self._countersign.view(self._lines[offer])).state == state
        except Refusal as refusal:
            if refusal.code is Code.NOT_FOUND:
                return False  # The line has not begun yet.
            raise

    async def _have_begun(self, offer: str | None) -> bool:
        return all([not await self._is(each, LineState.ORDERED) for each in self._offers(offer)])

    async def _asks(self, step: Decision | Act) -> bool:
        process = self._lines[step.offer]
        return any(
            entry.process == process and entry.pending for entry in await self._countersign.inbox(step.by)
        )

    async def _wanted_records(self, step: SetRecords) -> dict[str, set[tuple[str, str, str]]]:
        """What the open-task mails of the order ask for: by domain, owner, type and value of each record."""
        wanted: dict[str, set[tuple[str, str, str]]] = {}
        processes = {self._lines[offer] for offer in self._offers(step.offer)}
        for mail in await self._countersign.mails(order=self._order, limit=1000):
            if mail.template is Template.OPEN_TASKS and mail.process in processes and mail.facts.domain:
                records = wanted.setdefault(mail.facts.domain, set())
                records |= {(record.owner, record.rrtype, record.value) for record in mail.facts.records}
        return wanted

    def _offers(self, offer: str | None) -> list[str]:
        return [offer] if offer else list(self._lines)

    def _numbers(self, offer: str | None) -> list[int]:
        return [self._number(each) for each in self._offers(offer)]

    def _number(self, offer: str) -> int:
        return int(self._lines[offer].rpartition("-")[2])


async def until(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    """Waits for a condition.

    Raises:
        TimeoutError: It did not come true in time.
    """
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not await condition():  # noqa: ASYNC110 - what changes is in another process
                await asyncio.sleep(LOOK_EVERY_S)
    except TimeoutError:
        raise TimeoutError(f"waited {PATIENCE_S} s for {what}") from None
