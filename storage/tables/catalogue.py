"""What can be ordered and how it is approved: immutable versions (SPEC 4.1)."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Field

from domain.definitions import ApprovalDefinition
from domain.offers import Offer
from storage.tables.columns import Row, UtcDateTime, document


class VersionRow(Row):
    """What both kinds of published versions have in common.

    Attributes:
        published_by: A person's key, or whoever `starter.publishing` names in a person's place; None for what
            was published before anybody wrote that down.
    """

    name: str = Field(primary_key=True)
    version: int = Field(primary_key=True)
    hash: str
    body: Offer | ApprovalDefinition
    published_at: datetime = Field(sa_type=UtcDateTime)
    published_by: str | None = None
    published_reason: str | None = None


class OfferVersionRow(VersionRow, table=True):
    """A published version of an offer."""

    __tablename__ = "offer_version"

    body: Offer = Field(sa_type=document(Offer))


class DefinitionVersionRow(VersionRow, table=True):
    """A published version of an approval definition; a retired one is taken by no new request."""

    __tablename__ = "definition_version"

    body: ApprovalDefinition = Field(sa_type=document(ApprovalDefinition))
    retired_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    retired_by: str | None = None
    retired_reason: str | None = None


class RemovedDefinitionRow(Row, table=True):
    """What is left of a definition that nobody used any more.

    Its version never means another one, and who published and retired it can still be told (SPEC 4.7).
    """

    __tablename__ = "removed_definition"

    name: str = Field(primary_key=True)
    version: int = Field(primary_key=True)
    hash: str
    removed_at: datetime = Field(sa_type=UtcDateTime)
    published_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    published_by: str | None = None
    published_reason: str | None = None
    retired_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    retired_by: str | None = None
    retired_reason: str | None = None
