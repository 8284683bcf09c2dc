"""The DNS checker: runs the rules of `domain.dns` against the world and returns their report."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TypeVar, cast

from activities.dns.delegation import Delegations
from activities.dns.dnssec import Validator
from activities.dns.exchange import Exchange
from activities.dns.perspectives import Perspectives
from activities.dns.resolver import Resolver
from activities.dns.settings import DnsSettings
from domain.dns.asking import Steps
from domain.dns.evidence import Lookup, Question, Security
from domain.dns.feasibility import observe
from domain.dns.names import DomainName
from domain.dns.requirements import Requirement
from domain.dns.rules import judge
from domain.dns.verdicts import Observation, Report, RequirementResult

T = TypeVar("T")


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Checker:
    """Checks domains; one instance serves a whole process and remembers delegations for minutes.

    A server that does not answer is part of the result, never an exception.

    Args:
        settings: Limits and where to start.
        clock: What DNSSEC signatures are compared with. They follow the world's time, which the time of a
            process does not: it stands still while workers are down, and jumps in a rehearsal.
    """

    def __init__(self, settings: DnsSettings, clock: Callable[[], datetime] = _utc_now) -> None:
        self._settings = settings
        self._clock = clock
        self._exchange = Exchange(settings)
        self._delegations = Delegations(settings, self._exchange)

    async def check(
        self, domain: DomainName, requirements: Sequence[Requirement], *, checked_at: datetime
    ) -> Report:
        """Judge all requirements of a domain.

        Args:
            domain: The domain they belong to.
            requirements: What has to be set.
            checked_at: The instant the report carries.

        Raises:
            OSError: This host cannot ask, for example for want of file descriptors.
        """
        async with self._resolver() as resolver:
            apex = await resolver.look_up(Question(domain.key, "SOA"))
            results = await asyncio.gather(
                *(_drive(judge(requirement, domain), resolver) for requirement in requirements)
            )
            dnssec = await self._dnssec(resolver, apex, results)
        return Report(domain=domain.key, checked_at=checked_at, results=tuple(results), dnssec=dnssec)

    async def feasibility(
        self,
        domain: DomainName,
        *,
        checked_at: datetime,
        spf_include: str | None = None,
        ca: str | None = None,
        certificate_host: str | None = None,
    ) -> tuple[Observation, ...]:
        """Look at what may stand in the way of an order (provisioning.md e.9, 4 and 5).

        Args:
            domain: The domain ordered for.
            checked_at: The instant from which signatures should last some days more.
            spf_include: Host of our SPF record, if the offer asks to include it.
            ca: The CA that will issue, as CAA records name it.
            certificate_host: The name the certificate will be for; without it the domain.

        Raises:
            OSError: This host cannot ask.
        """
        steps = observe(
            domain,
            checked_at=checked_at,
            spf_include=spf_include,
            ca=ca,
            certificate_host=certificate_host,
        )
        async with self._resolver() as resolver:
            return await _drive(steps, resolver)

    @asynccontextmanager
    async def _resolver(self) -> AsyncIterator[Resolver]:
        validator = Validator(self._settings, self._delegations, self._clock())
        perspectives = Perspectives(self._settings, self._exchange)
        resolver = Resolver(self._settings, self._exchange, self._delegations, validator, perspectives)
        try:
            yield resolver
        finally:
            await resolver.close()
            await validator.close()

    async def _dnssec(
        self, resolver: Resolver, apex: Lookup, results: Sequence[RequirementResult]
    ) -> Security:
        """Return the zone's status: bogus as soon as any answer is; a resolver's word where we have none."""
        evidence = [lookup for result in results for lookup in result.evidence]
        if any(lookup.security is Security.BOGUS for lookup in [apex, *evidence]):
            return Security.BOGUS
        if apex.security is not Security.INDETERMINATE or not apex.records:
            return apex.security
        return (await resolver.look_up(Question(apex.name, apex.rrtype, public=True))).security


async def _drive(steps: Steps[T], resolver: Resolver) -> T:
    try:
        question = next(steps)
        while True:
            question = steps.send(await resolver.look_up(question))
    except StopIteration as end:
        return cast(T, end.value)
