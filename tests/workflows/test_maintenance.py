"""The daily maintenance removes what nobody uses, by the run's own clock."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

from temporalio import activity
from temporalio.worker import Worker

from activities.maintenance import Maintenance
from domain import wire
from domain.definitions import ApprovalDefinition
from domain.rollouts import RemoveUnused
from starter.dev.temporal import VirtualTime
from storage import catalogue
from storage.database import Database
from tests.storage.samples import AT, DEFINITION
from workflows.maintenance import KEPT_FOR, DefinitionsMaintenanceWorkflow
from workflows.registry import workflow_runner

DAY = timedelta(days=1)


async def test_a_round_asks_for_what_has_been_idle_for_thirty_days_of_the_runs_own_time(
    virtual_time: VirtualTime, task_queue: str
) -> None:
    asked: list[RemoveUnused] = []

    @activity.defn(name=wire.REMOVE_UNUSED)
    async def remove_unused(order: RemoveUnused) -> tuple[str, ...]:
        asked.append(order)
        return ("two-steps@1",)

    async with Worker(
        virtual_time.client,
        task_queue=task_queue,
        workflows=[DefinitionsMaintenanceWorkflow],
        activities=[remove_unused],
        workflow_runner=workflow_runner(),
    ):
        removed = await virtual_time.client.execute_workflow(
            wire.DEFINITIONS_MAINTENANCE, id=f"maintenance-{uuid4()}", task_queue=task_queue
        )
    assert removed == ["two-steps@1"]
    assert asked[0].at - asked[0].idle_since == KEPT_FOR == 30 * DAY


async def test_the_activity_removes_by_the_time_it_is_given(database: Database) -> None:
    versions = [DEFINITION.model_copy(update={"version": version}) for version in (1, 2)]
    async with database.session() as session:
        await catalogue.publish(session, [], versions, AT)
    maintenance = Maintenance(database)
    early = RemoveUnused(idle_since=AT, at=AT + 30 * DAY)
    assert await maintenance.remove_unused(early) == ()
    late = RemoveUnused(idle_since=AT + DAY, at=AT + 31 * DAY)
    assert await maintenance.remove_unused(late) == ("two-steps@1",)
    async with database.reading() as session:
        assert [each.version for each in await catalogue.list_versions(session, ApprovalDefinition)] == [2]
