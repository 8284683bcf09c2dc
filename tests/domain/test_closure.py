"""The closure clock: warned in time, closed once, never again (L17, L18)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.closure import ClosureClock
from tests.domain.samples import DAY, HOUR, NOW, offer


def started(**more: Any) -> ClosureClock:
    clock = ClosureClock(offer(**more))
    clock.start(NOW)
    return clock


def test_nothing_runs_before_the_clock_is_started() -> None:
    clock = ClosureClock(offer(closes_after=DAY))
    assert (clock.closes_at, clock.next_due) == (None, None)
    assert not clock.is_over(NOW + 100 * DAY)


def test_an_offer_that_never_closes_has_no_clock() -> None:
    clock = started(closes_after=None)
    assert (clock.closes_at, clock.next_due) == (None, None)
    assert not clock.is_over(NOW + 1000 * DAY)


@pytest.mark.parametrize("days", [7, 30])
def test_a_line_closes_after_exactly_as_many_times_24_hours_as_its_offer_says(days: int) -> None:
    clock = started(closes_after=days * DAY)
    assert clock.closes_at == NOW + timedelta(hours=24 * days)
    assert not clock.is_over(NOW + days * DAY - timedelta(microseconds=1))
    assert clock.is_over(NOW + days * DAY)


@pytest.mark.parametrize(("days", "warned_before"), [(7, [1]), (8, [3, 1]), (30, [3, 1])])
def test_people_are_warned_three_days_and_one_day_before_a_seven_day_offer_one_day_only(
    days: int, warned_before: list[int]
) -> None:
    clock, closes_at = started(closes_after=days * DAY), NOW + days * DAY
    for before in warned_before:
        assert clock.next_due == closes_at - before * DAY
        clock.warn(closes_at - before * DAY)
    assert clock.next_due == closes_at


def test_several_warnings_collapse_after_an_outage() -> None:
    clock = started(closes_after=30 * DAY)
    clock.warn(NOW + 29 * DAY + HOUR)
    assert clock.next_due == NOW + 30 * DAY


def test_a_warning_in_good_time_strikes_off_nothing() -> None:
    clock = started(closes_after=30 * DAY)
    clock.warn(NOW + 27 * DAY - timedelta(microseconds=1))
    assert clock.next_due == NOW + 27 * DAY


def test_a_closed_line_never_closes_again() -> None:
    clock = started(closes_after=7 * DAY)
    clock.stop()
    assert (clock.closes_at, clock.next_due) == (None, None)
    assert not clock.is_over(NOW + 100 * DAY)


@given(
    days=st.integers(1, 60),
    warnings=st.lists(st.integers(1, 90 * 24).map(lambda hours: hours * HOUR), max_size=6),
)
def test_whoever_follows_the_clock_reaches_the_closure_in_order_and_on_time(
    days: int, warnings: list[timedelta]
) -> None:
    clock = started(closes_after=days * DAY, closure_warnings=warnings)
    dues = []
    while clock.next_due is not None and not clock.is_over(clock.next_due):
        dues.append(clock.next_due)
        clock.warn(clock.next_due)
    assert dues == sorted(set(dues))
    assert all(NOW < due < NOW + days * DAY for due in dues)
    assert clock.next_due == NOW + days * DAY
