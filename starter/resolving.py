"""What an order comes to: parties, lines with their snapshots, and what stands against it (SPEC 5, D8)."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from domain import findings
from domain.dns.names import DomainName
from domain.dns.requirements import TOKEN_BYTES, new_token
from domain.dns.verdicts import ObservationSeverity
from domain.errors import Code, Refusal
from domain.offers import Offer
from domain.orders import MAX_LINES, Line, Order, OrderContext, SubmitOrder, expand_items
from domain.organisations import Organisation, OrganisationKind, Parties, Permission
from starter.contacts import with_contacts
from storage import catalogue, directory, inventory
from storage.calendars import calendars_for

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Who:
    parties: Parties
    customer: Organisation
    requester_name: str


async def resolve(
    session: AsyncSession, order: SubmitOrder, domain: DomainName | None, order_id: str, at: datetime
) -> Order:
    """The order with everything it keeps for life; the customer's claim on the domain is written along.

    Args:
        session: The transaction the order is reserved in.
        order: As it was placed.
        domain: Its domain, parsed.
        order_id: The order's id; services of the order itself do not stand in its way.
        at: When it was placed.

    Raises:
        Refusal: INVALID_INPUT naming the field, NOT_PERMITTED or DUPLICATE.
    """
    who = await _who(session, order)
    lines = with_contacts(order, await _lines(session, order, domain, order_id))
    lines = await _with_calendars(session, lines, who.parties, at)
    context = OrderContext(
        id=order_id,
        parties=who.parties,
        requested_by=order.requested_by,
        requested_by_name=who.requester_name,
        customer_name=who.customer.name,
        submitted_at=at,
        domain=domain,
        requested_start=order.requested_start,
        external_id=order.external_id,
        note=order.note,
    )
    await _check_consistency(session, context, lines)
    if domain is None:
        return Order(context=context, lines=lines)
    token = new_token(secrets.token_bytes(TOKEN_BYTES))
    kept = await inventory.claim(session, domain.key, order.customer, token)
    return Order(context=context.model_copy(update={"token": kept}), lines=lines)


async def _who(session: AsyncSession, order: SubmitOrder) -> _Who:
    """Who orders from whom for whom.

    Raises:
        Refusal: INVALID_INPUT for a customer or person that does not exist, NOT_PERMITTED.
    """
    customer = await _named("customer", directory.organisation(session, order.customer))
    requester = await _named("requested_by", directory.person(session, order.requested_by))
    if customer.kind is OrganisationKind.PROVIDER:
        raise Refusal(Code.INVALID_INPUT, f"customer: {customer.key} is the provider itself")
    provider = await directory.provider(session)
    candidates = [key for key in (customer.partner, customer.key) if key]
    for key in candidates:
        if await directory.may(session, requester.key, key, Permission.ORDER):
            parties = Parties(provider=provider.key, partner=key, customer=customer.key)
            return _Who(parties, customer, requester.name)
    raise Refusal(
        Code.NOT_PERMITTED,
        f"requested_by: {requester.key} may not order for {customer.key}; "
        f"it takes the permission order at {' or '.join(candidates)}",
    )


async def _named(field: str, found: Awaitable[T]) -> T:
    """What a field names; whatever is not there makes the field wrong."""
    try:
        return await found
    except Refusal as refusal:
        if refusal.code is not Code.NOT_FOUND:
            raise
        raise Refusal(Code.INVALID_INPUT, f"{field}: {refusal.message.partition(': ')[2]}") from None


async def _lines(
    session: AsyncSession, order: SubmitOrder, domain: DomainName | None, order_id: str
) -> tuple[Line, ...]:
    """The order's lines with their snapshots, base services first.

    Raises:
        Refusal: INVALID_INPUT or DUPLICATE, naming the item.
    """
    published = await catalogue.current_offers(session)
    for index, item in enumerate(order.items):
        if item.offer not in published:
            raise Refusal(Code.INVALID_INPUT, f"items.{index}.offer: {item.offer} is not in the catalogue")
        if published[item.offer][0].needs_domain and domain is None:
            raise Refusal(Code.INVALID_INPUT, f"domain: items.{index}.offer {item.offer} needs one")
    there = await inventory.services_of(session, order.customer, domain.key if domain else None)
    expanded = expand_items(
        [published[item.offer][0] for item in order.items],
        {name: offer for name, (offer, _) in published.items()},
        frozenset(service.offer for service in there if service.order != order_id),
    )
    if len(expanded) > MAX_LINES:
        raise Refusal(
            Code.INVALID_INPUT, f"items: with what they include they are more than {MAX_LINES} lines"
        )
    return tuple(
        [
            await _line(session, number, offer, published[offer.name][1], added=added)
            for number, (offer, added) in enumerate(expanded, start=1)
        ]
    )


async def _line(session: AsyncSession, number: int, offer: Offer, hash_: str, *, added: bool) -> Line:
    line = Line(number=number, offer=offer, offer_hash=hash_, added=added)
    if offer.approval is None:
        return line
    definition, definition_hash = await catalogue.current_definition(session, offer.approval)
    return line.model_copy(update={"approval": definition, "approval_hash": definition_hash})


async def _with_calendars(
    session: AsyncSession, lines: tuple[Line, ...], parties: Parties, at: datetime
) -> tuple[Line, ...]:
    """The lines with the calendars that their approvals count in."""
    return tuple(
        [
            line.model_copy(update={"calendars": await calendars_for(session, line.approval, parties, at)})
            if line.approval
            else line
            for line in lines
        ]
    )


async def _check_consistency(session: AsyncSession, context: OrderContext, lines: tuple[Line, ...]) -> None:
    """Refuses what the check would find without asking anybody; the check itself looks again, and further.

    Raises:
        Refusal: DUPLICATE or INVALID_INPUT, naming the field.
    """
    domain, customer = context.domain, context.parties.customer
    services = await inventory.services_of(session, customer, domain.key if domain else None)
    elsewhere = {service.offer: service.order for service in services if service.order != context.id}
    found = findings.consistency(
        context,
        lines,
        present=frozenset(service.offer for service in services),
        elsewhere=frozenset(elsewhere),
        taken=False,
    )
    for finding in found:
        if finding.code == "DUPLICATE_SERVICE":
            order = next(elsewhere[line.offer.name] for line in lines if line.number == finding.line)
            raise Refusal(Code.DUPLICATE, f"{finding.field}: {finding.message} It is of order {order}.")
        if finding.severity is ObservationSeverity.BLOCKING:
            raise Refusal(Code.INVALID_INPUT, f"{finding.field}: {finding.message}")
