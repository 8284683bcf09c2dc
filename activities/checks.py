"""The check of domain and services (SPEC 5.3; provisioning.md e.9)."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from itertools import chain

from temporalio import activity

from activities.dns import Checker
from activities.heartbeat import heartbeating
from activities.polling import not_yet, time_waited
from domain import findings, wire
from domain.checks import CheckOrder, CheckReport, Finding
from domain.dns.names import DomainName
from domain.offers import Feasibility
from storage import inventory, reports
from storage.database import Database

EVERY_NIGHT = timedelta(hours=24)


class Checks:
    """Looks at what is ordered, what is there already, and the domain's zone.

    Args:
        checker: Asks the domain's servers.
        database: Where services, claims and reports are kept.
    """

    def __init__(self, checker: Checker, database: Database) -> None:
        self._checker = checker
        self._database = database

    @activity.defn(name=wire.CHECK)
    async def check(self, request: CheckOrder) -> CheckReport:
        """Checks once and keeps the report."""
        async with heartbeating():
            return await self._keep(request, await self._find(request))

    @activity.defn(name=wire.WATCH_CHECK)
    async def watch(self, request: CheckOrder) -> CheckReport:
        """Checks again every night until the findings change (L2); writes no history meanwhile.

        Raises:
            ApplicationError: NOT_YET, until the next night.
        """
        waited = time_waited()
        if waited < EVERY_NIGHT:
            raise not_yet("known findings: looked at again tonight", EVERY_NIGHT - waited)
        tonight = request.model_copy(update={"at": request.at + waited})
        async with heartbeating():
            found = CheckReport(id="", at=tonight.at, findings=await self._find(tonight))
            if found.digest == request.known:
                raise not_yet("; ".join(each.message for each in found.blocking), EVERY_NIGHT)
            return await self._keep(tonight, found.findings)

    async def _find(self, request: CheckOrder) -> tuple[Finding, ...]:
        context = request.context
        domain, customer = context.domain, context.parties.customer
        async with self._database.reading() as session:
            services = await inventory.services_of(session, customer, domain.key if domain else None)
            holder = await inventory.holder(session, domain.key) if domain else None
        return findings.consistency(
            context,
            request.lines,
            present=frozenset(service.offer for service in services),
            elsewhere=frozenset(service.offer for service in services if service.order != context.id),
            taken=holder not in {None, customer},
        ) + await self._look_at_zone(domain, request)

    async def _look_at_zone(self, domain: DomainName | None, request: CheckOrder) -> tuple[Finding, ...]:
        if domain is None:
            return ()
        first_line = {line.offer.feasibility: line.number for line in reversed(request.lines)}
        looks = (self._feasibility(domain, wants, line, request.at) for wants, line in first_line.items())
        seen: dict[str, Finding] = {}
        for finding in chain.from_iterable(await asyncio.gather(*looks)):
            seen.setdefault(f"{finding.code}|{finding.message}", finding)
        return tuple(seen.values())

    async def _feasibility(
        self, domain: DomainName, wants: Feasibility, line: int, at: datetime
    ) -> list[Finding]:
        host = wants.certificate_host
        observations = await self._checker.feasibility(
            domain,
            checked_at=at,
            spf_include=wants.spf_include,
            ca=wants.certificate_authority,
            certificate_host=host.replace("{domain}", domain.key) if host else None,
        )
        return [findings.from_observation(each, line) for each in observations]

    async def _keep(self, request: CheckOrder, found: tuple[Finding, ...]) -> CheckReport:
        report = CheckReport(id="", at=request.at, findings=found)
        async with self._database.session() as session:
            kept = await reports.save_check_report(session, wire.order_id(request.context.id), report)
        return report.model_copy(update={"id": kept})
