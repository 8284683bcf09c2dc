"""Every stored history replays, and every scripted run asks of activities what it always did (SPEC 9)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from tests.replay import approval_scenarios, fulfilment_scenarios  # noqa: F401 - register their scenarios
from tests.replay.goldens import activity_inputs
from tests.replay.scenarios import SCENARIOS
from tests.workflows.conftest import Scene, scene, world  # noqa: F401 - fixtures
from tests.workflows.world import GUARDED, World
from workflows.registry import WORKFLOWS

HERE = Path(__file__).parent
HISTORIES = sorted((HERE / "histories").glob("*/*.json"))
MOST_EVENTS = 1_000
"""SPEC 11, Size; the marks that virtual time leaves are not counted."""


def replayer() -> Replayer:
    """A replayer with the workers' converter, and a sandbox that guards."""
    return Replayer(
        workflows=WORKFLOWS,
        data_converter=pydantic_data_converter,
        workflow_runner=GUARDED,
    )


@pytest.mark.parametrize("file", HISTORIES, ids=lambda file: f"{file.parent.name}/{file.stem}")
async def test_a_stored_history_replays(file: Path) -> None:
    await replayer().replay_workflow(WorkflowHistory.from_json(file.stem, file.read_text()))


def test_every_way_to_end_has_a_stored_history() -> None:
    assert {file.stem.partition(".")[0] for file in HISTORIES} == set(SCENARIOS)


@pytest.mark.parametrize("name", SCENARIOS)
async def test_a_scripted_run_asks_what_it_always_did(name: str, scene: Scene, world: World) -> None:  # noqa: F811
    handle = await SCENARIOS[name](scene)
    history = await handle.fetch_history()
    await replayer().replay_workflow(history)
    skips = "workflow_execution_time_skipping_transitioned_event_attributes"
    assert sum(event.WhichOneof("attributes") != skips for event in history.events) <= MOST_EVENTS
    golden = json.loads((HERE / "goldens" / f"{name}.json").read_text())
    assert activity_inputs(world) == golden
