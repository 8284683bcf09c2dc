"""What can happen to an example order, step by step, as its file says it."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from domain.acting import ACTIONS
from domain.actions import StageCommand
from domain.base import Command, Key, Text
from domain.line import LineState
from domain.mail import Template
from domain.orders import ContactGiven
from starter.binding import MappingGiven


class Wait(Command):
    """Waits until a line is in a state, until a mail of it was sent, or until something has happened to it.

    Attributes:
        offer: The line, by its offer's name.
        step: What happens, by the name of the step.
        times: How often it has to.
    """

    do: Literal["wait"]
    offer: Key
    state: LineState | None = None
    mail: Template | None = None
    step: str | None = None
    times: Annotated[int, Field(ge=1)] = 1

    @model_validator(mode="after")
    def _for_one_thing(self) -> Self:
        if [self.state, self.mail, self.step].count(None) != 2:
            raise ValueError("wait for a state, for a mail or for a step")
        return self


class SetRecords(Command):
    """Somebody sets the DNS records that the open-task mails of the order list; of one line, or of all."""

    do: Literal["set_records"]
    offer: Key | None = None


class CheckRecords(Command):
    """Somebody asks for the records to be looked at now; of one line, or of all that wait for some."""

    do: Literal["check_records"]
    by: Key
    offer: Key | None = None


class Deploy(Command):
    """Somebody deploys one line, or all."""

    do: Literal["deploy"]
    by: Key
    offer: Key | None = None


class Decision(Command):
    """Somebody approves or denies the stage that is open at a line."""

    do: Literal["approve", "deny"]
    offer: Key
    by: Key
    reason: Text | None = None


class Act(Command):
    """Somebody acts on the stage that is open at a line, otherwise than by deciding (docs/approvals.md).

    Attributes:
        to: Who decides instead, or the stage where it goes on.
        person: Who has to approve in addition.
        asked: Who is asked a `question`.
    """

    do: Literal[
        "delegate",
        "hand_back",
        "add_approver",
        "escalate",
        "inquire",
        "answer",
        "recall_inquiry",
        "reroute",
        "undo",
    ]
    offer: Key
    by: Key
    reason: Text | None = None
    to: Key | None = None
    person: Key | None = None
    asked: Key | None = None
    question: Text | None = None
    answer: Text | None = None

    @property
    def said(self) -> dict[str, str]:
        """What this action says that others do not."""
        return self.model_dump(exclude={"do", "offer", "by", "reason"}, exclude_none=True)

    @model_validator(mode="after")
    def _says_what_it_takes(self) -> Self:
        command = next(kind for kind in ACTIONS if kind.action == self.do)
        takes = command.model_fields.keys() - StageCommand.model_fields.keys() - {"inquiry"}
        if self.said.keys() != takes:
            raise ValueError(
                f"{self.do} takes {', '.join(sorted(takes)) or 'nothing'} besides offer, by and reason"
            )
        return self


class TakeBack(Command):
    """Somebody withdraws the request for approval, or cancels; of one line, or of all."""

    do: Literal["withdraw", "cancel"]
    by: Key
    reason: Text
    offer: Key | None = None


class Advance(Command):
    """Lets a line's time pass; every run has a clock of its own."""

    do: Literal["advance"]
    offer: Key
    span: timedelta


class ChangeContact(Command):
    """Somebody names another provisioning contact; for one line, or for all."""

    do: Literal["change_contact"]
    by: Key
    to: ContactGiven
    offer: Key | None = None


class HandOver(Command):
    """The contact of a line hands over.

    Attributes:
        through: The address whose mail has the link that is used.
    """

    do: Literal["hand_over"]
    offer: Key
    through: str
    to: ContactGiven


class MapLine(Command):
    """The contact of a line confirms its mapping, through the link in their mail."""

    do: Literal["map"]
    offer: Key
    through: str
    mapping: MappingGiven


class SetUp(Command):
    """Somebody answers a line's set-up form.

    Attributes:
        by: A person of the directory.
        through: Or the customer's admin, by the address whose mail has the link that is used.
    """

    do: Literal["set_up"]
    offer: Key
    answers: dict[str, Any]
    by: Key | None = None
    through: str | None = None

    @model_validator(mode="after")
    def _by_somebody(self) -> Self:
        if (self.by is None) == (self.through is None):
            raise ValueError("set_up takes either by or through")
        return self


class Summarise(Command):
    """Somebody has the order summed up as a PDF."""

    do: Literal["summarise"]


Step = Annotated[
    Wait
    | SetRecords
    | CheckRecords
    | Deploy
    | Decision
    | Act
    | TakeBack
    | Advance
    | ChangeContact
    | HandOver
    | MapLine
    | SetUp
    | Summarise,
    Field(discriminator="do"),
]
"""One thing that happens to an order; a step begins when the one before is done."""


def in_words(step: Step) -> str:  # noqa: C901, PLR0911, PLR0912 - one return for each kind of step
    """A step as one short sentence."""
    match step:
        case Wait(offer=offer, step=str(action), times=times):
            return f"{offer}: {action} has happened {times} times"
        case Wait(offer=offer, state=state, mail=mail):
            return f"{offer}: {'is ' + state if state else f'the mail {mail} is out'}"
        case SetRecords(offer=offer):
            return f"the records asked for are set in the zone{f' for {offer}' if offer else ''}"
        case CheckRecords(by=by, offer=offer):
            return f"{by} asks to look at the records of {offer or 'every line'} now"
        case Deploy(by=by, offer=offer):
            return f"{by} deploys {offer or 'every line'}"
        case Decision(do=verb, offer=offer, by=by):
            return f"{by} {'approves' if verb == 'approve' else 'denies'} {offer}"
        case Act(do=verb, offer=offer, by=by, said=said):
            facts = "".join(f", {name}: {value}" for name, value in said.items())
            return f"{by}: {verb.replace('_', ' ')}, {offer}{facts}"
        case TakeBack(do=verb, by=by, reason=reason):
            return f"{by} {'withdraws' if verb == 'withdraw' else 'cancels'}: {reason}"
        case Advance(offer=offer, span=span):
            return f"{offer}: {span.days} days pass"
        case ChangeContact(by=by, to=to, offer=offer):
            return f"{by} names {to.email} as contact of {offer or 'every line'}"
        case HandOver(offer=offer, through=through, to=to):
            return f"{through} follows the link and hands {offer} over to {to.email}"
        case MapLine(offer=offer, through=through):
            return f"{through} follows the link and confirms the mapping of {offer}"
        case SetUp(offer=offer, by=by, through=through):
            return f"{by or f'{through}, through the link,'} sets up {offer}"
        case Summarise():
            return "the order is summed up as a PDF"
