"""Services, domains, and what was ordered under which idempotency key (SPEC 5)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Index, text
from sqlmodel import Field

from domain.line import ServiceStatus
from storage.tables.columns import Row, UtcDateTime, document, word


class ClaimStatus(StrEnum):
    """How far an organisation has come with a domain."""

    CLAIMED = "claimed"
    VERIFIED = "verified"
    RELEASED = "released"


class SubmissionRow(Row, table=True):
    """The order an idempotency key stands for; keys of different customers never meet."""

    __tablename__ = "submission"

    customer: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    body_hash: str
    order_id: str = Field(unique=True)


class ServiceRow(Row, table=True):
    """A service of an organisation. `process` and `seq` say which transition its status came from."""

    __tablename__ = "service"
    __table_args__ = (Index(None, "organisation", "domain"),)

    id: str = Field(primary_key=True)
    organisation: str
    offer: str
    offer_version: int
    domain: str | None = None
    status: ServiceStatus = Field(sa_type=word(ServiceStatus))
    order_id: str = Field(index=True)
    line: int
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)
    process: str
    seq: int


class DomainClaimRow(Row, table=True):
    """An organisation's claim on a domain; any number may claim, the first to verify holds it (SPEC 5.6).

    `registrable` is what people's addresses below the same registered domain are matched by.
    """

    __tablename__ = "domain_claim"
    __table_args__ = (
        Index(None, "organisation"),
        Index(
            "uq_domain_claim_verified",
            "domain",
            unique=True,
            sqlite_where=text("status = 'verified'"),
            postgresql_where=text("status = 'verified'"),
        ),
    )

    domain: str = Field(primary_key=True)
    organisation: str = Field(primary_key=True)
    token: str
    status: ClaimStatus = Field(sa_type=word(ClaimStatus))
    verified_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    registrable: str | None = Field(default=None, index=True)


class ResourceRow(Row, table=True):
    """What the `local` provisioning adapter has set up; the key is the request's idempotency key."""

    __tablename__ = "resource"

    key: str = Field(primary_key=True)
    service: str = Field(index=True)
    offer: str
    domain: str | None = None
    parameters: dict[str, str] = Field(sa_type=document(dict[str, str]))
    state: str
    updated_at: datetime = Field(sa_type=UtcDateTime)
