"""The approval gate: stages in order, decisions in, one clock (SPEC D4, D5, 4).

The rules are in `domain/approval.py`; the gate opens stages, has each step announced, and acts when time
runs out. It is mixed into every process that needs an approval: the process's own workflow id is what people
approve.
"""

from __future__ import annotations

import asyncio

from temporalio import workflow

from domain.approval import Approval
from domain.decisions import ApprovalStatus, Approver, Part
from domain.definitions import OnDeadline, OnNobody
from domain.lookups import LookedUp, LookUp
from domain.mail import Template
from domain.opening import Opening, Outcome
from domain.transitions import Announced, SeatRoster
from workflows.acting import Acting
from workflows.asking import keys_of
from workflows.deciding import Deciding


class ApprovalGate(Deciding, Acting):
    """The course of one approval; the process that mixes it in awaits `run_approval`."""

    # The story

    async def run_approval(self) -> ApprovalStatus:
        """Opens one stage after the other until the approval has ended."""
        approval = self.required_approval
        while approval.open_next(workflow.now()) is not None:
            self._note_skipped(approval)
            await self._open_stage(approval)
            await self._stage_decided(approval)
            self._note_leaving(approval)
        self._note_skipped(approval)
        return approval.status

    async def _open_stage(self, approval: Approval) -> None:
        """Asks those who may decide; first of all whether the rules decide for some of them."""
        if approval.stage.approvers is None:
            self._note_opening(approval, to_roster=False)
            await self.announce()
            return
        if approval.seats_before_asking:
            found = await self.look_up(LookUp(parties=self.parties, roster=approval.stage.asks))
            if found is not None:
                await self._open_seated(approval, found.roster or ())
                return
        self._note_opening(approval, to_roster=True)
        excluding = () if approval.stage.self_approval else tuple(sorted(approval.affected))
        seat = SeatRoster(approvers=approval.stage.asks, parties=self.parties, excluding=excluding)
        opening = approval.opening

        def seated(announced: Announced) -> None:
            if approval.opening is opening and not approval.stage_is_over:
                approval.seat(announced.roster or ())
                self.refresh_details()

        announced = await self.announce(seat=seat, when_late=seated)
        if announced is not None:
            seated(announced)

    async def _open_seated(self, approval: Approval, candidates: tuple[Approver, ...]) -> None:
        """Opens a stage whose roster is known, counts what is known already and asks the others."""
        if approval.passes_over(candidates):
            approval.leave(Outcome.PASSED)
            self.note("approval.skipped", data={"stage": approval.stage.name, "because": "own request"})
            await self.announce()
            return
        approval.seat(candidates)
        self._note_opening(approval, to_roster=False)
        for vote in approval.automatic_votes(workflow.now()):
            if not approval.stage_is_over:
                self.note_vote(approval, vote)
                approval.count(vote)
        if not approval.stage_is_over:
            people = keys_of(approval.waiting_for)
            self.note("approval.asked", notices=self.to_people(Template.APPROVAL_REQUESTED, people))
        await self.announce()

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
            seen = approval.roster, approval.next_due()
            await self.until(
                lambda: over() or (approval.roster, approval.next_due()) != seen,  # noqa: B023
                approval.next_due(),
            )
            # A decision that was received in time but is still being recorded counts (SPEC 4.3).
            async with self.deciding:
                if not over() and await self._act_on_time(approval):
                    return

    async def _settle_nobody(self, approval: Approval) -> bool:
        """Asks the fallback, skips or denies a stage that nobody may decide, or holds it with an alarm.

        Returns:
            Whether the stage is settled.
        """
        stage = {"stage": approval.stage.name}
        if approval.settle_nobody():
            if approval.opening.outcome is Outcome.PASSED:
                self.note("approval.skipped", data=stage | {"because": "nobody may decide"})
            return True
        if approval.stage.on_nobody is OnNobody.FALLBACK:
            found = await self.look_up(LookUp(parties=self.parties, roster=approval.stage.fallback))
            approval.bring_in(found.roster or () if found else (), Part.FALLBACK)
            if not approval.lacks_approvers:
                people = keys_of(approval.waiting_for)
                notices = self.to_people(Template.APPROVAL_REQUESTED, people)
                self.note("approval.fallback", data=stage, notices=notices)
                await self.announce()
                return False
        await self._hold(approval)
        return False

    async def _hold(self, approval: Approval) -> None:
        """Keeps a stage open that nobody can decide, and tells who can mend that or decide in their place."""
        notices = [self.to_operators(Template.APPROVAL_HELD)]
        if approval.definition.escalation_team is not None:
            asked = LookUp(parties=self.parties, roster=approval.definition.escalation_team)
            found = await self.look_up(asked)
            before = approval.roster or ()
            approval.bring_in(found.roster or () if found else (), Part.ESCALATION)
            team = [seat.key for seat in approval.roster or () if seat not in before]
            notices += self.to_people(Template.APPROVAL_ESCALATED, team)
        self.note("approval.held", data={"stage": approval.stage.name}, notices=tuple(notices))
        await self.announce()

    # The clock

    async def _act_on_time(self, approval: Approval) -> bool:
        """Passes the deadline or sends reminders; returns whether the stage is over."""
        now = workflow.now()
        outcome = approval.pass_deadline(now)
        if outcome is OnDeadline.ESCALATE:
            await self._escalate(approval)
            return approval.stage_is_over
        if outcome is not None:
            if outcome is OnDeadline.APPROVE:
                self.note("approval.passed_by_deadline", data={"stage": approval.stage.name})
            return True
        if people := approval.remind(now):
            reminder = self.to_people(Template.APPROVAL_REMINDER, keys_of(people))
            self.note("approval.reminded", notices=reminder, data={"stage": approval.stage.name})
            await self.announce()
        return False

    async def _escalate(self, approval: Approval) -> None:
        """Asks the next level because the time of those before has passed."""
        question = LookUp(parties=self.parties, roster=approval.next_asked)
        found = await self.look_up(question)
        before = approval.roster or ()
        approval.escalate(workflow.now(), found.roster or () if found else ())
        self._note_escalation(approval, before)
        await self.announce()
        if found is None:
            asyncio.create_task(self._seat_level_later(approval, approval.opening, question))  # noqa: RUF006 - the loop of a workflow keeps its tasks

    async def _seat_level_later(self, approval: Approval, opening: Opening, question: LookUp) -> None:
        """Seats a level that the directory could not name at the time."""
        level = opening.level
        found: LookedUp = await self.look_up_patiently(question)
        async with self.deciding:
            if approval.opening is opening and opening.level == level and not approval.stage_is_over:
                before = approval.roster or ()
                approval.bring_in(found.roster or (), Part.ESCALATION)
                self._note_escalation(approval, before)
                await self.announce()

    # What is noted

    def _note_opening(self, approval: Approval, *, to_roster: bool) -> None:
        notices = [self.to_roster(Template.APPROVAL_REQUESTED)] if to_roster else []
        if approval.is_first_opening:
            notices += self.to_people(Template.APPROVAL_REQUESTED, (approval.requester,))
        data = {"stage": approval.stage.name, "round": str(approval.round)}
        self.note("approval.opened", notices=tuple(notices), data=data)

    def _note_escalation(self, approval: Approval, before: tuple[Approver, ...]) -> None:
        new = [seat.key for seat in approval.roster or () if seat not in before]
        data = {"stage": approval.stage.name, "level": str(approval.opening.level)}
        self.note("approval.escalated", data=data, notices=self.to_people(Template.APPROVAL_ESCALATED, new))

    def _note_skipped(self, approval: Approval) -> None:
        for stage in approval.skipped:
            self.note("approval.skipped", data={"stage": stage, "because": "its condition is false"})

    def _note_leaving(self, approval: Approval) -> None:
        if approval.is_pending and approval.opening.outcome is Outcome.SENT_BACK:
            data = {"stage": approval.stage.name, "to": approval.stage.on_deny or ""}
            self.note("approval.sent_back", data=data)
