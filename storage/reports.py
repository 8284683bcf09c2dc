"""Evidence: reports of checks, written once and never changed (provisioning.md e.5)."""

from __future__ import annotations

from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from domain.checks import CheckReport
from domain.dns.verdicts import Report
from domain.errors import Code, Refusal
from storage.tables import CheckReportRow, DnsReportRow

CLEAN = "clean"
BLOCKED = "blocked"
"""Verdicts of a check of domain and services."""


async def save_check_report(session: AsyncSession, process: str, report: CheckReport) -> str:
    """Keeps the findings of a check and returns the id they can be found by; the report's own is ignored."""
    key = uuid4().hex
    kept = report.model_copy(update={"id": key})
    verdict = CLEAN if report.is_clean else BLOCKED
    session.add(CheckReportRow(id=key, process=process, at=report.at, verdict=verdict, body=kept))
    return key


async def save_dns_report(session: AsyncSession, process: str, report: Report) -> str:
    """Keeps what was seen in DNS and returns the id it can be found by."""
    key = uuid4().hex
    session.add(
        DnsReportRow(id=key, process=process, at=report.checked_at, verdict=report.overall, body=report)
    )
    return key


async def report(session: AsyncSession, key: str) -> CheckReport | Report:
    """The report with this id, of whichever kind it is.

    Raises:
        Refusal: NOT_FOUND.
    """
    row: CheckReportRow | DnsReportRow | None = await session.get(CheckReportRow, key)
    row = row or await session.get(DnsReportRow, key)
    if row is None:
        raise Refusal(Code.NOT_FOUND, f"report: there is no {key}")
    return row.body
