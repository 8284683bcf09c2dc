"""What the check of domain and services finds without asking anybody (provisioning.md e.9, 1 to 3 and 7)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from domain.checks import Finding
from domain.dns.names import DomainName, is_free_mail, mixed_script_labels
from domain.dns.verdicts import Observation, ObservationSeverity
from domain.orders import Line, OrderContext

LATEST_START = timedelta(days=365)
"""How far ahead provisioning may be requested to begin."""

_BLOCKING = ObservationSeverity.BLOCKING
_WARNING = ObservationSeverity.WARNING


def consistency(
    context: OrderContext,
    lines: tuple[Line, ...],
    present: frozenset[str],
    elsewhere: frozenset[str],
    taken: bool,
) -> tuple[Finding, ...]:
    """Findings on dependencies, duplicates, domain and start date.

    Args:
        context: The order.
        lines: The lines looked at.
        present: Names of offers the customer has open for this domain, this order's own included.
        elsewhere: Those of them that belong to other orders.
        taken: Whether somebody else has verified the domain.
    """
    return (
        *_services(lines, present, elsewhere, context.domain),
        *_domain(context.domain, lines, taken),
        *_start(context),
    )


def from_observation(seen: Observation, line: int | None = None) -> Finding:
    """A finding that somebody saw in the domain's zone."""
    return Finding(code=seen.code, severity=seen.severity, field=seen.field, message=seen.message, line=line)


def _services(
    lines: tuple[Line, ...], present: frozenset[str], elsewhere: frozenset[str], domain: DomainName | None
) -> Iterator[Finding]:
    there = present | {line.offer.name for line in lines}
    for line in lines:
        offer = line.offer
        if offer.name in elsewhere and not (offer.repeatable and domain is None):
            yield _about(line, "DUPLICATE_SERVICE", f"{offer.title} exists already; use that one.")
        for name in offer.requires:
            if name not in there:
                yield _about(line, "SERVICE_REQUIRED", f"{offer.title} needs {name}; order it as well.")
        for name in offer.excludes:
            if name in there:
                yield _about(
                    line, "SERVICE_EXCLUDED", f"{offer.title} cannot stand beside {name}; choose one."
                )


def _domain(domain: DomainName | None, lines: tuple[Line, ...], taken: bool) -> Iterator[Finding]:
    if domain is None:
        return
    if is_free_mail(domain.key):
        for line in lines:
            if not line.offer.accepts_free_mail:
                yield _about(
                    line,
                    "FREE_MAIL_DOMAIN",
                    f"{domain.display} belongs to a mail provider; use your own domain.",
                    "domain",
                )
    if mixed := mixed_script_labels(domain):
        yield Finding(
            code="MIXED_SCRIPTS",
            severity=_WARNING,
            field="domain",
            message=f"{', '.join(mixed)} mixes scripts; make sure that it is the domain you mean.",
        )
    if taken:
        yield Finding(
            code="DOMAIN_VERIFIED_ELSEWHERE",
            severity=_BLOCKING,
            field="domain",
            message=f"{domain.display} is verified for somebody else; the order waits until that ends.",
        )


def _start(context: OrderContext) -> Iterator[Finding]:
    start = context.requested_start
    if start is not None and start > context.submitted_at + LATEST_START:
        yield Finding(
            code="START_TOO_LATE",
            severity=_BLOCKING,
            field="requested_start",
            message=f"{start:%Y-%m-%d} lies more than {LATEST_START.days} days ahead; choose an earlier one.",
        )


def _about(line: Line, code: str, message: str, field: str = "items") -> Finding:
    return Finding(code=code, severity=_BLOCKING, field=field, message=message, line=line.number)
