"""Answers rules with a table instead of a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from domain.dns.asking import Steps
from domain.dns.evidence import Answer, Ending, Hop, Lookup, Outcome, Question
from domain.dns.names import DomainName, parse_domain
from domain.dns.requirements import Requirement, Rule, Severity
from domain.dns.rules import judge
from domain.dns.verdicts import RequirementResult

T = TypeVar("T")
CONTOSO = parse_domain("contoso.ch")

Table = Mapping[tuple[str, str], tuple[str, ...] | Lookup]
"""Records by name and type; what is not in it does not exist."""


def lookup(name: str, rrtype: str, texts: tuple[str, ...] = (), **changes: object) -> Lookup:
    answer = Answer(
        server="ns1", address="192.0.2.53", outcome=Outcome.ANSWER if texts else Outcome.NODATA, rrset=texts
    )
    usual = Lookup(
        name=name,
        rrtype=rrtype,
        hops=(Hop(name=name, zone="contoso.ch", answers=(answer,)),),
        end=Ending.RECORDS if texts else Ending.NO_DATA,
        records=texts,
    )
    return usual.model_copy(update=changes)


def drive(steps: Steps[T], table: Table) -> T:
    try:
        question = next(steps)
        while True:
            question = steps.send(_answer(question, table))
    except StopIteration as end:
        return end.value


def _answer(question: Question, table: Table) -> Lookup:
    known = table.get((question.name, question.rrtype), ())
    if isinstance(known, Lookup):
        return known
    if question.public:
        return lookup(question.name, question.rrtype, known, hops=())
    return lookup(question.name, question.rrtype, known)


def requirement(
    rule: Rule,
    owner: str = "contoso.ch",
    expected: str = "",
    rrtype: str = "TXT",
    severity: Severity = Severity.REQUIRED,
) -> Requirement:
    return Requirement(
        id="it", purpose="it", owner=owner, rule=rule, rrtype=rrtype, severity=severity, expected=expected
    )


def judged(asked: Requirement, table: Table, domain: DomainName = CONTOSO) -> RequirementResult:
    return drive(judge(asked, domain), table)


def codes(result: RequirementResult) -> set[str]:
    return {hint.code for hint in result.hints}
