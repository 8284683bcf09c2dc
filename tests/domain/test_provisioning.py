"""What backends' answers amount to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.provisioning import Answer, Outcome, ServiceOrder, ask_again_after, confirm

DONE = Answer(outcome=Outcome.DONE, reference="tenant-7")
UNSETTLED = [Outcome.PENDING, Outcome.CONFLICT, Outcome.INVALID]


@pytest.mark.parametrize(
    ("attempt", "seconds"), [(1, 10), (2, 20), (3, 40), (4, 80), (5, 160), (6, 300), (7, 300), (10**9, 300)]
)
def test_the_wait_doubles_from_ten_seconds_to_five_minutes(attempt: int, seconds: int) -> None:
    assert ask_again_after(attempt) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("wish", "seconds"), [(0, 1), (0.2, 1), (1, 1), (45, 45), (300, 300), (301, 300), (1e300, 300)]
)
def test_a_backends_wish_is_followed_between_one_second_and_five_minutes(wish: float, seconds: float) -> None:
    assert ask_again_after(9, wish) == timedelta(seconds=seconds)


@given(
    st.integers(min_value=1, max_value=2**31),
    st.none() | st.floats(min_value=0, allow_nan=False, allow_infinity=False),
)
def test_no_wait_is_shorter_than_a_second_or_longer_than_five_minutes(
    attempt: int, wish: float | None
) -> None:
    assert timedelta(seconds=1) <= ask_again_after(attempt, wish) <= timedelta(minutes=5)


@given(st.integers(min_value=1, max_value=2**31))
def test_the_wait_never_shrinks(attempt: int) -> None:
    assert ask_again_after(attempt + 1) >= ask_again_after(attempt)


@pytest.mark.parametrize("outcome", Outcome)
def test_only_conflict_and_invalid_are_refusals(outcome: Outcome) -> None:
    assert Answer(outcome=outcome).is_refusal is (outcome in {Outcome.CONFLICT, Outcome.INVALID})


@pytest.mark.parametrize("named_by", ["both", "answer", "status"])
def test_done_is_done_once_the_status_agrees(named_by: str) -> None:
    nameless = Answer(outcome=Outcome.DONE)
    answer = nameless if named_by == "status" else DONE
    status = nameless if named_by == "answer" else DONE
    assert confirm(answer, status) == DONE


@pytest.mark.parametrize("outcome", UNSETTLED)
def test_done_is_pending_while_the_status_says_otherwise(outcome: Outcome) -> None:
    status = Answer(outcome=outcome, message="still booting", retry_after=7)

    confirmed = confirm(DONE, status)

    assert confirmed.outcome is Outcome.PENDING
    assert confirmed.retry_after == 7
    assert confirmed.message == f"the backend reports done, but its status is still {outcome}: still booting"


def test_done_is_pending_while_the_status_is_of_another_resource() -> None:
    confirmed = confirm(DONE, Answer(outcome=Outcome.DONE, reference="tenant-8"))

    assert confirmed.outcome is Outcome.PENDING
    assert confirmed.message == "the backend reports done, but its status is of tenant-8 instead of tenant-7"


@given(st.sampled_from(Outcome), st.none() | st.text("ab", min_size=1, max_size=2), st.text("xy", max_size=3))
def test_a_status_never_refuses_what_was_accepted(
    outcome: Outcome, reference: str | None, message: str
) -> None:
    assert not confirm(DONE, Answer(outcome=outcome, reference=reference, message=message)).is_refusal


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")])
def test_a_wait_must_be_a_finite_time(seconds: float) -> None:
    with pytest.raises(ValidationError, match="retry_after"):
        Answer(outcome=Outcome.PENDING, retry_after=seconds)


@pytest.mark.parametrize("reference", ["", "  ", "two\nlines", "nul\0", "x" * 501])
def test_a_reference_is_one_bounded_line(reference: str) -> None:
    with pytest.raises(ValidationError, match="reference"):
        Answer(outcome=Outcome.DONE, reference=reference)


@pytest.mark.parametrize("key", ["", "with space", "line\nbreak", "trailing\n", "ümlaut", "x" * 201])
def test_an_idempotency_key_fits_an_http_header(key: str) -> None:
    with pytest.raises(ValidationError, match="key"):
        ServiceOrder(
            idempotency_key=key,
            process="order-1-line-1",
            service="1-1",
            organisation="acme",
            offer="mail",
            offer_version=1,
            at=datetime(2026, 3, 2, 8, tzinfo=UTC),
        )
