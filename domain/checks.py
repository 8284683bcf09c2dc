"""What order lines and orders ask of the outside world about domains, and what comes back (SPEC 5.3, 5.6).

Only verdicts and ids travel into workflow histories; the evidence stays in SQL (provisioning.md e.5).
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from enum import StrEnum

from domain.base import Key, Message, UtcDatetime
from domain.dns.names import DomainName
from domain.dns.requirements import Requirement
from domain.dns.verdicts import Doubt, ObservationSeverity, Overall
from domain.mail import RecordFact
from domain.orders import Line, OrderContext


class Finding(Message):
    """Something the check of domain and services found.

    Attributes:
        code: UPPER_SNAKE, such as `DUPLICATE_SERVICE` or `SPF_BUDGET`.
        field: The order's field that is meant.
        line: The line that is meant; None for the whole order.
    """

    code: str
    severity: ObservationSeverity
    field: str
    message: str
    line: int | None = None


class CheckOrder(Message):
    """Asks for a check of domain and services.

    Attributes:
        known: Digest of the findings known already; a watch ends when they change.
    """

    context: OrderContext
    lines: tuple[Line, ...]
    at: UtcDatetime
    known: str | None = None


class CheckReport(Message):
    """The findings of one check; the order is confirmed only without blocking ones."""

    id: str
    at: UtcDatetime
    findings: tuple[Finding, ...] = ()

    @property
    def blocking(self) -> tuple[Finding, ...]:
        """The findings that keep the order from being confirmed."""
        return tuple(each for each in self.findings if each.severity is ObservationSeverity.BLOCKING)

    @property
    def is_clean(self) -> bool:
        """Whether nothing blocks."""
        return not self.blocking

    @property
    def digest(self) -> str:
        """Changes exactly when a finding appears, disappears or reads differently."""
        text = "\n".join(sorted(f"{f.code}|{f.field}|{f.line}|{f.message}" for f in self.findings))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class Claim(StrEnum):
    """Whose domain it is: the first verified claim wins (SPEC 5.6)."""

    OPEN = "open"
    HELD = "held"
    TAKEN = "taken"


class WatchRecords(Message):
    """Asks to look at a line's records, once or until what is seen changes (SPEC D7).

    Attributes:
        known: Digest of what was seen last; None makes the first look the answer.
        doubts: The records that passed and were not found any more when they were seen last.
        at: The process's time at which the watch starts.
        closes_at: When the line closes, for the tight polling of the last day.
        patience: For how many hours UNKNOWN answers are asked again before one is given back (L17).
        token: The customer's secret among the requirements; None from builds that did not tell.
    """

    process: str
    organisation: Key
    domain: DomainName
    requirements: tuple[Requirement, ...]
    at: UtcDatetime
    known: str | None = None
    closes_at: UtcDatetime | None = None
    patience: int = 0
    token: str | None = None
    doubts: tuple[Doubt, ...] = ()

    @property
    def closes_after(self) -> timedelta | None:
        """Time from the start of the watch to the closure."""
        return self.closes_at - self.at if self.closes_at else None


class RecordsSeen(Message):
    """What was seen of a line's records.

    Attributes:
        report: Id of the stored evidence.
        digest: Changes when a verdict changes; never for UNKNOWN.
        open: The required records that do not pass yet, with what was found and hints.
        doubts: The records that pass because they did before, though they were not found (SPEC 5.6).
    """

    report: str
    at: UtcDatetime
    state: Overall
    digest: str
    open: tuple[RecordFact, ...] = ()
    claim: Claim = Claim.OPEN
    summary: str = ""
    doubts: tuple[Doubt, ...] = ()
