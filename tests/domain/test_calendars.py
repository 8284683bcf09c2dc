"""Working time: against known days, its own inverse, and a clock that is looked at every minute."""

from __future__ import annotations

import time as stopwatch
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.calendars import MAX_HOLIDAYS, OFFICE_HOURS, ZONES, Calendar
from domain.definitions import LONGEST

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
AROUND_THE_CLOCK = ("00:00-24:00",) * 7
BERLIN = Calendar(time_zone="Europe/Berlin")


@cache
def rules(zone: str) -> ZoneInfo:
    """A zone by the pinned rules; the machine's own may be older."""
    with files("tzdata").joinpath("zoneinfo", zone).open("rb") as file:
        return ZoneInfo.from_file(file)


def local(calendar: Calendar, text: str) -> datetime:
    """An instant by the calendar's own clocks."""
    return datetime.fromisoformat(text).replace(tzinfo=rules(calendar.time_zone)).astimezone(UTC)


def on(*openings: tuple[int, str]) -> tuple[str | None, ...]:
    """Hours of single weekdays, Monday being 0."""
    return tuple(dict(openings).get(day) for day in range(7))


# Known days


@pytest.mark.parametrize(
    ("start", "hours", "end"),
    [
        ("2026-05-08 09:00", 16, "2026-05-11 17:00"),  # S20: a Friday; over when Monday's work is
        ("2026-05-11 12:00", 16, "2026-05-13 12:00"),  # S20: the delegate's share from Monday noon on
        ("2026-05-08 09:00", 8, "2026-05-08 17:00"),
        ("2026-05-08 16:59", 1, "2026-05-11 09:59"),
        ("2026-05-08 17:00", 1, "2026-05-11 10:00"),
        ("2026-05-09 12:00", 24, "2026-05-13 17:00"),
        ("2026-05-11 03:00", 1, "2026-05-11 10:00"),
        ("2026-05-09 12:00", 0, "2026-05-09 12:00"),
        ("2026-05-11 03:00", 0, "2026-05-11 03:00"),
    ],
)
def test_working_time_passes_within_hours_only(start: str, hours: int, end: str) -> None:
    begun, over = local(BERLIN, start), local(BERLIN, end)
    assert BERLIN.add(begun, hours * HOUR) == over
    assert BERLIN.between(begun, over) == hours * HOUR


def test_a_holiday_counts_like_a_weekend_until_holidays_are_not_known_any_more() -> None:
    ascension = date(2026, 5, 14)
    calendar = BERLIN.model_copy(update={"holidays": (ascension,), "until": date(2027, 1, 1)})
    wednesday = local(calendar, "2026-05-13 09:00")
    assert calendar.add(wednesday, 9 * HOUR) == local(calendar, "2026-05-15 10:00")
    assert calendar.between(wednesday, wednesday + 7 * DAY) == 4 * 8 * HOUR
    new_year = local(calendar, "2027-01-01 09:00")
    assert calendar.between(new_year, new_year + DAY) == 8 * HOUR


def test_an_empty_calendar_knows_office_hours_in_utc() -> None:
    assert Calendar().add(datetime(2026, 5, 8, 16, tzinfo=UTC), 2 * HOUR) == datetime(
        2026, 5, 11, 10, tzinfo=UTC
    )


def test_no_time_lies_between_an_instant_and_an_earlier_one() -> None:
    monday = local(BERLIN, "2026-05-11 09:00")
    assert BERLIN.between(monday + HOUR, monday) == timedelta()


def test_ten_years_of_working_time_are_counted_in_no_time() -> None:
    holidays = tuple(date(2026, 5, 4) + 7 * n * DAY for n in range(MAX_HOLIDAYS))
    calendar = BERLIN.model_copy(update={"holidays": holidays, "until": date(2035, 1, 1)})
    start = local(calendar, "2026-05-08 09:00")
    before = stopwatch.perf_counter()
    end = calendar.add(start, LONGEST)
    assert calendar.between(start, end) == LONGEST
    assert stopwatch.perf_counter() - before < 1


def test_the_least_that_a_calendar_may_work_gets_the_longest_stage_to_an_end() -> None:
    calendar = Calendar(time_zone="America/New_York", hours=on((2, "23:00-24:00")))
    start = datetime(2026, 5, 8, tzinfo=UTC)
    assert calendar.between(start, calendar.add(start, LONGEST)) == LONGEST


# Changed clocks


