"""A process in plain words, for people: whom it waits for, until when, and what then (SPEC 8)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime

from domain.actions import Inquiry, OpenQuestion
from domain.approval import Approval
from domain.contact import ContactState
from domain.decisions import Approver, Part
from domain.definitions import Combine, OnDeadline
from domain.next_step import next_step
from domain.transitions import OpenApproval, ProcessView

_ON_DEADLINE = {
    OnDeadline.EXPIRE: "the approval expires",
    OnDeadline.APPROVE: "the stage counts as approved",
    OnDeadline.DENY: "the request counts as denied",
    OnDeadline.ESCALATE: "the stage is escalated",
}


MAX_SUMMARY_BYTES = 380
"""The server takes summaries of up to 400 bytes, quotation marks included; a longer one stops the run."""


MAX_NAMED = 20
"""Names in one line; a role may have a thousand people, and every step of a process carries the line."""


_MARKDOWN = re.compile(r"([\\`*_\[\]()<>#|!~])")


def plain(text: str) -> str:
    """A stranger's words as Markdown that shows them as they are: no links, no formatting."""
    return _MARKDOWN.sub(r"\\\1", text)


def summary(text: str) -> str:
    """A text that fits a summary in the Temporal UI, which takes Markdown."""
    return plain(text).encode()[:MAX_SUMMARY_BYTES].decode(errors="ignore")


def at(instant: datetime | None) -> str:
    """An instant as people read it, in UTC."""
    return f"{instant:%Y-%m-%d %H:%M} UTC" if instant else "no limit"


def names(people: Iterable[Approver]) -> str:
    """People's names in one line, delegates with the name of whoever they decide for."""
    return listed(
        f"{each.name} for {each.stands_for_name}" if each.stands_for_name else each.name for each in people
    )


def listed(names_: Iterable[str]) -> str:
    """Names in one line that people can still read: the first ones, and how many more there are."""
    said = list(names_)
    further = len(said) - MAX_NAMED
    more = f" and {further} more" if further > 0 else ""
    return ", ".join(said[:MAX_NAMED]) + more


def people_asked(people: Iterable[str]) -> dict[str, str]:
    """Who is asked to decide, by key, as the audit keeps it among the details of a step."""
    return {"asked": listed(people)}


_PARTS = {
    Part.APPROVER: "",
    Part.ADDITIONAL: ", in addition",
    Part.FALLBACK: ", fallback",
    Part.ESCALATION: ", escalated",
}


def named(seat: Approver) -> str:
    """Who sits on a seat, for whom, and how it counts."""
    return f"{names((seat,))}{_PARTS[seat.part]}"


def waiting_for_approval(stage: OpenApproval) -> str:
    """Whose decision an open stage waits for."""
    if stage.roster is None:
        return f"the directory, to name who decides stage {stage.stage_title}"
    escalated = f" (escalated, level {stage.level})" if stage.level else ""
    title = f"{stage.stage_title}{escalated}"
    if stage.asked:
        return f"{title}: on hold for an answer of {names(stage.asked)}"
    if stage.lacks_approvers:
        return f"an operator: nobody may decide stage {title}"
    if stage.waits and not stage.roster:
        return f"{title}: an outside system"
    waiting = {part: [seat for seat in _open_seats(stage) if seat.part is part] for part in Part}
    groups = [_approvers(stage, waiting[Part.APPROVER])]
    if additional := waiting[Part.ADDITIONAL]:
        groups.append(f"{names(additional)} in addition")
    if alone := [*waiting[Part.FALLBACK], *waiting[Part.ESCALATION]]:
        either = "one of " if len(alone) > 1 else ""
        groups.append(f"{'or ' if any(groups) else ''}{either}{names(alone)} alone")
    return f"{title}: {'; '.join(group for group in groups if group)}"


def _open_seats(stage: OpenApproval) -> Iterable[Approver]:
    return (seat for seat in stage.roster or () if seat.key not in stage.decided)


