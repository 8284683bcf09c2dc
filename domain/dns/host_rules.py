"""Rules on aliases, mail exchangers, addresses, CAA and delegation."""

from __future__ import annotations

import ipaddress
from typing import cast

import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.reversename
from dns.rdtypes.ANY.CAA import CAA

from domain.dns.asking import (
    Finding,
    Steps,
    agreed,
    ask,
    glance,
    has_address,
    host,
    records,
    slow_to_change,
)
from domain.dns.evidence import Ending, Lookup, Outcome
from domain.dns.names import DomainName
from domain.dns.requirements import Requirement
from domain.dns.text_rules import undelegated_servers
from domain.dns.verdicts import Hint, Verdict


def cname_equals(requirement: Requirement, domain: DomainName) -> Steps[Finding]:
    """The name is an alias of exactly our host, alone, and the chain ends in data (provisioning.md e.4.6)."""
    owner = host(requirement.owner)
    lookup = yield from ask(owner, "CNAME")
    found = agreed(lookup)
    if not found:
        return (yield from _no_alias(owner, domain))
    if owner == domain.key:
        return Finding(Verdict.CONFLICT, found, (_AT_APEX,))
    if [host(target) for target in found] != [host(requirement.expected)]:
        return Finding(Verdict.MISMATCH, found, slow_to_change(lookup))
    return (yield from _ends_in_data(owner, requirement.rrtype, found))


def _no_alias(owner: str, domain: DomainName) -> Steps[Finding]:
    for rrtype in ("A", "AAAA"):
        addresses = yield from glance(owner, rrtype)
        if addresses:
            return Finding(Verdict.MISMATCH, addresses, (_FLATTENED,))
    doubled = f"{owner}.{domain.key}"
    if (yield from glance(doubled, "CNAME")):
        message = f"The alias stands at {doubled}: the console has appended the domain once more."
        return Finding(Verdict.MISSING, hints=(Hint(code="doubled_suffix", message=message),))
    return Finding(Verdict.MISSING, hints=(yield from undelegated_servers(domain)))


def _ends_in_data(owner: str, rrtype: str, found: tuple[str, ...]) -> Steps[Finding]:
    for kind in ("A", "AAAA", "TXT") if rrtype == "CNAME" else (rrtype,):
        chain = yield from ask(owner, kind)
        if _beside_alias(chain):
            return Finding(Verdict.CONFLICT, found, (_COEXISTENCE,))
        if chain.has_data or agreed(chain):
            return Finding(Verdict.PASS, found)
    message = f"The alias leads to {found[0]}, where there is no record."
    return Finding(Verdict.MISMATCH, found, (Hint(code="dangling_alias", message=message),))


def _beside_alias(chain: Lookup) -> bool:
    return bool(chain.hops) and any(a.outcome is Outcome.ANSWER for a in chain.hops[0].answers)


_AT_APEX = Hint(
    code="cname_at_apex", message="The domain itself must not be an alias: it has SOA and NS records."
)
_COEXISTENCE = Hint(code="cname_coexistence", message="An alias must be alone: remove the other records.")
_FLATTENED = Hint(
    code="flattened",
    message="Addresses are answered instead of the alias: switch off proxying or flattening for this record.",
)


def mx_only(requirement: Requirement, domain: DomainName) -> Steps[Finding]:
    """Our gate is the only mail exchanger; any other would let mail bypass it."""
    return (yield from _mx(requirement, domain, alone=True))


def mx_includes(requirement: Requirement, domain: DomainName) -> Steps[Finding]:
    """Our gate is one of the mail exchangers."""
    return (yield from _mx(requirement, domain, alone=False))


def _mx(requirement: Requirement, domain: DomainName, *, alone: bool) -> Steps[Finding]:
    lookup = yield from ask(requirement.owner, "MX")
    found = agreed(lookup)
    hosts = {host(text.split()[-1]) for text in found}
    ours = host(requirement.expected.split()[-1])
    if not found:
        return Finding(Verdict.MISSING, hints=(yield from undelegated_servers(domain)))
    if "" in hosts:
        return Finding(Verdict.CONFLICT, found, (_NULL_MX,))
    if ours not in hosts:
        return Finding(Verdict.MISMATCH, found, slow_to_change(lookup))
    if alone and len(hosts) > 1:
        return Finding(Verdict.CONFLICT, found, (_FOREIGN_MX,))
    problem = yield from _mx_target(ours)
    return Finding(Verdict.MISMATCH if problem else Verdict.PASS, found, problem)


