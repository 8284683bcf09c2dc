"""Deciding: approve and deny by the gate's own rules, and answers for who comes too late (SPEC 4, D5)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from domain import wire
from domain.decisions import ApprovalStatus, Decide, DecisionRecorded, Verdict
from domain.errors import Refusal
from domain.statistics import ApprovalStatistics
from domain.transitions import OpenApproval, ProcessView
from starter.faults import NotRunning
from starter.files import validated
from starter.gateway import utc_now
from starter.pending import FINAL, Pending, too_late
from storage import processes, statistics
from storage.inbox import InboxEntry, inbox_of
from storage.processes import StageEntry


@dataclass(frozen=True, slots=True)
class ApprovalShown:
    """A process's approval; `stages` are in the order in which they were opened, each once for each round."""

    process: str
    view: ProcessView
    stages: tuple[StageEntry, ...]


class Approvals(Pending):
    """Decisions and inboxes; who may decide is the gate's business alone."""

    async def inbox(self, person: str) -> tuple[InboxEntry, ...]:
        """What a person is asked to decide, and then what they were asked before."""
        async with self._reading() as session:
            return await inbox_of(session, person)

    async def open_approvals(
        self, organisation: str | None = None, *, held: bool = False
    ) -> tuple[StageEntry, ...]:
        """Every stage that waits for a decision, the nearest deadline first.

        Args:
            organisation: Only where this organisation is partner or customer.
            held: Only stages that nobody may decide.
        """
        async with self._reading() as session:
            return await processes.open_approvals(session, organisation, held=held)

    async def approval(self, process: str) -> ApprovalShown:
        """Every stage of a process's approval: who is asked, who said what, and which questions are open.

        Raises:
            Refusal: NOT_FOUND or UNAVAILABLE.
        """
        async with self._reading() as session:
            view = await processes.get_view(session, process)
            return ApprovalShown(process, view, await processes.approvals_of(session, process))

    async def approval_statistics(
        self, definition: str | None = None, since: datetime | None = None
    ) -> ApprovalStatistics:
        """Time to decision and what is open, for each definition and each of its stages.

        Args:
            definition: Only of this definition: all its versions, or one as `name@version`.
            since: Only stages that opened then or later, and approvals whose first stage did.
        """
        async with self._reading() as session:
            return await statistics.approval_statistics(
                session, self._clock() or utc_now(), definition=definition, since=since
            )

    async def approve(
        self,
        process: str,
        actor: str,
        reason: str | None = None,
        *,
        stage: str | None = None,
        round: int | None = None,  # noqa: A002 - the field's own name
        request_id: str | None = None,
    ) -> DecisionRecorded:
        """Approves a stage.

        Args:
            process: The workflow id; it is what people approve (SPEC D4).
            actor: Who decides.
            reason: Why, for audit and mails.
            stage: The stage that is meant, by default the one that is open.
            round: Its opening that is meant, by default the present one.
            request_id: The caller's idempotency key.

        Raises:
            Refusal: Any of the gate's, NOT_FOUND, PROCESS_ENDED or UNAVAILABLE.
        """
        meant = await self._meant(process, stage, round)
        return await self._decide(process, Verdict.APPROVE, meant, actor, reason, request_id)

    async def deny(
        self,
        process: str,
        actor: str,
        reason: str | None = None,
        *,
        stage: str | None = None,
        round: int | None = None,  # noqa: A002
        request_id: str | None = None,
    ) -> DecisionRecorded:
        """Denies a stage; otherwise like `approve`."""
        meant = await self._meant(process, stage, round)
        return await self._decide(process, Verdict.DENY, meant, actor, reason, request_id)

    async def _decide(  # noqa: PLR0917 - private, and called from two places
        self,
        process: str,
        verdict: Verdict,
        stage: tuple[str, int],
        actor: str,
        reason: str | None,
        request_id: str | None,
    ) -> DecisionRecorded:
        said = {
            "stage": stage[0],
            "round": stage[1],
            "verdict": verdict,
            "actor": actor,
            "reason": reason,
            "received_at": self._clock(),
        }
        decision = validated(Decide, said)
        try:
            return await self._say(process, wire.DECIDE, decision, DecisionRecorded, request_id)
        except NotRunning:
            try:
                return await self._answer_late(process, decision)
            except Refusal as refusal:
                raise await self._refused(process, wire.DECIDE, decision, refusal) from None

    async def _answer_late(self, process: str, decision: Decide) -> DecisionRecorded:
        """Answers for a process that has ended as it would have itself (SPEC 11, Codes).

        Raises:
            Refusal: ALREADY_DECIDED, APPROVAL_EXPIRED, PROCESS_ENDED or NOT_FOUND.
        """
        view = await self._view(process)
        if view.approval is None:
            raise await self._has_ended(process)
        async with self._reading() as session:
            stages = await processes.approvals_of(session, process)
        # A change of the definition has voided what was said under the one before (SPEC 4.6).
        votes = _votes(stage for stage in stages if stage.definition == view.approval.definition)
        last = votes[-1] if votes else None
        for vote in votes:
            if _is_repeated(vote, decision):
                settled = vote is last and _settled(view.approval, vote)
                return vote.model_copy(update={"status": view.approval.status}) if settled else vote
        raise too_late(process, view, last.actor if last else None)


def _votes(stages: Iterable[StageEntry]) -> list[DecisionRecorded]:
    """Every vote that was cast, the last one last, as it was answered if more were needed after it."""
    cast = [
        DecisionRecorded(
            stage=stage.stage,
            round=stage.round,
            actor=seat.person,
            verdict=seat.verdict,
            at=seat.decided_at,
            status=ApprovalStatus.PENDING,
        )
        for stage in stages
        for seat in stage.seats
        if seat.verdict is not None and seat.decided_at is not None
    ]
    return sorted(cast, key=lambda vote: vote.at)


def _is_repeated(vote: DecisionRecorded, decision: Decide) -> bool:
    """Whether this is the vote that somebody sends again; one person may have one in each stage and round."""
    return (vote.stage, vote.round, vote.actor, vote.verdict) == (
        decision.stage,
        decision.round,
        decision.actor,
        decision.verdict,
    )


def _settled(approval: OpenApproval, last: DecisionRecorded) -> bool:
    """Whether the last vote ended the approval, rather than a deadline or a command after it."""
    in_last_stage = (last.stage, last.round) == (approval.stage, approval.round)
    return in_last_stage and FINAL.get(approval.status) is last.verdict
