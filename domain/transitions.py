"""Transitions: how a process tells the rest of the world that its state changed (SPEC D6).

A process announces each transition once, numbered by `seq`. The receiving side writes projection, audit,
inventory and outgoing mails in one SQL transaction and may hear the same transition again, late or out of
order, without harm.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from domain.actions import OpenQuestion
from domain.base import Key, Message, UtcDatetime
from domain.contact import Contact, ContactState
from domain.decisions import ApprovalStatus, Approver, Part, Vote
from domain.definitions import Approvers, Combine
from domain.line import OpenTask, ServiceStatus
from domain.lookups import Authorise
from domain.mail import MailFacts, Template, Why
from domain.mapping import CreatedOrganisation
from domain.organisations import Parties, Permission

SYSTEM = "countersign"
"""The actor of everything that happens by itself: timers, schedules, checks."""


class ProcessKind(StrEnum):
    """Kinds of process; also a search attribute."""

    ORDER = "order"
    ORDER_LINE = "order_line"


class Audience(Message):
    """Who is mailed, resolved to people when the transition is written.

    Attributes:
        people: Named people, always mailed: approvers, the requester, a contact.
        roster: Everybody who gets a seat in the stage that opens with this transition.
        organisations: In these, whoever holds `permission`, if it is set.
        workflow_mails: Also the Workflow_Mails recipients of `organisations`, without action links.
        excluding: People who are not mailed: those who know already.
        contact: An address outside the directory: the provisioning contact, or the customer's admin.
        contact_is: Which of the two.
    """

    people: tuple[Key, ...] = ()
    roster: bool = False
    organisations: tuple[Key, ...] = ()
    permission: Permission | None = None
    workflow_mails: bool = False
    excluding: tuple[Key, ...] = ()
    contact: Contact | None = None
    contact_is: Why = Why.CONTACT


class Notice(Message):
    """One mail to be written to everybody in an audience, in the reader's own language.

    Attributes:
        awaited: Whether the process hands it over itself and waits for what becomes of it (SPEC D6).
    """

    template: Template
    audience: Audience
    facts: MailFacts
    awaited: bool = False


class OpenApproval(Message):
    """Where the approval of a process stands, for inboxes and lists.

    Attributes:
        roster: Everybody with a seat in the open stage; None while it is not known yet.
        decided: Those of them who have decided it.
        combine: How the stage's votes add up; `quorum` with it.
        asked: Whose answer to an inquiry deciding waits for.
        questions: What they are asked.
        level: The escalation level that is asked; 0 before any.
        waits: Whether the stage waits for an outside system instead of people.
    """

    status: ApprovalStatus
    stage: Key
    stage_title: str
    round: int
    definition: str
    opened_at: UtcDatetime
    deadline: UtcDatetime | None
    roster: tuple[Approver, ...] | None
    decided: tuple[Key, ...] = ()
    combine: Combine = Combine.ANY
    quorum: int | None = None
    asked: tuple[Approver, ...] = ()
    level: int = 0
    waits: bool = False
    questions: tuple[OpenQuestion, ...] = ()

    @property
    def lacks_approvers(self) -> bool:
        """Whether so few people may decide it that it can never be decided."""
        if self.roster is None or self.waits or any(seat.part.decides_alone for seat in self.roster):
            return False
        return sum(seat.part is Part.APPROVER for seat in self.roster) < (self.quorum or 1)


class PlannedLine(Message):
    """A line that has not started, and what it will run on, each as `name@version`."""

    number: int
    offer: str
    definition: str


class ProcessView(Message):
    """What lists and operators see of a process: what it is, whom it waits for, until when, what then.

    Attributes:
        state: Line or order state.
        waiting_for: In plain words; empty once nothing is waited for.
        until: When the waiting ends by itself, if it does.
        what_then: What happens at `until`.
        open_tasks: What provisioning waits for.
        ponr_at: When the point of no return was passed.
        ended: Whether the process is over.
        contact: How the provisioning contact of a line stands.
        customer_admin: How the customer's admin does, once one was asked.
        planned: Of an order: the lines that have not started and will need an approval.
        held: Whether an operator has to have something tried again.
    """

    kind: ProcessKind
    state: str
    order: Key
    parties: Parties
    requested_by: Key
    title: str
    line: int | None = None
    offer: str | None = None
    definition: str | None = None
    definition_hash: str | None = None
    domain: str | None = None
    waiting_for: str = ""
    until: UtcDatetime | None = None
    what_then: str = ""
    open_tasks: tuple[OpenTask, ...] = ()
    ponr_at: UtcDatetime | None = None
    approval: OpenApproval | None = None
    ended: bool = False
    contact: ContactState | None = None
    planned: tuple[PlannedLine, ...] = ()
    held: bool = False
    customer_admin: ContactState | None = None


class ServiceChange(Message):
    """A service's new status; the first one creates the service."""

    id: Key
    status: ServiceStatus
    organisation: Key
    offer: Key
    offer_version: int
    order: Key
    line: int
    domain: str | None = None


class Transition(Message):
    """One step of a process, announced once.

    Attributes:
        seq: Counts the process's transitions from 1; the projection only moves forward.
        from_state: State before; equal to `to_state` for a command that changed none.
        actor: A person's or principal's key, or `SYSTEM`.
        action: What happened, as a dotted name such as `approval.approve`.
        accepted: False for a refused command, which is recorded all the same.
        code: The refusal's code.
        data: Further facts for the audit, strings only.
        view: The process as it is after this step.
        vote: The vote that counted with it.
        services: Statuses that changed with it.
        release_claim: Whether the customer's claim on the domain falls with it.
        organisations: What it brings into being.
    """

    process: str
    seq: int
    action: str
    from_state: str
    to_state: str
    at: UtcDatetime
    actor: str
    view: ProcessView
    on_behalf_of: str | None = None
    reason: str | None = None
    accepted: bool = True
    code: str | None = None
    data: dict[str, str] = Field(default_factory=dict)
    vote: Vote | None = None
    notices: tuple[Notice, ...] = ()
    services: tuple[ServiceChange, ...] = ()
    release_claim: bool = False
    organisations: tuple[CreatedOrganisation, ...] = ()


class SeatRoster(Message):
    """Asks who may decide a stage, from the directory as it is now.

    Attributes:
        excluding: People who get no seat whatever they may do: requester and beneficiary.
    """

    approvers: Approvers
    parties: Parties
    excluding: tuple[Key, ...] = ()


class Announcement(Message):
    """Transitions to write, in order, in one SQL transaction, and what the process wants to know back.

    Attributes:
        seat: Resolve the roster for the stage that opens with the last transition.
        authorise: If the actor lacks the permission, nothing but the refusal is written.
    """

    transitions: tuple[Transition, ...]
    seat: SeatRoster | None = None
    authorise: Authorise | None = None


class Announced(Message):
    """What an announcement brought back.

    Attributes:
        roster: The people who may decide, if `seat` was asked.
        authorised: The answer to `authorise`; True if it was not asked.
    """

    roster: tuple[Approver, ...] | None = None
    authorised: bool = True
