"""What can be said about a domain before anything is ordered for it (provisioning.md e.9, 4 and 5)."""

from __future__ import annotations

from datetime import datetime, timedelta

from domain.dns.asking import Steps, UndecidedError, ask, glance
from domain.dns.evidence import Lookup, Security
from domain.dns.host_rules import caa_set, delegated, may_issue
from domain.dns.names import DomainName
from domain.dns.requirements import Requirement, Rule
from domain.dns.spf import MAX_LOOKUPS, evaluate
from domain.dns.verdicts import Observation, ObservationSeverity, Verdict

SIGNATURE_MARGIN = timedelta(days=3)
"""A signature that runs out sooner is worth a warning (provisioning.md e.4.8)."""

Observations = Steps[tuple[Observation, ...]]


def observe(
    domain: DomainName,
    *,
    checked_at: datetime,
    spf_include: str | None = None,
    ca: str | None = None,
    certificate_host: str | None = None,
) -> Observations:
    """Look at everything that may stand in the way of an order for a domain.

    Args:
        domain: The domain ordered for.
        checked_at: The instant against which signatures are compared.
        spf_include: The host our SPF record lives at, if the offer asks to include it.
        ca: The CA that will issue, as it appears in CAA records.
        certificate_host: The name the certificate will be for; without it the domain itself.
    """
    zone = yield from _zone(domain)
    if zone:
        return zone
    seen = yield from _dnssec(domain, checked_at)
    seen += yield from _mail(domain)
    if spf_include:
        seen += yield from _guard(_spf(domain, spf_include), "SPF_UNKNOWN")
    if ca:
        seen += yield from _guard(_caa(certificate_host or domain.key, ca), "CAA_UNKNOWN")
    return seen


def _seen(severity: ObservationSeverity, code: str, message: str) -> tuple[Observation, ...]:
    return (Observation(code=code, severity=severity, message=message),)


def _guard(steps: Observations, code: str) -> Observations:
    """Turn what cannot be learnt now into a warning: it never blocks an order (SPEC 5.6)."""
    try:
        return (yield from steps)
    except UndecidedError as undecided:
        return _seen(ObservationSeverity.WARNING, code, undecided.finding.hints[0].message)


def _zone(domain: DomainName) -> Observations:
    requirement = Requirement(id="zone", purpose="zone", owner=domain.key, rule=Rule.DELEGATED, rrtype="SOA")
    try:
        finding = yield from delegated(requirement, domain)
    except UndecidedError as undecided:
        finding = undecided.finding
    if finding.verdict is Verdict.PASS:
        return ()
    if finding.verdict is Verdict.MISSING:
        message = f"{domain.display} is not registered, or has no zone of its own: check the spelling."
        return _seen(ObservationSeverity.BLOCKING, "ZONE_MISSING", message)
    if finding.verdict is Verdict.UNKNOWN:
        return _seen(ObservationSeverity.WARNING, "ZONE_UNKNOWN", finding.hints[0].message)
    code = "DNSSEC_BOGUS" if finding.hints[0].code == "dnssec_bogus" else "ZONE_NOT_SERVED"
    return _seen(ObservationSeverity.BLOCKING, code, finding.hints[0].message)


def _dnssec(domain: DomainName, checked_at: datetime) -> Observations:
    lookup: Lookup = yield from ask(domain.key, "SOA")
    expires = lookup.signature_expires
    if lookup.security is Security.SECURE and expires and expires - checked_at < SIGNATURE_MARGIN:
        message = f"The zone's DNSSEC signatures expire on {expires:%Y-%m-%d %H:%M} UTC and look forgotten."
        return _seen(ObservationSeverity.WARNING, "DNSSEC_EXPIRES_SOON", message)
    return _seen(ObservationSeverity.INFO, "DNSSEC", f"DNSSEC: {lookup.security}.")


def _mail(domain: DomainName) -> Observations:
    found = yield from glance(domain.key, "MX")
    if not found:
        return _seen(ObservationSeverity.INFO, "MX_NONE", "The domain has no MX record now.")
    if any(text.split()[-1] == "." for text in found):
        message = "The domain declares that it receives no mail (null MX): it has to be removed."
        return _seen(ObservationSeverity.WARNING, "NULL_MX", message)
    return _seen(ObservationSeverity.INFO, "MX_NOW", f"Mail goes to {', '.join(sorted(found))} now.")


def _spf(domain: DomainName, include: str) -> Observations:
    tree = yield from evaluate(domain.key)
    if tree.records > 1:
        return _seen(ObservationSeverity.WARNING, "SPF_MULTIPLE", tree.problems[0].message)
    total = tree.lookups
    if include not in tree.admitted:
        total += 1 + (yield from evaluate(include)).lookups
    if total > MAX_LOOKUPS:
        message = (
            f"With include:{include} the SPF record costs {total} DNS queries, more than the {MAX_LOOKUPS} "
            f"allowed ({total} > {MAX_LOOKUPS}): remove includes before adding ours."
        )
        return _seen(ObservationSeverity.WARNING, "SPF_BUDGET", message)
    broken = [problem for problem in tree.problems if problem.code != "spf_permerror"]
    if broken:
        return _seen(ObservationSeverity.WARNING, "SPF_BROKEN", broken[0].message)
    return ()


def _caa(name: str, ca: str) -> Observations:
    where, found = yield from caa_set(name)
    if may_issue(found, ca):
        return ()
    message = f'The CAA records of {where} do not allow {ca}: add 0 issue "{ca}".'
    return _seen(ObservationSeverity.WARNING, "CAA_FORBIDS", message)
