from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from domain.checks import Finding
from domain.dns.verdicts import ObservationSeverity, Overall
from domain.errors import Code
from tests.starter.office import OPERATOR, SALES, Office, refusal
from tests.workflows.world import seen

BLOCKING = Finding(
    code="ZONE_MISSING",
    severity=ObservationSeverity.BLOCKING,
    field="domain",
    message="alpenblick.example has no zone of its own",
)
CONTACT = "bergsicht-contact-1"

Command = Callable[[Office, str, str], Awaitable[object]]
COMMANDS: dict[str, Command] = {
    "check": lambda office, order, actor: office.client.check(order, actor),
    "deploy": lambda office, order, actor: office.client.deploy(order, actor),
    "withdraw": lambda office, order, actor: office.client.withdraw(order, actor, "why"),
    "cancel": lambda office, order, actor: office.client.cancel(order, actor, "why"),
    "check-records": lambda office, order, actor: office.client.check_records(order, 1, actor),
}


def records_missing(office: Office) -> None:
    office.world.records = lambda _watch, _attempt: seen(Overall.PENDING)


@pytest.mark.parametrize("command", COMMANDS)
class TestEveryCommand:
    async def test_is_refused_for_an_order_that_does_not_exist(self, office: Office, command: str) -> None:
        code, message = await refusal(COMMANDS[command](office, "nosuchorder", SALES))
        assert code == "NOT_FOUND"
        assert message.startswith("order:")

    async def test_is_refused_to_whoever_lacks_the_permission_now(self, office: Office, command: str) -> None:
        accepted = await office.submit("certificate")
        for actor in (CONTACT, "hafenblick-sales-1", "nobody"):
            code, message = await refusal(COMMANDS[command](office, accepted.order, actor))
            assert code == "NOT_PERMITTED"
            assert actor in message

    async def test_is_refused_once_the_order_has_ended(self, office: Office, command: str) -> None:
        accepted = await office.submit("meetings-flex")
        await office.closed(accepted.process)
        code, message = await refusal(COMMANDS[command](office, accepted.order, SALES))
        assert code == "PROCESS_ENDED"
        assert "completed" in message or "provisioned" in message


@pytest.mark.parametrize("reason", ["x" * 2_001, "a\x00b"])
async def test_a_reason_that_does_not_fit_is_refused_by_name(office: Office, reason: str) -> None:
    order = (await office.submit("certificate")).order
    for call in (office.client.withdraw, office.client.cancel):
        code, message = await refusal(call(order, SALES, reason))
        assert (code, message.partition(":")[0]) == ("INVALID_INPUT", "reason")


class TestCheck:
    async def test_answers_with_the_findings(self, office: Office) -> None:
        office.world.findings = (BLOCKING,)
        accepted = await office.submit("certificate")

        report = await office.client.check(accepted.order, SALES)
        assert report.blocking == (BLOCKING,)

        office.world.findings = ()
        assert (await office.client.check(accepted.order, SALES)).is_clean
        await office.line_is(accepted.order, "confirmed")


class TestDeploy:
    async def test_deploys_every_line(self, office: Office) -> None:
        accepted = await office.submit("certificate")
        for number in (1, 2):
            await office.line_is(accepted.order, "confirmed", number)

        results = await office.client.deploy(accepted.order, SALES)
        assert [(each.line, each.refused) for each in results] == [(1, None), (2, None)]
        await office.closed(accepted.process)

    async def test_deploys_one_line_and_leaves_the_others(self, office: Office) -> None:
        accepted = await office.submit("certificate")
        for number in (1, 2):
            await office.line_is(accepted.order, "confirmed", number)

        await office.client.deploy(accepted.order, SALES, 1)
        await office.line_is(accepted.order, "provisioned", 1)
        assert (await office.client.show(accepted.order)).lines[1].view.state == "confirmed"

    async def test_an_operator_of_the_provider_may_deploy(self, office: Office) -> None:
        accepted = await office.submit("certificate")
        await office.line_is(accepted.order, "confirmed", 2)
        assert (await office.client.deploy(accepted.order, OPERATOR, 2))[0].refused is None

    async def test_is_refused_while_the_check_blocks(self, office: Office) -> None:
        office.world.findings = (BLOCKING,)
        accepted = await office.submit("certificate")
        await office.client.check(accepted.order, SALES)

        code, message = await refusal(office.client.deploy(accepted.order, SALES))
        assert code == "NOT_DEPLOYABLE"
        assert "have not begun" in message

    async def test_is_refused_line_by_line_while_approval_is_pending(self, office: Office) -> None:
        accepted = await office.submit("mail-archive", domain=None)
        await office.pending(accepted.order, "managers")

        [result] = await office.client.deploy(accepted.order, SALES)
        assert result.was_refused_as(Code.NOT_DEPLOYABLE)
        code, _ = await refusal(office.client.deploy(accepted.order, SALES, 1))
        assert code == "NOT_DEPLOYABLE"

    async def test_names_a_line_that_was_never_ordered(self, office: Office) -> None:
        accepted = await office.submit("certificate")
        await office.line_is(accepted.order, "confirmed")
        code, message = await refusal(office.client.deploy(accepted.order, SALES, 9))
        assert (code, message) == ("NOT_FOUND", f"line: order {accepted.order} has no line 9")

    async def test_the_same_request_again_gets_the_same_answer(self, office: Office) -> None:
        records_missing(office)
        accepted = await office.submit("certificate")
        await office.line_is(accepted.order, "confirmed", 2)

        first = await office.client.deploy(accepted.order, SALES, 2, request_id="r1")
        await office.line_is(accepted.order, "provisioning", 2)
        assert await office.client.deploy(accepted.order, SALES, 2, request_id="r1") == first


