"""The fields of set-up forms: what each takes for an answer, and how it shows it (SPEC 5.5, seed 004).

An answer is plain JSON, as it comes from a page, a file or another system. Every kind of field reads it
strictly and bounded: there is no answer that is accepted and then means something else, or fills a disk.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from domain.base import Language, Message, Name, one_line, printable

LONGEST_TEXT = 2_000
"""Longest text a field may ask for, in characters."""

LARGEST = 1_000_000_000
"""Largest whole number a field may ask for; JSON carries it exactly everywhere."""

Scalar = bool | int | str
"""One answer in JSON."""

FieldName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
"""What a field is called in answers and paths; a name that every adapter can take over."""


class Words(Message):
    """What people read, in each language."""

    de: Name
    en: Name

    def in_language(self, language: Language) -> str:
        """The words for readers of a language."""
        return self.de if language is Language.DE else self.en


class VisibleWhen(Message):
    """Shows a field only if an earlier one beside it has a certain answer.

    Attributes:
        field: The earlier field.
        equals: Answers that show this one.
    """

    field: FieldName
    equals: Annotated[tuple[Scalar, ...], Field(min_length=1, max_length=50)]


class FormField(Message):
    """What all kinds of field have in common.

    Attributes:
        title: What people are asked; `help` explains it.
        required: Whether there has to be an answer; a field with a default has one.
        visible_when: When it is asked at all.
        default: Counts where there is no answer.
    """

    name: FieldName
    title: Words
    help: Words | None = None
    required: bool = True
    visible_when: VisibleWhen | None = None
    default: Scalar | None = None

    @model_validator(mode="after")
    def _sound(self) -> Self:
        self.check()
        if self.default is not None:
            try:
                self.read(self.default)
            except ValueError as error:
                raise ValueError(f"{self.name}.default: {error}") from None
        return self

    def check(self) -> None:
        """Refuses a declaration that no answer could satisfy.

        Raises:
            ValueError: Naming the field.
        """

    def read(self, value: object) -> Scalar:
        """An answer as it is kept.

        Raises:
            ValueError: What is wrong with it, as the rest of a sentence.
        """
        raise NotImplementedError

    def show(self, value: Scalar, language: Language) -> str:  # noqa: ARG002 - most kinds speak no language
        """An answer as people read it."""
        return str(value)

    def answer_schema(self, language: Language) -> dict[str, Any]:
        """The JSON Schema of its answers, without title and help."""
        raise NotImplementedError


class TextField(FormField):
    """Text by a person, without spaces around it.

    Attributes:
        min_length: Characters at least; `max_length` at most.
        multiline: Whether it may have several lines.
    """

    type: Literal["text"] = "text"
    min_length: Annotated[int, Field(ge=1, le=LONGEST_TEXT)] = 1
    max_length: Annotated[int, Field(ge=1, le=LONGEST_TEXT)] = 200
    multiline: bool = False
    default: str | None = None

    def check(self) -> None:
        """Refuses bounds that cross."""
        check_order(self.name, "min_length", self.min_length, "max_length", self.max_length)

    def read(self, value: object) -> str:
        """A text within its bounds, without control characters."""
        text = as_text(value).strip()
        if len(text) > self.max_length:
            raise ValueError(f"is {len(text)} characters long; at most {self.max_length} fit")
        if len(text) < self.min_length:
            raise ValueError(f"needs {self.min_length} characters at least")
        return printable(text) if self.multiline else one_line(text)

    def answer_schema(self, language: Language) -> dict[str, Any]:  # noqa: ARG002
        """A string of so many characters."""
        return {"type": "string", "minLength": self.min_length, "maxLength": self.max_length}


class IntegerField(FormField):
    """A whole number.

    Attributes:
        minimum: The least; `maximum` the greatest.
    """

    type: Literal["integer"] = "integer"
    minimum: Annotated[int, Field(ge=-LARGEST, le=LARGEST)] = 0
    maximum: Annotated[int, Field(ge=-LARGEST, le=LARGEST)] = LARGEST
    default: int | None = None

    def check(self) -> None:
        """Refuses bounds that cross."""
        check_order(self.name, "minimum", self.minimum, "maximum", self.maximum)

    def read(self, value: object) -> int:
        """A whole number within its bounds; neither text that looks like one nor true and false."""
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError("must be a whole number, such as 5")
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"must be from {self.minimum} to {self.maximum}")
        return value

    def answer_schema(self, language: Language) -> dict[str, Any]:  # noqa: ARG002
        """An integer between its bounds."""
        return {"type": "integer", "minimum": self.minimum, "maximum": self.maximum}


class BooleanField(FormField):
    """Yes or no."""

    type: Literal["boolean"] = "boolean"
    default: bool | None = None

    def read(self, value: object) -> bool:
        """True or false; no word or number stands for them."""
        if not isinstance(value, bool):
            raise ValueError("must be true or false")
        return value

    def show(self, value: Scalar, language: Language) -> str:
        """Yes or no in the reader's language."""
        yes, no = ("ja", "nein") if language is Language.DE else ("yes", "no")
        return yes if value else no

    def answer_schema(self, language: Language) -> dict[str, Any]:  # noqa: ARG002
        """A boolean."""
        return {"type": "boolean"}


class Choice(Message):
    """One of the answers a field offers."""

    value: FieldName
    title: Words


class ChoiceField(FormField):
    """One of several answers.

    Attributes:
        choices: The answers, in the order they are offered.
    """

    type: Literal["choice"] = "choice"
    choices: Annotated[tuple[Choice, ...], Field(min_length=1, max_length=100)]
    default: str | None = None

    def check(self) -> None:
        """Refuses two choices of the same value."""
        values = [choice.value for choice in self.choices]
        if len(set(values)) != len(values):
            raise ValueError(f"{self.name}.choices: every choice needs a value of its own")

    def read(self, value: object) -> str:
        """The value of one of the choices."""
        chosen, known = as_text(value), [choice.value for choice in self.choices]
        if chosen not in known:
            raise ValueError(f"must be one of {', '.join(known)}")
        return chosen

    def show(self, value: Scalar, language: Language) -> str:
        """The title of the choice."""
        chosen = next((choice for choice in self.choices if choice.value == value), None)
        return chosen.title.in_language(language) if chosen else str(value)

    def answer_schema(self, language: Language) -> dict[str, Any]:
        """Each value with its title."""
        return {
            "oneOf": [
                {"const": each.value, "title": each.title.in_language(language)} for each in self.choices
            ]
        }


def as_text(value: object) -> str:
    """Text as it was given.

    Raises:
        ValueError: It is something else.
    """
    if not isinstance(value, str):
        raise ValueError("must be text")
    return value


def check_order(field: str, low_name: str, low: Any, high_name: str, high: Any) -> None:
    """Refuses bounds that cross.

    Raises:
        ValueError: Naming field and bounds.
    """
    if low > high:
        raise ValueError(f"{field}.{low_name}: {low} is above {high_name} {high}")
