"""One order line, from its approval to its service (SPEC 5; provisioning.md b.2)."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any, NoReturn

from temporalio import workflow
from temporalio.exceptions import is_cancelled_exception

from domain import wire
from domain.approval import Approval
from domain.conditions import ConditionError, holds
from domain.decisions import ApprovalStatus
from domain.errors import Code, Refusal
from domain.line import LineState
from domain.line_view import line_view
from domain.mail import MailFacts, Template
from domain.offers import Deployment
from domain.orders import Line, LineCommand, LineOutcome, OrderLine
from domain.organisations import Parties
from domain.request_data import RequestData, request_data
from domain.transitions import SYSTEM, ProcessView
from workflows.course import Ended, Unwinding
from workflows.details import Details
from workflows.gate import ApprovalGate
from workflows.names import PROCESS_STATE
from workflows.process import OPERATOR, in_their_words, refusals

ANSWER_WITHIN = timedelta(seconds=20)
"""How long whoever cancels a line waits at most for what was done to be taken back: less than callers do."""

RECHECK_AFTER = timedelta(hours=24)
"""A check older than this is repeated before the line is confirmed (L4)."""

_UNAPPROVED: dict[ApprovalStatus, tuple[LineState, Template]] = {
    ApprovalStatus.REJECTED: (LineState.REJECTED, Template.APPROVAL_DENIED),
    ApprovalStatus.EXPIRED: (LineState.EXPIRED, Template.APPROVAL_EXPIRED),
    ApprovalStatus.WITHDRAWN: (LineState.CANCELLED, Template.APPROVAL_WITHDRAWN),
}
"""Where an approval that was not granted leaves the line (L5)."""


@workflow.defn(name=wire.ORDER_LINE)
class OrderLineWorkflow(Details, ApprovalGate):
    """Approval, confirmation, deployment, DNS records and provisioning of one line."""

    @workflow.init
    def __init__(self, order_line: OrderLine) -> None:
        super().__init__(order_line)
        self.checked_at = order_line.checked_at
        self._noted_state = self.state
        self.approval = self._approval_of(order_line.line)

    @workflow.run
    async def run(self, order_line: OrderLine) -> LineOutcome:
        """Takes the line through SPEC 5.2; whatever ends it early is an `Ended`."""
        try:
            await self.be_fulfilled()
        except Ended:
            self.records.stop()
        except Unwinding as unwinding:
            await self.undisturbed(self.be_unwound(unwinding))
        if self.steps.given_up:
            await self.undisturbed(self.look_for_late_steps())
        await self.all_announced()
        return LineOutcome(
            number=order_line.line.number,
            state=self.progress.state,
            at=workflow.now(),
            reason=self.ended_reason,
        )

    async def be_fulfilled(self) -> None:
        """Goes through the story up to the service, unless the run is cancelled in Temporal itself."""
        try:
            await self.be_approved()
            await self.be_confirmed()
            await self.reach_start_date()
            if self.contact is None:
                await self.be_deployed()
                await self.be_prepared()
            else:
                await self.have_details_given()
                await self.have_set_up()
            await self.have_records_verified()
            await self.be_provisioned()
        except BaseException as error:
            if not is_cancelled_exception(error):
                raise
            self.end_from_outside()

    # The story, step by step

    async def be_approved(self) -> None:
        """Has the line approved, if its offer demands it (L3, L5)."""
        if self.approval is None:
            return
        self.move(LineState.AWAITING_APPROVAL)
        status = await self.run_approval()
        if status is not ApprovalStatus.APPROVED:
            state, template = _UNAPPROVED[status]
            reason, by = self.approval.ended_reason, self.approval.ended_by or SYSTEM
            # Who denied knows; who was asked in vain has to learn that nothing is wanted any more.
            vain = state is not LineState.REJECTED
            asked = self.tell_roster(template, reason=reason, decided_by=by) if vain else ()
            self.end(state, reason, template, by, also=asked)

    async def be_confirmed(self) -> None:
        """Confirms the line on a clean check no older than a day (L4)."""
        if workflow.now() - self.checked_at > RECHECK_AFTER:
            self.report = None
            await self.be_checked()
        elif self.report is not None and not self.report.is_clean:
            await self.be_checked()
        self.heed_cancel()
        self.move(LineState.CONFIRMED)
        granted = (self.tell_owners(Template.APPROVAL_GRANTED),) if self.approval else ()
        self.note("line.confirmed", notices=granted, services=self.service_change())

    async def reach_start_date(self) -> None:
        """Waits for the requested start date, if it lies ahead (L6)."""
        start = self.context.requested_start
        if start is None or start <= workflow.now():
            return
        self.move(LineState.SCHEDULED)
        self.note("line.scheduled", data={"start": start.isoformat()})
        await self.announce()
        await self.until(lambda: self.is_stopped, start)
        self.heed_cancel()
        self.progress.start_reached = True
        self.note("line.start_reached")

    async def be_deployed(self) -> None:
        """Waits until somebody, or the automatic deployment, asks for it (L8)."""
        if self.offer.deployment is Deployment.ON_DEMAND and self.progress.deploy_requested_by is None:
            await self.announce()
            self._show_state(LineState.CONFIRMED)
            await self.until(lambda: self.is_stopped or self.progress.deploy_requested_by is not None)
            self.heed_cancel()
            self._show_state(LineState.PROVISIONING)
        self.move(LineState.PROVISIONING)
        self.closure.start(workflow.now())
        actor = self.progress.deploy_requested_by or SYSTEM
        begun = (self.tell_readers(Template.LINE_DEPLOYED),)
        self.note("line.deployed", actor=actor, notices=begun, services=self.service_change())

    async def be_unwound(self, unwinding: Unwinding) -> None:
        """Takes back what was done for the line, and ends it (L21, L23)."""
        self.records.stop()
        await self.take_back_steps()
        with suppress(Ended):
            unwinding.end()

    def end_from_outside(self) -> NoReturn:
        """Ends the line because somebody requested the cancellation of its run in Temporal itself.

        The request cannot be refused; after the point of no return the line has failed. Either way what was
        done for it is taken back.
        """
        requested = LineCommand(actor=OPERATOR, reason="cancellation requested in Temporal")
        if self.approval is not None and self.approval.is_pending:
            self.approval.withdraw(OPERATOR, requested.reason)
        if self.progress.ponr_at is not None:
            self.unwind(LineState.FAILED, requested.reason, Template.FAILED, OPERATOR)
        self.cancelled_by = command = self.cancelled_by or requested
        self.begin_cancelling(command)
        self.unwind(LineState.CANCELLED, command.reason, Template.CANCELLED, command.actor)

    # Commands

    @workflow.update(name=wire.DEPLOY_LINE)
    async def deploy(self, command: LineCommand) -> LineState:
        """Starts provisioning; before the requested start date it is remembered until then."""
        self.progress.deploy_requested_by = self.progress.deploy_requested_by or command.actor
        return self.progress.state

    @deploy.validator
    def _may_deploy(self, command: LineCommand) -> None:  # noqa: ARG002 - takes what the update takes
        with refusals():
            self.progress.check_deploy()

    @workflow.signal(name=wire.DEPLOY)
    async def deploy_by_signal(self, command: LineCommand | None = None) -> None:
        """Starts provisioning on behalf of the automatic deployment; a refusal is recorded."""
        actor = command.actor if command else "unknown"
        try:
            if command is None:
                raise Refusal(Code.INVALID_INPUT, "payload: must be an object with actor, not nothing")
            self.progress.check_deploy()
        except Refusal as refusal:
            said = in_their_words(command.reason if command else None)
            self.note("line.deploy", actor=actor, reason=refusal.message, refused=refusal, data=said)
            await self.announce()
        else:
            self.progress.deploy_requested_by = self.progress.deploy_requested_by or actor

    @workflow.update(name=wire.CANCEL_LINE)
    async def cancel(self, command: LineCommand) -> LineState:
        """Cancels the line before its point of no return (L20, L21).

        Returns:
            `cancelled`, or `cancelling` if it takes longer to take back what was done.
        """
        self.cancelled_by = self.cancelled_by or command
        if self.approval is not None and self.approval.is_pending:
            with suppress(Refusal):
                await self.withdraw_approval(command.actor, command.reason)
        await workflow.wait_condition(lambda: self.progress.has_ended or self.is_unwinding)
        if self.is_unwinding:
            await self.until(lambda: self.progress.has_ended, workflow.now() + ANSWER_WITHIN)
        return self.progress.state

    @cancel.validator
    def _may_cancel(self, command: LineCommand) -> None:  # noqa: ARG002 - takes what the update takes
        with refusals():
            self.progress.check_cancel()
            if self.is_unwinding and not self.is_stopped:
                raise Refusal(
                    Code.NOT_PENDING, "line: it is about to fail; what was done is being taken back"
                )

    # How the line looks

    def _approval_of(self, line: Line) -> Approval | None:
        if line.approval is None:
            return None
        data = self.request_data
        return Approval(
            line.approval,
            self.context.requested_by,
            holds=lambda condition: _applies(condition, data),
            calendars=line.calendars,
        )

    @property
    def state(self) -> str:
        """The line state (SPEC 5.2)."""
        return self.progress.state

    @property
    def parties(self) -> Parties:
        """Who plays which part."""
        return self.context.parties

    @property
    def request_data(self) -> RequestData:
        """What the definition's conditions look at."""
        return request_data(self.context, self.order_line.line)

    @property
    def lines_to_check(self) -> tuple[Line, ...]:
        """This line alone; its siblings go their own way."""
        return (self.order_line.line,)

    def view(self) -> ProcessView:
        """What lists and operators see of the line now."""
        return line_view(
            self.order_line,
            self.progress,
            approval=self.approval,
            report=self.report,
            seen=self.records.seen,
            closes_at=self.closure.closes_at,
            contact=self.contact.state if self.contact else None,
            set_up=self.open_task,
            customer_admin=self.customer_admin.state if self.customer_admin else None,
        )

    def facts(self, **more: Any) -> MailFacts:
        """What mails of this line can say."""
        domain = self.context.domain
        return MailFacts(
            order=self.context.id,
            line=self.order_line.line.number,
            process=workflow.info().workflow_id,
            organisation=self.context.customer_name,
            offer=self.offer.title,
            domain=domain.key if domain else None,
            domain_display=domain.display if domain else None,
            requested_by=self.context.requested_by_name,
            **more,
        )

    def _show_state(self, state: LineState) -> None:
        """Keeps the search attribute that the automatic deployment looks for: at most two upserts."""
        attributes = workflow.info().typed_search_attributes
        if attributes.get(PROCESS_STATE) != state:
            workflow.upsert_search_attributes([PROCESS_STATE.value_set(state)])


def _applies(condition: str, data: RequestData) -> bool:
    """Whether a stage is to be asked; one whose condition nobody checked at publication rather is."""
    try:
        return holds(condition, data)
    except ConditionError:
        return True
