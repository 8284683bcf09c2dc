"""A small world of name servers on loopback: root, `test`, the customer's zone and the provider's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import dns.flags
import dns.message
import dns.name
import dns.rcode

from activities.dns.checker import Checker
from activities.dns.settings import DnsSettings
from domain.dns.names import DomainName, parse_domain
from domain.dns.requirements import Requirement, Rule, Severity
from domain.dns.verdicts import Report, RequirementResult
from starter.dev.zones import ZoneServer

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
ROOT, TLD, PROVIDER, RESOLVERS = "127.0.0.1", "127.0.0.2", "127.0.0.20", ("127.0.0.31", "127.0.0.32")
CUSTOMER = ("127.0.0.11", "127.0.0.12", "127.0.0.13", "127.0.0.14")

Fault = Callable[["FaultyServer", dns.message.Message, bool], Awaitable[bytes | None]]


class FaultyServer(ZoneServer):
    """A name server that misbehaves on demand and counts what it is asked."""

    fault: Fault | None = None

    def __init__(self, folder: Path, host: str, port: int) -> None:
        super().__init__(folder, host, port)
        self.asked: list[tuple[str, bool]] = []

    async def respond(self, query: dns.message.Message, *, tcp: bool) -> bytes | None:
        question = query.question[0]
        self.asked.append((f"{question.name.to_text().lower()} {question.rdtype.name}", tcp))
        if self.fault is not None:
            return await self.fault(self, query, tcp)
        return await super().respond(query, tcp=tcp)

    async def honest(self, query: dns.message.Message, tcp: bool) -> bytes | None:
        return await super().respond(query, tcp=tcp)


def failing(rcode: dns.rcode.Rcode) -> Fault:
    async def fault(_server: FaultyServer, query: dns.message.Message, _tcp: bool) -> bytes:
        response = dns.message.make_response(query)
        response.set_rcode(rcode)
        return response.to_wire()

    return fault


async def silent(_server: FaultyServer, _query: dns.message.Message, _tcp: bool) -> None:
    return None


async def lame(_server: FaultyServer, query: dns.message.Message, _tcp: bool) -> bytes:
    return dns.message.make_response(query).to_wire()


async def udp_lost(server: FaultyServer, query: dns.message.Message, tcp: bool) -> bytes | None:
    return await server.honest(query, tcp) if tcp else None


async def truncating(server: FaultyServer, query: dns.message.Message, tcp: bool) -> bytes | None:
    if tcp:
        return await server.honest(query, tcp)
    response = dns.message.make_response(query)
    response.flags |= dns.flags.TC
    return response.to_wire()


async def wrong_id(server: FaultyServer, query: dns.message.Message, tcp: bool) -> bytes | None:
    wire = await server.honest(query, tcp)
    return bytes([wire[0] ^ 0xFF]) + wire[1:] if wire else None


async def lowering_case(server: FaultyServer, query: dns.message.Message, tcp: bool) -> bytes | None:
    response = server.answer(query)
    for question in response.question:
        question.name = question.name.canonicalize()
    return response.to_wire()


async def garbage(_server: FaultyServer, query: dns.message.Message, _tcp: bool) -> bytes:
    return query.id.to_bytes(2) + b"\x84\x00\xff\xff"


class World:
    """Name servers at loopback addresses that share a port, one folder each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.servers: dict[str, FaultyServer] = {}
        self.port = 0

    async def serve(self, address: str, **zones: str) -> FaultyServer:
        """Start a server, or give one that runs more zones; an underscore stands for a dot."""
        folder = self.folder / address
        folder.mkdir(exist_ok=True)
        for origin, text in zones.items():
            (folder / f"{origin.replace('_', '.')}.zone").write_text(text)
        if address not in self.servers:
            server = FaultyServer(folder, address, self.port)
            await server.start()
            self.port = server.port
            self.servers[address] = server
        return self.servers[address]

    async def publish(self, *lines: str, serial: int = 1, servers: tuple[str, ...] = CUSTOMER) -> None:
        """Put a version of contoso.test on some of its servers."""
        for address in servers:
            await self.serve(address, contoso_test=customer_zone(*lines, serial=serial))

    async def close(self) -> None:
        for server in self.servers.values():
            await server.stop()

    def settings(self, **changes: object) -> DnsSettings:
        usual = {
            "roots": (ROOT,),
            "anchors": (),
            "port": self.port,
            "allow_private": True,
            "udp_timeout": 0.15,
            "tcp_timeout": 0.3,
            "name_timeout": 3,
            "check_timeout": 8,
        }
        return DnsSettings.model_validate(usual | changes)

    def checker(self, **changes: object) -> Checker:
        return Checker(self.settings(**changes), clock=lambda: NOW)

    def fail(self, fault: Fault, *addresses: str) -> None:
        for address in addresses:
            self.servers[address].fault = fault

    async def check(
        self, *requirements: Requirement, domain: str = "contoso.test", **changes: object
    ) -> Report:
        checker = self.checker(**changes)
        return await checker.check(named(domain), requirements, checked_at=NOW)

    async def result(self, requirement: Requirement, **changes: object) -> RequirementResult:
        return (await self.check(requirement, **changes)).results[0]


def named(text: str) -> DomainName:
    return parse_domain(text, allow_special_use=True)


def customer_zone(*lines: str, serial: int = 1) -> str:
    servers = [f"@ NS ns{n}\nns{n} A {address}" for n, address in enumerate(CUSTOMER, 1)]
    return "\n".join(["$TTL 300", f"@ SOA ns1 hostmaster {serial} 3600 600 86400 60", *servers, *lines, ""])


def delegation(name: str, **servers: str) -> str:
    return "".join(f"{name} NS {ns}.{name}\n{ns}.{name} A {address}\n" for ns, address in servers.items())


def small_zone(*lines: str, address: str) -> str:
    head = ["$TTL 300", "@ SOA ns hostmaster 1 3600 600 86400 60", "@ NS ns", f"ns A {address}"]
    return "\n".join([*head, *lines, ""])


def required(rule: Rule, owner: str, expected: str = "", rrtype: str = "TXT") -> Requirement:
    return Requirement(
        id="it",
        purpose="it",
        owner=owner,
        rule=rule,
        rrtype=rrtype,
        severity=Severity.REQUIRED,
        expected=expected,
    )


TOKEN = "token=abcdefghijklmnopqrstuvwxyz234567 expiry=never"
OWNERSHIP = required(Rule.TXT_TOKEN, "_countersign-challenge.contoso.test", TOKEN)
TOKEN_LINE = f'_countersign-challenge TXT "{TOKEN}"'


async def build(folder: Path) -> World:
    """Start root, `test`, the customer's four servers and the provider's."""
    world = World(folder)
    customers = {f"ns{n}": address for n, address in enumerate(CUSTOMER, 1)}
    await world.serve(ROOT, root=small_zone(delegation("test.", a=TLD), address=ROOT))
    delegations = delegation("contoso", **customers) + delegation("gate", ns=PROVIDER)
    await world.serve(TLD, test=small_zone(delegations, address=TLD))
    hosts = ("mx A 192.0.2.1", 'spf TXT "v=spf1 ip4:192.0.2.0/24 -all"')
    await world.serve(PROVIDER, gate_test=small_zone(*hosts, address=PROVIDER))
    await world.publish()
    return world


def hint_codes(result: RequirementResult) -> set[str]:
    return {hint.code for hint in result.hints}
