"""Which mails wait for a digest, and what one digest says in their place (SPEC 4.5, 6.4).

Who chose so gets, instead of every mail that asks for a decision, one mail for each clock hour (UTC) in which
something was asked that is still wanted when the hour is over; likewise one instead of all news of services.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.decisions import ApprovalStatus
from domain.mail import ASKED, ApprovalFact, MailFacts, ServiceFact, Template, Why
from domain.organisations import ApprovalMails
from domain.transitions import OpenApproval, ProcessView

HOUR = timedelta(hours=1)

LISTED = 100
"""Approvals, the most urgent ones, or news that a digest lists; more would be read by nobody."""

COLLECTED = frozenset(
    {
        Template.APPROVAL_REQUESTED,
        Template.APPROVAL_REMINDER,
        Template.APPROVAL_DELEGATED,
        Template.APPROVAL_HANDED_BACK,
        Template.APPROVER_ADDED,
        Template.APPROVAL_ESCALATED,
        Template.APPROVAL_ASKED,
        Template.APPROVAL_ANSWERED,
    }
)
"""Mails that ask something of approvers; any other comes at once, whatever they chose for these."""


@dataclass(frozen=True, slots=True)
class Collected:
    """A mail that waits for its digest.

    Attributes:
        seq: The process's transition that it comes from.
        stage: The stage that was open then, with its round.
    """

    process: str
    seq: int
    stage: str
    round: int
    template: Template
    facts: MailFacts


def hour_of(at: datetime) -> datetime:
    """When the clock hour (UTC) of an instant began."""
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def end_of_hour(at: datetime) -> datetime:
    """When the clock hour of an instant is over and its digest can be written."""
    return hour_of(at) + HOUR


def is_collected(template: Template, why: Why, choice: ApprovalMails) -> bool:
    """Whether a mail waits for the reader's digest: only what asks something of somebody who chose so."""
    return choice is ApprovalMails.HOURLY and template in COLLECTED and why in ASKED[template]


def still_wanted(mail: Collected, person: str, view: ProcessView) -> bool:
    """Whether what a mail asks of somebody is still open, as the process stands now; news always are."""
    if mail.template not in COLLECTED:
        return mail.template not in ASKED or bool(view.open_tasks and not view.ended)
    approval = view.approval
    if approval is None or view.ended or approval.status is not ApprovalStatus.PENDING:
        return False
    if (approval.stage, approval.round) != (mail.stage, mail.round):
        return False
    return person in _asked(mail.template, approval)


def _asked(template: Template, approval: OpenApproval) -> set[str]:
    if template is Template.APPROVAL_ASKED:
        return {person.key for person in approval.asked}
    return {seat.key for seat in approval.roster or ()} - set(approval.decided)


def digest(wanted: Iterable[Collected]) -> MailFacts:
    """What one mail says instead of several: each stage once, by its latest mail, the most urgent first."""
    latest: dict[tuple[str, str, int], Collected] = {}
    for mail in sorted(wanted, key=lambda each: each.seq):
        latest[mail.process, mail.stage, mail.round] = mail
    stages = sorted(latest.values(), key=_urgency)
    return MailFacts(
        approvals=tuple(_fact(mail) for mail in stages[:LISTED]), further=max(0, len(stages) - LISTED)
    )


def news(wanted: Iterable[Collected]) -> MailFacts:
    """What one mail says instead of several of services: each kind once per process, by its latest mail."""
    latest = {(mail.process, mail.template): mail for mail in sorted(wanted, key=lambda each: each.seq)}
    told = sorted(latest.values(), key=lambda each: (each.process, each.seq))
    return MailFacts(
        services=tuple(_news(mail) for mail in told[:LISTED]), further=max(0, len(told) - LISTED)
    )


def _urgency(mail: Collected) -> tuple[datetime, str]:
    return mail.facts.deadline or datetime.max.replace(tzinfo=UTC), mail.process


def _fact(mail: Collected) -> ApprovalFact:
    said = _said(mail)
    return ApprovalFact(**{name: said[name] for name in ApprovalFact.model_fields})


def _news(mail: Collected) -> ServiceFact:
    said = _said(mail)
    return ServiceFact(**{name: said[name] for name in ServiceFact.model_fields})


def _said(mail: Collected) -> dict[str, Any]:
    return dict(mail.facts) | {"template": mail.template, "process": mail.facts.process or mail.process}
