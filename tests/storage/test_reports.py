"""Evidence comes back as it was kept."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.checks import CheckReport, Finding
from domain.dns.requirements import Severity as RecordSeverity
from domain.dns.verdicts import ObservationSeverity, Report, RequirementResult, Verdict
from domain.errors import Code, Refusal
from storage import reports
from storage.tables import CheckReportRow, DnsReportRow
from tests.storage.samples import AT, HOUR, LINE

BLOCKED = CheckReport(
    id="",
    at=AT,
    findings=(
        Finding(
            code="SPF_BUDGET",
            severity=ObservationSeverity.BLOCKING,
            field="domain",
            message="eleven look-ups",
            line=1,
        ),
    ),
)
SEEN = Report(
    domain="contoso.test",
    checked_at=AT,
    results=(
        RequirementResult(
            id="token", severity=RecordSeverity.REQUIRED, verdict=Verdict.MISMATCH, found=("x\0\U0001f600",)
        ),
    ),
)


async def test_a_check_report_is_found_by_its_id(session: AsyncSession) -> None:
    later = CheckReport(id="", at=AT + HOUR)
    first = await reports.save_check_report(session, LINE, BLOCKED)
    second = await reports.save_check_report(session, LINE, later)
    assert await reports.report(session, first) == BLOCKED.model_copy(update={"id": first})
    assert await reports.report(session, second) == later.model_copy(update={"id": second})
    verdicts = await session.scalars(select(CheckReportRow.verdict).order_by(CheckReportRow.at))
    assert verdicts.all() == ["blocked", "clean"]


async def test_a_dns_report_keeps_whatever_servers_said(session: AsyncSession) -> None:
    key = await reports.save_dns_report(session, LINE, SEEN)
    assert await reports.report(session, key) == SEEN
    assert await session.scalar(select(DnsReportRow.verdict)) == "pending"


async def test_a_report_nobody_kept_is_not_found(session: AsyncSession) -> None:
    with pytest.raises(Refusal) as refusal:
        await reports.report(session, "nothing")
    assert refusal.value.code is Code.NOT_FOUND
