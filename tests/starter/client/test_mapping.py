"""Finding the organisation an order is for, with the sample directory (SPEC 5.5, seed 004)."""

from __future__ import annotations

import pytest

from domain.organisations import OrganisationKind
from tests.starter.office import OPERATOR, SALES, Office, refusal


async def test_somebody_of_the_directory_is_found_by_address(office: Office) -> None:
    (found,) = await office.client.find_organisations(SALES, "Lena.Brunner@bergsicht.example")
    assert (found.key, found.matched) == ("bergsicht", "address")
    assert found.active_users > 1


async def test_a_colleague_is_found_by_domain(office: Office) -> None:
    (found,) = await office.client.find_organisations(SALES, "new@bergsicht.example")
    assert (found.key, found.matched) == ("bergsicht", "domain")


async def test_whoever_did_something_last_is_seen(office: Office) -> None:
    (before,) = await office.client.find_organisations(SALES, search="bergsicht")
    assert before.last_activity is None
    accepted = await office.submit("certificate")
    await office.line_is(accepted.order, "confirmed")
    (after,) = await office.client.find_organisations(SALES, search="bergsicht")
    assert after.last_activity is not None


async def test_only_kinds_that_are_wanted_are_found(office: Office) -> None:
    customers = (OrganisationKind.CUSTOMER,)
    assert (
        await office.client.find_organisations(SALES, "lena.brunner@bergsicht.example", kinds=customers) == ()
    )
    (found,) = await office.client.find_organisations(SALES, search="kueferei", kinds=customers)
    assert found.key == "kueferei"


async def test_the_provider_is_not_among_those_an_order_is_mapped_to(office: Office) -> None:
    assert await office.client.find_organisations(OPERATOR, search="nordwall") == ()


async def test_words_find_ones_own_organisations_and_their_customers_only(office: Office) -> None:
    async def found(actor: str, search: str) -> list[str]:
        return [each.key for each in await office.client.find_organisations(actor, search=search)]

    assert await found(SALES, "kueferei") == ["kueferei"]
    assert await found(SALES, "seaview") == await found(SALES, "hafenblick") == []
    assert await found("hafenblick-sales-1", "seaview") == ["seaview"]
    assert await found("alpenblick-admin-1", "bergsicht") == ["bergsicht"], "a customer's own partner"
    assert await found("alpenblick-admin-1", "kueferei") == [], "another customer of the same partner"
    assert await found(OPERATOR, "seaview") == ["seaview"]


async def test_an_address_finds_whose_it_is_for_everybody_who_may_order(office: Office) -> None:
    (found,) = await office.client.find_organisations(SALES, "orla.byrne@seaview.example")
    assert (found.key, found.matched) == ("seaview", "address")


@pytest.mark.parametrize("actor", ["nobody", "kueferei-contact-1", "bergsicht-tickets"])
async def test_who_may_neither_order_nor_deploy_finds_nothing(office: Office, actor: str) -> None:
    for what in ({"search": "kueferei"}, {"email": "lena.brunner@bergsicht.example"}):
        code, message = await refusal(office.client.find_organisations(actor, **what))
        assert code == "NOT_PERMITTED"
        assert actor in message


@pytest.mark.parametrize(
    ("email", "search", "field"),
    [
        (None, None, "email, search: "),
        ("a@b.example, c@d.example", None, "email: "),
        ("a@b.example\r\nBcc: c@d.example", None, "email: "),
        (None, "***", "search: "),
    ],
)
async def test_what_cannot_be_looked_for_is_refused(
    office: Office, email: str | None, search: str | None, field: str
) -> None:
    code, message = await refusal(office.client.find_organisations(SALES, email, search))
    assert code == "INVALID_INPUT"
    assert message.startswith(field)
