"""What a run costs, read off its history (peers.md C1, SPEC 9)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import BaseModel
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

MOST_EVENTS = 28
MOST_WORKFLOW_TASKS = 4
MOST_ACTIONS = 10
MOST_SNAPSHOT_BYTES = 4096
"""SPEC 9 allows the reference request so much."""

MOST_EVENTS_OF_A_MONTH = 60
"""A line that waits 30 days for its records, is warned twice and closes: polling writes nothing (SPEC D7)."""

LOCAL_ACTIVITY = "core_local_activity"
"""The SDK's name for the marker of a local activity."""

_ACTIONS = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED: 1,
    EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED: 1,
    EventType.EVENT_TYPE_TIMER_STARTED: 1,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED: 1,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED: 1,
    EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES: 1,
    EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED: 2,
}


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run has cost so far.

    Attributes:
        actions: Billable actions; refused updates and queries leave no trace and are not among them.
    """

    events: int
    workflow_tasks: int
    actions: int


def cost_of(events: Iterable[HistoryEvent]) -> Cost:
    """Counts a history by the table of peers.md C1.

    Local activities cost one action per workflow task that records any; each retry of an activity costs one.
    """
    history = list(events)
    kinds = Counter(event.event_type for event in history)
    retries = sum(
        event.activity_task_started_event_attributes.attempt - 1
        for event in history
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED
    )
    return Cost(
        events=len(history),
        workflow_tasks=kinds[EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED],
        actions=sum(_ACTIONS.get(kind, 0) * number for kind, number in kinds.items())
        + retries
        + len(_tasks_with_local_activities(history)),
    )


def as_lived(events: Iterable[HistoryEvent]) -> list[HistoryEvent]:
    """A history without the marks that moving a virtual clock leaves: in real time there are none."""
    moved = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIME_SKIPPING_TRANSITIONED
    return [event for event in events if event.event_type != moved]


def in_words(event: HistoryEvent) -> str:
    """An event's type with what tells it from others of its type."""
    name = EventType.Name(event.event_type).removeprefix("EVENT_TYPE_").replace("_", " ").lower()
    told = event.user_metadata.summary.data.decode().strip('"')
    if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
        told = f"attempt {event.activity_task_started_event_attributes.attempt}"
    return f"{name} ({told})" if told else name


def size(snapshot: BaseModel) -> int:
    """Bytes a snapshot takes in a workflow's input: JSON in UTF-8, as the pydantic converter writes it."""
    return len(snapshot.model_dump_json().encode())


def _tasks_with_local_activities(history: Iterable[HistoryEvent]) -> set[int]:
    markers = (event.marker_recorded_event_attributes for event in history)
    return {each.workflow_task_completed_event_id for each in markers if each.marker_name == LOCAL_ACTIVITY}
