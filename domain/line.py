"""The states of an order line and of its service, and which command is allowed when (SPEC 5.1, 5.2, 5.7).

Line state and service status are two axes: a line can be closed while its service is still to be
provisioned (provisioning.md R1, R2).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.errors import Code, Refusal


class LineState(StrEnum):
    """Line states of SPEC 5.2; the last four are ends."""

    ORDERED = "ordered"
    AWAITING_APPROVAL = "awaiting_approval"
    CONFIRMED = "confirmed"
    SCHEDULED = "scheduled"
    AWAITING_PROVISIONING_DETAILS = "awaiting_provisioning_details"
    PROVISIONING = "provisioning"
    PROVISIONED = "provisioned"
    CLOSED = "closed"
    CANCELLING = "cancelling"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    FAILED = "failed"


class ServiceStatus(StrEnum):
    """The seven service statuses, exactly (SPEC 5.1, seed 000)."""

    ORDERED = "ordered"
    CONFIRMED = "confirmed"
    PROVISIONING = "provisioning"
    PROVISIONED = "provisioned"
    CANCELLED = "cancelled"
    DEPROVISIONING = "deprovisioning"
    DEPROVISIONED = "deprovisioned"


class OpenTask(StrEnum):
    """What a line in `provisioning` waits for."""

    DNS = "dns"
    PARTNER = "partner"
    CUSTOMER_SETUP = "customer_setup"


class CancelTask(StrEnum):
    """How far the cancellation of a line has come, in TM Forum's words (TMF622; provisioning.md c.1)."""

    ACKNOWLEDGED = "acknowledged"
    IN_PROGRESS = "inProgress"
    DONE = "done"
    TERMINATED_WITH_ERROR = "terminatedWithError"


@dataclass(frozen=True, slots=True)
class Hold:
    """A line that a backend has refused, and that an operator may have tried again (L23).

    Attributes:
        reason: What the backend said.
        until: When the line fails unless somebody has.
    """

    reason: str
    until: datetime


_S = LineState
TRANSITIONS: dict[LineState, frozenset[LineState]] = {
    _S.ORDERED: frozenset({_S.AWAITING_APPROVAL, _S.CONFIRMED, _S.CANCELLED}),
    _S.AWAITING_APPROVAL: frozenset({_S.CONFIRMED, _S.REJECTED, _S.EXPIRED, _S.CANCELLED}),
    _S.CONFIRMED: frozenset({_S.SCHEDULED, _S.PROVISIONING, _S.AWAITING_PROVISIONING_DETAILS, _S.CANCELLED}),
    _S.SCHEDULED: frozenset({_S.PROVISIONING, _S.AWAITING_PROVISIONING_DETAILS, _S.CANCELLED}),
    _S.AWAITING_PROVISIONING_DETAILS: frozenset({_S.PROVISIONING, _S.CLOSED, _S.CANCELLING}),
    _S.PROVISIONING: frozenset({_S.PROVISIONED, _S.CLOSED, _S.CANCELLING, _S.FAILED}),
    _S.CLOSED: frozenset({_S.PROVISIONING, _S.CANCELLING}),
    _S.CANCELLING: frozenset({_S.CANCELLED}),
    _S.FAILED: frozenset(),
    _S.PROVISIONED: frozenset(),
    _S.REJECTED: frozenset(),
    _S.EXPIRED: frozenset(),
    _S.CANCELLED: frozenset(),
}
"""The rows of provisioning.md b.2, L1-L23, as from -> to."""

ENDS = frozenset({_S.PROVISIONED, _S.REJECTED, _S.EXPIRED, _S.CANCELLED, _S.FAILED})
"""States that end the line's process."""

SERVICE_STATUS: dict[LineState, ServiceStatus] = {
    _S.ORDERED: ServiceStatus.ORDERED,
    _S.AWAITING_APPROVAL: ServiceStatus.ORDERED,
    _S.CONFIRMED: ServiceStatus.CONFIRMED,
    _S.SCHEDULED: ServiceStatus.CONFIRMED,
    _S.AWAITING_PROVISIONING_DETAILS: ServiceStatus.CONFIRMED,
    _S.PROVISIONING: ServiceStatus.PROVISIONING,
    _S.CLOSED: ServiceStatus.PROVISIONING,
    _S.CANCELLING: ServiceStatus.PROVISIONING,
    _S.PROVISIONED: ServiceStatus.PROVISIONED,
    _S.REJECTED: ServiceStatus.CANCELLED,
    _S.EXPIRED: ServiceStatus.CANCELLED,
    _S.CANCELLED: ServiceStatus.CANCELLED,
    _S.FAILED: ServiceStatus.CANCELLED,
}
"""The service status that goes with each line state."""


