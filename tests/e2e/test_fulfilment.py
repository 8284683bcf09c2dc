"""Lines that somebody outside completes, by real mails and the links in them, while things break."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from datetime import timedelta

from sqlmodel import col, select

from domain import wire
from domain.errors import Code, Refusal
from domain.links import LinkSigner
from domain.orders import ContactGiven, OrderState, SubmitOrder
from starter.binding import MappingGiven
from starter.client import Countersign
from starter.dev.keys import link_key
from storage import directory
from storage.mails import Mail
from storage.tables import MailStatus, ResourceRow
from tests.e2e.site import SALES, Site, insisting, until

CARLA, DAVE, ADMIN, GONE = (f"{name}@kueferei.example" for name in ("carla", "dave", "admin", "gone"))
SITES = {"sites": [{"name": "kueferei", "time_zone": "Europe/Zurich", "licences": 25}]}
OWN_COMPANY = MappingGiven.model_validate({"purpose": "own_company", "partner": {"key": "bergsicht"}})
FOR_CUSTOMER = {"purpose": "for_customer", "partner": {"key": "bergsicht"}, "customer": {"key": "kueferei"}}


def for_customer(**more: object) -> MappingGiven:
    """A mapping to a customer, unless told otherwise."""
    return MappingGiven.model_validate(FOR_CUSTOMER | more)


async def order(site: Site, offer: str = "meetings-suite", contact: str = CARLA) -> str:
    """An order that its contact has to complete."""
    wanted = {
        "customer": next(site.customers),
        "requested_by": SALES,
        "items": [{"offer": offer}],
        "provisioning_contact": {"email": contact},
    }
    return (await site.countersign.submit(SubmitOrder.model_validate(wanted), "contact")).order


async def outcome(call: Awaitable[object]) -> Code | None:
    """The code that a call is refused with; None if it is not."""
    try:
        await call
    except Refusal as refusal:
        return refusal.code
    return None


async def test_the_whole_way_goes_by_mails_and_links_on_postgresql(postgresql_site: Site) -> None:
    site = postgresql_site
    site.stack.mail.unknown.add(GONE)
    placed = await order(site, contact=GONE)
    line = wire.line_id(placed, 1)
    await site.step(line, "line.contact_bounced")
    await site.countersign.change_contact(placed, ContactGiven(email=CARLA), SALES)
    first = await site.link(line, CARLA)
    await site.step(line, "line.details_sent")

    await site.stack.kill_worker()
    handing_over = asyncio.create_task(
        insisting(lambda: site.countersign.hand_over(first, ContactGiven(email=DAVE), request_id="over"))
    )
    await site.stack.start_worker()
    assert (await handing_over).generation == 3

    second = await site.link(line, DAVE)
    assert await outcome(site.countersign.show_link(first)) is Code.LINK_REVOKED
    new = {"name": "Küferei Süd AG", "industry": "Crafts", "country": "CH"}
    given = for_customer(
        customer={"new": new}, set_up_by="customer", customer_admin={"email": ADMIN, "language": "en"}
    )
    mapped = await site.countersign.map_by_link(second, given)
    async with site.database.reading() as session:
        assert (await directory.organisation(session, mapped.customer)).partner == "bergsicht"
    await site.countersign.set_up_by_link(await site.link(line, ADMIN), SITES)
    await site.ended(placed)
    await site.nothing_is_lost_or_doubled(placed)


async def test_a_worker_killed_while_a_mapping_is_confirmed_binds_once(site: Site) -> None:
    placed = await order(site)
    line = wire.line_id(placed, 1)
    token = await site.link(line, CARLA)
    await site.step(line, "line.details_sent")
    given = for_customer(set_up_by="now", answers=SITES)
    mapping = asyncio.create_task(
        insisting(lambda: site.countersign.map_by_link(token, given, request_id="bind"))
    )
    await asyncio.sleep(0)
    await site.stack.kill_worker()
    await site.stack.start_worker()
    mapped = await mapping
    await site.ended(placed)
    steps = [step for step in (await site.countersign.show(placed)).timeline if step.action == "line.mapped"]
    assert [step.at for step in steps] == [mapped.at]
    await site.nothing_is_lost_or_doubled(placed)


async def test_a_mail_server_that_is_away_delays_the_mail_and_the_closure_clock(site: Site) -> None:
    stack = site.stack
    countersign = Countersign(
        stack.virtual_time.client,
        site.database,
        clock=lambda: None,
        allow_special_use=True,
        links=LinkSigner((link_key(stack.folder),)),
    )
    there = replace(site, countersign=countersign)
    await stack.mail.stop()
    placed = await order(there)
    line = wire.line_id(placed, 1)

    async def waiting() -> list[Mail]:
        mails = await there.mails(placed)
        return [mail for mail in mails if mail.status is MailStatus.AWAITED and mail.attempts]

    async def was_tried() -> bool:
        return bool(await waiting())

    await until(was_tried, "the mail to be tried in vain")
    (entry,) = (await countersign.show(placed)).lines
    assert entry.view.until is None
    await stack.mail.start()
    await stack.virtual_time.skip(line, timedelta(minutes=1))
    assert await there.link(line, CARLA)
    await there.step(line, "line.details_sent")
    (entry,) = (await countersign.show(placed)).lines
    assert entry.view.until is not None
    await stack.virtual_time.skip(line, timedelta(days=7))
    await there.step(line, "line.closed")
    await countersign.map_by_link(await there.link(line, CARLA), OWN_COMPANY)
    await countersign.set_up(placed, 1, SITES, SALES)
    await there.ended(placed)


async def test_of_two_people_who_confirm_at_once_one_binds_and_the_other_is_refused(site: Site) -> None:
    for _ in range(4):
        placed = await order(site)
        token = await site.link(wire.line_id(placed, 1), CARLA)
        codes = await asyncio.gather(
            outcome(site.countersign.map_by_link(token, for_customer())),
            outcome(site.countersign.map_line(placed, 1, OWN_COMPANY, SALES)),
        )
        assert set(codes) == {None, Code.POINT_OF_NO_RETURN}
        (entry,) = (await site.countersign.show(placed)).lines
        assert entry.view.parties.customer == ("kueferei" if codes[0] is None else "bergsicht")


async def test_of_a_mapping_and_a_change_of_the_contact_at_once_one_happens(site: Site) -> None:
    for _ in range(4):
        placed = await order(site)
        token = await site.link(wire.line_id(placed, 1), CARLA)
        codes = await asyncio.gather(
            outcome(site.countersign.map_by_link(token, for_customer())),
            outcome(site.countersign.change_contact(placed, ContactGiven(email=DAVE), SALES, 1)),
        )
        assert codes in ([None, Code.POINT_OF_NO_RETURN], [Code.LINK_REVOKED, None])


async def test_a_cancellation_over_a_killed_worker_gives_back_what_was_reserved(site: Site) -> None:
    placed = await order(site, "room-systems")
    line = wire.line_id(placed, 1)
    await site.step(line, "line.preparing", times=2)
    await site.stack.kill_worker()
    cancelling = asyncio.create_task(
        insisting(lambda: site.countersign.cancel(placed, SALES, "too late", 1, request_id="stop"))
    )
    await site.stack.start_worker()
    (result,) = await cancelling
    assert result.refused is None
    await site.ended(placed, OrderState.CANCELLED)
    async with site.database.reading() as session:
        rows = await session.scalars(select(ResourceRow).where(col(ResourceRow.service).startswith(placed)))
        reserved = {row.service.removeprefix(f"{placed}-1-"): row.state for row in rows}
    # Whether the devices were reserved at all depends on when exactly the worker was killed.
    assert "numbers" in reserved
    assert set(reserved.values()) == {"removed"}
    await site.nothing_is_lost_or_doubled(placed)
