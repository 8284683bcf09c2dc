"""A programmable backend, an adapter that talks to it, and the order it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from activities.provisioning.http import HttpAdapter, HttpAdapterSettings
from domain.provisioning import ServiceOrder
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
async def adapter(backend: Backend) -> AsyncIterator[HttpAdapter]:
    async with HttpAdapter(HttpAdapterSettings(base_url=f"{backend.origin}/v1/", timeout=5)) as adapter:
        yield adapter


@pytest.fixture
def order() -> ServiceOrder:
    return ServiceOrder(
        idempotency_key="order-7k-line-1:provision",
        process="order-7k-line-1",
        service="7k-1",
        organisation="acme",
        offer="mail-gateway",
        offer_version=2,
        at=datetime(2026, 3, 2, 8, tzinfo=UTC),
        domain="acme.example",
        parameters={"seats": "25"},
    )
