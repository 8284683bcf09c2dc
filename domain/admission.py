"""Who may decide or act now: the one place that answers it (SPEC 4.3, 4.4; SPEC 11, Codes).

Pure questions about an approval; none of them changes it.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from domain.actions import StageCommand
from domain.decisions import ApprovalStatus, Approver, Decide, Part, Verdict
from domain.definitions import Stage
from domain.errors import Code, Refusal

if TYPE_CHECKING:
    from domain.approval import Approval


def check_decision(approval: Approval, decision: Decide, now: datetime) -> None:
    """Refuses a decision that may not count.

    Before the roster is seated nobody is turned away for lacking a seat; check again once it is.

    Args:
        approval: What is to be decided.
        decision: What somebody wants to say.
        now: The process's time. A receive time before the deadline counts, but none after `now`.

    Raises:
        Refusal: ALREADY_DECIDED, APPROVAL_EXPIRED, WRONG_STAGE, ON_HOLD, SELF_APPROVAL, NOT_AN_APPROVER or
            REASON_REQUIRED.
    """
    what = str(decision.verdict)
    check_open(approval, what)
    check_stage(approval, decision, what)
    check_deadline(approval, decision.received_at, now)
    _check_voter(approval, decision)
    _check_hold(approval)
    _check_reason(approval.stage, decision)


def check_open(approval: Approval, what: str) -> None:
    """Refuses what comes after the end of the approval.

    Raises:
        Refusal: APPROVAL_EXPIRED, or ALREADY_DECIDED naming who ended it and when.
    """
    if approval.is_pending:
        return
    if approval.status is ApprovalStatus.EXPIRED:
        raise Refusal(
            Code.APPROVAL_EXPIRED, f"stage {approval.stage.name} expired; this {what} came too late"
        )
    by = f" by {approval.ended_by}" if approval.ended_by else ""
    when = f" since {_at(approval.ended_at)}" if approval.ended_at else ""
    raise Refusal(
        Code.ALREADY_DECIDED, f"the approval is {approval.status}{by}{when}; this {what} changes nothing"
    )


def check_stage(approval: Approval, meant: Decide | StageCommand, what: str) -> None:
    """Refuses what is meant for another stage or another opening of this one.

    Raises:
        Refusal: ALREADY_DECIDED for a stage that is passed, else WRONG_STAGE.
    """
    if meant.round == approval.round and meant.stage in approval.passed:
        votes = [vote for vote in approval.votes if (vote.stage, vote.round) == (meant.stage, meant.round)]
        by = f", last by {votes[-1].actor} at {_at(votes[-1].at)}" if votes else ""
        raise Refusal(
            Code.ALREADY_DECIDED, f"stage {meant.stage} is decided{by}; this {what} changes nothing"
        )
    if meant.round != approval.round or meant.stage != approval.stage.name:
        asked = f"{meant.stage} round {meant.round}"
        raise Refusal(
            Code.WRONG_STAGE,
            f"stage: {asked} is not open; open is {approval.stage.name} round {approval.round}",
        )


def check_deadline(approval: Approval, received_at: datetime | None, now: datetime) -> None:
    """Refuses what was received after the deadline, whether or not anybody has acted on it yet.

    Raises:
        Refusal: APPROVAL_EXPIRED.
    """
    deadline = approval.deadline
    if deadline is not None and min(received_at or now, now) >= deadline:
        raise Refusal(
            Code.APPROVAL_EXPIRED, f"stage {approval.stage.name} could be decided until {_at(deadline)}"
        )


def check_unaffected(approval: Approval, person: str, field: str = "actor") -> None:
    """Refuses requester and beneficiary, unless the stage lets them decide.

    Raises:
        Refusal: SELF_APPROVAL.
    """
    if approval.is_barred(person):
        raise Refusal(Code.SELF_APPROVAL, f"{field}: {person} may not decide a request of their own")


def undecided_seat(approval: Approval, actor: str) -> Approver:
    """The seat of somebody who is still to decide the open stage.

    Raises:
        Refusal: NOT_AN_APPROVER, or ALREADY_DECIDED.
    """
    seat = approval.seat_of(actor)
    if seat is None:
        raise Refusal(Code.NOT_AN_APPROVER, f"actor: {actor} is not asked in stage {approval.stage.name}")
    _check_has_not_voted(approval, actor)
    return seat


def own_seat(approval: Approval, actor: str) -> Approver:
    """The undecided seat of somebody who was asked for themselves: such seats alone can be passed on.

    Raises:
        Refusal: As `undecided_seat`, or NOT_ALLOWED for delegates and additional approvers (approvals.md a5).
    """
    seat = undecided_seat(approval, actor)
    if seat.stands_for is not None:
        raise Refusal(
            Code.NOT_ALLOWED,
            f"actor: {actor} decides for {seat.stands_for}; hand it back instead of passing it on",
        )
    if seat.part is Part.ADDITIONAL:
        raise Refusal(Code.NOT_ALLOWED, f"actor: {actor} was added and cannot bring in others")
    return seat


def _check_voter(approval: Approval, decision: Decide) -> None:
    check_unaffected(approval, decision.actor)
    _check_has_not_voted(approval, decision.actor)
    if approval.roster is not None:
        undecided_seat(approval, decision.actor)


def _check_has_not_voted(approval: Approval, actor: str) -> None:
    vote = next((vote for vote in approval.stage_votes if vote.actor == actor), None)
    if vote is not None:
        raise Refusal(
            Code.ALREADY_DECIDED,
            f"actor: {vote.actor} decided {vote.verdict} at {_at(vote.at)} and counts once per stage",
        )


def _check_reason(stage: Stage, decision: Decide) -> None:
    is_denial = decision.verdict is Verdict.DENY
    is_required = stage.reason_required if is_denial else stage.approval_reason_required
    if is_required and not (decision.reason or "").strip():
        said = "a denial" if is_denial else "an approval"
        raise Refusal(Code.REASON_REQUIRED, f"reason: stage {stage.name} wants one for {said}")


def _check_hold(approval: Approval) -> None:
    waiting = approval.open_inquiries
    if waiting:
        raise Refusal(
            Code.ON_HOLD,
            f"stage {approval.stage.name} waits for an answer of {waiting[0].asked.key}"
            f" to inquiry {waiting[0].number}",
        )


def _at(instant: datetime | None) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC"
