"""Check of domain and services: found clean, or found wanting until somebody mends it (SPEC 5.3)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.workflow import ActivityHandle

from domain import wire
from domain.checks import CheckOrder, CheckReport
from domain.mail import FindingFact, Template
from domain.orders import Line, LineCommand, OrderContext
from domain.organisations import Permission
from domain.transitions import SYSTEM, Audience, Notice
from workflows.names import PATIENT_RETRY, SILENT_AFTER
from workflows.process import Process, let_go

with workflow.unsafe.imports_passed_through():
    from activities.checks import Checks

REMIND_AFTER = timedelta(days=14)
"""When the placing contact is reminded of an order nobody mends (L1)."""


class DomainCheck(Process):
    """The check, for whatever has lines: an order at first, a line again before it is confirmed."""

    context: OrderContext
    report: CheckReport | None = None
    checked_at: datetime

    @property
    def lines_to_check(self) -> tuple[Line, ...]:
        """The lines the check looks at."""
        raise NotImplementedError

    @property
    def is_stopped(self) -> bool:
        """Whether somebody cancelled meanwhile."""
        raise NotImplementedError

    @workflow.update(name=wire.CHECK_ORDER)
    async def check(self, command: LineCommand) -> CheckReport:
        """Checks domain and services now and returns the findings."""
        report = await self._check_now()
        self._take(report, actor=command.actor)
        await self.announce()
        return report

    async def be_checked(self) -> None:
        """Checks, and comes back once the check is clean or the process is stopped.

        While something blocks, the check is repeated every night; nothing is written to the history until
        its findings change (SPEC D7).
        """
        if self.report is None:
            self._take(await self._check_now())
        watch = self._watch()
        remind_at: datetime | None = workflow.now() + REMIND_AFTER
        while not self._is_clean and not self.is_stopped:
            await self.announce()
            report = self.report
            came = await self.until(
                lambda: self.is_stopped or self.report is not report or watch.done(),  # noqa: B023 - awaited in this turn
                remind_at,
            )
            if not came:
                remind_at = None
                self.note("order.reminded", notices=(self._tell(Template.ORDER_REMINDER),))
            elif watch.done():
                self._take(watch.result())
            if self.report is not report:
                let_go(watch)
                watch = self._watch()
        let_go(watch)

    @property
    def _is_clean(self) -> bool:
        return self.report is not None and self.report.is_clean

    async def _check_now(self) -> CheckReport:
        return await workflow.execute_activity_method(
            Checks.check,
            self._request(),
            start_to_close_timeout=timedelta(seconds=60),
            heartbeat_timeout=SILENT_AFTER,
            retry_policy=PATIENT_RETRY,
            summary="check domain and services",
        )

    def _watch(self) -> ActivityHandle[CheckReport]:
        return workflow.start_activity_method(
            Checks.watch,
            self._request(),
            start_to_close_timeout=timedelta(seconds=60),
            heartbeat_timeout=SILENT_AFTER,
            retry_policy=PATIENT_RETRY,
            summary="check domain and services again every night until the findings change",
        )

    def _request(self) -> CheckOrder:
        known = self.report.digest if self.report else None
        return CheckOrder(context=self.context, lines=self.lines_to_check, at=workflow.now(), known=known)

    def _take(self, report: CheckReport, actor: str | None = None) -> None:
        """Takes in a report; blocking findings are mailed when nobody asked for the check (L2)."""
        self.report, self.checked_at = report, workflow.now()
        tell = () if actor or report.is_clean else (self._tell(Template.CHECK_FINDINGS),)
        data = {"report": report.id, "blocking": str(len(report.blocking))}
        self.note("order.checked", actor=actor or SYSTEM, notices=tell, data=data)

    def _tell(self, template: Template) -> Notice:
        report = self.report
        findings = tuple(
            FindingFact(code=f.code, severity=f.severity, field=f.field, message=f.message)
            for f in (report.findings if report else ())
        )
        command = f"countersign order check {self.context.id}"
        return self.tell_owners(template, findings=findings, command=command)

    def tell_owners(
        self, template: Template, *, permission: Permission | None = None, **facts: Any
    ) -> Notice:
        """A mail to the placing contact and the Workflow_Mails recipients of partner and customer.

        Args:
            template: What it is about.
            permission: Whoever holds it in one of them is mailed as well.
            facts: What it says.
        """
        parties = self.context.parties
        audience = Audience(
            people=(self.context.requested_by,),
            organisations=(parties.partner, parties.customer),
            permission=permission,
            workflow_mails=True,
        )
        return Notice(template=template, audience=audience, facts=self.facts(**facts))

    def tell_readers(self, template: Template, **facts: Any) -> Notice:
        """A mail to the Workflow_Mails recipients of partner and customer alone."""
        parties = self.context.parties
        audience = Audience(organisations=(parties.partner, parties.customer), workflow_mails=True)
        return Notice(template=template, audience=audience, facts=self.facts(**facts))

    def tell_operators(self, template: Template, **facts: Any) -> Notice:
        """A mail to the provider's operators."""
        audience = Audience(organisations=(self.context.parties.provider,), permission=Permission.OPERATE)
        return Notice(template=template, audience=audience, facts=self.facts(**facts))
