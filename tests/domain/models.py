"""Second opinions: what SPEC and b.2 say, written down without a look at how `domain` does it.

Nothing is kept but a log of what happened. Every question is answered from the whole log each time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any


@dataclass(frozen=True)
class Fact:
    """What happened to an approval: it opens, seats, votes, reminds, runs_out or is_taken_back."""

    what: str
    at: datetime
    stage: str = ""
    who: tuple[str, ...] = ()
    verdict: str = ""


class ApprovalModel:
    """An approval by SPEC 4.2, 4.3 and 11.

    Args:
        definition: The definition's JSON, with every default written out and durations as `timedelta`.
        affected: Requester and beneficiary.
    """

    def __init__(self, definition: dict[str, Any], affected: set[str]) -> None:
        self.rules: dict[str, dict[str, Any]] = {stage["name"]: stage for stage in definition["stages"]}
        self.order = list(self.rules)
        self.affected = affected
        self.log: list[Fact] = []

    def happened(self, what: str, at: datetime, *who: str, stage: str = "", verdict: str = "") -> None:
        self.log.append(Fact(what, at, stage or self.stage, who, verdict))

    def facts(self, what: str, stage: str) -> list[Fact]:
        return [fact for fact in self.log if (fact.what, fact.stage) == (what, stage)]

    # How a stage stands: "open", "passed", "denied" or "expired"

    def seats(self, stage: str) -> list[str] | None:
        """Who was eligible when the stage's roster was recorded: each person once, the affected left out."""
        recorded = self.facts("seats", stage)
        if not recorded:
            return None
        barred = set() if self.rules[stage]["self_approval"] else self.affected
        return [person for person in dict.fromkeys(recorded[-1].who) if person not in barred]

    def wanted(self, stage: str) -> int:
        """Approvals that the stage needs."""
        rule = self.rules[stage]
        everybody = len(self.seats(stage) or [])
        return {"any": 1, "all": max(everybody, 1), "quorum": rule["quorum"]}[rule["combine"]]  # type: ignore[no-any-return]

    def is_stuck(self, stage: str) -> bool:
        """Whether too few people are eligible for it ever to pass."""
        seats = self.seats(stage)
        return seats is not None and len(seats) < self.wanted(stage)

    def standing(self, stage: str) -> str:
        """Where a stage's votes and the clock have left it, reading the log from its start."""
        rule, said = self.rules[stage], [fact.verdict for fact in self.facts("votes", stage)]
        yes, no = said.count("approve"), said.count("deny")
        silent = len(self.seats(stage) or []) - len(said)
        seated, stuck = self.seats(stage) is not None, self.is_stuck(stage)
        ran_out = bool(self.facts("runs_out", stage))
        rows = [
            (ran_out and rule["on_deadline"] == "expire", "expired"),
            (ran_out and rule["on_deadline"] == "deny", "denied"),
            (ran_out, "passed"),
            (stuck and rule["on_nobody"] == "skip", "passed"),
            (stuck and rule["on_nobody"] == "deny", "denied"),
            (no >= rule["denials"], "denied"),
            (stuck or not seated, "open"),
            (yes >= self.wanted(stage), "passed"),
            (yes + silent < self.wanted(stage), "denied"),
        ]
        return first_true(rows) or "open"

    # How the whole stands

    @property
    def opened(self) -> list[str]:
        return [fact.stage for fact in self.log if fact.what == "opens"]

    @property
    def stage(self) -> str:
        """The stage opened last; the first before any is."""
        return self.opened[-1] if self.opened else self.order[0]

    @property
    def status(self) -> str:
        if any(fact.what == "is_taken_back" for fact in self.log):
            return "WITHDRAWN"
        standings = [self.standing(stage) for stage in self.opened]
        for standing, status in [("denied", "REJECTED"), ("expired", "EXPIRED")]:
            if standing in standings:
                return status
        whole = standings == ["passed"] * len(self.order)
        return "APPROVED" if whole else "PENDING"

    @property
    def awaits_opening(self) -> bool:
        """Whether the next stage is to be opened."""
        return self.status == "PENDING" and (not self.opened or self.standing(self.stage) == "passed")

    @property
    def next_stage(self) -> str:
        return self.order[len(self.opened)]

    @property
    def winner(self) -> str | None:
        """Whose word ended the approval; None for the clock, the want of approvers and while it is open."""
        if self.status == "PENDING" or not self.log or self.log[-1].what not in {"votes", "is_taken_back"}:
            return None
        return self.log[-1].who[0]

    @property
    def waiting_for(self) -> list[str]:
        if self.status != "PENDING" or not self.opened:
            return []
        heard = {fact.who[0] for fact in self.facts("votes", self.stage)}
        return [person for person in self.seats(self.stage) or [] if person not in heard]

    # Time

    @property
    def deadline(self) -> datetime | None:
        if self.status != "PENDING" or not self.opened:
            return None
        opened: datetime = self.facts("opens", self.stage)[0].at
        span: timedelta = self.rules[self.stage]["deadline"]
        return opened + span

    def reminders_left(self) -> Iterator[datetime]:
        """Reminders of the open stage that no mail has gone out for yet."""
        opened = self.facts("opens", self.stage)[0].at
        sent = self.facts("reminds", self.stage)
        for after in self.rules[self.stage]["reminders"]:
            if not any(fact.at >= opened + after for fact in sent):
                yield opened + after

    @property
    def next_due(self) -> datetime | None:
        return min([self.deadline, *self.reminders_left()]) if self.deadline else None

    def time_is_up(self, now: datetime) -> bool:
        """Whether the open stage's half-open interval `[opened, deadline)` is over (SPEC D9)."""
        return self.deadline is not None and now >= self.deadline

    def to_remind(self, now: datetime) -> list[str]:
        """Whoever is silent, if a reminder fell due; once, however many fell due (SPEC 4.5)."""
        due = any(at <= now for at in self.reminders_left()) if self.deadline else False
        return self.waiting_for if due else []

    # Decisions

    def stored(self, decision: dict[str, Any]) -> dict[str, Any] | None:
        """The answer this person got when they said the same before: as it was then (SPEC 11)."""
        if decision["round"] != 1:
            return None
        for n, fact in enumerate(self.log):
            said = (fact.what, fact.stage, fact.who, fact.verdict)
            if said == ("votes", decision["stage"], (decision["actor"],), decision["verdict"]):
                return self.as_of(n + 1)._answer(fact)
        return None

    def as_of(self, length: int) -> ApprovalModel:
        """The approval as it was when its log was shorter."""
        past = ApprovalModel({"stages": list(self.rules.values())}, self.affected)
        past.log = self.log[:length]
        return past

    def _answer(self, fact: Fact) -> dict[str, Any]:
        return {
            "stage": fact.stage,
            "round": 1,
            "actor": fact.who[0],
            "verdict": fact.verdict,
            "at": fact.at,
            "status": self.status,
        }

    def refusal(self, decision: dict[str, Any], now: datetime) -> str | None:
        """The code a decision is refused with, None if it counts: b.1, `terminal before approval`."""
        stage, actor = decision["stage"], decision["actor"]
        through = list(takewhile(lambda name: self.standing(name) == "passed", self.opened))
        own = actor in self.affected and not self.rules[self.stage]["self_approval"]
        seats, votes = self.seats(self.stage), self.facts("votes", self.stage)
        mute = decision["verdict"] == "deny" and not (decision["reason"] or "").strip()
        rows = [
            (self.status == "EXPIRED", "APPROVAL_EXPIRED"),
            (self.status != "PENDING", "ALREADY_DECIDED"),
            (decision["round"] == 1 and stage in through, "ALREADY_DECIDED"),
            ((stage, decision["round"]) != (self.stage, 1), "WRONG_STAGE"),
            (self.time_is_up(received(decision, now)), "APPROVAL_EXPIRED"),
            (own, "SELF_APPROVAL"),
            (any(fact.who == (actor,) for fact in votes), "ALREADY_DECIDED"),
            (seats is not None and actor not in seats, "NOT_AN_APPROVER"),
            (mute and self.rules[self.stage]["reason_required"], "REASON_REQUIRED"),
        ]
        return first_true(rows)

    def count(self, decision: dict[str, Any], now: datetime) -> dict[str, Any]:
        """Counts a decision that is not refused and answers it."""
        at = received(decision, now)
        self.happened("votes", at, decision["actor"], stage=decision["stage"], verdict=decision["verdict"])
        return self._answer(self.log[-1])


