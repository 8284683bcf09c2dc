"""Mapping an order line to organisations: its confirmation is the point of no return (SPEC 5.5, seed 004)."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from domain.base import Command, Key, Message, Name, Text, UtcDatetime, one_line
from domain.contact import Contact
from domain.errors import Code, Refusal
from domain.forms import COUNTRIES
from domain.links import LinkPurpose
from domain.organisations import OrganisationKind

Actor = Annotated[str, StringConstraints(min_length=1, max_length=254), AfterValidator(one_line)]
"""A person's key, or the address behind a link (RFC 5321 4.5.3.1.3 allows it 254 characters)."""


class MappingPurpose(StrEnum):
    """Whom the order is for; the third choice of the assistant is to hand over (L11)."""

    FOR_CUSTOMER = "for_customer"
    OWN_COMPANY = "own_company"


class NewOrganisation(Command):
    """An organisation that does not exist yet.

    Attributes:
        industry: Business vertical, in the words of whoever creates it.
        country: ISO 3166-1 alpha-2.
    """

    name: Name
    industry: Name
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")]


class CreatedOrganisation(Message):
    """An organisation that comes into being with a mapping.

    Attributes:
        key: Follows from the line, so that it is created once however often it is told.
        partner: For a customer: the partner that keeps access.
    """

    key: Key
    kind: OrganisationKind
    organisation: NewOrganisation
    partner: Key | None = None


class OrganisationChoice(Command):
    """An organisation that was found, or one to create."""

    key: Key | None = None
    new: NewOrganisation | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.key is None) == (self.new is None):
            raise ValueError("choose an organisation by `key`, or describe a `new` one")
        return self


def check_country(choice: OrganisationChoice, field: str) -> None:
    """Refuses to create an organisation in a country that there is not.

    `NewOrganisation` itself reads whatever histories hold (SPEC 10).

    Raises:
        Refusal: INVALID_INPUT naming the field.
    """
    if choice.new is not None and choice.new.country not in COUNTRIES:
        raise Refusal(
            Code.INVALID_INPUT,
            f"{field}.new.country: {choice.new.country} is no ISO 3166-1 alpha-2 code, for example CH",
        )


class SetUpBy(StrEnum):
    """Who sets the services up once the line is mapped (L13)."""

    NOW = "now"
    LATER = "later"
    CUSTOMER = "customer"


class MapLine(Command):
    """Binds a line to its organisations; after it there is no way back (L12).

    Attributes:
        actor: Who confirms: the contact's address, or a person's key.
        generation: From the contact's link; None for people of the directory.
        partner: The organisation that keeps provisioning access; the customer itself for an own company.
        customer: The organisation the service is for; left out for an own company.
        set_up_by: `now` takes the answers along, `later` leaves the task with the partner, `customer` mails
            the customer's admin and keeps the partner's access.
        answers: The offer's set-up form, as far as `set_up_by: now`.
        customer_admin: Whom `set_up_by: customer` mails.
    """

    actor: Actor
    purpose: MappingPurpose
    partner: OrganisationChoice
    customer: OrganisationChoice | None = None
    generation: Annotated[int, Field(ge=1)] | None = None
    set_up_by: SetUpBy = SetUpBy.LATER
    answers: dict[str, Any] | None = None
    customer_admin: Contact | None = None
    reason: Text | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.purpose is MappingPurpose.FOR_CUSTOMER) != (self.customer is not None):
            raise ValueError("customer: goes with `purpose: for_customer`, and only with it")
        if (self.set_up_by is SetUpBy.CUSTOMER) != (self.customer_admin is not None):
            raise ValueError("customer_admin: goes with `set_up_by: customer`, and only with it")
        if (self.set_up_by is SetUpBy.NOW) != (self.answers is not None):
            raise ValueError("answers: go with `set_up_by: now`, and only with it")
        return self


class SetUpLine(Command):
    """The answers to the offer's set-up form, given after the mapping (L13: set up later and resume).

    Attributes:
        actor: Who answers: an address behind a link, or a person's key.
        generation: From the link that was used; None for people of the directory.
        purpose: Of that link: an admin's dies with the next admin, the contact's as soon as the customer is
            asked. Without it the generation is not compared with anything.
    """

    actor: Actor
    answers: dict[str, Any]
    generation: Annotated[int, Field(ge=1)] | None = None
    purpose: LinkPurpose | None = None


class Mapped(Message):
    """The answer to a mapping: what is bound now, and since when.

    Attributes:
        partner: Key of the partner organisation, created or found; `customer` likewise.
        waits_for: The open task, if the set-up is still to be done.
    """

    at: UtcDatetime
    partner: Key
    customer: Key
    waits_for: str | None = None
