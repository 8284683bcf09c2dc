"""A stage that waits for an outside system inside a real approval (SPEC 4.1; approvals.md a5, WC)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.definitions import Stage
from domain.external import ConditionState
from domain.orders import LineOutcome
from tests.workflows.conftest import Scene
from tests.workflows.world import definition, line, stage

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def credit(**more: object) -> Stage:
    """A stage that waits for a credit check."""
    return Stage.model_validate(
        {"name": "credit", "title": "Credit", "wait": {"source": "credit"}, "deadline": 5 * DAY} | more
    )


async def test_the_next_stage_opens_once_the_condition_is_fulfilled(scene: Scene) -> None:
    handle = await scene.start(line(approval=definition(credit(), stage())))
    await scene.world.told(handle.id, "approval.opened")
    await scene.skip(handle, 3 * HOUR)
    assert "approval.condition_fulfilled" not in scene.world.actions(handle.id)
    scene.world.condition = ConditionState.FULFILLED
    await scene.skip(handle, 2 * HOUR)
    await scene.world.told(handle.id, "approval.opened", times=2)
    await scene.decide(handle, "ann")
    await handle.result()
    assert "provisioned" in scene.world.states(handle.id)


async def test_a_failed_condition_rejects_the_request_and_says_why(scene: Scene) -> None:
    scene.world.condition = ConditionState.FAILED
    handle = await scene.start(line(approval=definition(credit())))
    outcome = LineOutcome.model_validate(await handle.result())
    assert (outcome.state, outcome.reason) == ("rejected", "says the outside system")


@pytest.mark.parametrize(("on_deadline", "state"), [("expire", "expired"), ("approve", "provisioned")])
async def test_a_condition_that_nobody_settles_runs_into_the_deadline(
    scene: Scene, on_deadline: str, state: str
) -> None:
    handle = await scene.start(line(approval=definition(credit(on_deadline=on_deadline))))
    await scene.world.told(handle.id, "approval.opened")
    await scene.skip(handle, 6 * DAY)
    assert LineOutcome.model_validate(await handle.result()).state == state


async def test_people_a_waiting_stage_escalates_to_decide_in_place_of_the_system(scene: Scene) -> None:
    level = {"approvers": {"people": ["cleo"]}, "deadline": DAY}
    waits = credit(on_deadline="escalate", escalations=[level])
    handle = await scene.start(line(approval=definition(waits)))
    await scene.world.told(handle.id, "approval.opened")
    await scene.skip(handle, 5 * DAY)
    await scene.world.told(handle.id, "approval.escalated")
    await scene.decide(handle, "cleo", stage="credit")
    assert LineOutcome.model_validate(await handle.result()).state == "provisioned"
