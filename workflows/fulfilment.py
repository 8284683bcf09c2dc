"""From deployment to service: DNS records and closure clock (provisioning.md b.2, L14-L19)."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from temporalio import workflow

from domain import wire
from domain.checks import Claim, RecordsSeen
from domain.dns.verdicts import Overall
from domain.errors import Code, Refusal
from domain.line import LineState
from domain.mail import Template
from domain.orders import LineCommand, OrderLine
from domain.organisations import Permission
from domain.transitions import Notice
from workflows.backends import Backends
from workflows.process import let_go, refusals
from workflows.records import LAST_CHECK_PATIENCE, RecordsWatch

CHECK_NOW_EVERY = timedelta(seconds=30)
"""How often "check now" may be asked of one line (provisioning.md e.6)."""


class Fulfilment(Backends):
    """What a deployed line goes through until its service is there."""

    def __init__(self, order_line: OrderLine) -> None:
        super().__init__(order_line)
        self.records = RecordsWatch(order_line)
        self._asked_now: datetime | None = None
        self._closing_since: datetime | None = None

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
        self.progress.is_verified = True
        self.progress.ponr_at = self.progress.ponr_at or workflow.now()

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
        self.unwind(LineState.FAILED, "the domain was verified by somebody else first", Template.FAILED)

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
            if not self.records.are_wanted:
                raise Refusal(Code.NOT_PENDING, f"line: offer {self.offer.name} asks for no DNS records")
            last = self._asked_now
            if last is not None and workflow.now() < last + CHECK_NOW_EVERY:
                raise Refusal(
                    Code.TOO_OFTEN,
                    f"line: it was checked at {last:%H:%M:%S} UTC, less than 30 seconds ago",
                    retry_after=math.ceil((last + CHECK_NOW_EVERY - workflow.now()).total_seconds()),
                )