class TestWithdraw:
    async def test_takes_back_what_is_pending_and_leaves_the_rest(self, office: Office) -> None:
        accepted = await office.submit("mail-archive", "calling")
        await office.pending(accepted.order, "managers", 1)

        [result] = await office.client.withdraw(accepted.order, SALES, "not needed")
        assert (result.line, result.state) == (1, "WITHDRAWN")
        status = await office.until(accepted.order, lambda status: status.view.ended)
        assert [line.view.state for line in status.lines] == ["cancelled", "provisioned"]

    async def test_is_refused_where_nothing_is_pending(self, office: Office) -> None:
        accepted = await office.submit("certificate")
        await office.line_is(accepted.order, "confirmed", 2)
        code, message = await refusal(office.client.withdraw(accepted.order, SALES, "why"))
        assert code == "NOT_PENDING"
        assert accepted.order in message


class TestCancel:
    async def test_cancels_the_whole_order_before_its_lines_have_begun(self, office: Office) -> None:
        office.world.findings = (BLOCKING,)
        accepted = await office.submit("certificate")
        await office.client.check(accepted.order, SALES)

        results = await office.client.cancel(accepted.order, SALES, "a mistake")
        assert [(each.line, each.state) for each in results] == [(1, "cancelled"), (2, "cancelled")]
        assert (
            await office.until(accepted.order, lambda status: status.view.ended)
        ).view.state == "cancelled"

    async def test_cancels_lines_that_wait_and_reports_those_that_cannot_be(self, office: Office) -> None:
        asked = asyncio.Event()

        def backend_hangs(_order: object) -> object:
            asked.set()
            raise RuntimeError("the backend is slow")

        office.world.provision = backend_hangs  # type: ignore[assignment]
        accepted = await office.submit("certificate")
        for number in (1, 2):
            await office.line_is(accepted.order, "confirmed", number)
        await office.client.deploy(accepted.order, SALES, 1)
        async with asyncio.timeout(80):
            await asked.wait()

        gone, cancelled = await office.client.cancel(accepted.order, SALES, "a mistake")
        assert gone.was_refused_as(Code.POINT_OF_NO_RETURN)
        assert cancelled.state == "cancelled"
        code, _ = await refusal(office.client.cancel(accepted.order, SALES, "a mistake", 1))
        assert code == "POINT_OF_NO_RETURN"


class TestCheckRecords:
    async def test_looks_now_but_not_twice_within_half_a_minute(self, office: Office) -> None:
        records_missing(office)
        accepted = await office.submit("meetings-flex")
        await office.line_is(accepted.order, "provisioning")

        looked = await office.client.check_records(accepted.order, 1, SALES)
        assert looked.state is Overall.PENDING
        code, message = await refusal(office.client.check_records(accepted.order, 1, SALES))
        assert code == "TOO_OFTEN"
        assert "30 seconds" in message


class TestShow:
    async def test_says_who_is_waited_for_until_when_and_what_then(self, office: Office) -> None:
        accepted = await office.submit("mail-archive", domain=None)
        process = await office.pending(accepted.order, "managers")
        await office.client.approve(process, "nordwall-manager-1", "fine")

        [line] = (await office.client.show(accepted.order)).lines
        assert "2 of 3" in line.view.waiting_for
        assert "Jonas Wyss" in line.view.waiting_for
        assert line.view.until is not None
        assert timedelta(days=13) < line.view.until - line.started_at <= timedelta(days=14, minutes=1)
        assert line.view.what_then == "the approval expires"

    async def test_tells_all_that_happened_in_order(self, office: Office) -> None:
        accepted = await office.submit("meetings-flex")
        await office.closed(accepted.process)

        status = await office.client.show(accepted.order)
        actions = [step.action for step in status.timeline]
        assert actions[0] == "order.submitted"
        assert actions[-1] == "order.ended"
        assert "line.provisioned" in actions
        assert [step.at for step in status.timeline] == sorted(step.at for step in status.timeline)

    async def test_orders_are_listed_by_organisation(self, office: Office) -> None:
        ours = await office.submit("certificate")
        await office.line_is(ours.order, "confirmed")

        assert [each.view.order for each in await office.client.orders("alpenblick")] == [ours.order]
        assert [each.view.order for each in await office.client.orders("bergsicht", ended=False)] == [
            ours.order
        ]
        assert await office.client.orders("hafenblick") == ()

    async def test_mails_are_found_by_order(self, office: Office) -> None:
        accepted = await office.submit("meetings-flex")
        await office.closed(accepted.process)

        found = await office.client.mails(order=accepted.order)
        received = [each for each in found if each.template == "order_received"]
        assert {each.recipient for each in received} == {
            "lena.brunner@bergsicht.example",
            "tickets@bergsicht.example",
        }
        assert await office.client.mail(found[0].id) == found[0]
        code, _ = await refusal(office.client.mail("nosuchmail"))
        assert code == "NOT_FOUND"
