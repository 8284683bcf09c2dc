"""The two kinds of message and the field types they share.

A *command* comes from outside and refuses what it does not know; a *message* may have been written by
an older or a newer build and ignores what it does not know, so that recorded histories keep decoding
(SPEC 10: stored models never get stricter).
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated
from unicodedata import category

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

MAX_COMMENT = 2_000
"""Longest reason or comment a person may give, in characters."""


class Message(BaseModel):
    """A frozen value that crosses a process boundary; unknown fields are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Command(BaseModel):
    """A frozen request from outside; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Language(StrEnum):
    """Languages mails are written in (BCP 47)."""

    DE = "de"
    EN = "en"


def _utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("needs a time zone, for example 2026-03-02T08:00:00Z")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("lies outside the calendar") from None


_UNPRINTABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories that break lines or terminals: controls, surrogates, line and paragraph separators."""


def printable(value: str) -> str:
    """Refuses what breaks lines or terminals; newline and tab may stay.

    Raises:
        ValueError: Saying so.
    """
    if any(category(char) in _UNPRINTABLE for char in value if char not in "\n\t"):
        raise ValueError("must not contain control characters")
    return value


def one_line(value: str) -> str:
    """Refuses what `printable` does, newlines and tabs.

    Raises:
        ValueError: Saying so.
    """
    if "\n" in value or "\t" in value:
        raise ValueError("must be one line without tabs")
    return printable(value)


UtcDatetime = Annotated[datetime, AfterValidator(_utc)]
"""An instant; any offset is accepted and turned into UTC (SPEC D9)."""

Text = Annotated[str, StringConstraints(max_length=MAX_COMMENT), AfterValidator(printable)]
"""Free text by a person: bounded, no control characters but newline and tab."""

Name = Annotated[
    str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True), AfterValidator(one_line)
]
"""What people call a thing: one line of one to 200 characters."""

Key = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$")]
"""A stable id that fits a URL, a file name and a workflow id."""
