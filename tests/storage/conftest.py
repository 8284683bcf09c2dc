"""Sessions for tests of single queries."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from storage import directory
from storage.database import Database
from tests.storage.samples import DIRECTORY


@pytest.fixture
async def session(database: Database) -> AsyncIterator[AsyncSession]:
    """One transaction for a whole test."""
    async with database.session() as opened:
        yield opened


@pytest.fixture
async def inhabited(session: AsyncSession) -> AsyncSession:
    """The same transaction, with the sample directory loaded."""
    await directory.load_directory(session, DIRECTORY)
    return session
