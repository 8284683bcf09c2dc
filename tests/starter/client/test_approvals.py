from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

import starter.gateway
from domain.decisions import ApprovalStatus, DecisionRecorded
from domain.errors import Refusal
from starter.client import Countersign
from starter.gateway import utc_now
from starter.publishing import publish
from storage.database import Database
from tests.starter.office import SALES, Office, order, refusal
from tests.workflows.world import definition, offer, stage

ONE, TWO, THREE = (f"nordwall-manager-{number}" for number in (1, 2, 3))
FINANCE = "bergsicht-finance-1"
TWO_STAGES = offer(name="two-stages", approval="standard", records=(), needs_domain=False)


@pytest.fixture
async def archive(office: Office) -> str:
    """A line that waits for two of three managers."""
    accepted = await office.submit("mail-archive", domain=None)
    return await office.pending(accepted.order, "managers")


@pytest.fixture
async def gateway(office: Office) -> str:
    """A line that waits for the partner's finance, then for anybody of the provider."""
    accepted = await office.submit("dedicated-gateway", domain=None)
    return await office.pending(accepted.order, "finance")


class TestDeciding:
    async def test_the_open_stage_is_meant_if_none_is_named(self, office: Office, gateway: str) -> None:
        first = await office.client.approve(gateway, FINANCE)
        assert (first.stage, first.status) == ("finance", ApprovalStatus.PENDING)
        await office.pending(gateway.split("-")[1], "provider")

        second = await office.client.approve(gateway, ONE)
        assert (second.stage, second.status) == ("provider", ApprovalStatus.APPROVED)

    async def test_a_decision_on_a_stage_that_has_passed_hits_no_other(
        self, office: Office, gateway: str
    ) -> None:
        await office.client.approve(gateway, FINANCE)
        await office.pending(gateway.split("-")[1], "provider")

        code, message = await refusal(office.client.approve(gateway, ONE, stage="finance"))
        assert code == "ALREADY_DECIDED"
        assert "finance" in message
        code, message = await refusal(office.client.approve(gateway, ONE, round=2, stage="provider"))
        assert code == "WRONG_STAGE"
        assert "round 2" in message

    async def test_the_same_decision_again_gets_the_stored_answer(self, office: Office, archive: str) -> None:
        first = await office.client.approve(archive, ONE, request_id="x")
        assert await office.client.approve(archive, ONE, request_id="x") == first
        assert await office.client.approve(archive, ONE) == first

    async def test_a_request_id_stands_for_one_command_only(self, office: Office, archive: str) -> None:
        await office.client.approve(archive, ONE, request_id="x")
        for other in (
            office.client.deny(archive, ONE, "no", request_id="x"),
            office.client.approve(archive, TWO, request_id="x"),
            office.client.undo(archive, ONE, request_id="x"),
        ):
            code, message = await refusal(other)
            assert code == "IDEMPOTENCY_MISMATCH"
            assert message == f"request_id: x was used for another command to {archive}"

    async def test_the_same_request_id_gets_its_answer_though_another_stage_is_open(
        self, office: Office, gateway: str
    ) -> None:
        first = await office.client.approve(gateway, FINANCE, request_id="x")
        await office.pending(gateway.split("-")[1], "provider")
        assert await office.client.approve(gateway, FINANCE, request_id="x") == first

    async def test_a_denial_needs_its_reason(self, office: Office, archive: str) -> None:
        code, message = await refusal(office.client.deny(archive, ONE))
        assert code == "REASON_REQUIRED"
        assert message.startswith("reason:")

    async def test_a_technical_contact_with_a_forwarded_link_may_not(
        self, office: Office, gateway: str
    ) -> None:
        code, message = await refusal(office.client.approve(gateway, "bergsicht-contact-1"))
        assert code == "NOT_AN_APPROVER"
        assert "bergsicht-contact-1" in message

    async def test_nobody_decides_their_own_request(self, office: Office, gateway: str) -> None:
        code, _ = await refusal(office.client.approve(gateway, SALES))
        assert code == "SELF_APPROVAL"

    async def test_of_approve_and_deny_at_once_exactly_one_counts(self, office: Office, gateway: str) -> None:
        await office.client.approve(gateway, FINANCE)
        await office.pending(gateway.split("-")[1], "provider")

        answers = await asyncio.gather(
            office.client.approve(gateway, ONE),
            office.client.deny(gateway, TWO, "no capacity"),
            return_exceptions=True,
        )
        won = [each for each in answers if isinstance(each, DecisionRecorded)]
        lost = [each for each in answers if isinstance(each, Refusal)]
        assert len(won) == len(lost) == 1
        assert lost[0].code == "ALREADY_DECIDED"
        assert won[0].actor in lost[0].message

    async def test_what_waits_is_in_the_inbox_of_those_asked(self, office: Office, archive: str) -> None:
        [asked] = await office.client.inbox(ONE)
        assert (asked.process, asked.pending) == (archive, True)

        await office.client.approve(archive, ONE)
        [decided] = await office.client.inbox(ONE)
        assert (decided.pending, decided.verdict) == (False, "approve")
        assert await office.client.inbox(SALES) == ()


