"""An order line as operators and lists see it: state, whom it waits for, until when, what then."""

from __future__ import annotations

from datetime import datetime
from typing import TypedDict

from domain.approval import Approval
from domain.checks import CheckReport, RecordsSeen
from domain.contact import ContactState
from domain.definitions import ApprovalDefinition, content_hash
from domain.line import LineProgress, LineState, OpenTask
from domain.orders import Line, OrderContext, OrderLine
from domain.organisations import Parties
from domain.transitions import ProcessKind, ProcessView
from domain.views import after_deadline, open_approval, waiting_for_approval


def line_view(
    line: OrderLine,
    progress: LineProgress,
    *,
    approval: Approval | None,
    report: CheckReport | None,
    seen: RecordsSeen | None,
    closes_at: datetime | None,
    contact: ContactState | None = None,
    set_up: OpenTask | None = None,
    customer_admin: ContactState | None = None,
) -> ProcessView:
    """The view of a line in its present state."""
    if contact is not None and progress.state in _UNDER_WAY and (progress.ponr_at is None or set_up):
        until, what_then = closes_at, "the line closes; it can still be completed" if closes_at else ""
        waiting_for = _who_completes(contact, set_up, customer_admin)
    else:
        waiting_for, until, what_then = _waiting(line, progress, approval, report, (seen, closes_at))
    if progress.hold is not None:
        waiting_for, until = f"an operator: {progress.hold.reason}", progress.hold.until
        what_then = "the line fails"
    tasks = [set_up] if set_up else []
    if progress.state in {LineState.PROVISIONING, LineState.CLOSED} and not progress.is_verified and seen:
        tasks.append(OpenTask.DNS)
    definition = approval.definition if approval else None
    return ProcessView(
        kind=ProcessKind.ORDER_LINE,
        state=progress.state,
        title=title(line.context, line.line.offer.title),
        line=line.line.number,
        offer=line.line.offer.reference,
        definition=definition.reference if definition else None,
        definition_hash=_definition_hash(line.line, definition),
        waiting_for=waiting_for,
        until=until,
        what_then=what_then,
        open_tasks=tuple(tasks),
        ponr_at=progress.ponr_at,
        approval=open_approval(approval) if approval else None,
        ended=progress.has_ended,
        contact=contact,
        held=progress.hold is not None,
        customer_admin=customer_admin,
        **shared(line.context),
    )


_UNDER_WAY = frozenset({LineState.AWAITING_PROVISIONING_DETAILS, LineState.PROVISIONING, LineState.CLOSED})


def _who_completes(
    contact: ContactState, set_up: OpenTask | None, customer_admin: ContactState | None
) -> str:
    if set_up is OpenTask.CUSTOMER_SETUP and customer_admin is not None:
        who = customer_admin.contact.shown
        if customer_admin.bounced is not None:
            return f"another admin of the customer: {who} cannot be reached"
        return f"the customer's admin {who}, to set the services up"
    if set_up is OpenTask.PARTNER:
        return "the partner, to set the services up"
    if contact.bounced is not None:
        return f"another contact: {contact.contact.shown} cannot be reached"
    return f"the provisioning contact {contact.contact.shown}"


def _definition_hash(line: Line, definition: ApprovalDefinition | None) -> str | None:
    """The hash of the definition the approval runs on, which may have replaced the line's own (SPEC 4.6)."""
    if definition is None or definition == line.approval:
        return line.approval_hash
    return content_hash(definition)


class Shared(TypedDict):
    """The fields of a view that every process of an order has in common."""

    order: str
    parties: Parties
    requested_by: str
    domain: str | None


def shared(context: OrderContext) -> Shared:
    """What a view says of the order behind a process."""
    return {
        "order": context.id,
        "parties": context.parties,
        "requested_by": context.requested_by,
        "domain": context.domain.key if context.domain else None,
    }


def title(context: OrderContext, what: str) -> str:
    """One line that says what is for whom."""
    where = f" for {context.domain.display}" if context.domain else ""
    return f"{what}{where}, {context.customer_name}"


def order_title(context: OrderContext, lines: int) -> str:
    """One line that says how much is ordered for whom."""
    return title(context, "Order of 1 service" if lines == 1 else f"Order of {lines} services")


def _waiting(
    line: OrderLine,
    progress: LineProgress,
    approval: Approval | None,
    report: CheckReport | None,
    records: tuple[RecordsSeen | None, datetime | None],
) -> tuple[str, datetime | None, str]:
    """Whom the line waits for, until when, and what happens then."""
    state = progress.state
    if state is LineState.AWAITING_APPROVAL and approval is not None:
        stage = open_approval(approval)
        if approval.is_pending and stage is not None:
            return waiting_for_approval(stage), approval.deadline, after_deadline(approval)
        if report is not None and not report.is_clean:
            return "the partner: the check found something to mend", None, ""
    if state is LineState.SCHEDULED and not progress.start_reached:
        return "the requested start date", line.context.requested_start, "provisioning may begin"
    if state in {LineState.CONFIRMED, LineState.SCHEDULED}:
        return "somebody to deploy it, or the automatic deployment", None, ""
    if state in {LineState.PROVISIONING, LineState.CLOSED}:
        return _waiting_for_provisioning(line, progress, *records)
    if state is LineState.CANCELLING:
        return "backends to take back what was done", None, "the line is cancelled"
    return "", None, ""


def _waiting_for_provisioning(
    line: OrderLine, progress: LineProgress, seen: RecordsSeen | None, closes_at: datetime | None
) -> tuple[str, datetime | None, str]:
    if progress.is_verified:
        adapter = line.line.offer.adapter
        return f"the backend {adapter}" if adapter else "", None, ""
    summary = seen.summary if seen and seen.summary else "the first look"
    what_then = "the line closes; it can still be completed" if closes_at else ""
    return f"DNS records: {summary}", closes_at, what_then
