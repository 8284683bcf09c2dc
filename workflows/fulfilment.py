"""From deployment to service: DNS records, closure clock, backend (provisioning.md b.2, L14-L19, L23)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NoReturn

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from domain import wire
from domain.checks import Claim, RecordsSeen
from domain.closure import ClosureClock
from domain.dns.verdicts import Overall
from domain.errors import Code, Refusal
from domain.line import SERVICE_STATUS, LineProgress, LineState
from domain.mail import Template
from domain.orders import LineCommand, OrderLine
from domain.organisations import Permission
from domain.provisioning import ProvisionService, ServiceOrder
from domain.transitions import SYSTEM, Notice, ServiceChange
from domain.views import summary
from workflows.check import DomainCheck
from workflows.names import PATIENT_RETRY, SILENT_AFTER
from workflows.process import let_go, refusals
from workflows.records import LAST_CHECK_PATIENCE, RecordsWatch

with workflow.unsafe.imports_passed_through():
    from activities.provisioning import Provisioning

CHECK_NOW_EVERY = timedelta(seconds=30)
"""How often "check now" may be asked of one line (provisioning.md e.6)."""


class Ended(Exception):
    """The line has come to an end before it was provisioned; its last transition is noted."""


class Fulfilment(DomainCheck):
    """What a deployed line goes through until its service is there."""

    def __init__(self, order_line: OrderLine) -> None:
        super().__init__()
        self.order_line = order_line
        self.context = order_line.context
        self.offer = order_line.line.offer
        self.progress = LineProgress()
        self.records = RecordsWatch(order_line)
        self.closure = ClosureClock(self.offer)
        self.cancelled_by: LineCommand | None = None
        self.ended_reason: str | None = None
        self._asked_now: datetime | None = None
        self._closing_since: datetime | None = None

    @property
    def is_stopped(self) -> bool:
        """Whether somebody cancelled the line."""
        return self.cancelled_by is not None

    # DNS records and closure

    async def have_records_verified(self) -> None:
        """Watches the DNS records until they pass; meanwhile the line may close, which is not its end."""
        if self.records.are_wanted:
            await self.announce()
            self.records.start(self.closure.closes_at)
            while not self._are_verified:
                await self._wait_for_records()
            self.records.stop()
        self.heed_cancel()
        if self.progress.state is LineState.CLOSED:
            self.move(LineState.PROVISIONING)
            self.note("line.resumed")
        self.closure.stop()
        self.progress.ponr_at = workflow.now()

    async def _wait_for_records(self) -> None:
        seen = self.records.seen
        news = await self.until(
            lambda: self.is_stopped or self.records.has_news or self.records.seen is not seen,
            self.closure.next_due,
        )
        self.heed_cancel()
        if news:
            self._take_news()
        elif self.closure.is_over(workflow.now()):
            await self._close()
        else:
            self.closure.warn(workflow.now())
            self.note("line.closure_warned", notices=(self._tell_of_records(Template.CLOSURE_WARNING),))
        if not self._are_verified:
            await self.announce()

    @property
    def _are_verified(self) -> bool:
        seen = self.records.seen
        return seen is not None and seen.state is Overall.VERIFIED and seen.claim is not Claim.TAKEN

    def _take_news(self) -> None:
        """Reacts to a change: verified, lost to somebody else, or other tasks open than before (L14)."""
        other_tasks = self.records.take_news()
        seen = self.records.seen
        assert seen is not None
        self._end_if_taken(seen)
        if self._are_verified:
            return
        tell = (self._tell_of_records(Template.OPEN_TASKS, Permission.DEPLOY),) if other_tasks else ()
        self.note("line.records_seen", notices=tell, data={"verdict": seen.state, "report": seen.report})
        self.records.start(self.closure.closes_at)

    def _end_if_taken(self, seen: RecordsSeen) -> None:
        """Fails the line if the domain is somebody else's: the first verified claim wins (SPEC 5.6)."""
        if seen.claim is not Claim.TAKEN:
            return
        if self.progress.state is LineState.CLOSED:
            self.move(LineState.PROVISIONING)
            self.note("line.resumed")
        self.end(LineState.FAILED, "the domain was verified by somebody else first", Template.FAILED)

    async def _close(self) -> None:
        """Closes the line after one last look; UNKNOWN is asked again for a day first (L17)."""
        self._closing_since = self._closing_since or workflow.now()
        waited = int((workflow.now() - self._closing_since) / timedelta(hours=1))
        look = self.records.start_look(patience=max(0, LAST_CHECK_PATIENCE - waited))
        seen = self.records.seen
        await self.until(
            lambda: self.is_stopped or self.records.has_news or self.records.seen is not seen or look.done()
        )
        if not look.done():
            let_go(look)  # Somebody cancelled, or the records changed: that comes first.
            return
        last = self.records.seen = look.result()
        self._end_if_taken(last)
        if self._are_verified:
            return
        closed = self._tell_of_records(Template.LINE_CLOSED)
        self.closure.stop()
        self.move(LineState.CLOSED)
        reason = f"provisioning is outstanding: {last.summary or last.state}"
        self.note("line.closed", reason=reason, notices=(closed,), data={"report": last.report})
        self.records.start(None)

    def _tell_of_records(self, template: Template, permission: Permission | None = None) -> Notice:
        seen = self.records.seen
        command = f"countersign order check-records {self.context.id} --line {self.order_line.line.number}"
        return self.tell_owners(
            template,
            permission=permission,
            records=seen.open if seen else (),
            closes_at=self.closure.closes_at,
            command=command,
        )

    @workflow.update(name=wire.CHECK_RECORDS)
    async def check_records(self, command: LineCommand) -> RecordsSeen:
        """Looks at the records now and starts the fast phase of polling anew ("check now", e.6)."""
        self._asked_now = workflow.now()
        seen = await self.records.look()
        self.note(
            "line.records_checked", actor=command.actor, data={"verdict": seen.state, "report": seen.report}
        )
        await self.announce()
        return seen

    @check_records.validator
    def _may_check_records(self, command: LineCommand) -> None:  # noqa: ARG002 - takes what the update takes
        with refusals():
            self.progress.check_records_wanted()
            last = self._asked_now
            if last is not None and workflow.now() < last + CHECK_NOW_EVERY:
                raise Refusal(
                    Code.TOO_OFTEN, f"line: it was checked at {last:%H:%M:%S} UTC, less than 30 seconds ago"
                )

    # Backend

    async def be_provisioned(self) -> None:
        """Hands the service to its backend, if the offer names one, which reads it back (L15, L16)."""
        reference = ""
        if self.offer.adapter is not None:
            self.note("line.executing", data={"adapter": self.offer.adapter})
            await self.announce()
            reference = await self._provision(self.offer.adapter)
        self.move(LineState.PROVISIONED)
        done = self.tell_owners(Template.PROVISIONED)
        self.note(
            "line.provisioned", notices=(done,), services=self.service_change(), data={"reference": reference}
        )

    async def _provision(self, adapter: str) -> str:
        line = self.order_line
        order = ServiceOrder(
            idempotency_key=f"{workflow.info().workflow_id}/provision",
            process=workflow.info().workflow_id,
            service=line.service,
            organisation=self.context.parties.customer,
            offer=self.offer.name,
            offer_version=self.offer.version,
            domain=self.context.domain.key if self.context.domain else None,
            parameters=self.offer.parameters,
            at=workflow.now(),
        )
        try:
            provisioned = await workflow.execute_activity_method(
                Provisioning.provision,
                ProvisionService(adapter=adapter, order=order),
                start_to_close_timeout=timedelta(seconds=60),
                heartbeat_timeout=SILENT_AFTER,
                retry_policy=PATIENT_RETRY,
                summary=summary(f"provision {self.offer.title} through {adapter}"),
            )
        except ActivityError as error:
            cause = error.cause
            if not isinstance(cause, ApplicationError) or cause.type != wire.ADAPTER_REFUSED:
                raise
            self.end(LineState.FAILED, f"the backend refused: {cause.message}", Template.FAILED)
        return provisioned.reference

    # Moves and ends

    def move(self, to: LineState) -> None:
        """Moves the line to another state; the next note tells."""
        self.progress.move(to)

    def service_change(self) -> tuple[ServiceChange, ...]:
        """The service's status that goes with the line's state."""
        return (
            ServiceChange(
                id=self.order_line.service,
                status=SERVICE_STATUS[self.progress.state],
                organisation=self.context.parties.customer,
                offer=self.offer.name,
                offer_version=self.offer.version,
                order=self.context.id,
                line=self.order_line.line.number,
                domain=self.context.domain.key if self.context.domain else None,
            ),
        )

    def end(
        self,
        state: LineState,
        reason: str | None,
        template: Template,
        actor: str = SYSTEM,
        also: tuple[Notice, ...] = (),
    ) -> NoReturn:
        """Ends the line before it is provisioned and tells everybody concerned."""
        self.move(state)
        self.ended_reason = reason
        notices = [self.tell_owners(template, reason=reason, decided_by=actor), *also]
        if state is LineState.FAILED:
            notices.append(self.tell_operators(template, reason=reason))
        self.note(
            f"line.{state}",
            actor=actor,
            reason=reason,
            notices=tuple(notices),
            services=self.service_change(),
            release_claim=True,
        )
        raise Ended

    def heed_cancel(self) -> None:
        """Ends the line if somebody cancelled it (L20, L21)."""
        command = self.cancelled_by
        if command is None:
            return
        if self.progress.state in {LineState.PROVISIONING, LineState.CLOSED}:
            self.move(LineState.CANCELLING)
            self.note("line.cancelling", actor=command.actor, reason=command.reason)
        self.end(LineState.CANCELLED, command.reason, Template.CANCELLED, command.actor)
