"""Percentiles are times that were really taken, and every stage is counted where it belongs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.decisions import ApprovalStatus
from domain.statistics import ApprovalSeen, OpenByAge, StageSeen, approval_figures, figures, percentile
from domain.transitions import OpenApproval
from tests.domain.samples import DAY, HOUR, NOW, people

TIMES = st.lists(st.timedeltas(timedelta(), timedelta(days=400)), max_size=50)


def seen(status: ApprovalStatus = ApprovalStatus.APPROVED, **more: Any) -> StageSeen:
    took = more.pop("took", HOUR)
    values = {"opened_at": NOW - 2 * DAY, "ended_at": NOW - 2 * DAY + took, "is_open": False}
    return StageSeen(status=status, **({"voted": True, "held": False} | values | more))


def waiting(age: timedelta, **more: Any) -> StageSeen:
    return seen(ApprovalStatus.PENDING, opened_at=NOW - age, ended_at=None, is_open=True, voted=False, **more)


@given(TIMES, st.integers(1, 100))
def test_a_percentile_is_the_shortest_time_that_enough_of_them_do_not_exceed(
    times: list[timedelta], percent: int
) -> None:
    enough = [time for time in times if 100 * sum(other <= time for other in times) >= percent * len(times)]
    assert percentile(sorted(times), percent) == min(enough, default=None)


@pytest.mark.parametrize(
    ("percent", "hours"), [(1, 1), (25, 1), (26, 2), (50, 2), (51, 3), (75, 3), (76, 4), (90, 4), (100, 4)]
)
def test_percentiles_of_four_times(percent: int, hours: int) -> None:
    assert percentile([HOUR, 2 * HOUR, 3 * HOUR, 4 * HOUR], percent) == hours * HOUR


def test_what_people_decided_is_counted_and_timed_whether_approved_or_rejected() -> None:
    took = timedelta(hours=1, microseconds=1)
    found = figures(
        "release@1", "first", [seen(took=took), seen(ApprovalStatus.REJECTED, took=3 * HOUR)], NOW
    )
    assert (found.decided, found.p50, found.p90, found.p95) == (2, took, 3 * HOUR, 3 * HOUR)


def test_what_ended_otherwise_has_no_time_to_decision() -> None:
    others = [
        seen(ApprovalStatus.EXPIRED, voted=False),
        seen(ApprovalStatus.EXPIRED),
        seen(ApprovalStatus.WITHDRAWN),
        seen(ApprovalStatus.REJECTED, voted=False),
        seen(ApprovalStatus.APPROVED, voted=False),
        waiting(HOUR),
    ]
    found = figures("release@1", "first", others, NOW)
    assert (found.decided, found.p50, found.expired, found.undecided) == (0, None, 2, 2)


@given(
    st.lists(
        st.builds(
            seen,
            st.sampled_from(ApprovalStatus),
            is_open=st.booleans(),
            voted=st.booleans(),
            held=st.booleans(),
        )
    )
)
def test_each_opening_is_counted_once(openings: list[StageSeen]) -> None:
    possible = [each for each in openings if not each.is_open or each.status is ApprovalStatus.PENDING]
    found = figures("release@1", "first", possible, NOW)
    ended = found.decided + found.undecided + found.expired + found.withdrawn
    assert ended + sum(found.open.model_dump().values()) == len(possible)


def test_what_was_taken_back_or_ended_from_outside_is_withdrawn() -> None:
    gone = [
        seen(ApprovalStatus.WITHDRAWN),
        seen(ApprovalStatus.FAILED),
        seen(ApprovalStatus.PENDING, ended_at=None),
    ]
    assert figures("release@1", "first", [*gone, seen(), waiting(DAY)], NOW).withdrawn == 3


def approval(status: ApprovalStatus, took: timedelta | None = HOUR, *, is_open: bool = False) -> ApprovalSeen:
    began = NOW - 2 * DAY
    return ApprovalSeen(status, began, None if took is None else began + took, is_open)


@given(st.lists(st.builds(approval, st.sampled_from(ApprovalStatus), is_open=st.booleans())))
def test_each_approval_is_counted_once(approvals: list[ApprovalSeen]) -> None:
    found = approval_figures("release@1", approvals, NOW)
    ended = found.approved + found.rejected + found.expired + found.withdrawn
    assert ended + sum(found.open.model_dump().values()) == len(approvals)


def test_approvals_are_counted_by_their_ends_and_those_decided_are_timed() -> None:
    seen = [
        *(approval(ApprovalStatus.APPROVED, hours * HOUR) for hours in (1, 2, 3)),
        approval(ApprovalStatus.REJECTED, 4 * HOUR),
        approval(ApprovalStatus.EXPIRED, 40 * HOUR),
        approval(ApprovalStatus.WITHDRAWN, timedelta()),
        approval(ApprovalStatus.FAILED, timedelta()),
        approval(ApprovalStatus.PENDING, None),
        approval(ApprovalStatus.PENDING, None, is_open=True),
    ]
    found = approval_figures("release@1", seen, NOW)
    assert (found.approved, found.rejected, found.expired, found.withdrawn) == (3, 1, 1, 3)
    assert (found.p50, found.p90, found.p95) == (2 * HOUR, 4 * HOUR, 4 * HOUR)
    assert found.open == OpenByAge(from_1_to_7_days=1)


def test_without_a_decided_approval_there_is_no_time() -> None:
    found = approval_figures("release@1", [approval(ApprovalStatus.EXPIRED)], NOW)
    assert (found.p50, found.p90, found.p95) == (None, None, None)


@pytest.mark.parametrize(
    ("age", "name"),
    [
        (timedelta(), "under_1_day"),
        (DAY - timedelta.resolution, "under_1_day"),
        (DAY, "from_1_to_7_days"),
        (7 * DAY - timedelta.resolution, "from_1_to_7_days"),
        (7 * DAY, "from_7_to_30_days"),
        (30 * DAY - timedelta.resolution, "from_7_to_30_days"),
        (30 * DAY, "over_30_days"),
        (400 * DAY, "over_30_days"),
    ],
)
def test_what_is_open_is_counted_by_its_age(age: timedelta, name: str) -> None:
    assert figures("release@1", "first", [waiting(age)], NOW).open == OpenByAge(**{name: 1})


def test_what_was_escalated_or_sent_back_is_counted_open_or_not() -> None:
    back = seen(ApprovalStatus.REJECTED, sent_back=True)
    found = figures(
        "release@1", "first", [waiting(DAY, escalated=True), seen(escalated=True), back, seen()], NOW
    )
    assert (found.escalated, found.sent_back, found.decided) == (2, 1, 3)


def test_only_what_is_open_is_held() -> None:
    found = figures("release@1", "first", [waiting(DAY, held=True), waiting(DAY), seen(held=True)], NOW)
    assert (found.held, found.open.from_1_to_7_days) == (1, 2)


@pytest.mark.parametrize(
    ("roster", "quorum", "lacks"),
    [
        (None, 2, False),
        ((), None, True),
        (("ann",), None, False),
        (("ann",), 2, True),
        (("a1", "b1"), 2, False),
    ],
)
def test_a_stage_lacks_approvers_once_its_roster_is_known_to_be_too_small(
    roster: tuple[str, ...] | None, quorum: int | None, lacks: bool
) -> None:
    stage = OpenApproval(
        status=ApprovalStatus.PENDING,
        stage="first",
        stage_title="First",
        round=1,
        definition="release@1",
        opened_at=NOW,
        deadline=None,
        roster=None if roster is None else people(*roster),
        quorum=quorum,
    )
    assert stage.lacks_approvers is lacks
