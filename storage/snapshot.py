"""What a simulation wants of a directory: a copy of it, and somebody it can be about."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain.organisations import OrganisationKind
from storage.tables import GrantRow, NotificationRow, OrganisationRow, PersonRow


async def copy_directory(source: AsyncSession, target: AsyncSession) -> int:
    """Copies organisations, people, their roles and their choices into a database that has none.

    Returns:
        How many people there are.
    """
    # Partners come before the customers that refer to them.
    organisations = select(OrganisationRow).order_by(col(OrganisationRow.partner).is_not(None))
    people = (await source.scalars(select(PersonRow))).all()
    grants, choices = await source.scalars(select(GrantRow)), await source.scalars(select(NotificationRow))
    for rows in (await source.scalars(organisations), people, grants, choices):
        target.add_all([type(row)(**dict(row)) for row in rows])
        await target.flush()
    return len(people)


async def some_customer(session: AsyncSession) -> str | None:
    """The first customer by key, rather one with a partner; None if there is none."""
    customers = (
        select(col(OrganisationRow.key))
        .where(col(OrganisationRow.kind) == OrganisationKind.CUSTOMER)
        .order_by(col(OrganisationRow.partner).is_(None), col(OrganisationRow.key))
    )
    return await session.scalar(customers.limit(1))
