"""The course of an approval through its stages: which is open, what comes after it, and how it ends.

`domain/approval.py` adds decisions, actions and time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from domain.actions import ChangeDefinition, Inquiry
from domain.decisions import ApprovalStatus, Approver, DecisionRecorded, Vote
from domain.definitions import END, ApprovalDefinition, OnChange, Stage
from domain.errors import Code, Refusal
from domain.opening import Opening, Outcome, WorkingTime
from domain.organisations import OrganisationKind
from domain.tally import Tally

MAX_ROUNDS = 20
"""How often a request may go back or sideways before a denial ends it."""


class Course:
    """Where one approval stands.

    Args:
        definition: The snapshot the process started with.
        requester: Who asked; may not decide unless the stage allows it.
        beneficiary: Whom it is for, under the same rule.
        holds: Whether a stage's condition is true of the request.
        calendars: The parties' working time, for stages that count in it.
    """

    def __init__(
        self,
        definition: ApprovalDefinition,
        requester: str,
        beneficiary: str | None = None,
        *,
        holds: Callable[[str], bool] = lambda _: True,
        calendars: Mapping[OrganisationKind, WorkingTime] | None = None,
    ) -> None:
        self.definition = definition
        self.affected = frozenset(key for key in (requester, beneficiary) if key)
        self.requester = requester
        self.status = ApprovalStatus.PENDING
        self.index = -1
        self.round = 1
        self.skipped: tuple[str, ...] = ()
        self.votes: list[Vote] = []
        self.actions = 0
        self.ended_by: str | None = None
        self.ended_at: datetime | None = None
        self.ended_reason: str | None = None
        self._holds = holds
        self._calendars = calendars or {}
        self._opening: Opening | None = None
        self._passed: frozenset[str] = frozenset()
        self._jump: int | None = None
        self._replacement: ApprovalDefinition | None = None
        self._answers: dict[tuple[str, str, int], DecisionRecorded] = {}

    # Stages

    @property
    def stage(self) -> Stage:
        """The stage that is open, or was last."""
        return self._opening.stage if self._opening else self.definition.stages[0]

    @property
    def opening(self) -> Opening:
        """The stage's present opening.

        Raises:
            Refusal: NOT_PENDING before the first stage opens.
        """
        if self._opening is None:
            raise Refusal(Code.NOT_PENDING, "no stage is open yet")
        return self._opening

    @property
    def is_pending(self) -> bool:
        """Whether anything can still be decided."""
        return self.status is ApprovalStatus.PENDING

    @property
    def stage_status(self) -> ApprovalStatus:
        """Where the open stage stands: denied though the request goes on, or void, or as the approval."""
        outcome = self._opening.outcome if self._opening else None
        if not self.is_pending or outcome in {None, Outcome.PASSED}:
            return self.status
        return ApprovalStatus.REJECTED if outcome is Outcome.SENT_BACK else ApprovalStatus.WITHDRAWN

    def open_next(self, now: datetime) -> Stage | None:
        """Opens the stage that is next, or approves the request if there is none.

        Stages whose condition is false are passed over and named in `skipped`.

        Returns:
            The stage that opened; its roster still has to be seated. None once the approval has ended.
        """
        if not self.is_pending:
            return None
        if self._replacement is not None:
            self.definition, self._replacement = self._replacement, None
        index, self.skipped = self._following()
        if index is None:
            self.status = ApprovalStatus.APPROVED
            return None
        if self._jump is not None:
            self.round += 1
            self._passed = frozenset()
        elif self.index >= 0:
            self._passed |= {self.stage.name}
        self._passed |= set(self.skipped)
        self._jump = None
        self.index, stage = index, self.definition.stages[index]
        calendar = self._calendars.get(stage.calendar) if stage.calendar else None
        self._opening = Opening(stage, self.round, now, calendar)
        if stage.wait is not None:
            self._opening.seat(())
        return stage

    def pass_stage(self, reason: str | None = None) -> None:
        """Passes the open stage without votes, which approves the request if no stage follows."""
        self.leave(Outcome.PASSED)
        self._approve_if_last(None, reason)

    def leave(self, outcome: Outcome, to: str | None = None) -> None:
        """Ends the present opening without votes; with `to`, a new round goes on at that stage."""
        self.opening.outcome = outcome
        if to is not None:
            self._jump = self.definition.position(to)

    @property
    def passed(self) -> frozenset[str]:
        """The stages of this round that need no decision any more, the open one included once it is over."""
        return self._passed.union([self.stage.name] if self._opening and self.stage_is_over else [])

    def _following(self) -> tuple[int | None, tuple[str, ...]]:
        """The stage that is next, and those before it that are passed over as their condition is false."""
        if self._jump is not None:
            first = self._jump
        elif self.index >= 0 and self.stage.on_approve == END:
            return None, ()
        elif self.index >= 0 and self.stage.on_approve is not None:
            first = self.definition.position(self.stage.on_approve)
        else:
            first = self.index + 1
        skipped: list[str] = []
        for index, stage in enumerate(self.definition.stages[first:], first):
            if self.applies(stage):
                return index, tuple(skipped)
            skipped.append(stage.name)
        return None, tuple(skipped)

    def applies(self, stage: Stage) -> bool:
        """Whether a stage's condition is true of the request."""
        return stage.when is None or self._holds(stage.when)

    def change_definition(self, command: ChangeDefinition) -> tuple[Vote, ...]:
        """Starts again on another definition, or ends the approval because it has changed (SPEC 4.6).

        Returns:
            The votes that are void now.
        """
        voided = tuple(self.votes)
        if command.mode is OnChange.RESET:
            self.votes.clear()
            self._answers.clear()
            self._replacement = command.definition
            self._calendars = {**self._calendars, **command.calendars}
            if self._opening is not None:
                self.leave(Outcome.VOIDED)
                self._jump = 0
        else:
            changed = command.definition.reference
            self._end(ApprovalStatus.WITHDRAWN, command.actor, f"definition_changed: {changed}")
        return voided

    def runs_on(self, definition: ApprovalDefinition) -> bool:
        """Whether the approval runs on this definition, or is about to."""
        return definition == (self._replacement or self.definition)

    def check_rounds(self) -> None:
        """Refuses to go round once more if it has been often enough.

        Raises:
            Refusal: LIMIT_REACHED.
        """
        if self.round >= MAX_ROUNDS:
            raise Refusal(Code.LIMIT_REACHED, f"round: it has gone {MAX_ROUNDS} rounds; decide it now")

    # The open stage

    @property
    def roster(self) -> tuple[Approver, ...] | None:
        """Who has a seat in the open stage; None while the directory has not answered."""
        return self._opening.roster if self._opening else None

    def seat_of(self, person: str) -> Approver | None:
        """The seat somebody has in the open stage."""
        return self._opening.seat_of(person) if self._opening else None

    @property
    def lacks_approvers(self) -> bool:
        """Whether the seated roster can never decide the stage."""
        return self._tally.lacks_approvers

    @property
    def stage_passed(self) -> bool:
        """Whether the open stage has the approvals it needs."""
        return self._tally.passed

    @property
    def stage_is_over(self) -> bool:
        """Whether the open stage waits for nothing any more."""
        has_left = self._opening is not None and self._opening.outcome is not None
        return not self.is_pending or has_left or self.stage_passed

    @property
    def opened_at(self) -> datetime | None:
        """When the open stage opened; None before the first."""
        return self._opening.opened_at if self._opening else None

    @property
    def deadline(self) -> datetime | None:
        """When the open stage runs out; None before the first stage opens and after the end."""
        return self._opening.deadline if self._opening and self.is_pending else None

    @property
    def waiting_for(self) -> tuple[Approver, ...]:
        """The roster's members who have not decided the open stage."""
        return self._tally.waiting_for if self.is_pending else ()

    @property
    def decided(self) -> tuple[str, ...]:
        """Who has decided the open stage, or the last one, in the order of their votes."""
        return tuple(vote.actor for vote in self.stage_votes)

    @property
    def stage_votes(self) -> tuple[Vote, ...]:
        """The votes of the present opening."""
        here = (self.stage.name, self.round)
        return tuple(vote for vote in self.votes if (vote.stage, vote.round) == here)

    def is_barred(self, person: str) -> bool:
        """Whether somebody may not decide the open stage as the request is theirs."""
        return person in self.affected and not self.stage.self_approval

    def vote_of(self, person: str) -> Vote | None:
        """How somebody voted in the open stage."""
        return next((vote for vote in self.stage_votes if vote.actor == person), None)

    @property
    def open_inquiries(self) -> tuple[Inquiry, ...]:
        """The questions that deciding waits for."""
        return self._opening.open_inquiries if self._opening and self.is_pending else ()

    # The rules behind

    @property
    def _tally(self) -> Tally:
        needed = self._opening.needed if self._opening else 1
        return Tally(self.stage, self.roster, self.stage_votes, needed)

    def _deny(self, by: str | None, reason: str | None, at: datetime | None = None) -> None:
        """Goes back where a denial leads, or ends the approval as rejected."""
        if self.stage.on_deny is not None and self.round < MAX_ROUNDS:
            self.leave(Outcome.SENT_BACK, self.stage.on_deny)
        else:
            self._end(ApprovalStatus.REJECTED, by, reason, at)

    def _approve_if_last(self, by: str | None, reason: str | None, at: datetime | None = None) -> None:
        """Approves the request if no stage follows, or only such as do not apply to it."""
        following, skipped = self._following()
        if following is None:
            self._end(ApprovalStatus.APPROVED, by, reason, at)
            self.skipped = skipped

    def _end(
        self, status: ApprovalStatus, by: str | None, reason: str | None, ended_at: datetime | None = None
    ) -> None:
        self.skipped = ()
        self.status, self.ended_by, self.ended_reason, self.ended_at = status, by, reason, ended_at
