"""The copy of a directory that simulations work with."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from domain.organisations import Directory, Organisation, OrganisationKind
from storage import directory
from storage.database import Database
from storage.directory import load_directory
from storage.snapshot import copy_directory, some_customer
from tests.storage.samples import DIRECTORY


async def test_a_copied_directory_is_the_same(session: AsyncSession, sqlite_database: Database) -> None:
    async with sqlite_database.session() as copy:
        assert await copy_directory(session, copy) == len(DIRECTORY.people)
    async with sqlite_database.reading() as copy:
        for organisation in DIRECTORY.organisations:
            assert await directory.organisation(copy, organisation.key) == organisation
        for person in DIRECTORY.people:
            assert await directory.person(copy, person.key) == person


async def test_some_customer_is_rather_one_with_a_partner(sqlite_database: Database) -> None:
    customer, partner = OrganisationKind.CUSTOMER, OrganisationKind.PARTNER
    organisations = [
        Organisation(key="alone", kind=customer, name="Alone"),
        Organisation(key="led", kind=customer, name="Led", partner="partner"),
        Organisation(key="partner", kind=partner, name="Partner"),
    ]
    async with sqlite_database.session() as session:
        assert await some_customer(session) is None
        await load_directory(session, Directory(organisations=tuple(organisations[:1]), people=()))
        assert await some_customer(session) == "alone"
        await load_directory(session, Directory(organisations=tuple(organisations), people=()))
        assert await some_customer(session) == "led"
