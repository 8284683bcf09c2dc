"""A programmable system, a source that asks it, and the question."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from activities.conditions.http import HttpSource, HttpSourceSettings
from domain.external import AwaitCondition
from domain.request_data import RequestData
from tests.activities.provisioning.backend import Backend


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    backend = Backend()
    server = await asyncio.start_server(backend.serve, "127.0.0.1", 0)
    backend.port = server.sockets[0].getsockname()[1]
    async with server:
        yield backend
        backend.stopped.set()


@pytest.fixture
async def source(backend: Backend) -> AsyncIterator[HttpSource]:
    async with HttpSource(HttpSourceSettings(url=f"{backend.origin}/credit/", timeout=5)) as source:
        yield source


@pytest.fixture
def question() -> AwaitCondition:
    return AwaitCondition(
        source="credit",
        parameters={"limit": "5000"},
        process="order-7k-line-1",
        stage="credit-check",
        round=2,
        at=datetime(2026, 3, 2, 8, tzinfo=UTC),
        request=RequestData(offer="sign", offer_version=3, customer="alpenblick", note="call me on 0123"),
    )
