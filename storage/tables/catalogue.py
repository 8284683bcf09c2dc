"""What can be ordered and how it is approved: immutable versions (SPEC 4.1)."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Field

from domain.definitions import ApprovalDefinition
from domain.offers import Offer
from storage.tables.columns import Row, UtcDateTime, document


class OfferVersionRow(Row, table=True):
    """A published version of an offer."""

    __tablename__ = "offer_version"

    name: str = Field(primary_key=True)
    version: int = Field(primary_key=True)
    hash: str
    body: Offer = Field(sa_type=document(Offer))
    published_at: datetime = Field(sa_type=UtcDateTime)


class DefinitionVersionRow(Row, table=True):
    """A published version of an approval definition."""

    __tablename__ = "definition_version"

    name: str = Field(primary_key=True)
    version: int = Field(primary_key=True)
    hash: str
    body: ApprovalDefinition = Field(sa_type=document(ApprovalDefinition))
    published_at: datetime = Field(sa_type=UtcDateTime)
