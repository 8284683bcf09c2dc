"""Records what is missing: histories and goldens of new scenarios. Runs only when asked to.

`RECORD=0.1.0 make test TESTS=tests/replay/record.py` writes the histories of version 0.1.0 for
scenarios that have none, and goldens that do not exist. Delete a golden to have it written again; never
delete a history.
"""

from __future__ import annotations

import json
import os

import pytest

from tests.replay.goldens import activity_inputs
from tests.replay.scenarios import SCENARIOS
from tests.replay.test_replay import HERE
from tests.workflows.conftest import Scene, scene, world  # noqa: F401 - fixtures
from tests.workflows.world import World

VERSION = os.environ.get("RECORD")
ROOT = f"{HERE.parents[1]}/"


@pytest.mark.parametrize("name", SCENARIOS if VERSION else [])
async def test_record(name: str, scene: Scene, world: World) -> None:  # noqa: F811
    history = HERE / "histories" / str(VERSION) / f"{name}.json"
    golden = HERE / "goldens" / f"{name}.json"
    handle = await SCENARIOS[name](scene)
    if not history.exists():
        history.parent.mkdir(parents=True, exist_ok=True)
        # Lines are stored beside their order: both types replay from the same run.
        runs = [handle.id, *(process for process in world.asked if process.startswith(f"{handle.id}-line-"))]
        for run in runs:
            recorded = await scene.client.get_workflow_handle(run).fetch_history()
            suffix = run.removeprefix(handle.id).replace("-line-", ".line")
            history.with_name(f"{name}{suffix}.json").write_text(_without_paths(recorded.to_json()))
    if not golden.exists():
        golden.write_text(json.dumps(activity_inputs(world), indent=1, ensure_ascii=False) + "\n")


def _without_paths(history: str) -> str:
    """A history whose stack traces do not say where somebody's checkout is."""
    return history.replace(ROOT, "")
