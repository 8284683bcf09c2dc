"""The approval of one request: who has a seat, what a decision does, and when time runs out.

The course through the stages is in `domain/course.py`; who may decide or act in `domain/admission.py`; what
actions do in `domain/acting.py`. None of it knows Temporal, mail or SQL: the gate (`workflows/gate.py`) hands
in decisions and the time and carries out what follows (SPEC 4.2 to 4.5).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime

from domain import acting, admission
from domain.actions import ActionRecorded, StageCommand
from domain.course import Course
from domain.decisions import ApprovalStatus, Approver, Decide, DecisionRecorded, Part, Verdict, Vote
from domain.definitions import (
    Approvers,
    OnDeadline,
    OnNobody,
    RequesterIsApprover,
)
from domain.errors import Code, Refusal
from domain.lookups import Authorise, LookedUp
from domain.organisations import Parties


class Approval(Course):
    """The state of one approval; every method is a rule."""

    # Seats

    def seat(self, candidates: Iterable[Approver]) -> None:
        """Records who may decide the open stage; whose vote counts as given has a seat, too."""
        granted = {self.requester} if self.handles_requester is RequesterIsApprover.GRANTED else set()
        self.opening.seat(self.eligible(candidates, granted))

    def bring_in(self, candidates: Iterable[Approver], part: Part) -> None:
        """Gives seats to people who are asked besides the stage's approvers: fallback or escalation team."""
        seats = [each.model_copy(update={"part": part}) for each in candidates]
        self.opening.bring_in(self.eligible(seats), frozenset(self.decided))

    def eligible(self, candidates: Iterable[Approver], granted: Collection[str] = ()) -> tuple[Approver, ...]:
        """The candidates without requester and beneficiary, unless those may decide, each once."""
        found = {each.key: each for each in candidates if each.key in granted or not self.is_barred(each.key)}
        return tuple(found.values())

    def authorisation(self, seat: Approver, parties: Parties) -> Authorise:
        """What the directory is asked before somebody decides or acts from a seat."""
        return Authorise(
            actor=seat.stands_for or seat.key,
            approvers=self.opening.authority(seat, self.definition.escalation_team),
            parties=parties,
            delegate=seat.key if seat.stands_for else None,
        )

    @property
    def handles_requester(self) -> RequesterIsApprover:
        """What becomes of the open stage if it asks the requester."""
        if self.stage.always_ask:
            return RequesterIsApprover.FORBIDDEN
        return self.definition.requester_is_approver

    @property
    def seats_before_asking(self) -> bool:
        """Whether votes may be cast by rule, so that nobody should be asked before that is known."""
        return not self.stage.always_ask and (
            self.definition.reuse_grants
            or self.definition.requester_is_approver is not RequesterIsApprover.FORBIDDEN
        )

    def passes_over(self, candidates: Iterable[Approver]) -> bool:
        """Whether the stage is skipped because it would ask the requester."""
        asked = {each.key for each in candidates}
        return self.handles_requester is RequesterIsApprover.SKIPPED and self.requester in asked

    def settle_nobody(self) -> bool:
        """Applies `on_nobody` to a stage that nobody can decide.

        Nothing that somebody has denied is skipped because others have left.

        Returns:
            Whether the stage is settled; False means that others are asked, or that it is held.
        """
        is_denied = any(vote.verdict is Verdict.DENY for vote in self.stage_votes)
        if self.stage.on_nobody is OnNobody.DENY:
            self._deny(None, f"nobody may decide stage {self.stage.name}")
        elif self.stage.on_nobody is OnNobody.SKIP and not is_denied:
            self.pass_stage()
        else:
            return False
        return True

    # Decisions

    def answer_to(self, decision: Decide) -> DecisionRecorded | None:
        """The stored answer if this actor has already said exactly this, else None (SPEC 11, Codes)."""
        answer = self._answers.get((decision.actor, decision.stage, decision.round))
        return answer if answer is not None and answer.verdict is decision.verdict else None

    def check(self, decision: Decide, now: datetime) -> None:
        """Refuses a decision that may not count; raises as `admission.check_decision`."""
        admission.check_decision(self, decision, now)

    def decide(self, decision: Decide, now: datetime) -> DecisionRecorded:
        """Counts a decision that `check` let pass; the last word ends the stage or the approval."""
        return self.count(self.vote_for(decision, now))

    def count(self, vote: Vote) -> DecisionRecorded:
        """Counts a vote and answers it."""
        self.votes.append(vote)
        if vote.verdict is Verdict.DENY and self._tally.denied:
            self._deny(vote.actor, vote.reason, vote.at)
        elif self.stage_passed:
            self._approve_if_last(vote.actor, vote.reason, vote.at)
        answer = DecisionRecorded(
            stage=vote.stage,
            round=vote.round,
            actor=vote.actor,
            verdict=vote.verdict,
            at=vote.at,
            status=self.status,
        )
        self._answers[vote.actor, vote.stage, vote.round] = answer
        return answer

    def vote_for(self, decision: Decide, now: datetime) -> Vote:
        """The vote a decision comes to; it counts from when it was received, never from later than `now`."""
        seat = self.seat_of(decision.actor)
        return Vote(
            stage=decision.stage,
            round=decision.round,
            actor=decision.actor,
            verdict=decision.verdict,
            reason=decision.reason,
            at=min(decision.received_at or now, now),
            stands_for=seat.stands_for if seat else None,
        )

    @contextmanager
    def counting(self, vote: Vote) -> Iterator[None]:
        """Shows the approval as it stands once a vote that is being recorded counts."""
        self.votes.append(vote)
        try:
            yield
        finally:
            self.votes.remove(vote)

    def automatic_votes(self, now: datetime) -> tuple[Vote, ...]:
        """The votes that the rules cast in the open stage: nobody is asked what is known already.

        The requester's own step where the definition grants it, and grants of this round that count again. A
        grant from before the request went back is not taken over: whoever sent it back wants an answer.
        """
        if self.stage.always_ask:
            return ()
        granted = {
            vote.actor: vote.stage
            for vote in self.votes
            if vote.round == self.round and vote.stage != self.stage.name and vote.verdict is Verdict.APPROVE
        }
        votes = []
        for seat in self.waiting_for:
            reused = granted.get(seat.key) if self.definition.reuse_grants else None
            own = seat.key == self.requester and self.handles_requester is RequesterIsApprover.GRANTED
            if reused is not None or own:
                votes.append(
                    Vote(
                        stage=self.stage.name,
                        round=self.round,
                        actor=seat.key,
                        verdict=Verdict.APPROVE,
                        reason=None,
                        at=now,
                        automatic=True,
                        reused_from=reused,
                    )
                )
        return tuple(votes)

    def settle_condition(self, *, fulfilled: bool, message: str | None = None) -> None:
        """Ends a stage that waited for an outside system."""
        if fulfilled:
            self.pass_stage(message)
        else:
            self._deny(None, message or f"the condition of stage {self.stage.name} failed")

    def withdraw(self, actor: str, reason: str | None = None) -> None:
        """Ends a pending approval because its request was taken back (A4).

        Raises:
            Refusal: NOT_PENDING if it has ended otherwise.
        """
        if not self.is_pending:
            raise Refusal(Code.NOT_PENDING, f"the approval is {self.status} and can no longer be withdrawn")
        self._end(ApprovalStatus.WITHDRAWN, actor, reason)

    # Actions

    def check_action(self, command: StageCommand, now: datetime) -> None:
        """Refuses an action that is not allowed now; raises as `acting.check_action`."""
        acting.check_action(self, command, now)

    def act(self, command: StageCommand, now: datetime, found: LookedUp) -> ActionRecorded:
        """Carries out an action; raises as `acting.apply_action`."""
        return acting.apply_action(self, command, now, found)

    def take_back(self, actor: str) -> Vote:
        """Takes somebody's vote in the open stage back, as if it had never been cast."""
        vote = self.vote_of(actor)
        assert vote is not None
        self.votes.remove(vote)
        self._answers.pop((vote.actor, vote.stage, vote.round), None)
        return vote

    # Time

    def next_due(self) -> datetime | None:
        """The next instant at which `remind` or `pass_deadline` has something to do."""
        return self._opening.next_due() if self._opening and self.is_pending else None

    def remind(self, now: datetime) -> tuple[Approver, ...]:
        """Who is to be reminded now: nobody, or everybody who has not decided, once (SPEC 4.5).

        During an inquiry that is whoever was asked: nobody else can do anything.
        """
        if self._opening is None or not self.is_pending or not self._opening.reminder_is_due(now):
            return ()
        asked = {inquiry.asked.key: inquiry.asked for inquiry in self.open_inquiries}
        return tuple(asked.values()) or self.waiting_for

    def pass_deadline(self, now: datetime) -> OnDeadline | None:
        """Applies what the open stage's deadline leads to, if it has passed.

        Returns:
            What it led to; after `escalate` the stage is still open and `next_asked` is to be seated. None if
            the deadline has not come.
        """
        if self.deadline is None or now < self.deadline:
            return None
        outcome = self.after_deadline
        reason = f"stage {self.stage.name} was not decided in time"
        if outcome is OnDeadline.EXPIRE:
            self._end(ApprovalStatus.EXPIRED, None, reason)
        elif outcome is OnDeadline.DENY:
            self._deny(None, reason)
        elif outcome is OnDeadline.APPROVE:
            self.pass_stage()
        return outcome

    @property
    def after_deadline(self) -> OnDeadline:
        """What the open stage's deadline leads to, or will once the first stage is open."""
        opening = self._opening
        if opening is None or (self.stage.on_deadline is not OnDeadline.ESCALATE and not opening.level):
            return self.stage.on_deadline
        return self.stage.after_escalation if opening.next_level is None else OnDeadline.ESCALATE

    @property
    def next_asked(self) -> Approvers | None:
        """Whom an escalation asks next: the next level, else the team, once; None if nobody is left."""
        level = self.opening.next_level
        if level is not None:
            return level.approvers
        of_team = any(seat.part is Part.ESCALATION and not seat.level for seat in self.roster or ())
        return None if of_team else self.definition.escalation_team

    def escalate(self, now: datetime, people: Iterable[Approver]) -> None:
        """Asks the next level, or the team where there is none."""
        if self.opening.next_level is None:
            self.bring_in(people, Part.ESCALATION)
            return
        self.opening.escalate(now)
        self.seat_level(people)

    def seat_level(self, people: Iterable[Approver]) -> None:
        """Gives seats to the level that is asked, as soon as it is known who that is."""
        seat = {"part": Part.ESCALATION, "level": self.opening.level}
        seats = self.eligible(each.model_copy(update=seat) for each in people)
        self.opening.seat_level(seats, frozenset(self.decided))
