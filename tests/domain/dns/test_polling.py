from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.dns import polling
from domain.dns.polling import poll_delay

MONTH = timedelta(days=30)
CLOSURES = st.none() | st.timedeltas(timedelta(0), timedelta(days=40))


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling, "JITTER", 0)


def polls(until: timedelta, closes_after: timedelta | None = None) -> list[timedelta]:
    """When a watch looks again, from its start."""
    at = [poll_delay(timedelta(), closes_after)]
    while at[-1] <= until:
        at.append(at[-1] + poll_delay(at[-1], closes_after))
    return at[:-1]


@pytest.mark.usefixtures("steady")
def test_the_plan_slows_down_from_a_minute_to_four_hours() -> None:
    at = polls(timedelta(days=4))
    gaps = {later - earlier for earlier, later in pairwise(at)}
    assert gaps == {timedelta(minutes=m) for m in (1, 5, 15, 60, 240)}
    for minutes in (9, 10, 55, 60, 345, 360, 3 * 24 * 60):
        assert timedelta(minutes=minutes) in at
    assert timedelta(minutes=11) not in at


@pytest.mark.usefixtures("steady")
def test_thirty_days_take_about_268_polls() -> None:
    assert 264 <= len(polls(MONTH)) <= 272


@pytest.mark.usefixtures("steady")
def test_the_last_day_before_closure_is_watched_every_quarter_of_an_hour() -> None:
    last = [at for at in polls(MONTH, MONTH) if at >= MONTH - timedelta(days=1)]
    assert len(last) == 97
    assert {b - a for a, b in pairwise(last)} == {timedelta(minutes=15)}


@pytest.mark.usefixtures("steady")
def test_after_the_closure_four_hours_are_enough_again() -> None:
    after = [at for at in polls(MONTH + timedelta(days=2), MONTH) if at > MONTH]
    assert {b - a for a, b in pairwise(after)} == {timedelta(hours=4)}


@given(st.timedeltas(timedelta(), timedelta(days=400)), CLOSURES, st.text(max_size=20))
def test_a_delay_is_within_ten_percent_of_the_plan_and_always_the_same(
    elapsed: timedelta, closes_after: timedelta | None, seed: str
) -> None:
    delay = poll_delay(elapsed, closes_after, seed)
    assert delay == poll_delay(elapsed, closes_after, seed)
    assert timedelta(seconds=54) <= delay <= timedelta(hours=4, minutes=24)


@given(st.text(max_size=20), st.text(max_size=20))
def test_two_watches_drift_apart(one: str, other: str) -> None:
    looks = [timedelta(minutes=n) for n in range(20)]
    same = [poll_delay(at, seed=one) == poll_delay(at, seed=other) for at in looks]
    assert all(same) == (one == other)


@given(st.timedeltas(timedelta(days=2), timedelta(days=40)))
def test_the_last_day_never_begins_without_a_poll(closes_after: timedelta) -> None:
    begin = closes_after - timedelta(days=1)
    first = next(at for at in polls(closes_after, closes_after) if at >= begin)
    assert first <= begin + timedelta(minutes=30)
