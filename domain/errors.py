"""Business refusals: every code, and the one table that says what each means to whom.

A refusal is an answer, not a fault: it names the field, the value and what to do. The code travels as
the Temporal error type, as the `code` of an HTTP problem and as the CLI's message; `REFUSALS` maps it to
HTTP status, exit code and the sentence people read (SPEC 11, Codes).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Code(StrEnum):
    """Wire names of business refusals; never renamed."""

    INVALID_INPUT = "INVALID_INPUT"
    NOT_FOUND = "NOT_FOUND"
    NOT_PERMITTED = "NOT_PERMITTED"
    SELF_APPROVAL = "SELF_APPROVAL"
    NOT_AN_APPROVER = "NOT_AN_APPROVER"
    WRONG_STAGE = "WRONG_STAGE"
    NOT_PENDING = "NOT_PENDING"
    ALREADY_DECIDED = "ALREADY_DECIDED"
    APPROVAL_EXPIRED = "APPROVAL_EXPIRED"
    REASON_REQUIRED = "REASON_REQUIRED"
    NOT_ALLOWED = "NOT_ALLOWED"
    ON_HOLD = "ON_HOLD"
    IDEMPOTENCY_MISMATCH = "IDEMPOTENCY_MISMATCH"
    DUPLICATE = "DUPLICATE"
    LINES_STARTED = "LINES_STARTED"
    NOT_DEPLOYABLE = "NOT_DEPLOYABLE"
    POINT_OF_NO_RETURN = "POINT_OF_NO_RETURN"
    NOT_YET_SENT = "NOT_YET_SENT"
    LINK_INVALID = "LINK_INVALID"
    LINK_EXPIRED = "LINK_EXPIRED"
    LINK_REVOKED = "LINK_REVOKED"
    PROCESS_ENDED = "PROCESS_ENDED"
    TOO_OFTEN = "TOO_OFTEN"
    LIMIT_REACHED = "LIMIT_REACHED"
    VERSION_CONFLICT = "VERSION_CONFLICT"
    DRAFT_CHANGED = "DRAFT_CHANGED"
    IN_USE = "IN_USE"
    AUDIT_BROKEN = "AUDIT_BROKEN"
    UNAVAILABLE = "UNAVAILABLE"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a code means outside: HTTP status, CLI exit code, and the advice shown to people."""

    status: int
    exit_code: int
    advice: str


REFUSALS: dict[Code, Meaning] = {
    Code.INVALID_INPUT: Meaning(422, 2, "Correct the named field and send it again."),
    Code.NOT_FOUND: Meaning(404, 3, "Check the name; `countersign … list` shows what exists."),
    Code.NOT_PERMITTED: Meaning(403, 4, "Ask somebody who holds the permission."),
    Code.SELF_APPROVAL: Meaning(
        403, 4, "Somebody else has to decide; this definition forbids your own request."
    ),
    Code.NOT_AN_APPROVER: Meaning(403, 4, "Only the people this stage asks may decide it."),
    Code.WRONG_STAGE: Meaning(409, 5, "Look at the request again and decide the stage that is open now."),
    Code.NOT_PENDING: Meaning(409, 5, "Nothing waits for this now."),
    Code.ALREADY_DECIDED: Meaning(409, 5, "The decision stands; nothing was changed."),
    Code.APPROVAL_EXPIRED: Meaning(410, 5, "Order again if it is still wanted."),
    Code.REASON_REQUIRED: Meaning(422, 2, "Give a reason."),
    Code.NOT_ALLOWED: Meaning(409, 5, "The definition, or what happened before, does not allow this action."),
    Code.ON_HOLD: Meaning(409, 5, "Wait for the answer, or have the question taken back."),
    Code.IDEMPOTENCY_MISMATCH: Meaning(422, 5, "Use a new idempotency key for what is different."),
    Code.DUPLICATE: Meaning(409, 5, "Use the one that exists."),
    Code.LINES_STARTED: Meaning(409, 5, "Send the command to the order's lines."),
    Code.NOT_DEPLOYABLE: Meaning(409, 5, "Only a confirmed line can be deployed."),
    Code.POINT_OF_NO_RETURN: Meaning(409, 5, "The service is bound to its owner; unsubscribe it instead."),
    Code.NOT_YET_SENT: Meaning(409, 5, "Wait for the requested start date, or change the contact."),
    Code.LINK_INVALID: Meaning(403, 4, "Use the link of the newest mail as it is, or ask for a new one."),
    Code.LINK_EXPIRED: Meaning(410, 5, "Have the mail sent again; it brings a new link."),
    Code.LINK_REVOKED: Meaning(410, 5, "Ask whoever placed the order who completes it now."),
    Code.PROCESS_ENDED: Meaning(409, 5, "The process has ended; nothing was changed."),
    Code.TOO_OFTEN: Meaning(429, 6, "Wait a moment and try again."),
    Code.LIMIT_REACHED: Meaning(
        409, 5, "What was accepted stands. Decide the request, or let its deadline pass."
    ),
    Code.VERSION_CONFLICT: Meaning(
        409, 5, "Published versions never change, and new requests take the newest: publish a new version."
    ),
    Code.DRAFT_CHANGED: Meaning(409, 5, "Read the draft again and make your changes to what it says now."),
    Code.IN_USE: Meaning(409, 5, "See `countersign definitions usage`; publish what replaces it first."),
    Code.AUDIT_BROKEN: Meaning(
        500, 8, "Compare it with an export or a backup, and find out who can write to the database."
    ),
    Code.UNAVAILABLE: Meaning(503, 7, "Nothing was lost; try again when the service answers."),
}
"""The one error table. Exit code 1 is left to faults (bugs), 0 to success."""


class Refusal(Exception):
    """A command that the rules do not allow.

    Attributes:
        code: The stable code.
        message: One sentence that names the field, the value and the reason.
        retry_after: After how many seconds the same command may be let through (HTTP `Retry-After`), if the
            rules say so.
        noted: Whether the process that refused has noted it in its audit.
    """

    def __init__(
        self, code: Code, message: str, *, retry_after: int | None = None, noted: bool = False
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after = retry_after
        self.noted = noted

    @property
    def meaning(self) -> Meaning:
        """The row of `REFUSALS` for this code."""
        return REFUSALS[self.code]
