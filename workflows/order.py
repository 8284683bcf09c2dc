"""An order: checked as a whole, then one process for each of its lines (SPEC 5; provisioning.md b.2)."""

from __future__ import annotations

import asyncio
from typing import Any

from temporalio import workflow
from temporalio.common import (
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import ChildWorkflowError, WorkflowAlreadyStartedError, is_cancelled_exception
from temporalio.workflow import ParentClosePolicy

from domain import wire
from domain.errors import Code, Refusal
from domain.line import LineState
from domain.line_view import order_title, shared, title
from domain.mail import MailFacts, Template
from domain.offers import Deployment
from domain.orders import (
    Line,
    LineCommand,
    LineOutcome,
    Order,
    OrderLine,
    OrderOutcome,
    OrderState,
    derive_state,
    service_id,
)
from domain.transitions import ProcessKind, ProcessView
from domain.views import summary
from workflows.line import OrderLineWorkflow
from workflows.planned import PlannedLines
from workflows.process import OPERATOR, refusals


@workflow.defn(name=wire.ORDER)
class OrderWorkflow(PlannedLines):
    """Checks domain and services, starts the lines and says in the end how it all came out."""

    @workflow.init
    def __init__(self, order: Order) -> None:
        super().__init__()
        self.order = order
        self.context = order.context
        self.lines = order.lines
        self.order_state = OrderState.ACKNOWLEDGED
        self.cancelled_by: LineCommand | None = None
        self._noted_state = self.state

    @workflow.run
    async def run(self, order: Order) -> OrderOutcome:  # noqa: ARG002 - `workflow.init` has taken it
        """Takes the order from submission to the end of its last line."""
        try:
            await self.be_received()
            await self.be_checked()
            if not self.is_stopped:
                await self.be_confirmed()
        except BaseException as error:
            if not is_cancelled_exception(error):
                raise
            self.cancelled_by = LineCommand(actor=OPERATOR, reason="cancellation requested in Temporal")
        if self.cancelled_by is not None:
            return await self.be_cancelled(self.cancelled_by)
        outcomes = [*self.dropped, *await self.run_lines()]
        return await self.conclude(sorted(outcomes, key=lambda outcome: outcome.number))

    # The story, step by step

    async def be_received(self) -> None:
        """Tells that the order is in and books its services as ordered (L1)."""
        received = self.tell_owners(Template.ORDER_RECEIVED)
        services = tuple(self.service_of(line, LineState.ORDERED) for line in self.order.lines)
        by = self.context.requested_by
        remarks = self.context.remarks
        self.note("order.submitted", actor=by, notices=(received,), services=services, data=remarks)
        await self.announce()

    async def be_confirmed(self) -> None:
        """Confirms the order; from here on its lines take the commands (L4)."""
        self.order_state = OrderState.IN_PROGRESS
        at_once = any(line.approval is None for line in self.lines)
        confirmed = (self.tell_owners(Template.ORDER_CONFIRMED),) if at_once else ()
        self.note("order.confirmed", notices=confirmed)
        await self.announce()

    async def run_lines(self) -> list[LineOutcome]:
        """Runs the lines side by side until the last has ended."""
        lines = [asyncio.create_task(self._run_line(line)) for line in self.lines]
        try:
            return await asyncio.gather(*lines)
        except asyncio.CancelledError:
            # Requested in Temporal itself: the lines have heard of it, too, and end in order.
            return await asyncio.gather(*lines)

    async def conclude(self, outcomes: list[LineOutcome]) -> OrderOutcome:
        """Ends the order with the state its lines add up to."""
        self.order_state = derive_state(outcome.state for outcome in outcomes)
        ends = {f"line_{outcome.number}": str(outcome.state) for outcome in outcomes}
        self.note("order.ended", data=ends)
        await self.all_announced()
        return OrderOutcome(order=self.context.id, state=self.order_state, lines=tuple(outcomes))

    async def be_cancelled(self, command: LineCommand) -> OrderOutcome:
        """Ends the order before any of its lines began (L20)."""
        self.order_state = OrderState.CANCELLED
        self.note(
            "order.cancelled",
            actor=command.actor,
            reason=command.reason,
            notices=(self.tell_owners(Template.CANCELLED, reason=command.reason, decided_by=command.actor),),
            services=tuple(self.service_of(line, LineState.CANCELLED) for line in self.lines),
            release_claim=True,
        )
        await self.all_announced()
        cancelled = [
            LineOutcome(
                number=line.number, state=LineState.CANCELLED, at=workflow.now(), reason=command.reason
            )
            for line in self.lines
        ]
        lines = sorted([*self.dropped, *cancelled], key=lambda outcome: outcome.number)
        return OrderOutcome(order=self.context.id, state=self.order_state, lines=tuple(lines))

    # Lines

    async def _run_line(self, line: Line) -> LineOutcome:
        try:
            return await workflow.execute_child_workflow(
                OrderLineWorkflow.run,
                OrderLine(context=self.context, line=line, checked_at=self.checked_at),
                id=self.process_of(line),
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,  # b.0: a line runs once, ever
                parent_close_policy=ParentClosePolicy.ABANDON,
                memo=line_memo(line),
                search_attributes=self._line_attributes(line),
                static_summary=summary(title(self.context, line.offer.title)),
            )
        except ChildWorkflowError as error:
            return await self._lose_line(line, str(error.cause or error))
        except WorkflowAlreadyStartedError as error:
            reason = f"{error.workflow_id} was started before this order was reset, and goes its own way"
            return await self._lose_line(line, reason, is_ended=False)

    async def _lose_line(self, line: Line, reason: str, *, is_ended: bool = True) -> LineOutcome:
        """Takes a line as failed that the order will not hear of again.

        Args:
            line: The line.
            reason: Why.
            is_ended: Whether somebody ended its run from outside, so that it could not tidy up itself. If
                not, service and domain are still the run's.
        """
        self.note(
            "order.line_lost",
            reason=reason,
            notices=(self.tell_operators(Template.FAILED, line=line.number, reason=reason),),
            services=(self.service_of(line, LineState.FAILED),) if is_ended else (),
            release_claim=is_ended,
            data={"line": str(line.number)},
        )
        await self.announce()
        return LineOutcome(number=line.number, state=LineState.FAILED, at=workflow.now(), reason=reason)

    def _line_attributes(self, line: Line) -> TypedSearchAttributes:
        waits = (
            line.approval is None and line.contact is None and line.offer.deployment is Deployment.ON_DEMAND
        )
        start = self.context.requested_start
        deployable = waits and (start is None or start <= workflow.now())
        values = {
            wire.PROCESS_KIND: ProcessKind.ORDER_LINE,
            wire.PROCESS_STATE: LineState.CONFIRMED if deployable else LineState.ORDERED,
            wire.ORDER_REF: self.context.id,
            wire.SERVICE_REF: service_id(self.context.id, line.number),
            wire.TENANT_REF: self.context.parties.customer,
            wire.OFFER_VERSION: line.offer.reference,
            wire.DEFINITION_VERSION: line.approval.reference if line.approval else "none",
        }
        return TypedSearchAttributes(
            [
                SearchAttributePair(SearchAttributeKey.for_keyword(name), value)
                for name, value in values.items()
            ]
        )

    # Commands

    @workflow.update(name=wire.CANCEL_ORDER)
    async def cancel(self, command: LineCommand) -> OrderState:
        """Cancels the order before its lines have begun and answers once it is cancelled."""
        self.cancelled_by = self.cancelled_by or command
        await workflow.wait_condition(lambda: self.order_state is OrderState.CANCELLED)
        return self.order_state

    @cancel.validator
    def _may_cancel(self, command: LineCommand) -> None:  # noqa: ARG002 - takes what the update takes
        with refusals():
            if self.order_state is not OrderState.ACKNOWLEDGED:
                ids = ", ".join(self.process_of(line) for line in self.lines)
                raise Refusal(Code.LINES_STARTED, f"order: it is {self.order_state}; cancel its lines: {ids}")

    # How the order looks

    @property
    def state(self) -> str:
        """The order state in TM Forum's words."""
        return self.order_state

    @property
    def lines_to_check(self) -> tuple[Line, ...]:
        """All lines: an order is confirmed whole or not at all (SPEC 5.3)."""
        return self.lines

    @property
    def is_stopped(self) -> bool:
        """Whether somebody cancelled the order."""
        return self.cancelled_by is not None

    def view(self) -> ProcessView:
        """What lists and operators see of the order now."""
        over = self.order_state not in {OrderState.ACKNOWLEDGED, OrderState.IN_PROGRESS}
        return ProcessView(
            kind=ProcessKind.ORDER,
            state=self.order_state,
            title=order_title(self.context, len(self.order.lines)),
            waiting_for="" if over else self._waiting_for(),
            ended=over,
            planned=self.planned,
            **shared(self.context),
        )

    def facts(self, **more: Any) -> MailFacts:
        """What mails of this order can say."""
        domain = self.context.domain
        return MailFacts(
            order=self.context.id,
            process=workflow.info().workflow_id,
            organisation=self.context.customer_name,
            domain=domain.key if domain else None,
            domain_display=domain.display if domain else None,
            requested_by=self.context.requested_by_name,
            details=tuple(line.offer.title for line in self.order.lines),
            **more,
        )

    def _waiting_for(self) -> str:
        if self.order_state is OrderState.IN_PROGRESS:
            return "its lines"
        if self.report is None:
            return "the first check of domain and services"
        return "the partner: " + "; ".join(finding.message for finding in self.report.blocking)


def line_memo(line: Line) -> dict[str, Any]:
    """Name, version and hash of what a line keeps for life, for operators (SPEC D8)."""
    memo: dict[str, Any] = {"offer": line.offer.reference, "offer_hash": line.offer_hash}
    if line.approval is not None:
        memo |= {"definition": line.approval.reference, "definition_hash": line.approval_hash}
    return memo
