"""What time does to an approval on the real server, on virtual time (SPEC 4.5; approvals.md d, S20)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from domain import actions
from domain.line import LineState
from domain.mail import Template
from tests.workflows.conftest import Scene
from tests.workflows.gate_case import DAY, HOUR, Case, code_of, free, mailed
from tests.workflows.world import World, stage

MINUTE = timedelta(minutes=1)


def level(*people: str, deadline: timedelta = 2 * DAY, replaces: bool = False) -> dict[str, Any]:
    return {"approvers": {"people": people}, "deadline": deadline, "replaces": replaces}


def escalating(*levels: dict[str, Any], **more: Any) -> Any:
    return free(on_deadline="escalate", deadline=5 * DAY, escalations=levels, **more)


# Shares


async def test_a_delegate_has_the_whole_time_anew_and_the_stage_waits_for_the_longest_share(
    scene: Scene,
) -> None:
    case = await Case.opens(scene, free(deadline=2 * DAY))
    await case.skip(DAY + 12 * HOUR)
    restarted = await case.act(actions.Delegate, "ann", to="cleo")
    assert restarted.deadline is not None
    assert restarted.deadline - restarted.at == 2 * DAY
    await case.skip(DAY)
    assert (await case.decide("bob")).status == "PENDING"
    await case.skip(DAY + HOUR)
    assert await case.ends() == LineState.EXPIRED


async def test_a_question_stops_no_clock_and_the_deadline_ends_it(scene: Scene) -> None:
    case = await Case.opens(scene, free(deadline=2 * DAY))
    asked = await case.act(actions.Inquire, "ann", asked="cleo", question="Why?")
    assert asked.deadline == (await case.told("approval.opened")).at + 2 * DAY
    await case.skip(2 * DAY + MINUTE)
    assert await case.ends() == LineState.EXPIRED


# Reminders


async def test_the_delegate_is_reminded_and_during_a_question_only_whoever_is_asked(scene: Scene) -> None:
    case = await Case.opens(scene, free(deadline=10 * DAY, reminders=(DAY, 2 * DAY)))
    await case.act(actions.Delegate, "ann", to="cleo")
    await case.skip(DAY + MINUTE)
    assert mailed(await case.told("approval.reminded")) == {"approval_reminder": ("cleo", "bob")}
    await case.act(actions.Inquire, "bob", asked="emma", question="Why?")
    await case.skip(DAY)
    assert mailed(await case.told("approval.reminded", 2)) == {"approval_reminder": ("emma",)}
    await case.cancel()


async def test_nobody_is_reminded_of_what_has_been_escalated(scene: Scene) -> None:
    case = await Case.opens(scene, escalating(level("cleo"), reminders=(DAY, 2 * DAY)))
    await case.act(actions.Escalate, "ann")
    await case.skip(2 * DAY - HOUR)
    assert Template.APPROVAL_REMINDER not in case.world.mails(case.id)
    await case.cancel()


# Escalation


async def test_each_level_is_asked_in_its_time_and_the_last_ends_as_the_stage_says(scene: Scene) -> None:
    case = await Case.opens(scene, escalating(level("cleo"), level("emma", deadline=DAY)))
    assert (await case.view()).what_then == "the stage is escalated"
    await case.skip(5 * DAY + MINUTE)
    first = await case.told("approval.escalated")
    assert (mailed(first), first.data["level"]) == ({"approval_escalated": ("cleo",)}, "1")
    await case.skip(2 * DAY)
    second = await case.told("approval.escalated", 2)
    assert (mailed(second), second.data["level"]) == ({"approval_escalated": ("emma",)}, "2")
    assert abs(second.at - first.at - 2 * DAY) < MINUTE
    assert (await case.view()).what_then == "the approval expires"
    await case.skip(DAY)
    assert await case.ends() == LineState.EXPIRED


async def test_one_of_a_level_decides_alone(scene: Scene) -> None:
    case = await Case.opens(scene, escalating(level("cleo", "emma")))
    await case.skip(5 * DAY + MINUTE)
    await case.told("approval.escalated")
    assert (await case.decide("emma")).status == "APPROVED"
    assert await case.ends() == LineState.PROVISIONED


async def test_a_level_that_replaces_takes_the_decision_from_those_before(scene: Scene) -> None:
    case = await Case.opens(scene, escalating(level("cleo", replaces=True)))
    await case.skip(5 * DAY + MINUTE)
    await case.told("approval.escalated")
    assert await code_of(case.decide("ann")) == "NOT_AN_APPROVER"
    await case.decide("cleo")
    assert await case.ends() == LineState.PROVISIONED


async def test_nobody_loses_a_seat_to_a_level_with_nobody_in_it(scene: Scene, world: World) -> None:
    world.revoked.add("cleo")
    case = await Case.opens(scene, escalating(level("cleo", replaces=True), on_nobody="skip"))
    await case.skip(5 * DAY + MINUTE)
    assert mailed(await case.told("approval.escalated")) == {}
    assert (await case.decide("ann")).status == "PENDING"
    assert (await case.decide("bob")).status == "APPROVED"
    await case.ends()


@pytest.mark.parametrize("on_nobody", ["skip", "deny"])
async def test_a_level_is_asked_once_the_directory_is_back_and_until_then_nobody_loses_a_seat(
    scene: Scene, world: World, on_nobody: str
) -> None:
    case = await Case.opens(scene, escalating(level("cleo", replaces=True), on_nobody=on_nobody))
    world.database_down = True
    await case.skip(5 * DAY + MINUTE)
    seen = await case.approval()
    assert (seen.level, [seat.key for seat in seen.roster or ()]) == (1, ["ann", "bob"])
    world.database_down = False
    await case.skip(HOUR)
    assert mailed(await case.told("approval.escalated")) == {"approval_escalated": ("cleo",)}
    await case.decide("cleo")
    assert await case.ends() == LineState.PROVISIONED


async def test_a_level_the_directory_could_not_name_in_time_is_not_asked_any_more(
    scene: Scene, world: World
) -> None:
    case = await Case.opens(
        scene, escalating(level("cleo", deadline=5 * MINUTE), level("emma", deadline=30 * DAY))
    )
    world.database_down = True
    await case.skip(5 * DAY + 6 * MINUTE)
    world.database_down = False
    await case.skip(HOUR)
    step = await case.told("approval.escalated")
    assert (mailed(step), step.data["level"]) == ({"approval_escalated": ("emma",)}, "2")
    assert case.actions().count("escalated") == 1
    await case.cancel()


# Nobody may decide


async def test_the_fallback_is_asked_where_nobody_may_decide_and_one_of_it_suffices(
    scene: Scene, world: World
) -> None:
    world.roster = ()
    rule = stage(
        approvers={"permission": "approve"}, on_nobody="fallback", fallback={"people": ["cleo", "emma"]}
    )
    case = await Case.opens(scene, rule, first="approval.fallback")
    step = await case.told("approval.fallback")
    assert mailed(step) == {"approval_requested": ("cleo", "emma")}
    await case.decide("cleo")
    assert await case.ends() == LineState.PROVISIONED
    assert "held" not in case.actions()


async def test_a_stage_whose_fallback_is_empty_is_held_and_the_team_asked(scene: Scene, world: World) -> None:
    world.roster = ()
    world.revoked.add("cleo")
    rule = stage(approvers={"permission": "approve"}, on_nobody="fallback", fallback={"people": ["cleo"]})
    case = await Case.opens(scene, rule, first="approval.held", escalation_team={"people": ["emma"]})
    held = await case.told("approval.held")
    assert [notice.template for notice in held.notices] == [Template.APPROVAL_HELD]
    assert mailed(await case.told("approval.escalated")) == {"approval_escalated": ("emma",)}
    assert "Emma" in (await case.view()).waiting_for
    await case.decide("emma")
    assert await case.ends() == LineState.PROVISIONED


async def test_an_approver_of_a_stage_too_few_may_decide_decides_it_as_one_of_the_team(
    scene: Scene, world: World
) -> None:
    world.roster = world.roster[:1]
    rule = stage(approvers={"permission": "approve"}, combine="quorum", quorum=2)
    case = await Case.opens(scene, rule, first="approval.held", escalation_team={"people": ["ann"]})
    await case.told("approval.escalated")
    assert (await case.decide("ann")).status == "APPROVED"
    await case.ends()


async def test_a_fallback_the_directory_could_not_name_is_asked_later(scene: Scene, world: World) -> None:
    rule = free(
        approvers={"permission": "approve"},
        on_nobody="fallback",
        fallback={"people": ["cleo"]},
        deadline=9 * DAY,
    )
    case = await Case.opens(scene, rule)
    case.seat()
    await case.act(actions.RefreshRoster, "otto")
    await case.told("approval.fallback")
    assert (await case.decide("cleo")).status == "APPROVED"
    await case.ends()


async def test_a_held_stage_that_is_withdrawn_meanwhile_alarms_nobody_afterwards(
    scene: Scene, world: World
) -> None:
    world.roster = ()
    case = await Case.opens(scene, free(), first="approval.held", escalation_team={"people": ["emma"]})
    await case.cancel()
    assert case.actions() == ["opened", "held", "escalated"]


# Waits of months (peers.md A3.7)


@pytest.mark.parametrize("days", [30, 90, 400])
async def test_an_approval_waits_for_its_answer(scene: Scene, days: int) -> None:
    case = await Case.opens(scene, free(deadline=(days + 1) * DAY, reminders=(10 * DAY,)))
    await case.decide("ann")
    await case.skip(days * DAY)
    assert (await case.decide("bob")).status == "APPROVED"
    assert await case.ends() == LineState.PROVISIONED


@pytest.mark.parametrize("days", [30, 90, 400])
async def test_an_approval_nobody_answers_ends_to_the_minute(scene: Scene, days: int) -> None:
    case = await Case.opens(scene, free(deadline=days * DAY))
    await case.skip(days * DAY - MINUTE)
    assert (await case.approval()).status == "PENDING"
    await case.skip(2 * MINUTE)
    assert await case.ends() == LineState.EXPIRED
