"""Where the lines of random traces run: without a server, or on the real one with a clock of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError

from domain import wire
from domain.checks import CheckOrder, CheckReport, RecordsSeen, WatchRecords
from domain.contact import DeliverMail, MailDelivery
from domain.dns.verdicts import Overall
from domain.lookups import FoundOrganisation, LookedUp, LookUp
from domain.orders import Line, OrderLine
from domain.organisations import OrganisationKind
from domain.provisioning import Provisioned, ProvisionService, Removed, RemoveService
from domain.transitions import Announced, Announcement, ProcessView, Transition
from tests.workflows.backend import Backend, Fault, refuses
from tests.workflows.conftest import Scene
from tests.workflows.offline import Fake, NotYet, OfflineRun
from tests.workflows.world import PEOPLE, context, seen
from workflows.line import OrderLineWorkflow

ORDER = "offline"
ORGANISATIONS = {
    each: FoundOrganisation(kind=OrganisationKind(each), name=each.title())
    for each in ("provider", "partner", "customer")
}

FAULTS: dict[str, dict[str, Fault]] = {"work": {}, "refuse": {"site": refuses, "service": refuses}}
"""What a server's backends do; one that is away would have to be waited for."""


class OfflineLine:
    """A line without a server: nothing here ever waits, whatever is declared to."""

    def __init__(self, line: Line, start: datetime, now: datetime, backend: str) -> None:
        self.steps: list[Transition] = []
        self.reserved: set[str] = set()
        self._backend, self._records = backend, Overall.PENDING
        self._run = OfflineRun(
            OrderLineWorkflow,
            OrderLine(context=context(ORDER, at=now, start=start), line=line, checked_at=now),
            name=wire.line_id(ORDER, line.number),
            now=now,
            activities={
                wire.ANNOUNCE: Fake(Announcement, self._announce),
                wire.LOOK_UP: Fake(LookUp, self._look_up),
                wire.CHECK: Fake(CheckOrder, lambda asked: CheckReport(id="c", at=asked.at)),
                wire.WATCH_CHECK: Fake(CheckOrder, _never),
                wire.WATCH_RECORDS: Fake(WatchRecords, self._watch),
                wire.SEE_RECORDS: Fake(WatchRecords, self._seen),
                wire.PROVISION: Fake(ProvisionService, self._provision),
                wire.DEPROVISION: Fake(RemoveService, self._remove),
                wire.DELIVER: Fake(DeliverMail, self._deliver),
            },
        )

    async def now(self) -> datetime:
        return self._run.now

    async def update(self, name: str, command: dict[str, Any]) -> str | None:
        return self._run.update(name, command)

    async def pass_until(self, moment: datetime) -> None:
        self._run.pass_until(moment)

    async def backends_are(self, how: str) -> None:
        self._backend = how
        self._run.world_has_changed()

    async def records_appear(self) -> None:
        self._records = Overall.VERIFIED
        self._run.world_has_changed()

    async def settles(self, how: Callable[[], Awaitable[bool]]) -> None:
        pass

    async def view(self) -> ProcessView:
        return self._run.query(wire.VIEW, ProcessView)

    # The world

    def _announce(self, told: Announcement) -> Announced:
        self.steps += told.transitions
        return Announced(roster=tuple(PEOPLE.values())[:2] if told.seat else None)

    def _look_up(self, question: LookUp) -> LookedUp:
        return LookedUp(
            person=PEOPLE.get(question.person or ""),
            person_may_approve=True,
            is_operator=question.operator == "otto",
            organisations={key: ORGANISATIONS[key] for key in question.organisations},
        )

    def _seen(self, watch: WatchRecords) -> RecordsSeen:
        return seen(self._records, at=watch.at)

    def _watch(self, watch: WatchRecords) -> RecordsSeen:
        found = self._seen(watch)
        if found.digest == watch.known:
            raise NotYet
        return found

    def _provision(self, request: ProvisionService) -> Provisioned:
        if self._backend == "are away":
            raise NotYet
        if self._backend == "refuse":
            refuses(1)
        self.reserved.add(request.order.service)
        return Provisioned(reference="ref")

    def _remove(self, request: RemoveService) -> Removed:
        was_there = request.order.service in self.reserved
        self.reserved.discard(request.order.service)
        return Removed(was_there=was_there)

    def _deliver(self, request: DeliverMail) -> MailDelivery:
        step = next(each for each in self.steps if each.seq == request.seq)
        to = next(each.audience.contact for each in step.notices if each.awaited)
        assert to is not None
        if to.email.startswith("slow"):
            raise NotYet
        if to.email.startswith("gone"):
            return MailDelivery(accepted=False, reason="550 5.1.1 no such mailbox")
        return MailDelivery(accepted=True)


def _never(_: CheckOrder) -> CheckReport:
    raise NotYet


class ServerLine:
    """A line on the real server, in a world of its own."""

    def __init__(self, scene: Scene, run: WorkflowHandle[object, object], backend: Backend) -> None:
        self._scene, self._run, self._backend = scene, run, backend

    async def now(self) -> datetime:
        return await self._scene.time.now(self._run.id)

    async def update(self, name: str, command: dict[str, Any]) -> str | None:
        try:
            await self._run.execute_update(name, command)
        except WorkflowUpdateFailedError as error:
            return str(getattr(error.cause, "type", error.cause))
        return None

    async def pass_until(self, moment: datetime) -> None:
        await self._scene.time.skip_until(self._run.id, moment)

    async def backends_are(self, how: str) -> None:
        self._backend.faults = FAULTS[how]

    async def records_appear(self) -> None:
        self._scene.world.records = lambda _watch, _attempt: seen(Overall.VERIFIED)

    async def settles(self, how: Callable[[], Awaitable[bool]]) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(20):
                while not await how():
                    await asyncio.sleep(0.01)

    async def view(self) -> ProcessView:
        return await self._run.query(wire.VIEW, result_type=ProcessView)

    @property
    def steps(self) -> list[Transition]:
        return sorted(self._scene.world.announced.get(self._run.id, []), key=lambda step: step.seq)

    @property
    def reserved(self) -> set[str]:
        order = self._run.id.split("-")[1]
        return {service for service in self._backend.there if service.startswith(order)}
