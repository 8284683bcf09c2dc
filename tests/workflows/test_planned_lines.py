"""Definitions that change while an order waits to be confirmed: its lines have not started (SPEC 4.6)."""

from __future__ import annotations

from typing import Any

import pytest
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError, WorkflowUpdateStage
from temporalio.exceptions import ApplicationError

from domain import wire
from domain.calendars import Calendar
from domain.checks import Finding
from domain.definitions import ApprovalDefinition, OnChange, content_hash
from domain.dns.verdicts import ObservationSeverity
from domain.line import LineState
from domain.mail import Template
from domain.orders import Line, OrderState
from domain.rollouts import ChangeLines, DefinitionChange, LinesChanged
from domain.transitions import ProcessView
from tests.workflows.conftest import Scene
from tests.workflows.world import World, definition, line, stage

Handle = WorkflowHandle[Any, Any]

BLOCKED = Finding(
    code="SPF_BUDGET", severity=ObservationSeverity.BLOCKING, field="domain", message="11 of 10 look-ups"
)
OLD = definition()
NEW = definition(stage("legal")).model_copy(update={"version": 2})
OTHER = definition().model_copy(update={"name": "other"})


def change(new: ApprovalDefinition = NEW, mode: OnChange = OnChange.RESET, **more: Any) -> ChangeLines:
    what = DefinitionChange(mode=mode, definition=new, definition_hash=content_hash(new), **more)
    return ChangeLines(change=what, actor="ada", reason="new rules")


async def told(handle: Handle, command: ChangeLines) -> LinesChanged:
    return await handle.execute_update(wire.CHANGE_DEFINITION, command, result_type=LinesChanged)


async def refused(handle: Handle, command: ChangeLines) -> str:
    with pytest.raises(WorkflowUpdateFailedError) as failure:
        await told(handle, command)
    assert isinstance(failure.value.cause, ApplicationError)
    return str(failure.value.cause.type)


async def planned(handle: Handle) -> list[tuple[int, str]]:
    view = await handle.query(wire.VIEW, result_type=ProcessView)
    return [(each.number, each.definition) for each in view.planned]


@pytest.fixture
def blocked(world: World) -> World:
    """A world in which orders wait for somebody to mend a finding."""
    world.findings = (BLOCKED,)
    return world


async def waiting(scene: Scene, *lines: Line) -> Handle:
    """An order whose lines have not started."""
    handle = await scene.order(*lines)
    await scene.world.told(handle.id, "order.checked")
    return handle


async def confirmed(scene: Scene, handle: Handle) -> None:
    scene.world.findings = ()
    await scene.command(handle, wire.CHECK_ORDER)


async def test_lines_that_have_not_started_start_on_the_new_definition(scene: Scene, blocked: World) -> None:
    handle = await waiting(scene, line(1, approval=OLD), line(2, approval=OTHER), line(3))
    assert await planned(handle) == [(1, "standard@1"), (2, "other@1")]
    assert await told(handle, change()) == LinesChanged(changed=(1,))
    assert await planned(handle) == [(1, "standard@2"), (2, "other@1")]
    reset = await blocked.told(handle.id, "order.lines_reset")
    assert (reset.actor, reset.reason) == ("ada", "new rules")
    assert reset.data == {"from": "standard@1", "to": "standard@2", "lines": "1"}

    await confirmed(scene, handle)
    first = await scene.line_of(handle, 1, "approval.opened")
    assert blocked.announced[first.id][0].view.definition_hash == content_hash(NEW)
    await scene.decide(first, "ann", stage="legal")
    second = await scene.line_of(handle, 2, "approval.opened")
    await scene.decide(second, "ann")
    assert (await handle.result())["state"] == OrderState.COMPLETED
    assert (await first.describe()).search_attributes[wire.DEFINITION_VERSION] == ["standard@2"]


async def test_told_again_an_order_changes_nothing(scene: Scene, blocked: World) -> None:
    handle = await waiting(scene, line(1, approval=OLD))
    await told(handle, change())
    assert await told(handle, change()) == LinesChanged()
    assert blocked.actions(handle.id).count("order.lines_reset") == 1


async def test_an_older_version_never_replaces_a_newer(scene: Scene, blocked: World) -> None:
    handle = await waiting(scene, line(1, approval=NEW))
    assert await told(handle, change(OLD)) == LinesChanged()
    assert await planned(handle) == [(1, "standard@2")]


