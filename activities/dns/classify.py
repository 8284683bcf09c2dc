"""What one server's packet means: pure translation of dnspython's messages into evidence."""

from __future__ import annotations

from typing import NamedTuple

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from dns.rdatatype import CNAME, DNAME, MX, NS, PTR, SOA, SRV, RdataType

from activities.dns.delegation import Server, text
from activities.dns.exchange import Reply
from domain.dns.evidence import Answer, Outcome

_NAME_VALUED = frozenset({CNAME, DNAME, MX, NS, PTR, SOA, SRV})


class _Content(NamedTuple):
    outcome: Outcome
    rrset: dns.rrset.RRset | None = None
    target: str = ""


def classify(
    server: Server, reply: Reply, name: dns.name.Name, rrtype: RdataType, serial: int | None
) -> Answer:
    """Return an authoritative server's answer as evidence (provisioning.md e.4.4).

    Args:
        server: Who answered.
        reply: What it said, if anything.
        name: The name asked about.
        rrtype: The type asked for.
        serial: The zone's serial at this server, if it told.
    """
    message = reply.message
    content = _content(message, name, rrtype) if message else _Content(Outcome.TIMEOUT)
    return Answer(
        server=server.name,
        address=server.address,
        outcome=content.outcome,
        rcode=dns.rcode.to_text(message.rcode()) if message else "",
        aa=bool(message and message.flags & dns.flags.AA),
        serial=serial,
        ttl=content.rrset.ttl if content.rrset else None,
        rrset=values(content.rrset),
        target=content.target,
        transport=reply.transport,
        rtt_ms=reply.rtt_ms,
    )


def values(rrset: dns.rrset.RRset | None) -> tuple[str, ...]:
    """Return a set's data sorted, so that sets can be compared; names in it are lower case."""
    if rrset is None:
        return ()
    texts = (rdata.to_text() for rdata in rrset)
    return tuple(sorted(t.lower() if rrset.rdtype in _NAME_VALUED else t for t in texts))


def soa_of(message: dns.message.Message | None) -> dns.rrset.RRset | None:
    """Return the SOA of an authoritative answer to a question for it."""
    if message is None or not message.flags & dns.flags.AA:
        return None
    return next((rrset for rrset in message.answer if rrset.rdtype == SOA), None)


def _content(message: dns.message.Message, name: dns.name.Name, rrtype: RdataType) -> _Content:
    rcode = message.rcode()
    if rcode == dns.rcode.REFUSED:
        return _Content(Outcome.REFUSED)
    if rcode not in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}:
        return _Content(Outcome.SERVFAIL)
    if not message.flags & dns.flags.AA:
        return _Content(Outcome.LAME)
    return _answer(message, name, rrtype) or _Content(
        Outcome.NXDOMAIN if rcode == dns.rcode.NXDOMAIN else Outcome.NODATA
    )


def _answer(message: dns.message.Message, name: dns.name.Name, rrtype: RdataType) -> _Content | None:
    own = message.get_rrset(message.answer, name, dns.rdataclass.IN, rrtype)
    if own is not None:
        return _Content(Outcome.ANSWER, own)
    for rrset in message.answer:
        if rrset.rdtype == DNAME and name != rrset.name and name.is_subdomain(rrset.name):
            return _renamed(name, rrset)
    alias = message.get_rrset(message.answer, name, dns.rdataclass.IN, CNAME)
    return _Content(Outcome.CNAME, alias, text(alias[0].target)) if alias is not None else None


def _renamed(name: dns.name.Name, rrset: dns.rrset.RRset) -> _Content:
    try:
        target = name.relativize(rrset.name).concatenate(rrset[0].target)
    except dns.name.NameTooLong:
        return _Content(Outcome.SERVFAIL, rrset)
    return _Content(Outcome.DNAME, rrset, text(target))
