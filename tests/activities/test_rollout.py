"""Telling many requests of a changed definition: whatever one answers, all others are told, too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from temporalio import activity, workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHandle
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import ActivityEnvironment
from temporalio.worker import Worker

import activities.rollout
from activities.rollout import AT_ONCE, Rollouts
from domain import wire
from domain.actions import ChangeDefinition, DefinitionChanged
from domain.definitions import ApprovalDefinition, Approvers, OnChange, Stage
from domain.errors import Code
from domain.rollouts import (
    ChangeLines,
    DefinitionChange,
    LinesChanged,
    Rollout,
    RolloutProgress,
    TellRequests,
)
from domain.transitions import PlannedLine, ProcessKind
from starter.dev.temporal import VirtualTime
from storage import directory, projection
from storage.database import Database
from tests.storage.samples import DIRECTORY, step, view
from workflows.registry import workflow_runner
from workflows.rollout import AGAIN_AFTER, DefinitionRolloutWorkflow


@workflow.defn(name="Request", sandboxed=False)
class Request:
    """Stands for a process with an approval: changes once, or refuses with the code it was started with."""

    @workflow.init
    def __init__(self, code: str | None) -> None:
        self.code = code
        self.told: list[ChangeDefinition] = []

    @workflow.run
    async def run(self, code: str | None) -> None:
        await workflow.wait_condition(lambda: False)

    @workflow.update(name=wire.CHANGE_DEFINITION)
    async def change(self, command: ChangeDefinition) -> DefinitionChanged:
        self.told.append(command)
        return DefinitionChanged(definition=command.definition.reference)

    @change.validator
    def _may_change(self, command: ChangeDefinition) -> None:
        if self.code is not None:
            raise ApplicationError("no", type=self.code)

    @workflow.query
    def heard(self) -> int:
        return len(self.told)

    @workflow.query
    def calendars(self) -> list[str]:
        return [kind for command in self.told for kind in command.calendars]


@workflow.defn(name="RequestOfLines", sandboxed=False)
class RequestOfLines:
    """Stands for an order: answers as it was started to."""

    @workflow.init
    def __init__(self, answer: LinesChanged) -> None:
        self.answer = answer
        self.told: list[ChangeLines] = []

    @workflow.run
    async def run(self, answer: LinesChanged) -> None:
        await workflow.wait_condition(lambda: False)

    @workflow.update(name=wire.CHANGE_DEFINITION)
    async def change(self, command: ChangeLines) -> LinesChanged:
        self.told.append(command)
        return self.answer

    @workflow.query
    def heard(self) -> int:
        return len(self.told)


NAME = f"wf-{uuid4().hex[:8]}"
DEFINITION = ApprovalDefinition(
    name=NAME,
    version=5,
    title="Five",
    stages=(Stage(name="one", title="One", approvers=Approvers(people=("ann",))),),
)
CHANGE = DefinitionChange(mode=OnChange.RESET, definition=DEFINITION, definition_hash="hash")


def order(queue: str, **more: Any) -> TellRequests:
    return TellRequests.model_validate(
        {
            "rollout": "rollout-wf@5",
            "change": CHANGE,
            "actor": "ada",
            "task_queue": queue,
            "per_second": 1_000,
        }
        | more
    )


@pytest.fixture
async def queue(client: Client, task_queue: str) -> AsyncIterator[str]:
    async with Worker(client, task_queue=task_queue, workflows=[Request, RequestOfLines]):
        yield task_queue


async def start(client: Client, queue: str, number: int, version: int = 4, code: str | None = None) -> str:
    attributes = TypedSearchAttributes(
        [SearchAttributePair(SearchAttributeKey.for_keyword(wire.DEFINITION_VERSION), f"{NAME}@{version}")]
    )
    id_ = f"request-{queue}-{number:03}"
    await client.start_workflow("Request", code, id=id_, task_queue=queue, search_attributes=attributes)
    return id_


async def listed(client: Client, queue: str, number: int) -> None:
    async with asyncio.timeout(80):
        while (await client.count_workflows(f"TaskQueue = '{queue}'")).count != number:
            await asyncio.sleep(0.02)


Tell = Callable[..., Awaitable[RolloutProgress]]


@pytest.fixture
def tell(sqlite_database: Database) -> Tell:
    """Runs the activity on a database that the test may write to before."""

    async def run(client: Any, wanted: TellRequests, known: RolloutProgress | None = None) -> RolloutProgress:
        environment = ActivityEnvironment()
        if known is not None:
            environment.info = replace(environment.info, heartbeat_details=[known.model_dump()])
        return await environment.run(Rollouts(client, sqlite_database).roll_out, wanted)

    return run


async def heard(client: Client, process: str) -> int:
    number: int = await client.get_workflow_handle(process).query("heard")
    return number


async def test_every_open_request_on_an_older_version_is_told_once(
    client: Client, queue: str, tell: Tell
) -> None:
    older = [await start(client, queue, number) for number in range(AT_ONCE + 3)]
    newer = [await start(client, queue, 100 + number, version) for number, version in enumerate((5, 6))]
    await listed(client, queue, len(older) + len(newer))
    progress = await tell(client, order(queue))
    assert (progress.changed, progress.cursor) == (len(older), older[-1])
    assert [await heard(client, each) for each in older] == [1] * len(older)
    assert [await heard(client, each) for each in newer] == [0, 0]
    await tell(client, order(queue))
    assert [await heard(client, each) for each in older] == [1] * len(older)


async def test_whoever_takes_over_goes_on_behind_the_last_batch_and_keeps_the_counts(
    client: Client, queue: str, tell: Tell
) -> None:
    requests = [await start(client, queue, number) for number in range(4)]
    await listed(client, queue, 4)
    known = RolloutProgress(cursor=requests[1], changed=2, unreached=("x",))
    progress = await tell(client, order(queue), known)
    assert (progress.changed, progress.unreached) == (4, ("x",))
    assert [await heard(client, each) for each in requests] == [0, 0, 1, 1]


async def test_what_comes_too_late_is_passed_by_and_what_cannot_be_is_named(
    client: Client, queue: str, tell: Tell
) -> None:
    late = [
        await start(client, queue, n, code=c) for n, c in enumerate((Code.NOT_PENDING, Code.ALREADY_DECIDED))
    ]
    gone = await start(client, queue, 2)
    wrong = await start(client, queue, 3, code=Code.INVALID_INPUT)
    open_ = await start(client, queue, 4)
    await client.get_workflow_handle(gone).terminate()
    progress = await tell(client, order(queue, only=(*late, gone, wrong, open_)))
    assert (progress.changed, progress.passed_by) == (1, 3)
    assert list(progress.refused) == [wrong]
    assert progress.refused[wrong].startswith("INVALID_INPUT: ")


async def test_a_request_that_does_not_answer_holds_up_no_other(
    client: Client, queue: str, monkeypatch: pytest.MonkeyPatch, tell: Tell
) -> None:
    monkeypatch.setattr(activities.rollout, "ANSWERS_WITHIN_S", 0.5)
    silent = await start(client, f"nobody-{queue}", 0)
    open_ = await start(client, queue, 1)
    progress = await tell(client, order(queue, only=(silent, open_)))
    assert (progress.changed, progress.unreached) == (1, (silent,))


async def test_temporal_that_is_away_counts_as_not_reached(client: Client, queue: str, tell: Tell) -> None:
    class Away:
        def get_workflow_handle(self, _: str) -> Any:
            return self

        async def execute_update(self, *_: object, **__: object) -> None:
            raise RPCError("down", RPCStatusCode.UNAVAILABLE, b"")

    progress = await tell(Away(), order(queue, only=("one",)))
    assert progress.unreached == ("one",)


async def test_no_more_requests_are_told_in_a_second_than_wanted(
    client: Client, queue: str, tell: Tell
) -> None:
    requests = [await start(client, queue, number) for number in range(AT_ONCE * 2)]
    loop = asyncio.get_running_loop()
    began = loop.time()
    await tell(client, order(queue, only=tuple(requests), per_second=40))
    assert loop.time() - began >= len(requests) / 40


# What the projection knows of requests


async def projected(database: Database, process: str, **more: Any) -> None:
    """Has the projection know where a request stands."""
    async with database.session() as session:
        await projection.advance(session, [step(9, process=process, view=view(**more))])


async def planned(database: Database, process: str, *definitions: str) -> None:
    """Has the projection know an order whose lines will run on these definitions."""
    lines = tuple(
        PlannedLine(number=number, offer="box@1", definition=definition)
        for number, definition in enumerate(definitions, 1)
    )
    more = {"kind": ProcessKind.ORDER, "line": None, "offer": None, "definition": None, "planned": lines}
    await projected(database, process, state="acknowledged", **more)


async def start_order(client: Client, queue: str, **answer: Any) -> str:
    started = await client.start_workflow(
        "RequestOfLines", LinesChanged(**answer), id=f"order-{queue}", task_queue=queue
    )
    return started.id


async def test_a_request_that_was_moved_to_a_definition_is_told_of_its_next_version(
    client: Client, queue: str, tell: Tell, sqlite_database: Database
) -> None:
    """Its search attribute says for ever what it started on."""
    moved, gone_on = [await start(client, queue, number, 4) for number in range(2)]
    other = f"request-{queue}-9"
    await client.start_workflow("Request", None, id=other, task_queue=queue)
    await listed(client, queue, 3)
    await projected(sqlite_database, moved, definition=f"{NAME}@4")
    await projected(sqlite_database, gone_on, definition="another@1")
    await projected(sqlite_database, other, definition=f"{NAME}@1")
    progress = await tell(client, order(queue))
    assert progress.changed == 2
    assert [await heard(client, each) for each in (moved, gone_on, other)] == [1, 0, 1]


async def test_an_order_whose_lines_have_not_started_is_told_once(
    client: Client, queue: str, tell: Tell, sqlite_database: Database
) -> None:
    waiting = await start_order(client, queue, changed=(1, 2))
    await planned(sqlite_database, waiting, f"{NAME}@4", f"{NAME}@3", "another@1")
    await planned(sqlite_database, "order-not-concerned", "another@1", f"{NAME}@5")
    progress = await tell(client, order(queue))
    assert (progress.changed, progress.passed_by, progress.unreached) == (1, 0, ())
    assert await heard(client, waiting) == 1


async def test_lines_that_started_meanwhile_are_told_themselves_and_again_if_they_are_not_there_yet(
    client: Client, queue: str, tell: Tell, sqlite_database: Database
) -> None:
    line = await start(client, queue, 1)
    starting = f"{line}-to-be"
    waiting = await start_order(client, queue, started=(line, starting))
    await planned(sqlite_database, waiting, "another@1", "another@1")
    progress = await tell(
        client, order(queue, change=CHANGE.model_copy(update={"offer": "box", "offer_version": 2}))
    )
    assert (progress.changed, progress.passed_by, progress.unreached) == (1, 1, (starting,))
    assert await heard(client, line) == 1
    assert (await tell(client, order(queue, only=(starting,)))).passed_by == 1


async def test_an_order_is_told_again_as_an_order(
    client: Client, queue: str, tell: Tell, sqlite_database: Database
) -> None:
    waiting = await start_order(client, queue, changed=(1,))
    await planned(sqlite_database, waiting, f"{NAME}@4")
    assert (await tell(client, order(queue, only=(waiting,)))).changed == 1


async def test_a_reset_brings_the_calendars_of_the_requests_own_parties(
    client: Client, queue: str, tell: Tell, sqlite_database: Database
) -> None:
    stage = DEFINITION.stages[0].model_copy(update={"calendar": "customer", "deadline": timedelta(days=3)})
    timed = CHANGE.model_copy(update={"definition": DEFINITION.model_copy(update={"stages": (stage,)})})
    known, unknown = [await start(client, queue, number) for number in range(2)]
    await listed(client, queue, 2)
    async with sqlite_database.session() as session:
        await directory.load_directory(session, DIRECTORY)
    await projected(sqlite_database, known, definition=f"{NAME}@4")
    progress = await tell(client, order(queue, change=timed))
    assert (progress.changed, progress.unreached) == (1, (unknown,))
    assert await client.get_workflow_handle(known).query("calendars") == ["customer"]


async def timers(handle: WorkflowHandle[Any, Any], number: int) -> None:
    """Waits until a run has set so many timers; only then can its clock be moved past the last."""
    async with asyncio.timeout(80):
        while True:
            events = [event async for event in handle.fetch_history_events()]
            if sum(event.event_type == EventType.EVENT_TYPE_TIMER_STARTED for event in events) == number:
                return
            await asyncio.sleep(0.02)


async def test_requests_that_did_not_answer_are_told_again_later_and_at_last_left_to_operators(
    client: Client, task_queue: str
) -> None:
    told: list[tuple[str, ...] | None] = []

    @activity.defn(name=wire.ROLL_OUT)
    async def roll_out(wanted: TellRequests) -> RolloutProgress:
        told.append(wanted.only)
        if wanted.only is None:
            return RolloutProgress(changed=3, unreached=("a", "b"))
        return RolloutProgress(changed=1 if len(told) == 2 else 0, unreached=("b",))

    time = VirtualTime(client)
    rollout = Rollout(changes=(CHANGE,), actor="ada", task_queue="requests", settle=timedelta())
    async with Worker(
        time.client,
        task_queue=task_queue,
        workflows=[DefinitionRolloutWorkflow],
        activities=[roll_out],
        workflow_runner=workflow_runner(),
    ):
        handle = await time.client.start_workflow(
            wire.DEFINITION_ROLLOUT,
            rollout,
            id=f"rollout-{uuid4()}",
            task_queue=task_queue,
            result_type=RolloutProgress,
        )
        for number, pause in enumerate(AGAIN_AFTER, 2):  # the first timer lets requests be listed
            await timers(handle, number)
            await time.skip(handle.id, pause)
        result = await handle.result()
    assert (result.changed, result.unreached) == (4, ("b",))
    assert told == [None, ("a", "b"), *[("b",)] * (len(AGAIN_AFTER) - 1)]