class LineProgress:
    """Where one line stands.

    Attributes:
        state: The line state.
        ponr_at: The point of no return: when the domain's ownership was verified and bound, or, without
            records to verify, when provisioning was handed to the backend (provisioning.md b.2).
        deploy_requested_by: Who asked for the deployment, once somebody has.
        start_reached: Whether a scheduled line's requested start date has come.
        is_verified: Whether its DNS records are verified, or there are none.
        hold: What an operator is waited for, while one is.
    """

    def __init__(self, state: LineState = LineState.ORDERED) -> None:
        self.state = state
        self.ponr_at: datetime | None = None
        self.deploy_requested_by: str | None = None
        self.start_reached = False
        self.is_verified = False
        self.hold: Hold | None = None

    @property
    def has_ended(self) -> bool:
        """Whether nothing can happen to the line any more."""
        return self.state in ENDS

    def move(self, to: LineState) -> LineState:
        """Moves to another state and returns the one left.

        Raises:
            ValueError: If b.2 has no such row, or L21 is taken after the point of no return; that is a fault
                of ours, never of a user.
        """
        past_return = to is LineState.CANCELLING and self.ponr_at is not None
        if past_return or to not in TRANSITIONS[self.state]:
            raise ValueError(f"no transition from {self.state} to {to}")
        left, self.state = self.state, to
        return left

    def check_deploy(self) -> None:
        """Refuses a deployment of a line that is not confirmed; asking twice is fine.

        Raises:
            Refusal: PROCESS_ENDED or NOT_DEPLOYABLE.
        """
        self.check_running()
        if self.state in {LineState.ORDERED, LineState.AWAITING_APPROVAL, LineState.CANCELLING}:
            raise Refusal(
                Code.NOT_DEPLOYABLE, f"line: it is {self.state}; it can be deployed once it is confirmed"
            )

    def check_cancel(self) -> None:
        """Refuses a cancellation at or after the point of no return (L22).

        Raises:
            Refusal: PROCESS_ENDED or POINT_OF_NO_RETURN.
        """
        if self.ponr_at is not None:
            raise Refusal(
                Code.POINT_OF_NO_RETURN,
                f"line: its point of no return was {self.ponr_at:%Y-%m-%d %H:%M:%S} UTC;"
                " unsubscribe the service instead",
            )
        self.check_running()

    def check_contact(self) -> None:
        """Refuses commands about the provisioning contact once the line is mapped (SPEC 5.4, L22).

        Raises:
            Refusal: POINT_OF_NO_RETURN with a pointer to the portal, or PROCESS_ENDED.
        """
        if self.ponr_at is not None:
            raise Refusal(
                Code.POINT_OF_NO_RETURN,
                f"line: it was mapped to an organisation at {self.ponr_at:%Y-%m-%d %H:%M:%S} UTC;"
                " its set-up is completed in the portal by whoever administers the organisation",
            )
        self.check_running()
        if self.state is LineState.CANCELLING:
            raise Refusal(Code.NOT_PENDING, "line: it is being cancelled")

    def check_map(self) -> None:
        """Refuses to map a line that waits for no provisioning contact.

        Raises:
            Refusal: POINT_OF_NO_RETURN, PROCESS_ENDED or NOT_PENDING.
        """
        self.check_contact()
        if self.state not in {LineState.AWAITING_PROVISIONING_DETAILS, LineState.CLOSED}:
            raise Refusal(Code.NOT_PENDING, f"line: it is {self.state} and not to be completed yet")

    def check_retry(self) -> None:
        """Refuses to have tried again what no backend has refused (L23).

        Raises:
            Refusal: PROCESS_ENDED or NOT_PENDING.
        """
        self.check_running()
        if self.hold is None:
            raise Refusal(Code.NOT_PENDING, f"line: it is {self.state} and waits for no operator")

    def check_records_wanted(self) -> None:
        """Refuses "check now" where no records are waited for.

        Raises:
            Refusal: PROCESS_ENDED or NOT_PENDING.
        """
        self.check_running()
        if self.state not in {LineState.PROVISIONING, LineState.CLOSED} or self.is_verified:
            raise Refusal(Code.NOT_PENDING, f"line: it is {self.state} and waits for no DNS records")

    def check_running(self) -> None:
        """Refuses what comes after the end.

        Raises:
            Refusal: PROCESS_ENDED.
        """
        if self.has_ended:
            raise Refusal(Code.PROCESS_ENDED, f"line: it is {self.state}")
