"""Organisations, people, roles and what each role permits (SPEC 2, 4.3, 6.4; provisioning.md a.2, a.4).

`notify` and `approve` are separate permissions: who is told need not be who decides.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from domain.base import Command, Key, Language, Message, Name
from domain.calendars import OFFICE_HOURS, TimeZone, Week
from domain.mail import MailGroup
from domain.notifications import SELECTABLE, Choice, NotificationChoice


class OrganisationKind(StrEnum):
    """The three levels of the business."""

    PROVIDER = "provider"
    PARTNER = "partner"
    CUSTOMER = "customer"


class Permission(StrEnum):
    """What a person may do for an organisation."""

    ORDER = "order"
    DEPLOY = "deploy"
    APPROVE = "approve"
    NOTIFY = "notify"
    OPERATE = "operate"


class Role(StrEnum):
    """Roles as the field names them (seed 000, seed 001)."""

    COMPANY_ADMIN = "company_admin"
    TECHNICAL_ADMIN = "technical_admin"
    TECHNICAL_CONTACT = "technical_contact"
    FINANCE = "finance"
    FINANCIAL_CONTACT = "financial_contact"
    READ_ONLY = "read_only"
    SALES = "sales"
    TECH = "tech"
    OPERATOR = "operator"
    WORKFLOW_MAILS = "workflow_mails"
    SERVICE = "service"


_P = Permission
PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.COMPANY_ADMIN: frozenset({_P.ORDER, _P.DEPLOY, _P.APPROVE, _P.NOTIFY}),
    Role.TECHNICAL_ADMIN: frozenset({_P.ORDER, _P.DEPLOY, _P.APPROVE, _P.NOTIFY}),
    Role.TECHNICAL_CONTACT: frozenset({_P.NOTIFY}),
    Role.FINANCE: frozenset({_P.ORDER, _P.APPROVE, _P.NOTIFY}),
    Role.FINANCIAL_CONTACT: frozenset(),
    Role.READ_ONLY: frozenset(),
    Role.SALES: frozenset({_P.ORDER, _P.NOTIFY}),
    Role.TECH: frozenset({_P.DEPLOY, _P.NOTIFY}),
    Role.OPERATOR: frozenset({_P.OPERATE, _P.DEPLOY, _P.NOTIFY}),
    Role.WORKFLOW_MAILS: frozenset(),
    Role.SERVICE: frozenset({_P.APPROVE, _P.DEPLOY}),
}
"""The one place that says what a role permits. `workflow_mails` permits nothing: it only reads along."""

_G = MailGroup
SUBSCRIBED: dict[Role, frozenset[MailGroup]] = {
    Role.COMPANY_ADMIN: SELECTABLE,
    Role.TECHNICAL_ADMIN: SELECTABLE,
    Role.TECHNICAL_CONTACT: SELECTABLE,
    Role.FINANCE: frozenset({_G.ORDERING, _G.FINANCIAL}),
    Role.SALES: SELECTABLE,
    Role.TECH: SELECTABLE,
    Role.OPERATOR: SELECTABLE,
}
"""Of the roles that are notified: the groups they are told of unless the person chose otherwise
(provisioning.md b.7)."""


Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
"""A country by ISO 3166-1 alpha-2."""


class OrganisationCalendar(Command):
    """When an organisation works; stages count in it if their definition says so (SPEC 4.5).

    Attributes:
        country: Whose public holidays are days off.
        subdivision: The canton, state or the like, if it has holidays of its own (the end of ISO 3166-2).
        hours: Working hours by weekday, Monday first.
    """

    time_zone: TimeZone
    country: Country
    subdivision: Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{1,3}$")] | None = None
    hours: Week = OFFICE_HOURS


class Organisation(Command):
    """A provider, a partner or a customer.

    Attributes:
        key: Stable id; appears in workflow inputs, never a domain or a person's name.
        partner: For a customer: the partner that orders on its behalf.
        calendar: When it works; as the provider does, if left out.
        industry: Business vertical, in the words of whoever wrote it down.
        country: Where it has its seat.
    """

    key: Key
    kind: OrganisationKind
    name: Name
    partner: Key | None = None
    calendar: OrganisationCalendar | None = None
    industry: Name | None = None
    country: Country | None = None


class Grant(Command):
    """One role of one person in one organisation."""

    organisation: Key
    role: Role


class ApprovalMails(StrEnum):
    """How somebody wants the mails that ask for their decision: each at once, or one digest an hour."""

    AT_ONCE = "at_once"
    HOURLY = "hourly"


class Person(Command):
    """Somebody who can be mailed and may hold roles; a service principal has no address.

    Attributes:
        key: Stable, opaque id.
        email: One address, or None for a service principal.
        active: False once the person has left; nothing of a leaver counts any more.
        approval_mails: The person's choice for mails that ask for decisions.
        notifications: The person's choices for the groups of mails, each for one organisation. If left out,
            those made before stay; whatever was never chosen is as the roles have it.
    """

    key: Key
    name: Name
    email: str | None = None
    language: Language = Language.EN
    active: bool = True
    approval_mails: ApprovalMails = ApprovalMails.AT_ONCE
    grants: tuple[Grant, ...] = Field(default=(), max_length=50)
    notifications: tuple[NotificationChoice, ...] | None = Field(default=None, max_length=200)


class Directory(Command):
    """Organisations and people as an operator writes them down in one file."""

    organisations: tuple[Organisation, ...]
    people: tuple[Person, ...]


def roles_with(permission: Permission) -> frozenset[Role]:
    """The roles that include a permission."""
    return frozenset(role for role, granted in PERMISSIONS.items() if permission in granted)


def default_choice(role: Role, group: MailGroup) -> Choice:
    """How somebody with a role has the mails of a group who chose nothing."""
    return Choice.ON if group in SUBSCRIBED.get(role, ()) else Choice.OFF


class Parties(Message):
    """Who plays which part in one process.

    Attributes:
        provider: The organisation that runs Countersign.
        partner: The organisation that orders; the customer itself where no partner is involved.
        customer: The organisation the service is for.
    """

    provider: Key
    partner: Key
    customer: Key

    @property
    def everybody(self) -> frozenset[str]:
        """The organisations that play any part."""
        return frozenset({self.provider, self.partner, self.customer})

    def organisation(self, kind: OrganisationKind) -> str:
        """The organisation that plays a part."""
        return {
            OrganisationKind.PROVIDER: self.provider,
            OrganisationKind.PARTNER: self.partner,
            OrganisationKind.CUSTOMER: self.customer,
        }[kind]
