"""Services move forward only; of several claims on a domain the first verified one wins."""

from __future__ import annotations

import asyncio
from itertools import permutations

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from domain.line import ServiceStatus
from storage import inventory
from storage.database import Database
from tests.storage.samples import AT, HOUR, LINE, service

DOMAIN = "contoso.test"
TOKEN = "proven"


async def test_a_claim_keeps_its_token_until_it_is_released(session: AsyncSession) -> None:
    assert await inventory.claim(session, DOMAIN, "contoso", "t1") == "t1"
    assert await inventory.claim(session, DOMAIN, "contoso", "t2") == "t1"
    await inventory.release_claim(session, DOMAIN, "contoso")
    assert await inventory.claim(session, DOMAIN, "contoso", "t3") == "t3"
    assert await inventory.claim(session, DOMAIN, "contoso", "t4") == "t3"


async def test_unverified_claims_stand_beside_each_other_until_one_is_verified(session: AsyncSession) -> None:
    assert await inventory.claim(session, DOMAIN, "contoso", "t1") == "t1"
    assert await inventory.claim(session, DOMAIN, "fabrikam", "t2") == "t2"
    assert await inventory.holder(session, DOMAIN) is None
    assert await inventory.verify_claim(session, DOMAIN, "fabrikam", TOKEN, AT)
    assert not await inventory.verify_claim(session, DOMAIN, "contoso", TOKEN, AT)
    assert await inventory.verify_claim(session, DOMAIN, "fabrikam", TOKEN, AT + HOUR)
    assert await inventory.holder(session, DOMAIN) == "fabrikam"


async def test_a_released_domain_can_be_verified_by_the_next(session: AsyncSession) -> None:
    await inventory.claim(session, DOMAIN, "contoso", "t1")
    await inventory.claim(session, DOMAIN, "fabrikam", "t2")
    await inventory.verify_claim(session, DOMAIN, "contoso", TOKEN, AT)
    await inventory.release_claim(session, DOMAIN, "contoso")
    assert await inventory.holder(session, DOMAIN) is None
    assert await inventory.verify_claim(session, DOMAIN, "fabrikam", TOKEN, AT)


async def test_a_verified_claim_stays_verified_when_claimed_again(session: AsyncSession) -> None:
    await inventory.claim(session, DOMAIN, "contoso", "t1")
    await inventory.verify_claim(session, DOMAIN, "contoso", TOKEN, AT)
    assert await inventory.claim(session, DOMAIN, "contoso", "t2") == "t1"
    assert await inventory.holder(session, DOMAIN) == "contoso"


@pytest.mark.parametrize("released", [False, True])
async def test_a_proof_without_a_claim_makes_one_with_the_proven_token(
    session: AsyncSession, released: bool
) -> None:
    if released:
        await inventory.claim(session, DOMAIN, "contoso", "t1")
        await inventory.release_claim(session, DOMAIN, "contoso")
    assert await inventory.verify_claim(session, DOMAIN, "contoso", TOKEN, AT)
    assert await inventory.holder(session, DOMAIN) == "contoso"
    assert await inventory.claim(session, DOMAIN, "contoso", "t2") == TOKEN


async def test_a_proof_keeps_the_token_of_the_claim_it_proves(session: AsyncSession) -> None:
    await inventory.claim(session, DOMAIN, "contoso", "t1")
    assert await inventory.verify_claim(session, DOMAIN, "contoso", TOKEN, AT)
    assert await inventory.claim(session, DOMAIN, "contoso", "t2") == "t1"


async def test_a_proof_without_a_claim_does_not_take_the_domain_from_its_holder(
    session: AsyncSession,
) -> None:
    assert await inventory.verify_claim(session, DOMAIN, "contoso", TOKEN, AT)
    assert not await inventory.verify_claim(session, DOMAIN, "fabrikam", "another", AT)
    assert await inventory.holder(session, DOMAIN) == "contoso"


