"""The provisioning contact of a line: mail it again, name another, hand over (provisioning.md L9-L11)."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from pydantic import BaseModel

from domain import wire
from domain.contact import ChangeContact, ContactState, HandOver, ResendMail
from domain.errors import Code, Refusal
from domain.line import LineProgress, LineState
from domain.links import LinkPurpose
from domain.orders import ContactGiven, LineCommand
from starter.contacts import read_contact
from starter.faults import NotRunning
from starter.files import validated
from starter.links import Links
from starter.orders import ANYBODY_INVOLVED, LineResult, Orders, Refused

T = TypeVar("T")

_ALSO_AFTER_MAPPING = frozenset({wire.SET_UP_LINE, wire.ASK_CUSTOMER, wire.RETRY_LINE})
"""Commands to which the point of no return is no obstacle, so that only the line's end is."""


class ContactResult(LineResult):
    """What a change of contact came to at one line.

    Attributes:
        contact: How the line's contact stands now; None if the line refused.
    """

    contact: ContactState | None = None


class Fulfilment(Orders, Links):
    """Commands about provisioning contacts, by people of the directory and by whoever holds a link.

    All of them work on closed lines too, and none after the point of no return.
    """

    async def resend_mail(
        self,
        order: str,
        line: int,
        actor: str,
        reason: str | None = None,
        *,
        request_id: str | None = None,
    ) -> ContactState:
        """Sends the provisioning mail to the same contact again.

        Raises:
            Refusal: NOT_FOUND, NOT_PERMITTED, NOT_ALLOWED if the offer has no contact, NOT_YET_SENT,
                TOO_OFTEN, POINT_OF_NO_RETURN, NOT_PENDING before the line has begun, PROCESS_ENDED or
                UNAVAILABLE.
        """
        await self._authorise_for(order, actor, wire.RESEND_MAIL, "have its mail sent again")
        command = validated(ResendMail, {"actor": actor, "reason": reason})
        return await self._tell_line(
            order, line, wire.RESEND_MAIL, command, ContactState, request_id=request_id
        )

    async def change_contact(
        self,
        order: str,
        contact: ContactGiven,
        actor: str,
        line: int | None = None,
        reason: str | None = None,
        *,
        request_id: str | None = None,
    ) -> tuple[ContactResult, ...]:
        """Asks somebody else to complete one line, or every line that still can be.

        Raises:
            Refusal: INVALID_INPUT for what is no single address, DUPLICATE for the present contact, otherwise
                as `resend_mail`; for all lines only if none of them has a contact, or all have ended.
        """
        await self._authorise_for(order, actor, wire.CHANGE_CONTACT, "change its contact")
        wanted = read_contact(contact, "contact")
        command = validated(ChangeContact, {"actor": actor, "contact": wanted, "reason": reason})
        if line is not None:
            return (await self._change_at(order, line, command, request_id),)
        numbers = [each.number for each in await self._lines(order)]
        answers = await asyncio.gather(
            *(self._try_change_at(order, number, command, request_id) for number in numbers)
        )
        running = [each for each in answers if not each.was_refused_as(Code.PROCESS_ENDED)]
        if not running:
            raise await self._not_running(order, None, Code.NOT_PENDING)
        concerned = tuple(each for each in running if not each.was_refused_as(Code.NOT_ALLOWED))
        if not concerned:
            raise Refusal(Code.NOT_ALLOWED, f"order: no line of {order} has a provisioning contact")
        return concerned

    async def retry(
        self,
        order: str,
        line: int,
        actor: str,
        reason: str | None = None,
        *,
        request_id: str | None = None,
    ) -> LineState:
        """Has what a backend refused tried again, by whoever operates the provider (L23).

        Raises:
            Refusal: NOT_FOUND, NOT_PERMITTED, NOT_PENDING if nothing was refused, PROCESS_ENDED or
                UNAVAILABLE.
        """
        view = await self._order(order)
        await self._authorise(actor, view, (), wire.RETRY_LINE, "have a step tried again")
        command = validated(LineCommand, {"actor": actor, "reason": reason})
        return await self._tell_line(order, line, wire.RETRY_LINE, command, LineState, request_id=request_id)

    async def hand_over(
        self,
        token: str,
        contact: ContactGiven,
        reason: str | None = None,
        *,
        request_id: str | None = None,
    ) -> ContactState:
        """Lets the contact behind a link name somebody else; the link is dead afterwards.

        Raises:
            Refusal: LINK_INVALID, LINK_EXPIRED, LINK_REVOKED, INVALID_INPUT, DUPLICATE, TOO_OFTEN,
                POINT_OF_NO_RETURN, PROCESS_ENDED or UNAVAILABLE.
        """
        claims = self.redeem(token, LinkPurpose.PROVISION)
        wanted = read_contact(contact, "contact")
        command = validated(HandOver, {"generation": claims.generation, "contact": wanted, "reason": reason})
        return await self._tell(claims.process, wire.HAND_OVER, command, ContactState, request_id=request_id)

    # What stands behind

    async def _authorise_for(self, order: str, actor: str, name: str, what: str) -> None:
        view = await self._order(order)
        await self._authorise(actor, view, ANYBODY_INVOLVED, name, what)

    async def _change_at(
        self, order: str, line: int, command: ChangeContact, request_id: str | None
    ) -> ContactResult:
        process = wire.line_id(order, line)
        state = await self._tell_line(
            order, line, wire.CHANGE_CONTACT, command, ContactState, request_id=request_id
        )
        return ContactResult(line=line, process=process, contact=state)

    async def _try_change_at(
        self, order: str, line: int, command: ChangeContact, request_id: str | None
    ) -> ContactResult:
        try:
            return await self._change_at(order, line, command, request_id)
        except Refusal as refusal:
            refused = Refused(code=refusal.code, message=refusal.message)
            return ContactResult(line=line, process=wire.line_id(order, line), refused=refused)

    async def _tell_line(
        self, order: str, line: int, name: str, command: BaseModel, answer: type[T], *, request_id: str | None
    ) -> T:
        """Sends an update to a line that may not have begun, or may have ended."""
        process = wire.line_id(order, line)
        try:
            return await self._update(process, name, command, answer, request_id)
        except NotRunning:
            refusal = await self._not_running(order, line, Code.NOT_PENDING)
        if refusal.code is Code.PROCESS_ENDED:
            refusal = await self._over(process, name)
        raise await self._refused(process, name, command, refusal)

    async def _tell(
        self, process: str, name: str, command: BaseModel, answer: type[T], *, request_id: str | None
    ) -> T:
        """Sends an update to a line that had begun, as links of it are about."""
        try:
            return await self._update(process, name, command, answer, request_id)
        except NotRunning:
            raise await self._refused(process, name, command, await self._over(process, name)) from None

    async def _over(self, process: str, name: str) -> Refusal:
        """What a line answers that has ended; a bound one points to the portal, as if its run were there."""
        ended = await self._has_ended(process)
        if ended.code is not Code.PROCESS_ENDED or name in _ALSO_AFTER_MAPPING:
            return ended
        view = await self._view(process)
        if view.contact is None or view.ponr_at is None:
            return ended
        progress = LineProgress(LineState(view.state))
        progress.ponr_at = view.ponr_at
        try:
            progress.check_contact()
        except Refusal as bound:
            return bound
        return ended
