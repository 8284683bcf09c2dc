"""The way to a server: its pace, its faults and this host's own."""

from __future__ import annotations

import asyncio
import errno
from typing import Any

import dns.asyncquery
import dns.message
import dns.name
import pytest
from dns.rdatatype import TXT

from activities.dns.exchange import Exchange
from activities.dns.settings import DnsSettings
from domain.dns.verdicts import Verdict
from tests.activities.dns.world import OWNERSHIP, World

NAME = dns.name.from_text("contoso.ch")


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float]]:
    """Every datagram is answered at once, whoever it is for; returns to whom and when."""
    sent: list[tuple[str, float]] = []

    async def udp(query: dns.message.Message, where: str, *_: Any, **__: Any) -> dns.message.Message:
        sent.append((where, asyncio.get_running_loop().time()))
        return dns.message.make_response(query)

    monkeypatch.setattr(dns.asyncquery, "udp", udp)
    return sent


async def test_a_public_server_gets_no_more_than_its_share_of_questions(
    answered: list[tuple[str, float]],
) -> None:
    exchange = Exchange(DnsSettings(queries_per_second=50))
    servers = ("8.8.8.8", "9.9.9.9")
    await asyncio.gather(*(exchange.ask(server, NAME, TXT) for server in servers for _ in range(6)))
    for server in servers:
        times = [at for where, at in answered if where == server]
        assert len(times) == 6
        assert times[-1] - times[0] >= 0.095


async def test_our_own_servers_are_asked_without_delay(answered: list[tuple[str, float]]) -> None:
    exchange = Exchange(DnsSettings(queries_per_second=0.001))
    for _ in range(3):
        await exchange.ask("127.0.0.1", NAME, TXT)
    assert len(answered) == 3


async def test_names_travel_in_random_case(monkeypatch: pytest.MonkeyPatch) -> None:
    spellings = set()

    async def udp(query: dns.message.Message, *_: Any, **__: Any) -> dns.message.Message:
        spellings.add(query.question[0].name.labels)
        assert query.question[0].name == NAME
        assert (query.flags, query.edns, query.payload, bool(query.ednsflags & dns.flags.DO)) == (
            0,
            0,
            1232,
            True,
        )
        return dns.message.make_response(query)

    monkeypatch.setattr(dns.asyncquery, "udp", udp)
    for _ in range(20):
        await Exchange(DnsSettings()).ask("127.0.0.1", NAME, TXT)
    assert len(spellings) > 5


async def test_a_spelling_that_comes_back_changed_is_asked_again_plainly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spellings: list[dns.name.Name] = []

    async def udp(query: dns.message.Message, *_: Any, **__: Any) -> dns.message.Message:
        response = dns.message.from_wire(dns.message.make_response(query).to_wire())
        spellings.append(query.question[0].name)
        response.question[0].name = query.question[0].name.canonicalize()
        return response

    monkeypatch.setattr(dns.asyncquery, "udp", udp)
    long = dns.name.from_text("a-name-of-many-letters.contoso.ch")
    reply = await Exchange(DnsSettings()).ask("127.0.0.1", long, TXT)
    assert reply.message is not None
    assert [name.labels == long.labels for name in spellings] == [False, True]


class Spoofed(asyncio.DatagramProtocol):
    """Forged packets arrive before the genuine one."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.queries = 0

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.queries += 1
        query = dns.message.from_wire(data)
        genuine = dns.message.make_response(query)
        forged = dns.message.make_response(query)
        forged.id ^= 1
        for packet in (b"", b"junk", forged.to_wire(), genuine.to_wire()):
            self.transport.sendto(packet, addr)


async def test_forged_packets_are_passed_over_for_the_genuine_one() -> None:
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(Spoofed, local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    reply = await Exchange(DnsSettings(port=port)).ask("127.0.0.1", NAME, TXT)
    transport.close()
    assert (reply.message is not None, reply.transport, server.queries) == (True, "udp", 1)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2001:4860:4860::8888", True),
        ("127.0.0.1", False),
        ("10.0.0.1", False),
        ("169.254.1.1", False),
        ("224.0.0.251", False),
        ("0.0.0.0", False),
        ("::1", False),
        ("fe80::1", False),
        ("fd00::1", False),
        ("::ffff:127.0.0.1", False),
        ("ff0e::1", False),
        ("100.64.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
    ],
)
def test_only_public_addresses_may_be_asked(address: str, public: bool) -> None:
    assert Exchange(DnsSettings()).may_ask(address) is public
    assert Exchange(DnsSettings(allow_private=True)).may_ask(address)


async def test_a_network_without_a_way_there_is_a_result(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unreachable(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENETUNREACH, "no way")

    monkeypatch.setattr(dns.asyncquery, "udp", unreachable)
    monkeypatch.setattr(dns.asyncquery, "tcp", unreachable)
    assert (await world.result(OWNERSHIP)).verdict is Verdict.UNKNOWN


async def test_a_fault_of_this_host_is_raised(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def exhausted(*_: Any, **__: Any) -> None:
        raise OSError(errno.EMFILE, "too many open files")

    monkeypatch.setattr(dns.asyncquery, "udp", exhausted)
    with pytest.raises(OSError, match="too many open files"):
        await world.check(OWNERSHIP)
