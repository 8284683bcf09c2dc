"""From what an organisation says about its work to the calendar that a process carries (SPEC 4.5)."""

from __future__ import annotations

from datetime import date, datetime

import holidays
from sqlalchemy.ext.asyncio import AsyncSession

from domain.calendars import Calendar
from domain.definitions import ApprovalDefinition
from domain.errors import Code, Refusal
from domain.organisations import Directory, Organisation, OrganisationKind, Parties
from storage import directory

YEARS = 4
"""The year of the order and the three after it: more than any approval lasts, and few enough to carry."""


async def calendars_for(
    session: AsyncSession, definition: ApprovalDefinition, parties: Parties, at: datetime
) -> dict[OrganisationKind, Calendar]:
    """The calendars that a definition's stages count in, by the party they name.

    A party without a calendar works as the provider does; without any, office hours in UTC count.

    Raises:
        Refusal: INVALID_INPUT for a country whose holidays are not known, NOT_FOUND for a party.
    """
    provider = await directory.organisation(session, parties.provider)
    found = {}
    for kind in sorted({stage.calendar for stage in definition.stages if stage.calendar}):
        party = await directory.organisation(session, parties.organisation(kind))
        found[kind] = calendar_for(party if party.calendar else provider, at)
    return found


def calendar_for(organisation: Organisation, at: datetime) -> Calendar:
    """An organisation's calendar with the public holidays of the year of `at` and the three after it.

    Holidays that nobody would have worked on anyway are left out, which keeps it small.

    Raises:
        Refusal: INVALID_INPUT for a country or subdivision whose holidays are not known.
    """
    given = organisation.calendar
    if given is None:
        return Calendar()
    field = f"organisations.{organisation.key}.calendar"
    days = _public_holidays(field, given.country, given.subdivision, range(at.year, at.year + YEARS))
    return Calendar(
        organisation=organisation.key,
        time_zone=given.time_zone,
        hours=given.hours,
        holidays=tuple(day for day in days if given.hours[day.weekday()]),
        until=date(at.year + YEARS, 1, 1),
    )


def check_calendars(loaded: Directory, at: datetime) -> None:
    """Refuses a directory that names a country whose holidays nobody knows, before an order meets it.

    Raises:
        Refusal: INVALID_INPUT, naming the field.
    """
    for organisation in loaded.organisations:
        calendar_for(organisation, at)


def _public_holidays(field: str, country: str, subdivision: str | None, years: range) -> list[date]:
    """Days on which a country's offices are closed, substitutes for those on weekends included.

    Raises:
        Refusal: INVALID_INPUT.
    """
    try:
        return sorted(holidays.country_holidays(country, subdivision, years, expand=False))
    except NotImplementedError:
        place = "-".join(filter(None, (country, subdivision)))
        raise Refusal(Code.INVALID_INPUT, f"{field}: no public holidays are known of {place}") from None
