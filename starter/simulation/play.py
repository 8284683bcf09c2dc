"""Plays a script against the one run of a simulation, jumping from event to event."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.decisions import ApprovalStatus
from domain.definitions import LONGEST
from domain.errors import Refusal
from domain.line import LineState
from domain.transitions import OpenApproval, ProcessView
from starter.simulation.commands import PROCESS, Commands
from starter.simulation.record import Record
from starter.simulation.script import Condition, Step, When
from starter.simulation.site import LOOK_EVERY_S, Site
from storage import processes
from storage.processes import TimelineEntry

_EVENTS: dict[str, When] = {
    "approval.answer": When.ANSWERED,
    "approval.reminded": When.REMINDED,
    "approval.escalated": When.ESCALATED,
    "approval.escalate": When.ESCALATED,
    "approval.held": When.HELD,
}
"""What only the timeline tells; all other events are read off the view."""


@dataclass
class _Planned:
    """A step of the script that has not been done.

    Attributes:
        number: Its place in the script, from 1.
        due: When it is done; None until its event has come.
    """

    number: int
    step: Step
    due: datetime | None = None


class Play:
    """One simulation under way.

    Args:
        site: Where the line has been started.
        script: What is done to it.

    Attributes:
        record: What has happened.
    """

    def __init__(self, site: Site, script: Sequence[Step]) -> None:
        self.record = Record()
        self._site = site
        self._commands = Commands(site)
        self._planned = [_Planned(number, step) for number, step in enumerate(script, start=1)]
        self._events: set[tuple[str, int, When]] = set()

    async def to_the_end(self) -> ProcessView:
        """Plays until the approval has ended, however long nobody does anything.

        Returns:
            How the line stands then.

        Raises:
            TimeoutError: The stack does not go on.
        """
        view = await self._look()
        for each in self._planned:
            if each.step.at is not None:
                each.due = self.record.started_at + each.step.at
        while view.state == LineState.AWAITING_APPROVAL:
            await self._go_on(view)
            view = await self._look()
        return view

    async def try_the_rest(self) -> tuple[Step, ...]:
        """Does what comes too late, and returns the steps whose event never came."""
        for late in sorted((each for each in self._planned if each.due is not None), key=_by_time):
            await self._do(late)
        return tuple(each.step for each in self._planned)

    async def _go_on(self, view: ProcessView) -> None:
        if view.approval is None or view.approval.status is not ApprovalStatus.PENDING:
            # Between two stages, or on its way out of the last: neither waits for the clock.
            await asyncio.sleep(LOOK_EVERY_S)
            return
        now = await self._site.time.now(PROCESS)
        due = [each for each in self._planned if each.due is not None and each.due <= now]
        if due:
            await self._do(min(due, key=_by_time))
            return
        moment = min((each.due for each in self._planned if each.due is not None), default=now + 2 * LONGEST)
        reached = await self._site.time.step(PROCESS, moment)
        await self._site.worked_off(PROCESS, moved=not reached)

    async def _do(self, planned: _Planned) -> None:
        """Does one step and takes down what it was answered."""
        self._planned.remove(planned)
        before, refusal = len(self.record.steps), None
        try:
            await self._commands.give(planned.step)
        except Refusal as said:
            refusal = said
        await self._look()
        at = max(planned.due or self.record.latest, self.record.latest)
        self.record.take_answer(planned.number, planned.step, refusal, before=before, at=at)

    # Looking

    async def _look(self) -> ProcessView:
        """Takes down what has happened, and finds the steps whose event that was."""
        await self._site.worked_off(PROCESS)
        async with self._site.database.reading() as session:
            view = await processes.get_view(session, PROCESS)
            timeline = await processes.timeline(session, process=PROCESS)
        self._events.update(_events(self.record.take_down(timeline, view)))
        for each in self._planned:
            when = each.step.when
            if when is not None and each.due is None and self._has_come(when, each.step, view.approval):
                each.due = self.record.latest + each.step.after
        return view

    def _has_come(self, when: When, step: Step, approval: OpenApproval | None) -> bool:
        if approval is None or approval.status is not ApprovalStatus.PENDING:
            return False
        if step.stage not in {None, approval.stage} or step.round not in {None, approval.round}:
            return False
        who = None if isinstance(step, Condition) else step.who
        match when:
            case When.OPENED:
                return True
            case When.ASKED:
                seats = {seat.key for seat in approval.roster or ()}
                return who in seats - set(approval.decided) and not approval.asked
            case When.QUESTIONED:
                return who in {person.key for person in approval.asked}
            case _:
                return (approval.stage, approval.round, when) in self._events


def _events(entries: Iterable[TimelineEntry]) -> Iterable[tuple[str, int, When]]:
    for entry in entries:
        when = _EVENTS.get(entry.action)
        if when is not None and entry.accepted:
            yield entry.data["stage"], int(entry.data["round"]), when


def _by_time(planned: _Planned) -> tuple[datetime, int]:
    assert planned.due is not None
    return planned.due, planned.number
