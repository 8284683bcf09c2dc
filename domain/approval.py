"""The approval of one request: who may decide now, what a decision does, and when time runs out.

This is the one place that answers "who may approve". It knows nothing of Temporal, mail or SQL: the gate
(`workflows/gate.py`) hands in decisions and the time and carries out what follows (SPEC 4.2, 4.3).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from domain.decisions import ApprovalStatus, Approver, Decide, DecisionRecorded, Verdict, Vote
from domain.definitions import ApprovalDefinition, Combine, OnDeadline, OnNobody, Stage
from domain.errors import Code, Refusal


class Approval:
    """The state of one approval; every method is a rule.

    Args:
        definition: The snapshot the process started with.
        requester: Who asked; may not decide unless the stage allows it.
        beneficiary: Whom it is for, under the same rule.
    """

    def __init__(
        self, definition: ApprovalDefinition, requester: str, beneficiary: str | None = None
    ) -> None:
        self.definition = definition
        self.affected = frozenset(key for key in (requester, beneficiary) if key)
        self.requester = requester
        self.status = ApprovalStatus.PENDING
        self.index = -1
        self.round = 1
        self.opened_at: datetime | None = None
        self.roster: tuple[Approver, ...] | None = None
        self.votes: list[Vote] = []
        self._answers: dict[tuple[str, str, int], DecisionRecorded] = {}
        self.reminded_until: datetime | None = None
        self.ended_by: str | None = None
        self.ended_at: datetime | None = None
        self.ended_reason: str | None = None

    # Stages

    @property
    def stage(self) -> Stage:
        """The stage that is open, or was last."""
        return self.definition.stages[max(self.index, 0)]

    @property
    def is_pending(self) -> bool:
        """Whether anything can still be decided."""
        return self.status is ApprovalStatus.PENDING

    @property
    def deadline(self) -> datetime | None:
        """When the open stage runs out; None before the first stage opens and after the end."""
        if self.opened_at is None or not self.is_pending:
            return None
        return self.opened_at + self.stage.deadline

    def open_next(self, now: datetime) -> Stage | None:
        """Opens the next stage, or approves the request if there is none.

        Returns:
            The stage that opened; its roster still has to be seated. None once the approval has ended.
        """
        if not self.is_pending:
            return None
        if self.index + 1 == len(self.definition.stages):
            self.status = ApprovalStatus.APPROVED
            return None
        self.index += 1
        self.opened_at = self.reminded_until = now
        self.roster = None
        return self.stage

    def seat(self, candidates: tuple[Approver, ...]) -> None:
        """Records who may decide the open stage; the requester's own seat only if the stage allows it."""
        allowed = (
            candidates if self.stage.self_approval else [a for a in candidates if a.key not in self.affected]
        )
        self.roster = tuple({approver.key: approver for approver in allowed}.values())

    @property
    def lacks_approvers(self) -> bool:
        """Whether the seated roster can never decide the stage."""
        return self.roster is not None and len(self.roster) < self._needed()

    def settle_nobody(self) -> bool:
        """Applies `on_nobody` to a stage that nobody can decide.

        Returns:
            Whether the stage is settled; False means it is held until its deadline.
        """
        if self.stage.on_nobody is OnNobody.HOLD:
            return False
        if self.stage.on_nobody is OnNobody.DENY:
            self._end(ApprovalStatus.REJECTED, None, f"nobody may decide stage {self.stage.name}")
        return True

    # Decisions

    def answer_to(self, decision: Decide) -> DecisionRecorded | None:
        """The stored answer if this actor has already said exactly this, else None (SPEC 11, Codes)."""
        answer = self._answers.get((decision.actor, decision.stage, decision.round))
        return answer if answer is not None and answer.verdict is decision.verdict else None

    def check(self, decision: Decide, now: datetime) -> None:
        """Refuses a decision that may not count.

        Before the roster is seated nobody is turned away for lacking a seat; check again once it is.

        Args:
            decision: What somebody wants to say.
            now: The process's time. A receive time before the deadline counts, but none after `now`.

        Raises:
            Refusal: ALREADY_DECIDED, APPROVAL_EXPIRED, WRONG_STAGE, SELF_APPROVAL, NOT_AN_APPROVER or
                REASON_REQUIRED.
        """
        self._check_open(decision)
        self._check_stage(decision)
        self._check_deadline(decision, now)
        self._check_actor(decision)
        if (
            decision.verdict is Verdict.DENY
            and self.stage.reason_required
            and not (decision.reason or "").strip()
        ):
            raise Refusal(Code.REASON_REQUIRED, f"reason: stage {self.stage.name} wants one for a denial")

    def decide(self, decision: Decide, now: datetime) -> DecisionRecorded:
        """Counts a decision that `check` let pass; the last word ends the stage or the approval."""
        vote = self.vote_for(decision, now)
        self.votes.append(vote)
        if self._is_denied():
            self._end(ApprovalStatus.REJECTED, vote.actor, vote.reason, vote.at)
        elif self.stage_passed and self.index + 1 == len(self.definition.stages):
            self._end(ApprovalStatus.APPROVED, vote.actor, vote.reason, vote.at)
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
        return Vote(
            stage=decision.stage,
            round=decision.round,
            actor=decision.actor,
            verdict=decision.verdict,
            reason=decision.reason,
            at=min(decision.received_at or now, now),
        )

    @contextmanager
    def counting(self, vote: Vote) -> Iterator[None]:
        """Shows the approval as it stands once a vote that is being recorded counts."""
        self.votes.append(vote)
        try:
            yield
        finally:
            self.votes.remove(vote)

    @property
    def stage_passed(self) -> bool:
        """Whether the open stage has the approvals it needs."""
        return (
            self.roster is not None
            and not self.lacks_approvers
            and self._count(Verdict.APPROVE) >= self._needed()
        )

    @property
    def stage_is_over(self) -> bool:
        """Whether the open stage waits for nothing any more."""
        return self.stage_passed or not self.is_pending

    def withdraw(self, actor: str, reason: str | None = None) -> None:
        """Ends a pending approval because its request was taken back (A4).

        Raises:
            Refusal: NOT_PENDING if it has ended otherwise.
        """
        if not self.is_pending:
            raise Refusal(Code.NOT_PENDING, f"the approval is {self.status} and can no longer be withdrawn")
        self._end(ApprovalStatus.WITHDRAWN, actor, reason)

    # Time

    def next_due(self) -> datetime | None:
        """The next instant at which `remind` or `pass_deadline` has something to do."""
        deadline = self.deadline
        if deadline is None:
            return None
        return min([deadline, *self._reminders_after(self.reminded_until)])

    def remind(self, now: datetime) -> tuple[Approver, ...]:
        """Who is to be reminded now: nobody, or everybody who has not decided, once (SPEC 4.5).

        Several reminders that fell due during an outage collapse into one.
        """
        due = [at for at in self._reminders_after(self.reminded_until) if at <= now]
        if not due or not self.is_pending:
            return ()
        self.reminded_until = now
        return self.waiting_for

    def pass_deadline(self, now: datetime) -> bool:
        """Applies `on_deadline` if the open stage's deadline has passed.

        Returns:
            Whether it had; the stage then counts as passed only with `on_deadline: approve`.
        """
        deadline = self.deadline
        if deadline is None or now < deadline:
            return False
        outcome = self.stage.on_deadline
        if outcome is OnDeadline.EXPIRE:
            self._end(ApprovalStatus.EXPIRED, None, f"stage {self.stage.name} was not decided in time")
        elif outcome is OnDeadline.DENY:
            self._end(ApprovalStatus.REJECTED, None, f"stage {self.stage.name} was not decided in time")
        return True

    @property
    def waiting_for(self) -> tuple[Approver, ...]:
        """The roster's members who have not decided the open stage."""
        if not self.is_pending:
            return ()
        return tuple(approver for approver in self.roster or () if approver.key not in self.decided)

    @property
    def decided(self) -> tuple[str, ...]:
        """Who has decided the open stage, or the last one, in the order of their votes."""
        return tuple(vote.actor for vote in self._stage_votes())

    # The rules behind

    def _check_open(self, decision: Decide) -> None:
        if self.is_pending:
            return
        if self.status is ApprovalStatus.EXPIRED:
            raise Refusal(
                Code.APPROVAL_EXPIRED,
                f"stage {self.stage.name} expired; this {decision.verdict} came too late",
            )
        by = f" by {self.ended_by}" if self.ended_by else ""
        when = f" since {self.ended_at:%Y-%m-%d %H:%M:%S} UTC" if self.ended_at else ""
        raise Refusal(
            Code.ALREADY_DECIDED,
            f"the approval is {self.status}{by}{when}; this {decision.verdict} changes nothing",
        )

    def _check_stage(self, decision: Decide) -> None:
        if decision.round == self.round and decision.stage in self._passed:
            votes = [vote for vote in self.votes if vote.stage == decision.stage]
            by = f", last by {votes[-1].actor} at {votes[-1].at:%Y-%m-%d %H:%M:%S} UTC" if votes else ""
            raise Refusal(
                Code.ALREADY_DECIDED,
                f"stage {decision.stage} is decided{by}; this {decision.verdict} changes nothing",
            )
        if decision.round != self.round or decision.stage != self.stage.name:
            asked, opened = (
                f"{decision.stage} round {decision.round}",
                f"{self.stage.name} round {self.round}",
            )
            raise Refusal(Code.WRONG_STAGE, f"stage: {asked} is not open; open is {opened}")

    def _check_deadline(self, decision: Decide, now: datetime) -> None:
        deadline = self.deadline
        if deadline is not None and min(decision.received_at or now, now) >= deadline:
            raise Refusal(
                Code.APPROVAL_EXPIRED,
                f"stage {self.stage.name} could be decided until {deadline:%Y-%m-%d %H:%M:%S} UTC",
            )

    def _check_actor(self, decision: Decide) -> None:
        if decision.actor in self.affected and not self.stage.self_approval:
            raise Refusal(
                Code.SELF_APPROVAL, f"actor: {decision.actor} may not decide a request of their own"
            )
        vote = self._vote_of(decision.actor, decision.stage, decision.round)
        if vote is not None:
            raise Refusal(
                Code.ALREADY_DECIDED,
                f"actor: {vote.actor} decided {vote.verdict} at {vote.at:%Y-%m-%d %H:%M:%S} UTC"
                " and counts once per stage",
            )
        if self.roster is not None and decision.actor not in {approver.key for approver in self.roster}:
            raise Refusal(
                Code.NOT_AN_APPROVER, f"actor: {decision.actor} is not asked in stage {self.stage.name}"
            )

    @property
    def _passed(self) -> frozenset[str]:
        """The stages that need no decision any more, the open one included as soon as it has its votes."""
        count = max(self.index, 0) + self.stage_passed
        return frozenset(stage.name for stage in self.definition.stages[:count])

    def _needed(self) -> int:
        if self.stage.combine is Combine.QUORUM:
            return self.stage.quorum or 1
        return max(1, len(self.roster or ())) if self.stage.combine is Combine.ALL else 1

    def _is_denied(self) -> bool:
        if self._count(Verdict.DENY) >= self.stage.denials:
            return True
        # A stage held for want of approvers was out of reach from the start; no vote of theirs makes it so.
        within_reach = self._count(Verdict.APPROVE) + len(self.waiting_for) >= self._needed()
        return not within_reach and not self.lacks_approvers

    def _count(self, verdict: Verdict) -> int:
        return sum(vote.verdict is verdict for vote in self._stage_votes())

    def _stage_votes(self) -> list[Vote]:
        return [vote for vote in self.votes if (vote.stage, vote.round) == (self.stage.name, self.round)]

    def _vote_of(self, actor: str, stage: str, round_: int) -> Vote | None:
        return next((v for v in self.votes if (v.actor, v.stage, v.round) == (actor, stage, round_)), None)

    def _reminders_after(self, after: datetime | None) -> list[datetime]:
        if self.opened_at is None or after is None:
            return []
        times = [self.opened_at + each for each in sorted(self.stage.reminders)]
        return [at for at in times if at > after]

    def _end(
        self, status: ApprovalStatus, by: str | None, reason: str | None, ended_at: datetime | None = None
    ) -> None:
        self.status, self.ended_by, self.ended_reason, self.ended_at = status, by, reason, ended_at