@pytest.mark.parametrize(
    ("zone", "sunday", "hours"),
    [
        ("Europe/Berlin", "2026-03-29", 23),
        ("Europe/Berlin", "2026-10-25", 25),
        ("America/New_York", "2026-03-08", 23),
        ("America/New_York", "2026-11-01", 25),
        ("Australia/Lord_Howe", "2024-04-07", 24.5),
        ("Pacific/Apia", "2011-12-30", 0),
    ],
)
def test_a_day_around_the_clock_is_as_long_as_it_is(zone: str, sunday: str, hours: float) -> None:
    calendar = Calendar(time_zone=zone, hours=AROUND_THE_CLOCK)
    midnight = local(calendar, f"{sunday} 00:00")
    next_midnight = local(calendar, f"{date.fromisoformat(sunday) + DAY} 00:00")
    assert calendar.between(midnight, next_midnight) == hours * HOUR
    week = (midnight - 3 * DAY, midnight + 4 * DAY)
    assert calendar.between(*week) == 7 * DAY


@pytest.mark.parametrize(
    ("zone", "friday"),
    [
        ("Europe/Berlin", "2026-03-27"),
        ("Europe/Berlin", "2026-10-23"),
        ("America/New_York", "2026-03-06"),
        ("America/New_York", "2026-10-30"),
    ],
)
def test_offices_open_by_the_clock_on_the_wall_on_both_sides_of_a_change(zone: str, friday: str) -> None:
    calendar = Calendar(time_zone=zone)
    monday = date.fromisoformat(friday) + 3 * DAY
    assert calendar.add(local(calendar, f"{friday} 16:00"), 2 * HOUR) == local(calendar, f"{monday} 10:00")


@pytest.mark.parametrize(
    ("opening", "sunday", "begins", "lasts"),
    [
        ("02:30-06:00", "2026-03-29", "01:00", 3 * HOUR),  # skipped: opens when the clock jumps to 03:00
        ("02:10-02:50", "2026-03-29", None, timedelta()),
        ("02:30-06:00", "2026-10-25", "00:30", 4.5 * HOUR),  # shown twice: opens the first time
        ("01:00-02:30", "2026-10-25", "23:00", 1.5 * HOUR),  # and closes the first time
    ],
)
def test_what_opens_within_a_change_of_clocks(
    opening: str, sunday: str, begins: str | None, lasts: timedelta
) -> None:
    calendar = Calendar(time_zone="Europe/Berlin", hours=on((0, "09:00-17:00"), (6, opening)))
    midnight = local(calendar, f"{sunday} 00:00")
    assert calendar.between(midnight, midnight + DAY) == lasts
    if begins:
        begun = calendar.add(midnight, MINUTE) - MINUTE
        assert f"{begun:%H:%M}" == begins


# For all calendars

CLOCK = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.sampled_from((0, 1, 15, 30, 59)))
OPENINGS = (
    st.tuples(CLOCK, CLOCK | st.just("24:00"))
    .filter(lambda clocks: clocks[0] < clocks[1])
    .map(lambda clocks: f"{clocks[0]}-{clocks[1]}")
)
HOURS = (
    st.just(OFFICE_HOURS)
    | st.just(AROUND_THE_CLOCK)
    | st.tuples(*[st.none() | OPENINGS] * 6, st.just("00:00-24:00"))
)
CHANGES = [
    ("Europe/Berlin", datetime(2026, 3, 29, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 10, 25, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 3, 8, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 11, 1, tzinfo=UTC)),
    ("America/Havana", datetime(2024, 11, 3, tzinfo=UTC)),  # shows midnight twice
    ("Africa/Cairo", datetime(2024, 4, 26, tzinfo=UTC)),  # skips midnight
    ("Australia/Lord_Howe", datetime(2024, 4, 7, tzinfo=UTC)),  # by half an hour
    ("Pacific/Apia", datetime(2011, 12, 30, tzinfo=UTC)),  # skips a day
    ("Asia/Kolkata", datetime(2026, 8, 15, tzinfo=UTC)),
]


@st.composite
def scenes(draw: st.DrawFn) -> tuple[Calendar, datetime]:
    """A calendar and a minute within days of a change of its clocks, and of a holiday or two."""
    zone, change = draw(st.sampled_from(CHANGES))
    days = [(change + number * DAY).date() for number in draw(st.sets(st.integers(-4, 4), max_size=2))]
    calendar = Calendar(
        time_zone=zone, hours=draw(HOURS), holidays=tuple(days), until=(change + 9 * DAY).date()
    )
    return calendar, change + MINUTE * draw(st.integers(-4 * 1440, 3 * 1440))


DURATIONS = st.timedeltas(timedelta(), timedelta(days=30))


