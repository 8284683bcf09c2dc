"""Whose names somebody may come across who looks for an organisation, and whose an address is (SPEC 5.5)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain.matching import Circle, address_key, domain_key
from domain.organisations import Permission, roles_with
from storage.tables import ClaimStatus, DomainClaimRow, GrantRow, OrganisationRow, PersonRow


async def circle_of(session: AsyncSession, person: str, permissions: Iterable[Permission]) -> Circle:
    """The organisations that a person may come across; none if they hold none of the permissions."""
    acting = await _organisations_of(session, col(PersonRow.key) == person, permissions)
    return Circle(acting=acting, beside=await _partners_of(session, acting))


async def circle_of_address(
    session: AsyncSession, address: str | None, permissions: Iterable[Permission], beside: Iterable[str]
) -> Circle:
    """The organisations that whoever holds a link may come across.

    Args:
        session: Where to look.
        address: Where the link was sent; whoever reads its mail is who has it in the directory.
        permissions: By which people of the directory look for organisations.
        beside: The organisations that the link is about.
    """
    if address is None:
        return Circle(acting=frozenset(), beside=frozenset(beside))
    is_theirs = col(PersonRow.address) == address_key(address)
    acting = await _organisations_of(session, is_theirs, permissions)
    theirs = await _organisations_of(session, is_theirs, None)
    return Circle(acting=acting, beside=frozenset({*beside, *theirs, *await _partners_of(session, acting)}))


async def matched(session: AsyncSession, address: str, organisations: Collection[str]) -> frozenset[str]:
    """Those of these organisations whose an address is, or its domain, as `storage.matching` finds them."""
    domain = domain_key(address)
    is_theirs = col(PersonRow.address) == address_key(address)
    if domain is not None:
        is_theirs |= col(PersonRow.domain) == domain
    of_people = (
        select(col(GrantRow.organisation))
        .join(PersonRow, col(PersonRow.key) == col(GrantRow.person))
        .where(col(GrantRow.organisation).in_(organisations), is_theirs, col(PersonRow.active))
    )
    found = set(await session.scalars(of_people))
    if domain is not None:
        holders = select(col(DomainClaimRow.organisation)).where(
            col(DomainClaimRow.organisation).in_(organisations),
            col(DomainClaimRow.registrable) == domain,
            col(DomainClaimRow.status) == ClaimStatus.VERIFIED,
        )
        found |= set(await session.scalars(holders))
    return frozenset(found)


async def _organisations_of(
    session: AsyncSession, who: Any, permissions: Iterable[Permission] | None
) -> frozenset[str]:
    wanted: Select[str] = (
        select(col(GrantRow.organisation))
        .join(PersonRow, col(PersonRow.key) == col(GrantRow.person))
        .where(who, col(PersonRow.active))
    )
    if permissions is not None:
        roles = {role for permission in permissions for role in roles_with(permission)}
        wanted = wanted.where(col(GrantRow.role).in_(sorted(roles)))
    return frozenset(await session.scalars(wanted))


async def _partners_of(session: AsyncSession, organisations: frozenset[str]) -> frozenset[str]:
    partners = await session.scalars(
        select(col(OrganisationRow.partner)).where(col(OrganisationRow.key).in_(sorted(organisations)))
    )
    return frozenset(partner for partner in partners if partner is not None)
