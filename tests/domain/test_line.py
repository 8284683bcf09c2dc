"""States of a line and its service, and which command is allowed when (SPEC 5.1, 5.2, 5.7)."""

from __future__ import annotations

import pytest

from domain.errors import Code, Refusal
from domain.line import ENDS, SERVICE_STATUS, TRANSITIONS, LineProgress, LineState, ServiceStatus
from tests.domain.samples import NOW

RUNNING = [state for state in LineState if state not in ENDS]
PATHS = [(left, to) for left, reached in TRANSITIONS.items() for to in sorted(reached)]
FORWARD = [
    ServiceStatus.ORDERED,
    ServiceStatus.CONFIRMED,
    ServiceStatus.PROVISIONING,
    ServiceStatus.PROVISIONED,
]


def refused(command: str, progress: LineProgress) -> Refusal:
    with pytest.raises(Refusal) as caught:
        getattr(progress, f"check_{command}")()
    return caught.value


def past_return(state: LineState) -> LineProgress:
    progress = LineProgress(state)
    progress.ponr_at, progress.is_verified = NOW, True
    return progress


def test_the_seven_service_statuses_are_exactly_the_specified_words() -> None:
    assert [str(status) for status in ServiceStatus] == [
        "ordered",
        "confirmed",
        "provisioning",
        "provisioned",
        "cancelled",
        "deprovisioning",
        "deprovisioned",
    ]


def test_the_line_states_are_exactly_the_specified_words() -> None:
    assert {str(state) for state in RUNNING} == {
        "ordered",
        "awaiting_approval",
        "confirmed",
        "scheduled",
        "awaiting_provisioning_details",
        "provisioning",
        "closed",
        "cancelling",
    }
    assert {str(state) for state in ENDS} == {"provisioned", "rejected", "expired", "cancelled", "failed"}


@pytest.mark.parametrize("state", LineState)
def test_each_line_state_goes_with_one_service_status(state: LineState) -> None:
    assert SERVICE_STATUS[state] in {*FORWARD, ServiceStatus.CANCELLED}


@pytest.mark.parametrize(("left", "to"), PATHS)
def test_a_services_status_goes_forward_or_is_cancelled(left: LineState, to: LineState) -> None:
    before, after = SERVICE_STATUS[left], SERVICE_STATUS[to]
    assert after is ServiceStatus.CANCELLED or FORWARD.index(after) >= FORWARD.index(before)


@pytest.mark.parametrize("state", LineState)
def test_a_line_ends_exactly_where_nothing_leads_on(state: LineState) -> None:
    assert LineProgress(state).has_ended is (not TRANSITIONS[state])


@pytest.mark.parametrize("state", RUNNING)
def test_from_every_state_an_end_can_be_reached(state: LineState) -> None:
    reached = {state}
    for _ in LineState:
        reached |= {to for at in reached for to in TRANSITIONS[at]}
    assert reached & ENDS


def test_closed_is_not_an_end() -> None:
    progress = LineProgress(LineState.CLOSED)
    progress.check_records_wanted()
    progress.check_cancel()
    progress.check_deploy()
    progress.move(LineState.PROVISIONING)
    assert progress.move(LineState.PROVISIONED) is LineState.PROVISIONING


# Deploy


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (LineState.ORDERED, Code.NOT_DEPLOYABLE),
        (LineState.AWAITING_APPROVAL, Code.NOT_DEPLOYABLE),
        (LineState.CANCELLING, Code.NOT_DEPLOYABLE),
        (LineState.REJECTED, Code.PROCESS_ENDED),
        (LineState.EXPIRED, Code.PROCESS_ENDED),
        (LineState.CANCELLED, Code.PROCESS_ENDED),
        (LineState.FAILED, Code.PROCESS_ENDED),
        (LineState.PROVISIONED, Code.PROCESS_ENDED),
    ],
)
def test_only_a_confirmed_line_can_be_deployed(state: LineState, code: Code) -> None:
    refusal = refused("deploy", LineProgress(state))
    assert refusal.code is code
    assert str(state) in refusal.message


@pytest.mark.parametrize(
    "state", [LineState.CONFIRMED, LineState.SCHEDULED, LineState.PROVISIONING, LineState.CLOSED]
)
def test_a_confirmed_line_may_be_deployed_and_asking_twice_is_fine(state: LineState) -> None:
    progress = LineProgress(state)
    progress.check_deploy()
    progress.check_deploy()
    assert progress.state is state


# Cancel


@pytest.mark.parametrize("state", RUNNING)
def test_a_line_can_be_cancelled_before_its_point_of_no_return(state: LineState) -> None:
    LineProgress(state).check_cancel()


@pytest.mark.parametrize(
    "state", [LineState.PROVISIONING, LineState.CLOSED, LineState.PROVISIONED, LineState.FAILED]
)
def test_after_the_point_of_no_return_cancel_is_refused_and_points_to_unsubscribe(state: LineState) -> None:
    refusal = refused("cancel", past_return(state))
    assert refusal.code is Code.POINT_OF_NO_RETURN
    assert "2026-03-02 08:00:00 UTC" in refusal.message
    assert "unsubscribe" in refusal.message


@pytest.mark.parametrize("state", sorted(ENDS - {LineState.PROVISIONED}))
def test_what_has_ended_cannot_be_cancelled(state: LineState) -> None:
    assert refused("cancel", LineProgress(state)).code is Code.PROCESS_ENDED


@pytest.mark.parametrize("state", [LineState.PROVISIONING, LineState.CLOSED])
def test_no_way_leads_back_from_the_point_of_no_return(state: LineState) -> None:
    progress = past_return(state)
    with pytest.raises(ValueError, match="no transition"):
        progress.move(LineState.CANCELLING)
    assert progress.state is state


# Check now


@pytest.mark.parametrize("state", RUNNING)
def test_records_are_checked_on_demand_only_while_they_are_waited_for(state: LineState) -> None:
    waits = state in {LineState.PROVISIONING, LineState.CLOSED}
    if waits:
        LineProgress(state).check_records_wanted()
    else:
        assert refused("records_wanted", LineProgress(state)).code is Code.NOT_PENDING
    assert refused("records_wanted", past_return(state)).code is Code.NOT_PENDING


@pytest.mark.parametrize("state", sorted(ENDS))
def test_no_records_are_checked_for_what_has_ended(state: LineState) -> None:
    assert refused("records_wanted", LineProgress(state)).code is Code.PROCESS_ENDED
