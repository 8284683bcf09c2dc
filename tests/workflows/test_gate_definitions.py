"""A definition that changes under an open request, and what lists say afterwards (SPEC 4.6; S16 to S18)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from temporalio.client import WithStartWorkflowOperation
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.testing import ActivityEnvironment

from activities.notices import Notices
from domain import wire
from domain.actions import ChangeDefinition, DefinitionChanged, Delegate, Inquire
from domain.definitions import ApprovalDefinition, OnChange, Stage, content_hash
from domain.line import LineState
from domain.mail import Template
from domain.orders import OrderLine
from domain.transitions import Announcement
from storage import processes
from storage.database import Database
from storage.processes import StageEntry, TimelineEntry
from tests.workflows.conftest import Scene
from tests.workflows.gate_case import DAY, EVERYTHING, HOUR, Case, code_of, free, mailed, of, refusal_of
from tests.workflows.world import World, context, line, stage

MANAGER, OWNER, SECURITY = stage("manager"), stage("owner"), stage("security")


def new(*stages: Stage, version: int = 5) -> ApprovalDefinition:
    return of(*(stages or (MANAGER, OWNER, SECURITY)), version=version)


async def _half_approved(scene: Scene) -> Case:
    """S16: started with version 4 of manager and owner, and the manager has approved."""
    case = await Case.opens(scene, MANAGER, OWNER, version=4)
    await case.decide("ann", stage="manager")
    await case.told("approval.opened", 2)
    return case


async def test_a_request_keeps_the_definition_it_started_with_unless_it_is_told_otherwise(
    scene: Scene,
) -> None:
    case = await _half_approved(scene)
    assert (await case.decide("bob", stage="owner")).status == "APPROVED"
    assert (await case.view()).definition == "standard@4"
    assert await case.ends() == LineState.PROVISIONED


async def test_a_reset_voids_what_was_decided_and_asks_anew_under_the_new_version(scene: Scene) -> None:
    case = await _half_approved(scene)
    answer = await case.change(new(), reason="security wants a say")
    assert (answer.definition, answer.voided, answer.changed) == ("standard@5", 1, True)
    step = await case.told("approval.reset")
    assert (step.actor, step.reason) == ("otto", "security wants a say")
    assert step.data == {"from": "standard@4", "to": "standard@5", "void": "manager: approve (ann)"}
    assert mailed(step) == {"approval_restarted": ("dora", "ann")}
    assert step.notices[0].facts.details == ("manager: approve (ann)",)
    opened = await case.told("approval.opened", 3)
    assert opened.data == {"stage": "manager", "round": "2"}
    assert opened.view.definition == "standard@5"
    assert opened.view.definition_hash is not None

    assert await code_of(case.decide("ann", stage="owner")) == "WRONG_STAGE"
    for times, stage_name in enumerate(("manager", "owner", "security"), 3):
        await case.told("approval.opened", times)
        last = await case.decide("ann", stage=stage_name, round=2)
    assert last.status == "APPROVED"
    assert await case.ends() == LineState.PROVISIONED


async def test_a_reset_sent_again_changes_nothing(scene: Scene) -> None:
    case = await _half_approved(scene)
    await case.change(new())
    await case.told("approval.opened", 3)
    await case.decide("ann", stage="manager", round=2)
    again = await case.change(new())
    assert (again.changed, again.voided, again.definition) == (False, 0, "standard@5")
    assert case.actions().count("reset") == 1
    await case.told("approval.opened", 4)
    assert (await case.approval()).stage == "owner"
    await case.cancel()


async def test_an_abort_ends_the_request_says_why_and_tells_the_requester(scene: Scene) -> None:
    case = await _half_approved(scene)
    answer = await case.change(new(), OnChange.ABORT)
    assert answer.voided == 1
    assert await case.ends() == LineState.CANCELLED
    ended = case.world.announced[case.id][-1]
    assert ended.reason == "definition_changed: standard@5"
    assert Template.APPROVAL_WITHDRAWN in case.world.mails(case.id)
    assert case.world.provisioned == []


async def test_a_change_is_refused_that_says_nothing_lies_or_comes_too_late(scene: Scene) -> None:
    case = await _half_approved(scene)
    assert await code_of(case.change(new(), OnChange.CONTINUE)) == "INVALID_INPUT"
    assert await refusal_of(case.change(new(), definition_hash="0" * 64)) == (
        "INVALID_INPUT",
        "definition_hash: does not fit the definition",
    )
    assert await code_of(case.change(new(version=3))) == "VERSION_CONFLICT"
    ended = await Case.opens(scene, free(), version=4)
    await ended.decide("ann")
    await ended.decide("bob")
    await ended.ends()
    assert case.actions() == ["opened", "approve", "opened"]
    await case.cancel()


async def test_a_held_stage_is_left_with_a_reset(scene: Scene, world: World) -> None:
    world.roster = ()
    case = await Case.opens(
        scene, free(approvers={"permission": "approve"}), first="approval.held", version=4
    )
    case.seat("ann")
    await case.change(new(MANAGER))
    await case.told("approval.opened", 2)
    await case.decide("ann", stage="manager", round=2)
    assert await case.ends() == LineState.PROVISIONED


async def test_an_open_question_and_a_delegation_are_gone_with_a_reset(scene: Scene) -> None:
    case = await Case.opens(scene, free(deadline=2 * DAY), version=4)
    await case.act(Delegate, "ann", to="cleo")
    await case.act(Inquire, "bob", asked="dora", question="Why?")
    await case.skip(DAY)
    await case.change(new(free(deadline=3 * DAY, allow=EVERYTHING)))
    opened = await case.told("approval.opened", 2)
    seen = await case.approval()
    assert ([seat.key for seat in seen.roster or ()], seen.asked) == (["ann", "bob"], ())
    assert seen.deadline == opened.at + 3 * DAY
    await case.cancel()


async def test_a_change_while_the_first_stage_waits_for_the_directory_is_not_lost(
    scene: Scene, world: World
) -> None:
    world.database_down = True
    case = Case(scene, await scene.start(line(approval=of(MANAGER, version=4))))
    await case.shows("manager")
    assert (await case.change(new(OWNER))).changed
    world.database_down = False
    await case.skip(HOUR)
    assert (await case.shows("owner")).definition == "standard@5"
    await case.decide("ann", stage="owner", round=2)
    assert await case.ends() == LineState.PROVISIONED


async def test_a_change_before_the_first_stage_opens_starts_on_the_new_version(scene: Scene) -> None:
    order, now, wanted = scene.new_order(), datetime.now(UTC), new(OWNER)
    start = WithStartWorkflowOperation(
        wire.ORDER_LINE,
        OrderLine(context=context(order), line=line(approval=of(MANAGER, version=4)), checked_at=now),
        id=wire.line_id(order, 1),
        task_queue=scene.queue,
        id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
    )
    command = ChangeDefinition(
        definition=wanted, definition_hash=content_hash(wanted), mode=OnChange.RESET, actor="otto"
    )
    answer = await scene.client.execute_update_with_start_workflow(
        wire.CHANGE_DEFINITION, command, start_workflow_operation=start, result_type=DefinitionChanged
    )
    assert answer.changed
    case = Case(scene, await start.workflow_handle())
    seen = await case.shows("owner")
    assert await code_of(case.decide("ann", stage="manager")) == "WRONG_STAGE"
    await case.decide("ann", stage="owner", round=seen.round)
    assert await case.ends() == LineState.PROVISIONED


# The projection


async def _projected(
    case: Case, database: Database, *, backwards: bool
) -> tuple[tuple[StageEntry, ...], tuple[TimelineEntry, ...]]:
    """What the tables say once everything the process announced has been told, in whatever order."""
    steps = sorted(case.world.announced[case.id], key=lambda step: step.seq, reverse=backwards)
    for step in steps:
        await ActivityEnvironment().run(Notices(database).announce, Announcement(transitions=(step,)))
    async with database.reading() as session:
        return await processes.approvals_of(session, case.id), await processes.timeline(
            session, process=case.id
        )


@pytest.mark.parametrize("backwards", [False, True], ids=["in order", "backwards"])
async def test_lists_show_what_was_voided_by_a_reset_and_who_is_asked_now(
    scene: Scene, sqlite_database: Database, backwards: bool
) -> None:
    case = await _half_approved(scene)
    await case.change(new())
    await case.told("approval.opened", 3)
    stages, timeline = await _projected(case, sqlite_database, backwards=backwards)
    shown = {(each.stage, each.round): each for each in stages}
    assert {key: (each.status, each.is_open, each.definition) for key, each in shown.items()} == {
        ("manager", 1): ("WITHDRAWN", False, "standard@4"),
        ("owner", 1): ("WITHDRAWN", False, "standard@4"),
        ("manager", 2): ("PENDING", True, "standard@5"),
    }
    assert [(seat.person, seat.verdict) for seat in shown["manager", 1].seats if seat.verdict] == [
        ("ann", "approve")
    ]
    reset = next(entry for entry in timeline if entry.action == "approval.reset")
    assert reset.data["void"] == "manager: approve (ann)"
    await case.cancel()


@pytest.mark.parametrize("backwards", [False, True], ids=["in order", "backwards"])
async def test_lists_show_that_nothing_is_open_after_an_abort(
    scene: Scene, sqlite_database: Database, backwards: bool
) -> None:
    case = await _half_approved(scene)
    await case.change(new(), OnChange.ABORT)
    await case.ends()
    stages, timeline = await _projected(case, sqlite_database, backwards=backwards)
    assert {(each.stage, each.status, each.is_open) for each in stages} == {
        ("manager", "APPROVED", False),
        ("owner", "WITHDRAWN", False),
    }
    assert [entry.actor for entry in timeline if entry.action == "approval.abort"] == ["otto"]
