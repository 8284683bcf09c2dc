"""A set-up form: fields, fields that repeat, and what is shared out over the repetitions (SPEC 5.5)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from domain.base import Message
from domain.forms.fields import FieldName, FormField, IntegerField, TextField, VisibleWhen, Words
from domain.forms.formats import SimpleField

MAX_CHARACTERS = 100_000
"""What the answers to a form may come to in all: a fraction of what a process can be told at once."""

_LONGEST_OTHER = 255
"""Characters of an answer that is no free text: a host name or an address has no more."""

_DECIDING = ("choice", "boolean", "integer", "country")
"""Kinds of field that others can depend on: their answers can be told apart exactly."""


class Distribution(Message):
    """Shares a total out over the items of a group, such as licences over sites.

    Attributes:
        field: The whole number each item gets of it.
        parameter: The offer's parameter that holds the total.
        exactly: Whether all of it has to be given out; otherwise some may be left. An item that is alone then
            gets everything without being asked (seed 004).
    """

    field: FieldName
    parameter: Annotated[str, Field(min_length=1, max_length=64)]
    exactly: bool = True


class Group(Message):
    """Fields that are answered once for each of several items.

    Attributes:
        title: What one item is called.
        min_items: How many there are at least; `max_items` at most.
        unique: The field in which no two items may agree.
    """

    type: Literal["group"] = "group"
    name: FieldName
    title: Words
    help: Words | None = None
    visible_when: VisibleWhen | None = None
    min_items: Annotated[int, Field(ge=0, le=50)] = 1
    max_items: Annotated[int, Field(ge=1, le=50)]
    fields: Annotated[tuple[SimpleField, ...], Field(min_length=1, max_length=20)]
    unique: FieldName | None = None
    distribute: Distribution | None = None

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.min_items > self.max_items:
            raise ValueError(f"{self.name}.min_items: {self.min_items} is above max_items {self.max_items}")
        _check_level(self.fields, f"{self.name}.")
        if self.unique is not None and self.unique not in {field.name for field in self.fields}:
            raise ValueError(f"{self.name}.unique: the group has no field {self.unique}")
        if self.distribute is not None and self.distributed is None:
            raise ValueError(
                f"{self.name}.distribute: {self.distribute.field} must be a required integer field of the "
                "group that is always shown and has no default"
            )
        return self

    @property
    def distributed(self) -> IntegerField | None:
        """The field whose answers share the total, if one can."""
        wanted = self.distribute.field if self.distribute else None
        for field in self.fields:
            if field.name == wanted and isinstance(field, IntegerField) and _is_always_asked(field):
                return field
        return None

    def check_total(self, parameters: Mapping[str, str]) -> None:
        """Refuses a total that the offer lacks, or that its items could never share.

        Raises:
            ValueError: Naming the group and the parameter.
        """
        field = self.distributed
        if self.distribute is None or field is None:
            return
        where = f"{self.name}.distribute: parameter {self.distribute.parameter}"
        total = total_of(self.distribute, parameters)
        if total is None:
            raise ValueError(f"{where} must be a whole number, which the offer's parameters hold")
        least = self.min_items * field.minimum
        if total < least:
            raise ValueError(f"{where} is {total}, but {self.min_items} items have {least} at least")
        if self.distribute.exactly and total > self.max_items * field.maximum:
            raise ValueError(f"{where} is {total}, more than {self.max_items} items could take")


class Form(Message):
    """What is asked when a service is set up.

    Attributes:
        fields: In the order they are asked; a field may depend on those before it.
    """

    fields: Annotated[
        tuple[Annotated[SimpleField | Group, Field(discriminator="type")], ...],
        Field(min_length=1, max_length=50),
    ]

    @model_validator(mode="after")
    def _sound(self) -> Self:
        _check_level(self.fields)
        if (largest := sum(map(_largest, self.fields))) > MAX_CHARACTERS:
            raise ValueError(
                f"fields: all answers together could have {largest} characters, above {MAX_CHARACTERS}; "
                "ask for shorter texts or fewer items"
            )
        return self

    def check_parameters(self, parameters: Mapping[str, str]) -> None:
        """Refuses a form whose offer lacks a total that it shares out.

        Raises:
            ValueError: Naming the group and the parameter.
        """
        for field in self.fields:
            if isinstance(field, Group):
                field.check_total(parameters)


def total_of(distribution: Distribution, parameters: Mapping[str, str]) -> int | None:
    """What an offer gives to share out, or None if it does not say."""
    written = parameters.get(distribution.parameter, "")
    is_number = written.isascii() and written.isdecimal() and len(written) <= 9
    return int(written) if is_number else None


def _is_always_asked(field: FormField) -> bool:
    return field.required and field.visible_when is None and field.default is None


def _check_level(fields: Sequence[SimpleField | Group], path: str = "") -> None:
    """Refuses two fields of one name, and fields that depend on what is not asked before them."""
    before: dict[str, SimpleField | Group] = {}
    for field in fields:
        if field.name in before:
            raise ValueError(f"{path}{field.name}: another field has this name; every one needs its own")
        for problem in _dependency(field, before):
            raise ValueError(f"{path}{field.name}.visible_when: {problem}")
        before[field.name] = field


def _dependency(field: SimpleField | Group, before: Mapping[str, SimpleField | Group]) -> Iterator[str]:
    condition = field.visible_when
    if condition is None:
        return
    deciding = before.get(condition.field)
    if deciding is None:
        yield f"no field {condition.field} is asked before it"
    elif isinstance(deciding, Group) or deciding.type not in _DECIDING:
        yield f"{condition.field} is a {deciding.type}; only {', '.join(_DECIDING)} can decide"
    else:
        for value in condition.equals:
            try:
                deciding.read(value)
            except ValueError as error:
                yield f"{condition.field} is never {value}: {error}"


def _largest(field: SimpleField | Group) -> int:
    if isinstance(field, Group):
        return field.max_items * sum(map(_largest, field.fields))
    return field.max_length if isinstance(field, TextField) else _LONGEST_OTHER
