"""Plays an example order on a running stack: submits it, does what its script says, compares its end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from domain import wire
from domain.errors import Code, Refusal
from domain.line import LineState
from domain.mail import Template
from domain.orders import OrderState, SubmitOrder
from domain.transitions import ProcessView
from starter.client import Countersign
from starter.dev.examples import (
    Act,
    Advance,
    CheckRecords,
    Decision,
    Deploy,
    Example,
    SetRecords,
    Step,
    TakeBack,
    Wait,
)
from starter.dev.registrar import set_records
from starter.dev.temporal import VirtualTime
from starter.files import validated
from storage.mails import Mail
from storage.tables import MailStatus

PATIENCE_S = 60
"""How long one step may take, in real seconds."""

LOOK_EVERY_S = 0.1


@dataclass
class Outcome:
    """How an example ended.

    Attributes:
        order: The order's id; None if it was refused.
        ended: What came out, in words.
        complaints: What was expected and did not happen; empty if all is well.
    """

    example: Example
    order: str | None = None
    ended: str = ""
    complaints: list[str] = field(default_factory=list)


class Player:
    """Plays examples.

    Args:
        countersign: The client facade; its clock gives no receive times, as orders live in virtual time.
        virtual_time: Moves the clocks of lines.
        zones: The folder of zone files, in which records are set.
        say: Told every step, in words.
    """

    def __init__(
        self,
        countersign: Countersign,
        virtual_time: VirtualTime,
        zones: Path,
        say: Callable[[str, str], None],
    ) -> None:
        self._countersign = countersign
        self._time = virtual_time
        self._zones = zones
        self._say = say

    async def play(self, example: Example) -> Outcome:
        """Plays one example to its end and compares."""
        outcome = Outcome(example)
        try:
            order = validated(SubmitOrder, example.document(), "order")
            submitted = await self._countersign.submit(order, idempotency_key=f"demo-{example.name}")
        except Refusal as refusal:
            outcome.ended = f"refused: {refusal.code}: {refusal.message}"
            outcome.complaints = _compare_refusal(example, refusal)
            self._say(example.name, outcome.ended)
            return outcome
        outcome.order = submitted.order
        lines = {line.offer.partition("@")[0]: line.process for line in submitted.lines}
        self._say(
            example.name, f"accepted as {submitted.process} with {len(lines)} lines: {', '.join(lines)}"
        )
        stage = _Stage(self._countersign, self._time, self._zones, submitted.order, lines)
        try:
            for step in example.script:
                await stage.do(step)
                self._say(example.name, in_words(step))
            await self._compare(example, outcome, lines)
        except (Refusal, TimeoutError) as error:
            outcome.complaints.append(f"stopped: {error}")
        return outcome

    async def _compare(self, example: Example, outcome: Outcome, lines: dict[str, str]) -> None:
        expect = example.expect
        assert outcome.order is not None
        if expect.order is not None:
            await _until(
                lambda: self._order_is(outcome.order or "", expect.order), f"the order to be {expect.order}"
            )
        states = {offer: (await self._view(process)).state for offer, process in lines.items()}
        outcome.ended = ", ".join(f"{offer} {state}" for offer, state in states.items())
        if expect.refused is not None:
            outcome.complaints.append("it was to be refused")
        for offer, state in expect.lines.items():
            if states.get(offer) != state:
                outcome.complaints.append(f"{offer} was to be {state}, is {states.get(offer)}")
        await self._compare_mails(example, outcome)

    async def _compare_mails(self, example: Example, outcome: Outcome) -> None:
        async def all_sent() -> bool:
            return all(mail.status is not MailStatus.QUEUED for mail in await self._mails(outcome.order))

        await _until(all_sent, "every mail to be sent")
        mails = await self._mails(outcome.order)
        for template, number in example.expect.mails.items():
            sent = sum(mail.template is template for mail in mails)
            if sent != number:
                outcome.complaints.append(f"{template} was to go out {number} times, went {sent}")
        outcome.complaints += [
            f"mail to {m.recipient}: {m.error}"
            for m in mails
            if m.status in {MailStatus.REJECTED, MailStatus.GIVEN_UP}
        ]

    async def _order_is(self, order: str, state: OrderState | None) -> bool:
        return (await self._view(wire.order_id(order))).state == state

    async def _view(self, process: str) -> ProcessView:
        return await self._countersign.view(process)

    async def _mails(self, order: str | None) -> tuple[Mail, ...]:
        return await self._countersign.mails(order=order, limit=1000)


class _Stage:
    """What the steps of one order act on."""

    def __init__(
        self,
        countersign: Countersign,
        virtual_time: VirtualTime,
        zones: Path,
        order: str,
        lines: dict[str, str],
    ) -> None:
        self._countersign = countersign
        self._time = virtual_time
        self._zones = zones
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
                await _until(lambda: self._has_come(step), in_words(step))
            case SetRecords():
                set_records(self._zones, await self._wanted_records(step))
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
                await _until(lambda: self._have_begun(step.offer), "the lines to begin")
                take_back = self._countersign.withdraw if step.do == "withdraw" else self._countersign.cancel
                line = self._number(step.offer) if step.offer else None
                await take_back(self._order, step.by, step.reason, line)
            case Advance():
                await self._time.skip(self._lines[step.offer], step.span)

    async def _deploy(self, step: Deploy) -> None:
        for offer in self._offers(step.offer):
            await _until(lambda: self._is(offer, LineState.CONFIRMED), f"{offer} to be confirmed")  # noqa: B023
            await self._countersign.deploy(self._order, step.by, self._number(offer))

    async def _decide(self, step: Decision) -> None:
        await _until(lambda: self._asks(step), f"{step.by} to be asked")
        decide = self._countersign.approve if step.do == "approve" else self._countersign.deny
        await decide(self._lines[step.offer], step.by, step.reason or "")

    async def _act(self, step: Act) -> None:
        # Who has decided already, or is the requester in a hurry, has nothing to do in their inbox.
        if step.do not in {"undo", "escalate"}:
            await _until(lambda: self._asks(step), f"{step.by} to be asked")
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


def in_words(step: Step) -> str:  # noqa: PLR0911 - one return for each kind of step
    """A step as one short sentence."""
    match step:
        case Wait(offer=offer, state=state, mail=mail):
            return f"{offer}: {'is ' + state if state else f'the mail {mail} is out'}"
        case SetRecords(offer=offer):
            return f"the records asked for are set in the zone{f' for {offer}' if offer else ''}"
        case CheckRecords(by=by, offer=offer):
            return f"{by} asks to look at the records of {offer or 'every line'} now"
        case Deploy(by=by, offer=offer):
            return f"{by} deploys {offer or 'every line'}"
        case Decision(do=verb, offer=offer, by=by):
            return f"{by} {'approves' if verb == 'approve' else 'denies'} {offer}"
        case Act(do=verb, offer=offer, by=by, said=said):
            facts = "".join(f", {name}: {value}" for name, value in said.items())
            return f"{by}: {verb.replace('_', ' ')}, {offer}{facts}"
        case TakeBack(do=verb, by=by, reason=reason):
            return f"{by} {'withdraws' if verb == 'withdraw' else 'cancels'}: {reason}"
        case Advance(offer=offer, span=span):
            return f"{offer}: {span.days} days pass"


def _compare_refusal(example: Example, refusal: Refusal) -> list[str]:
    expected = example.expect.refused
    if expected is None:
        return [f"it was to be accepted, and was refused: {refusal.message}"]
    complaints = []
    if refusal.code is not expected.code:
        complaints.append(f"it was to be refused as {expected.code}")
    if expected.field not in refusal.message:
        complaints.append(f"the refusal was to name {expected.field}")
    return complaints


async def _until(condition: Callable[[], Awaitable[bool]], what: str) -> None:
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
