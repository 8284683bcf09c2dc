"""Example orders: what is ordered, what then happens to it, and how it must end.

`countersign demo` plays the files of `examples/orders` in the order of their names and compares.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from pydantic import Field, PrivateAttr, model_validator

from domain.base import Command, Key, Name, Text
from domain.errors import Code
from domain.line import LineState
from domain.mail import Template
from domain.orders import OrderState
from starter.dev.steps import Step
from starter.files import read_document, validated


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
        steps: How often something happened to the lines, by the step's name; others are not counted.
    """

    refused: Refused | None = None
    order: OrderState | None = None
    lines: dict[Key, LineState] = Field(default_factory=dict)
    mails: dict[Template, int] = Field(default_factory=dict)
    steps: dict[str, int] = Field(default_factory=dict)

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
        no_mailbox: Addresses that the mail server refuses for good.
    """

    title: Name
    about: Text = ""
    order: dict[str, Any] | None = None
    order_file: str | None = None
    no_mailbox: tuple[str, ...] = ()
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
