"""What the check of domain and services finds without asking anybody (provisioning.md e.9)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.checks import CheckReport, Finding
from domain.dns.names import parse_domain
from domain.dns.verdicts import Observation, ObservationSeverity
from domain.findings import LATEST_START, consistency, from_observation
from domain.orders import Line, OrderContext
from tests.domain.samples import NOW, context, line, offer

NOTHING: frozenset[str] = frozenset()


def check(
    *lines: Line,
    about: OrderContext | None = None,
    present: frozenset[str] = NOTHING,
    elsewhere: frozenset[str] = NOTHING,
    taken: bool = False,
) -> tuple[Finding, ...]:
    return consistency(about or context(), lines or (line(),), present, elsewhere, taken)


def codes(findings: tuple[Finding, ...]) -> list[tuple[str, int | None]]:
    return [(finding.code, finding.line) for finding in findings]


def test_an_order_with_nothing_wrong_has_no_findings() -> None:
    assert check(line(offer("mail", requires=["base"])), line(offer("base"), number=2)) == ()


def test_a_required_service_must_be_ordered_or_in_place() -> None:
    needy = line(offer("mail", requires=["base"]))
    assert codes(check(needy)) == [("SERVICE_REQUIRED", 1)]
    assert check(needy, present=frozenset({"base"})) == ()


@pytest.mark.parametrize("present", [NOTHING, frozenset({"sign"})], ids=["ordered along", "in place"])
def test_services_that_exclude_each_other_cannot_stand_side_by_side(present: frozenset[str]) -> None:
    jealous = line(offer("mail", excludes=["sign"]), number=2)
    beside = () if present else (line(offer("sign"), number=3),)
    assert codes(check(jealous, *beside, present=present)) == [("SERVICE_EXCLUDED", 2)]
    assert check(jealous) == ()


def test_a_service_another_order_provides_already_is_a_duplicate_and_ones_own_is_not() -> None:
    assert codes(check(present=frozenset({"mail"}), elsewhere=frozenset({"mail"}))) == [
        ("DUPLICATE_SERVICE", 1)
    ]
    assert check(present=frozenset({"mail"})) == ()


def test_an_offer_that_can_be_had_again_is_a_duplicate_for_a_domain_only() -> None:
    again = line(offer("seats", needs_domain=False, repeatable=True))
    seats = frozenset({"seats"})
    without = context().model_copy(update={"domain": None})
    assert check(again, about=without, present=seats, elsewhere=seats) == ()
    assert codes(check(again, present=seats, elsewhere=seats)) == [("DUPLICATE_SERVICE", 1)]
    once = line(offer("seats", needs_domain=False))
    assert codes(check(once, about=without, present=seats, elsewhere=seats)) == [("DUPLICATE_SERVICE", 1)]


def test_a_free_mail_domain_is_refused_for_each_line_that_does_not_accept_it() -> None:
    lines = (line(), line(offer("gift", accepts_free_mail=True), number=2), line(offer("sign"), number=3))
    findings = check(*lines, about=context("gmail.com"))
    assert codes(findings) == [("FREE_MAIL_DOMAIN", 1), ("FREE_MAIL_DOMAIN", 3)]
    assert {finding.field for finding in findings} == {"domain"}


def test_a_domain_of_mixed_scripts_is_a_warning() -> None:
    mixed = context().model_copy(update={"domain": parse_domain("cоntoso.ch")})
    (finding,) = check(about=mixed)
    assert (finding.code, finding.severity) == ("MIXED_SCRIPTS", ObservationSeverity.WARNING)


def test_a_domain_verified_for_somebody_else_keeps_the_order_waiting_and_names_nobody() -> None:
    (finding,) = check(taken=True)
    assert (finding.code, finding.severity) == ("DOMAIN_VERIFIED_ELSEWHERE", ObservationSeverity.BLOCKING)


def test_an_order_without_a_domain_has_no_findings_on_domains() -> None:
    assert check(about=context(None), taken=True) == ()


@pytest.mark.parametrize(
    ("ahead", "found"),
    [
        (timedelta(days=-400), []),
        (LATEST_START, []),
        (LATEST_START + timedelta(microseconds=1), [("START_TOO_LATE", None)]),
    ],
)
def test_provisioning_may_be_requested_up_to_a_year_ahead(
    ahead: timedelta, found: list[tuple[str, int | None]]
) -> None:
    assert codes(check(about=context(requested_start=NOW + ahead))) == found


def test_every_finding_says_what_to_do() -> None:
    about = context("gmail.com", requested_start=NOW + timedelta(days=400))
    lines = (line(offer("mail", requires=["base"], excludes=["sign"])),)
    findings = check(
        *lines, about=about, present=frozenset({"sign"}), elsewhere=frozenset({"mail"}), taken=True
    )
    assert len({finding.code for finding in findings}) == 6
    for finding in findings:
        assert ";" in finding.message
        assert finding.message.endswith(".")


def test_an_observation_becomes_a_finding_about_the_line_that_is_meant() -> None:
    seen = Observation(
        code="SPF_BUDGET", severity=ObservationSeverity.WARNING, field="domain", message="11 of 10 queries."
    )
    assert from_observation(seen, line=2) == Finding(
        code="SPF_BUDGET",
        severity=ObservationSeverity.WARNING,
        field="domain",
        message="11 of 10 queries.",
        line=2,
    )


# The report


def report(*findings: Finding) -> CheckReport:
    return CheckReport(id="c1", at=NOW, findings=findings)


WARNED = Finding(
    code="MIXED_SCRIPTS", severity=ObservationSeverity.WARNING, field="domain", message="look again"
)


def test_only_blocking_findings_keep_a_report_from_being_clean() -> None:
    warned, blocked = (WARNED,), check(line(offer("mail", requires=["base"])))
    assert report().is_clean
    assert report(*warned).is_clean
    assert not report(*warned, *blocked).is_clean
    assert report(*warned, *blocked).blocking == blocked


def test_the_digest_changes_exactly_with_what_is_found() -> None:
    warned, blocked = (WARNED,), check(line(offer("mail", requires=["base"])))
    both = report(*warned, *blocked)
    assert both.digest == report(*blocked, *warned).model_copy(update={"id": "c2"}).digest
    others = [
        report(),
        report(*warned),
        report(*blocked),
        report(*both.findings, *check(about=context("gmail.com"))),
    ]
    assert len({both.digest, *(other.digest for other in others)}) == 5
