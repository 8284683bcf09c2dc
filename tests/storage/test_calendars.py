"""What an order takes along of the calendars of its parties."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from domain.calendars import OFFICE_HOURS, Calendar
from domain.definitions import ApprovalDefinition
from domain.errors import Code, Refusal
from domain.orders import Line
from domain.organisations import Directory, Organisation, OrganisationKind, Parties
from starter.dev.samples import DIRECTORY
from starter.files import read_model
from storage.calendars import calendar_for, calendars_for, check_calendars
from storage.database import Database
from storage.directory import load_directory
from tests.domain.samples import definition, offer, stage

AT = datetime(2026, 3, 2, 8, tzinfo=UTC)
ZURICH = {"time_zone": "Europe/Zurich", "country": "CH", "subdivision": "ZH"}
PARTIES = Parties(provider="acme", partner="reseller", customer="contoso")


def organisation(calendar: dict[str, Any] | None, **more: Any) -> Organisation:
    return Organisation.model_validate(
        {"key": "acme", "kind": "provider", "name": "Acme", "calendar": calendar, **more}
    )


def directory(**calendars: dict[str, Any] | None) -> Directory:
    """Provider, partner and customer with these calendars."""
    kinds = {"acme": "provider", "reseller": "partner", "contoso": "customer"}
    return Directory(
        organisations=tuple(
            organisation(calendars.get(key), key=key, kind=kind) for key, kind in kinds.items()
        ),
        people=(),
    )


async def resolved(
    database: Database, parties: Directory, approval: ApprovalDefinition
) -> dict[OrganisationKind, Calendar]:
    async with database.session() as session:
        await load_directory(session, parties)
    async with database.reading() as session:
        return await calendars_for(session, approval, PARTIES, AT)


# One organisation's calendar


def test_a_calendar_knows_the_public_holidays_of_this_year_and_the_three_after_it() -> None:
    calendar = calendar_for(organisation(ZURICH), AT)
    assert (calendar.organisation, calendar.time_zone, calendar.hours) == (
        "acme",
        "Europe/Zurich",
        OFFICE_HOURS,
    )
    assert {day.year for day in calendar.holidays} == {2026, 2027, 2028, 2029}
    assert date(2026, 4, 3) in calendar.holidays  # Good Friday
    assert calendar.until == date(2030, 1, 1)


def test_holidays_are_those_of_the_subdivision() -> None:
    labour_day = date(2026, 5, 1)
    assert labour_day in calendar_for(organisation(ZURICH), AT).holidays
    assert labour_day not in calendar_for(organisation(ZURICH | {"subdivision": "BE"}), AT).holidays


def test_holidays_on_days_off_are_left_out() -> None:
    national_day = date(2026, 8, 1)  # a Saturday
    assert national_day not in calendar_for(organisation(ZURICH), AT).holidays
    every_day = {"hours": ["09:00-17:00"] * 7}
    assert national_day in calendar_for(organisation(ZURICH | every_day), AT).holidays


def test_a_substitute_for_a_holiday_on_a_weekend_is_a_day_off() -> None:
    calendar = calendar_for(organisation({"time_zone": "America/New_York", "country": "US"}), AT)
    assert date(2026, 7, 3) in calendar.holidays


@pytest.mark.parametrize(("place", "named"), [({"country": "ZZ"}, "ZZ-ZH"), ({"subdivision": "XX"}, "CH-XX")])
def test_a_place_without_known_holidays_is_refused_when_the_directory_is_read(
    place: dict[str, str], named: str
) -> None:
    with pytest.raises(Refusal, match=rf"^organisations\.reseller\.calendar: .* {named}$") as refusal:
        check_calendars(directory(acme=ZURICH, reseller=ZURICH | place), AT)
    assert refusal.value.code is Code.INVALID_INPUT


def test_the_sample_directory_has_calendars_that_can_be_counted_in() -> None:
    samples = read_model(DIRECTORY, Directory)
    check_calendars(samples, AT)
    assert sum(each.calendar is not None for each in samples.organisations) == 2


# An order's


async def test_only_the_parties_that_stages_name_bring_their_calendars(sqlite_database: Database) -> None:
    berlin = {"time_zone": "Europe/Berlin", "country": "DE"}
    parties = directory(acme=ZURICH, reseller=berlin, contoso=ZURICH)
    approval = definition(stage("one", calendar="partner"), stage("two"), stage("three", calendar="partner"))
    found = await resolved(sqlite_database, parties, approval)
    assert {kind: calendar.organisation for kind, calendar in found.items()} == {"partner": "reseller"}
    assert await resolved(sqlite_database, parties, definition(stage())) == {}


async def test_who_has_no_calendar_works_as_the_provider_does(sqlite_database: Database) -> None:
    approval = definition(stage(calendar="customer"))
    found = await resolved(sqlite_database, directory(acme=ZURICH), approval)
    assert found == {OrganisationKind.CUSTOMER: calendar_for(organisation(ZURICH), AT)}


async def test_without_any_calendar_office_hours_in_utc_count(sqlite_database: Database) -> None:
    approval = definition(stage(calendar="customer"))
    assert await resolved(sqlite_database, directory(), approval) == {OrganisationKind.CUSTOMER: Calendar()}


@pytest.mark.parametrize(("country", "zone"), [("CH", "Europe/Zurich"), ("JP", "Asia/Tokyo")])
async def test_a_line_with_its_calendar_stays_small(
    sqlite_database: Database, country: str, zone: str
) -> None:
    people = [f"contoso-manager-{number}" for number in range(10)]
    stages = [
        stage(
            name,
            title="The managers of the customer release the costs",
            approvers={"people": people, "permission": "approve", "party": "customer"},
            calendar="provider",
            reminders=["PT8H", "PT16H"],
        )
        for name in ("technical", "financial")
    ]
    approval = definition(*stages)
    calendar = {"time_zone": zone, "country": country}
    calendars = await resolved(sqlite_database, directory(acme=calendar), approval)
    line = Line(number=1, offer=offer(), offer_hash="x" * 64, approval=approval, calendars=calendars)
    assert len(approval.model_dump_json()) < 4_000
    assert len(line.calendars[OrganisationKind.PROVIDER].model_dump_json()) < 1_100
    assert Line.model_validate_json(line.model_dump_json()) == line
