"""The automatic deployment asks exactly the lines that wait for it, on the real server.

Nobody works on the runs here: what they were asked is read from their histories.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import Client, WorkflowHandle
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import ActivityEnvironment

from activities.deployment import Deployments
from domain import wire
from domain.line import LineState
from domain.orders import LineCommand
from domain.transitions import SYSTEM, ProcessKind
from starter.dev.temporal import TemporalServer

Run = WorkflowHandle[Any, Any]
QUEUE = "nobody"


@pytest.fixture
async def alone(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    """A server of the test's own: the round looks at every line there is."""
    async with TemporalServer(tmp_path_factory.mktemp("temporal")) as server:
        yield await server.connect()


async def start(
    client: Client, state: str, kind: str = ProcessKind.ORDER_LINE, task_queue: str = QUEUE
) -> Run:
    attributes = [
        SearchAttributePair(SearchAttributeKey.for_keyword(name), value)
        for name, value in ((wire.PROCESS_KIND, kind), (wire.PROCESS_STATE, state))
    ]
    return await client.start_workflow(
        wire.ORDER_LINE,
        id=f"line-{uuid4()}",
        task_queue=task_queue,
        search_attributes=TypedSearchAttributes(attributes),
    )


async def listed(client: Client, query: str, number: int) -> None:
    """Waits until the list, which lags behind the runs, shows so many."""
    async with asyncio.timeout(80):
        while (await client.count_workflows(query)).count != number:
            await asyncio.sleep(0.02)


async def asked(run: Run) -> list[LineCommand]:
    """The deployments a run was asked for."""
    converter = run._client.data_converter
    commands = []
    async for event in run.fetch_history_events():
        signal = event.workflow_execution_signaled_event_attributes
        if event.HasField("workflow_execution_signaled_event_attributes"):
            assert signal.signal_name == wire.DEPLOY
            commands += await converter.decode(signal.input.payloads, [LineCommand])
    return commands


async def test_a_round_asks_exactly_the_confirmed_lines_that_run(alone: Client) -> None:
    confirmed = [await start(alone, LineState.CONFIRMED) for _ in range(3)]
    others = [await start(alone, state) for state in LineState if state is not LineState.CONFIRMED]
    others.append(await start(alone, LineState.CONFIRMED, ProcessKind.ORDER))
    others.append(await start(alone, LineState.CONFIRMED, task_queue="another-installation"))
    others.append(ended := await start(alone, LineState.CONFIRMED))
    await ended.terminate()
    await listed(alone, "ExecutionStatus = 'Running'", 3 + len(others) - 1)

    heartbeats: list[int] = []
    environment = ActivityEnvironment()
    environment.on_heartbeat = heartbeats.append
    assert await environment.run(Deployments(alone, QUEUE).deploy_confirmed) == 3

    expected = LineCommand(actor=SYSTEM, reason="automatic deployment")
    assert [await asked(run) for run in confirmed] == [[expected]] * 3
    assert not any([await asked(run) for run in others])
    assert heartbeats == [1, 2, 3]


class Hurried:
    """A client whose listed runs end before anybody can ask them for anything."""

    def __init__(self, client: Client, ending: Run) -> None:
        self._client = client
        self._ending = ending

    async def list_workflows(self, query: str) -> AsyncIterator[Any]:
        runs = [run async for run in self._client.list_workflows(query)]
        await self._ending.terminate()
        for run in runs:
            yield run

    def get_workflow_handle(self, workflow_id: str) -> Run:
        return self._client.get_workflow_handle(workflow_id)


async def test_a_line_that_ends_meanwhile_does_not_stop_the_round(alone: Client) -> None:
    runs = [await start(alone, LineState.CONFIRMED) for _ in range(3)]
    await listed(alone, f"{wire.PROCESS_STATE} = '{LineState.CONFIRMED}'", 3)
    hurried: Any = Hurried(alone, ending=runs[1])
    assert await ActivityEnvironment().run(Deployments(hurried, QUEUE).deploy_confirmed) == 2
    assert [len(await asked(run)) for run in runs] == [1, 0, 1]


async def test_a_line_that_cannot_be_reached_is_left_to_the_retry_and_holds_up_no_other(
    alone: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [await start(alone, LineState.CONFIRMED) for _ in range(3)]
    await listed(alone, f"{wire.PROCESS_STATE} = '{LineState.CONFIRMED}'", 3)
    usual = WorkflowHandle.signal

    async def signal(run: Run, *message: Any) -> None:
        if run.id == runs[1].id:
            raise RPCError("down", RPCStatusCode.UNAVAILABLE, b"")
        await usual(run, *message)

    monkeypatch.setattr(WorkflowHandle, "signal", signal)
    with pytest.raises(RPCError):
        await ActivityEnvironment().run(Deployments(alone, QUEUE).deploy_confirmed)
    assert [len(await asked(run)) for run in runs] == [1, 0, 1]
