"""Organisations, people and what they may do (SPEC 4.3, 6.4)."""

from __future__ import annotations

from sqlalchemy import Index
from sqlmodel import Field

from domain.base import Language
from domain.organisations import ApprovalMails, OrganisationCalendar, OrganisationKind, Role
from storage.tables.columns import Bytewise, Row, document, word


class OrganisationRow(Row, table=True):
    """A provider, a partner or a customer."""

    __tablename__ = "organisation"

    key: str = Field(primary_key=True)
    kind: OrganisationKind = Field(sa_type=word(OrganisationKind))
    name: str
    partner: str | None = Field(default=None, foreign_key="organisation.key", index=True)
    calendar: OrganisationCalendar | None = Field(default=None, sa_type=document(OrganisationCalendar))
    industry: str | None = None
    country: str | None = None


class OrganisationWordRow(Row, table=True):
    """A word of an organisation's name, as `domain.matching.words_of` gives it.

    The index brings the shortest names with a common word first: `size` is how many words a name has. It
    holds all of them (`words`), so that a search for several looks nowhere else.
    """

    __tablename__ = "organisation_word"
    __table_args__ = (Index(None, "kind", "word", "size", "organisation", "words"),)

    organisation: str = Field(primary_key=True, foreign_key="organisation.key")
    kind: OrganisationKind = Field(sa_type=word(OrganisationKind))
    word: str = Field(primary_key=True, sa_type=Bytewise)
    size: int
    words: str


class PersonRow(Row, table=True):
    """Somebody who can be mailed and may hold roles; a service principal has no address.

    `address` and `domain` are what somebody with the same address, or a colleague's, is matched by.
    """

    __tablename__ = "person"

    key: str = Field(primary_key=True)
    name: str
    email: str | None = None
    address: str | None = Field(default=None, index=True)
    domain: str | None = Field(default=None, index=True)
    language: Language = Field(sa_type=word(Language))
    active: bool
    approval_mails: ApprovalMails = Field(sa_type=word(ApprovalMails))


class GrantRow(Row, table=True):
    """One role of one person in one organisation."""

    __tablename__ = "grant"
    __table_args__ = (Index(None, "organisation", "role"),)

    person: str = Field(primary_key=True, foreign_key="person.key")
    organisation: str = Field(primary_key=True, foreign_key="organisation.key")
    role: Role = Field(primary_key=True, sa_type=word(Role))