def first_true(rows: list[tuple[bool, str]]) -> str | None:
    """The outcome of the first row that applies."""
    return next((outcome for applies, outcome in rows if applies), None)


def received(decision: dict[str, Any], now: datetime) -> datetime:
    """When a decision counts from: our starter's stamp, never later than the process's own time (SPEC 11)."""
    stamp: datetime | None = decision["received_at"]
    return now if stamp is None or stamp > now else stamp


ROWS: dict[str, tuple[set[str], set[str]]] = {
    "L3": ({"ordered"}, {"awaiting_approval"}),
    "L4": ({"ordered", "awaiting_approval"}, {"confirmed"}),
    "L5": ({"awaiting_approval"}, {"rejected", "expired", "cancelled"}),
    "L6": ({"confirmed"}, {"scheduled"}),
    "L7": ({"confirmed", "scheduled"}, {"awaiting_provisioning_details"}),
    "L8": ({"confirmed", "scheduled"}, {"provisioning"}),
    "L12": ({"awaiting_provisioning_details"}, {"provisioning"}),
    "L16": ({"provisioning"}, {"provisioned"}),
    "L17": ({"awaiting_provisioning_details", "provisioning"}, {"closed"}),
    "L19": ({"closed"}, {"provisioning"}),
    "L20": ({"ordered", "awaiting_approval", "confirmed", "scheduled"}, {"cancelled"}),
    "L21": ({"awaiting_provisioning_details", "provisioning", "closed"}, {"cancelling"}),
    "L21 done": ({"cancelling"}, {"cancelled"}),
    "L23": ({"provisioning"}, {"failed"}),
}
"""The rows of provisioning.md b.2 that change a line's state; L23's retry waits for an operator's command."""

