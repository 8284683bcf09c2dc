"""An authoritative name server on loopback that serves master files from a folder.

The demo and the tests use it in the place of the world's DNS: editing `contoso.example.zone` is what
setting a record at a registrar is. Zones are RFC 1035 master files named `<origin>.zone`; the root zone is
`root.zone`. A file is read again as soon as it changes.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.node
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.zone

UDP_PAYLOAD = 1232
"""EDNS buffer size that avoids fragments (DNS flag day 2020)."""

_PLAIN_UDP = 512
_BIND_TRIES = 20
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A file as it was read; no zone if it has been wrong ever since it appeared."""

    stamp: tuple[int, int]
    zone: dns.zone.Zone | None


class ZoneServer:
    """Answers for the zones of one folder over UDP and TCP.

    Several servers can share a port on 127.0.0.1, 127.0.0.2 and so on, each with its own folder.

    Attributes:
        address: The address it listens on.
        port: The port; known after `start` if 0 was asked for.
    """

    def __init__(self, folder: Path, host: str = "127.0.0.1", port: int = 0) -> None:
        self.address = host
        self.port = port
        self._folder = folder
        self._zones: dict[Path, _Loaded] = {}
        self._tcp: asyncio.Server | None = None
        self._udp: asyncio.DatagramTransport | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Read the zones and listen.

        Raises:
            OSError: The port is taken, or the folder cannot be read.
            dns.exception.DNSException: A zone file is wrong.
        """
        self._zones = {path: _Loaded(_stamp(path), _load(path)) for path in self._files()}
        for left in reversed(range(_BIND_TRIES)):
            try:
                await self._listen()
            except OSError:
                await self.stop()
                if self.port or not left:
                    raise
            else:
                return

    async def _listen(self) -> None:
        self._tcp = await asyncio.start_server(self._serve_tcp, self.address, self.port)
        port: int = self._tcp.sockets[0].getsockname()[1]
        self._udp, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Datagrams(self), local_addr=(self.address, port)
        )
        self.port = port

    async def stop(self) -> None:
        """Close the sockets and drop what is under way."""
        if self._udp is not None:
            self._udp.close()
        if self._tcp is not None:
            self._tcp.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def spawn(self, transport: asyncio.DatagramTransport, wire: bytes, peer: tuple[str, int]) -> None:
        """Answer one datagram in a task of its own."""
        task = asyncio.ensure_future(self._serve_udp(transport, wire, peer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve_udp(
        self, transport: asyncio.DatagramTransport, wire: bytes, peer: tuple[str, int]
    ) -> None:
        reply = await self._handle(wire, tcp=False)
        if reply is not None:
            transport.sendto(reply, peer)

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while True:
                length = int.from_bytes(await reader.readexactly(2))
                reply = await self._handle(await reader.readexactly(length), tcp=True)
                if reply is None:
                    break
                writer.write(len(reply).to_bytes(2) + reply)
                await writer.drain()
        except (EOFError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _handle(self, wire: bytes, *, tcp: bool) -> bytes | None:
        try:
            query = dns.message.from_wire(wire)
        except dns.exception.DNSException:
            return None
        return await self.respond(query, tcp=tcp)

    async def respond(self, query: dns.message.Message, *, tcp: bool) -> bytes | None:
        """Return the packet that answers a query, or None to stay silent."""
        limit = 65_535 if tcp else max(_PLAIN_UDP, query.payload if query.edns >= 0 else 0)
        return self.answer(query).to_wire(max_size=limit, prefer_truncation=True)

    def answer(self, query: dns.message.Message) -> dns.message.Message:
        """Return the authoritative answer, a referral, or REFUSED for a name of no zone served here."""
        response = dns.message.make_response(query, our_payload=UDP_PAYLOAD)
        self._refresh()
        question = query.question[0]
        zone = self._zone_for(question.name, question.rdtype)
        if zone is None:
            response.set_rcode(dns.rcode.REFUSED)
        else:
            _Responder(zone, response, dnssec=bool(query.ednsflags & dns.flags.DO)).fill()
        return response

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("*.zone"))

    def _refresh(self) -> None:
        """Read changed files; a file that is wrong right now leaves its zone as it was."""
        files = self._files()
        for gone in self._zones.keys() - set(files):
            del self._zones[gone]
        for path in files:
            known = self._zones.get(path)
            stamp = _stamp(path)
            if known is None or known.stamp != stamp:
                self._zones[path] = _reload(path, stamp, known.zone if known else None)

    def _zone_for(self, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> dns.zone.Zone | None:
        zones = {
            loaded.zone.origin: loaded.zone for loaded in self._zones.values() if loaded.zone is not None
        }
        if rdtype == dns.rdatatype.DS and name in zones and name != dns.name.root:
            above = _enclosing(zones, name.parent())
            if above is not None:
                return above
        return _enclosing(zones, name)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: ZoneServer) -> None:
        self._server = server
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        assert self._transport is not None
        self._server.spawn(self._transport, data, addr)


def _stamp(path: Path) -> tuple[int, int]:
    """Return what tells versions of a file apart; all zero for one that is gone."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return 0, 0
    return status.st_mtime_ns, status.st_size