def working_minutes(calendar: Calendar, start: datetime, end: datetime) -> list[datetime]:
    """Every minute at which somebody works, found by looking at a clock that is never put back."""
    zone = rules(calendar.time_zone)
    found = []
    latest = datetime.min  # noqa: DTZ901 - a clock on a wall shows no zone
    at = start - 2 * DAY
    while at < end:
        latest = max(latest, at.astimezone(zone).replace(tzinfo=None))
        opening = calendar.hours[latest.weekday()]
        if at >= start and opening and latest.date() not in calendar.holidays:
            opens, closes = opening.split("-")
            if opens <= f"{latest:%H:%M}" < closes:
                found.append(at)
        at += MINUTE
    return found


@settings(max_examples=60, deadline=None)
@given(scenes(), st.integers(0, 5 * 1440))
def test_as_much_time_passes_as_minutes_at_which_somebody_works(
    scene: tuple[Calendar, datetime], minutes: int
) -> None:
    calendar, start = scene
    end = start + minutes * MINUTE
    worked = working_minutes(calendar, start, end)
    assert calendar.between(start, end) == len(worked) * MINUTE
    if worked:
        assert calendar.add(start, len(worked) * MINUTE) == worked[-1] + MINUTE


@given(scenes(), DURATIONS)
def test_what_was_added_lies_between(scene: tuple[Calendar, datetime], working: timedelta) -> None:
    calendar, start = scene
    end = calendar.add(start, working)
    assert end >= start
    assert calendar.between(start, end) == working


@given(scenes(), DURATIONS)
def test_an_end_is_reached_as_soon_as_the_time_before_it_has_passed(
    scene: tuple[Calendar, datetime], later: timedelta
) -> None:
    calendar, start = scene
    working = calendar.between(start, start + later)
    end = calendar.add(start, working)
    assert end <= start + later
    assert calendar.between(end, start + later) == timedelta()


@given(scenes(), DURATIONS, DURATIONS)
def test_times_add_up(scene: tuple[Calendar, datetime], one: timedelta, two: timedelta) -> None:
    calendar, start = scene
    assert calendar.add(calendar.add(start, one), two) == calendar.add(start, one + two)
    middle = start + one
    assert calendar.between(start, middle) + calendar.between(middle, middle + two) == calendar.between(
        start, middle + two
    )


@given(scenes(), DURATIONS, DURATIONS)
def test_who_starts_later_or_has_more_to_do_is_done_no_earlier(
    scene: tuple[Calendar, datetime], working: timedelta, more: timedelta
) -> None:
    calendar, start = scene
    end = calendar.add(start, working)
    assert calendar.add(start, working + more) >= end
    assert calendar.add(start + more, working) >= end


# What is no calendar


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"time_zone": "Europe/Bern"}, "no IANA time zone"),
        ({"time_zone": "../../etc/passwd"}, "no IANA time zone"),
        ({"time_zone": ""}, "no IANA time zone"),
        ({"hours": [None] * 7}, "an hour of working time"),
        ({"hours": on((0, "09:00-09:59"))}, "an hour of working time"),
        ({"hours": ["09:00-17:00"] * 5}, "at least 7 items"),
        ({"hours": ["09:00-17:00"] * 8}, "at most 7 items"),
        ({"hours": ["17:00-09:00"] * 7}, "close after it opens"),
        ({"hours": ["09:00-09:00"] * 7}, "close after it opens"),
        ({"hours": ["9:00-17:00"] * 7}, "match pattern"),
        ({"hours": ["24:00-24:00"] * 7}, "match pattern"),
        ({"hours": ["09:00-24:01"] * 7}, "match pattern"),
        ({"hours": ["09:00-17:00\n"] * 7}, "match pattern"),
        ({"holidays": ["2026-12-25"]}, "2026-12-25 is not before `until`"),
        ({"holidays": ["2026-12-25"], "until": "2026-12-25"}, "2026-12-25 is not before `until`"),
        ({"holidays": ["2026-12-25"] * (MAX_HOLIDAYS + 1), "until": "2027-01-01"}, "at most 400 items"),
    ],
)
def test_a_calendar_that_cannot_be_counted_in_is_refused(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Calendar.model_validate(fields)


def test_an_hour_a_week_is_enough() -> None:
    assert Calendar(hours=on((0, "09:00-10:00"))).hours[0]


@given(scenes())
def test_a_calendar_survives_the_wire_unchanged(scene: tuple[Calendar, datetime]) -> None:
    calendar, _ = scene
    assert Calendar.model_validate_json(calendar.model_dump_json()) == calendar


def test_every_zone_can_be_counted_in() -> None:
    start = datetime(2026, 5, 8, tzinfo=UTC)
    for zone in ZONES:
        assert Calendar(time_zone=zone).add(start, 40 * HOUR) > start + 6 * DAY
