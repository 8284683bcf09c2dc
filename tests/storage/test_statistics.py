"""The figures of a small world, computed by hand."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from domain.decisions import ApprovalStatus, Approver, Part, Verdict, Vote
from domain.statistics import ApprovalFigures, OpenByAge, StageFigures
from domain.transitions import ProcessView, Transition
from storage import projection
from storage.stages import Stages
from storage.statistics import approval_statistics
from tests.storage.samples import AT, HOUR, open_approval, seats, step, view

DAY = 24 * HOUR
NOW = AT + 40 * DAY
PENDING, APPROVED = ApprovalStatus.PENDING, ApprovalStatus.APPROVED


def at(
    opened_at: datetime,
    stage: str = "technical",
    status: ApprovalStatus = PENDING,
    *,
    definition: str = "two-steps@1",
    roster: tuple[Approver, ...] = (),
) -> ProcessView:
    stage_ = open_approval(stage, roster or seats("ada", "bob"), status)
    known = {"opened_at": opened_at, "definition": definition}
    return view(approval=stage_.model_copy(update=known), ended=status is not PENDING)


def story(process: str, *told: tuple[datetime, ProcessView, str | None]) -> list[Transition]:
    """Steps of a process: when, what it is then, and who votes."""
    steps = []
    for seq, (when, seen, voter) in enumerate(told, 1):
        vote = None
        if voter is not None and seen.approval is not None:
            stage = seen.approval.stage
            vote = Vote(stage=stage, round=1, actor=voter, verdict=Verdict.APPROVE, reason=None, at=when)
        steps.append(step(seq, process=process, view=seen, vote=vote).model_copy(update={"at": when}))
    return steps


async def tell(session: AsyncSession, steps: list[Transition]) -> None:
    for each in steps:
        stands = await projection.advance(session, [each])
        await (await Stages.of(session, each.process)).update(stands, [each], None)


def both_stages(process: str, opened: datetime, technical: timedelta, money: timedelta) -> list[Transition]:
    second, end = opened + technical, opened + technical + money
    return story(
        process,
        (opened, at(opened), None),
        (second, at(opened), "ada"),
        (second, at(second, "money"), None),
        (end, at(second, "money"), "bob"),
        (end, at(second, "money", APPROVED), None),
        (end + DAY, at(second, "money", APPROVED), None),
    )


WORLD = [
    both_stages("p1", AT, HOUR, 10 * HOUR),
    both_stages("p2", AT + DAY, 2 * HOUR, 20 * HOUR),
    both_stages("p3", AT + 2 * DAY, 3 * HOUR + timedelta(microseconds=1), 30 * HOUR),
    story("p4", (AT, at(AT), None), (AT + 5 * DAY, at(AT, status=ApprovalStatus.EXPIRED), None)),
    story("p5", (NOW - HOUR, at(NOW - HOUR), None)),
    story("p6", (NOW - 8 * DAY, at(NOW - 8 * DAY, definition="two-steps@2"), None)),
    story("p7", (NOW - 3 * DAY, at(NOW - 3 * DAY, definition="two-steps-more@1"), None)),
]


@pytest.fixture
async def told(session: AsyncSession) -> AsyncSession:
    for steps in WORLD:
        await tell(session, steps)
    return session


def figures(definition: str, stage: str, *times: timedelta, **more: object) -> StageFigures:
    p50, p90, p95 = times or (None, None, None)
    known = {"definition": definition, "stage": stage, "decided": 0, "p50": p50, "p90": p90, "p95": p95}
    none = {"undecided": 0, "expired": 0, "open": OpenByAge(), "held": 0}
    return StageFigures.model_validate(known | none | more)


TECHNICAL = (2 * HOUR, 3 * HOUR + timedelta(microseconds=1), 3 * HOUR + timedelta(microseconds=1))
FIRST = figures("two-steps@1", "technical", *TECHNICAL, decided=3, expired=1, open=OpenByAge(under_1_day=1))
MONEY = figures("two-steps@1", "money", 20 * HOUR, 30 * HOUR, 30 * HOUR, decided=3)
SECOND = figures("two-steps@2", "technical", open=OpenByAge(from_7_to_30_days=1))
OTHER = figures("two-steps-more@1", "technical", open=OpenByAge(from_1_to_7_days=1))


async def test_each_stage_of_each_definition_has_its_figures(told: AsyncSession) -> None:
    assert (await approval_statistics(told, NOW)).stages == (OTHER, MONEY, FIRST, SECOND)


async def test_one_definition_means_all_its_versions_and_a_version_only_itself(told: AsyncSession) -> None:
    assert (await approval_statistics(told, NOW, definition="two-steps")).stages == (MONEY, FIRST, SECOND)
    assert (await approval_statistics(told, NOW, definition="two-steps@2")).stages == (SECOND,)
    assert (await approval_statistics(told, NOW, definition="two%")).stages == ()


async def test_figures_may_begin_at_a_time(told: AsyncSession) -> None:
    late = await approval_statistics(told, NOW, definition="two-steps@1", since=AT + 2 * DAY)
    assert [(each.stage, each.decided, each.expired) for each in late.stages] == [
        ("money", 1, 0),
        ("technical", 1, 0),
    ]
    [whole] = late.approvals
    assert (whole.approved, whole.expired, whole.open) == (1, 0, OpenByAge(under_1_day=1))


async def test_an_approval_begins_with_its_first_stage(told: AsyncSession) -> None:
    between = AT + 2 * DAY + HOUR
    late = await approval_statistics(told, NOW, definition="two-steps@1", since=between)
    assert [(each.stage, each.decided) for each in late.stages] == [("money", 1), ("technical", 0)]
    [whole] = late.approvals
    assert (whole.approved, whole.p50) == (0, None)


async def test_each_definition_has_its_figures_over_whole_approvals(told: AsyncSession) -> None:
    other, first, second = (await approval_statistics(told, NOW)).approvals
    longest = 33 * HOUR + timedelta(microseconds=1)
    assert first == ApprovalFigures(
        definition="two-steps@1",
        approved=3,
        rejected=0,
        expired=1,
        withdrawn=0,
        open=OpenByAge(under_1_day=1),
        p50=22 * HOUR,
        p90=longest,
        p95=longest,
    )
    assert (second.definition, second.open) == ("two-steps@2", OpenByAge(from_7_to_30_days=1))
    assert (other.definition, other.open) == ("two-steps-more@1", OpenByAge(from_1_to_7_days=1))
    assert (await approval_statistics(told, NOW, definition="two-steps@2")).approvals == (second,)


async def test_an_approval_that_was_sent_back_is_one_and_its_time_begins_with_the_first_round(
    session: AsyncSession,
) -> None:
    denied = at(AT, status=ApprovalStatus.REJECTED).model_copy(update={"ended": False})
    again = AT + 5 * HOUR
    await tell(
        session,
        story(
            "p1",
            (AT + HOUR, denied, "ada"),
            (again, at(again, "money"), None),
            (again + HOUR, at(again, "money", ApprovalStatus.REJECTED), "bob"),
        ),
    )
    [whole] = (await approval_statistics(session, NOW)).approvals
    assert (whole.rejected, whole.withdrawn, whole.p50) == (1, 0, 6 * HOUR)


async def test_an_approval_that_was_reset_is_withdrawn_here_and_begins_anew_there(
    session: AsyncSession,
) -> None:
    reset = AT + DAY
    fresh = at(reset, "money", definition="two-steps@2")
    over = at(reset, "money", APPROVED, definition="two-steps@2")
    told = story("p1", (AT, at(AT), None), (reset, fresh, None), (reset + HOUR, over, "ada"))
    await tell(session, told)
    before, after = (await approval_statistics(session, NOW)).approvals
    assert (before.withdrawn, before.approved, before.p50) == (1, 0, None)
    assert (after.withdrawn, after.approved, after.p50) == (0, 1, HOUR)


async def test_a_stage_too_few_may_decide_is_held_while_it_is_open(session: AsyncSession) -> None:
    seen = at(AT)
    assert seen.approval is not None
    lacking = seen.model_copy(update={"approval": seen.approval.model_copy(update={"quorum": 3})})
    await tell(session, story("p1", (AT, lacking, None)))
    (found,) = (await approval_statistics(session, NOW)).stages
    assert (found.held, found.open.over_30_days) == (1, 1)
    await tell(session, [step(2, process="p1", view=at(AT, status=ApprovalStatus.WITHDRAWN))])
    (found,) = (await approval_statistics(session, NOW)).stages
    assert (found.held, found.open, found.decided) == (0, OpenByAge(), 0)


async def test_a_stage_is_escalated_by_its_level_or_by_asking_the_team(session: AsyncSession) -> None:
    seen = at(AT)
    assert seen.approval is not None
    team = (*seats("ada"), Approver(key="olga", name="Olga", part=Part.ESCALATION))
    for number, change in enumerate(({"level": 1}, {"roster": team}, {})):
        changed = seen.model_copy(update={"approval": seen.approval.model_copy(update=change)})
        await tell(session, story(f"p{number}", (AT, changed, None)))
    (found,) = (await approval_statistics(session, NOW)).stages
    assert (found.escalated, found.open.over_30_days) == (2, 3)


async def test_a_denial_that_another_stage_followed_was_sent_back(session: AsyncSession) -> None:
    denied = at(AT, status=ApprovalStatus.REJECTED).model_copy(update={"ended": False})
    back = story("p1", (AT + HOUR, denied, "ada"), (AT + HOUR, at(AT + HOUR, "money"), None))
    await tell(session, back)
    await tell(session, story("p2", (AT + HOUR, at(AT, status=ApprovalStatus.REJECTED), "ada")))
    money, technical = (await approval_statistics(session, NOW)).stages
    assert (technical.sent_back, technical.decided, money.sent_back) == (1, 2, 0)


async def test_votes_that_the_rules_cast_take_no_time_and_are_not_timed(session: AsyncSession) -> None:
    told = story("p1", (AT, at(AT), "ada"), (AT, at(AT, "money"), None))
    automatic = told[0].vote.model_copy(update={"automatic": True}) if told[0].vote else None
    await tell(session, [told[0].model_copy(update={"vote": automatic}), told[1]])
    _, technical = (await approval_statistics(session, NOW)).stages
    assert (technical.decided, technical.undecided, technical.p50) == (0, 1, None)


async def test_the_end_of_a_stage_does_not_depend_on_the_order_of_telling(session: AsyncSession) -> None:
    for steps in WORLD[:3]:
        await tell(session, steps[::-1])
    found = await approval_statistics(session, NOW)
    assert [(each.stage, each.decided, each.p50, each.p95) for each in found.stages] == [
        ("money", 3, MONEY.p50, MONEY.p95),
        ("technical", 3, FIRST.p50, FIRST.p95),
    ]
    assert [(each.approved, each.p50) for each in found.approvals] == [(3, 22 * HOUR)]
