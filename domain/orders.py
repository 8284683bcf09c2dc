"""Orders: what is submitted, what a process starts with, and how lines add up (SPEC 5)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from domain.base import Command, Key, Language, Message, Name, Text, UtcDatetime
from domain.calendars import Calendar
from domain.contact import Contact
from domain.definitions import ApprovalDefinition
from domain.dns.names import DomainName
from domain.errors import Code, Refusal
from domain.line import LineState
from domain.offers import Offer
from domain.organisations import OrganisationKind, Parties

MAX_LINES = 50
"""Lines of one order; each is a run of its own."""


class ContactGiven(Command):
    """A provisioning contact as a partner names it.

    Attributes:
        email: As typed; one plain address.
    """

    email: Annotated[str, Field(max_length=1000)]
    name: Name | None = None
    language: Language = Language.EN


class OrderItem(Command):
    """One offer somebody wants.

    Attributes:
        provisioning_contact: Who completes this line, if not the order's.
    """

    offer: Key
    provisioning_contact: ContactGiven | None = None


class SubmitOrder(Command):
    """An order as a partner places it.

    Attributes:
        customer: The organisation the services are for.
        requested_by: The person who orders; needs the permission `order` in the partner's organisation.
        domain: The domain the services are for, as typed by a person.
        requested_start: When provisioning may begin at the earliest (RSD); at once if left out.
        external_id: The partner's own reference (TMF `externalId`).
        note: Whatever else the partner wants people to know; shown with the order, obeyed by nobody.
        provisioning_contact: Who completes the lines whose offers want somebody to (SPEC 5.4).
    """

    customer: Key
    requested_by: Key
    items: Annotated[tuple[OrderItem, ...], Field(min_length=1, max_length=MAX_LINES)]
    domain: Annotated[str, Field(max_length=1000)] | None = None
    requested_start: UtcDatetime | None = None
    external_id: Name | None = None
    note: Text | None = None
    provisioning_contact: ContactGiven | None = None


class Line(Message):
    """One line of an order with the snapshots it keeps for life (SPEC D8).

    Attributes:
        number: Position in the order, from 1.
        offer_hash: Content hash of the offer, shown in the memo.
        added: Whether it was included by another line's offer.
        calendars: The calendars of the parties that the approval's stages name.
        contact: The provisioning contact, if the offer wants one.
    """

    number: int
    offer: Offer
    offer_hash: str
    approval: ApprovalDefinition | None = None
    approval_hash: str | None = None
    added: bool = False
    calendars: dict[OrganisationKind, Calendar] = Field(default_factory=dict)
    contact: Contact | None = None


class OrderContext(Message):
    """What an order and each of its lines know about whom and what they are for.

    Attributes:
        id: The order's id: short, opaque, unguessable.
        token: The customer's secret for proving ownership of the domain (provisioning.md e.7).
        requested_start: When provisioning may begin at the earliest (RSD).
        external_id: The partner's own reference; `note` is what they wrote beside it.
    """

    id: Key
    parties: Parties
    requested_by: Key
    requested_by_name: Name
    customer_name: Name
    submitted_at: UtcDatetime
    domain: DomainName | None = None
    token: str | None = None
    requested_start: UtcDatetime | None = None
    external_id: str | None = None
    note: str | None = None

    @property
    def remarks(self) -> dict[str, str]:
        """What the partner gave along, as far as they did, for the audit and for whoever reads it.

        The requested start is in UTC (ISO 8601).
        """
        start = f"{self.requested_start:%Y-%m-%dT%H:%M:%SZ}" if self.requested_start else None
        given = {"external_id": self.external_id, "note": self.note, "requested_start": start}
        return {name: text for name, text in given.items() if text}


class Order(Message):
    """What an order process starts with."""

    context: OrderContext
    lines: tuple[Line, ...]


class OrderLine(Message):
    """What an order line process starts with.

    Attributes:
        checked_at: When domain and services were last found clean.
    """

    context: OrderContext
    line: Line
    checked_at: UtcDatetime

    @property
    def service(self) -> str:
        """Id of the service this line provides."""
        return service_id(self.context.id, self.line.number)


class LineOutcome(Message):
    """How a line ended."""

    number: int
    state: LineState
    at: UtcDatetime
    reason: str | None = None


class OrderState(StrEnum):
    """Order states in TM Forum's words, derived from the lines (TMF641; provisioning.md c.2)."""

    ACKNOWLEDGED = "acknowledged"
    IN_PROGRESS = "inProgress"
    COMPLETED = "completed"
    PARTIAL = "partial"
    FAILED = "failed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


class OrderOutcome(Message):
    """How an order ended: its state and every line's."""

    order: Key
    state: OrderState
    lines: tuple[LineOutcome, ...]


class LineCommand(Command):
    """What every command to an order or a line carries.

    Attributes:
        actor: Who sends it.
        reason: Why, for the audit and the mails.
    """

    actor: Key
    reason: Text | None = None


def service_id(order: str, number: int) -> str:
    """The id of the service that line `number` of an order provides."""
    return f"{order}-{number}"


def derive_state(states: Iterable[LineState]) -> OrderState:
    """The order's final state (all failed: failed; some completed and some not: partial).

    Withdrawn and cancelled lines make a cancelled order only if nothing else came of it.
    """
    seen = set(states)
    if seen == {LineState.PROVISIONED}:
        return OrderState.COMPLETED
    if LineState.PROVISIONED in seen:
        return OrderState.PARTIAL
    if LineState.FAILED in seen:
        return OrderState.FAILED
    if seen & {LineState.REJECTED, LineState.EXPIRED}:
        return OrderState.REJECTED
    return OrderState.CANCELLED


def expand_items(
    wanted: Iterable[Offer], offers: dict[str, Offer], present: frozenset[str]
) -> list[tuple[Offer, bool]]:
    """The order's lines: what was wanted plus what those offers include, base services first.

    Args:
        wanted: The offers ordered.
        offers: Every current offer by name.
        present: Names of offers the domain already has.

    Returns:
        Pairs of an offer and whether it was added by us.

    Raises:
        Refusal: DUPLICATE if an offer is wanted twice, INVALID_INPUT if an included offer does not exist.
    """
    ordered = list(wanted)
    names = [offer.name for offer in ordered]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise Refusal(Code.DUPLICATE, f"items: {twice} is ordered twice; order it once")
    added: dict[str, Offer] = {}
    queue = list(ordered)
    while queue:
        for name in queue.pop(0).includes:
            if name in present or name in names or name in added:
                continue
            if name not in offers:
                raise Refusal(
                    Code.INVALID_INPUT,
                    f"items: included offer {name} is not in the catalogue; publish it first",
                )
            added[name] = offers[name]
            queue.append(offers[name])
    return [(offer, True) for offer in added.values()] + [(offer, False) for offer in ordered]
