"""What deciding and acting on approvals share: which stage is meant, and the answer to who comes too late."""

from __future__ import annotations

from contextlib import suppress
from typing import TypedDict, TypeVar

from pydantic import ValidationError

from domain.actions import ActionRecorded, StageCommand
from domain.decisions import ApprovalStatus, Decide, DecisionRecorded, Verdict
from domain.errors import Code, Refusal
from domain.transitions import ProcessView
from starter.faults import NotRunning
from starter.gateway import Gateway, read_key

FINAL = {ApprovalStatus.APPROVED: Verdict.APPROVE, ApprovalStatus.REJECTED: Verdict.DENY}
"""How an approval ends by somebody's decision, and by which."""


R = TypeVar("R", DecisionRecorded, ActionRecorded)


class Meant(TypedDict, total=False):
    """What every decision and action may be told besides.

    Attributes:
        reason: Why, for audit and mails.
        stage: The stage that is meant, by default the one that is open.
        round: Its opening that is meant, by default the present one.
        request_id: The caller's idempotency key.
    """

    reason: str | None
    stage: str | None
    round: int | None
    request_id: str | None


class Pending(Gateway):
    """Where an approval stands, for commands on it."""

    async def _meant(self, process: str, stage: str | None, round_: int | None) -> tuple[str, int]:
        """Stage and round of a command; what it leaves out is what is open, or was last.

        Raises:
            Refusal: NOT_PENDING if nothing is named and the process waits for no approval, NOT_FOUND or
                UNAVAILABLE.
        """
        if stage is not None and round_ is not None:
            return stage, round_
        view = await self._latest_view(process)
        if view.approval is not None:
            return stage or view.approval.stage, round_ or view.approval.round
        if stage is None:
            raise Refusal(Code.NOT_PENDING, f"{process}: it waits for no approval; it is {view.state}")
        return stage, round_ or 1

    async def _say(
        self,
        process: str,
        name: str,
        said: Decide | StageCommand,
        recorded: type[R],
        request_id: str | None,
    ) -> R:
        """Sends a decision or an action and returns its answer.

        Raises:
            Refusal: IDEMPOTENCY_MISMATCH if the answer is to another command with the same request id, or as
                `_update`.
            NotRunning: As `_update`.
        """
        key = read_key(request_id) if request_id is not None else None
        try:
            answer = await self._update_as(process, name, said, recorded, key)
        except ValidationError:
            answer = None
        # Not the stage: what the caller left out may be another one by now.
        fields = ("actor", "verdict" if isinstance(said, Decide) else "action")
        if answer is None or any(getattr(answer, each) != getattr(said, each) for each in fields):
            raise Refusal(
                Code.IDEMPOTENCY_MISMATCH,
                f"request_id: {request_id} was used for another command to {process}",
            )
        return answer

    async def _latest_view(self, process: str) -> ProcessView:
        """The view of a process; it is asked itself if the projection lags behind."""
        view = await self._view(process)
        if not view.ended and (view.approval is None or view.approval.status is not ApprovalStatus.PENDING):
            with suppress(NotRunning):
                return await self._ask(process)
        return view


def too_late(process: str, view: ProcessView, last_voter: str | None = None) -> Refusal:
    """What to answer to somebody who wants to decide or act after the process has ended (SPEC 11, Codes)."""
    assert view.approval is not None
    status = view.approval.status
    if status is ApprovalStatus.EXPIRED:
        return Refusal(Code.APPROVAL_EXPIRED, f"stage {view.approval.stage} of {process} expired undecided")
    if status is ApprovalStatus.PENDING:
        return Refusal(Code.PROCESS_ENDED, f"{process}: its run was ended from outside")
    by = f" by {last_voter}" if last_voter and status in FINAL else ""
    return Refusal(Code.ALREADY_DECIDED, f"the approval of {process} is {status}{by}; nothing was changed")
