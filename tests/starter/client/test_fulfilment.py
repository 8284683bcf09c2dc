"""The provisioning contact through the client: by people, and through links in real mails (L9-L11, L18)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.exceptions import ApplicationError

from domain import wire
from domain.errors import Code
from domain.orders import ContactGiven
from domain.provisioning import Provisioned, ProvisionService
from tests.starter.contacts import CARLA, OWN_COMPANY, asked, contact, ordered
from tests.starter.office import OPERATOR, SALES, Office, refusal

DAVE = ContactGiven(email="dave@kueferei.example")
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
CONTACT = "bergsicht-contact-1"

Command = Callable[[Office, str, str], Awaitable[object]]
BY_PEOPLE: dict[str, Command] = {
    "resend": lambda office, order, actor: office.client.resend_mail(order, 1, actor),
    "change": lambda office, order, actor: office.client.change_contact(order, DAVE, actor, 1),
    "change all": lambda office, order, actor: office.client.change_contact(order, DAVE, actor),
}


@pytest.mark.parametrize("command", BY_PEOPLE)
class TestEveryCommand:
    async def test_is_refused_to_whoever_lacks_the_permission_now(self, office: Office, command: str) -> None:
        order = await ordered(office, "meetings-suite")
        await asked(office, order)
        strangers = (CONTACT, "hafenblick-sales-1", "nobody", "no key\n")
        for actor in strangers:
            code, _ = await refusal(BY_PEOPLE[command](office, order, actor))
            assert code == Code.NOT_PERMITTED
        refused = [entry for entry in await office.client.audit(order) if not entry.accepted]
        assert [(entry.actor, entry.code) for entry in refused] == [
            (actor, Code.NOT_PERMITTED) for actor in strangers
        ]

    async def test_is_refused_for_an_order_that_does_not_exist(self, office: Office, command: str) -> None:
        assert (await refusal(BY_PEOPLE[command](office, "nosuchorder", SALES)))[0] == Code.NOT_FOUND

    async def test_is_refused_where_the_offer_wants_no_contact(self, office: Office, command: str) -> None:
        accepted = await office.submit("certificate")
        await office.line_is(accepted.order, "confirmed")
        code, message = await refusal(BY_PEOPLE[command](office, accepted.order, SALES))
        assert code == Code.NOT_ALLOWED
        assert "contact" in message

    async def test_points_to_the_portal_after_the_point_of_no_return(
        self, office: Office, command: str
    ) -> None:
        order = await ordered(office, "meetings-suite")
        await asked(office, order)
        await office.client.map_line(order, 1, OWN_COMPANY, SALES)
        if command == "change all":
            (result,) = await office.client.change_contact(order, DAVE, SALES)
            assert result.refused is not None
            assert result.refused.code is Code.POINT_OF_NO_RETURN
        else:
            code, message = await refusal(BY_PEOPLE[command](office, order, SALES))
            assert code == Code.POINT_OF_NO_RETURN
            assert "portal" in message


async def test_d5_what_is_refused_after_the_mapping_is_in_the_audit_and_nobody_is_mailed(
    office: Office,
) -> None:
    order = await ordered(office, "meetings-suite")
    line = await asked(office, order)
    link = await office.link(line, CARLA)
    await office.client.map_line(order, 1, OWN_COMPANY, SALES)
    mails = len(await office.client.mails(process=line))
    refused = [
        office.client.resend_mail(order, 1, SALES, "it was lost"),
        office.client.change_contact(order, DAVE, SALES, 1),
        office.client.hand_over(link, DAVE),
    ]
    for command in refused:
        assert (await refusal(command))[0] == Code.POINT_OF_NO_RETURN
    entries = [entry for entry in await office.client.audit(order) if not entry.accepted]
    assert [(entry.action, entry.actor, entry.code) for entry in entries] == [
        (wire.RESEND_MAIL, SALES, Code.POINT_OF_NO_RETURN),
        (wire.CHANGE_CONTACT, SALES, Code.POINT_OF_NO_RETURN),
        (wire.HAND_OVER, CARLA, Code.POINT_OF_NO_RETURN),
    ]
    assert all("portal" in (entry.reason or "") for entry in entries)
    assert entries[0].data == {"reason": "it was lost"}
    assert [each.process for each in await office.client.verify_audit(line)] == [line, f"{line}/refused"]
    assert all(step.accepted for step in (await office.client.show(order)).timeline)
    assert len(await office.client.mails(process=line)) == mails


class TestResending:
    async def test_brings_the_mail_again_after_a_minute(self, office: Office) -> None:
        order = await ordered(office, "meetings-suite")
        line = await asked(office, order)
        assert (await refusal(office.client.resend_mail(order, 1, SALES)))[0] == Code.TOO_OFTEN
        await office.skip(line, MINUTE)
        state = await office.client.resend_mail(order, 1, OPERATOR, "they deleted it", request_id="r1")
        assert (
            await office.client.resend_mail(order, 1, OPERATOR, "they deleted it", request_id="r1") == state
        )
        await office.mail.wait_for(lambda _: len(office.mail.messages) == 2)
        assert {mail.recipient for mail in office.mail.messages} == {CARLA}

    async def test_under_a_request_id_of_another_command_is_a_command_of_its_own(
        self, office: Office
    ) -> None:
        order = await ordered(office, "meetings-suite")
        line = await asked(office, order)
        await office.skip(line, MINUTE)
        await office.client.resend_mail(order, 1, SALES, request_id="r1")
        again = await refusal(office.client.resend_mail(order, 1, SALES, "in other words", request_id="r1"))
        assert again[0] == Code.TOO_OFTEN
        (cancelled,) = await office.client.cancel(order, SALES, "not needed", 1, request_id="r1")
        assert cancelled.state == "cancelled"

    async def test_takes_no_request_id_that_is_none(self, office: Office) -> None:
        order = await ordered(office, "meetings-suite")
        await asked(office, order)
        for key in ("", " ", "k" * 201):
            code, message = await refusal(office.client.resend_mail(order, 1, SALES, request_id=key))
            assert (code, message.partition(":")[0]) == (Code.INVALID_INPUT, "request_id")

    async def test_of_a_line_that_is_not_there_is_not_found(self, office: Office) -> None:
        order = await ordered(office, "meetings-suite")
        await asked(office, order)
        code, message = await refusal(office.client.resend_mail(order, 9, SALES))
        assert (code, message.partition(":")[0]) == (Code.NOT_FOUND, "line")


class TestChanging:
    async def test_of_a_contact_who_cannot_be_reached_tells_the_next(self, office: Office) -> None:
        office.mail.unknown.add(CARLA)
        order = await ordered(office, "meetings-suite")
        await contact(office, wire.line_id(order, 1), lambda state: "550" in (state.bounced or ""))
        (result,) = await office.client.change_contact(order, DAVE, SALES, 1)
        assert result.contact is not None
        assert (result.contact.generation, result.contact.bounced) == (2, None)
        assert await office.link(await asked(office, order), DAVE.email)

    async def test_for_all_lines_answers_per_line(self, office: Office) -> None:
        order = await ordered(office, "meetings-suite", "calling-suite")
        for number in (1, 2):
            await asked(office, order, number)
        await office.client.map_line(order, 2, OWN_COMPANY, SALES)
        first, second = await office.client.change_contact(order, DAVE, SALES)
        assert first.contact is not None
        assert first.contact.contact.email == DAVE.email
        assert second.refused is not None
        assert second.refused.code is Code.POINT_OF_NO_RETURN

    async def test_is_refused_for_the_present_contact(self, office: Office) -> None:
        order = await ordered(office, "meetings-suite")
        await asked(office, order)
        same = ContactGiven(email="carla@KUEFEREI.example")
        assert (await refusal(office.client.change_contact(order, same, SALES, 1)))[0] == Code.DUPLICATE

    @pytest.mark.parametrize(
        "email",
        [
            "Dave <dave@kueferei.example>",
            "dave@kueferei.example,eve@kueferei.example",
            "dave@kueferei.example\r\nBcc: eve@kueferei.example",
            "dave\0@kueferei.example",
            "düve@kueferei.example",
            f"{'d' * 320}@kueferei.example",
            "",
        ],
    )
    async def test_takes_one_plain_address_only(self, office: Office, email: str) -> None:
        order = await ordered(office, "meetings-suite")
        code, message = await refusal(
            office.client.change_contact(order, ContactGiven(email=email), SALES, 1)
        )
        assert (code, message.partition(":")[0]) == (Code.INVALID_INPUT, "contact.email")

    async def test_reaches_an_internationalised_domain(self, office: Office) -> None:
        order = await ordered(office, "meetings-suite")
        await asked(office, order)
        given = ContactGiven(email="dave@küferei.example")
        (result,) = await office.client.change_contact(order, given, SALES, 1)
        assert result.contact is not None
        assert result.contact.contact.email == "dave@xn--kferei-3ya.example"


class TestHandingOver:
    async def test_names_somebody_else_and_ends_the_link(self, office: Office) -> None:
        order = await ordered(office, "meetings-suite")
        line = await asked(office, order)
        first = await office.link(line, CARLA)
        state = await office.client.hand_over(first, DAVE, "he knows")
        assert (state.contact.email, state.generation) == (DAVE.email, 2)
        for call in (office.client.hand_over(first, DAVE), office.client.show_link(first)):
            assert (await refusal(call))[0] == Code.LINK_REVOKED
        second = await office.link(line, DAVE.email)
        assert (await office.client.show_link(second)).contact == DAVE.email

    async def test_is_refused_at_once_after_a_change_of_the_contact(self, office: Office) -> None:
        order = await ordered(office, "meetings-suite")
        token = await office.link(await asked(office, order), CARLA)
        await office.client.change_contact(order, DAVE, SALES, 1)
        given = ContactGiven(email="eve@kueferei.example")
        assert (await refusal(office.client.hand_over(token, given)))[0] == Code.LINK_REVOKED

    async def test_works_once_the_line_is_closed(self, office: Office) -> None:
        order = await ordered(office, "meetings-suite")
        line = await asked(office, order)
        token = await office.link(line, CARLA)
        await office.skip(line, 8 * DAY)
        await office.line_is(order, "closed")
        assert (await office.client.hand_over(token, DAVE)).generation == 2


class TestRetrying:
    async def test_is_refused_to_all_but_operators_and_where_nothing_was_refused(
        self, office: Office
    ) -> None:
        order = await ordered(office, "meetings-suite")
        await asked(office, order)
        code, message = await refusal(office.client.retry(order, 1, SALES))
        assert (code, message) == (
            Code.NOT_PERMITTED,
            f"actor: {SALES} may not have a step tried again; it takes operate at nordwall",
        )
        assert (await refusal(office.client.retry(order, 1, OPERATOR)))[0] == Code.NOT_PENDING

    async def test_lets_a_line_that_a_backend_refused_go_on(self, office: Office) -> None:
        def refuses(order: ProvisionService) -> Provisioned:
            raise ApplicationError("no devices are left", type=wire.ADAPTER_REFUSED, non_retryable=True)

        provides, office.world.provision = office.world.provision, refuses
        order = await ordered(office, "room-systems")
        status = await office.until(order, lambda each: any(line.view.held for line in each.lines))
        line = wire.line_id(order, 1)
        assert status.next_steps == {line: f"countersign order retry {order} --line 1"}
        office.world.provision = provides
        await office.client.retry(order, 1, OPERATOR, "devices were bought")
        await asked(office, order)


class TestTheTemporalUi:
    """What operators see without a client of ours (SPEC 8; no personal data where it is indexed, D2)."""

    async def test_shows_contact_clock_and_next_step_in_the_details_of_a_line(self, office: Office) -> None:
        order = await ordered(office, "meetings-suite")
        line = await asked(office, order)
        await office.until(order, lambda status: status.lines[0].view.until is not None)
        shown = await details(office, line)
        until = (await office.client.view(line)).until
        assert until is not None
        for words in (
            f"the provisioning contact {CARLA}",
            f"**Until:** {until:%Y-%m-%d %H:%M} UTC",
            "the line closes; it can still be completed",
            f"`countersign order map {order} --line 1`",
        ):
            assert words in shown
        await office.client.map_line(order, 1, OWN_COMPANY, SALES)
        shown = await details(office, line)
        for words in ("**Mapped to:** `bergsicht`", "**Open tasks:** partner", f"set-up {order} --line 1`"):
            assert words in shown

    async def test_names_nobody_in_summary_memo_and_search_attributes(self, office: Office) -> None:
        order = await ordered(office, "meetings-suite")
        line = await asked(office, order)
        described = await office.time.client.get_workflow_handle(line).describe()
        summary = await described.static_summary()
        assert summary is not None
        assert "Meetings suite" in summary
        indexed = f"{summary} {await described.memo()} {described.typed_search_attributes}"
        assert "carla" not in indexed.lower()


async def details(office: Office, process: str) -> str:
    """The current details of a run."""
    run = office.time.client.get_workflow_handle(process)
    metadata = await run.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    return str(metadata.current_details)
