"""Which zone a name is in and which servers it is delegated to, found by walking down from the roots."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from dns.rdatatype import AAAA, CNAME, DNAME, NS, SOA, A, RdataType

from activities.dns.exchange import Exchange
from activities.dns.settings import DnsSettings

MAX_SERVERS = 8
MAX_ADDRESSES = 2
"""How much of a delegation is asked (provisioning.md e.4.2)."""

_AT_ONCE = 3
_MAX_DEPTH = 6


@dataclass(frozen=True, slots=True)
class Server:
    """One address of a name server."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone and its servers; `forbidden` ones have addresses that may not be asked."""

    name: dns.name.Name
    servers: tuple[Server, ...]
    forbidden: tuple[Server, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """The first useful reply and who gave it."""

    server: Server
    message: dns.message.Message


class Delegations:
    """Finds zones and remembers them for a few minutes; that something is absent it never remembers."""

    def __init__(self, settings: DnsSettings, exchange: Exchange) -> None:
        self._exchange = exchange
        self._lifetime = settings.delegation_cache
        self._root = Zone(dns.name.root, tuple(Server(address, address) for address in settings.roots))
        self._known: dict[dns.name.Name, tuple[float, Zone]] = {}

    async def zone_of(self, name: dns.name.Name, depth: int = 0) -> Zone:
        """Return the zone a name is in, as far as the walk needs to go.

        Below a top-level domain it stops at the first delegation: further cuts show up as referrals when
        the zone's own servers are asked, and are followed there (`descend`).

        Args:
            name: The name looked for.
            depth: How many server names are being resolved already; bounds circular delegations.
        """
        zone = self._nearest(name)
        while zone.name != name and len(zone.name.labels) <= 2:
            found = await self.first_useful(zone, name, NS)
            lower = await self._lower(zone, name, found, depth) if found else None
            if lower is None or lower.name == zone.name:
                break
            zone = lower
        return zone

    async def descend(self, zone: Zone, name: dns.name.Name, message: dns.message.Message) -> Zone | None:
        """Return the zone a server refers to, if its message is a referral to a zone nearer to the name."""
        cut = referral(zone, name, message)
        return await self._delegated(zone, cut, message, 0) if cut else None

    async def first_useful(
        self,
        zone: Zone,
        name: dns.name.Name,
        rrtype: RdataType,
        accept: Callable[[dns.message.Message], bool] = lambda _: True,
    ) -> Found | None:
        """Ask some servers at a time and return the first authoritative answer or referral accepted."""
        for start in range(0, len(zone.servers), _AT_ONCE):
            some = zone.servers[start : start + _AT_ONCE]
            tasks = [
                asyncio.ensure_future(self._useful(zone, server, name, rrtype, accept)) for server in some
            ]
            try:
                for task in asyncio.as_completed(tasks):
                    found = await task
                    if found is not None:
                        return found
            finally:
                for left in tasks:
                    left.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        return None

    async def _useful(
        self,
        zone: Zone,
        server: Server,
        name: dns.name.Name,
        rrtype: RdataType,
        accept: Callable[[dns.message.Message], bool],
    ) -> Found | None:
        message = (await self._exchange.ask(server.address, name, rrtype)).message
        if message is None or message.rcode() not in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}:
            return None
        useful = message.flags & dns.flags.AA or referral(zone, name, message)
        return Found(server, message) if useful and accept(message) else None

    async def _lower(self, zone: Zone, name: dns.name.Name, found: Found, depth: int) -> Zone | None:
        cut = referral(zone, name, found.message)
        if cut is not None:
            return await self._delegated(zone, cut, found.message, depth)
        if any(rrset.rdtype in {CNAME, DNAME} for rrset in found.message.answer):
            return await self.zone_of(name.parent(), depth)
        apex = _apex(name, found.message)
        return await self._hosted(apex, found.server, depth) if apex and apex != zone.name else None

    async def _delegated(
        self, parent: Zone, cut: dns.rrset.RRset, message: dns.message.Message, depth: int
    ) -> Zone:
        """Build a zone from a referral; glue counts only for names the referring zone is in charge of."""

        async def addresses(target: dns.name.Name) -> list[str]:
            glue = [r for r in message.additional if r.name == target and r.rdtype in {A, AAAA}]
            if glue and target.is_subdomain(parent.name):
                return [rdata.address for rrset in glue for rdata in rrset]
            if target.is_subdomain(cut.name):
                return []
            return await self._addresses(target, depth + 1)

        targets = sorted(rdata.target for rdata in cut)[:MAX_SERVERS]
        return self._remember(cut, targets, await asyncio.gather(*map(addresses, targets)))

    async def _hosted(self, apex: dns.name.Name, source: Server, depth: int) -> Zone | None:
        """Build a zone that a server answers for although it was asked as a server of a zone above."""
        reply = await self._exchange.ask(source.address, apex, NS)
        cut = _rrset(reply.message, apex, NS)
        if cut is None:
            return None

        async def addresses(target: dns.name.Name) -> list[str]:
            if not target.is_subdomain(apex):
                return await self._addresses(target, depth + 1)
            return await self._ask_addresses((source,), target)

        targets = sorted(rdata.target for rdata in cut)[:MAX_SERVERS]
        return self._remember(cut, targets, await asyncio.gather(*map(addresses, targets)))

    async def _addresses(self, target: dns.name.Name, depth: int) -> list[str]:
        if depth > _MAX_DEPTH:
            return []
        zone = await self.zone_of(target, depth)
        return await self._ask_addresses(zone.servers, target)

    async def _ask_addresses(self, servers: tuple[Server, ...], target: dns.name.Name) -> list[str]:
        zone = Zone(dns.name.root, servers)
        found = await asyncio.gather(*(self.first_useful(zone, target, rrtype) for rrtype in (A, AAAA)))
        rrsets = [
            _rrset(each.message, target, rrtype)
            for each, rrtype in zip(found, (A, AAAA), strict=True)
            if each
        ]
        return [rdata.address for rrset in rrsets if rrset is not None for rdata in rrset]

    def _remember(
        self, cut: dns.rrset.RRset, targets: list[dns.name.Name], addresses: Iterable[list[str]]
    ) -> Zone:
        servers = [
            Server(text(target), address)
            for target, found in zip(targets, addresses, strict=True)
            for address in found[:MAX_ADDRESSES]
        ]
        zone = Zone(
            cut.name.canonicalize(),
            tuple(server for server in servers if self._exchange.may_ask(server.address)),
            tuple(server for server in servers if not self._exchange.may_ask(server.address)),
        )
        if zone.servers:
            now = asyncio.get_running_loop().time()
            self._known = {name: entry for name, entry in self._known.items() if entry[0] > now}
            self._known[zone.name] = (now + min(self._lifetime, cut.ttl), zone)
        return zone

    def _nearest(self, name: dns.name.Name) -> Zone:
        now = asyncio.get_running_loop().time()
        while name != dns.name.root:
            until, zone = self._known.get(name, (0.0, self._root))
            if until > now:
                return zone
            name = name.parent()
        return self._root


def referral(zone: Zone, name: dns.name.Name, message: dns.message.Message) -> dns.rrset.RRset | None:
    """Return the NS records of a referral to a zone below this one that holds the name."""
    if message.answer or any(rrset.rdtype == SOA for rrset in message.authority):
        return None
    for rrset in message.authority:
        below = rrset.name != zone.name and rrset.name.is_subdomain(zone.name)
        if rrset.rdtype == NS and below and name.is_subdomain(rrset.name):
            return rrset
    return None


def text(name: dns.name.Name) -> str:
    """Return a name as evidence shows it: lower case, without trailing dot."""
    return name.to_text(omit_final_dot=True).lower()


def _apex(name: dns.name.Name, message: dns.message.Message) -> dns.name.Name | None:
    if _rrset(message, name, NS) is not None:
        return name
    return next((rrset.name for rrset in message.authority if rrset.rdtype == SOA), None)


def _rrset(
    message: dns.message.Message | None, name: dns.name.Name, rrtype: RdataType
) -> dns.rrset.RRset | None:
    if message is None:
        return None
    return message.get_rrset(message.answer, name, dns.rdataclass.IN, rrtype)