def _load(path: Path) -> dns.zone.Zone:
    origin = "." if path.stem == "root" else path.stem
    return dns.zone.from_file(str(path), origin=origin, relativize=False)


def _reload(path: Path, stamp: tuple[int, int], before: dns.zone.Zone | None) -> _Loaded:
    try:
        return _Loaded(stamp, _load(path))
    except (OSError, dns.exception.DNSException) as error:
        _log.warning("zone file %s is wrong, its last good version is served: %s", path.name, error)
        return _Loaded(stamp, before)


def _enclosing(zones: dict[dns.name.Name | None, dns.zone.Zone], name: dns.name.Name) -> dns.zone.Zone | None:
    while name not in zones:
        if name == dns.name.root:
            return None
        name = name.parent()
    return zones[name]


class _Responder:
    """Fills one response from one zone (RFC 1034 4.3.2, RFC 4592, RFC 6672)."""

    def __init__(self, zone: dns.zone.Zone, response: dns.message.Message, *, dnssec: bool) -> None:
        assert zone.origin is not None
        self._zone = zone
        self._origin = zone.origin
        self._response = response
        self._dnssec = dnssec
        self._name = response.question[0].name
        self._type = response.question[0].rdtype

    def fill(self) -> None:
        """Answer, refer or deny."""
        cut = self._ancestor_with(dns.rdatatype.NS)
        if cut is not None and not (cut == self._name and self._type == dns.rdatatype.DS):
            self._refer(cut)
            return
        self._response.flags |= dns.flags.AA
        renamed = self._ancestor_with(dns.rdatatype.DNAME)
        node = self._zone.get_node(self._name) or self._wildcard()
        if renamed is not None and renamed != self._name:
            self._rename(renamed)
        elif node is None:
            self._deny(exists=self._has_names_below())
        elif not any(
            self._add(self._response.answer, node, self._name, t) for t in (self._type, dns.rdatatype.CNAME)
        ):
            self._deny(exists=True)

    def _ancestor_with(self, rdtype: dns.rdatatype.RdataType) -> dns.name.Name | None:
        """Return the highest name below the origin, down to the question's, that has such a record."""
        depth = len(self._name) - len(self._origin)
        for left in reversed(range(depth)):
            name = dns.name.Name(self._name[left:])
            if self._zone.get_rdataset(name, rdtype) is not None:
                return name
        return None

    def _refer(self, cut: dns.name.Name) -> None:
        node = self._zone.get_node(cut)
        assert node is not None
        self._add(self._response.authority, node, cut, dns.rdatatype.NS)
        self._add(self._response.authority, node, cut, dns.rdatatype.DS)
        for server in self._response.authority[0]:
            glue = self._zone.get_node(server.target)
            if glue is not None:
                self._add(self._response.additional, glue, server.target, dns.rdatatype.A)
                self._add(self._response.additional, glue, server.target, dns.rdatatype.AAAA)

    def _rename(self, owner: dns.name.Name) -> None:
        node = self._zone.get_node(owner)
        assert node is not None
        self._add(self._response.answer, node, owner, dns.rdatatype.DNAME)
        dname = self._response.answer[0]
        target = self._name.relativize(owner).concatenate(dname[0].target)
        self._response.answer.append(
            dns.rrset.from_text(
                self._name, dname.ttl, dns.rdataclass.IN, dns.rdatatype.CNAME, target.to_text()
            )
        )

    def _wildcard(self) -> dns.node.Node | None:
        """Return the wildcard at the closest encloser, unless the name exists without records."""
        if self._has_names_below():
            return None
        encloser = self._name
        while encloser != self._origin and not any(n.is_subdomain(encloser) for n in self._zone):
            encloser = encloser.parent()
        return self._zone.get_node(dns.name.Name((b"*", *encloser.labels)))

    def _has_names_below(self) -> bool:
        return any(name.is_subdomain(self._name) for name in self._zone)

    def _deny(self, *, exists: bool) -> None:
        if not exists:
            self._response.set_rcode(dns.rcode.NXDOMAIN)
        apex = self._zone.get_node(self._origin)
        assert apex is not None
        self._add(self._response.authority, apex, self._origin, dns.rdatatype.SOA)
        soa = self._response.authority[0]
        soa.ttl = min(soa.ttl, soa[0].minimum)

    def _add(
        self,
        section: list[dns.rrset.RRset],
        node: dns.node.Node,
        owner: dns.name.Name,
        rdtype: dns.rdatatype.RdataType,
    ) -> bool:
        """Add the records of a type, with their signatures if asked for; tell whether there are any."""
        found = node.get_rdataset(dns.rdataclass.IN, rdtype)
        if found is None:
            return False
        section.append(dns.rrset.from_rdata_list(owner, found.ttl, list(found)))
        signatures = node.get_rdataset(dns.rdataclass.IN, dns.rdatatype.RRSIG, rdtype)
        if self._dnssec and signatures is not None:
            section.append(dns.rrset.from_rdata_list(owner, signatures.ttl, list(signatures)))
        return True
