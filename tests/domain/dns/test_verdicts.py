from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.dns.evidence import Answer, Ending, Outcome, agree
from domain.dns.requirements import Severity
from domain.dns.verdicts import (
    Doubt,
    Overall,
    Report,
    RequirementResult,
    Settled,
    Verdict,
    settle,
)

NOW = datetime(2026, 3, 2, tzinfo=UTC)
VERDICTS = st.dictionaries(st.sampled_from(["mx", "own", "spf"]), st.sampled_from(Verdict), min_size=1)
V = Verdict


HOUR = timedelta(hours=1)
NEGATIVE = (V.MISSING, V.MISMATCH, V.CONFLICT)


def report(
    verdicts: dict[str, Verdict], severity: Severity = Severity.REQUIRED, at: datetime = NOW
) -> Report:
    results = tuple(RequirementResult(id=id_, severity=severity, verdict=v) for id_, v in verdicts.items())
    return Report(domain="contoso.ch", checked_at=at, results=results)


def changed(known: str | None, seen: Report) -> bool:
    return settle(known, seen).is_news(known)


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
    assert settle(known, silent).report.overall is report(verdicts).overall


@pytest.mark.parametrize(
    ("before", "after", "is_change"),
    [
        (V.PASS, V.PARTIAL, False),
        (V.MISSING, V.PARTIAL, True),
        (V.PARTIAL, V.PASS, True),
        (V.PASS, V.MISSING, False),
        (V.UNKNOWN, V.MISSING, True),
        (V.UNKNOWN, V.PARTIAL, True),
        (V.MISSING, V.CONFLICT, True),
    ],
)
def test_servers_lagging_behind_take_no_pass_away(before: Verdict, after: Verdict, is_change: bool) -> None:
    assert changed(report({"mx": before}).digest, report({"mx": after})) is is_change


def test_records_seen_at_different_times_verify_together() -> None:
    known = report({"mx": V.PASS, "own": V.MISSING}).digest
    settled = settle(known, report({"mx": V.UNKNOWN, "own": V.PASS})).report
    assert settled.overall is Overall.VERIFIED
    assert not changed(settled.digest, report({"mx": V.PASS, "own": V.PASS}))


@given(VERDICTS, VERDICTS)
def test_a_settled_report_is_settled(one: dict[str, Verdict], other: dict[str, Verdict]) -> None:
    settled = settle(report(one).digest, report(other)).report
    assert settle(settled.digest, report(other)).report.digest == settled.digest


# Losing what was in place (provisioning.md e.5)

RUNS = st.lists(st.tuples(st.integers(0, 60), st.sampled_from(Verdict)), max_size=30)
"""Checks of one record: hours since the one before, and what was found."""


def watched(runs: list[tuple[int, Verdict]]) -> list[Settled]:
    """What counts after each check of a record that was in place at first."""
    at, known, last, counts = NOW, "own=PASS", Settled(report({})), []
    for hours, verdict in runs:
        at += hours * HOUR
        last = settle(known, report({"own": verdict}, at=at), last.doubts)
        known = last.report.digest
        counts.append(last)
    return counts


def expected_loss(runs: list[tuple[int, Verdict]]) -> int | None:
    """The check with which the record is lost, by the words of the rule."""
    hour, missed = 0, []
    for number, (hours, verdict) in enumerate(runs):
        hour += hours
        if verdict is V.PASS:
            missed = []
        elif verdict in NEGATIVE:
            missed.append(hour)
            if len(missed) >= 3 and hour - missed[0] >= 72:
                return number
    return None


@given(RUNS)
def test_a_record_in_place_is_lost_to_three_checks_over_72_hours_and_to_nothing_else(
    runs: list[tuple[int, Verdict]],
) -> None:
    verdicts = [each.report.results[0].verdict for each in watched(runs)]
    loss = expected_loss(runs)
    until = len(runs) if loss is None else loss
    assert verdicts[:until] == [V.PASS] * until
    if loss is not None:
        assert verdicts[loss] is runs[loss][1]


@given(st.lists(st.tuples(st.integers(0, 60), st.sampled_from([V.UNKNOWN, V.PARTIAL]))))
def test_not_knowing_never_takes_a_record_away(runs: list[tuple[int, Verdict]]) -> None:
    assert all(each.report.overall is Overall.VERIFIED and not each.doubts for each in watched(runs))


@pytest.mark.parametrize("between", [V.UNKNOWN, V.PARTIAL])
def test_not_knowing_ends_no_doubt_either_but_finding_the_record_does(between: Verdict) -> None:
    runs = [(0, V.MISSING), (36, V.MISMATCH), (1, between), (35, V.MISSING)]
    assert watched(runs)[-1].report.digest == "own=MISSING"
    again = watched([*runs[:2], (1, V.PASS), *runs[3:]])[-1]
    assert again.report.digest == "own=PASS"
    assert again.doubts == (Doubt(id="own", since=NOW + 72 * HOUR, runs=1),)


@pytest.mark.parametrize(
    ("runs", "verdict"),
    [
        ([0] * 50, V.PASS),
        ([0, 71, 0], V.PASS),
        ([0, 72], V.PASS),
        ([0, 1, 71], V.MISSING),
    ],
    ids=["often but not long", "an hour short", "long but not often", "often and long enough"],
)
def test_a_loss_takes_both_often_and_long(runs: list[int], verdict: Verdict) -> None:
    counts = watched([(hours, V.MISSING) for hours in runs])[-1]
    assert counts.report.results[0].verdict is verdict
    assert bool(counts.doubts) is (verdict is V.PASS)


def test_a_doubted_record_says_since_when_it_was_not_found() -> None:
    [result] = watched([(5, V.MISSING)])[-1].report.results
    assert [hint.code for hint in result.hints] == ["was_in_place"]
    assert "since 2026-03-02 05:00 UTC" in result.hints[0].message


def test_a_record_that_was_never_in_place_is_not_in_doubt() -> None:
    assert settle("own=MISSING", report({"own": V.MISMATCH})) == Settled(report({"own": V.MISMATCH}))


def test_a_proof_in_doubt_binds_nothing() -> None:
    """The domain may have changed hands: the new holder's zone has our other records, not this token."""
    known = "mx=MISSING own=PASS"
    gone = {"mx": V.MISSING, "own": V.MISMATCH}
    doubted = settle(known, report(gone), proofs={"own"})
    assert doubted.report.digest == known
    complete = settle(known, report(gone | {"mx": V.PASS}), doubted.doubts, proofs={"own"})
    assert (complete.report.digest, complete.doubts) == ("mx=PASS own=MISMATCH", ())
    assert complete.report.overall is Overall.PENDING


@given(VERDICTS, VERDICTS)
def test_a_complete_report_never_rests_on_a_doubted_proof(
    one: dict[str, Verdict], other: dict[str, Verdict]
) -> None:
    settled = settle(report(one).digest, report(other), proofs={"own"})
    if settled.report.overall is Overall.VERIFIED:
        assert "own" not in {doubt.id for doubt in settled.doubts}


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