class TestTooLate:
    async def test_the_same_decision_is_answered_as_stored_after_the_process_has_ended(
        self, office: Office, archive: str
    ) -> None:
        client = Countersign(office.client.client, office.database, task_queue=office.queue)
        first = await client.approve(archive, ONE)
        last = await client.approve(archive, THREE)
        await office.closed(archive)

        assert await client.approve(archive, ONE, stage="managers") == first
        assert await client.approve(archive, THREE) == last

    async def test_who_decided_both_stages_gets_the_answer_of_the_stage_that_is_meant(
        self, office: Office
    ) -> None:
        stages = [stage(name, (ONE,)) for name in ("first", "second")]
        await publish(office.database, [TWO_STAGES], [definition(*stages)], utc_now())
        accepted = await office.submit(TWO_STAGES.name, domain=None)
        process = await office.pending(accepted.order, "first")
        first = await office.client.approve(process, ONE)
        await office.pending(accepted.order, "second")
        second = await office.client.approve(process, ONE)
        await office.closed(process)

        assert (first.status, second.status) == (ApprovalStatus.PENDING, ApprovalStatus.APPROVED)
        assert await office.client.approve(process, ONE, stage="first") == first
        assert await office.client.approve(process, ONE, stage="second") == second

    async def test_another_decision_is_refused_and_names_the_winner(
        self, office: Office, gateway: str
    ) -> None:
        await office.client.deny(gateway, FINANCE, "too expensive")
        await office.closed(gateway)

        for late in (office.client.approve(gateway, ONE), office.client.approve(gateway, FINANCE)):
            code, message = await refusal(late)
            assert code == "ALREADY_DECIDED"
            assert "REJECTED" in message
            assert FINANCE in message

    async def test_an_expired_approval_says_so(self, office: Office, archive: str) -> None:
        await office.skip(archive, timedelta(days=14, minutes=1))
        await office.closed(archive)

        code, message = await refusal(office.client.approve(archive, ONE))
        assert code == "APPROVAL_EXPIRED"
        assert "managers" in message

    async def test_a_withdrawn_request_is_decided(self, office: Office, archive: str) -> None:
        await office.client.withdraw(archive.split("-")[1], SALES, "not needed")
        await office.closed(archive)

        code, message = await refusal(office.client.approve(archive, ONE))
        assert code == "ALREADY_DECIDED"
        assert "WITHDRAWN" in message

    async def test_a_run_that_was_ended_from_outside_has_ended(self, office: Office, archive: str) -> None:
        await office.client.client.get_workflow_handle(archive).terminate("by an operator")

        code, message = await refusal(office.client.approve(archive, ONE))
        assert code == "PROCESS_ENDED"
        assert "outside" in message

    async def test_a_process_without_an_approval_waits_for_none(self, office: Office) -> None:
        accepted = await office.submit("certificate")
        process = await office.line_is(accepted.order, "confirmed")
        code, _ = await refusal(office.client.approve(process, ONE))
        assert code == "NOT_PENDING"

    async def test_a_process_that_does_not_exist_is_not_found(self, office: Office) -> None:
        code, message = await refusal(office.client.approve("order-nosuchorder-line-1", ONE))
        assert code == "NOT_FOUND"
        assert "order-nosuchorder-line-1" in message


class TestOutage:
    async def test_without_a_worker_the_caller_is_told_so(
        self, sampled: Database, client: Client, task_queue: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        idle = Countersign(client, sampled, allow_special_use=True, task_queue=task_queue)
        accepted = await idle.submit(order("mail-archive", domain=None), "k1")
        monkeypatch.setattr(starter.gateway, "PATIENCE_S", 0.3)

        code, message = await refusal(idle.check(accepted.order, SALES))
        assert code == "UNAVAILABLE"
        assert "worker" in message

    async def test_without_temporal_lists_go_on_and_commands_are_unavailable(
        self, office: Office, archive: str
    ) -> None:
        away = await Client.connect("127.0.0.1:1", data_converter=pydantic_data_converter, lazy=True)
        client = Countersign(away, office.database, allow_special_use=True)

        assert [each.process for each in await client.open_approvals()] == [archive]
        code, message = await refusal(client.approve(archive, ONE))
        assert code == "UNAVAILABLE"
        assert "Temporal" in message
