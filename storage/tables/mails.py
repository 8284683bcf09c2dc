"""Outbox and mail archive in one table (SPEC D6, 6.4)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Index, text
from sqlmodel import Field

from domain.base import Language
from domain.mail import MailFacts, MailGroup, Template, Why
from storage.tables.columns import PlainText, Row, UtcDateTime, document, word


class MailStatus(StrEnum):
    """What became of a mail; all but `queued`, `awaited` and `collecting` are final.

    `awaited` is for the process that wrote it to hand over, which waits for what becomes of it (SPEC D6).
    `collecting` waits for its hour to end. Then it is `collected` in a digest, or `outdated` because nothing
    is wanted any more; so is an awaited mail that had not gone out when somebody else was asked.
    """

    QUEUED = "queued"
    AWAITED = "awaited"
    COLLECTING = "collecting"
    COLLECTED = "collected"
    OUTDATED = "outdated"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    GIVEN_UP = "given_up"


class MailRow(Row, table=True):
    """One mail to one recipient, from the moment it is decided on.

    `at` is the process's time and becomes the mail's Date; the other times are the relay's. A queued mail
    without `next_attempt_at` is due at once. `raw` is written at the first attempt and sent again as it is;
    `attempt_open_since` stands while an attempt has not reported back. A mail that is collected names the
    `stage` and `round` it asks about, and in the end the `digest` it went into.
    """

    __tablename__ = "mail"
    __table_args__ = (
        Index(
            "ix_mail_due",
            "next_attempt_at",
            sqlite_where=text("status = 'queued'"),
            postgresql_where=text("status = 'queued'"),
        ),
        Index(
            "ix_mail_collecting",
            "person",
            "at",
            sqlite_where=text("status = 'collecting'"),
            postgresql_where=text("status = 'collecting'"),
        ),
        Index(None, "process", "seq"),
        Index(None, "at"),
        Index(None, "recipient"),
    )

    id: str = Field(primary_key=True)
    process: str
    seq: int
    template: Template = Field(sa_type=word(Template))
    group: MailGroup = Field(sa_type=word(MailGroup))
    person: str
    name: str
    recipient: str
    language: Language = Field(sa_type=word(Language))
    facts: MailFacts = Field(sa_type=document(MailFacts))
    why: Why = Field(sa_type=word(Why))
    action_links: bool
    at: datetime = Field(sa_type=UtcDateTime)
    status: MailStatus = Field(default=MailStatus.QUEUED, sa_type=word(MailStatus))
    attempts: int = 0
    attempt_open_since: datetime | None = Field(default=None, sa_type=UtcDateTime)
    next_attempt_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    maybe_duplicate: bool = False
    raw: bytes | None = None
    reply: str | None = Field(default=None, sa_type=PlainText)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    error: str | None = Field(default=None, sa_type=PlainText)
    stage: str | None = None
    round: int | None = None
    digest: str | None = Field(default=None, index=True)
