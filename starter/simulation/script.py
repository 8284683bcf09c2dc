"""Scripts: who does what in a simulation, and when."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from domain.base import Command, Key, Text
from domain.definitions import LONGEST
from domain.errors import Code
from starter.files import read_document, validated

MAX_STEPS = 500

Span = Annotated[timedelta, Field(ge=timedelta(), le=LONGEST)]


class When(StrEnum):
    """What a step waits for, if not for a time.

    `asked`: it is the turn of `who`: they have a seat, have not decided, and no question holds the stage up.
    `questioned`: somebody asks `who` a question. `answered`: a question in the stage was answered.
    `opened`, `reminded`, `escalated`, `held`: that has happened to the stage that is open.
    """

    ASKED = "asked"
    QUESTIONED = "questioned"
    ANSWERED = "answered"
    OPENED = "opened"
    REMINDED = "reminded"
    ESCALATED = "escalated"
    HELD = "held"


OF_SOMEBODY = frozenset({When.ASKED, When.QUESTIONED})
"""Events that concern one person."""


class _Step(Command):
    """What all steps say. Each waits for its own time or event; none waits for another.

    Attributes:
        at: Time since the start.
        when: The event it waits for instead.
        after: Time from that event until it is done.
        stage: The stage that is meant, and `round` its opening; those that are open if left out.
        expect: The code it is to be refused with.
    """

    at: Span | None = None
    when: When | None = None
    after: Span = timedelta()
    stage: Key | None = None
    round: Annotated[int, Field(ge=1)] | None = None
    expect: Code | None = None

    @model_validator(mode="after")
    def _has_its_time(self) -> Self:
        if (self.at is None) == (self.when is None):
            raise ValueError("give either `at` or `when`")
        if self.after and self.when is None:
            raise ValueError("after: goes with `when`")
        return self


class _ByPerson(_Step):
    """A step that somebody takes.

    Attributes:
        who: A person's key in the directory.
        reason: Why, for the audit and the mails.
    """

    who: Key
    reason: Text | None = None


class Act(_ByPerson):
    """A decision, or an action that says nothing but who takes it."""

    do: Literal["approve", "deny", "hand_back", "escalate", "undo", "refresh_roster", "withdraw"]


class Delegate(_ByPerson):
    """Somebody else, `to`, is to decide instead."""

    do: Literal["delegate"]
    to: Key


class Reroute(_ByPerson):
    """The request goes on at the stage `to`."""

    do: Literal["reroute"]
    to: Key


class AddApprover(_ByPerson):
    """A `person` has to approve besides."""

    do: Literal["add_approver"]
    person: Key


class Inquire(_ByPerson):
    """Asks somebody a question."""

    do: Literal["inquire"]
    asked: Key
    question: Text


class Answer(_ByPerson):
    """Answers a question, the only open one if `inquiry` does not say which."""

    do: Literal["answer"]
    answer: Text
    inquiry: Annotated[int, Field(ge=1)] | None = None


class RecallInquiry(_ByPerson):
    """Takes a question back."""

    do: Literal["recall_inquiry"]
    inquiry: Annotated[int, Field(ge=1)] | None = None


class Condition(_Step):
    """The outside system that a stage waits for says yes or no; before that it says "not yet"."""

    do: Literal["condition"]
    answer: Literal["fulfilled", "failed"]
    message: Text = ""

    @model_validator(mode="after")
    def _concerns_nobody(self) -> Self:
        if self.when in OF_SOMEBODY:
            raise ValueError("when: no person answers for a condition; say `opened`, with its stage")
        return self


Step = Annotated[
    Act | Delegate | Reroute | AddApprover | Inquire | Answer | RecallInquiry | Condition,
    Field(discriminator="do"),
]
"""One thing that is done."""


class Script(Command):
    """A script as it is checked; its file is the list alone."""

    steps: Annotated[tuple[Step, ...], Field(max_length=MAX_STEPS)]


def read_script(path: Path) -> tuple[Step, ...]:
    """Reads a script: a list of steps.

    Raises:
        Refusal: INVALID_INPUT, naming the file and the step's number, from 0, with its field; NOT_FOUND.
    """
    return validated(Script, {"steps": read_document(path)}, path.name).steps


def in_words(step: Step) -> str:
    """A step as one short phrase."""
    if step.at is not None:
        moment = f"at {span(step.at)}"
    else:
        moment = f"{span(step.after)} after {step.when}" if step.after else f"when {step.when}"
    who = "the outside system" if isinstance(step, Condition) else step.who
    return f"{moment}, {who}: {step.do.replace('_', ' ')}"


def span(time: timedelta) -> str:
    """A time as it is read on a timeline: whole days, then hours and minutes."""
    minutes = int(time.total_seconds()) // 60
    return f"{minutes // 1440}d {minutes // 60 % 24:02}:{minutes % 60:02}"