CONFIRMED_ONCE = {"confirmed", "scheduled", "awaiting_provisioning_details", "provisioning", "closed"}
AWAITING_RECORDS = {"provisioning", "closed"}


class LineModel:
    """A line by SPEC 5.2, 5.7 and b.2: all it keeps is where it has been and when it was bound."""

    def __init__(self) -> None:
        self.been = ["ordered"]
        self.bound = False

    @property
    def at(self) -> str:
        return self.been[-1]

    def rows_to(self, to: str) -> list[str]:
        """The rows of b.2 that lead there from here; L21 is for lines before their point of no return."""
        return [
            name
            for name, (before, after) in ROWS.items()
            if self.at in before and to in after and not (name == "L21" and self.bound)
        ]

    @property
    def has_ended(self) -> bool:
        """SPEC 5.2 names the ends."""
        return self.at in {"provisioned", "rejected", "expired", "cancelled", "failed"}

    @property
    def service(self) -> str:
        """SPEC 5.1, read off the furthest the line has come."""
        if self.at in {"rejected", "expired", "cancelled", "failed"}:
            return "cancelled"
        for furthest in ("provisioned", "provisioning"):
            if furthest in self.been:
                return furthest
        if self.at in {"closed", "cancelling"}:
            return "provisioning"
        return "confirmed" if "confirmed" in self.been else "ordered"

    def refusal_of(self, command: str) -> str | None:
        """The code of SPEC 11 a command meets, None if it is let through."""
        ended = (self.has_ended, "PROCESS_ENDED")
        rows = {
            "cancel": [(self.bound, "POINT_OF_NO_RETURN"), ended],
            "deploy": [ended, (self.at not in CONFIRMED_ONCE, "NOT_DEPLOYABLE")],
            "records_wanted": [ended, (self.bound or self.at not in AWAITING_RECORDS, "NOT_PENDING")],
        }
        return first_true(rows[command])


class ClosureModel:
    """The closure clock by L17, L18 and SPEC 4.5, from the instants at which something was done to it."""

    def __init__(self, closes_after: timedelta | None, warnings: list[timedelta]) -> None:
        self.closes_after = closes_after
        brief = closes_after is not None and closes_after <= timedelta(days=7)
        self.warnings = {
            before
            for before in warnings
            if closes_after is not None
            and before < closes_after
            and not (brief and before > timedelta(days=1))
        }
        self.started: datetime | None = None
        self.warned: datetime | None = None
        self.stopped = False

    @property
    def closes_at(self) -> datetime | None:
        if self.started is None or self.closes_after is None or self.stopped:
            return None
        return self.started + self.closes_after

    @property
    def next_due(self) -> datetime | None:
        closes = self.closes_at
        if closes is None:
            return None
        left = [closes - w for w in self.warnings if self.warned is None or closes - w > self.warned]
        return min([*left, closes])

    def is_over(self, now: datetime) -> bool:
        return self.closes_at is not None and self.closes_at <= now
