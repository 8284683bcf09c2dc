"""Validating resolvers in other networks: do they see the record, and do they vouch for it?

They are asked only after the authoritative servers agree, so that no negative answer is planted in a
public cache (provisioning.md e.4.7).
"""

from __future__ import annotations

import asyncio

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
from dns.flags import Flag
from dns.rdatatype import RdataType

from activities.dns.classify import values
from activities.dns.exchange import Exchange, Reply
from activities.dns.settings import DnsSettings
from domain.dns.evidence import Answer, Ending, Hop, Lookup, Outcome, Question, Security

DNS_PORT = 53


class Perspectives:
    """The resolvers of the settings; without any, a look-up has no hops and says nothing."""

    def __init__(self, settings: DnsSettings, exchange: Exchange) -> None:
        self._exchange = exchange
        self._resolvers = [_split(text) for text in settings.perspectives]

    async def look_up(self, question: Question, hops: list[Hop]) -> Lookup:
        """Ask all resolvers; `hops` is filled so that a time-out leaves evidence."""
        name, rrtype = dns.name.from_text(question.name), dns.rdatatype.from_text(question.rrtype)
        answers = await asyncio.gather(
            *(self._see(address, port, name, rrtype) for address, port in self._resolvers)
        )
        if answers:
            hops.append(Hop(name=question.name, zone="", answers=tuple(answers)))
        records = {answer.rrset for answer in answers if answer.outcome is Outcome.ANSWER}
        return Lookup(
            name=question.name,
            rrtype=question.rrtype,
            hops=tuple(hops),
            end=_ending(records, answers),
            records=records.pop() if len(records) == 1 else (),
            security=_security(answers),
        )

    async def _see(self, address: str, port: int, name: dns.name.Name, rrtype: RdataType) -> Answer:
        reply = await self._exchange.ask(address, name, rrtype, port=port, flags=Flag.RD | Flag.AD)
        outcome = _outcome(reply, rrtype)
        if outcome is Outcome.SERVFAIL:
            unchecked = await self._exchange.ask(address, name, rrtype, port=port, flags=Flag.RD | Flag.CD)
            if _outcome(unchecked, rrtype) in {Outcome.ANSWER, Outcome.NODATA, Outcome.NXDOMAIN}:
                outcome = Outcome.BOGUS
        message = reply.message
        rrset = next((r for r in message.answer if r.rdtype == rrtype), None) if message else None
        return Answer(
            server=address,
            address=address,
            outcome=outcome,
            rcode=dns.rcode.to_text(message.rcode()) if message else "",
            ad=bool(message and message.flags & Flag.AD),
            ttl=rrset.ttl if rrset is not None else None,
            rrset=values(rrset),
            transport=reply.transport,
            rtt_ms=reply.rtt_ms,
        )


def _split(text: str) -> tuple[str, int]:
    if text.startswith("["):
        address, _, port = text[1:].partition("]")
        return address, int(port[1:] or DNS_PORT)
    address, colon, port = text.rpartition(":")
    return (address, int(port)) if colon and ":" not in address else (text, DNS_PORT)


def _outcome(reply: Reply, rrtype: RdataType) -> Outcome:
    if reply.message is None:
        return Outcome.TIMEOUT
    rcode = reply.message.rcode()
    if rcode == dns.rcode.NXDOMAIN:
        return Outcome.NXDOMAIN
    if rcode != dns.rcode.NOERROR:
        return Outcome.REFUSED if rcode == dns.rcode.REFUSED else Outcome.SERVFAIL
    return Outcome.ANSWER if any(r.rdtype == rrtype for r in reply.message.answer) else Outcome.NODATA


def _ending(records: set[tuple[str, ...]], answers: list[Answer]) -> Ending:
    if len(records) > 1:
        return Ending.DISAGREE
    if records:
        return Ending.RECORDS
    absent = any(answer.outcome in {Outcome.NODATA, Outcome.NXDOMAIN} for answer in answers)
    return Ending.NO_DATA if absent else Ending.UNREACHABLE


def _security(answers: list[Answer]) -> Security:
    outcomes = {answer.outcome for answer in answers}
    if Outcome.BOGUS in outcomes:
        return Security.BOGUS
    if any(answer.ad for answer in answers):
        return Security.SECURE
    told = outcomes & {Outcome.ANSWER, Outcome.NODATA, Outcome.NXDOMAIN}
    return Security.INSECURE if told else Security.INDETERMINATE
