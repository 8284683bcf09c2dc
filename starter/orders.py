"""Commands to orders and their lines: check, deploy, withdraw, cancel (SPEC 5.3, 5.7)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel

from domain import wire
from domain.base import Message
from domain.checks import CheckReport, RecordsSeen
from domain.decisions import ApprovalStatus, Withdraw
from domain.errors import Code, Refusal
from domain.line import LineState
from domain.orders import LineCommand, OrderState
from domain.organisations import Permission
from starter.faults import NotRunning
from starter.files import validated
from starter.gateway import Gateway

ANYBODY_INVOLVED = (Permission.ORDER, Permission.DEPLOY)
"""Looking is for everybody who orders or deploys."""


@dataclass(frozen=True, slots=True)
class ToLines:
    """A command to lines of an order.

    Attributes:
        name: Its wire name.
        answer: What a line answers, a word for its state.
        too_early: What it is refused as before the lines have begun.
    """

    name: str
    command: BaseModel
    answer: type[StrEnum]
    request_id: str | None
    too_early: Code


class Refused(Message):
    """Why a line did not do what the others may have done."""

    code: Code
    message: str


class LineResult(Message):
    """What a command came to at one line.

    Attributes:
        state: What the line answered: its state, or the status of its approval; None if it refused.
    """

    line: int
    process: str
    state: str | None = None
    refused: Refused | None = None

    def was_refused_as(self, code: Code) -> bool:
        """Whether the line refused with this code."""
        return self.refused is not None and self.refused.code is code


class Orders(Gateway):
    """Commands to orders and lines; each checks the actor's permission at that moment.

    Commands for several lines go to all of them at once and return one result per line; a line that has
    ended is left out. A command for one line raises what that line refuses.
    """

    async def check(self, order: str, actor: str, *, request_id: str | None = None) -> CheckReport:
        """Checks domain and services now.

        Raises:
            Refusal: NOT_FOUND, NOT_PERMITTED, PROCESS_ENDED or UNAVAILABLE.
        """
        view = await self._order(order)
        await self._authorise(actor, view, ANYBODY_INVOLVED, wire.CHECK_ORDER, "check this order")
        process, command = wire.order_id(order), LineCommand(actor=actor)
        try:
            return await self._update(process, wire.CHECK_ORDER, command, CheckReport, request_id)
        except NotRunning:
            ended = await self._has_ended(process)
            raise await self._refused(process, wire.CHECK_ORDER, command, ended) from None

    async def check_records(
        self, order: str, line: int, actor: str, *, request_id: str | None = None
    ) -> RecordsSeen:
        """Looks at a line's DNS records now.

        Raises:
            Refusal: NOT_FOUND, NOT_PERMITTED, NOT_PENDING, TOO_OFTEN, PROCESS_ENDED or UNAVAILABLE.
        """
        view = await self._order(order)
        await self._authorise(actor, view, ANYBODY_INVOLVED, wire.CHECK_RECORDS, "check these records")
        process, command = wire.line_id(order, line), LineCommand(actor=actor)
        try:
            return await self._update(process, wire.CHECK_RECORDS, command, RecordsSeen, request_id)
        except NotRunning:
            ended = await self._has_ended(process)
            raise await self._refused(process, wire.CHECK_RECORDS, command, ended) from None

    async def deploy(
        self, order: str, actor: str, line: int | None = None, *, request_id: str | None = None
    ) -> tuple[LineResult, ...]:
        """Starts the provisioning of one line, or of all.

        Raises:
            Refusal: NOT_FOUND, NOT_PERMITTED, NOT_DEPLOYABLE, PROCESS_ENDED or UNAVAILABLE.
        """
        view = await self._order(order)
        await self._authorise(actor, view, (Permission.DEPLOY,), wire.DEPLOY_LINE, "deploy")
        command = LineCommand(actor=actor)
        told = ToLines(wire.DEPLOY_LINE, command, LineState, request_id, Code.NOT_DEPLOYABLE)
        return await self._send_to_lines(order, line, told)

    async def withdraw(
        self,
        order: str,
        actor: str,
        reason: str | None,
        line: int | None = None,
        *,
        request_id: str | None = None,
    ) -> tuple[LineResult, ...]:
        """Takes back the request for approval of one line, or of all whose approval is pending.

        Raises:
            Refusal: NOT_FOUND, NOT_PERMITTED, INVALID_INPUT, NOT_PENDING, PROCESS_ENDED or UNAVAILABLE.
        """
        view = await self._order(order)
        await self._authorise(actor, view, (Permission.ORDER,), wire.WITHDRAW, "withdraw")
        command = validated(Withdraw, {"actor": actor, "reason": reason})
        told = ToLines(wire.WITHDRAW, command, ApprovalStatus, request_id, Code.NOT_PENDING)
        results = await self._send_to_lines(order, line, told)
        pending = tuple(
            each for each in results if not (each.refused and each.refused.code is Code.NOT_PENDING)
        )
        if not pending:
            raise Refusal(Code.NOT_PENDING, f"order: no line of {order} has an approval pending")
        return pending

    async def cancel(
        self,
        order: str,
        actor: str,
        reason: str | None,
        line: int | None = None,
        *,
        request_id: str | None = None,
    ) -> tuple[LineResult, ...]:
        """Cancels an order before its lines have begun, afterwards one line or all that still can be.

        Raises:
            Refusal: NOT_FOUND, NOT_PERMITTED, INVALID_INPUT, POINT_OF_NO_RETURN, PROCESS_ENDED or
                UNAVAILABLE.
        """
        view = await self._order(order)
        await self._authorise(actor, view, (Permission.ORDER,), wire.CANCEL_ORDER, "cancel")
        command = validated(LineCommand, {"actor": actor, "reason": reason})
        if line is None and await self._cancel_whole(order, command, request_id):
            cancelled = LineState.CANCELLED
            return tuple(
                LineResult(line=each.number, process=each.process, state=cancelled)
                for each in await self._lines(order)
            )
        told = ToLines(wire.CANCEL_LINE, command, LineState, request_id, Code.NOT_PENDING)
        return await self._send_to_lines(order, line, told)

    # What stands behind

    async def _cancel_whole(self, order: str, command: LineCommand, request_id: str | None) -> bool:
        """Cancels the order as such; False if its lines have begun."""
        process = wire.order_id(order)
        try:
            await self._update(process, wire.CANCEL_ORDER, command, OrderState, request_id)
        except NotRunning:
            ended = await self._has_ended(process)
            raise await self._refused(process, wire.CANCEL_ORDER, command, ended) from None
        except Refusal as refusal:
            if refusal.code is not Code.LINES_STARTED:
                raise
            return False
        return True

    async def _send_to_lines(self, order: str, line: int | None, told: ToLines) -> tuple[LineResult, ...]:
        if line is not None:
            return (await self._send_to_line(order, line, told),)
        numbers = [each.number for each in await self._lines(order)]
        results = await asyncio.gather(*(self._try_line(order, number, told) for number in numbers))
        running = tuple(result for result in results if result is not None)
        if not running:
            refusal = await self._not_running(order, None, told.too_early)
            raise await self._refused(wire.order_id(order), told.name, told.command, refusal)
        return running

    async def _send_to_line(self, order: str, line: int, told: ToLines) -> LineResult:
        process = wire.line_id(order, line)
        try:
            return LineResult(line=line, process=process, state=await self._send(process, told))
        except NotRunning:
            refusal = await self._not_running(order, line, told.too_early)
            raise await self._refused(process, told.name, told.command, refusal) from None

    async def _try_line(self, order: str, line: int, told: ToLines) -> LineResult | None:
        process = wire.line_id(order, line)
        try:
            return LineResult(line=line, process=process, state=await self._send(process, told))
        except NotRunning:
            return None
        except Refusal as refusal:
            refused = Refused(code=refusal.code, message=refusal.message)
            return LineResult(line=line, process=process, refused=refused)

    async def _send(self, process: str, told: ToLines) -> StrEnum:
        return await self._update(process, told.name, told.command, told.answer, told.request_id)

    async def _not_running(self, order: str, line: int | None, too_early: Code) -> Refusal:
        """What to answer for lines that take no commands: ended, not begun, or never ordered."""
        if line is not None:
            if all(line != each.number for each in await self._lines(order)):
                return Refusal(Code.NOT_FOUND, f"line: order {order} has no line {line}")
            ended = await self._has_ended(wire.line_id(order, line))
            if ended.code is not Code.NOT_FOUND:
                return ended
        view = await self._order(order)
        if view.ended:
            return await self._has_ended(wire.order_id(order))
        return Refusal(
            too_early, f"order: the lines of {order} have not begun; it waits for {view.waiting_for}"
        )
