"""Reports of checks: immutable evidence, referred to by id from histories (provisioning.md e.5)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index
from sqlmodel import Field

from domain.checks import CheckReport
from domain.dns.verdicts import Report
from storage.tables.columns import Row, UtcDateTime, document


class CheckReportRow(Row, table=True):
    """One check of domain and services."""

    __tablename__ = "check_report"
    __table_args__ = (Index(None, "process", "at"),)

    id: str = Field(primary_key=True)
    process: str
    at: datetime = Field(sa_type=UtcDateTime)
    verdict: str
    body: CheckReport = Field(sa_type=document(CheckReport))


class DnsReportRow(Row, table=True):
    """One look at DNS records."""

    __tablename__ = "dns_report"
    __table_args__ = (Index(None, "process", "at"),)

    id: str = Field(primary_key=True)
    process: str
    at: datetime = Field(sa_type=UtcDateTime)
    verdict: str
    body: Report = Field(sa_type=document(Report))
