from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.dns.evidence import Answer, Ending, Outcome, agree
from domain.dns.requirements import Severity
from domain.dns.verdicts import Overall, Report, RequirementResult, Verdict, changed, settle

NOW = datetime(2026, 3, 2, tzinfo=UTC)
VERDICTS = st.dictionaries(st.sampled_from(["mx", "own", "spf"]), st.sampled_from(Verdict), min_size=1)
V = Verdict


def report(verdicts: dict[str, Verdict], severity: Severity = Severity.REQUIRED) -> Report:
    results = tuple(RequirementResult(id=id_, severity=severity, verdict=v) for id_, v in verdicts.items())
    return Report(domain="contoso.ch", checked_at=NOW, results=results)


@pytest.mark.parametrize(
    ("verdicts", "overall"),
    [
        ([V.PASS, V.PASS], Overall.VERIFIED),
        ([], Overall.VERIFIED),
        ([V.PASS, V.UNKNOWN], Overall.UNKNOWN),
        ([V.MISSING, V.UNKNOWN], Overall.PENDING),
        ([V.PARTIAL, V.PASS], Overall.PENDING),
        ([V.MISMATCH], Overall.PENDING),
        ([V.CONFLICT, V.MISSING, V.UNKNOWN], Overall.CONFLICT),
    ],
)
def test_the_worst_that_counts_decides(verdicts: list[Verdict], overall: Overall) -> None:
    assert report({str(n): v for n, v in enumerate(verdicts)}).overall is overall


@given(VERDICTS)
def test_advice_never_holds_anything_up(verdicts: dict[str, Verdict]) -> None:
    advice = report(verdicts, Severity.ADVISORY)
    assert (advice.overall, advice.open_ids) == (Overall.VERIFIED, ())


def test_open_requirements_are_listed_in_their_order() -> None:
    assert report({"spf": V.MISSING, "mx": V.PASS, "own": V.UNKNOWN}).open_ids == ("spf", "own")


@given(VERDICTS)
def test_the_first_result_always_counts_and_its_repetition_never(verdicts: dict[str, Verdict]) -> None:
    seen = report(verdicts)
    assert changed(None, seen)
    assert not changed(seen.digest, seen)


@given(VERDICTS)
def test_nothing_learnt_is_no_change(verdicts: dict[str, Verdict]) -> None:
    known = report(verdicts).digest
    silent = report(dict.fromkeys(verdicts, V.UNKNOWN))
    assert not changed(known, silent)
    assert settle(known, silent).overall is report(verdicts).overall


@pytest.mark.parametrize(
    ("before", "after", "is_change"),
    [
        (V.PASS, V.PARTIAL, False),
        (V.MISSING, V.PARTIAL, True),
        (V.PARTIAL, V.PASS, True),
        (V.PASS, V.MISSING, True),
        (V.UNKNOWN, V.MISSING, True),
        (V.UNKNOWN, V.PARTIAL, True),
        (V.MISSING, V.CONFLICT, True),
    ],
)
def test_servers_lagging_behind_take_no_pass_away(before: Verdict, after: Verdict, is_change: bool) -> None:
    assert changed(report({"mx": before}).digest, report({"mx": after})) is is_change


def test_records_seen_at_different_times_verify_together() -> None:
    known = report({"mx": V.PASS, "own": V.MISSING}).digest
    settled = settle(known, report({"mx": V.UNKNOWN, "own": V.PASS}))
    assert settled.overall is Overall.VERIFIED
    assert not changed(settled.digest, report({"mx": V.PASS, "own": V.PASS}))


@given(VERDICTS, VERDICTS)
def test_a_settled_report_is_settled(one: dict[str, Verdict], other: dict[str, Verdict]) -> None:
    settled = settle(report(one).digest, report(other))
    assert settle(settled.digest, report(other)) == settled


@given(VERDICTS)
def test_a_report_survives_storage(verdicts: dict[str, Verdict]) -> None:
    seen = report(verdicts)
    assert Report.model_validate_json(seen.model_dump_json()) == seen


def said(outcome: Outcome, *rrset: str, target: str = "") -> Answer:
    return Answer(server="ns", address="192.0.2.53", outcome=outcome, rrset=rrset, target=target)


HAVE, HAVE_NOT, ABSENT = said(Outcome.ANSWER, "a"), said(Outcome.NODATA), said(Outcome.NXDOMAIN)
SILENT, LAME = said(Outcome.TIMEOUT), said(Outcome.LAME)


@pytest.mark.parametrize(
    ("answers", "reachable", "end"),
    [
        ([HAVE, HAVE], 2, Ending.RECORDS),
        ([HAVE, HAVE, SILENT, LAME], 4, Ending.RECORDS),
        ([HAVE], 1, Ending.RECORDS),
        ([HAVE, SILENT], 1, Ending.RECORDS),
        ([HAVE, SILENT], 2, Ending.UNREACHABLE),
        ([HAVE, HAVE_NOT], 2, Ending.DISAGREE),
        ([HAVE, said(Outcome.ANSWER, "b")], 2, Ending.DISAGREE),
        ([HAVE, said(Outcome.CNAME, "x", target="x")], 2, Ending.DISAGREE),
        ([HAVE_NOT, ABSENT], 2, Ending.NO_DATA),
        ([ABSENT, ABSENT], 2, Ending.NO_NAME),
        ([said(Outcome.CNAME, target="x"), said(Outcome.DNAME, target="x")], 2, Ending.ALIAS),
        ([SILENT, LAME], 0, Ending.UNREACHABLE),
        ([], 0, Ending.UNREACHABLE),
    ],
)
def test_servers_add_up(answers: list[Answer], reachable: int, end: Ending) -> None:
    assert agree(answers, reachable).end is end
