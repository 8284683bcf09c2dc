"""The name server of the demo and the tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.rcode
import pytest

from starter.dev.zones import ZoneServer

ZONE = """$TTL 300
@ SOA ns hostmaster 7 3600 600 86400 60
@ NS ns
ns A 127.0.0.1
a.b TXT "deep"
*.w TXT "wild"
x.w A 192.0.2.1
alias CNAME elsewhere.example.
sub NS ns.sub
ns.sub A 127.0.0.9
old DNAME new.example.
big TXT "{big}" "{big}" "{big}" "{big}" "{big}" "{big}"
""".format(big="y" * 250)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ZoneServer]:
    (tmp_path / "contoso.example.zone").write_text(ZONE)
    server = ZoneServer(tmp_path)
    await server.start()
    yield server
    await server.stop()


async def ask(
    server: ZoneServer, name: str, rrtype: str, *, edns: bool = True, tcp: bool = False
) -> dns.message.Message:
    query = dns.message.make_query(name, rrtype, use_edns=0 if edns else None, payload=1232, flags=0)
    exchange = dns.asyncquery.tcp if tcp else dns.asyncquery.udp
    return await exchange(query, server.address, timeout=2, port=server.port)


@pytest.mark.parametrize(
    ("name", "rrtype", "rcode", "answer"),
    [
        ("contoso.example", "SOA", "NOERROR", ["SOA"]),
        ("A.B.Contoso.Example", "TXT", "NOERROR", ["TXT"]),
        ("b.contoso.example", "TXT", "NOERROR", []),
        ("a.b.contoso.example", "A", "NOERROR", []),
        ("no.contoso.example", "A", "NXDOMAIN", []),
        ("y.w.contoso.example", "TXT", "NOERROR", ["TXT"]),
        ("y.w.contoso.example", "A", "NOERROR", []),
        ("x.w.contoso.example", "TXT", "NOERROR", []),
        ("y.x.w.contoso.example", "TXT", "NXDOMAIN", []),
        ("alias.contoso.example", "A", "NOERROR", ["CNAME"]),
        ("host.old.contoso.example", "A", "NOERROR", ["DNAME", "CNAME"]),
    ],
)
async def test_a_zone_is_answered_with_authority(
    server: ZoneServer, name: str, rrtype: str, rcode: str, answer: list[str]
) -> None:
    response = await ask(server, name, rrtype)
    assert dns.rcode.to_text(response.rcode()) == rcode
    assert [rrset.rdtype.name for rrset in response.answer] == answer
    assert response.flags & dns.flags.AA
    negative = [] if answer else [("contoso.example.", "SOA", 60)]
    assert [(r.name.to_text(), r.rdtype.name, r.ttl) for r in response.authority] == negative


async def test_a_zone_cut_is_a_referral_with_glue_and_without_authority(server: ZoneServer) -> None:
    response = await ask(server, "deep.sub.contoso.example", "A")
    assert not response.flags & dns.flags.AA
    assert [rrset.to_text() for rrset in response.authority] == [
        "sub.contoso.example. 300 IN NS ns.sub.contoso.example."
    ]
    assert [rrset.to_text() for rrset in response.additional] == [
        "ns.sub.contoso.example. 300 IN A 127.0.0.9"
    ]


async def test_a_foreign_name_is_refused(server: ZoneServer) -> None:
    assert (await ask(server, "example.net", "A")).rcode() == dns.rcode.REFUSED


@pytest.mark.parametrize("edns", [True, False])
async def test_what_does_not_fit_is_cut_over_udp_and_whole_over_tcp(server: ZoneServer, edns: bool) -> None:
    assert (await ask(server, "big.contoso.example", "TXT", edns=edns)).flags & dns.flags.TC
    whole = await ask(server, "big.contoso.example", "TXT", edns=edns, tcp=True)
    assert not whole.flags & dns.flags.TC
    assert len(whole.answer[0][0].strings) == 6


async def test_editing_the_file_makes_a_record_appear_and_removing_it_ends_the_zone(
    server: ZoneServer, tmp_path: Path
) -> None:
    path = tmp_path / "contoso.example.zone"
    path.write_text(ZONE + 'new TXT "here"\n')
    assert (await ask(server, "new.contoso.example", "TXT")).answer
    (tmp_path / "other.example.zone").write_text(ZONE)
    assert (await ask(server, "other.example", "SOA")).answer
    path.unlink()
    assert (await ask(server, "new.contoso.example", "TXT")).rcode() == dns.rcode.REFUSED


async def test_a_file_that_is_wrong_for_a_moment_leaves_the_zone_as_it_was(
    server: ZoneServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "contoso.example.zone").write_text(ZONE + "oops\n")
    for _ in range(3):
        assert (await ask(server, "contoso.example", "SOA")).answer
    assert [
        record.message.startswith("zone file contoso.example.zone is wrong") for record in caplog.records
    ] == [True]


async def test_a_wrong_file_is_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "contoso.example.zone").write_text("nonsense")
    with pytest.raises(dns.exception.DNSException):
        await ZoneServer(tmp_path).start()


async def test_a_taken_port_is_an_error_and_another_address_may_share_it(
    server: ZoneServer, tmp_path: Path
) -> None:
    with pytest.raises(OSError, match="in use"):
        await ZoneServer(tmp_path, port=server.port).start()
    neighbour = ZoneServer(tmp_path, "127.0.0.77", server.port)
    await neighbour.start()
    assert (await ask(neighbour, "contoso.example", "SOA")).answer
    await neighbour.stop()
