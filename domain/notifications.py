"""Which mails people may do without, and how they may have them (SPEC 6.4, provisioning.md b.7).

A choice is made per person, organisation and group, and holds for what somebody gets because their role is
told. It never holds for what is meant for them personally: a decision they are asked for, a mail that wants
something of whoever ordered, anything of the groups Security and People.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, model_validator

from domain.base import Command, Key
from domain.mail import ASKED, RELEVANT_GROUP, MailGroup, Template, Why


class Choice(StrEnum):
    """How somebody wants the mails of a group: each at once, none, or one mail for each hour."""

    ON = "on"
    OFF = "off"
    HOURLY = "hourly"


PERSONAL = frozenset({MailGroup.SECURITY, MailGroup.PEOPLE})
"""Groups whose mails go to the person concerned alone, who cannot do without them."""

SELECTABLE = frozenset(MailGroup) - PERSONAL
"""Groups that people are told of by their roles, and may switch off."""

CHOICES: dict[MailGroup, tuple[Choice, ...]] = {
    MailGroup.SECURITY: (Choice.ON,),
    MailGroup.ORDERING: (Choice.ON, Choice.OFF),
    MailGroup.FINANCIAL: (Choice.ON, Choice.OFF),
    MailGroup.PEOPLE: (Choice.ON,),
    MailGroup.COMPANY: (Choice.ON, Choice.OFF),
    MailGroup.SERVICES: (Choice.ON, Choice.OFF, Choice.HOURLY),
}
"""What may be chosen for each group. Nothing about orders waits for an hour to end (provisioning.md b.7)."""


def _as_written(value: Any) -> Any:
    # YAML 1.1 takes a bare `on` or `off` for a truth value.
    return (Choice.ON if value else Choice.OFF) if isinstance(value, bool) else value


class NotificationChoice(Command):
    """What somebody chose for a group of mails about one organisation."""

    organisation: Key
    group: MailGroup
    choice: Annotated[Choice, BeforeValidator(_as_written)]

    @model_validator(mode="after")
    def _may_be_chosen(self) -> Self:
        allowed = CHOICES[self.group]
        if self.choice not in allowed:
            raise ValueError(
                f"choice: {self.group} cannot be {self.choice}, only {' or '.join(allowed)}"
                + ("; its mails are personal" if self.group in PERSONAL else "")
            )
        return self


def choice_counts(template: Template, why: Why) -> bool:
    """Whether a mail follows its reader's choice: it may then be switched off.

    Whoever ordered gets what wants something of them whatever they chose, and so do those who decide, the
    contacts of a line and operators on duty.
    """
    if RELEVANT_GROUP[template] in PERSONAL:
        return False
    return why is Why.NOTIFY or (why is Why.REQUESTER and why not in ASKED.get(template, ()))


def loudest(choices: Iterable[Choice]) -> Choice:
    """What counts of several choices, made for several organisations: at once, else hourly, else off."""
    made = set(choices)
    return next(choice for choice in (Choice.ON, Choice.HOURLY, Choice.OFF) if choice in made)
