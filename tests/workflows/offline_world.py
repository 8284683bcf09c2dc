"""What runs without a server ask the world, and what it answers at once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from domain import wire
from domain.checks import CheckOrder, CheckReport, Finding, RecordsSeen, WatchRecords
from domain.contact import DeliverMail, MailDelivery
from domain.dns.verdicts import Overall
from domain.lookups import FoundOrganisation, LookedUp, LookUp
from domain.orders import Line, Order, OrderLine
from domain.organisations import OrganisationKind
from domain.provisioning import Provisioned, ProvisionService, Removed, RemoveService
from domain.transitions import Announced, Announcement, Transition
from tests.workflows.backend import refuses
from tests.workflows.offline import Fake, NotYet, OfflineRun
from tests.workflows.world import PEOPLE, context, seen
from workflows.line import OrderLineWorkflow
from workflows.order import OrderWorkflow

ORDER = "offline"
ORGANISATIONS = {
    each: FoundOrganisation(kind=OrganisationKind(each), name=each.title())
    for each in ("provider", "partner", "customer")
}


class OfflineWorld:
    """One run's world; whoever changes it tells the run (`OfflineRun.world_has_changed`).

    Attributes:
        steps: What the run has announced.
        reserved: What backends hold for it.
        backend: Whether backends "work", "refuse", or "are away".
        records: What looking at the DNS finds.
        findings: What checking domain and services finds.
    """

    def __init__(self, backend: str = "work") -> None:
        self.steps: list[Transition] = []
        self.reserved: set[str] = set()
        self.backend, self.records = backend, Overall.PENDING
        self.findings: tuple[Finding, ...] = ()

    @property
    def activities(self) -> Mapping[str, Fake]:
        """What stands in for every activity."""
        return {
            wire.ANNOUNCE: Fake(Announcement, self._announce),
            wire.LOOK_UP: Fake(LookUp, self._look_up),
            wire.CHECK: Fake(CheckOrder, self._check),
            wire.WATCH_CHECK: Fake(CheckOrder, self._watch_check),
            wire.WATCH_RECORDS: Fake(WatchRecords, self._watch),
            wire.SEE_RECORDS: Fake(WatchRecords, self._see),
            wire.PROVISION: Fake(ProvisionService, self._provision),
            wire.DEPROVISION: Fake(RemoveService, self._remove),
            wire.DELIVER: Fake(DeliverMail, self._deliver),
        }

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

    def _check(self, asked: CheckOrder) -> CheckReport:
        return CheckReport(id="c", at=asked.at, findings=self.findings)

    def _watch_check(self, asked: CheckOrder) -> CheckReport:
        report = self._check(asked)
        if report.digest == asked.known:
            raise NotYet
        return report

    def _see(self, watch: WatchRecords) -> RecordsSeen:
        return seen(self.records, at=watch.at)

    def _watch(self, watch: WatchRecords) -> RecordsSeen:
        found = self._see(watch)
        if found.digest == watch.known:
            raise NotYet
        return found

    def _provision(self, request: ProvisionService) -> Provisioned:
        if self.backend == "are away":
            raise NotYet
        if self.backend == "refuse":
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


def run_offline(world: OfflineWorld, line: Line, start: datetime, now: datetime) -> OfflineRun:
    """A line's run."""
    return OfflineRun(
        OrderLineWorkflow,
        OrderLine(context=context(ORDER, at=now, start=start), line=line, checked_at=now),
        name=wire.line_id(ORDER, line.number),
        now=now,
        activities=world.activities,
    )


def order_offline(world: OfflineWorld, *lines: Line, now: datetime) -> OfflineRun:
    """An order's run, until its lines would begin."""
    return OfflineRun(
        OrderWorkflow,
        Order(context=context(ORDER, at=now), lines=lines),
        name=wire.order_id(ORDER),
        now=now,
        activities=world.activities,
    )
