"""What people look at: orders with their timelines (SPEC 8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from domain import wire
from domain.checks import CheckReport
from domain.dns.verdicts import Report
from domain.next_step import next_step
from domain.transitions import ProcessKind, ProcessView
from starter.gateway import Gateway
from storage import directory, processes, reports
from storage.processes import ProcessEntry, TimelineEntry


@dataclass(frozen=True, slots=True)
class OrderStatus:
    """An order with everything that happened to it.

    Attributes:
        lines: The lines that have begun, by number.
        timeline: Every step of the order and its lines, oldest first.
        next_steps: By process of a line: the command that takes it further, where one does.
        organisations: Names by key of those that the order and its lines are for, and who order.
    """

    order: str
    process: str
    view: ProcessView
    lines: tuple[ProcessEntry, ...]
    timeline: tuple[TimelineEntry, ...]
    next_steps: dict[str, str]
    organisations: dict[str, str]

    @property
    def remarks(self) -> Mapping[str, str]:
        """What the partner gave along, as the first step of the order has it (`OrderContext.remarks`)."""
        return next((step.data for step in self.timeline if step.action == "order.submitted"), {})

    @property
    def requested_start(self) -> datetime | None:
        """When provisioning may begin at the earliest, in UTC; None for at once (RSD)."""
        given = self.remarks.get("requested_start")
        return datetime.fromisoformat(given) if given else None


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
            timeline = await processes.timeline(session, order=order)
            views = (view, *(line.view for line in lines))
            keys = sorted(frozenset[str]().union(*(each.parties.everybody for each in views)))
            named = await directory.organisations(session, keys)
        return OrderStatus(
            order=order,
            process=wire.order_id(order),
            view=view,
            lines=tuple(sorted(lines, key=lambda line: line.view.line or 0)),
            timeline=timeline,
            next_steps={line.id: step for line in lines if (step := next_step(line.view)) is not None},
            organisations={each.key: each.name for each in named},
        )

    async def view(self, process: str) -> ProcessView:
        """Where one process stands.

        Raises:
            Refusal: NOT_FOUND or UNAVAILABLE.
        """
        async with self._reading() as session:
            return await processes.get_view(session, process)

    async def report(self, key: str) -> CheckReport | Report:
        """What a check of domain and services found, or what was seen in DNS: the evidence of a step.

        Raises:
            Refusal: NOT_FOUND or UNAVAILABLE.
        """
        async with self._reading() as session:
            return await reports.report(session, key)

    async def orders(
        self, organisation: str | None = None, *, ended: bool | None = None, limit: int = 100
    ) -> tuple[ProcessEntry, ...]:
        """Orders, the last changed first.

        Args:
            organisation: Only where it is partner or customer, of the order or of a line that was mapped.
            ended: Only those that have ended, or only those that have not.
            limit: At most so many.
        """
        async with self._reading() as session:
            return await processes.list_processes(
                session, kind=ProcessKind.ORDER, organisation=organisation, ended=ended, limit=limit
            )
