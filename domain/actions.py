"""What people may do with an approval besides deciding: one command for each action of SPEC 4.4."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from domain.base import Command, Key, Message, Name, Text, UtcDatetime
from domain.calendars import Calendar
from domain.decisions import ApprovalStatus, Approver
from domain.definitions import ApprovalDefinition, OnChange
from domain.organisations import OrganisationKind


class StageCommand(Command):
    """What every action carries.

    Attributes:
        action: The action's name in the audit and in refusals.
        actor: Who acts.
        stage: The stage that is meant; an action never hits another one.
        round: The stage's opening that is meant, counted from 1.
        reason: Why, for the audit and the mails.
        received_at: When our starter received it; callers that use Temporal directly leave it out.
    """

    action: ClassVar[str] = ""

    actor: Key
    stage: Key
    round: int = 1
    reason: Text | None = None
    received_at: UtcDatetime | None = None


class Delegate(StageCommand):
    """Somebody else decides instead of the actor."""

    action = "delegate"
    to: Key


class HandBack(StageCommand):
    """A delegate returns the decision to whoever delegated it."""

    action = "hand_back"


class AddApprover(StageCommand):
    """Somebody else has to approve in addition."""

    action = "add_approver"
    person: Key


class Escalate(StageCommand):
    """The next level is asked now, or the escalation team where there is none."""

    action = "escalate"


class Inquire(StageCommand):
    """The actor asks somebody; nobody decides until the answer is there."""

    action = "inquire"
    asked: Key
    question: Text


class Answer(StageCommand):
    """Who was asked answers.

    Attributes:
        inquiry: The inquiry's number, from 1.
    """

    action = "answer"
    inquiry: Annotated[int, Field(ge=1)]
    answer: Text


class RecallInquiry(StageCommand):
    """The question is taken back; deciding goes on."""

    action = "recall_inquiry"
    inquiry: Annotated[int, Field(ge=1)]


class Reroute(StageCommand):
    """The request goes on at another stage, as far as the definition allows."""

    action = "reroute"
    to: Key


class Undo(StageCommand):
    """The actor takes back their own decision while nothing has followed from it."""

    action = "undo"


class RefreshRoster(StageCommand):
    """An operator has the directory asked anew who may decide the open stage."""

    action = "refresh_roster"


class ChangeDefinition(Command):
    """The definition has changed: start again on the new one, or stop (SPEC 4.6).

    Attributes:
        definition: The snapshot of the new one.
        definition_hash: Its content hash; must fit.
        mode: `reset` or `abort`.
        calendars: The calendars of the parties that its stages name.
    """

    definition: ApprovalDefinition
    definition_hash: Name
    mode: OnChange
    actor: Key
    reason: Text | None = None
    calendars: dict[OrganisationKind, Calendar] = Field(default_factory=dict)


class Inquiry(Message):
    """A question somebody asked before deciding.

    Attributes:
        answer: None while it is open, or if it was taken back.
        closed_at: When it was answered or taken back.
    """

    number: int
    asker: Key
    asked: Approver
    question: str
    at: UtcDatetime
    answer: str | None = None
    closed_at: UtcDatetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether deciding waits for it."""
        return self.closed_at is None


class OpenQuestion(Message):
    """A question that deciding waits for.

    Attributes:
        number: Its number within the stage's opening, from 1; an answer names it.
        asker: Key of the approver who wants to know.
        asked: Key of whoever is to answer.
    """

    number: int
    asker: Key
    asked: Key
    question: str


class ActionRecorded(Message):
    """The answer to an action: what was recorded, and where the approval stood then.

    Attributes:
        deadline: Until when the open stage may be decided now.
        inquiry: The number of the inquiry that was opened or closed.
    """

    action: str
    actor: Key
    stage: Key
    round: int
    at: UtcDatetime
    status: ApprovalStatus
    deadline: UtcDatetime | None = None
    inquiry: int | None = None


class DefinitionChanged(Message):
    """The answer to a change of the definition.

    Attributes:
        definition: What the approval runs on now, or was ended for.
        voided: How many votes are void.
        changed: False if it ran on that definition already.
    """

    definition: str
    voided: int = 0
    changed: bool = True
