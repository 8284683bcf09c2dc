"""One question to one server: UDP with 0x20, TCP where UDP fails, and a pace every server can bear."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import secrets
from dataclasses import dataclass
from typing import TypeAlias

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rdatatype

from activities.dns.settings import DnsSettings

UDP_PAYLOAD = 1232
"""EDNS buffer size that avoids fragments (DNS flag day 2020)."""

UDP_TRIES = 2

_UNREACHABLE = frozenset(
    {
        errno.ECONNREFUSED,
        errno.ECONNRESET,
        errno.EPIPE,
        errno.ENETUNREACH,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.EADDRNOTAVAIL,
        errno.EAFNOSUPPORT,
        errno.ETIMEDOUT,
    }
)
"""Errors that say something about the way to a server; any other is a fault of this host and is raised."""

Query: TypeAlias = dns.message.QueryMessage

_TRANSLATED = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("2002::/16"))
"""NAT64 and 6to4: IPv6 addresses behind which any IPv4 address may hide, a private one, too."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: no message means that nothing usable did, for whatever reason."""

    message: dns.message.Message | None
    transport: str
    rtt_ms: int


class Exchange:
    """Puts questions to servers by address."""

    def __init__(self, settings: DnsSettings) -> None:
        self._settings = settings
        self._free_at: dict[str, float] = {}

    def may_ask(self, address: str) -> bool:
        """Tell whether an address found in DNS may be asked at all (provisioning.md e.4.2)."""
        return self._settings.allow_private or _is_public(address)

    async def ask(
        self,
        address: str,
        name: dns.name.Name,
        rrtype: dns.rdatatype.RdataType,
        *,
        port: int | None = None,
        flags: int = 0,
    ) -> Reply:
        """Ask one server, over UDP twice and then over TCP.

        Args:
            address: The server's IP address.
            name: The name asked about; it travels in random letter case (draft-vixie-dnsext-dns0x20).
            rrtype: The type asked for.
            port: Another port than that of the settings.
            flags: Header flags, such as RD for a resolver.

        Raises:
            OSError: This host has a problem, such as no free file descriptor.
        """
        await self._pace(address)
        where = (address, port or self._settings.port)
        start = asyncio.get_running_loop().time()
        plain = _query(name, rrtype, flags)
        mixed = _query(_mixed_case(name), rrtype, flags)
        message, transport = await self._over_udp(where, mixed), "udp"
        if message is not None and not _same_case(mixed, message):
            message = await self._over_udp(where, plain)
        if message is None or message.flags & dns.flags.TC:
            message, transport = await self._over_tcp(where, plain), "tcp"
        elapsed = asyncio.get_running_loop().time() - start
        return Reply(message, transport, round(elapsed * 1000))

    async def _over_udp(self, where: tuple[str, int], query: Query) -> dns.message.Message | None:
        timeout = self._settings.udp_timeout
        for _ in range(UDP_TRIES):
            try:
                return await dns.asyncquery.udp(
                    query, where[0], timeout, where[1], ignore_unexpected=True, ignore_errors=True
                )
            except (OSError, dns.exception.DNSException) as error:
                _raise_own_fault(error)
        return None

    async def _over_tcp(self, where: tuple[str, int], query: Query) -> dns.message.Message | None:
        try:
            return await dns.asyncquery.tcp(query, where[0], self._settings.tcp_timeout, where[1])
        except (OSError, EOFError, dns.exception.DNSException) as error:
            _raise_own_fault(error)
        return None

    async def _pace(self, address: str) -> None:
        """Wait for this server's turn; loopback and private servers are ours and need no mercy."""
        if not _is_public(address):
            return
        now = asyncio.get_running_loop().time()
        self._free_at = {known: at for known, at in self._free_at.items() if at > now}
        turn = self._free_at.get(address, now)
        self._free_at[address] = turn + 1 / self._settings.queries_per_second
        await asyncio.sleep(turn - now)


def _raise_own_fault(error: Exception) -> None:
    if isinstance(error, OSError) and error.errno is not None and error.errno not in _UNREACHABLE:
        raise error


def _query(name: dns.name.Name, rrtype: dns.rdatatype.RdataType, flags: int) -> Query:
    return dns.message.make_query(
        name, rrtype, use_edns=0, want_dnssec=True, payload=UDP_PAYLOAD, flags=dns.flags.Flag(flags)
    )


def _mixed_case(name: dns.name.Name) -> dns.name.Name:
    bits = iter(f"{secrets.randbits(256):0256b}")
    return dns.name.Name(
        bytes(_flip(octet) if next(bits) == "1" else octet for octet in label) for label in name.labels
    )


def _flip(octet: int) -> int:
    return octet ^ 0x20 if chr(octet).isascii() and chr(octet).isalpha() else octet


def _same_case(query: Query, message: dns.message.Message) -> bool:
    return [q.name.labels for q in query.question] == [q.name.labels for q in message.question]


def _is_public(address: str) -> bool:
    parsed = ipaddress.ip_address(address)
    translated = any(parsed in network for network in _TRANSLATED)
    return parsed.is_global and not parsed.is_multicast and not translated
