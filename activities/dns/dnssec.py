"""Validation from the trust anchors down (RFC 4035 5): secure, insecure and bogus are three things.

Signatures over records are validated. That something is absent is taken as the zone's servers say it: a
missing DS makes a zone insecure without a proof by NSEC.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

import dns.dnssec
import dns.dnssecalgs
import dns.exception
import dns.message
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from dns.dnssectypes import DSDigest
from dns.rdatatype import DNSKEY, RRSIG, RdataType
from dns.rdtypes.ANY.DS import DS

from activities.dns.delegation import Delegations, Zone
from activities.dns.settings import DnsSettings
from domain.dns.evidence import Security


@dataclass(frozen=True, slots=True)
class Trust:
    """Whether a zone's data can be validated, and with which keys."""

    security: Security
    keys: dns.rrset.RRset | None = None


@dataclass(frozen=True, slots=True)
class Validation:
    """The status of one record set and, when secure, when its signatures run out."""

    security: Security
    expires: datetime | None = None


class Validator:
    """Validates the answers of one check, at one instant of the world's time."""

    def __init__(self, settings: DnsSettings, delegations: Delegations, now: datetime) -> None:
        self._delegations = delegations
        self._now = now
        self._anchors = [
            cast(DS, dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.DS, anchor))
            for anchor in settings.anchors
            if settings.dnssec
        ]
        self._trust: dict[dns.name.Name, asyncio.Task[Trust]] = {}

    async def validate(
        self, zone: Zone, name: dns.name.Name, rrtype: RdataType, messages: Iterable[dns.message.Message]
    ) -> Validation:
        """Return the status of a record set: secure if one server's copy validates.

        Args:
            zone: The zone whose servers answered.
            name: The owner of the records.
            rrtype: Their type.
            messages: What the servers answered.
        """
        copies = [
            (message, message.get_rrset(message.answer, name, dns.rdataclass.IN, rrtype))
            for message in messages
        ]
        signed = [(rrset, _signatures(message, rrset)) for message, rrset in copies if rrset is not None]
        signers = [signatures[0].signer for _, signatures in signed if signatures is not None]
        below = [s for s in signers if name.is_subdomain(s) and s.is_subdomain(zone.name)]
        signer = below[0] if below else zone.name
        trust = await self.trust(signer)
        if trust.security is not Security.SECURE or trust.keys is None or not signed:
            secure = trust.security is Security.SECURE
            return Validation(Security.INDETERMINATE if secure else trust.security)
        for rrset, signatures in signed:
            if signatures is not None and self._is_valid(rrset, signatures, trust.keys):
                expiry = min(signature.expiration for signature in signatures)
                return Validation(Security.SECURE, datetime.fromtimestamp(expiry, UTC))
        return Validation(Security.BOGUS)

    async def trust(self, zone: dns.name.Name) -> Trust:
        """Return the trust in a zone, learnt once per check."""
        if not self._anchors:
            return Trust(Security.INDETERMINATE)
        if zone not in self._trust:
            self._trust[zone] = asyncio.ensure_future(self._learn(zone))
        return await asyncio.shield(self._trust[zone])

    async def close(self) -> None:
        """Drop what is still being learnt."""
        for task in self._trust.values():
            task.cancel()
        await asyncio.gather(*self._trust.values(), return_exceptions=True)

    async def _learn(self, name: dns.name.Name) -> Trust:
        if name == dns.name.root:
            return await self._keys(name, self._anchors)
        parent = await self._delegations.zone_of(name.parent())
        above = await self.trust(parent.name)
        if above.security is not Security.SECURE or above.keys is None:
            return above
        found = await self._delegations.first_useful(parent, name, dns.rdatatype.DS)
        if found is None:
            return Trust(Security.INDETERMINATE)
        ds = found.message.get_rrset(found.message.answer, name, dns.rdataclass.IN, dns.rdatatype.DS)
        if ds is None:
            return Trust(Security.INSECURE)
        signatures = _signatures(found.message, ds)
        if signatures is None or not self._is_valid(ds, signatures, above.keys):
            return Trust(Security.BOGUS)
        usable = [each for each in ds if _is_supported(each)]
        return await self._keys(name, usable) if usable else Trust(Security.INSECURE)

    async def _keys(self, name: dns.name.Name, trusted: list[DS]) -> Trust:
        """Fetch a zone's keys from any server whose copy is signed by a key that a trusted DS names."""

        def is_trusted(message: dns.message.Message) -> bool:
            return self._trusted_keys(name, trusted, message) is not None

        zone = await self._delegations.zone_of(name)
        found = await self._delegations.first_useful(zone, name, DNSKEY, is_trusted)
        if found is not None:
            return Trust(Security.SECURE, self._trusted_keys(name, trusted, found.message))
        answered = await self._delegations.first_useful(zone, name, DNSKEY)
        return Trust(Security.BOGUS if answered else Security.INDETERMINATE)

    def _trusted_keys(
        self, name: dns.name.Name, trusted: list[DS], message: dns.message.Message
    ) -> dns.rrset.RRset | None:
        keys = message.get_rrset(message.answer, name, dns.rdataclass.IN, DNSKEY)
        signatures = _signatures(message, keys) if keys is not None else None
        if keys is None or signatures is None:
            return None
        entry = [key for key in keys if any(_names(ds, name, key) for ds in trusted)]
        anchored = dns.rrset.from_rdata_list(name, keys.ttl, entry) if entry else None
        return keys if anchored is not None and self._is_valid(keys, signatures, anchored) else None

    def _is_valid(self, rrset: dns.rrset.RRset, signatures: dns.rrset.RRset, keys: dns.rrset.RRset) -> bool:
        try:
            dns.dnssec.validate(rrset, signatures, {keys.name: keys}, now=self._now.timestamp())
        except dns.exception.DNSException:
            return False
        return True


def _signatures(message: dns.message.Message, rrset: dns.rrset.RRset) -> dns.rrset.RRset | None:
    return message.get_rrset(message.answer, rrset.name, dns.rdataclass.IN, RRSIG, rrset.rdtype)


def _is_supported(ds: DS) -> bool:
    """Tell whether we know the algorithms; a zone with none we know counts as unsigned (RFC 4035 5.2)."""
    try:
        dns.dnssecalgs.get_algorithm_cls(ds.algorithm)
    except dns.exception.DNSException:
        return False
    return ds.digest_type in {DSDigest.SHA1, DSDigest.SHA256, DSDigest.SHA384}


def _names(ds: DS, zone: dns.name.Name, key: dns.rdata.Rdata) -> bool:
    """Tell whether a DS record is the digest of a key."""
    try:
        return bool(dns.dnssec.make_ds(zone, key, ds.digest_type, validating=True) == ds)
    except dns.exception.DNSException:
        return False