def _approvers(stage: OpenApproval, waiting: Sequence[Approver]) -> str:
    """Which of the stage's own approvers are waited for; nothing once enough of them have decided."""
    seats = [seat for seat in stage.roster or () if seat.part is Part.APPROVER]
    decided = len(seats) - len(waiting)
    if stage.combine is Combine.QUORUM:
        enough = decided >= (stage.quorum or 1)
        need = f"{stage.quorum} of {len(seats)} ({decided} decided; open: {names(waiting)})"
    else:
        enough = decided > 0 and stage.combine is Combine.ANY
        need = f"{'one of ' if stage.combine is Combine.ANY and len(seats) > 1 else ''}{names(waiting)}"
    return need if waiting and not (enough and _wants_others(stage)) else ""


def _wants_others(stage: OpenApproval) -> bool:
    return any(seat.part is Part.ADDITIONAL for seat in _open_seats(stage))


def seated(view: ProcessView, roster: tuple[Approver, ...]) -> ProcessView:
    """A view whose open stage has just got its roster, which the process itself learns a moment later."""
    if view.approval is None or view.approval.roster is not None:
        return view
    stage = view.approval.model_copy(update={"roster": roster})
    return view.model_copy(update={"approval": stage, "waiting_for": waiting_for_approval(stage)})


def after_deadline(approval: Approval) -> str:
    """What the open stage's deadline leads to."""
    return _ON_DEADLINE[approval.after_deadline]


def open_approval(approval: Approval) -> OpenApproval | None:
    """The approval as inboxes and lists see it; None before its first stage opens."""
    if approval.opened_at is None:
        return None
    return OpenApproval(
        status=approval.stage_status,
        stage=approval.stage.name,
        stage_title=approval.stage.title,
        round=approval.round,
        definition=approval.definition.reference,
        opened_at=approval.opened_at,
        deadline=approval.deadline,
        roster=approval.roster,
        decided=approval.decided,
        combine=approval.stage.combine,
        quorum=approval.stage.quorum,
        asked=tuple(inquiry.asked for inquiry in approval.open_inquiries),
        level=approval.opening.level,
        waits=approval.stage.wait is not None,
        questions=tuple(_question(inquiry) for inquiry in approval.open_inquiries),
    )


def _question(inquiry: Inquiry) -> OpenQuestion:
    return OpenQuestion(
        number=inquiry.number, asker=inquiry.asker, asked=inquiry.asked.key, question=inquiry.question
    )


def contact_in_words(contact: ContactState) -> str:
    """A provisioning contact and what became of the newest mail to them, in one line."""
    email = contact.contact.shown
    if contact.bounced is not None:
        return f"{email}, cannot be reached: {contact.bounced}"
    if contact.sent_at is None:
        return f"{email}, not mailed yet"
    mailed = f"{email}, mailed at {at(contact.sent_at)}"
    return mailed if contact.accepted_at is not None else f"{mailed}, on its way"


def details(view: ProcessView) -> str:
    """The current details of a process in Markdown, for the Temporal UI."""
    rows = [("State", view.state)]
    if view.waiting_for:
        rows += [("Waiting for", plain(view.waiting_for)), ("Until", at(view.until))]
    if view.what_then and view.until:
        rows.append(("What then", view.what_then))
    if view.open_tasks:
        rows.append(("Open tasks", ", ".join(view.open_tasks)))
    asked = (("Provisioning contact", view.contact), ("Customer's admin", view.customer_admin))
    rows += [(who, plain(contact_in_words(state))) for who, state in asked if state is not None]
    if view.ponr_at:
        rows.append(("Point of no return", at(view.ponr_at)))
    if view.ponr_at and view.contact is not None:
        rows.append(("Mapped to", f"`{view.parties.customer}`, partner `{view.parties.partner}`"))
    if (command := next_step(view)) is not None:
        rows.append(("Next step", f"`{command}`"))
    if view.definition:
        rows.append(("Approval definition", f"`{view.definition}`"))
    if view.offer:
        rows.append(("Offer", f"`{view.offer}`"))
    return "\n".join(f"- **{name}:** {value}" for name, value in rows)
