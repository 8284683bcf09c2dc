"""Fixtures around the real Temporal server: one per test process, started when a test first wants it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import Client
from temporalio.worker import Worker

from starter.dev.temporal import TemporalServer, VirtualTime


@pytest.fixture(scope="session")
async def temporal_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TemporalServer]:
    """A server that all tests of this process share; they keep apart by workflow ids and task queues."""
    async with TemporalServer(tmp_path_factory.mktemp("temporal"), keeps=False) as server:
        yield server


@pytest.fixture(scope="session")
async def client(temporal_server: TemporalServer) -> Client:
    """Starts runs in real time."""
    return await temporal_server.connect()


@pytest.fixture(scope="session")
def virtual_time(client: Client) -> VirtualTime:
    """Starts runs whose clocks the test moves."""
    return VirtualTime(client)


@pytest.fixture
def task_queue() -> str:
    """A task queue of the test's own."""
    return f"test-{uuid4()}"


def new_worker(
    client: Client,
    *activities: Callable[..., Any],
    workflows: Sequence[type] | None = None,
    task_queue: str | None = None,
    **options: Any,
) -> Worker:
    """A worker in the production sandbox, for `async with`; its task queue is its own if none is given."""
    # Imported late: tests of the parts below the workflows do not wait for them.
    from workflows.registry import INTERCEPTORS, WORKFLOWS, workflow_runner

    return Worker(
        client,
        task_queue=task_queue or f"test-{uuid4()}",
        workflows=workflows or WORKFLOWS,
        activities=activities,
        workflow_runner=workflow_runner(),
        interceptors=INTERCEPTORS,
        **options,
    )
