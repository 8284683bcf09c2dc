"""Orders from the partner's order to the service, on both databases."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress

from domain.errors import Code, Refusal
from domain.line import LineState, ServiceStatus
from domain.mail import Template
from domain.orders import OrderItem, SubmitOrder
from starter.client import Countersign
from starter.dev.registrar import set_records
from storage import inventory, processes
from storage.database import Database
from tests.e2e.site import SALES, TICKETS, Site, archive_for, until

CERTIFICATE = SubmitOrder(
    customer="alpenblick",
    requested_by=SALES,
    domain="Alpenblick.example",
    items=(OrderItem(offer="certificate"),),
)


async def set_what_is_asked_for(site: Site, order: str, lines: int) -> None:
    """Does at the registrar what the open-task mails ask for, once every line has sent one."""

    async def open_tasks() -> list[set[tuple[str, str, str]]]:
        mails = [mail for mail in await site.mails(order) if mail.template is Template.OPEN_TASKS]
        asking = {mail.process: mail.facts.records for mail in mails}
        return [{(r.owner, r.rrtype, r.value) for r in records} for records in asking.values()]

    async def all_asked() -> bool:
        return len(await open_tasks()) == lines

    await until(all_asked, "every line to ask for its records")
    set_records(site.stack.zone_folder, {"alpenblick.example": set().union(*await open_tasks())})


async def order_certificate(site: Site) -> str:
    """Takes a certificate, with the base service it includes, from the order to the service."""
    submitted = await site.countersign.submit(CERTIFICATE, "main")
    order = submitted.order
    assert [line.offer for line in submitted.lines] == ["base-service@1", "certificate@1"]

    async def all_confirmed() -> bool:
        lines = (await site.countersign.show(order)).lines
        return [line.view.state for line in lines] == [LineState.CONFIRMED] * 2

    await until(all_confirmed, "the order to be confirmed")
    await site.countersign.deploy(order, SALES)
    await set_what_is_asked_for(site, order, lines=2)
    for number in (1, 2):
        with suppress(Refusal):  # A line that has just looked by itself is past asking.
            await site.countersign.check_records(order, number, SALES)
    await site.ended(order)
    return order


async def test_an_order_for_a_domain_is_deployed_verified_and_provisioned(site: Site) -> None:
    order = await order_certificate(site)
    await site.nothing_is_lost_or_doubled(order)
    async with site.database.reading() as session:
        services = await inventory.services_of(session, "alpenblick", "alpenblick.example")
        assert await inventory.holder(session, "alpenblick.example") == "alpenblick"
    assert {service.offer: service.status for service in services} == {
        "base-service": ServiceStatus.PROVISIONED,
        "certificate": ServiceStatus.PROVISIONED,
    }
    to_tickets = [mail for mail in site.stack.mail.messages if mail.recipient == TICKETS]
    assert to_tickets
    assert not any("://" in mail.text + mail.html or "countersign order" in mail.text for mail in to_tickets)


async def test_of_many_submissions_at_once_through_two_clients_one_becomes_an_order(site: Site) -> None:
    another = Database(site.stack.running.database_url)
    other_client = await site.stack.temporal.connect()
    customer = next(site.customers)
    clients = (site.countersign, Countersign(other_client, another, allow_special_use=True))
    answers = await asyncio.gather(
        *(clients[n % 2].submit(archive_for(customer), "double") for n in range(10))
    )
    await another.dispose()
    assert Counter(answer.created for answer in answers) == {True: 1, False: 9}
    [the_order] = {answer.order for answer in answers}
    assert len({answer.lines for answer in answers}) == 1
    await site.release_archive(the_order)
    await site.ended(the_order)
    assert [entry.view.order for entry in await site.countersign.orders(customer)] == [the_order]
    await site.nothing_is_lost_or_doubled(the_order)


async def test_of_different_orders_at_once_under_one_key_one_is_accepted_and_the_others_refused(
    site: Site,
) -> None:
    customer = next(site.customers)
    orders = [archive_for(customer, note=note) for note in ("one", "two", "three")]
    answers = await asyncio.gather(
        *(site.countersign.submit(order, "disputed") for order in orders), return_exceptions=True
    )
    refusals = [answer for answer in answers if isinstance(answer, Refusal)]
    assert [refusal.code for refusal in refusals] == [Code.IDEMPOTENCY_MISMATCH] * 2


async def test_an_order_runs_on_postgresql_as_well(postgresql_site: Site) -> None:
    site = postgresql_site
    orders = await asyncio.gather(order_certificate(site), site.archive())
    await site.nothing_is_lost_or_doubled(*orders)
    async with site.stack.database.reading() as session:
        assert await processes.list_processes(session) == ()