async def test_of_many_who_verify_at_once_exactly_one_holds_the_domain(database: Database) -> None:
    organisations = [f"customer-{number}" for number in range(6)]
    async with database.session() as session:
        for organisation in organisations:
            await inventory.claim(session, DOMAIN, organisation, "t")

    async def verify(organisation: str) -> bool:
        async with database.session() as session:
            return await inventory.verify_claim(session, DOMAIN, organisation, TOKEN, AT)

    held = await asyncio.gather(*(verify(organisation) for organisation in organisations))
    assert sum(held) == 1
    async with database.reading() as session:
        assert await inventory.holder(session, DOMAIN) == organisations[held.index(True)]


async def test_of_many_who_claim_at_once_all_get_the_same_token(database: Database) -> None:
    async def claim(number: int) -> str:
        async with database.session() as session:
            return await inventory.claim(session, DOMAIN, "contoso", f"t{number}")

    assert len(set(await asyncio.gather(*(claim(number) for number in range(6))))) == 1


async def test_a_claim_is_kept_while_an_open_service_needs_it(session: AsyncSession) -> None:
    await inventory.claim(session, DOMAIN, "contoso", "t1")
    await inventory.verify_claim(session, DOMAIN, "contoso", TOKEN, AT)
    await inventory.record_services(session, [service()], LINE, 1, AT)
    await inventory.release_claim(session, DOMAIN, "contoso")
    assert await inventory.holder(session, DOMAIN) == "contoso"
    await inventory.record_services(session, [service(ServiceStatus.CANCELLED)], LINE, 2, AT)
    await inventory.release_claim(session, DOMAIN, "contoso")
    assert await inventory.holder(session, DOMAIN) is None


async def test_the_later_of_two_lines_that_end_at_once_releases_the_claim(database: Database) -> None:
    lines = [service(line=number) for number in (1, 2)]
    async with database.session() as session:
        await inventory.verify_claim(session, DOMAIN, "contoso", TOKEN, AT)
        await inventory.record_services(session, lines, LINE, 1, AT)
    both_have_written = asyncio.Barrier(2)

    async def end(number: int) -> None:
        async with database.session() as session:
            ended = service(ServiceStatus.CANCELLED, number)
            await inventory.record_services(session, [ended], f"order-o1-line-{number}", 2, AT + HOUR)
            if database.url.get_backend_name() == "postgresql":  # SQLite has one writer at a time
                await both_have_written.wait()
            await inventory.release_claim(session, DOMAIN, "contoso")

    await asyncio.gather(end(1), end(2))
    async with database.reading() as session:
        assert await inventory.holder(session, DOMAIN) is None


async def test_open_services_are_those_of_the_organisation_and_domain(session: AsyncSession) -> None:
    for line, status in enumerate(ServiceStatus, start=1):
        await inventory.record_services(session, [service(status, line)], f"order-o1-line-{line}", 1, AT)
    other_domain = service(line=20).model_copy(update={"domain": "other.test"})
    no_domain = service(line=21).model_copy(update={"domain": None})
    await inventory.record_services(session, [other_domain, no_domain], LINE, 1, AT)
    statuses = {each.status for each in await inventory.services_of(session, "contoso", DOMAIN)}
    assert statuses == set(ServiceStatus) - {ServiceStatus.CANCELLED, ServiceStatus.DEPROVISIONED}
    assert [each.id for each in await inventory.services_of(session, "contoso", None)] == ["o1-21"]
    assert await inventory.services_of(session, "fabrikam", DOMAIN) == ()


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_a_service_ends_up_the_same_in_whatever_order_its_changes_arrive(
    session: AsyncSession, order: tuple[int, ...]
) -> None:
    changes = [
        (service(ServiceStatus.ORDERED), LINE, 1, AT),
        (service(ServiceStatus.PROVISIONED), LINE, 5, AT + HOUR),
        (service(ServiceStatus.DEPROVISIONING), "deprovision-o1-1", 1, AT + 2 * HOUR),
    ]
    for index in order:
        change, process, seq, at = changes[index]
        await inventory.record_services(session, [change], process, seq, at)
    [found] = await inventory.services_of(session, "contoso", DOMAIN)
    assert (found.status, found.created_at, found.updated_at) == (
        ServiceStatus.DEPROVISIONING,
        AT,
        AT + 2 * HOUR,
    )
