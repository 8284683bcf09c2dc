"""The approval gate: decisions in, stages in order, one clock (SPEC D4, D5, 4).

The rules are in `domain/approval.py`; the gate carries decisions to them, has each announced, and acts
when time runs out. It is mixed into every process that needs an approval: the process's own workflow id
is what people approve.
"""

from __future__ import annotations

import asyncio
from typing import Any

from temporalio import workflow

from domain import wire
from domain.approval import Approval
from domain.decisions import (
    ApprovalStatus,
    Decide,
    DecisionRecorded,
    Verdict,
    Withdraw,
    claimed_actor,
    read_decision,
)
from domain.errors import Code, Refusal
from domain.lookups import Authorise
from domain.mail import MailFacts, Template
from domain.organisations import Parties, Permission
from domain.transitions import Announced, Audience, Notice, SeatRoster
from workflows.process import Process, refusals


class ApprovalGate(Process):
    """Message handlers and clock around one `Approval`.

    The process that mixes it in sets `approval` (None if the offer demands none) before its first wait and
    awaits `run_approval`.
    """

    approval: Approval | None = None

    def __init__(self) -> None:
        super().__init__()
        self._deciding = asyncio.Lock()

    @property
    def parties(self) -> Parties:
        """Whose people the definition's approvers are."""
        raise NotImplementedError

    # The story

    async def run_approval(self) -> ApprovalStatus:
        """Opens one stage after the other until the approval has ended."""
        approval = self._approval
        while approval.open_next(workflow.now()) is not None:
            await self._open_stage(approval)
            await self._stage_decided(approval)
            if not approval.is_pending:
                break
        return approval.status

    async def _open_stage(self, approval: Approval) -> None:
        template = Template.APPROVAL_REQUESTED
        notices = [self._to_people(template, roster=True)]
        if approval.index == 0:
            notices.append(self._to_people(template, people=(approval.requester,)))
        data = {"stage": approval.stage.name, "round": str(approval.round)}
        self.note("approval.opened", notices=tuple(notices), data=data)
        opening = approval.index
        excluding = () if approval.stage.self_approval else tuple(sorted(approval.affected))
        seat = SeatRoster(approvers=approval.stage.asks, parties=self.parties, excluding=excluding)

        def seated(announced: Announced) -> None:
            if approval.index == opening and approval.is_pending:
                approval.seat(announced.roster or ())
                self.refresh_details()

        announced = await self.announce(seat=seat, when_late=seated)
        if announced is not None:
            seated(announced)

    async def _stage_decided(self, approval: Approval) -> None:
        """Waits for votes and acts on time; ends when the stage has passed or the approval is over."""
        held = False

        def over() -> bool:
            return approval.stage_is_over

        while not over():
            if approval.lacks_approvers and not held:
                held = True
                if await self._settle_nobody(approval):
                    return
            roster = approval.roster
            await self.until(lambda: over() or approval.roster is not roster, approval.next_due())  # noqa: B023
            # A decision that was received in time but is still being recorded counts (SPEC 4.3).
            async with self._deciding:
                if not over() and await self._act_on_time(approval):
                    return

    async def _settle_nobody(self, approval: Approval) -> bool:
        """Skips or denies a stage that nobody may decide, or holds it and raises the alarm.

        Returns:
            Whether the stage is settled.
        """
        stage = {"stage": approval.stage.name}
        if approval.settle_nobody():
            if approval.is_pending:
                self.note("approval.skipped", data=stage)
            return True
        operators = Audience(organisations=(self.parties.provider,), permission=Permission.OPERATE)
        alarm = Notice(template=Template.APPROVAL_HELD, audience=operators, facts=self._stage_facts(approval))
        self.note("approval.held", data=stage, notices=(alarm,))
        await self.announce()
        return False

    async def _act_on_time(self, approval: Approval) -> bool:
        """Passes the deadline or sends reminders; returns whether the stage is over."""
        now = workflow.now()
        if approval.pass_deadline(now):
            if approval.is_pending:
                self.note("approval.passed_by_deadline", data={"stage": approval.stage.name})
            return True
        if people := approval.remind(now):
            keys = tuple(person.key for person in people)
            reminder = self._to_people(Template.APPROVAL_REMINDER, people=keys)
            self.note("approval.reminded", notices=(reminder,), data={"stage": approval.stage.name})
            await self.announce()
        return False

    # Decisions

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
            approval = self._approval
            if approval.answer_to(decision) is None:
                approval.check(decision, workflow.now())

    async def _decide(self, decision: Decide) -> DecisionRecorded:
        approval = self._approval
        while True:
            # Not under the lock: a roster that is long in coming must not hold up deadline or withdrawal.
            await workflow.wait_condition(lambda: approval.roster is not None or not approval.is_pending)
            async with self._deciding:
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
        with approval.counting(vote):
            self.note(
                f"approval.{decision.verdict}",
                actor=decision.actor,
                on_behalf_of=decision.on_behalf_of,
                reason=decision.reason,
                vote=vote,
                data={"definition": approval.definition.reference},
            )
        announced = await self.announce(
            authorise=Authorise(actor=decision.actor, approvers=stage.asks, parties=self.parties)
        )
        if announced is not None and not announced.authorised:
            self.refresh_details()
            raise Refusal(
                Code.NOT_PERMITTED, f"actor: {decision.actor} may no longer decide stage {stage.name}"
            )
        if not approval.is_pending:
            approval.check(decision, now)  # It was cancelled in Temporal meanwhile; says so.
        return approval.decide(decision, now)

    @workflow.update(name=wire.WITHDRAW)
    async def withdraw(self, command: Withdraw) -> ApprovalStatus:
        """Takes the request back while it is undecided (A4)."""
        with refusals():
            await self.withdraw_approval(command.actor, command.reason)
        return self._approval.status

    @withdraw.validator
    def _check_withdraw(self, command: Withdraw) -> None:  # noqa: ARG002 - the validator takes what the update takes
        with refusals():
            self._check_pending("withdrawn")

    async def withdraw_approval(self, actor: str, reason: str | None) -> None:
        """Ends the approval as withdrawn; a decision that is being recorded is counted first.

        Raises:
            Refusal: NOT_PENDING if that decision, or an earlier one, ended it.
        """
        async with self._deciding:
            self._check_pending("withdrawn")
            self._approval.withdraw(actor, reason)

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
            )
            await self.announce()

    # What stands behind

    @property
    def _approval(self) -> Approval:
        if self.approval is None:
            raise Refusal(Code.NOT_PENDING, "this process asks for no approval")
        return self.approval

    def _check_pending(self, verb: str) -> None:
        if not self._approval.is_pending:
            raise Refusal(
                Code.NOT_PENDING, f"the approval is {self._approval.status} and can no longer be {verb}"
            )

    def _to_people(self, template: Template, *, people: tuple[str, ...] = (), roster: bool = False) -> Notice:
        audience = Audience(people=people, roster=roster)
        return Notice(template=template, audience=audience, facts=self._stage_facts(self._approval))

    def tell_roster(self, template: Template, **facts: Any) -> tuple[Notice, ...]:
        """A mail to everybody who was asked to decide the open stage, or nothing if nobody was."""
        people = tuple(person.key for person in self.approval.roster or ()) if self.approval else ()
        audience = Audience(people=people)
        return (Notice(template=template, audience=audience, facts=self.facts(**facts)),) if people else ()

    def _stage_facts(self, approval: Approval) -> MailFacts:
        return self.facts(
            stage=approval.stage.title,
            deadline=approval.deadline,
            what_then=approval.stage.on_deadline,
            command=f"countersign approvals approve {workflow.info().workflow_id}",
        )
