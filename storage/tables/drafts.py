"""Answers to set-up forms that nobody has confirmed yet (SPEC 5.5)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlmodel import Field

from storage.tables.columns import PlainText, Row, UtcDateTime, document


class DraftRow(Row, table=True):
    """The draft of a line; `version` counts its saves and tells two people who save at once apart."""

    __tablename__ = "draft"

    process: str = Field(primary_key=True)
    answers: dict[str, Any] = Field(sa_type=document(dict[str, Any]))
    saved_by: str = Field(sa_type=PlainText)
    saved_at: datetime = Field(sa_type=UtcDateTime)
    version: int
