"""Example orders: what is ordered, what then happens to it, and how it must end.

`countersign demo` plays the files of `examples/orders` in the order of their names and compares.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PrivateAttr, model_validator

from domain.acting import ACTIONS
from domain.actions import StageCommand
from domain.base import Command, Key, Name, Text
from domain.errors import Code
from domain.line import LineState
from domain.mail import Template
from domain.orders import OrderState
from starter.files import read_document, validated


class Wait(Command):
    """Waits until a line is in a state, or until a mail of it was sent.

    Attributes:
        offer: The line, by its offer's name.
    """

    do: Literal["wait"]
    offer: Key
    state: LineState | None = None
    mail: Template | None = None

    @model_validator(mode="after")
    def _for_one_thing(self) -> Self:
        if (self.state is None) == (self.mail is None):
            raise ValueError("wait for a state or for a mail")
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


Step = Annotated[
    Wait | SetRecords | CheckRecords | Deploy | Decision | Act | TakeBack | Advance, Field(discriminator="do")
]
"""One thing that happens to an order; a step begins when the one before is done."""


class Refused(Command):
    """The order is refused and nothing is started.

    Attributes:
        field: What the message must name.
    """

    code: Code
    field: str


class Expectation(Command):
    """How the order must end.

    Attributes:
        order: The order's final state; None if it is still open then, as with a closed line.
        lines: Each line's state, by its offer's name.
        mails: How many mails of a kind were sent for the order and its lines; others are not counted.
    """

    refused: Refused | None = None
    order: OrderState | None = None
    lines: dict[Key, LineState] = Field(default_factory=dict)
    mails: dict[Template, int] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if (self.refused is None) == (not self.lines):
            raise ValueError("expect either a refusal or the state of each line")
        return self


class Example(Command):
    """One example order.

    Attributes:
        order: The order as a partner would send it, checked only when it is submitted.
        order_file: A file beside this one that holds the order instead; it may be one nobody can read.
    """

    title: Name
    about: Text = ""
    order: dict[str, Any] | None = None
    order_file: str | None = None
    script: tuple[Step, ...] = ()
    expect: Expectation
    _path: Path = PrivateAttr()

    @model_validator(mode="after")
    def _orders_something(self) -> Self:
        if (self.order is None) == (self.order_file is None):
            raise ValueError("give either order or order_file")
        return self

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self._path.stem

    def document(self) -> Any:
        """The order as it stands there.

        Raises:
            Refusal: INVALID_INPUT, if it stands in a file that cannot be read.
        """
        return self.order if self.order_file is None else read_document(self._path.parent / self.order_file)


def read_example(path: Path) -> Example:
    """Reads an example.

    Raises:
        Refusal: INVALID_INPUT, naming the file and the field.
    """
    example = validated(Example, read_document(path), path.name)
    example._path = path
    return example


def read_examples(folder: Path) -> list[Example]:
    """Reads every example of a folder, ordered by name.

    Raises:
        Refusal: INVALID_INPUT, naming the file and the field.
    """
    return [read_example(path) for path in sorted(folder.glob("*.yaml"))]
