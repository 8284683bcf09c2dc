"""Fixtures for what hands mails over: a mail server, and an outbox beside the sample directory."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from storage import directory
from storage.database import Database
from tests.activities.mail.conftest import SmtpServer
from tests.activities.post import Post
from tests.storage.samples import DIRECTORY


@pytest.fixture
async def server() -> AsyncIterator[SmtpServer]:
    """A mail server that can be told how to answer."""
    server = SmtpServer()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def post(database: Database) -> Post:
    """An empty outbox beside the sample directory."""
    async with database.session() as session:
        await directory.load_directory(session, DIRECTORY)
    return Post(database)
