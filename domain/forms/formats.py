"""Fields whose answers follow a standard: zones, countries, days, addresses and host names."""

from __future__ import annotations

import re
from datetime import date
from importlib.resources import files
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from domain.base import Language
from domain.calendars import ZONES
from domain.dns.names import shown
from domain.errors import Refusal
from domain.forms.fields import (
    BooleanField,
    ChoiceField,
    FormField,
    IntegerField,
    Scalar,
    TextField,
    as_text,
    check_order,
)
from domain.mail import MAX_ADDRESS, parse_address

_ISO_3166 = (files("tzdata") / "zoneinfo" / "iso3166.tab").read_text(encoding="utf-8")
COUNTRIES = frozenset(line[:2] for line in _ISO_3166.splitlines() if not line.startswith("#"))
"""ISO 3166-1 alpha-2 codes, from the pinned `tzdata` package: all workers of a build know the same."""

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def _country(value: str) -> str:
    if value not in COUNTRIES:
        raise ValueError("is no ISO 3166-1 alpha-2 code, for example CH")
    return value


Country = Annotated[str, AfterValidator(_country)]
"""A country by its code."""


class TimeZoneField(FormField):
    """A time zone by its IANA name."""

    type: Literal["time_zone"] = "time_zone"
    default: str | None = None

    def read(self, value: object) -> str:
        """A zone that the pinned rules know."""
        zone = as_text(value)
        if zone not in ZONES:
            raise ValueError("is no IANA time zone, for example Europe/Zurich")
        return zone

    def answer_schema(self, language: Language) -> dict[str, Any]:  # noqa: ARG002
        """All zones by name."""
        return {"type": "string", "enum": sorted(ZONES)}


class CountryField(FormField):
    """A country by its ISO 3166-1 alpha-2 code.

    Attributes:
        among: Where the service is offered; everywhere if empty.
    """

    type: Literal["country"] = "country"
    among: Annotated[tuple[Country, ...], Field(max_length=300)] = ()
    default: str | None = None

    def read(self, value: object) -> str:
        """A country that is offered."""
        code = as_text(value)
        if code not in COUNTRIES:
            raise ValueError("is no ISO 3166-1 country code, for example CH")
        if self.among and code not in self.among:
            raise ValueError(f"the service is not offered in {code}; it is in {', '.join(self.among)}")
        return code

    def answer_schema(self, language: Language) -> dict[str, Any]:  # noqa: ARG002
        """The codes it takes."""
        return {"type": "string", "enum": sorted(self.among or COUNTRIES)}


class DateField(FormField):
    """A calendar day, such as 2026-03-02.

    Attributes:
        earliest: The first day it takes; `latest` the last.
    """

    type: Literal["date"] = "date"
    earliest: date | None = None
    latest: date | None = None
    default: str | None = None

    def check(self) -> None:
        """Refuses bounds that cross."""
        if self.earliest and self.latest:
            check_order(self.name, "earliest", self.earliest, "latest", self.latest)

    def read(self, value: object) -> str:
        """A day of the calendar within its bounds."""
        text = as_text(value)
        try:
            day = date.fromisoformat(text) if _DATE.fullmatch(text) else None
        except ValueError:
            day = None
        if day is None:
            raise ValueError("must be a date such as 2026-03-02")
        if self.earliest and day < self.earliest:
            raise ValueError(f"must be {self.earliest} or later")
        if self.latest and day > self.latest:
            raise ValueError(f"must be {self.latest} or earlier")
        return text

    def answer_schema(self, language: Language) -> dict[str, Any]:  # noqa: ARG002
        """A full date of RFC 3339."""
        return {"type": "string", "format": "date"}


class EmailField(FormField):
    """One plain mail address."""

    type: Literal["email"] = "email"
    default: str | None = None

    def read(self, value: object) -> str:
        """An address as SMTP carries it (`domain.mail.parse_address`)."""
        try:
            return parse_address(as_text(value).strip())
        except Refusal as refusal:
            raise ValueError(refusal.message.removeprefix("email: ")) from None

    def answer_schema(self, language: Language) -> dict[str, Any]:  # noqa: ARG002
        """A mail address."""
        return {"type": "string", "format": "email", "maxLength": MAX_ADDRESS}


class HostnameField(FormField):
    """A host name of letters, digits and hyphens (RFC 1123 2.1), or one label of it: a site's name.

    Attributes:
        under: The domain that a site's name is a label of; a full host name if left out.
        min_length: Characters a site's name has at least.
    """

    type: Literal["hostname"] = "hostname"
    under: Annotated[str, Field(max_length=190)] | None = None
    min_length: Annotated[int, Field(ge=1, le=63)] = 1
    default: str | None = None

    def check(self) -> None:
        """Refuses a domain that is none."""
        if self.under is not None and not _is_hostname(self.under):
            raise ValueError(f"{self.name}.under: {shown(self.under)} is no domain such as meet.example.com")

    def read(self, value: object) -> str:
        """A name in lower case."""
        name = as_text(value).strip().lower()
        if self.under is None:
            if not _is_hostname(name):
                raise ValueError("must be a host name such as mail.example.com")
        elif not _LABEL.fullmatch(name) or len(name) < self.min_length:
            raise ValueError(
                f"must be {self.min_length} to 63 letters, digits and hyphens, with no hyphen at either end"
            )
        return name

    def show(self, value: Scalar, language: Language) -> str:  # noqa: ARG002
        """The full name."""
        return f"{value}.{self.under}" if self.under else str(value)

    def answer_schema(self, language: Language) -> dict[str, Any]:  # noqa: ARG002
        """A host name, or one label."""
        if self.under is None:
            return {"type": "string", "format": "hostname", "maxLength": 253}
        pattern = r"^\s*[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\s*$"
        return {"type": "string", "minLength": self.min_length, "pattern": pattern}


def _is_hostname(name: str) -> bool:
    labels = name.split(".")
    return len(name) <= 253 and len(labels) > 1 and all(_LABEL.fullmatch(label) for label in labels)


SimpleField = Annotated[
    TextField
    | IntegerField
    | BooleanField
    | ChoiceField
    | TimeZoneField
    | CountryField
    | DateField
    | EmailField
    | HostnameField,
    Field(discriminator="type"),
]
"""A field with one answer; `type` says of which kind it is."""
