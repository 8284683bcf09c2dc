"""The request that a simulation is about: read from a file, completed from the directory, placed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Discriminator, Field, Tag
from sqlalchemy.ext.asyncio import AsyncSession

from domain.base import Command, Key, Name, Text, UtcDatetime
from domain.definitions import ApprovalDefinition, Approvers, content_hash
from domain.dns.names import parse_domain
from domain.errors import Code, Refusal
from domain.offers import Offer
from domain.orders import OrderItem, OrderLine, SubmitOrder
from domain.organisations import OrganisationKind, Parties, Permission
from starter.files import read_model
from starter.resolving import resolve
from starter.simulation.script import Span
from storage import catalogue, directory, snapshot
from storage.calendars import calendars_for

ORDER = "simulation"
"""The id of the one order there is."""


class OfferFacts(Command):
    """An offer that is in no catalogue, as far as an approval sees it."""

    name: Key
    version: Annotated[int, Field(ge=1)] = 1
    title: Name = "An offer that is in no catalogue"


def _kind(offer: object) -> str:
    return "name" if isinstance(offer, str) else "facts"


AnyOffer = Annotated[Annotated[Key, Tag("name")] | Annotated[OfferFacts, Tag("facts")], Discriminator(_kind)]
"""A name in the catalogue, or what an approval sees of an offer that is to come."""


class Request(Command):
    """What is requested; what is left out is found in the directory.

    Attributes:
        offer: A name in the catalogue, or facts.
        customer: The organisation it is for; the first customer who has a partner, or the first.
        requested_by: Who orders; somebody who may order for the customer.
        domain: The domain it is for.
        parameters: The offer's, or those that differ from what the catalogue says.
        requested_start: When provisioning may begin: an instant, or the time from now.
    """

    offer: AnyOffer = OfferFacts(name="simulated", title="Simulated request")
    customer: Key | None = None
    requested_by: Key | None = None
    domain: Annotated[str, Field(max_length=1000)] | None = None
    parameters: Annotated[dict[str, str], Field(max_length=50)] = Field(default_factory=dict)
    requested_start: UtcDatetime | Span | None = None
    external_id: Name | None = None
    note: Text | None = None


def read_request(path: Path) -> Request:
    """Reads a request.

    Raises:
        Refusal: INVALID_INPUT, naming the file and the field; NOT_FOUND.
    """
    return read_model(path, Request)


async def place(
    session: AsyncSession,
    request: Request,
    definition: ApprovalDefinition,
    offers: Mapping[str, Offer],
    at: datetime,
) -> OrderLine:
    """The line that comes of a request, by the rules of a real order.

    Args:
        session: The simulation's own database, with its directory.
        request: As it was written.
        definition: Approves it, whatever the offer says.
        offers: The catalogue.
        at: When it is placed.

    Raises:
        Refusal: INVALID_INPUT naming the field.
    """
    offer = _offer(request, offers)
    await catalogue.publish(session, [offer], [], at)
    try:
        submitted = await _submitted(session, request, offer, at)
        domain = parse_domain(submitted.domain, allow_special_use=True) if submitted.domain else None
        order = await resolve(session, submitted, domain, ORDER, at)
        calendars = await calendars_for(session, definition, order.context.parties, at)
    except Refusal as refusal:
        raise Refusal(Code.INVALID_INPUT, f"request: {refusal.message}") from None
    line = order.lines[0].model_copy(
        update={
            "approval": definition,
            "approval_hash": content_hash(definition),
            "calendars": calendars,
        }
    )
    return OrderLine(context=order.context, line=line, checked_at=at)


def _offer(request: Request, offers: Mapping[str, Offer]) -> Offer:
    """The offer as far as an approval sees it: nothing is checked, reserved or provisioned for it."""
    wanted = request.offer
    found = offers.get(wanted) if isinstance(wanted, str) else wanted
    if found is None:
        raise Refusal(
            Code.INVALID_INPUT,
            f"request: offer: {wanted} is not in the catalogue; give an object with its name for one that is "
            "to come",
        )
    known = found.parameters if isinstance(found, Offer) else {}
    return Offer(
        name=found.name,
        version=found.version,
        title=found.title,
        parameters=known | request.parameters,
        needs_domain=False,
        accepts_free_mail=True,
    )


async def _submitted(session: AsyncSession, request: Request, offer: Offer, at: datetime) -> SubmitOrder:
    customer = request.customer or await snapshot.some_customer(session)
    if customer is None:
        raise Refusal(Code.INVALID_INPUT, "customer: the directory has none")
    start = request.requested_start
    return SubmitOrder(
        customer=customer,
        requested_by=request.requested_by or await _somebody_who_orders(session, customer),
        items=(OrderItem(offer=offer.name),),
        domain=request.domain,
        requested_start=at + start if isinstance(start, timedelta) else start,
        external_id=request.external_id,
        note=request.note,
    )


async def _somebody_who_orders(session: AsyncSession, customer: str) -> str:
    """Somebody who may order for a customer; rather somebody who may not approve as well.

    Raises:
        Refusal: INVALID_INPUT if there is nobody, or no such customer.
    """
    try:
        organisation = await directory.organisation(session, customer)
    except Refusal:
        raise Refusal(Code.INVALID_INPUT, f"customer: there is no {customer}") from None
    provider = await directory.provider(session)
    for key in (organisation.partner, customer):
        if key is None:
            continue
        parties = Parties(provider=provider.key, partner=key, customer=customer)
        may = {
            permission: [
                person.key
                for person in await directory.approvers(
                    session, Approvers(party=OrganisationKind.PARTNER, permission=permission), parties
                )
            ]
            for permission in (Permission.ORDER, Permission.APPROVE)
        }
        found = sorted(may[Permission.ORDER], key=lambda person: person in may[Permission.APPROVE])
        if found:
            return found[0]
    raise Refusal(Code.INVALID_INPUT, f"requested_by: nobody in the directory may order for {customer}")