async def test_a_line_takes_along_the_calendars_that_its_new_definition_counts_in(
    scene: Scene, blocked: World
) -> None:
    handle = await waiting(scene, line(1, approval=OLD))
    timed = definition(stage("sales", calendar="customer", deadline="P1D")).model_copy(update={"version": 2})
    closed = Calendar(hours=(None, None, None, None, None, None, "08:00-18:00"))
    await told(handle, change(timed).model_copy(update={"calendars": {"customer": closed}}))
    await confirmed(scene, handle)
    first = await scene.line_of(handle, 1, "approval.opened")
    opened = await blocked.told(first.id, "approval.opened")
    assert opened.view.approval is not None
    assert opened.view.approval.deadline is not None
    assert opened.view.approval.deadline.weekday() == 6, "the only day on which anybody works"


async def test_an_offer_that_names_another_definition_concerns_its_own_lines_only(
    scene: Scene, blocked: World
) -> None:
    mine, others = line(1, approval=OLD), line(2, approval=OLD, name="seal")
    handle = await waiting(scene, mine, others)
    assert (await told(handle, change(OTHER, offer="sign", offer_version=2))).changed == (1,)
    assert await planned(handle) == [(1, "other@1"), (2, "standard@1")]


async def test_an_abort_drops_the_lines_it_concerns_and_the_others_go_on(
    scene: Scene, blocked: World
) -> None:
    handle = await waiting(scene, line(1, approval=OLD), line(2))
    assert await told(handle, change(mode=OnChange.ABORT)) == LinesChanged(changed=(1,))
    dropped = await blocked.told(handle.id, "order.lines_dropped")
    assert [(each.line, each.status) for each in dropped.services] == [(1, "cancelled")]
    assert [(each.template, each.facts.line) for each in dropped.notices] == [(Template.CANCELLED, 1)]
    assert not dropped.release_claim, "the other line needs the domain"

    await confirmed(scene, handle)
    outcome = await handle.result()
    assert outcome["state"] == OrderState.PARTIAL
    assert [(each["number"], each["state"], each["reason"]) for each in outcome["lines"]] == [
        (1, LineState.CANCELLED, "definition_changed: standard@2"),
        (2, LineState.PROVISIONED, None),
    ]
    assert f"{handle.id}-line-1" not in blocked.announced


async def test_an_abort_of_its_last_lines_cancels_the_order(scene: Scene, blocked: World) -> None:
    handle = await waiting(scene, line(1, approval=OLD), line(2, approval=OTHER))
    await told(handle, change(OTHER.model_copy(update={"version": 2}), OnChange.ABORT))
    await told(handle, change(mode=OnChange.ABORT))
    outcome = await handle.result()
    assert outcome["state"] == OrderState.CANCELLED
    assert [each["number"] for each in outcome["lines"]] == [1, 2]
    cancelled = await blocked.told(handle.id, "order.cancelled")
    assert (cancelled.actor, cancelled.release_claim) == ("ada", True)
    assert [each.line for each in cancelled.services] == [1]


async def test_lines_that_have_started_are_named_and_answer_for_themselves(
    scene: Scene, world: World
) -> None:
    handle = await scene.order(line(1, approval=OLD), line(2, approval=OTHER))
    first = await scene.line_of(handle, 1, "approval.opened")
    assert await told(handle, change()) == LinesChanged(started=(first.id,))
    assert await planned(handle) == []


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (change(mode=OnChange.CONTINUE), "INVALID_INPUT"),
        (
            ChangeLines(
                change=DefinitionChange(mode=OnChange.RESET, definition=NEW, definition_hash="else"),
                actor="ada",
            ),
            "INVALID_INPUT",
        ),
    ],
)
async def test_what_makes_no_sense_is_refused(
    scene: Scene, blocked: World, command: ChangeLines, code: str
) -> None:
    handle = await waiting(scene, line(1, approval=OLD))
    assert await refused(handle, command) == code


async def test_an_order_that_is_being_cancelled_is_not_changed_any_more(scene: Scene, blocked: World) -> None:
    handle = await waiting(scene, line(1, approval=OLD))
    blocked.database_down = True  # so that the end takes a while
    cancelling = await handle.start_update(
        wire.CANCEL_ORDER, {"actor": "dora"}, wait_for_stage=WorkflowUpdateStage.ACCEPTED
    )
    assert await refused(handle, change()) == "NOT_PENDING"
    blocked.database_down = False
    await cancelling.result()
