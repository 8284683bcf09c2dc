"""Mapping and set-up through the client: by people, and through links in real mails (L12, L13; seed 004)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from domain.errors import Code, Refusal
from domain.links import LinkPurpose
from domain.mapping import Mapped
from domain.orders import ContactGiven
from starter.binding import MappingGiven
from starter.gateway import utc_now
from storage import directory
from tests.starter.contacts import CARLA, OWN_COMPANY, asked, ordered
from tests.starter.office import OPERATOR, SALES, Office, refusal

ADMIN = "admin@contoso.example"
LENA = "lena.brunner@bergsicht.example"
SITES = {"sites": [{"name": "kueferei", "time_zone": "Europe/Zurich", "licences": 25}]}
CUSTOMER = {"purpose": "for_customer", "partner": {"key": "bergsicht"}, "customer": {"key": "kueferei"}}
NEW = {"name": "Contoso <b>AG</b>", "industry": "Retail", "country": "CH"}


def mapping(**more: Any) -> MappingGiven:
    return MappingGiven.model_validate(CUSTOMER | more)


class TestMapping:
    async def test_shows_what_it_would_bind_and_binds_nothing_by_that(self, office: Office) -> None:
        order = await ordered(office, "meetings-suite")
        token = await office.link(await asked(office, order), CARLA)
        given = mapping(customer={"new": NEW}, set_up_by="customer", customer_admin={"email": ADMIN})
        by_link = await office.client.to_bind_by_link(token, given)
        assert (by_link.partner.key, by_link.partner.name) == ("bergsicht", "Bergsicht IT GmbH")
        assert (by_link.customer.key, by_link.customer.name) == (None, NEW["name"])
        assert by_link.customer_admin == ADMIN
        assert await office.client.to_bind(order, 1, given, SALES) == by_link
        assert (await office.client.show_link(token)).ponr_at is None

    async def test_through_the_link_creates_the_customer_and_is_done_in_the_contacts_name(
        self, office: Office
    ) -> None:
        order = await ordered(office, "meetings-suite")
        line = await asked(office, order)
        token = await office.link(line, CARLA)
        mapped = await office.client.map_by_link(token, mapping(customer={"new": NEW}))
        assert mapped.waits_for == "partner"
        async with office.database.reading() as session:
            created = await directory.organisation(session, mapped.customer)
        assert (created.name, created.partner) == (NEW["name"], "bergsicht")
        status = await office.client.show(order)
        assert [step.actor for step in status.timeline if step.action == "line.mapped"] == [CARLA]
        assert status.lines[0].view.parties.customer == mapped.customer

    async def test_offers_the_organisations_of_the_contacts_address(self, office: Office) -> None:
        order = await ordered(office, "meetings-suite", contact="reto.mueller@kueferei.example")
        token = await office.link(await asked(office, order), "reto.mueller@kueferei.example")
        found = await office.client.organisations_behind(token)
        assert [each.key for each in found] == ["kueferei"]
        found = await office.client.organisations_behind(token, "bergsicht")
        assert [each.key for each in found] == ["kueferei", "bergsicht"], "the line's partner"
        for foreign in ("seaview", "alpenblick"):
            found = await office.client.organisations_behind(token, foreign)
            assert [each.key for each in found] == ["kueferei"], "a contact looks through nobody's customers"

    async def test_offers_a_partners_customers_to_its_own_people(self, office: Office) -> None:
        order = await ordered(office, "meetings-suite", contact=LENA)
        token = await office.link(await asked(office, order), LENA)
        found = await office.client.organisations_behind(token, "alpenblick")
        assert [each.key for each in found] == ["bergsicht", "alpenblick"]
        found = await office.client.organisations_behind(token, "seaview")
        assert [each.key for each in found] == ["bergsicht"]

    @pytest.mark.parametrize(
        ("more", "field"),
        [
            ({"customer": {"key": "nobody"}}, "customer"),
            ({"customer": {"key": "hafenblick"}}, "customer"),
            ({"set_up_by": "customer"}, "document: customer_admin"),
            ({"set_up_by": "customer", "customer_admin": {"email": "a, b"}}, "customer_admin.email"),
            ({"set_up_by": "now", "answers": {"sites": []}}, "sites"),
            ({"set_up_by": "now", "answers": {"nothing": 1}}, "nothing"),
        ],
    )
    async def test_names_what_does_not_fit_and_binds_nothing(
        self, office: Office, more: dict[str, Any], field: str
    ) -> None:
        order = await ordered(office, "meetings-suite")
        await asked(office, order)
        code, message = await refusal(office.client.map_line(order, 1, mapping(**more), SALES))
        assert code == Code.INVALID_INPUT
        assert field in message
        assert (await office.client.show(order)).lines[0].view.ponr_at is None

    async def test_binds_nobody_whom_a_search_for_the_line_would_not_find(self, office: Office) -> None:
        order = await ordered(office, "meetings-suite")
        line = await asked(office, order)
        token = await office.link(line, CARLA)

        async def refused(**more: Any) -> set[tuple[str, str]]:
            given = mapping(**more)
            return {
                await refusal(office.client.map_line(order, 1, given, SALES)),
                await refusal(office.client.to_bind(order, 1, given, SALES)),
                await refusal(office.client.map_by_link(token, given)),
                await refusal(office.client.to_bind_by_link(token, given)),
            }

        for field, foreign in (("customer", "seaview"), ("partner", "hafenblick"), ("partner", "alpenblick")):
            ((code, message),) = await refused(**{field: {"key": foreign}})
            assert (code, foreign in message) == (Code.INVALID_INPUT, True)
            ((_, unknown),) = await refused(**{field: {"key": "nobody"}})
            assert message.replace(foreign, "nobody") == unknown, (
                "nobody learns which organisations there are"
            )
        another = mapping(customer={"key": "alpenblick"})
        code, _ = await refusal(office.client.map_by_link(token, another))
        assert code == Code.INVALID_INPUT, "a contact is not shown the partner's other customers"
        said = [each for each in await office.client.audit(line) if each.code == "INVALID_INPUT"]
        assert {each.actor for each in said} == {SALES, CARLA}
        assert (
            await office.client.to_bind(order, 1, another, SALES)
        ).customer.name == "Alpenblick Treuhand AG"
        shown = await office.client.to_bind(order, 1, mapping(customer={"key": "seaview"}), OPERATOR)
        assert shown.customer.name == "Seaview Logistics Ltd"

    async def test_binds_whose_the_contacts_address_is_though_others_serve_them(self, office: Office) -> None:
        order = await ordered(office, "meetings-suite", contact="it@seaview.example")
        token = await office.link(await asked(office, order), "it@seaview.example")
        mapped = await office.client.map_by_link(token, mapping(customer={"key": "seaview"}))
        assert (mapped.partner, mapped.customer) == ("bergsicht", "seaview")

    async def test_of_two_at_once_one_binds_and_the_other_is_too_late(self, office: Office) -> None:
        order = await ordered(office, "meetings-suite")
        token = await office.link(await asked(office, order), CARLA)
        answers = await asyncio.gather(
            office.client.map_by_link(token, mapping(), request_id="by-link"),
            office.client.map_line(order, 1, OWN_COMPANY, SALES, request_id="by-sales"),
            return_exceptions=True,
        )
        (bound,) = [each for each in answers if isinstance(each, Mapped)]
        (late,) = [each for each in answers if isinstance(each, Refusal)]
        assert late.code is Code.POINT_OF_NO_RETURN
        again = (
            await office.client.map_by_link(token, mapping(), request_id="by-link")
            if (answers[0] is bound)
            else await office.client.map_line(order, 1, OWN_COMPANY, SALES, request_id="by-sales")
        )
        assert again == bound

    async def test_points_to_the_portal_even_once_the_line_has_ended(self, office: Office) -> None:
        order = await ordered(office, "meetings-suite")
        line = await asked(office, order)
        token = await office.link(line, CARLA)
        given = mapping(set_up_by="now", answers=SITES)
        await office.client.map_by_link(token, given)
        await office.closed(line)
        for call in (
            office.client.map_by_link(token, given),
            office.client.map_line(order, 1, given, SALES),
            office.client.hand_over(token, ContactGiven(email="dave@kueferei.example")),
            office.client.resend_mail(order, 1, SALES),
        ):
            code, message = await refusal(call)
            assert code == Code.POINT_OF_NO_RETURN
            assert "portal" in message

    async def test_is_not_yet_possible_before_the_mail_went_out(self, office: Office) -> None:
        accepted = await office.submit(
            "meetings-suite",
            domain=None,
            provisioning_contact={"email": CARLA},
            requested_start=utc_now() + timedelta(days=30),
        )
        await office.line_is(accepted.order, "scheduled")
        call = office.client.map_line(accepted.order, 1, OWN_COMPANY, SALES)
        assert (await refusal(call))[0] == Code.NOT_PENDING


class TestSettingUp:
    async def test_is_the_customers_through_their_own_link(self, office: Office) -> None:
        order = await ordered(office, "meetings-suite")
        line = await asked(office, order)
        token = await office.link(line, CARLA)
        given = mapping(set_up_by="customer", customer_admin={"email": ADMIN, "language": "en"})
        assert (await office.client.map_by_link(token, given)).waits_for == "customer_setup"
        for_admin = await office.link(line, ADMIN)
        assert (await office.client.show_link(for_admin)).purpose is LinkPurpose.SET_UP
        code, message = await refusal(office.client.set_up_by_link(for_admin, {"sites": [{"name": "x"}]}))
        assert code == Code.INVALID_INPUT
        assert "sites" in message
        await office.client.set_up_by_link(for_admin, SITES)
        await office.closed(line)
        timeline = (await office.client.show(order)).timeline
        assert [step.actor for step in timeline if step.action == "line.set_up"] == [ADMIN]

    async def test_can_wait_and_is_resumed_by_whoever_placed_the_order(self, office: Office) -> None:
        order = await ordered(office, "meetings-suite")
        line = await asked(office, order)
        assert (await refusal(office.client.set_up(order, 1, SITES, SALES)))[0] == Code.NOT_PENDING
        await office.client.map_line(order, 1, mapping(), SALES)
        await office.client.save_draft(line, {"sites": [{"name": "kueferei"}]}, SALES)
        await office.skip(line, timedelta(days=8))
        await office.line_is(order, "closed")
        assert (await office.client.draft(line)).answers["sites"][0]["name"] == "kueferei"
        await office.client.set_up(order, 1, SITES, SALES)
        await office.closed(line)
        assert (await refusal(office.client.set_up(order, 1, SITES, SALES)))[0] == Code.PROCESS_ENDED

    async def test_can_wait_and_is_resumed_by_the_contact_through_their_link(self, office: Office) -> None:
        line = await asked(office, await ordered(office, "meetings-suite"))
        token = await office.link(line, CARLA)
        begun = await office.client.save_draft_behind(token, {"sites": [{"name": "kueferei"}]})
        assert (await refusal(office.client.set_up_by_link(token, SITES)))[0] == Code.NOT_PENDING
        assert (await office.client.map_by_link(token, mapping())).waits_for == "partner"
        assert await office.client.draft_behind(token) == begun
        await office.client.save_draft_behind(token, SITES, begun.version)
        await office.client.set_up_by_link(token, SITES)
        await office.closed(line)

    async def test_is_refused_to_strangers(self, office: Office) -> None:
        order = await ordered(office, "meetings-suite")
        await asked(office, order)
        await office.client.map_line(order, 1, mapping(), SALES)
        for stranger in ("hafenblick-sales-1", "nobody"):
            call = office.client.set_up(order, 1, SITES, stranger)
            assert (await refusal(call))[0] == Code.NOT_PERMITTED

    async def test_takes_no_link_of_the_contact_once_it_is_the_customers_nor_the_other_way_round(
        self, office: Office
    ) -> None:
        order = await ordered(office, "meetings-suite")
        line = await asked(office, order)
        token = await office.link(line, CARLA)
        given = mapping(set_up_by="customer", customer_admin={"email": ADMIN, "language": "en"})
        await office.client.map_by_link(token, given)
        for_admin = await office.link(line, ADMIN)
        for call in (
            office.client.set_up_by_link(token, SITES),
            office.client.map_by_link(for_admin, given),
            office.client.to_bind_by_link(for_admin, given),
            office.client.organisations_behind(for_admin),
            office.client.hand_over(for_admin, ContactGiven(email="dave@kueferei.example")),
        ):
            assert (await refusal(call))[0] == Code.LINK_INVALID


class TestAskingTheCustomer:
    """It may be done as long as the set-up is open; the new admin has the only links that work."""

    async def test_after_a_bounce_is_somebody_elses_turn_and_told_to_those_who_can_say_whose(
        self, office: Office
    ) -> None:
        gone = "gone@contoso.example"
        office.mail.unknown.add(gone)
        order = await ordered(office, "meetings-suite")
        line = await asked(office, order)
        for_contact = await office.link(line, CARLA)
        given = mapping(set_up_by="customer", customer_admin={"email": gone, "language": "en"})
        await office.client.map_by_link(for_contact, given)
        await office.until(order, lambda s: any(e.action == "line.customer_bounced" for e in s.timeline))
        bounced = [m for m in await office.client.mails(order=order) if m.template == "customer_bounced"]
        assert {mail.why for mail in bounced} >= {"requester", "contact"}
        state = await office.client.ask_customer_by_link(
            for_contact, ContactGiven(email=ADMIN, language="en"), request_id="r1"
        )
        assert (state.contact.email, state.generation) == (ADMIN, 2)
        for_admin = await office.link(line, ADMIN)
        await office.client.set_up_by_link(for_admin, SITES)
        await office.closed(line)
        timeline = (await office.client.show(order)).timeline
        assert [step.actor for step in timeline if step.action == "line.customer_asked"] == [CARLA]
        assert [step.actor for step in timeline if step.action == "line.set_up"] == [ADMIN]

    async def test_passes_on_what_was_left_for_later_and_ends_the_links_of_the_admin_before(
        self, office: Office
    ) -> None:
        order = await ordered(office, "meetings-suite")
        line = await asked(office, order)
        admin, second = ContactGiven(email=ADMIN), ContactGiven(email="second@contoso.example")
        assert (await refusal(office.client.ask_customer(order, 1, admin, SALES)))[0] == Code.NOT_PENDING
        await office.client.map_line(order, 1, mapping(), SALES)
        stranger = office.client.ask_customer(order, 1, admin, "hafenblick-sales-1")
        assert (await refusal(stranger))[0] == Code.NOT_PERMITTED
        assert (await office.client.ask_customer(order, 1, admin, SALES)).generation == 1
        first = await office.link(line, ADMIN)
        assert (await refusal(office.client.ask_customer(order, 1, admin, SALES)))[0] == Code.TOO_OFTEN
        assert (await office.client.ask_customer(order, 1, second, SALES)).generation == 2
        for call in (
            office.client.show_link(first),
            office.client.draft_behind(first),
            office.client.set_up_by_link(first, SITES),
        ):
            assert (await refusal(call))[0] == Code.LINK_REVOKED
        await office.client.set_up_by_link(await office.link(line, second.email), SITES)
        await office.closed(line)
        assert (await refusal(office.client.ask_customer(order, 1, admin, SALES)))[0] == Code.PROCESS_ENDED

    async def test_takes_no_link_of_an_admin_nor_what_is_no_address(self, office: Office) -> None:
        order = await ordered(office, "meetings-suite")
        line = await asked(office, order)
        given = mapping(set_up_by="customer", customer_admin={"email": ADMIN, "language": "en"})
        await office.client.map_line(order, 1, given, SALES)
        second = ContactGiven(email="second@contoso.example")
        by_admin = office.client.ask_customer_by_link(await office.link(line, ADMIN), second)
        assert (await refusal(by_admin))[0] == Code.LINK_INVALID
        hostile = ContactGiven.model_construct(email="a@x.example, b@x.example", name=None, language="en")
        code, message = await refusal(office.client.ask_customer(order, 1, hostile, SALES))
        assert (code, message.partition(":")[0]) == (Code.INVALID_INPUT, "customer_admin.email")
