"""Second opinions: what SPEC and b.2 say of a line, written down without a look at how `domain` does it."""

from __future__ import annotations

from datetime import datetime, timedelta


def first_true(rows: list[tuple[bool, str]]) -> str | None:
    """The outcome of the first row that applies."""
    return next((outcome for applies, outcome in rows if applies), None)


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
