"""A world of fakes around the real workflows: what activities would see and answer, in memory.

The activities are registered under their wire names, so the workflows under test, the server, the worker
and the virtual clock are the real ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.worker import Worker

from domain import wire
from domain.base import Message
from domain.checks import CheckOrder, CheckReport, Claim, Finding, RecordsSeen, WatchRecords
from domain.contact import DeliverMail, MailDelivery
from domain.decisions import Approver
from domain.definitions import ApprovalDefinition, Approvers, Stage, content_hash
from domain.dns.names import DomainName
from domain.dns.polling import poll_delay
from domain.dns.requirements import RequirementTemplate, Rule
from domain.dns.verdicts import Overall
from domain.external import AwaitCondition, ConditionMet, ConditionState
from domain.lookups import FoundOrganisation, LookedUp, LookUp
from domain.mail import RecordFact, Template
from domain.offers import Deployment, Offer
from domain.orders import Line, OrderContext, OrderLine
from domain.organisations import OrganisationKind, Parties
from domain.provisioning import Provisioned, ProvisionService, Removed, RemoveService
from domain.transitions import Announced, Announcement, Transition
from workflows.registry import INTERCEPTORS, WORKFLOWS, workflow_runner
from workflows.sandbox import Sandbox

PARTIES = Parties(provider="provider", partner="partner", customer="customer")
PEOPLE = {key: Approver(key=key, name=key.title()) for key in ("ann", "bob", "cleo", "dora", "emma", "otto")}
TOKEN = "t" * 32
OWNERSHIP = RequirementTemplate(
    id="ownership",
    purpose="proves that the domain is yours",
    owner="_countersign-challenge.{domain}",
    rule=Rule.TXT_TOKEN,
    rrtype="TXT",
    expected="token={token} expiry=never",
)


@dataclass(frozen=True)
class Guard(Sandbox):
    """The sandbox that imports the workflows anew for every run, and for runs alone.

    The SDK tries each type once more whenever a worker starts; with a worker for every test that took longer
    than the tests.
    """

    def prepare_workflow(self, defn: object) -> None:
        """Leaves it to the runs."""


GUARDED = Guard(restrictions=workflow_runner(guarded=True).restrictions)


def stage(name: str = "sales", people: tuple[str, ...] = ("ann", "bob"), **more: object) -> Stage:
    """A stage that asks named people."""
    return Stage.model_validate(
        {"name": name, "title": name.title(), "approvers": Approvers(people=people)} | more
    )


def definition(*stages: Stage) -> ApprovalDefinition:
    """A definition of these stages, or of one that anybody of two may decide."""
    return ApprovalDefinition(name="standard", version=1, title="Standard", stages=stages or (stage(),))


def offer(**more: object) -> Offer:
    """An offer that is provisioned once ownership is proven, deployed at once."""
    base: dict[str, object] = {
        "name": "sign",
        "version": 1,
        "title": "Sign",
        "deployment": Deployment.AT_ONCE,
        "records": (OWNERSHIP,),
    }
    return Offer.model_validate(base | more)


def line(number: int = 1, approval: ApprovalDefinition | None = None, **more: object) -> Line:
    """A line for such an offer."""
    wanted = offer(**more)
    return Line(
        number=number,
        offer=wanted,
        offer_hash=content_hash(wanted),
        approval=approval,
        approval_hash=content_hash(approval) if approval else None,
    )


def context(order: str, *, at: datetime | None = None, start: datetime | None = None) -> OrderContext:
    """An order by dora for one domain."""
    return OrderContext(
        id=order,
        parties=PARTIES,
        requested_by="dora",
        requested_by_name="Dora",
        customer_name="Customer Ltd",
        submitted_at=at or datetime.now(UTC),
        domain=DomainName(key="contoso.test", display="contoso.test"),
        token=TOKEN,
        requested_start=start,
    )


def seen(state: Overall, **more: object) -> RecordsSeen:
    """A look at the records."""
    missing = (
        RecordFact(
            owner="_countersign-challenge.contoso.test",
            relative_owner="_countersign-challenge",
            rrtype="TXT",
            value="token",
            verdict="MISSING",
        ),
    )
    base: dict[str, object] = {
        "report": "r1",
        "at": datetime.now(UTC),
        "state": state,
        "digest": f"ownership={state}",
        "open": () if state is Overall.VERIFIED else missing,
        "claim": Claim.HELD if state is Overall.VERIFIED else Claim.OPEN,
        "summary": f"ownership {state}",
    }
    return RecordsSeen.model_validate(base | more)


@dataclass
class World:
    """What the fakes answer, and what they were told."""

    announced: dict[str, list[Transition]] = field(default_factory=dict)
    roster: tuple[Approver, ...] = tuple(PEOPLE.values())[:2]
    revoked: set[str] = field(default_factory=set)
    operators: set[str] = field(default_factory=lambda: {"otto"})
    database_down: bool = False
    findings: tuple[Finding, ...] = ()
    checks: int = 0
    records: Callable[[WatchRecords, int], RecordsSeen] = lambda _watch, _attempt: seen(Overall.VERIFIED)
    looks: int = 0
    provision: Callable[[ProvisionService], Provisioned] = lambda _order: Provisioned(reference="ref")
    provisioned: list[ProvisionService] = field(default_factory=list)
    condition: ConditionState = ConditionState.NOT_YET
    remove: Callable[[RemoveService], Removed] | None = None
    removed: list[RemoveService] = field(default_factory=list)
    post: Callable[[str], MailDelivery | None] = lambda _address: None
    delivered: list[str] = field(default_factory=list)
    organisations: dict[str, FoundOrganisation] = field(
        default_factory=lambda: {
            each: FoundOrganisation(kind=OrganisationKind(each), name=each.title())
            for each in ("provider", "partner", "customer")
        }
    )
    asked: dict[str, list[tuple[str, Message]]] = field(default_factory=dict)

    # Activities

    @activity.defn(name=wire.ANNOUNCE)
    async def announce(self, announcement: Announcement) -> Announced:
        """Remembers the transitions and seats the roster."""
        self._ask(announcement)
        if self.database_down:
            raise ConnectionError("the database is away")
        asked = announcement.authorise
        if asked is not None and not self.revoked.isdisjoint({asked.actor, asked.delegate}):
            return Announced(authorised=False)
        for transition in announcement.transitions:
            known = self.announced.setdefault(transition.process, [])
            if all(each.seq != transition.seq for each in known):
                known.append(transition)
        return Announced(roster=self.roster if announcement.seat else None)

    @activity.defn(name=wire.LOOK_UP)
    async def look_up(self, question: LookUp) -> LookedUp:
        """Knows `PEOPLE`, all of whom may approve unless revoked; roles stand for the roster."""
        self._ask(question)
        if self.database_down:
            raise ConnectionError("the database is away")
        wish, wanted = question.authorise, question.roster
        named = [PEOPLE[key] for key in (wanted.people if wanted else ()) if key not in self.revoked]
        roster = tuple(named) if wanted and not (wanted.role or wanted.permission) else self.roster
        return LookedUp(
            authorised=wish is None or self.revoked.isdisjoint({wish.actor, wish.delegate}),
            person=PEOPLE.get(question.person or ""),
            person_may_approve=question.person not in self.revoked,
            is_operator=question.operator in self.operators,
            roster=roster if wanted else None,
            organisations={
                key: self.organisations[key] for key in question.organisations if key in self.organisations
            },
        )

    @activity.defn(name=wire.CHECK)
    async def check(self, request: CheckOrder) -> CheckReport:
        """Answers with the findings of the moment."""
        self._ask(request)
        self.checks += 1
        return CheckReport(id=f"c{self.checks}", at=request.at, findings=self.findings)

    @activity.defn(name=wire.WATCH_CHECK)
    async def watch_check(self, request: CheckOrder) -> CheckReport:
        """Answers once the findings differ from the known ones."""
        self._ask(request)
        self.checks += 1
        report = CheckReport(id=f"c{self.checks}", at=request.at, findings=self.findings)
        if activity.info().attempt == 1 or report.digest == request.known:
            raise later(timedelta(hours=24))
        return report

    @activity.defn(name=wire.WATCH_RECORDS)
    async def watch_records(self, watch: WatchRecords) -> RecordsSeen:
        """Polls by the real plan until what is seen differs from what is known."""
        self._ask(watch)
        self.looks += 1
        info = activity.info()
        found = self.records(watch, info.attempt)
        if watch.known is not None and (found.digest == watch.known or found.state is Overall.UNKNOWN):
            raise later(poll_delay(info.started_time - info.scheduled_time, watch.closes_after))
        return found

    @activity.defn(name=wire.SEE_RECORDS)
    async def look(self, watch: WatchRecords) -> RecordsSeen:
        """Looks once."""
        self._ask(watch)
        self.looks += 1
        attempt = activity.info().attempt
        found = self.records(watch, attempt)
        if found.state is Overall.UNKNOWN and attempt <= watch.patience:
            raise later(timedelta(hours=1))
        return found

    @activity.defn(name=wire.PROVISION)
    async def provision_service(self, order: ProvisionService) -> Provisioned:
        """Provisions."""
        self._ask(order)
        self.provisioned.append(order)
        return self.provision(order)

    @activity.defn(name=wire.DELIVER)
    async def deliver(self, request: DeliverMail) -> MailDelivery:
        """Hands over a process's own mail; what becomes of it follows from the address."""
        self._ask(request)
        step = next(each for each in self.announced[request.process] if each.seq == request.seq)
        to = next(each.audience.contact for each in step.notices if each.awaited)
        assert to is not None
        answer = self.post(to.email)
        if answer is not None:
            return answer
        if to.email.startswith("slow"):
            raise later(timedelta(hours=1))
        if to.email.startswith("gone"):
            return MailDelivery(accepted=False, reason="550 5.1.1 no such mailbox")
        self.delivered.append(to.email)
        return MailDelivery(accepted=True)

    @activity.defn(name=wire.DEPROVISION)
    async def deprovision_service(self, order: RemoveService) -> Removed:
        """Removes what was provisioned."""
        self._ask(order)
        self.removed.append(order)
        if self.remove is not None:
            return self.remove(order)
        was_there = any(each.order.service == order.order.service for each in self.provisioned)
        return Removed(was_there=was_there)

    @activity.defn(name=wire.APPROVAL_AWAIT_CONDITION)
    async def await_condition(self, question: AwaitCondition) -> ConditionMet:
        """Answers once the condition is settled one way or the other."""
        self._ask(question)
        if self.condition is ConditionState.NOT_YET:
            raise later(timedelta(hours=1))
        return ConditionMet(answer=self.condition, message="says the outside system")

    def _ask(self, request: Message) -> None:
        info = activity.info()
        if info.attempt == 1:
            self.asked.setdefault(info.workflow_id or "", []).append((info.activity_type, request))

    @property
    def activities(self) -> list[Callable[..., object]]:
        """Everything to register with a worker."""
        return [
            self.announce,
            self.look_up,
            self.check,
            self.watch_check,
            self.watch_records,
            self.look,
            self.provision_service,
            self.deprovision_service,
            self.deliver,
            self.await_condition,
        ]

    def worker(self, client: Client, task_queue: str) -> Worker:
        """A worker with the real workflows and these activities."""
        return Worker(
            client,
            task_queue=task_queue,
            workflows=list(WORKFLOWS),
            activities=self.activities,
            workflow_runner=GUARDED,
            interceptors=INTERCEPTORS,
        )

    # What was told

    def actions(self, process: str) -> list[str]:
        """The actions of a process, in the order of their numbers."""
        return [each.action for each in sorted(self.announced.get(process, []), key=lambda t: t.seq)]

    def states(self, process: str) -> list[str]:
        """The states a process went through."""
        path: list[str] = []
        for each in sorted(self.announced.get(process, []), key=lambda t: t.seq):
            for state in (each.from_state, each.to_state):
                if not path or path[-1] != state:
                    path.append(state)
        return path

    def mails(self, process: str) -> list[Template]:
        """The mails a process asked for."""
        steps = sorted(self.announced.get(process, []), key=lambda t: t.seq)
        return [notice.template for step in steps for notice in step.notices]

    async def told(self, process: str, action: str, times: int = 1) -> Transition:
        """Waits until an action was announced so many times and returns the latest."""
        async with asyncio.timeout(80):
            while True:
                found = [t for t in self.announced.get(process, []) if t.action == action]
                if len(found) >= times:
                    return found[-1]
                await asyncio.sleep(0.01)

    async def asks(self, process: str, wanted: str, times: int = 1) -> None:
        """Waits until an activity has begun so many times: one that is cancelled before never hears of it."""
        async with asyncio.timeout(80):
            while [name for name, _ in self.asked.get(process, [])].count(wanted) < times:
                await asyncio.sleep(0.01)


def later(delay: timedelta) -> ApplicationError:
    """The expected failure that polls again."""
    return ApplicationError(
        "not yet", type=wire.NOT_YET, category=ApplicationErrorCategory.BENIGN, next_retry_delay=delay
    )


async def start_line(
    client: Client,
    task_queue: str,
    order: str,
    wanted: Line,
    *,
    start: datetime | None = None,
    for_domain: bool = True,
) -> WorkflowHandle[object, object]:
    """Starts one line's process as an order would."""
    now = datetime.now(UTC)
    about = context(order, at=now, start=start)
    if not for_domain:
        about = about.model_copy(update={"domain": None, "token": None})
    return await client.start_workflow(
        wire.ORDER_LINE,
        OrderLine(context=about, line=wanted, checked_at=now),
        id=wire.line_id(order, wanted.number),
        task_queue=task_queue,
    )
