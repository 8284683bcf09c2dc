"""What people look at: orders with their timelines, and the archive of mails (SPEC 8, 6.4)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncSession

from domain import wire
from domain.transitions import ProcessKind, ProcessView
from domain.views import names
from starter.gateway import Gateway
from storage import mails, processes
from storage.mails import Mail
from storage.processes import ProcessEntry, TimelineEntry


@dataclass(frozen=True, slots=True)
class OrderStatus:
    """An order with everything that happened to it.

    Attributes:
        lines: The lines that have begun, by number.
        timeline: Every step of the order and its lines, oldest first.
    """

    order: str
    process: str
    view: ProcessView
    lines: tuple[ProcessEntry, ...]
    timeline: tuple[TimelineEntry, ...]


class Reading(Gateway):
    """Lists and details, all from the projection."""

    async def show(self, order: str) -> OrderStatus:
        """An order: where it and its lines stand, who is waited for, until when, what then, and its timeline.

        Raises:
            Refusal: NOT_FOUND or UNAVAILABLE.
        """
        view = await self._order(order)
        async with self._reading() as session:
            lines = await processes.list_processes(session, kind=ProcessKind.ORDER_LINE, order=order)
            lines = tuple([await _with_roster(session, line) for line in lines])
            timeline = await processes.timeline(session, order=order)
        return OrderStatus(
            order=order,
            process=wire.order_id(order),
            view=view,
            lines=tuple(sorted(lines, key=lambda line: line.view.line or 0)),
            timeline=timeline,
        )

    async def view(self, process: str) -> ProcessView:
        """Where one process stands.

        Raises:
            Refusal: NOT_FOUND or UNAVAILABLE.
        """
        async with self._reading() as session:
            return await processes.get_view(session, process)

    async def orders(
        self, organisation: str | None = None, *, ended: bool | None = None, limit: int = 100
    ) -> tuple[ProcessEntry, ...]:
        """Orders, the last changed first.

        Args:
            organisation: Only where it is partner or customer.
            ended: Only those that have ended, or only those that have not.
            limit: At most so many.
        """
        async with self._reading() as session:
            return await processes.list_processes(
                session, kind=ProcessKind.ORDER, organisation=organisation, ended=ended, limit=limit
            )

    async def mails(
        self,
        *,
        order: str | None = None,
        process: str | None = None,
        recipient: str | None = None,
        limit: int = 100,
    ) -> tuple[Mail, ...]:
        """The archive of mails, newest first.

        Args:
            order: Of this order and its lines.
            process: Of this process.
            recipient: To this address.
            limit: At most so many.
        """
        async with self._reading() as session:
            return await mails.list_mails(
                session, order=order, process=process, recipient=recipient, limit=limit
            )

    async def mail(self, key: str) -> Mail:
        """One mail.

        Raises:
            Refusal: NOT_FOUND or UNAVAILABLE.
        """
        async with self._reading() as session:
            return await mails.get_mail(session, key)


async def _with_roster(session: AsyncSession, line: ProcessEntry) -> ProcessEntry:
    """The line with the people its open stage asks.

    A transition that opens a stage is announced before anybody knows its roster; that comes back with the
    answer and is in the projection, but not in the view which the transition brought along.
    """
    approval = line.view.approval
    if line.view.ended or approval is None or approval.roster is not None:
        return line
    stages = await processes.approvals_of(session, line.id)
    stage = next((each for each in stages if each.is_open and each.roster), None)
    if stage is None or stage.roster is None:
        return line
    waiting_for = f"{stage.stage_title}: {names(stage.roster)}"
    known = approval.model_copy(update={"roster": stage.roster})
    return replace(line, view=line.view.model_copy(update={"approval": known, "waiting_for": waiting_for}))
