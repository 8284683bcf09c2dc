"""Gives the commands of a script, as real callers would."""

from __future__ import annotations

from domain import wire
from domain.errors import Code, Refusal
from domain.external import ConditionMet, ConditionState
from domain.transitions import ProcessView
from starter.client import Countersign
from starter.pending import Meant
from starter.simulation.request import ORDER
from starter.simulation.script import (
    Act,
    AddApprover,
    Answer,
    Condition,
    Delegate,
    Inquire,
    RecallInquiry,
    Reroute,
    Step,
)
from starter.simulation.site import Site

LINE = 1
PROCESS = wire.line_id(ORDER, LINE)
"""The one run there is."""


class Client(Countersign):
    """The client of a line that belongs to no order: it stands for the order itself."""

    async def _order(self, order: str) -> ProcessView:
        return await self._view(wire.line_id(order, LINE))


class Commands:
    """Gives commands to the one run of a simulation."""

    def __init__(self, site: Site) -> None:
        self._site = site
        # Runs on virtual time take the receive time of a command from their own clock.
        self._client = Client(site.client, site.database, clock=lambda: None)

    async def give(self, step: Step) -> None:
        """Does what a step says.

        Raises:
            Refusal: It is refused.
        """
        client, meant = self._client, Meant(stage=step.stage, round=step.round)
        if isinstance(step, Condition):
            await self._settle(step)
            return
        who, meant = step.who, Meant(**meant, reason=step.reason)
        match step:
            case Act():
                await self._act(step, meant)
            case Delegate(to=to):
                await client.delegate(PROCESS, who, to, **meant)
            case Reroute(to=to):
                await client.reroute(PROCESS, who, to, **meant)
            case AddApprover(person=person):
                await client.add_approver(PROCESS, who, person, **meant)
            case Inquire(asked=asked, question=question):
                await client.inquire(PROCESS, who, asked, question, **meant)
            case Answer(answer=answer, inquiry=inquiry):
                await client.answer(PROCESS, who, answer, inquiry, **meant)
            case RecallInquiry(inquiry=inquiry):
                await client.recall_inquiry(PROCESS, who, inquiry, **meant)

    async def _act(self, step: Act, meant: Meant) -> None:
        client, who = self._client, step.who
        match step.do:
            case "approve":
                await client.approve(PROCESS, who, **meant)
            case "deny":
                await client.deny(PROCESS, who, **meant)
            case "withdraw":
                await client.withdraw(ORDER, who, step.reason, LINE)
            case "hand_back":
                await client.hand_back(PROCESS, who, **meant)
            case "escalate":
                await client.escalate(PROCESS, who, **meant)
            case "undo":
                await client.undo(PROCESS, who, **meant)
            case "refresh_roster":
                await client.refresh_roster(PROCESS, who, **meant)

    async def _settle(self, step: Condition) -> None:
        approval = (await self._client.view(PROCESS)).approval
        if approval is None or not approval.waits or step.stage not in {None, approval.stage}:
            raise Refusal(Code.NOT_PENDING, "the stage that is open waits for no condition")
        met = ConditionMet(answer=ConditionState(step.answer), message=step.message)
        await self._site.settle_condition(PROCESS, approval.stage, approval.round, met)
