"""Verdicts on required records, the report of a check, and when a verdict has changed.

Only ids and verdicts reach workflow histories; the report with its evidence stays in SQL
(provisioning.md e.5).
"""

from __future__ import annotations

from enum import StrEnum

from domain.base import Message, UtcDatetime
from domain.dns.evidence import Lookup, Security
from domain.dns.requirements import Severity


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


def settle(known: str | None, seen: Report) -> Report:
    """Return the report with what was known before put where nothing was learnt.

    UNKNOWN never replaces a verdict, and PARTIAL, servers lagging behind, never takes a PASS away
    (SPEC 5.6). State and open requirements of the settled report fit its digest.

    Args:
        known: The digest of the last settled report; None before the first.
        seen: The report of the latest check, which is kept as it is.
    """
    before = _verdicts(known)
    return seen.model_copy(update={"results": tuple(_settle_one(before.get(r.id), r) for r in seen.results)})


def changed(known: str | None, seen: Report) -> bool:
    """Tell whether a watch has something to say (SPEC D7); the very first result always counts."""
    return known is None or settle(known, seen).digest != known


def _settle_one(before: Verdict | None, result: RequirementResult) -> RequirementResult:
    nothing_learnt = result.verdict is Verdict.UNKNOWN and before is not None
    lagging = result.verdict is Verdict.PARTIAL and before is Verdict.PASS
    return result.model_copy(update={"verdict": before}) if nothing_learnt or lagging else result


def _verdicts(digest: str | None) -> dict[str, Verdict]:
    pairs = (entry.rpartition("=") for entry in (digest or "").split())
    return {id_: Verdict(verdict) for id_, _, verdict in pairs}
