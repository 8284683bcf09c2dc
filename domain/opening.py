"""One opening of one stage: who has a seat, until when, and what was asked (SPEC 4.3, 4.5)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from domain.actions import Inquiry
from domain.decisions import Approver, Part
from domain.definitions import Approvers, Escalation, Stage
from domain.tally import votes_needed


class WorkingTime(Protocol):
    """A calendar as far as an approval needs one (`domain/calendars.py`)."""

    def add(self, start: datetime, working: timedelta) -> datetime:
        """The instant at which so much working time has passed."""


class Outcome(StrEnum):
    """How an opening ended without the votes that pass or deny it for good."""

    PASSED = "passed"
    SENT_BACK = "sent_back"
    REROUTED = "rerouted"
    VOIDED = "voided"


class Opening:
    """The state of one opening.

    Args:
        stage: The stage that opens.
        number: Its round, from 1.
        at: When it opens.
        calendar: Whose working time its durations are counted in; None for elapsed time.

    Attributes:
        deadline: When `on_deadline` or, after an escalation, the next step follows.
        reminded_until: Reminders up to here are done with.
        roster: Everybody with a seat; None until the directory has answered.
        needed: Approvals wanted of the approvers.
        level: The escalation level that is asked; 0 before any.
        is_replaced: Whether a level decides instead of the stage's approvers.
        outcome: Set once the opening is over for another reason than its votes.
    """

    def __init__(self, stage: Stage, number: int, at: datetime, calendar: WorkingTime | None) -> None:
        self.stage = stage
        self.round = number
        self.opened_at = self.reminded_until = at
        self._after: Callable[[datetime, timedelta], datetime] = (
            calendar.add if calendar is not None else lambda start, time: start + time
        )
        self._reminders = [self._after(at, each) for each in sorted(stage.reminders)]
        self.deadline = self._after(at, stage.deadline)
        self.roster: tuple[Approver, ...] | None = None
        self.needed = 1
        self.level = 0
        self.is_replaced = False
        self.inquiries: list[Inquiry] = []
        self.outcome: Outcome | None = None

    # Seats

    def seat(self, approvers: Iterable[Approver]) -> None:
        """Gives seats to the stage's approvers, and settles how many of them it takes.

        If the directory names them so late that a level has replaced them, they get none.
        """
        self.roster = self.roster or ()
        if not self.is_replaced:
            self.bring_in(approvers)
        self._count_seats()

    def bring_in(self, people: Iterable[Approver], voted: frozenset[str] = frozenset()) -> None:
        """Gives seats to people whom the stage asks besides its approvers; nobody has two.

        Whoever may decide alone now leaves a seat among others that has not voted for it. If it is nobody, a
        roster that is not known yet stays unknown: the stage has not been found to lack approvers.
        """
        for person in people:
            seat = self.seat_of(person.key)
            if seat is None:
                self.roster = (*(self.roster or ()), person)
            elif person.part.decides_alone and not seat.part.decides_alone and seat.key not in voted:
                self.give_back(seat)
                self.roster = (*(each for each in self.roster or () if each.key != person.key), person)

    def seat_of(self, person: str) -> Approver | None:
        """The seat somebody has now."""
        return next((seat for seat in self.roster or () if seat.key == person), None)

    def authority(self, seat: Approver, escalation_team: Approvers | None) -> Approvers:
        """By what somebody may sit where they sit; of a delegate, by what the one who delegated may."""
        owner = seat.stands_for or seat.key
        if seat.part is Part.FALLBACK and self.stage.fallback is not None:
            return self.stage.fallback
        if seat.part is Part.ESCALATION:
            asked = self.stage.escalations[seat.level - 1].approvers if seat.level else escalation_team
            return asked or Approvers(people=(owner,))
        return self.stage.asks if seat.part is Part.APPROVER else Approvers(people=(owner,))

    def replace_seat(self, old: Approver, new: Approver) -> None:
        """Lets somebody else sit on a seat."""
        self.roster = tuple(new if seat is old else seat for seat in self.roster or ())

    def give_back(self, seat: Approver) -> None:
        """Returns a delegated seat to whoever delegated it, unless they have come by another one."""
        if seat.stands_for is None:
            return
        if self.seat_of(seat.stands_for) is not None:
            self.roster = tuple(each for each in self.roster or () if each is not seat)
            return
        owner = {
            "key": seat.stands_for,
            "name": seat.stands_for_name,
            "stands_for": None,
            "stands_for_name": None,
        }
        self.replace_seat(seat, seat.model_copy(update=owner))

    def refresh(self, candidates: Iterable[Approver], voted: frozenset[str]) -> tuple[Approver, ...]:
        """Takes the directory's present answer for the stage's approvers (SPEC 11, Roster).

        Who is not among them any more loses a seat that has not voted, delegated or not; who is new gets one.

        Returns:
            The new seats.
        """
        found = {person.key: person for person in candidates}
        kept = [
            seat
            for seat in self.roster or ()
            if seat.part is not Part.APPROVER or seat.key in voted or (seat.stands_for or seat.key) in found
        ]
        there = {name for seat in kept for name in (seat.key, seat.stands_for)}
        new = tuple(person for key, person in found.items() if key not in there)
        self.roster = (*kept, *new)
        self._count_seats()
        return new

    def _count_seats(self) -> None:
        approvers = sum(seat.part is Part.APPROVER for seat in self.roster or ())
        self.needed = votes_needed(self.stage, approvers)

    # Escalation

    @property
    def next_level(self) -> Escalation | None:
        """Whom the stage escalates to next."""
        levels = self.stage.escalations
        return levels[self.level] if self.level < len(levels) else None

    def escalate(self, at: datetime) -> None:
        """Goes one level up; the level's own time begins.

        Raises:
            ValueError: There is none.
        """
        level = self.next_level
        if level is None:
            raise ValueError(f"stage {self.stage.name} has no further level")
        self.level += 1
        self.deadline = self._after(at, level.deadline)

    def seat_level(self, people: Sequence[Approver], voted: frozenset[str]) -> None:
        """Gives seats to the level that is asked; nobody loses one to a level that nobody can decide for."""
        if self.stage.escalations[self.level - 1].replaces and any(each.key not in voted for each in people):
            self.roster = tuple(seat for seat in self.roster or () if seat.key in voted)
            self.is_replaced = True
        self.bring_in(people, voted)

    # Time

    def restart_share(self, at: datetime) -> None:
        """Gives whoever was brought in now the stage's whole time; nobody's deadline moves back (S20)."""
        share = self.stage.escalations[self.level - 1].deadline if self.level else self.stage.deadline
        self.deadline = max(self.deadline, self._after(at, share))

    def next_due(self) -> datetime:
        """The next instant at which there is something to do."""
        return min([self.deadline, *self._reminders_after(self.reminded_until)])

    def reminder_is_due(self, now: datetime) -> bool:
        """Whether reminders have fallen due; those that did are done with, however many (SPEC 4.5)."""
        if not any(at <= now for at in self._reminders_after(self.reminded_until)):
            return False
        self.reminded_until = now
        return True

    def _reminders_after(self, after: datetime) -> list[datetime]:
        # Whom a stage was escalated to has not been asked long enough to be reminded.
        return [at for at in self._reminders if at > after] if not self.level else []

    # Inquiries

    @property
    def open_inquiries(self) -> tuple[Inquiry, ...]:
        """The questions that deciding waits for."""
        return tuple(inquiry for inquiry in self.inquiries if inquiry.is_open)

    def close_inquiry(self, number: int, at: datetime, answer: str | None) -> Inquiry:
        """Answers a question or takes it back."""
        closed = self.inquiries[number - 1].model_copy(update={"answer": answer, "closed_at": at})
        self.inquiries[number - 1] = closed
        return closed
