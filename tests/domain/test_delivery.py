"""When a mail that could not be handed over is tried again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.delivery import GIVE_UP_AFTER, FailureKind, retry_delay

RETRIED = (FailureKind.CONNECTION, FailureKind.TEMPORARY, FailureKind.UNKNOWN_AFTER_DOT)


def test_nothing_sent_is_retried_from_30_seconds_doubling_up_to_half_an_hour() -> None:
    delays = [retry_delay(FailureKind.CONNECTION, attempt) for attempt in range(1, 9)]
    assert delays == [timedelta(seconds=s) for s in (30, 60, 120, 240, 480, 960, 1800, 1800)]


@pytest.mark.parametrize("kind", [FailureKind.TEMPORARY, FailureKind.UNKNOWN_AFTER_DOT])
def test_a_server_that_asked_to_wait_gets_five_minutes_up_to_an_hour(kind: FailureKind) -> None:
    delays = [retry_delay(kind, attempt) for attempt in range(1, 7)]
    assert delays == [timedelta(minutes=m) for m in (5, 10, 20, 40, 60, 60)]


@pytest.mark.parametrize("kind", [FailureKind.RECIPIENT_REJECTED, FailureKind.REJECTED])
def test_a_final_no_is_not_retried(kind: FailureKind) -> None:
    assert retry_delay(kind, 1) is None


@pytest.mark.parametrize("kind", RETRIED)
def test_a_mail_is_given_up_within_48_hours_of_waiting_and_not_long_before(kind: FailureKind) -> None:
    waited, attempt = timedelta(), 1
    while (delay := retry_delay(kind, attempt)) is not None:
        waited += delay
        attempt += 1
    assert GIVE_UP_AFTER - timedelta(hours=1) < waited <= GIVE_UP_AFTER


@given(st.sampled_from(FailureKind), st.integers(min_value=1, max_value=5_000))
def test_once_given_up_a_mail_stays_given_up(kind: FailureKind, attempt: int) -> None:
    if retry_delay(kind, attempt) is None:
        assert retry_delay(kind, attempt + 1) is None


def test_only_a_lost_answer_can_make_a_duplicate() -> None:
    assert [kind for kind in FailureKind if kind.maybe_duplicate] == [FailureKind.UNKNOWN_AFTER_DOT]
