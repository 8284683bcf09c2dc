"""Business calendars: when an organisation works, and what that makes of a duration (SPEC 4.5, 11).

A process carries the calendars it counts in as it carries its definition (SPEC D8): a holiday that is
announced later moves no deadline. The rules of the zones come from the pinned `tzdata` package, never from
the machine, so that all workers of a build, and every replay, count alike.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from importlib.resources import files
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from domain.base import Key, Message

DAY = timedelta(days=1)
WEEK = timedelta(weeks=1)

LEAST = timedelta(hours=1)
"""Working time of a week at least: with less, no end of a long duration is within reach."""

MAX_HOLIDAYS = 400
"""Bounds a snapshot to a few kilobytes; four years of a country have about 40."""

TZDATA = files("tzdata")
ZONES = frozenset((TZDATA / "zones").read_text(encoding="utf-8").split())
"""The names of all zones, IANA's links included."""


def _known(zone: str) -> str:
    if zone not in ZONES:
        raise ValueError("is no IANA time zone, for example Europe/Berlin")
    return zone


def _forward(opening: str) -> str:
    opens, closes = opening.split("-")
    if opens >= closes:
        raise ValueError("must close after it opens, at 24:00 at the latest")
    return opening


def _enough(week: tuple[str | None, ...]) -> tuple[str | None, ...]:
    if _nominal(week) < LEAST:
        raise ValueError("must hold an hour of working time at least")
    return week


TimeZone = Annotated[str, AfterValidator(_known)]
"""The name of an IANA time zone."""

Opening = Annotated[
    str,
    StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)$"),
    AfterValidator(_forward),
]
"""The working hours of one day by the clock on the wall: `09:00-17:00`."""

Week = Annotated[tuple[Opening | None, ...], Field(min_length=7, max_length=7), AfterValidator(_enough)]
"""The working hours of each weekday, Monday first; None for a day off."""

OFFICE_HOURS: tuple[str | None, ...] = (*["09:00-17:00"] * 5, None, None)
"""What counts for whoever names no hours: five days of eight (approvals.md d, S20)."""


class Calendar(Message):
    """When an organisation works, as a snapshot; without anything given, office hours in UTC.

    The clock on the wall opens and closes: an hour that it shows twice opens and closes the first time, and
    an hour that it skips lasts no time. What is between opening and closing counts as it passes.

    Attributes:
        organisation: Whose calendar it is; None if nobody's.
        hours: Working hours by weekday, Monday first.
        holidays: Days off besides.
        until: First day of which holidays are not known, so that only weekends count; None if none are.
    """

    organisation: Key | None = None
    time_zone: TimeZone = "UTC"
    hours: Week = OFFICE_HOURS
    holidays: Annotated[tuple[date, ...], Field(max_length=MAX_HOLIDAYS)] = ()
    until: date | None = None

    @model_validator(mode="after")
    def _holidays_are_known(self) -> Self:
        late = [day for day in self.holidays if self._unknown(day)]
        if late:
            raise ValueError(f"holidays: {late[0]} is not before `until`")
        return self

    def add(self, start: datetime, working: timedelta) -> datetime:
        """The first instant at which so much working time has passed since `start`.

        A day's work ends when the day does: eight hours from Friday 09:00 are over on Friday at 17:00. No
        working time at all is over at once, whether anybody works then or not.

        Args:
            start: In UTC; outside working hours, time counts from the next opening.
            working: Working time.
        """
        if working <= timedelta():
            return start
        week = self._week_of(start)
        left = working + self._worked(week, start)
        while (whole := self._working_time(week)) < left:
            week, left = week + WEEK, left - whole
        spans = self._spans(week)
        opens, closes = next(spans)
        while closes - opens < left:
            left -= closes - opens
            opens, closes = next(spans)
        return opens + left

    def between(self, start: datetime, end: datetime) -> timedelta:
        """The working time within `[start, end)`; none if that is empty.

        Args:
            start: In UTC.
            end: In UTC.
        """
        first, last = self._week_of(start), self._week_of(end)
        weeks = (first + WEEK * number for number in range((last - first).days // 7))
        whole = sum((self._working_time(week) for week in weeks), timedelta())
        return max(timedelta(), whole + self._worked(last, end) - self._worked(first, start))

    def _unknown(self, day: date) -> bool:
        return self.until is None or day >= self.until

    def _week_of(self, at: datetime) -> date:
        """The Monday of an instant."""
        day = at.astimezone(_zone(self.time_zone)).date()
        return day - DAY * day.weekday()

    def _worked(self, week: date, at: datetime) -> timedelta:
        """The working time from the beginning of a week until an instant."""
        worked = timedelta()
        for opens, closes in self._spans(week):
            if opens >= at:
                break
            worked += min(closes, at) - opens
        return worked

    def _working_time(self, week: date) -> timedelta:
        """The working time of a week, without a look at its days if they are all as usual."""
        zone = _zone(self.time_zone)
        monday, next_monday = (datetime.combine(day, time(), zone) for day in (week, week + WEEK))
        # No zone has ever changed its clocks back within the week since computers keep their rules (1970).
        usual = self._unknown(week) or not any(week <= day < week + WEEK for day in self.holidays)
        if usual and monday.utcoffset() == next_monday.utcoffset():
            return _nominal(self.hours)
        return self._worked(week, _first_showing(next_monday.replace(tzinfo=None), zone))

    def _spans(self, day: date) -> Iterator[tuple[datetime, datetime]]:
        """When work begins and ends on each working day from a day on, without end."""
        zone = _zone(self.time_zone)
        while True:
            opening = self.hours[day.weekday()]
            if opening and (self._unknown(day) or day not in self.holidays):
                midnight = datetime.combine(day, time())
                opens, closes = _bounds(opening)
                yield _first_showing(midnight + opens, zone), _first_showing(midnight + closes, zone)
            day += DAY


@cache
def _zone(name: str) -> ZoneInfo:
    with (TZDATA / "zoneinfo").joinpath(*name.split("/")).open("rb") as rules:
        return ZoneInfo.from_file(rules, key=name)


@lru_cache(maxsize=1_000)
def _bounds(opening: str) -> tuple[timedelta, timedelta]:
    """When a day opens and closes, as time since midnight."""
    opens, closes = (clock.split(":") for clock in opening.split("-"))
    return _since_midnight(*opens), _since_midnight(*closes)


def _since_midnight(hours: str, minutes: str) -> timedelta:
    return timedelta(hours=int(hours), minutes=int(minutes))


@lru_cache(maxsize=1_000)
def _nominal(week: tuple[str | None, ...]) -> timedelta:
    """The working time of a week in which no clock is changed."""
    days = [_bounds(opening) for opening in week if opening]
    return sum((closes - opens for opens, closes in days), timedelta())


def _first_showing(local: datetime, zone: ZoneInfo) -> datetime:
    """The first instant at which the clocks of a zone show a local time, or a later one if they skip it."""

    def shown(at: datetime) -> datetime:
        return at.astimezone(zone).replace(tzinfo=None)

    at = local.replace(tzinfo=zone).astimezone(UTC)
    if shown(at) == local:
        return at
    # PEP 495: a skipped time by the new offset lies before the change, and by the old one behind it.
    before = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    seconds = range(int((at - before).total_seconds()))
    skip = bisect_left(seconds, local, key=lambda second: shown(before + timedelta(seconds=second)))
    return before + timedelta(seconds=skip)
