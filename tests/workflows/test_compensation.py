"""Nothing half-provisioned is left behind, whatever fails and whenever (SPEC 5.7; b.2 L21, L23)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from temporalio.client import WorkflowHandle

from domain import wire
from domain.checks import Claim
from domain.dns.verdicts import Overall
from domain.errors import Code
from domain.line import LineState
from domain.mail import Template
from domain.orders import Line, LineCommand
from domain.transitions import ProcessView
from tests.workflows.backend import Backend, is_away_for, loses_the_worker, name_of, refuses
from tests.workflows.conftest import Scene
from tests.workflows.world import World, line, seen, start_line

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
STEPS = [{"name": name, "title": name.title(), "adapter": "local"} for name in ("site", "numbers")]
BUILT = ["+site", "+numbers", "+service"]
TAKEN_BACK = {
    "site": [],
    "numbers": ["+site", "-site"],
    "service": ["+site", "+numbers", "-numbers", "-site"],
}
Run = WorkflowHandle[object, object]


@pytest.fixture
def backend(world: World) -> Backend:
    backend = Backend()
    world.provision, world.remove = backend.provision, backend.remove
    return backend


def built(**more: object) -> Line:
    """A line for which two things are reserved before its service is made."""
    return line(adapter="local", preparation=STEPS, **more)


async def ended(scene: Scene, handle: Run) -> str:
    """The state a line ended in, once it has looked for late steps if it must."""
    while (await handle.describe()).close_time is None:
        await scene.skip(handle, HOUR)
    return str((await handle.result())["state"])  # type: ignore[index]


async def waiting(scene: Scene) -> Run:
    """A line whose two reservations are made, and whose records are waited for."""
    scene.world.records = lambda _watch, _attempt: seen(Overall.PENDING)
    handle = await scene.start(built())
    await scene.world.told(handle.id, "line.records_seen")
    return handle


# What fails on the way (L15, L23)


@pytest.mark.parametrize("step", TAKEN_BACK)
async def test_a_refused_step_fails_the_line_and_those_before_are_taken_back_in_reverse(
    scene: Scene, world: World, backend: Backend, step: str
) -> None:
    backend.faults[step] = refuses
    handle = await scene.start(built())
    assert await ended(scene, handle) == LineState.FAILED
    assert backend.log == TAKEN_BACK[step]
    assert not backend.there
    assert "cancelling" not in world.states(handle.id)
    assert world.mails(handle.id).count(Template.FAILED) == 2
    failed = await world.told(handle.id, "line.failed")
    assert (failed.services[0].status, failed.release_claim) == ("cancelled", True)
    assert "cancel_task" not in failed.data


@pytest.mark.parametrize("step", TAKEN_BACK)
async def test_a_backend_that_is_away_delays_the_line_and_nothing_is_made_twice(
    scene: Scene, world: World, backend: Backend, step: str
) -> None:
    backend.faults[step] = is_away_for(HOUR)
    handle = await scene.start(built())
    await world.told(handle.id, "line.preparing")
    assert await ended(scene, handle) == LineState.PROVISIONED
    assert backend.log == BUILT
    assert world.removed == []


async def test_a_domain_that_somebody_else_verified_first_leaves_nothing_reserved(
    scene: Scene, world: World, backend: Backend
) -> None:
    world.records = lambda _watch, _attempt: seen(Overall.VERIFIED, claim=Claim.TAKEN)
    handle = await scene.start(built())
    assert await ended(scene, handle) == LineState.FAILED
    assert backend.log == TAKEN_BACK["service"]


# A line is cancelled


async def test_a_cancelled_line_is_taken_back_in_reverse_and_says_how_far_it_is(
    scene: Scene, world: World, backend: Backend
) -> None:
    handle = await waiting(scene)
    assert await scene.command(handle, wire.CANCEL_LINE) == LineState.CANCELLED
    assert await ended(scene, handle) == LineState.CANCELLED
    assert backend.log == TAKEN_BACK["service"]
    steps = [step for step in world.announced[handle.id] if "cancel_task" in step.data]
    assert [(step.action, step.data["cancel_task"]) for step in steps] == [
        ("line.cancelling", "acknowledged"),
        ("line.compensated", "inProgress"),
        ("line.compensated", "inProgress"),
        ("line.cancelled", "done"),
    ]
    assert world.states(handle.id)[-2:] == ["cancelling", "cancelled"]


async def test_cancelling_twice_is_answered_twice_and_done_once(
    scene: Scene, world: World, backend: Backend
) -> None:
    handle = await waiting(scene)
    answers = await asyncio.gather(*(scene.command(handle, wire.CANCEL_LINE) for _ in range(2)))
    assert answers == [LineState.CANCELLED] * 2
    await handle.result()
    assert world.actions(handle.id).count("line.cancelled") == 1


async def cancelled_during(scene: Scene, step: str) -> tuple[Run, asyncio.Future[object]]:
    """A line cancelled while a step is under way; the answer to it is still to come."""
    handle = await scene.start(built())
    async with asyncio.timeout(80):
        while not any(each.order.service.endswith(step) for each in scene.world.provisioned):
            await asyncio.sleep(0.01)
    answer = asyncio.ensure_future(scene.command(handle, wire.CANCEL_LINE))
    cancelling = await scene.world.told(handle.id, "line.cancelling")
    assert cancelling.view.waiting_for
    assert not answer.done()
    return handle, answer


@pytest.mark.parametrize("step", ["site", "numbers"])
async def test_the_running_step_of_a_cancelled_line_may_finish_and_is_taken_back(
    scene: Scene, world: World, backend: Backend, step: str
) -> None:
    backend.faults[step] = is_away_for(6 * MINUTE)
    handle, answer = await cancelled_during(scene, step)
    await scene.skip(handle, MINUTE)
    assert await answer == LineState.CANCELLING, "whoever cancels is not kept waiting"
    assert await ended(scene, handle) == LineState.CANCELLED
    made = BUILT[: BUILT.index(f"+{step}") + 1]
    assert backend.log == made + [each.replace("+", "-") for each in reversed(made)]
    assert "line.compensated_late" not in world.actions(handle.id)


@pytest.mark.parametrize("step", ["site", "numbers"])
async def test_a_running_step_of_a_cancelled_line_that_is_refused_in_the_end_is_left_alone(
    scene: Scene, world: World, backend: Backend, step: str
) -> None:
    def refuses_in_the_end(attempt: int) -> None:
        is_away_for(6 * MINUTE)(attempt)
        refuses(attempt)

    backend.faults[step] = refuses_in_the_end
    handle, answer = await cancelled_during(scene, step)
    await scene.skip(handle, MINUTE)
    assert await answer == LineState.CANCELLING
    assert await ended(scene, handle) == LineState.CANCELLED
    assert backend.log == TAKEN_BACK[step]
    assert not any(each.order.service.endswith(step) for each in world.removed)
    assert (await world.told(handle.id, "line.cancelled")).data["cancel_task"] == "done"


@pytest.mark.parametrize("step", ["site", "numbers"])
async def test_a_step_that_succeeds_after_it_was_given_up_is_taken_back_and_changes_no_state(
    scene: Scene, world: World, backend: Backend, step: str
) -> None:
    backend.faults[step] = is_away_for(DAY)
    handle, answer = await cancelled_during(scene, step)
    await scene.skip(handle, 11 * MINUTE)
    assert await answer == LineState.CANCELLING
    cancelled = await world.told(handle.id, "line.cancelled")
    begun = await world.told(handle.id, "line.cancelling")
    assert abs(cancelled.at - begun.at - 10 * MINUTE) < MINUTE

    backend.comes_about(next(o.order.service for o in world.provisioned if o.order.service.endswith(step)))
    assert await ended(scene, handle) == LineState.CANCELLED
    assert not backend.there
    late = await world.told(handle.id, "line.compensated_late")
    assert (late.from_state, late.to_state, late.data["was_there"]) == ("cancelled", "cancelled", "yes")
    assert world.actions(handle.id).count("line.compensated_late") == 1
    keys = [each.order.idempotency_key for each in world.removed if each.order.service.endswith(step)]
    assert len(set(keys)) == len(keys) == 4, "each look is a request of its own"


@pytest.mark.parametrize("step", ["site", "numbers"])
async def test_taking_back_waits_for_a_backend_that_is_away_and_the_caller_does_not(
    scene: Scene, world: World, backend: Backend, step: str
) -> None:
    handle = await waiting(scene)
    backend.removal_faults[step] = is_away_for(HOUR)
    answer = asyncio.ensure_future(scene.command(handle, wire.CANCEL_LINE))
    await world.told(handle.id, "line.cancelling")
    await scene.skip(handle, timedelta(seconds=30))
    assert await answer == LineState.CANCELLING
    assert await ended(scene, handle) == LineState.CANCELLED
    assert backend.log == TAKEN_BACK["service"]
    assert (await world.told(handle.id, "line.cancelled")).data["cancel_task"] == "done"


@pytest.mark.parametrize("step", ["site", "numbers"])
async def test_what_a_backend_will_not_take_back_is_left_to_operators_and_the_rest_is_taken_back(
    scene: Scene, world: World, backend: Backend, step: str
) -> None:
    handle = await waiting(scene)
    backend.removal_faults[step] = refuses
    assert await scene.command(handle, wire.CANCEL_LINE) == LineState.CANCELLED
    left = await world.told(handle.id, "line.not_compensated")
    assert (left.data["step"], left.data["cancel_task"]) == (step, "terminatedWithError")
    assert left.notices[0].template is Template.FAILED
    assert "no such size" in (left.reason or "")
    assert backend.log == [each for each in TAKEN_BACK["service"] if each != f"-{step}"]
    assert (await world.told(handle.id, "line.cancelled")).data["cancel_task"] == "terminatedWithError"


async def test_a_worker_killed_in_any_step_or_while_taking_one_back_leaves_nothing_undone_or_doubled(
    scene: Scene, world: World, backend: Backend
) -> None:
    """Lines side by side, as it takes ten seconds until the server believes a worker dead."""
    making = {step: scene.new_order() for step in TAKEN_BACK}
    undoing = {step: scene.new_order() for step in ("site", "numbers")}
    waiting = {wire.line_id(order, 1) for order in undoing.values()}
    world.records = lambda watch, _: seen(Overall.PENDING if watch.process in waiting else Overall.VERIFIED)
    for step, order in making.items():
        backend.faults[f"{order}-1" if step == "service" else f"{order}-1-{step}"] = loses_the_worker
    for step, order in undoing.items():
        backend.removal_faults[f"{order}-1-{step}"] = loses_the_worker

    async def run(order: str) -> str:
        handle = await start_line(scene.client, scene.queue, order, built())
        if handle.id in waiting:
            await world.told(handle.id, "line.records_seen")
            return str(await scene.command(handle, wire.CANCEL_LINE))
        return str((await handle.result())["state"])  # type: ignore[index]

    states = await asyncio.gather(*map(run, [*making.values(), *undoing.values()]))
    assert states == [LineState.PROVISIONED] * 3 + [LineState.CANCELLED] * 2
    for order in making.values():
        assert backend.of(order) == BUILT
    for order in undoing.values():
        assert backend.of(order) == TAKEN_BACK["service"]


# Ended from outside


@pytest.mark.parametrize("when", ["waiting", "running", "taking back"])
async def test_a_cancellation_in_temporal_itself_takes_back_as_well(
    scene: Scene, world: World, backend: Backend, when: str
) -> None:
    if when == "running":
        backend.faults["numbers"] = is_away_for(DAY)
        handle = await scene.start(built())
        await world.told(handle.id, "line.preparing", 2)
    else:
        handle = await waiting(scene)
    if when == "taking back":
        backend.removal_faults["numbers"] = is_away_for(HOUR)
        answer = asyncio.ensure_future(scene.command(handle, wire.CANCEL_LINE))
        await world.told(handle.id, "line.cancelling")
    await handle.cancel()
    assert await ended(scene, handle) == LineState.CANCELLED
    assert not backend.there
    removed = dict.fromkeys(each.order.service for each in world.removed)
    assert [name_of(service) for service in removed] == ["numbers", "site"]
    if when == "taking back":
        assert await answer == LineState.CANCELLING
        assert (await world.told(handle.id, "line.cancelled")).actor == "dora"


# Tried again by an operator (L23)


async def refused(scene: Scene, backend: Backend, step: str = "numbers", days: int = 30) -> Run:
    """A line that waits for an operator."""
    backend.faults[step] = refuses
    handle = await scene.start(built(retry_for=days * DAY))
    await scene.world.told(handle.id, "line.refused")
    return handle


@pytest.mark.parametrize("step", TAKEN_BACK)
async def test_an_operator_has_a_refused_step_tried_again(
    scene: Scene, world: World, backend: Backend, step: str
) -> None:
    handle = await refused(scene, backend, step)
    held = await world.told(handle.id, "line.refused")
    assert [notice.template for notice in held.notices] == [Template.LINE_HELD] * 2
    assert held.notices[0].audience.permission == "operate"
    assert held.notices[0].facts.command == f"countersign order retry {handle.id.split('-')[1]} --line 1"
    view = await handle.query(wire.VIEW, result_type=ProcessView)
    assert view.waiting_for == "an operator: the backend refused: no such size"
    assert view.until is not None
    assert (view.until - held.at, view.what_then) == (30 * DAY, "the line fails")

    assert await scene.command(handle, wire.RETRY_LINE, "otto") == LineState.PROVISIONING
    await world.told(handle.id, "line.refused", 2)
    del backend.faults[step]
    await scene.command(handle, wire.RETRY_LINE, "otto")
    assert await ended(scene, handle) == LineState.PROVISIONED
    assert backend.log == BUILT
    assert [each.actor for each in world.announced[handle.id] if each.action == "line.retried"] == [
        "otto"
    ] * 2
    keys = [each.order.idempotency_key for each in world.provisioned]
    assert len(set(keys)) == len(keys), "a backend answers the same request the same way"


async def test_a_line_nobody_has_tried_again_fails_in_the_end_and_is_taken_back(
    scene: Scene, world: World, backend: Backend
) -> None:
    handle = await refused(scene, backend)
    await scene.skip(handle, 31 * DAY)
    assert await ended(scene, handle) == LineState.FAILED
    held, failed = [await world.told(handle.id, f"line.{each}") for each in ("refused", "failed")]
    assert abs(failed.at - held.at - 30 * DAY) < MINUTE
    assert backend.log == TAKEN_BACK["numbers"]


async def test_a_line_that_waits_for_an_operator_can_be_cancelled(
    scene: Scene, world: World, backend: Backend
) -> None:
    handle = await refused(scene, backend)
    assert await scene.command(handle, wire.CANCEL_LINE) == LineState.CANCELLED
    assert backend.log == TAKEN_BACK["numbers"]


async def test_past_the_point_of_no_return_a_refused_line_waits_and_cannot_be_cancelled(
    scene: Scene, world: World, backend: Backend
) -> None:
    handle = await refused(scene, backend, "service")
    refusal = await scene.refusal(handle, wire.CANCEL_LINE, LineCommand(actor="dora"))
    assert refusal.type == Code.POINT_OF_NO_RETURN
    del backend.faults["service"]
    await scene.command(handle, wire.RETRY_LINE, "otto")
    assert await ended(scene, handle) == LineState.PROVISIONED


async def test_nothing_is_tried_again_that_no_backend_has_refused(
    scene: Scene, world: World, backend: Backend
) -> None:
    handle = await waiting(scene)
    refusal = await scene.refusal(handle, wire.RETRY_LINE, LineCommand(actor="otto"))
    assert refusal.type == Code.NOT_PENDING
    await scene.command(handle, wire.CANCEL_LINE)
    await handle.result()
