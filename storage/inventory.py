"""Services and domain claims: who has what, and whose domain it is (SPEC 5.1, 5.6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from sqlalchemy import case, select, tuple_, update
from sqlalchemy.dialects.postgresql import Insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain.dns.names import registrable_domain
from domain.line import ServiceStatus
from domain.transitions import ServiceChange
from storage.statements import dialect, insert, keep_newest
from storage.tables import ClaimStatus, DomainClaimRow, ServiceRow

GONE = (ServiceStatus.CANCELLED, ServiceStatus.DEPROVISIONED)
"""Statuses in which a service no longer stands in the way of another."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service as the inventory has it."""

    id: str
    organisation: str
    offer: str
    offer_version: int
    domain: str | None
    status: ServiceStatus
    order: str
    line: int
    created_at: datetime
    updated_at: datetime


# Services


async def services_of(
    session: AsyncSession, organisation: str, domain: str | None = None
) -> tuple[Service, ...]:
    """An organisation's open services, for one domain (its key) or, with None, those without a domain."""
    rows = await session.scalars(
        select(ServiceRow)
        .where(
            col(ServiceRow.organisation) == organisation,
            col(ServiceRow.domain) == domain,
            col(ServiceRow.status).not_in(GONE),
        )
        .order_by(col(ServiceRow.id))
    )
    return tuple(_service(row) for row in rows)


@cache
def _recording(dialect: str) -> Insert:
    statement = insert(dialect, "service")
    age = ("updated_at", "process", "seq")
    is_newer = tuple_(*(statement.excluded[name] for name in age)) > tuple_(
        *(statement.table.c[name] for name in age)
    )
    moving = (*age, "organisation", "offer", "offer_version", "domain", "status")
    told_again = keep_newest(statement, is_newer, moving, since="created_at")
    return statement.on_conflict_do_update(index_elements=["id"], set_=told_again)


async def record_services(
    session: AsyncSession, changes: Sequence[ServiceChange], process: str, seq: int, at: datetime
) -> None:
    """Writes services' statuses as a transition left them; an older one that arrives late changes nothing.

    Within a process `seq` decides what is newer, between processes the time does.
    """
    if not changes:
        return
    rows = [
        {
            "id": change.id,
            "organisation": change.organisation,
            "offer": change.offer,
            "offer_version": change.offer_version,
            "domain": change.domain,
            "status": change.status,
            "order_id": change.order,
            "line": change.line,
            "created_at": at,
            "updated_at": at,
            "process": process,
            "seq": seq,
        }
        for change in changes
    ]
    await session.execute(_recording(dialect(session)), rows)


def _service(row: ServiceRow) -> Service:
    return Service(
        id=row.id,
        organisation=row.organisation,
        offer=row.offer,
        offer_version=row.offer_version,
        domain=row.domain,
        status=row.status,
        order=row.order_id,
        line=row.line,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


# Domain claims


async def claim(session: AsyncSession, domain: str, organisation: str, token: str) -> str:
    """Claims a domain, beside whoever else claims it.

    Returns:
        The token that proves the claim: the one from before, or the given one if the claim is new or had
        been released.
    """
    claims = insert(dialect(session), "domain_claim").values(
        domain=domain,
        organisation=organisation,
        token=token,
        status=ClaimStatus.CLAIMED,
        registrable=registrable_domain(domain),
    )
    was_released = claims.table.c.status == ClaimStatus.RELEASED
    kept = await session.scalar(
        claims.on_conflict_do_update(
            index_elements=["domain", "organisation"],
            set_={
                name: case((was_released, claims.excluded[name]), else_=claims.table.c[name])
                for name in ("token", "status")
            },
        ).returning(claims.table.c.token)
    )
    return str(kept)


async def verify_claim(
    session: AsyncSession, domain: str, organisation: str, token: str, at: datetime
) -> bool:
    """Records that an organisation proved a domain to be its own; the first to do so holds it (SPEC 5.6).

    The proof counts, not the claim: one that was never made, as for an order started by hand, or was released
    by another line's end, is made with it.

    Args:
        session: The transaction.
        domain: The domain's key.
        organisation: Who proved it.
        token: What proved it; an open claim keeps its own.
        at: When it was seen.

    Returns:
        True if the organisation holds the domain now, False if another one does.
    """
    claims = insert(dialect(session), "domain_claim").values(
        domain=domain,
        organisation=organisation,
        token=token,
        status=ClaimStatus.VERIFIED,
        verified_at=at,
        registrable=registrable_domain(domain),
    )
    there, given = claims.table.c, claims.excluded
    proven = claims.on_conflict_do_update(
        index_elements=["domain", "organisation"],
        set_={
            "token": case((there.status == ClaimStatus.RELEASED, given.token), else_=there.token),
            "status": given.status,
            "verified_at": given.verified_at,
        },
        where=there.status != ClaimStatus.VERIFIED,
    )
    try:
        # The unique index over verified claims decides between two that prove theirs at once.
        async with session.begin_nested():
            await session.execute(proven)
    except IntegrityError:
        return False
    return True


async def release_claim(session: AsyncSession, domain: str, organisation: str) -> None:
    """Gives a claim up, verified or not, unless an open service of the organisation still needs it."""
    its_claim = (col(DomainClaimRow.domain) == domain, col(DomainClaimRow.organisation) == organisation)
    # Locked before the services are read: of two lines that end at once, the later one sees the other's end.
    await session.execute(select(col(DomainClaimRow.status)).where(*its_claim).with_for_update())
    if await services_of(session, organisation, domain):
        return
    await session.execute(
        update(DomainClaimRow).where(*its_claim).values(status=ClaimStatus.RELEASED, verified_at=None)
    )


async def holder(session: AsyncSession, domain: str) -> str | None:
    """The organisation that has verified the domain, if one has."""
    return await session.scalar(
        select(col(DomainClaimRow.organisation)).where(
            col(DomainClaimRow.domain) == domain, col(DomainClaimRow.status) == ClaimStatus.VERIFIED
        )
    )
