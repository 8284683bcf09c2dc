"""Installations that tests share: to start one costs more than most of what is done there."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.databases import created
from tests.e2e.site import Site, open_site


@pytest.fixture(scope="session")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """An installation on SQLite; each test orders for customers of its own and leaves everything running."""
    async with open_site(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture(scope="session")
async def postgresql_site(
    tmp_path_factory: pytest.TempPathFactory, postgresql_server: str, postgresql_template: str
) -> AsyncIterator[Site]:
    """An installation on PostgreSQL."""
    for url in created(postgresql_server, postgresql_template):
        async with open_site(tmp_path_factory.mktemp("site"), url) as site:
            yield site
