"""Plays an example order on a running stack: submits it, does what its script says, compares its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from domain import wire
from domain.errors import Refusal
from domain.orders import OrderState, SubmitOrder
from domain.transitions import ProcessView
from starter.dev.examples import Example
from starter.dev.stage import Stage, Surroundings, until
from starter.dev.steps import in_words
from starter.files import validated
from storage.mails import Mail
from storage.tables import MailStatus


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
        surroundings: What they are played in.
        say: Told every step, in words.
    """

    def __init__(self, surroundings: Surroundings, say: Callable[[str, str], None]) -> None:
        self._around = surroundings
        self._countersign = surroundings.countersign
        self._say = say

    async def play(self, example: Example) -> Outcome:
        """Plays one example to its end and compares."""
        outcome = Outcome(example)
        self._around.mail.unknown.update(example.no_mailbox)
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
        stage = Stage(self._around, submitted.order, lines)
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
            await until(
                lambda: self._order_is(outcome.order or "", expect.order), f"the order to be {expect.order}"
            )
        states = {offer: (await self._view(process)).state for offer, process in lines.items()}
        outcome.ended = ", ".join(f"{offer} {state}" for offer, state in states.items())
        if expect.refused is not None:
            outcome.complaints.append("it was to be refused")
        for offer, state in expect.lines.items():
            if states.get(offer) != state:
                outcome.complaints.append(f"{offer} was to be {state}, is {states.get(offer)}")
        await self._compare_steps(example, outcome)
        await self._compare_mails(example, outcome)

    async def _compare_steps(self, example: Example, outcome: Outcome) -> None:
        assert outcome.order is not None
        happened = Counter(step.action for step in (await self._countersign.show(outcome.order)).timeline)
        outcome.complaints += [
            f"{action} was to happen {number} times, happened {happened[action]}"
            for action, number in example.expect.steps.items()
            if happened[action] != number
        ]

    async def _compare_mails(self, example: Example, outcome: Outcome) -> None:
        async def all_sent() -> bool:
            return all(mail.status is not MailStatus.QUEUED for mail in await self._mails(outcome.order))

        await until(all_sent, "every mail to be sent")
        mails = await self._mails(outcome.order)
        for template, number in example.expect.mails.items():
            sent = sum(mail.template is template for mail in mails)
            if sent != number:
                outcome.complaints.append(f"{template} was to go out {number} times, went {sent}")
        outcome.complaints += [
            f"mail to {m.recipient}: {m.error}"
            for m in mails
            if m.status in {MailStatus.REJECTED, MailStatus.GIVEN_UP}
            and m.recipient not in example.no_mailbox
        ]

    async def _order_is(self, order: str, state: OrderState | None) -> bool:
        return (await self._view(wire.order_id(order))).state == state

    async def _view(self, process: str) -> ProcessView:
        return await self._countersign.view(process)

    async def _mails(self, order: str | None) -> tuple[Mail, ...]:
        return await self._countersign.mails(order=order, limit=1000)


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
