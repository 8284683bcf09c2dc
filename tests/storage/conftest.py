"""Sessions for tests of single queries: each is rolled back, so that they can share a database."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from storage import directory
from storage.database import Database
from tests.storage.samples import DIRECTORY


@pytest.fixture(scope="session")
async def inhabited(shared_url: str) -> AsyncIterator[Database]:
    """A database of either kind with the sample directory in it, shared and never written to."""
    database = Database(shared_url)
    async with database.session() as session:
        await directory.load_directory(session, DIRECTORY)
    yield database
    await database.dispose()


@pytest.fixture
async def session(inhabited: Database) -> AsyncIterator[AsyncSession]:
    """One transaction for a whole test; what it writes is gone afterwards."""
    async with inhabited.session() as opened:
        yield opened
        await opened.rollback()
