"""Decisions on a process's approval as they come in: by update, by signal, and the request taken back."""

from __future__ import annotations

from typing import Any

from temporalio import workflow

from domain import wire
from domain.approval import Approval
from domain.decisions import (
    ApprovalStatus,
    Decide,
    DecisionRecorded,
    Verdict,
    Vote,
    Withdraw,
    claimed_actor,
    claimed_reason,
    read_decision,
)
from domain.errors import Code, Refusal
from domain.mail import Template
from domain.organisations import Permission
from domain.transitions import Audience, Notice
from workflows.asking import Asking
from workflows.process import in_their_words, refusals


class Deciding(Asking):
    """The messages by which people and backend services decide (SPEC D5)."""

    @workflow.update(name=wire.DECIDE)
    async def decide(self, decision: Decide) -> DecisionRecorded:
        """Records a decision on the open stage.

        The same decision by the same actor gets the stored answer.

        Raises:
            ApplicationError: Any refusal of `Approval.check`, or NOT_PERMITTED.
        """
        with refusals():
            return await self._decide(decision)

    @decide.validator
    def _check_decide(self, decision: Decide) -> None:
        with refusals():
            approval = self.required_approval
            if approval.answer_to(decision) is None:
                approval.check(decision, workflow.now())

    async def _decide(self, decision: Decide) -> DecisionRecorded:
        approval = self.required_approval
        while True:
            # Not under the lock: a roster that is long in coming must not hold up deadline or withdrawal.
            await workflow.wait_condition(lambda: approval.roster is not None or not approval.is_pending)
            async with self.deciding:
                if approval.roster is None and approval.is_pending:
                    continue
                stored = approval.answer_to(decision)
                if stored is not None:
                    return stored
                approval.check(decision, workflow.now())
                return await self._record(approval, decision)

    async def _record(self, approval: Approval, decision: Decide) -> DecisionRecorded:
        stage, now = approval.stage, workflow.now()
        vote = approval.vote_for(decision, now)
        self.note_vote(approval, vote, decision.on_behalf_of)
        seat = approval.seat_of(decision.actor)
        assert seat is not None
        announced = await self.announce(authorise=approval.authorisation(seat, self.parties))
        if announced is not None and not announced.authorised:
            self.refresh_details()
            raise Refusal(
                Code.NOT_PERMITTED,
                f"actor: {decision.actor} may no longer decide stage {stage.name}",
                noted=True,
            )
        if not approval.is_pending:
            approval.check(decision, now)  # It was cancelled in Temporal meanwhile; says so.
        return approval.count(vote)

    def note_vote(self, approval: Approval, vote: Vote, on_behalf_of: str | None = None) -> None:
        """Notes a vote that is about to count."""
        data = {"definition": approval.definition.reference}
        if vote.automatic:
            data["automatic"] = f"reuses {vote.reused_from}" if vote.reused_from else "own request"
        with approval.counting(vote):
            self.note(
                f"approval.{vote.verdict}",
                actor=vote.actor,
                on_behalf_of=on_behalf_of or vote.stands_for,
                reason=vote.reason,
                vote=vote,
                data=data,
            )

    @workflow.update(name=wire.WITHDRAW)
    async def withdraw(self, command: Withdraw) -> ApprovalStatus:
        """Takes the request back while it is undecided (A4)."""
        with refusals():
            await self.withdraw_approval(command.actor, command.reason)
        return self.required_approval.status

    @withdraw.validator
    def _check_withdraw(self, command: Withdraw) -> None:  # noqa: ARG002 - the validator takes what the update takes
        with refusals():
            self.check_pending("withdrawn")

    async def withdraw_approval(self, actor: str, reason: str | None) -> None:
        """Ends the approval as withdrawn; a decision that is being recorded is counted first.

        Raises:
            Refusal: NOT_PENDING if that decision, or an earlier one, ended it.
        """
        async with self.deciding:
            self.check_pending("withdrawn")
            self.required_approval.withdraw(actor, reason)

    @workflow.signal(name=wire.APPROVE)
    async def approve_by_signal(self, payload: Any = None) -> None:
        """Approves without waiting for an answer; the same rules as the update."""
        await self._decide_by_signal(Verdict.APPROVE, payload)

    @workflow.signal(name=wire.DENY)
    async def deny_by_signal(self, payload: Any = None) -> None:
        """Denies without waiting for an answer; the same rules as the update."""
        await self._decide_by_signal(Verdict.DENY, payload)

    async def _decide_by_signal(self, verdict: Verdict, payload: Any) -> None:
        """Decides, or records and announces why not: a refused signal is never silently dropped (SPEC D5)."""
        try:
            await self._decide(read_decision(verdict, payload))
        except Refusal as refusal:
            sender = claimed_actor(payload)
            audience = Audience(
                people=(sender,) if sender else (),
                organisations=(self.parties.provider,),
                permission=Permission.OPERATE,
            )
            facts = self.facts(reason=refusal.message, decided_by=sender)
            notice = Notice(template=Template.DECISION_REFUSED, audience=audience, facts=facts)
            self.note(
                f"approval.{verdict}",
                actor=sender or "unknown",
                reason=refusal.message,
                refused=refusal,
                notices=(notice,),
                data=in_their_words(claimed_reason(payload)),
            )
            await self.announce()
