"""A process in plain words, for people: whom it waits for, until when, and what then (SPEC 8)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from domain.approval import Approval
from domain.decisions import Approver
from domain.definitions import Combine, OnDeadline
from domain.transitions import OpenApproval, ProcessView

_ON_DEADLINE = {
    OnDeadline.EXPIRE: "the approval expires",
    OnDeadline.APPROVE: "the stage counts as approved",
    OnDeadline.DENY: "the request counts as denied",
}


def at(instant: datetime | None) -> str:
    """An instant as people read it, in UTC."""
    return f"{instant:%Y-%m-%d %H:%M} UTC" if instant else "no limit"


def names(people: Iterable[Approver]) -> str:
    """People's names in one line."""
    return ", ".join(person.name for person in people)


def waiting_for_approval(approval: Approval) -> str:
    """Whose decision an open stage waits for."""
    if approval.roster is None:
        return f"the directory, to name who decides stage {approval.stage.title}"
    if approval.lacks_approvers:
        return f"an operator: nobody may decide stage {approval.stage.title}"
    people = names(approval.waiting_for)
    if approval.stage.combine is Combine.QUORUM:
        seats, given = len(approval.roster), len(approval.roster) - len(approval.waiting_for)
        need = f"{approval.stage.quorum} of {seats}"
        return f"{approval.stage.title}: {need} ({given} decided; open: {people})"
    either = "one of " if approval.stage.combine is Combine.ANY and len(approval.roster) > 1 else ""
    return f"{approval.stage.title}: {either}{people}"


def after_deadline(approval: Approval) -> str:
    """What the open stage's deadline leads to."""
    return _ON_DEADLINE[approval.stage.on_deadline]


def open_approval(approval: Approval) -> OpenApproval | None:
    """The approval as inboxes and lists see it; None before its first stage opens."""
    if approval.opened_at is None:
        return None
    waiting = {person.key for person in approval.waiting_for}
    return OpenApproval(
        status=approval.status,
        stage=approval.stage.name,
        stage_title=approval.stage.title,
        round=approval.round,
        definition=approval.definition.reference,
        opened_at=approval.opened_at,
        deadline=approval.deadline,
        roster=approval.roster,
        decided=tuple(person.key for person in approval.roster or () if person.key not in waiting),
    )


def details(view: ProcessView) -> str:
    """The current details of a process in Markdown, for the Temporal UI."""
    rows = [("State", view.state)]
    if view.waiting_for:
        rows += [("Waiting for", view.waiting_for), ("Until", at(view.until))]
    if view.what_then and view.until:
        rows.append(("What then", view.what_then))
    if view.open_tasks:
        rows.append(("Open tasks", ", ".join(view.open_tasks)))
    if view.ponr_at:
        rows.append(("Point of no return", at(view.ponr_at)))
    if view.definition:
        rows.append(("Approval definition", f"`{view.definition}`"))
    if view.offer:
        rows.append(("Offer", f"`{view.offer}`"))
    return "\n".join(f"- **{name}:** {value}" for name, value in rows)
