"""What is said about an approval: decisions as they come in, votes as they count (SPEC 4.2, 4.3)."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import TypeAdapter, ValidationError

from domain.base import Command, Key, Message, Name, Text, UtcDatetime
from domain.errors import Code, Refusal


class ApprovalStatus(StrEnum):
    """The status words of SPEC 4.2; only PENDING is open."""

    PENDING = "PENDING"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    WITHDRAWN = "WITHDRAWN"
    EXPIRED = "EXPIRED"
    FAILED = "FAILED"


class Verdict(StrEnum):
    """What one person says."""

    APPROVE = "approve"
    DENY = "deny"


class Decide(Command):
    """A decision on one stage of one process.

    Attributes:
        stage: The stage that is meant; a decision never hits another one.
        round: The stage's opening that is meant, counted from 1.
        actor: Who decides.
        received_at: When our starter received it; callers that use Temporal directly leave it out.
        on_behalf_of: The person a service principal speaks for, for the audit.
    """

    stage: Key
    verdict: Verdict
    actor: Key
    round: int = 1
    reason: Text | None = None
    received_at: UtcDatetime | None = None
    on_behalf_of: Key | None = None


class Withdraw(Command):
    """The requester takes the request back before it is decided."""

    actor: Key
    reason: Text | None = None


class Part(StrEnum):
    """How a seat counts.

    An approver's vote is one of those the stage combines. An additional approver has to approve besides. One
    vote of a fallback approver or of somebody whom the stage was escalated to decides the stage alone.
    """

    APPROVER = "approver"
    ADDITIONAL = "additional"
    FALLBACK = "fallback"
    ESCALATION = "escalation"

    @property
    def decides_alone(self) -> bool:
        """Whether one vote from such a seat settles the stage."""
        return self in {Part.FALLBACK, Part.ESCALATION}


class Approver(Message):
    """A seat in a stage's roster, recorded when the stage opens or somebody is brought in.

    Attributes:
        level: Of `escalation`: the level that asked, from 1; 0 is the definition's escalation team.
        stands_for: Who delegated this seat, with their name; None if it is the person's own.
    """

    key: Key
    name: Name
    part: Part = Part.APPROVER
    level: int = 0
    stands_for: Key | None = None
    stands_for_name: Name | None = None


class Vote(Message):
    """A decision that counts.

    Attributes:
        stands_for: Whose seat it was cast from, if that was delegated.
        automatic: Whether the rules cast it: the requester's own step, or an earlier grant that counts again.
        reused_from: The stage of that earlier grant.
    """

    stage: Key
    round: int
    actor: Key
    verdict: Verdict
    reason: str | None
    at: UtcDatetime
    stands_for: Key | None = None
    automatic: bool = False
    reused_from: Key | None = None


class DecisionRecorded(Message):
    """The answer to a decision: what was recorded, and where the approval stood then."""

    stage: Key
    round: int
    actor: Key
    verdict: Verdict
    at: UtcDatetime
    status: ApprovalStatus


_KEY: TypeAdapter[str] = TypeAdapter(Key)
_TEXT: TypeAdapter[str] = TypeAdapter(Text)
_SHOWN = 200
"""Characters of a stranger's words that a refusal repeats."""


def read_decision(verdict: Verdict, payload: Any) -> Decide:
    """Reads a fire-and-forget decision by hand, so that a malformed one can be recorded instead of dropped.

    Raises:
        Refusal: INVALID_INPUT, naming the field.
    """
    if not isinstance(payload, dict):
        what = "nothing" if payload is None else type(payload).__name__
        raise Refusal(Code.INVALID_INPUT, f"payload: must be an object with stage and actor, not {what}")
    try:
        return Decide.model_validate({**payload, "verdict": verdict})
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "payload"
        raise Refusal(Code.INVALID_INPUT, f"{field[:_SHOWN]}: {first['msg'][:_SHOWN]}") from None


def claimed_actor(payload: Any) -> str | None:
    """Who sent a decision by their own words, if those could be somebody's key."""
    return _claimed(payload, "actor", _KEY)


def claimed_reason(payload: Any) -> str | None:
    """Why somebody decided, by their own words, as far as those can be kept."""
    return _claimed(payload, "reason", _TEXT)


def _claimed(payload: Any, field: str, kind: TypeAdapter[str]) -> str | None:
    try:
        return kind.validate_python(payload[field] if isinstance(payload, dict) else None)
    except (KeyError, ValidationError):
        return None
