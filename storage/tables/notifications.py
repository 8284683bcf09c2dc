"""What people chose to be told of (SPEC 6.4)."""

from __future__ import annotations

from sqlmodel import Field

from domain.mail import MailGroup
from domain.notifications import Choice
from storage.tables.columns import Row, word


class NotificationRow(Row, table=True):
    """One person's choice for one group of mails about one organisation; without it, the roles decide."""

    __tablename__ = "notification"

    person: str = Field(primary_key=True, foreign_key="person.key")
    organisation: str = Field(primary_key=True, foreign_key="organisation.key")
    group: MailGroup = Field(primary_key=True, sa_type=word(MailGroup))
    choice: Choice = Field(sa_type=word(Choice))
