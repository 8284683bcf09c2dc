"""What `countersign order show` and `order list` say of lines that were mapped, and of what backends do."""

from __future__ import annotations

from typing import Any

import pytest

from domain.contact import Contact, ContactState
from storage import audit, projection
from storage.database import Database
from tests.cli.conftest import Run
from tests.starter.office import SALES
from tests.storage.samples import AT, step, view

ORDERED = {"provider": "nordwall", "partner": "bergsicht", "customer": "alpenblick"}
ORDER, LINE = "order-o1", "order-o1-line-1"


@pytest.fixture
async def told(sampled: Database) -> Database:
    """An order with one line, which was prepared, and then mapped to another partner's customer."""
    order = view("inProgress", kind="order", line=None, parties=ORDERED, requested_by=SALES)
    contact = ContactState(contact=Contact(email="it@xn--kferei-3ya.example"), generation=1, sent_at=AT)
    shared: dict[str, Any] = {"contact": contact, "requested_by": SALES}
    line = view("awaiting_provisioning_details", parties=ORDERED, **shared)
    bound = view("provisioning", parties=ORDERED | {"customer": "seaview"}, ponr_at=AT, **shared)
    mapped = {"partner": "bergsicht", "customer": "seaview"}
    numbers, devices = ({"step": name, "adapter": "local"} for name in ("numbers", "devices"))
    async with sampled.session() as session:
        for steps in (
            [step(1, "order.submitted", process=ORDER, view=order)],
            [
                step(1, "line.preparing", process=LINE, view=line, data=numbers),
                step(2, "line.compensated", process=LINE, view=line, data=devices | {"was_there": "yes"}),
                step(3, "line.mapped", process=LINE, view=bound, data=mapped),
            ],
        ):
            await projection.advance(session, steps)
            await audit.record(session, steps)
    return sampled


async def test_organisations_that_a_line_is_mapped_to_are_named_beside_their_keys(
    run: Run, told: Database
) -> None:
    shown = await run("order", "show", "o1")
    assert "Seaview Logistics Ltd (seaview), partner Bergsicht IT GmbH (bergsicht)" in shown.out


async def test_a_contact_is_shown_in_the_letters_of_their_domain(run: Run, told: Database) -> None:
    for what in ("show", "summary"):
        assert "it@küferei.example (xn--kferei-3ya.example)" in (await run("order", what, "o1")).out


async def test_the_timeline_says_which_step_was_prepared_and_which_was_taken_back(
    run: Run, told: Database
) -> None:
    shown = await run("order", "show", "o1")
    assert "line.preparing numbers" in shown.out
    assert "line.compensated devices" in shown.out


async def test_an_order_is_listed_for_whom_it_was_placed_and_for_whom_a_line_was_mapped_to(
    run: Run, told: Database
) -> None:
    for organisation, found in (("alpenblick", [ORDER]), ("seaview", [ORDER]), ("hafenblick", [])):
        listed = await run("order", "list", "--organisation", organisation, "--json")
        assert [each["id"] for each in listed.json] == found
