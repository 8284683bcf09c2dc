"""The world of fakes with a worker of its own, on the real server and on virtual time."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from domain import wire
from domain.decisions import Decide, DecisionRecorded, Verdict
from domain.orders import Line, LineCommand, Order, OrderContext
from starter.dev.temporal import VirtualTime
from tests.workflows.world import World, context, start_line


class Scene:
    """One test's stage: a world, a worker, and short ways to act in it."""

    def __init__(self, world: World, virtual_time: VirtualTime, queue: str) -> None:
        self.world = world
        self.time = virtual_time
        self.client: Client = virtual_time.client
        self.queue = queue

    def new_order(self) -> str:
        """An order id nobody else has."""
        return uuid.uuid4().hex[:10]

    async def start(
        self, wanted: Line, *, start: datetime | None = None, for_domain: bool = True
    ) -> WorkflowHandle[object, object]:
        """Starts one line."""
        return await start_line(
            self.client, self.queue, self.new_order(), wanted, start=start, for_domain=for_domain
        )

    async def order(self, *lines: Line, **more: object) -> WorkflowHandle[object, object]:
        """Starts an order of these lines."""
        order: OrderContext = context(self.new_order(), **more)  # type: ignore[arg-type]
        return await self.client.start_workflow(
            wire.ORDER, Order(context=order, lines=lines), id=wire.order_id(order.id), task_queue=self.queue
        )

    async def line_of(
        self, order: WorkflowHandle[object, object], number: int, action: str
    ) -> WorkflowHandle[object, object]:
        """A line of an order, once it has announced an action."""
        handle = self.client.get_workflow_handle(f"{order.id}-line-{number}")
        await self.world.told(handle.id, action)
        return handle

    async def decide(
        self,
        handle: WorkflowHandle[object, object],
        actor: str,
        verdict: Verdict = Verdict.APPROVE,
        **more: object,
    ) -> DecisionRecorded:
        """Decides by update; a denial says why unless told otherwise."""
        base: dict[str, object] = {"stage": "sales", "actor": actor, "verdict": verdict}
        if verdict is Verdict.DENY:
            base["reason"] = "too expensive"
        decision = Decide.model_validate(base | more)
        return await handle.execute_update(wire.DECIDE, decision, result_type=DecisionRecorded)

    async def command(
        self, handle: WorkflowHandle[object, object], update: str, actor: str = "dora"
    ) -> object:
        """Sends one of the commands that carry only an actor."""
        return await handle.execute_update(update, LineCommand(actor=actor))

    async def refusal(
        self, handle: WorkflowHandle[object, object], update: str, command: object
    ) -> ApplicationError:
        """What an update is refused with."""
        with pytest.raises(WorkflowUpdateFailedError) as error:
            await handle.execute_update(update, command)
        cause = error.value.cause
        assert isinstance(cause, ApplicationError)
        return cause

    async def skip(self, handle: WorkflowHandle[object, object], span: timedelta) -> None:
        """Lets a run's time pass."""
        await self.time.skip(handle.id, span)


@pytest.fixture
def world() -> World:
    """What the fakes answer; change it at any time."""
    return World()


@pytest.fixture
async def scene(world: World, virtual_time: VirtualTime) -> AsyncIterator[Scene]:
    """A world with a running worker."""
    queue = f"test-{uuid.uuid4()}"
    async with world.worker(virtual_time.client, queue):
        yield Scene(world, virtual_time, queue)
