"""When a condition source is asked again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.external import AwaitCondition, ask_again_after
from domain.request_data import RequestData

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
waited = st.timedeltas(min_value=timedelta(), max_value=timedelta(days=3650))


def test_without_a_wish_the_waits_grow_from_a_minute_to_an_hour() -> None:
    asked, waits = timedelta(), []
    for _ in range(6):
        waits.append(ask_again_after(asked))
        asked += waits[-1]
    assert waits == [MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, HOUR, HOUR]


@given(waited, waited)
def test_who_has_waited_longer_never_asks_sooner(one: timedelta, other: timedelta) -> None:
    assert ask_again_after(min(one, other)) <= ask_again_after(max(one, other))


@pytest.mark.parametrize(
    ("wish", "wait"),
    [(0, 10 * SECOND), (9.9, 10 * SECOND), (10.5, 10.5 * SECOND), (3600, HOUR), (3601, HOUR), (1e308, HOUR)],
)
def test_a_wish_is_followed_between_ten_seconds_and_an_hour(wish: float, wait: timedelta) -> None:
    assert ask_again_after(timedelta(), wish) == wait


@given(waited, st.floats(min_value=0, allow_nan=False, allow_infinity=False))
def test_nobody_waits_longer_than_an_hour(so_far: timedelta, wish: float) -> None:
    assert 10 * SECOND <= ask_again_after(so_far, wish) <= HOUR
    assert ask_again_after(so_far) <= HOUR


def test_each_opening_of_a_stage_is_a_question_of_its_own() -> None:
    question = AwaitCondition(
        source="credit",
        process="order-7k-line-1",
        stage="credit-check",
        round=1,
        at=datetime(2026, 3, 2, 8, tzinfo=UTC),
        request=RequestData(),
    )
    changes = [{"round": 2}, {"stage": "stock"}, {"process": "order-7k-line-2"}]
    keys = [question.idempotency_key, *(question.model_copy(update=c).idempotency_key for c in changes)]
    assert keys[0] == "order-7k-line-1/credit-check/1"
    assert len(set(keys)) == len(keys)
    assert question.model_copy(update={"source": "other"}).idempotency_key == keys[0]
