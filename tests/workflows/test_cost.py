"""What the reference request of SPEC 9 costs, on the real server."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory

from bench.cost import (
    MOST_ACTIONS,
    MOST_EVENTS,
    MOST_EVENTS_OF_A_MONTH,
    MOST_SNAPSHOT_BYTES,
    MOST_WORKFLOW_TASKS,
    as_lived,
    cost_of,
    size,
)
from domain import wire
from domain.definitions import ApprovalDefinition
from domain.dns.verdicts import Overall
from domain.line import LineState
from domain.mail import Template
from starter.dev.samples import CATALOGUE
from starter.files import read_catalogue
from tests.workflows.conftest import Scene
from tests.workflows.world import World, definition, line, seen, stage

HERE = Path(__file__).parents[1]
MONTH = timedelta(days=30)
_, DEFINITIONS = read_catalogue(CATALOGUE)


async def test_the_reference_request_stays_within_its_cost(scene: Scene, world: World) -> None:
    two_stages = definition(stage("sales", deadline=MONTH), stage("legal", deadline=MONTH))
    handle = await scene.start(line(approval=two_stages, closes_after=None))
    await world.told(handle.id, "approval.opened")
    await scene.decide(handle, "ann", stage="sales")
    await scene.decide(handle, "ann", stage="legal")
    assert (await handle.result())["state"] == LineState.PROVISIONED  # type: ignore[index]

    history = (await handle.fetch_history()).events
    cost = cost_of(history)
    assert cost.events <= MOST_EVENTS
    assert cost.workflow_tasks <= MOST_WORKFLOW_TASKS
    assert cost.actions <= MOST_ACTIONS

    kinds = [event.event_type for event in history]
    assert kinds.count(EventType.EVENT_TYPE_TIMER_STARTED) == 1
    assert kinds.count(EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED) == 1
    assert world.mails(handle.id) == [
        Template.APPROVAL_REQUESTED,
        Template.APPROVAL_REQUESTED,  # the first stage's copy for the requester
        Template.APPROVAL_REQUESTED,
        Template.APPROVAL_GRANTED,
        Template.LINE_DEPLOYED,
        Template.PROVISIONED,
    ]


async def test_a_month_of_records_nobody_sets_stays_within_its_cost(scene: Scene, world: World) -> None:
    """Polling is an activity's retries (SPEC D7): history grows with what changes, not with what is asked."""
    world.records = lambda _watch, _attempt: seen(Overall.PENDING)
    handle = await scene.start(line(closes_after=MONTH))
    await world.told(handle.id, "line.records_seen")
    await scene.skip(handle, MONTH + timedelta(minutes=1))
    await world.told(handle.id, "line.closed")
    assert world.actions(handle.id).count("line.closure_warned") == 2
    assert world.looks > 300, "all those looks are in the history that is counted"
    assert cost_of(as_lived((await handle.fetch_history()).events)).events <= MOST_EVENTS_OF_A_MONTH
    await scene.command(handle, wire.CANCEL_LINE)
    await handle.result()


@pytest.mark.parametrize("published", DEFINITIONS, ids=lambda each: each.reference)
def test_the_snapshot_of_a_sample_definition_is_small(published: ApprovalDefinition) -> None:
    assert size(published) <= MOST_SNAPSHOT_BYTES


def test_children_cost_two_actions_and_local_activities_one_for_each_workflow_task() -> None:
    file = HERE / "replay" / "histories" / "0.1.0" / "order_completed.json"
    history = WorkflowHistory.from_json("order", file.read_text())
    start, check, two_children, tasks_with_announcements = 1, 1, 2 * 2, 3
    assert cost_of(history.events).actions == start + check + two_children + tasks_with_announcements


def test_every_retry_of_an_activity_is_an_action() -> None:
    scheduled = HistoryEvent(event_type=EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)
    third = HistoryEvent(event_type=EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED)
    third.activity_task_started_event_attributes.attempt = 3
    assert cost_of([scheduled, third]).actions == 3
