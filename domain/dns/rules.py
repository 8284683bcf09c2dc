"""Which rule judges which requirement, and the judgement itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import cast

from domain.dns.asking import Finding, Steps, UndecidedError
from domain.dns.evidence import Lookup
from domain.dns.host_rules import (
    absent,
    caa_allows,
    cname_equals,
    delegated,
    fcrdns,
    mx_includes,
    mx_only,
)
from domain.dns.names import DomainName, shown
from domain.dns.requirements import Requirement, Rule, Severity
from domain.dns.spf import spf_includes
from domain.dns.text_rules import dkim_txt_equals, txt_contains_term, txt_token
from domain.dns.verdicts import RequirementResult, Verdict

RULES: Mapping[Rule, Callable[[Requirement, DomainName], Steps[Finding]]] = MappingProxyType(
    {
        Rule.TXT_TOKEN: txt_token,
        Rule.TXT_CONTAINS_TERM: txt_contains_term,
        Rule.CNAME_EQUALS: cname_equals,
        Rule.MX_ONLY: mx_only,
        Rule.MX_INCLUDES: mx_includes,
        Rule.SPF_INCLUDES: spf_includes,
        Rule.DKIM_TXT_EQUALS: dkim_txt_equals,
        Rule.CAA_ALLOWS: caa_allows,
        Rule.ABSENT: absent,
        Rule.FCRDNS: fcrdns,
        Rule.DELEGATED: delegated,
    }
)

MAX_FOUND = 40
MAX_VALUE = 500
"""How much of what was found a result shows; the evidence has all of it."""


def judge(requirement: Requirement, domain: DomainName) -> Steps[RequirementResult]:
    """Ask what the requirement's rule needs to know and return its verdict with the evidence."""
    evidence: list[Lookup] = []
    try:
        finding = yield from _noted(RULES[requirement.rule](requirement, domain), evidence)
    except UndecidedError as undecided:
        finding = undecided.finding
    return RequirementResult(
        id=requirement.id,
        severity=requirement.severity,
        verdict=_weigh(finding.verdict, requirement.severity),
        found=tuple(shown(value, MAX_VALUE) for value in finding.found[:MAX_FOUND]),
        hints=finding.hints,
        evidence=tuple(evidence),
    )


def _noted(steps: Steps[Finding], evidence: list[Lookup]) -> Steps[Finding]:
    try:
        question = next(steps)
        while True:
            evidence.append((yield question))
            question = steps.send(evidence[-1])
    except StopIteration as end:
        return cast(Finding, end.value)


def _weigh(verdict: Verdict, severity: Severity) -> Verdict:
    """A requirement declared as a conflict is one as soon as it is not met."""
    if severity is Severity.CONFLICT and verdict in {Verdict.MISSING, Verdict.MISMATCH}:
        return Verdict.CONFLICT
    return verdict
