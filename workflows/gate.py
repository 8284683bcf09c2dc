"""The approval gate: stages in order, decisions in, one clock (SPEC D4, D5, 4).

The rules are in `domain/approval.py`; the gate opens stages, has each step announced, and acts when time
runs out. It is mixed into every process that needs an approval: the process's own workflow id is what people
approve.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from temporalio import workflow

from domain import wire
from domain.approval import Approval
from domain.decisions import ApprovalStatus, Approver, Part
from domain.definitions import OnDeadline, OnNobody
from domain.lookups import LookUp
from domain.mail import Template
from domain.opening import Opening, Outcome
from domain.transitions import Announced, SeatRoster
from domain.views import people_asked
from workflows.acting import Acting
from workflows.asking import keys_of
from workflows.deciding import Deciding
from workflows.external import await_condition
from workflows.names import PROCESS_STATE
from workflows.process import let_go

_Ask = Callable[[tuple[Approver, ...]], Awaitable[None]]
"""Asks the people whom the directory has named."""


class ApprovalGate(Deciding, Acting):
    """The course of one approval; the process that mixes it in awaits `run_approval`."""

    _requester_told = False

    # The story

    async def run_approval(self) -> ApprovalStatus:
        """Opens one stage after the other until the approval has ended."""
        approval = self.required_approval
        while approval.open_next(workflow.now()) is not None:
            self._note_skipped(approval)
            await self._open_stage(approval)
            if approval.stage.wait is None:
                await self._stage_decided(approval)
            else:
                await self._condition_met(approval)
            self._list_as_held(held=False)
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
            question = LookUp(parties=self.parties, roster=approval.stage.asks)
            asks = partial(self._open_seated, approval)
            await self._with_those_named(approval, question, asks, at_any_level=True)
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
            approval.pass_stage()
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
            self.note(
                "approval.asked",
                notices=self.to_people(Template.APPROVAL_REQUESTED, people),
                data={"stage": approval.stage.name} | people_asked(people),
            )
        await self.announce()

    async def _stage_decided(self, approval: Approval) -> None:
        """Waits for votes and acts on time; ends when the stage has passed or the approval is over."""
        held = False

        def over() -> bool:
            return approval.stage_is_over

        while not over():
            held = held and approval.lacks_approvers
            if not approval.lacks_approvers:
                self._list_as_held(held=False)
            elif not held:
                held = True
                async with self.deciding:
                    if over() or await self._settle_nobody(approval):
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

    async def _condition_met(self, approval: Approval) -> None:
        """Asks an outside system until it answers or the stage is over for another reason."""
        asking = asyncio.create_task(self._settle_condition(approval, approval.opening))
        try:
            await self._stage_decided(approval)
        finally:
            let_go(asking)

    async def _settle_condition(self, approval: Approval, opening: Opening) -> None:
        met = await await_condition(approval, self.request_data)
        async with self.deciding:
            if approval.opening is not opening or approval.stage_is_over:
                return
            approval.settle_condition(fulfilled=met.is_fulfilled, message=met.message or None)
            self.note(f"approval.condition_{met.answer}", reason=met.message or None)

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
            question = LookUp(parties=self.parties, roster=approval.stage.fallback)
            await self._with_those_named(approval, question, partial(self._ask_fallback, approval))
        else:
            await self._hold(approval)
        return False

    async def _ask_fallback(self, approval: Approval, people: tuple[Approver, ...]) -> None:
        """Asks the fallback; if nobody of it may decide either, the stage is held."""
        before = approval.roster or ()
        approval.bring_in(people, Part.FALLBACK)
        if approval.lacks_approvers:
            await self._hold(approval)
            return
        joined = _joined(approval, before)
        self.note(
            "approval.fallback",
            notices=self.to_people(Template.APPROVAL_REQUESTED, joined),
            data={"stage": approval.stage.name} | people_asked(joined),
        )
        await self.announce()

    async def _hold(self, approval: Approval) -> None:
        """Keeps a stage open that nobody can decide, and tells who can mend that or decide in their place."""
        alarm = (self.to_operators(Template.APPROVAL_HELD),)
        self.note("approval.held", data={"stage": approval.stage.name}, notices=alarm)
        if approval.definition.escalation_team is not None:
            question = LookUp(parties=self.parties, roster=approval.definition.escalation_team)
            await self._with_those_named(approval, question, partial(self._ask_team, approval))
        self._list_as_held(held=approval.lacks_approvers)
        await self.announce()

    async def _ask_team(self, approval: Approval, people: tuple[Approver, ...]) -> None:
        """Asks the escalation team to decide a stage that is held."""
        before = approval.roster or ()
        approval.bring_in(people, Part.ESCALATION)
        self._note_escalation(approval, before)
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
        approval.opening.escalate(workflow.now())
        await self._with_those_named(approval, question, partial(self._ask_level, approval))

    async def _ask_level(self, approval: Approval, people: tuple[Approver, ...]) -> None:
        """Asks the people of the level that the stage has been escalated to."""
        before = approval.roster or ()
        approval.seat_level(people)
        self._note_escalation(approval, before)
        await self.announce()

    async def _with_those_named(
        self, approval: Approval, question: LookUp, ask: _Ask, *, at_any_level: bool = False
    ) -> None:
        """Asks those whom the directory names; if it does not answer, as soon as it does.

        By then the stage may have been escalated; only its own approvers are still of use after that.
        """
        found = await self.look_up(question)
        if found is not None:
            if not approval.stage_is_over:
                await ask(found.roster or ())
            return
        opening, level = approval.opening, None if at_any_level else approval.opening.level
        asyncio.create_task(self._ask_later(approval, question, ask, (opening, level)))  # noqa: RUF006 - the loop of a workflow keeps its tasks

    async def _ask_later(
        self, approval: Approval, question: LookUp, ask: _Ask, then: tuple[Opening, int | None]
    ) -> None:
        found = await self.look_up_patiently(question)
        opening, level = then
        async with self.deciding:
            is_same = approval.opening is opening and level in {None, opening.level}
            if is_same and not approval.stage_is_over:
                await ask(found.roster or ())

    # What is noted

    def _list_as_held(self, *, held: bool) -> None:
        """Has operators find a held stage in the Temporal UI's list of runs: two upserts for a rare case."""
        is_listed = workflow.info().typed_search_attributes.get(PROCESS_STATE) == wire.APPROVAL_HELD
        if held and not is_listed:
            workflow.upsert_search_attributes([PROCESS_STATE.value_set(wire.APPROVAL_HELD)])
        elif is_listed and not held:
            workflow.upsert_search_attributes([PROCESS_STATE.value_set(self.state)])

    def _note_opening(self, approval: Approval, *, to_roster: bool) -> None:
        notices = [self.to_roster(Template.APPROVAL_REQUESTED)] if to_roster else []
        if not self._requester_told:
            self._requester_told = True
            notices += self.to_people(Template.APPROVAL_REQUESTED, (approval.requester,))
        data = {"stage": approval.stage.name, "round": str(approval.round)}
        self.note("approval.opened", notices=tuple(notices), data=data)

    def _note_escalation(self, approval: Approval, before: tuple[Approver, ...]) -> None:
        joined = _joined(approval, before)
        data = {"stage": approval.stage.name, "level": str(approval.opening.level)} | people_asked(joined)
        self.note(
            "approval.escalated", data=data, notices=self.to_people(Template.APPROVAL_ESCALATED, joined)
        )

    def _note_skipped(self, approval: Approval) -> None:
        for stage in approval.skipped:
            self.note("approval.skipped", data={"stage": stage, "because": "its condition is false"})

    def _note_leaving(self, approval: Approval) -> None:
        if approval.is_pending and approval.opening.outcome is Outcome.SENT_BACK:
            data = {"stage": approval.stage.name, "to": approval.stage.on_deny or ""}
            self.note("approval.sent_back", data=data)


def _joined(approval: Approval, before: tuple[Approver, ...]) -> tuple[str, ...]:
    """Who has got a seat since."""
    return tuple(seat.key for seat in approval.roster or () if seat not in before)
