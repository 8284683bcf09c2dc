"""Look-ups for one check: all servers of a zone, aliases followed, evidence kept (provisioning.md e.4)."""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import dns.exception
import dns.message
import dns.name
import dns.rdatatype
import dns.rrset
from dns.rdatatype import SOA, RdataType

from activities.dns.classify import classify, soa_of, values
from activities.dns.delegation import Delegations, Server, Zone, text
from activities.dns.dnssec import Validation, Validator
from activities.dns.exchange import Exchange, Reply
from activities.dns.perspectives import Perspectives
from activities.dns.settings import DnsSettings
from domain.dns.evidence import Agreement, Answer, Ending, Hop, Lookup, Outcome, Question, Security, agree

MAX_ALIASES = 8
"""Aliases followed (provisioning.md e.4.6)."""


class _Said(NamedTuple):
    """What one server said."""

    server: Server
    reply: Reply


class _Step(NamedTuple):
    """One name of a chain: the evidence, what it comes to, and what else is known from asking."""

    hop: Hop
    agreement: Agreement
    validation: Validation
    negative_ttl: int | None
    zone: Zone


class Resolver:
    """Answers the questions of one check; the same question is put to the network once."""

    def __init__(
        self,
        settings: DnsSettings,
        exchange: Exchange,
        delegations: Delegations,
        validator: Validator,
        perspectives: Perspectives,
    ) -> None:
        self._settings = settings
        self._exchange = exchange
        self._delegations = delegations
        self._validator = validator
        self._perspectives = perspectives
        self._lookups: dict[Question, asyncio.Task[Lookup]] = {}
        self._probes: dict[tuple[dns.name.Name, RdataType], asyncio.Task[list[_Said]]] = {}
        self._deadline = asyncio.get_running_loop().time() + settings.check_timeout

    async def look_up(self, question: Question) -> Lookup:
        """Return everything that can be learnt about a name and type within the time for it.

        A name that cannot be one, as zones of strangers may hold, does not exist.

        Raises:
            OSError: This host has a problem; those of other hosts are part of the answer.
        """
        if not _is_name(question.name):
            return Lookup(name=question.name, rrtype=question.rrtype, hops=(), end=Ending.NO_NAME)
        if question not in self._lookups:
            learn = self._perspectives.look_up if question.public else self._look_up
            self._lookups[question] = asyncio.ensure_future(self._in_time(question, learn))
        return await asyncio.shield(self._lookups[question])

    async def close(self) -> None:
        """Drop what is still under way."""
        tasks = [*self._lookups.values(), *self._probes.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _in_time(
        self, question: Question, learn: Callable[[Question, list[Hop]], Awaitable[Lookup]]
    ) -> Lookup:
        hops: list[Hop] = []
        now = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at(min(now + self._settings.name_timeout, self._deadline)):
                return await learn(question, hops)
        except TimeoutError:
            return Lookup(
                name=question.name, rrtype=question.rrtype, hops=tuple(hops), end=Ending.UNREACHABLE
            )

    async def _look_up(self, question: Question, hops: list[Hop]) -> Lookup:
        """Follow the chain of aliases; `hops` is filled on the way, so that a time-out leaves evidence."""
        rrtype = dns.rdatatype.from_text(question.rrtype)
        step = await self._step(dns.name.from_text(question.name), rrtype)
        validations = [step.validation]
        hops.append(step.hop)
        end = step.agreement.end
        while end is Ending.ALIAS:
            target = step.agreement.target
            if target in {hop.name for hop in hops}:
                end = Ending.LOOP
            elif len(hops) > MAX_ALIASES:
                end = Ending.TOO_LONG
            else:
                step = await self._step(dns.name.from_text(target), rrtype)
                validations.append(step.validation)
                hops.append(step.hop)
                end = step.agreement.end
        return Lookup(
            name=question.name,
            rrtype=question.rrtype,
            hops=tuple(hops),
            end=end,
            records=step.agreement.records,
            security=_weakest(validations),
            wildcard=len(hops) == 1 and await self._is_wildcard(step, rrtype),
            negative_ttl=step.negative_ttl,
            signature_expires=min((v.expires for v in validations if v.expires), default=None),
        )

    async def _step(self, name: dns.name.Name, rrtype: RdataType) -> _Step:
        zone, said = await self._ask_zone(name, rrtype)
        apex = {each.server: soa_of(each.reply.message) for each in await self._ask_soa(zone)}
        answers = tuple(
            classify(each.server, each.reply, name, rrtype, _serial(apex.get(each.server))) for each in said
        ) + tuple(_forbidden(server) for server in zone.forbidden)
        soas = [rrset for rrset in apex.values() if rrset is not None]
        agreement = agree(answers, len(soas))
        return _Step(
            hop=Hop(name=text(name), zone=text(zone.name), answers=answers),
            agreement=agreement,
            validation=await self._validate(zone, name, rrtype, agreement, said),
            negative_ttl=max((min(soa.ttl, soa[0].minimum) for soa in soas), default=None),
            zone=zone,
        )

    async def _ask_zone(self, name: dns.name.Name, rrtype: RdataType) -> tuple[Zone, list[_Said]]:
        """Ask all servers of the name's zone, and those of a zone below when they refer there."""
        zone = await self._delegations.zone_of(name)
        while True:
            said, _ = await asyncio.gather(self._ask_all(zone, name, rrtype), self._ask_soa(zone))
            messages = [each.reply.message for each in said if each.reply.message is not None]
            lower = [z for m in messages if (z := await self._delegations.descend(zone, name, m)) is not None]
            if not lower:
                return zone, said
            zone = lower[0]

    async def _ask_all(self, zone: Zone, name: dns.name.Name, rrtype: RdataType) -> list[_Said]:
        replies = await asyncio.gather(
            *(self._exchange.ask(server.address, name, rrtype) for server in zone.servers)
        )
        return [_Said(server, reply) for server, reply in zip(zone.servers, replies, strict=True)]

    async def _ask_soa(self, zone: Zone) -> list[_Said]:
        """Ask for the zone's SOA: serials, the negative TTL, and which servers can be reached at all."""
        return await self._probe(zone, zone.name, SOA)

    async def _probe(self, zone: Zone, name: dns.name.Name, rrtype: RdataType) -> list[_Said]:
        key = (zone.name, rrtype)
        if key not in self._probes:
            self._probes[key] = asyncio.ensure_future(self._ask_all(zone, name, rrtype))
        return await asyncio.shield(self._probes[key])

    async def _validate(
        self,
        zone: Zone,
        name: dns.name.Name,
        rrtype: RdataType,
        agreement: Agreement,
        said: list[_Said],
    ) -> Validation:
        if agreement.end not in {Ending.RECORDS, Ending.ALIAS, Ending.NO_DATA, Ending.NO_NAME}:
            return Validation(Security.INDETERMINATE)
        messages = [each.reply.message for each in said if each.reply.message is not None]
        owner, kind = _signed_as(name, rrtype, messages)
        return await self._validator.validate(zone, owner, kind, messages)

    async def _is_wildcard(self, step: _Step, rrtype: RdataType) -> bool:
        """Ask for a random name once per zone and type; the same records mean they may be synthesised."""
        if step.agreement.end is not Ending.RECORDS or step.hop.name == step.hop.zone:
            return False
        label = base64.b32encode(secrets.token_bytes(15))[:20].lower()
        try:
            random = dns.name.Name((label, *step.zone.name.labels))
        except dns.name.NameTooLong:
            return False
        said = await self._probe(step.zone, random, rrtype)
        synthesised = {values(rrset) for each in said for rrset in _answers(each.reply.message, rrtype)}
        return step.agreement.records in synthesised


def _is_name(text: str) -> bool:
    try:
        dns.name.from_text(text)
    except dns.exception.DNSException:
        return False
    return True


def _answers(message: dns.message.Message | None, rrtype: RdataType) -> list[dns.rrset.RRset]:
    return [rrset for rrset in message.answer if rrset.rdtype == rrtype] if message else []


def _signed_as(
    name: dns.name.Name, rrtype: RdataType, messages: list[dns.message.Message]
) -> tuple[dns.name.Name, RdataType]:
    """Return which record set of the answer carries the signature: the one asked for, or the alias."""
    types = {(rrset.name, rrset.rdtype) for message in messages for rrset in message.answer}
    if (name, rrtype) in types:
        return name, rrtype
    dname = next((owner for owner, kind in types if kind == dns.rdatatype.DNAME), None)
    return (dname, dns.rdatatype.DNAME) if dname else (name, dns.rdatatype.CNAME)


def _serial(soa: dns.rrset.RRset | None) -> int | None:
    return soa[0].serial if soa is not None else None


def _forbidden(server: Server) -> Answer:
    return Answer(server=server.name, address=server.address, outcome=Outcome.FORBIDDEN)


def _weakest(validations: list[Validation]) -> Security:
    order = (Security.BOGUS, Security.INDETERMINATE, Security.INSECURE, Security.SECURE)
    return min((validation.security for validation in validations), key=order.index)
