"""The check of domain and services: what is ordered, what is there already, and the domain's own zone.

Checker and database are the real ones; the zones are served on loopback.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.testing import ActivityEnvironment

from activities.checks import EVERY_NIGHT, Checks
from domain import wire
from domain.checks import CheckOrder, CheckReport, Finding
from domain.definitions import content_hash
from domain.dns.names import parse_domain
from domain.dns.verdicts import ObservationSeverity
from domain.line import ServiceStatus
from domain.offers import Feasibility, Offer
from domain.orders import Line, OrderContext
from domain.transitions import ServiceChange
from storage import inventory, reports
from storage.database import Database
from storage.tables import CheckReportRow
from tests.activities.dns.world import CUSTOMER, PROVIDER, World, build, silent, small_zone
from tests.storage.samples import AT, PARTIES

BLOCKING, WARNING = ObservationSeverity.BLOCKING, ObservationSeverity.WARNING
SPF = Feasibility(spf_include="spf.gate.test")
CERTIFICATE = Feasibility(certificate_host="securemail.{domain}", certificate_authority="ca.example")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = await build(tmp_path)
    await world.publish("@ MX 10 mail", "mail A 192.0.2.9")
    yield world
    await world.close()


@pytest.fixture
def checks(database: Database, world: World) -> Checks:
    return Checks(world.checker(), database)


def order(*offers: Offer, domain: str | None = "contoso.test", **more: Any) -> CheckOrder:
    """A check of an order for these offers, one line each."""
    context = OrderContext(
        id="o1",
        parties=PARTIES,
        requested_by="sam",
        requested_by_name="Sam",
        customer_name="Contoso",
        submitted_at=AT,
        domain=parse_domain(domain, allow_special_use=True) if domain else None,
        **more,
    )
    lines = tuple(
        Line(number=number, offer=offer, offer_hash=content_hash(offer))
        for number, offer in enumerate(offers, 1)
    )
    return CheckOrder(context=context, lines=lines, at=AT)


def offer(name: str = "sign", **more: Any) -> Offer:
    return Offer(name=name, version=1, title=name.title(), **more)


async def run(
    activity: Any, request: CheckOrder, waited: timedelta = timedelta(), attempt: int = 1
) -> CheckReport:
    environment = ActivityEnvironment()
    info = environment.info
    environment.info = replace(info, started_time=info.scheduled_time + waited, attempt=attempt)
    report: CheckReport = await environment.run(activity, request)
    return report


async def found(checks: Checks, request: CheckOrder) -> dict[str, Finding]:
    """The findings by their codes, without the mere information about the zone."""
    report = await run(checks.check, request)
    findings = [each for each in report.findings if each.severity is not ObservationSeverity.INFO]
    assert len({finding.code for finding in findings}) == len(findings)
    return {finding.code: finding for finding in findings}


async def keep_service(database: Database, name: str, status: ServiceStatus, order: str = "o0") -> None:
    """Contoso has, or had, a service for the domain."""
    service = ServiceChange(
        id=f"{order}-1",
        status=status,
        organisation="contoso",
        offer=name,
        offer_version=1,
        order=order,
        line=1,
        domain="contoso.test",
    )
    async with database.session() as session:
        await inventory.record_services(session, [service], f"order-{order}-line-1", 1, AT)


async def test_an_ordinary_order_is_clean_and_its_report_is_kept(checks: Checks, database: Database) -> None:
    report = await run(checks.check, order(offer()))
    assert report.is_clean
    assert report.at == AT
    async with database.reading() as session:
        assert await reports.report(session, report.id) == report


async def test_an_order_without_a_domain_asks_no_name_server(checks: Checks, world: World) -> None:
    assert await found(checks, order(offer(needs_domain=False), domain=None)) == {}
    assert not any(server.asked for server in world.servers.values())


# What is there already


@pytest.mark.parametrize(
    ("status", "codes"),
    [
        (ServiceStatus.ORDERED, {"DUPLICATE_SERVICE"}),
        (ServiceStatus.PROVISIONED, {"DUPLICATE_SERVICE"}),
        (ServiceStatus.DEPROVISIONING, {"DUPLICATE_SERVICE"}),
        (ServiceStatus.CANCELLED, set()),
        (ServiceStatus.DEPROVISIONED, set()),
    ],
)
async def test_a_service_that_is_there_already_is_a_duplicate_until_it_is_gone(
    checks: Checks, database: Database, status: ServiceStatus, codes: set[str]
) -> None:
    await keep_service(database, "sign", status)
    findings = await found(checks, order(offer("base"), offer("sign")))
    assert findings.keys() == codes
    assert all((each.severity, each.field, each.line) == (BLOCKING, "items", 2) for each in findings.values())


async def test_an_orders_own_services_are_no_duplicates(checks: Checks, database: Database) -> None:
    await keep_service(database, "sign", ServiceStatus.ORDERED, order="o1")
    assert await found(checks, order(offer("sign"))) == {}


async def test_what_an_offer_requires_may_be_there_or_ordered_along(
    checks: Checks, database: Database
) -> None:
    sign = offer("sign", requires=("certificate",))
    missing = (await found(checks, order(sign)))["SERVICE_REQUIRED"]
    assert (missing.severity, missing.line) == (BLOCKING, 1)
    assert "certificate" in missing.message
    assert await found(checks, order(sign, offer("certificate"))) == {}
    await keep_service(database, "certificate", ServiceStatus.PROVISIONED)
    assert await found(checks, order(sign)) == {}


async def test_what_excludes_each_other_cannot_be_there_or_ordered_along(
    checks: Checks, database: Database
) -> None:
    sign = offer("sign-only", excludes=("sign-encrypt",))
    assert (await found(checks, order(offer("sign-encrypt"), sign)))["SERVICE_EXCLUDED"].line == 2
    await keep_service(database, "sign-encrypt", ServiceStatus.PROVISIONED)
    assert (await found(checks, order(sign))).keys() == {"SERVICE_EXCLUDED"}


@pytest.mark.parametrize(
    ("holder", "codes"), [("fabrikam", {"DOMAIN_VERIFIED_ELSEWHERE"}), ("contoso", set())]
)
async def test_a_domain_verified_for_somebody_else_blocks_until_that_ends(
    checks: Checks, database: Database, holder: str, codes: set[str]
) -> None:
    async with database.session() as session:
        await inventory.claim(session, "contoso.test", holder, "token")
        await inventory.verify_claim(session, "contoso.test", holder, "t", AT)
    findings = await found(checks, order(offer()))
    assert findings.keys() == codes
    assert all(each.severity is BLOCKING for each in findings.values())
    async with database.session() as session:
        await inventory.release_claim(session, "contoso.test", holder)
    assert await found(checks, order(offer())) == {}


async def test_a_free_mail_domain_needs_an_offer_that_accepts_it(checks: Checks) -> None:
    free = await found(
        checks, order(offer("sign"), offer("meet", accepts_free_mail=True), domain="gmail.com")
    )
    assert (free["FREE_MAIL_DOMAIN"].severity, free["FREE_MAIL_DOMAIN"].line) == (BLOCKING, 1)
    accepted = await found(checks, order(offer("meet", accepts_free_mail=True), domain="gmail.com"))
    assert "FREE_MAIL_DOMAIN" not in accepted


async def test_a_start_more_than_a_year_ahead_blocks(checks: Checks) -> None:
    far = AT + timedelta(days=365, microseconds=1)
    finding = (await found(checks, order(offer(), requested_start=far)))["START_TOO_LATE"]
    assert (finding.severity, finding.field) == (BLOCKING, "requested_start")
    assert await found(checks, order(offer(), requested_start=AT + timedelta(days=365))) == {}


# The domain's zone


async def test_nine_spf_queries_of_theirs_leave_no_room_for_two_of_ours(checks: Checks, world: World) -> None:
    ours = ('spf TXT "v=spf1 include:pool.gate.test -all"', 'pool TXT "v=spf1 -all"')
    await world.serve(PROVIDER, gate_test=small_zone(*ours, address=PROVIDER))
    nine = " ".join(f"include:s{n}.contoso.test" for n in range(1, 10))
    leaves = [f's{n} TXT "v=spf1 -all"' for n in range(1, 10)]
    await world.publish("@ MX 10 mail", "mail A 192.0.2.9", f'@ TXT "v=spf1 {nine} -all"', *leaves)
    finding = (await found(checks, order(offer("base"), offer(feasibility=SPF))))["SPF_BUDGET"]
    assert (finding.severity, finding.field, finding.line) == (WARNING, "domain", 2)
    assert "11 > 10" in finding.message


async def test_an_offer_without_spf_does_not_count_queries(checks: Checks, world: World) -> None:
    eleven = " ".join(f"include:s{n}.contoso.test" for n in range(1, 12))
    await world.publish("@ MX 10 mail", "mail A 192.0.2.9", f'@ TXT "v=spf1 {eleven} -all"')
    assert "SPF_BUDGET" not in await found(checks, order(offer()))


@pytest.mark.parametrize(
    ("caa", "codes"),
    [
        ('@ CAA 0 issue "other.example"', {"CAA_FORBIDS"}),
        ('@ CAA 0 issue "ca.example"', set()),
        ('@ CAA 0 issue "other.example"\nsecuremail CAA 0 issue "ca.example"', set()),
        ("", set()),
    ],
    ids=["another authority", "ours", "ours for the host", "nobody named"],
)
async def test_the_zone_must_let_our_authority_issue_for_the_host(
    checks: Checks, world: World, caa: str, codes: set[str]
) -> None:
    await world.publish("@ MX 10 mail", "mail A 192.0.2.9", caa)
    assert (await found(checks, order(offer(feasibility=CERTIFICATE)))).keys() == codes


async def test_a_domain_nobody_registered_blocks_once_however_many_lines_there_are(checks: Checks) -> None:
    lines = (offer("a"), offer("b", feasibility=SPF), offer("c", feasibility=CERTIFICATE))
    findings = await found(checks, order(*lines, domain="nobody.test"))
    assert {code: each.severity for code, each in findings.items()} == {"ZONE_MISSING": BLOCKING}


async def test_servers_that_do_not_answer_hold_no_order_up(checks: Checks, world: World) -> None:
    world.fail(silent, *CUSTOMER)
    findings = await found(checks, order(offer()))
    assert {code: each.severity for code, each in findings.items()} == {"ZONE_UNKNOWN": WARNING}


# Watching


async def again(checks: Checks, request: CheckOrder, waited: timedelta, attempt: int = 1) -> ApplicationError:
    """The expected failure so long after it was scheduled."""
    with pytest.raises(ApplicationError) as caught:
        await run(checks.watch, request, waited, attempt)
    error = caught.value
    assert (error.type, error.category) == (wire.NOT_YET, ApplicationErrorCategory.BENIGN)
    return error


async def test_a_watch_looks_every_night_and_ends_when_the_findings_change(
    checks: Checks, database: Database
) -> None:
    sign = order(offer("sign", requires=("certificate",)))
    first = await run(checks.check, sign)
    known = sign.model_copy(update={"known": first.digest})

    error = await again(checks, known, timedelta())
    assert ("tonight" in error.message, error.next_retry_delay) == (True, EVERY_NIGHT)
    for night in (1, 2, 29):
        error = await again(checks, known, night * EVERY_NIGHT)
        assert error.message == "Sign needs certificate; order it as well."
        assert error.next_retry_delay == EVERY_NIGHT
    async with database.reading() as session:
        assert (await session.scalars(select(CheckReportRow.id))).all() == [first.id]

    await keep_service(database, "certificate", ServiceStatus.PROVISIONED)
    report = await run(checks.watch, known, 30 * EVERY_NIGHT)
    assert report.is_clean
    assert report.at == AT + 30 * EVERY_NIGHT
    async with database.reading() as session:
        assert await reports.report(session, report.id) == report


async def test_attempts_that_never_got_to_look_are_no_nights(checks: Checks) -> None:
    sign = order(offer("sign", requires=("certificate",)))
    error = await again(checks, sign, timedelta(hours=3), attempt=500)
    assert ("tonight" in error.message, error.next_retry_delay) == (True, timedelta(hours=21))


async def test_a_watch_ends_as_well_when_something_new_blocks(checks: Checks, database: Database) -> None:
    sign = order(offer("sign", requires=("certificate",)))
    first = await run(checks.check, sign)
    await keep_service(database, "sign", ServiceStatus.PROVISIONED)
    report = await run(checks.watch, sign.model_copy(update={"known": first.digest}), EVERY_NIGHT)
    assert {each.code for each in report.blocking} == {"SERVICE_REQUIRED", "DUPLICATE_SERVICE"}
