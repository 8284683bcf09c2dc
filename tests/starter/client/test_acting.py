"""Actions on approvals through the client, on the real gate, directory and projection (SPEC 4.4)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from domain import acting
from domain.actions import ActionRecorded
from domain.decisions import ApprovalStatus
from domain.definitions import Approvers
from starter.acting import UPDATES
from starter.client import Countersign
from starter.gateway import utc_now
from starter.publishing import publish
from tests.starter.office import OPERATOR, SALES, Office, refusal
from tests.workflows.world import definition, offer, stage

ONE, TWO, THREE = (f"nordwall-manager-{number}" for number in (1, 2, 3))
FINANCE = "bergsicht-finance-1"
ADMIN = "alpenblick-admin-1"
FREE = offer(name="two-stages", approval="standard", records=(), needs_domain=False)

Act = Callable[[Countersign, str], Awaitable[ActionRecorded]]


@pytest.fixture
async def line(office: Office) -> str:
    """A line that waits for one of two managers, who may do everything; `legal` is next."""
    first = stage(
        "first",
        (ONE, TWO),
        allow=("delegate", "add_approver", "inquire", "reroute"),
        reroute_to=("legal",),
        combine="all",
    )
    team = Approvers(people=("nordwall-erp",))
    steps = definition(first, stage("legal", (FINANCE,))).model_copy(update={"escalation_team": team})
    await publish(office.database, [FREE], [steps], utc_now())
    accepted = await office.submit(FREE.name, domain=None)
    return await office.pending(accepted.order, "first")


async def told(office: Office, process: str) -> list[str]:
    return [each.action for each in await office.client.audit(process)]


def test_every_action_of_the_gate_is_offered() -> None:
    assert set(UPDATES) == set(acting.ACTIONS)


async def test_a_delegate_decides_instead_until_it_is_handed_back(office: Office, line: str) -> None:
    recorded = await office.client.delegate(line, ONE, THREE, reason="on leave")
    assert (recorded.action, recorded.stage, recorded.round) == ("delegate", "first", 1)
    [mine] = await office.client.inbox(THREE)
    assert (mine.process, mine.pending) == (line, True)
    assert await office.client.inbox(ONE) == ()
    assert (await refusal(office.client.approve(line, ONE)))[0] == "NOT_AN_APPROVER"
    assert (await refusal(office.client.delegate(line, THREE, ADMIN)))[0] == "NOT_ALLOWED"

    await office.client.hand_back(line, THREE)
    assert await office.client.inbox(THREE) == ()
    assert [each.pending for each in await office.client.inbox(ONE)] == [True]


async def test_an_added_approver_has_to_approve_besides(office: Office, line: str) -> None:
    await office.client.add_approver(line, ONE, FINANCE)
    for actor in (ONE, TWO):
        assert (await office.client.approve(line, actor)).status is ApprovalStatus.PENDING
    assert [each.stage for each in await office.client.inbox(FINANCE) if each.pending] == ["first"]
    await office.client.approve(line, FINANCE)
    await office.pending(line.split("-")[1], "legal")


async def test_whoever_is_asked_finds_the_question_and_its_only_one_is_answered(
    office: Office, line: str
) -> None:
    asked = await office.client.inquire(line, ONE, ADMIN, "Which mailboxes?")
    assert asked.inquiry == 1
    [inquiry] = await office.client.open_inquiries(line)
    assert (inquiry.number, inquiry.asker, inquiry.asked, inquiry.question) == (
        1,
        ONE,
        ADMIN,
        "Which mailboxes?",
    )
    assert (await refusal(office.client.approve(line, TWO)))[0] == "ON_HOLD"
    answered = await office.client.answer(line, ADMIN, "The five of sales.")
    assert (answered.action, answered.inquiry) == ("answer", 1)
    assert await office.client.open_inquiries(line) == ()
    await office.client.approve(line, TWO)


async def test_of_several_questions_the_one_that_is_meant_has_to_be_clear(office: Office, line: str) -> None:
    await office.client.inquire(line, ONE, ADMIN, "Which mailboxes?")
    await office.client.inquire(line, TWO, ADMIN, "Since when?")
    code, message = await refusal(office.client.answer(line, ADMIN, "All."))
    assert (code, message) == ("INVALID_INPUT", "inquiry: 1, 2 are open; say which is meant")
    assert (await office.client.recall_inquiry(line, TWO)).inquiry == 2
    assert (await office.client.answer(line, ADMIN, "All.")).inquiry == 1
    code, message = await refusal(office.client.answer(line, ADMIN, "All."))
    assert code == "NOT_PENDING"
    assert "first" in message


async def test_a_vote_can_be_taken_back_and_cast_again(office: Office, line: str) -> None:
    await office.client.approve(line, ONE)
    await office.client.undo(line, ONE, reason="wrong request")
    assert [(each.pending, each.verdict) for each in await office.client.inbox(ONE)] == [(True, None)]
    await office.client.deny(line, ONE, "too expensive")
    await office.closed(line)
    assert [(each.pending, each.verdict) for each in await office.client.inbox(ONE)] == [(False, "deny")]


async def test_a_stage_that_is_escalated_by_hand_asks_the_team(office: Office, line: str) -> None:
    await office.client.escalate(line, ONE)
    assert [each.pending for each in await office.client.inbox("nordwall-erp")] == [True]
    await office.client.approve(line, "nordwall-erp")
    await office.pending(line.split("-")[1], "legal")


async def test_a_rerouted_request_goes_on_at_the_other_stage_in_a_new_round(
    office: Office, line: str
) -> None:
    await office.client.reroute(line, ONE, "legal")
    await office.pending(line.split("-")[1], "legal")
    code, message = await refusal(office.client.approve(line, ONE, stage="first", round=1))
    assert code == "WRONG_STAGE"
    assert "legal round 2" in message
    last = await office.client.approve(line, FINANCE, stage="legal")
    assert (last.round, last.status) == (2, ApprovalStatus.APPROVED)


async def test_only_an_operator_refreshes_the_roster(office: Office, line: str) -> None:
    assert (await refusal(office.client.refresh_roster(line, ONE)))[0] == "NOT_PERMITTED"
    assert (await office.client.refresh_roster(line, OPERATOR)).action == "refresh_roster"
    assert (await told(office, line)).count("approval.refresh_roster") == 2


async def test_the_same_command_again_counts_once(office: Office, line: str) -> None:
    first = await office.client.delegate(line, ONE, THREE, request_id="k")
    assert await office.client.delegate(line, ONE, THREE, request_id="k") == first
    assert (await told(office, line)).count("approval.delegate") == 1


async def test_a_field_that_does_not_fit_is_named(office: Office, line: str) -> None:
    code, message = await refusal(office.client.inquire(line, ONE, ADMIN, "why? " * 500))
    assert code == "INVALID_INPUT"
    assert message.startswith("question:")
    code, message = await refusal(office.client.approve(line, "Not A Key"))
    assert (code, message.partition(":")[0]) == ("INVALID_INPUT", "actor")


LATE: list[Act] = [
    lambda client, process: client.delegate(process, ONE, THREE),
    lambda client, process: client.undo(process, ONE),
    lambda client, process: client.answer(process, ADMIN, "All."),
]


@pytest.mark.parametrize("late", LATE)
async def test_who_acts_after_the_end_is_answered_as_who_decides(
    office: Office, line: str, late: Act
) -> None:
    await office.client.withdraw(line.split("-")[1], SALES, "not needed")
    await office.closed(line)
    code, message = await refusal(late(office.client, line))
    assert code == "ALREADY_DECIDED"
    assert "WITHDRAWN" in message


async def test_who_acts_on_what_expired_is_told_so(office: Office, line: str) -> None:
    await office.skip(line, timedelta(days=61))
    await office.closed(line)
    assert (await refusal(office.client.escalate(line, ONE)))[0] == "APPROVAL_EXPIRED"


async def test_a_process_that_waits_for_no_approval_or_does_not_exist_says_so(office: Office) -> None:
    accepted = await office.submit("certificate")
    process = await office.line_is(accepted.order, "confirmed")
    assert (await refusal(office.client.undo(process, ONE)))[0] == "NOT_PENDING"
    assert (await refusal(office.client.undo("order-nosuchorder-line-1", ONE)))[0] == "NOT_FOUND"


async def test_our_clock_stamps_when_an_action_was_received(office: Office, line: str) -> None:
    early = utc_now() - timedelta(minutes=1)
    client = Countersign(office.client.client, office.database, clock=lambda: early, task_queue=office.queue)
    assert (await client.delegate(line, ONE, THREE)).at == early
