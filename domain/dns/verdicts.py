"""Verdicts on required records, the report of a check, and when a verdict has changed.

Only ids and verdicts reach workflow histories; the report with its evidence stays in SQL
(provisioning.md e.5).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from domain.base import Message, UtcDatetime
from domain.dns.evidence import Lookup, Security
from domain.dns.requirements import Severity

HOUR = timedelta(hours=1)
LOSS_RUNS = 3
LOSS_TIME = 72 * HOUR
"""A record that passed is lost once so many checks over so long found it wanting (provisioning.md e.5)."""


class Verdict(StrEnum):
    """The judgement on one required record (SPEC 5.6)."""

    PASS = "PASS"  # noqa: S105 - a verdict, not a secret
    MISSING = "MISSING"
    MISMATCH = "MISMATCH"
    CONFLICT = "CONFLICT"
    PARTIAL = "PARTIAL"
    UNKNOWN = "UNKNOWN"


class Overall(StrEnum):
    """The judgement on all required records together."""

    VERIFIED = "verified"
    PENDING = "pending"
    CONFLICT = "conflict"
    UNKNOWN = "unknown"


class Hint(Message):
    """What probably happened and what to do, found by looking around.

    Attributes:
        code: Stable snake_case name, such as `doubled_suffix`.
        message: One sentence for the person who edits the zone.
    """

    code: str
    message: str


class RequirementResult(Message):
    """The verdict on one requirement.

    Attributes:
        found: What is there now, shortened for display.
        evidence: Every look-up the verdict is based on.
    """

    id: str
    severity: Severity
    verdict: Verdict
    found: tuple[str, ...] = ()
    hints: tuple[Hint, ...] = ()
    evidence: tuple[Lookup, ...] = ()

    @property
    def counts(self) -> bool:
        """Whether the service waits for it; advice never holds anything up."""
        return self.severity is not Severity.ADVISORY


class Report(Message):
    """One check of one domain; immutable once made.

    Attributes:
        domain: The domain's key.
        checked_at: The instant handed in by the caller, not a clock's.
        dnssec: Status of the domain's zone; bogus as soon as any answer is.
    """

    domain: str
    checked_at: UtcDatetime
    results: tuple[RequirementResult, ...]
    dnssec: Security = Security.INDETERMINATE

    @property
    def overall(self) -> Overall:
        """The worst of what counts: conflict, then anything to set, then anything unknown."""
        verdicts = {result.verdict for result in self.results if result.counts}
        if Verdict.CONFLICT in verdicts:
            return Overall.CONFLICT
        if verdicts & {Verdict.MISSING, Verdict.MISMATCH, Verdict.PARTIAL}:
            return Overall.PENDING
        return Overall.UNKNOWN if Verdict.UNKNOWN in verdicts else Overall.VERIFIED

    @property
    def open_ids(self) -> tuple[str, ...]:
        """The requirements that count and do not pass, in their order."""
        return tuple(r.id for r in self.results if r.counts and r.verdict is not Verdict.PASS)

    @property
    def digest(self) -> str:
        """Ids and verdicts in one line; equal exactly when all verdicts are, and readable in a history."""
        return " ".join(sorted(f"{result.id}={result.verdict}" for result in self.results))


class ObservationSeverity(StrEnum):
    """Blocking keeps an order from being confirmed; a warning and an info are shown."""

    BLOCKING = "blocking"
    WARNING = "warning"
    INFO = "info"


class Observation(Message):
    """Something the feasibility check of an order saw (provisioning.md e.9).

    Attributes:
        code: UPPER_SNAKE, such as `SPF_BUDGET`.
        field: The order's field that is meant.
    """

    code: str
    severity: ObservationSeverity
    message: str
    field: str = "domain"


class Doubt(Message):
    """A record that passed and has been found wanting since, not often or not long enough to count.

    Attributes:
        id: The requirement's.
        since: The first check that found it wanting.
        runs: How many did, none in between having found it in place.
    """

    id: str
    since: UtcDatetime
    runs: int

    def is_loss(self, at: datetime) -> bool:
        """Whether the record has to count as lost (provisioning.md e.5)."""
        return self.runs >= LOSS_RUNS and at - self.since >= LOSS_TIME


class Settled(NamedTuple):
    """A report after hysteresis, and what is in doubt behind it."""

    report: Report
    doubts: tuple[Doubt, ...] = ()

    def is_news(self, known: str | None) -> bool:
        """Tell whether a watch has something to say (SPEC D7); the very first result always counts."""
        return self.report.digest != known


def settle(
    known: str | None, seen: Report, doubts: Sequence[Doubt] = (), proofs: Collection[str] = ()
) -> Settled:
    """Return what counts after a check, with what was known before where it still does.

    UNKNOWN never replaces a verdict. A PASS is lost only to checks that found the record wanting, three of
    them over 72 hours; UNKNOWN and PARTIAL, servers lagging behind, do not count for that (SPEC 5.6,
    provisioning.md e.5). A doubted proof of ownership is lost at once where nothing else is open: the domain
    is about to be bound, and whoever holds it now may be somebody else.

    Args:
        known: The digest of the last settled report; None before the first.
        seen: The report of the latest check, which is kept as it is.
        doubts: What the last settling left in doubt.
        proofs: The requirements that prove ownership.
    """
    before, doubted = _verdicts(known), {doubt.id: doubt for doubt in doubts}
    settled = _settle(before, doubted, seen)
    if settled.report.overall is Overall.VERIFIED and any(each.id in proofs for each in settled.doubts):
        return _settle({id_: verdict for id_, verdict in before.items() if id_ not in proofs}, doubted, seen)
    return settled


def _settle(before: dict[str, Verdict], doubted: dict[str, Doubt], seen: Report) -> Settled:
    each = [_settle_one(before.get(r.id), doubted.get(r.id), r, seen.checked_at) for r in seen.results]
    results = tuple(result for result, _ in each)
    return Settled(
        seen.model_copy(update={"results": results}), tuple(doubt for _, doubt in each if doubt is not None)
    )


def _settle_one(
    before: Verdict | None, doubt: Doubt | None, result: RequirementResult, at: datetime
) -> tuple[RequirementResult, Doubt | None]:
    if before is None or result.verdict is before:
        return result, None
    if before is not Verdict.PASS:
        nothing_learnt = result.verdict is Verdict.UNKNOWN
        return (result.model_copy(update={"verdict": before}) if nothing_learnt else result), None
    if result.verdict not in {Verdict.UNKNOWN, Verdict.PARTIAL}:
        first, runs = (doubt.since, doubt.runs) if doubt else (at, 0)
        doubt = Doubt(id=result.id, since=first, runs=runs + 1)
        if doubt.is_loss(at):
            return result, None
    hints = (*result.hints, _hint(doubt)) if doubt else result.hints
    return result.model_copy(update={"verdict": before, "hints": hints}), doubt


def _hint(doubt: Doubt) -> Hint:
    return Hint(
        code="was_in_place",
        message=f"It was in place before and has not been found since {doubt.since:%Y-%m-%d %H:%M} UTC."
        f" It counts as in place until {LOSS_RUNS} checks over {LOSS_TIME / HOUR:.0f} hours have missed it.",
    )


def _verdicts(digest: str | None) -> dict[str, Verdict]:
    pairs = (entry.rpartition("=") for entry in (digest or "").split())
    return {id_: Verdict(verdict) for id_, _, verdict in pairs}
