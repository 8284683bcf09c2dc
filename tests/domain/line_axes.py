"""A second opinion on an order line: four axes that must not be mixed (SPEC 5; provisioning.md R1, b.2).

Written from SPEC 5 and b.2. It knows nothing of workflows, timers or activities: it is told what people do
and what time it is, and says how line, approval, service, and contact stand then.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from tests.domain.models import first_true

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ENDS = {"provisioned", "rejected", "expired", "cancelled", "failed"}
WAITS_FOR_CONTACT = {"awaiting_provisioning_details", "closed"}
STEP_PATIENCE = timedelta(minutes=10)
"""How long a cancelled line waits for what a backend is at (L21); b.2 leaves it to us."""


@dataclass(frozen=True)
class Kind:
    """What the offer and the order say of the line.

    Attributes:
        has_contact: Whether a provisioning contact has to complete it.
        on_demand: Whether somebody has to deploy it; lines with a contact need nobody.
        approval: How long the approvers have; None where nobody is asked.
        start: When provisioning may begin.
        asks_set_up: Whether the offer has a form.
        has_records: Whether DNS records have to pass.
        is_prepared: Whether a backend reserves something before the point of no return.
        patience: How long an operator may have a refused step tried again.
        backend: Whether backends "work" at first, "refuse", or "are away".
    """

    has_contact: bool
    on_demand: bool
    approval: timedelta | None
    start: datetime
    closes_after: timedelta | None
    asks_set_up: bool
    has_records: bool
    is_prepared: bool
    patience: timedelta | None
    backend: str


class LineAxes:
    """One line.

    Attributes:
        backend: Whether backends do what they are asked, as in `Kind`.
        records_pass: Whether the DNS records are there.
        is_busy: Whether a backend was asked and has not answered.
    """

    def __init__(self, kind: Kind, address: str, now: datetime) -> None:
        self.kind = kind
        self.line = "ordered"
        self.approval: str | None = "PENDING" if kind.approval else None
        self.approval_until = now + kind.approval if kind.approval else None
        self.service = "ordered"
        self.address, self.generation = address, 1
        self.mail: str | None = None  # sent, taken or lost
        self.mailed: list[datetime] = []  # to whomever
        self.taken_first = False
        self.closes_at: datetime | None = None
        self.closures = 0
        self.is_deployed = self.is_reserved = self.is_bound = self.is_set_up = self.is_verified = False
        self.has_started = self.is_busy = False
        self.refused_until: datetime | None = None
        self.gives_up_at: datetime | None = None
        self.backend, self.records_pass = kind.backend, False
        self.goes_on(now)

    # What follows by itself

    @property
    def has_ended(self) -> bool:
        return self.line in ENDS

    def goes_on(self, now: datetime) -> None:
        """Takes every step that waits for nobody."""
        before = None
        while before != self._stands() and not self.has_ended:
            before = self._stands()
            step = getattr(self, f"_in_{self.line}", None)
            if step is not None:
                step(now)

    def _stands(self) -> tuple[object, ...]:
        return self.line, self.mail, self.is_reserved, self.is_verified, self.refused_until

    def _in_ordered(self, now: datetime) -> None:
        self.line = "awaiting_approval" if self.approval else "confirmed"

    def _in_awaiting_approval(self, now: datetime) -> None:
        assert self.approval is not None
        ways = {
            "APPROVED": "confirmed",
            "REJECTED": "rejected",
            "EXPIRED": "expired",
            "WITHDRAWN": "cancelled",
        }
        self.line = ways.get(self.approval, self.line)
        if self.has_ended:
            self.service = "cancelled"

    def _in_confirmed(self, now: datetime) -> None:
        self.service = "confirmed"
        if now < self.kind.start:
            self.line = "scheduled"
        elif self.kind.has_contact:
            self.line = "awaiting_provisioning_details"
        elif self.is_deployed or not self.kind.on_demand:
            self.line = self.service = "provisioning"
            self._starts_the_clock(now)

    def _in_scheduled(self, now: datetime) -> None:
        self.has_started = now >= self.kind.start
        if self.has_started:
            self._in_confirmed(now)

    def _in_awaiting_provisioning_details(self, now: datetime) -> None:
        if self._is_prepared(now) and self.mail is None:
            self.is_mailed(now)

    def _in_provisioning(self, now: datetime) -> None:
        if self.kind.has_contact:
            if not self.is_bound or (self.kind.asks_set_up and not self.is_set_up):
                return
        elif not self._is_prepared(now):
            return
        self.is_verified = self.is_verified or not self.kind.has_records or self.records_pass
        if self.is_verified:
            self.is_bound, self.closes_at = True, None
            if self._backend_does(now):
                self.line = self.service = "provisioned"
        elif self.closes_at is not None and now >= self.closes_at:
            self._closes()

    def _in_closed(self, now: datetime) -> None:
        """Closed is no end: records that appear late are enough, if nothing else is outstanding (L19)."""
        completed = not self.kind.has_contact or (self.is_bound and self._has_answers)
        if completed and (self.records_pass or not self.kind.has_records):
            self.line = "provisioning"

    @property
    def _has_answers(self) -> bool:
        return self.is_set_up or not self.kind.asks_set_up

    def _is_prepared(self, now: datetime) -> bool:
        if self.kind.is_prepared and not self.is_reserved:
            self.is_reserved = self._backend_does(now)
        return self.is_reserved or not self.kind.is_prepared

    def _backend_does(self, now: datetime) -> bool:
        self.is_busy = self.refused_until is None and self.backend == "are away"
        if self.refused_until is not None or self.is_busy:
            return False
        if self.backend == "work":
            return True
        if self.kind.patience is None:
            self._fails()
        else:
            self.refused_until = now + self.kind.patience
        return False

    def _fails(self) -> None:
        self.line, self.service, self.refused_until = "failed", "cancelled", None

    def _closes(self) -> None:
        self.line, self.closes_at = "closed", None
        self.closures += 1

    def _starts_the_clock(self, now: datetime) -> None:
        if self.kind.closes_after is not None:
            self.closes_at = now + self.kind.closes_after

    def is_mailed(self, now: datetime) -> None:
        """The contact gets a mail; what becomes of it follows from the address."""
        self.mailed.append(now)
        self.mail = {"gone": "lost", "slow": "sent"}.get(self.address.partition("-")[0], "taken")
        if self.mail == "taken" and not self.taken_first:
            self._starts_the_clock(now)
        self.taken_first = self.taken_first or self.mail == "taken"

    # The world

    def finds_backends(self, now: datetime, how: str) -> None:
        """Backends work, refuse or are away from now on; what was asked of them before is answered so."""
        self.backend = how
        if self.line == "cancelling" and how != "are away":
            self._is_cancelled()
        self.goes_on(now)

    def finds_records(self, now: datetime) -> None:
        """The records are there, and are seen."""
        self.records_pass = True
        self.goes_on(now)

    # Time

    @property
    def next_due(self) -> datetime | None:
        """When something happens unless somebody acts."""
        if self.line == "awaiting_approval":
            return self.approval_until
        if self.line == "scheduled":
            return None if self.has_started else self.kind.start
        if self.is_busy:  # A clock that runs out meanwhile waits for the step to end (L17).
            return self.gives_up_at
        return self.refused_until or self.closes_at

    def is_at(self, now: datetime) -> None:
        """It is later."""
        if self.line == "awaiting_approval" and self.approval_until and now >= self.approval_until:
            self.approval = "EXPIRED"
        if self.gives_up_at is not None and now >= self.gives_up_at:
            self._is_cancelled()
        if self.refused_until is not None and now >= self.refused_until:
            self._fails()
        self.goes_on(now)
        waits = self.line in {"awaiting_provisioning_details", "provisioning"} and not self.is_busy
        if waits and not self.refused_until and self.closes_at is not None and now >= self.closes_at:
            self._closes()
            self.goes_on(now)

    # What people do, and what they are told instead

    def refusal_of(self, command: str, now: datetime, **given: object) -> str | None:
        """The code a command meets, None if it is let through."""
        return first_true(getattr(self, f"_{command}_refusals")(now, **given))

    def _contact_refusals(self) -> list[tuple[bool, str]]:
        return [
            (not self.kind.has_contact, "NOT_ALLOWED"),
            (self.is_bound, "POINT_OF_NO_RETURN"),
            (self.line == "cancelling", "NOT_PENDING"),
        ]

    def _too_many(self, now: datetime) -> tuple[bool, str]:
        return (sum(now - at < DAY for at in self.mailed) >= 10, "TOO_OFTEN")

    def _resend_refusals(self, now: datetime) -> list[tuple[bool, str]]:
        hasty = bool(self.mailed) and now - self.mailed[-1] < timedelta(seconds=60)
        unsent = (self.mail is None, "NOT_YET_SENT")
        return [*self._contact_refusals(), unsent, (hasty, "TOO_OFTEN"), self._too_many(now)]

    def _change_refusals(self, now: datetime, address: str) -> list[tuple[bool, str]]:
        same = (address == self.address, "DUPLICATE")
        return [*self._contact_refusals(), same, self._too_many(now)]

    def _hand_over_refusals(self, now: datetime, address: str, generation: int) -> list[tuple[bool, str]]:
        dead = (generation != self.generation, "LINK_REVOKED")
        return [*self._contact_refusals(), dead, *self._change_refusals(now, address)]

    def _map_refusals(self, now: datetime, generation: int | None) -> list[tuple[bool, str]]:
        return [
            *self._contact_refusals(),
            (self.line not in WAITS_FOR_CONTACT, "NOT_PENDING"),
            (generation not in {None, self.generation}, "LINK_REVOKED"),
            (self.mail is None, "NOT_PENDING"),
        ]

    def _set_up_refusals(self, now: datetime) -> list[tuple[bool, str]]:
        return [
            (not self.kind.asks_set_up, "NOT_ALLOWED"),
            (not self.is_bound, "NOT_PENDING"),
            (self.is_set_up, "ALREADY_DECIDED"),
        ]

    def _deploy_refusals(self, now: datetime) -> list[tuple[bool, str]]:
        return [(self.line in {"ordered", "awaiting_approval", "cancelling"}, "NOT_DEPLOYABLE")]

    def _cancel_refusals(self, now: datetime) -> list[tuple[bool, str]]:
        return [(self.is_bound, "POINT_OF_NO_RETURN")]

    def _retry_refusals(self, now: datetime) -> list[tuple[bool, str]]:
        return [(self.refused_until is None, "NOT_PENDING")]

    def resend(self, now: datetime) -> None:
        self.is_mailed(now)

    def change(self, now: datetime, address: str) -> None:
        was_asked = self.mail is not None
        self.address, self.mail = address, None
        self.generation += 1
        if was_asked:
            self.is_mailed(now)

    def hand_over(self, now: datetime, address: str, generation: int) -> None:
        self.change(now, address)

    def map(self, now: datetime, generation: int | None) -> None:
        if not self.taken_first:
            self._starts_the_clock(now)
        self.is_bound = self.taken_first = True
        self.line = self.service = "provisioning"

    def set_up(self, now: datetime) -> None:
        self.is_set_up = True
        self.line = "provisioning"

    def deploy(self, now: datetime) -> None:
        self.is_deployed = True

    def cancel(self, now: datetime) -> None:
        self.approval = "WITHDRAWN" if self.approval == "PENDING" else self.approval
        self.refused_until = None
        if self.is_busy:
            self.line = "cancelling"
            self.gives_up_at = self.gives_up_at or now + STEP_PATIENCE
        else:
            self._is_cancelled()

    def _is_cancelled(self) -> None:
        self.line = self.service = "cancelled"
        self.gives_up_at = None

    def retry(self, now: datetime) -> None:
        self.refused_until = None

    def decide(self, verdict: str) -> None:
        self.approval = {"approve": "APPROVED", "deny": "REJECTED"}[verdict]