def _mx_target(name: str) -> Steps[tuple[Hint, ...]]:
    """A mail exchanger is a host with addresses, not an alias (RFC 5321 5.1, RFC 2181 10.3)."""
    if (yield from ask(name, "A")).is_alias:
        return (Hint(code="mx_target_is_alias", message=f"The mail exchanger {name} is an alias."),)
    if not (yield from has_address(name)):
        return (Hint(code="mx_target_without_address", message=f"The mail exchanger {name} has no address."),)
    return ()


_NULL_MX = Hint(code="null_mx", message="The domain declares that it receives no mail: remove the MX “.”.")
_FOREIGN_MX = Hint(code="foreign_mx", message="Mail can bypass the gate: remove every other MX record.")


def caa_allows(requirement: Requirement, _domain: DomainName) -> Steps[Finding]:
    """The nearest CAA set above the name lets our CA issue (RFC 8659 3)."""
    where, found = yield from caa_set(requirement.owner)
    if may_issue(found, requirement.expected):
        return Finding(Verdict.PASS, found)
    message = (
        f"The CAA records of {where} do not allow {requirement.expected}, so no certificate can be issued."
    )
    return Finding(Verdict.CONFLICT, found, (Hint(code="caa_forbids", message=message),))


def caa_set(name: str) -> Steps[tuple[str, tuple[str, ...]]]:
    """Climb from a name towards the root and return where the first CAA set is, and the set."""
    labels = host(name).split(".")
    for start in range(len(labels)):
        climbed = ".".join(labels[start:])
        found = yield from records(climbed, "CAA")
        if found:
            return climbed, found
    return "", ()


def may_issue(caa: tuple[str, ...], authority: str) -> bool:
    """Tell whether a CAA set lets a CA issue a certificate for one host (RFC 8659 4.1, 4.2)."""
    parsed = [cast(CAA, dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.CAA, text)) for text in caa]
    tags = [
        (rdata.tag.decode().lower(), rdata.value.decode("ascii", "replace"), rdata.flags) for rdata in parsed
    ]
    if any(flags & 128 and tag not in {"issue", "issuewild", "iodef"} for tag, _, flags in tags):
        return False
    issuers = [value.partition(";")[0].strip().lower() for tag, value, _ in tags if tag == "issue"]
    return not issuers or host(authority) in issuers


def absent(requirement: Requirement, _domain: DomainName) -> Steps[Finding]:
    """There is no such record."""
    lookup = yield from ask(requirement.owner, requirement.rrtype)
    found = agreed(lookup)
    return Finding(Verdict.MISMATCH if found else Verdict.PASS, found, slow_to_change(lookup))


def fcrdns(requirement: Requirement, _domain: DomainName) -> Steps[Finding]:
    """Every PTR of the address, or of each address of the host, leads back to it (provisioning.md e.7)."""
    addresses = yield from _addresses(requirement.owner)
    if not addresses:
        return Finding(Verdict.MISSING, hints=(Hint(code="no_address", message="The host has no address."),))
    found: tuple[str, ...] = ()
    for address in addresses:
        names = yield from records(dns.reversename.from_address(address).to_text(), "PTR")
        found += tuple(f"{address} {name}" for name in names)
        if not names:
            missing = Hint(code="no_ptr", message=f"{address} has no PTR record.")
            return Finding(Verdict.MISSING, found, (missing,))
        for name in names:
            if address not in (yield from _addresses(name)):
                message = f"The PTR of {address} names {name}, which does not lead back to it."
                return Finding(Verdict.MISMATCH, found, (Hint(code="ptr_mismatch", message=message),))
    return Finding(Verdict.PASS, found)


def _addresses(name: str) -> Steps[tuple[str, ...]]:
    try:
        return (str(ipaddress.ip_address(name)),)
    except ValueError:
        return (yield from records(name, "A")) + (yield from records(name, "AAAA"))


def delegated(requirement: Requirement, _domain: DomainName) -> Steps[Finding]:
    """The zone exists and the servers it is delegated to answer for it (provisioning.md e.9)."""
    owner = host(requirement.owner)
    lookup = yield from ask(owner, "SOA")
    if lookup.is_lame:
        said = tuple(f"{answer.server} {answer.outcome}" for answer in lookup.last_answers)
        return Finding(Verdict.MISMATCH, said, (_LAME,))
    if lookup.end is Ending.DISAGREE:
        return Finding(Verdict.PASS, hints=(_SERIALS,))
    found = agreed(lookup)
    return Finding(Verdict.PASS if found else Verdict.MISSING, found)


_LAME = Hint(code="lame_delegation", message="The servers the registry delegates to do not serve the zone.")
_SERIALS = Hint(
    code="serials_differ", message="The servers hold different versions of the zone at the moment."
)
