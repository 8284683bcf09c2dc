"""Where the lines of random traces run: without a server, or on the real one with a clock of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError

from domain import wire
from domain.dns.verdicts import Overall
from domain.orders import Line
from domain.transitions import ProcessView, Transition
from tests.workflows.backend import Backend, Fault, refuses
from tests.workflows.conftest import Scene
from tests.workflows.offline_world import OfflineWorld, run_offline
from tests.workflows.world import seen

FAULTS: dict[str, dict[str, Fault]] = {"work": {}, "refuse": {"site": refuses, "service": refuses}}
"""What a server's backends do; one that is away would have to be waited for."""


class OfflineLine:
    """A line without a server: nothing here ever waits, whatever is declared to."""

    def __init__(self, line: Line, start: datetime, now: datetime, backend: str) -> None:
        self._world = OfflineWorld(backend)
        self._run = run_offline(self._world, line, start, now)

    async def now(self) -> datetime:
        return self._run.now

    async def update(self, name: str, command: dict[str, Any]) -> str | None:
        return self._run.update(name, command)

    async def pass_until(self, moment: datetime) -> None:
        self._run.pass_until(moment)

    async def backends_are(self, how: str) -> None:
        self._world.backend = how
        self._run.world_has_changed()

    async def records_appear(self) -> None:
        self._world.records = Overall.VERIFIED
        self._run.world_has_changed()

    async def settles(self, how: Callable[[], Awaitable[bool]]) -> None:
        pass

    async def view(self) -> ProcessView:
        return self._run.query(wire.VIEW, ProcessView)

    @property
    def steps(self) -> list[Transition]:
        return self._world.steps

    @property
    def reserved(self) -> set[str]:
        return self._world.reserved


class ServerLine:
    """A line on the real server, in a world of its own."""

    def __init__(self, scene: Scene, run: WorkflowHandle[object, object], backend: Backend) -> None:
        self._scene, self._run, self._backend = scene, run, backend

    async def now(self) -> datetime:
        return await self._scene.time.now(self._run.id)

    async def update(self, name: str, command: dict[str, Any]) -> str | None:
        try:
            await self._run.execute_update(name, command)
        except WorkflowUpdateFailedError as error:
            return str(getattr(error.cause, "type", error.cause))
        return None

    async def pass_until(self, moment: datetime) -> None:
        await self._scene.time.skip_until(self._run.id, moment)

    async def backends_are(self, how: str) -> None:
        self._backend.faults = FAULTS[how]

    async def records_appear(self) -> None:
        self._scene.world.records = lambda _watch, _attempt: seen(Overall.VERIFIED)

    async def settles(self, how: Callable[[], Awaitable[bool]]) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(20):
                while not await how():
                    await asyncio.sleep(0.01)

    async def view(self) -> ProcessView:
        return await self._run.query(wire.VIEW, result_type=ProcessView)

    @property
    def steps(self) -> list[Transition]:
        return sorted(self._scene.world.announced.get(self._run.id, []), key=lambda step: step.seq)

    @property
    def reserved(self) -> set[str]:
        order = self._run.id.split("-")[1]
        return {service for service in self._backend.there if service.startswith(order)}
