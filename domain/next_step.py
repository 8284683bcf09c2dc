"""The command that takes a process a step further, for lists, operators and whoever is asked (SPEC 8)."""

from __future__ import annotations

from domain import wire
from domain.decisions import ApprovalStatus
from domain.line import LineState, OpenTask
from domain.transitions import ProcessKind, ProcessView

_WITH_CONTACT = frozenset({LineState.AWAITING_PROVISIONING_DETAILS, LineState.CLOSED})
_DEPLOYABLE = frozenset({LineState.CONFIRMED, LineState.SCHEDULED})


def next_step(view: ProcessView) -> str | None:
    """What somebody can do next, as a command without what only they can say; None where all runs by itself.

    It is for people who see a line; who of them may give it is asked when they do.
    """
    if view.ended or view.kind is not ProcessKind.ORDER_LINE or view.line is None:
        return None
    verb = _verb(view)
    return f"countersign order {verb} {view.order} --line {view.line}" if verb else _deciding(view)


def _verb(view: ProcessView) -> str | None:
    """The command to the line itself."""
    if view.held:
        return "retry"
    contact = view.contact
    if contact is not None and view.ponr_at is None and view.state in _WITH_CONTACT:
        asked = "map" if contact.sent_at is not None else None  # Until then it is being prepared.
        return "change-contact" if contact.bounced else asked
    if {OpenTask.PARTNER, OpenTask.CUSTOMER_SETUP} & set(view.open_tasks):
        admin = view.customer_admin
        return "ask-customer" if admin is not None and admin.bounced else "set-up"
    if OpenTask.DNS in view.open_tasks:
        return "check-records"
    if view.state in _DEPLOYABLE and view.until is None:
        return "deploy"
    return None


def _deciding(view: ProcessView) -> str | None:
    """The command to the stage that is open."""
    stage = view.approval
    if stage is None or stage.status is not ApprovalStatus.PENDING or not stage.roster or view.line is None:
        return None
    return f"countersign approvals approve {wire.line_id(view.order, view.line)}"
