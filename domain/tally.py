"""How the votes of one opening of a stage add up (SPEC 4.1, 4.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from domain.decisions import Approver, Part, Verdict, Vote
from domain.definitions import Combine, Stage


def votes_needed(stage: Stage, approvers: int) -> int:
    """How many approvals a stage wants of so many approvers."""
    if stage.combine is Combine.QUORUM:
        return stage.quorum or 1
    return max(1, approvers) if stage.combine is Combine.ALL else 1


@dataclass(frozen=True, slots=True)
class Tally:
    """Seats and votes, and what they come to.

    Attributes:
        roster: None while it is not known yet.
        needed: Approvals the stage wants of its approvers, as of when they were seated: who loses a seat
            later does not make it easier.
    """

    stage: Stage
    roster: tuple[Approver, ...] | None
    votes: Sequence[Vote]
    needed: int

    @property
    def waiting_for(self) -> tuple[Approver, ...]:
        """The seats that have not voted."""
        decided = {vote.actor for vote in self.votes}
        return tuple(seat for seat in self.roster or () if seat.key not in decided)

    @property
    def passed(self) -> bool:
        """Whether the stage has the approvals it needs."""
        if self.roster is None:
            return False
        if Verdict.APPROVE in self._alone():
            return True
        approved = {vote.actor for vote in self.votes if vote.verdict is Verdict.APPROVE}
        additional = {seat.key for seat in self.roster if seat.part is Part.ADDITIONAL}
        return self._approvals >= self.needed and additional <= approved

    @property
    def denied(self) -> bool:
        """Whether denials have put an end to the stage: enough of them, or those that no approvals outweigh.

        A stage held for want of approvers was out of reach from the start; no vote of theirs makes it so.
        """
        if self.roster is None:
            return False
        if self._alone():
            return Verdict.DENY in self._alone()
        denials = [vote.actor for vote in self.votes if vote.verdict is Verdict.DENY]
        additional = {seat.key for seat in self.roster if seat.part is Part.ADDITIONAL}
        if len(denials) >= self.stage.denials or not additional.isdisjoint(denials):
            return True
        return self.lacks_approvers and len(self._approvers) >= self.needed

    @property
    def lacks_approvers(self) -> bool:
        """Whether those who are seated and have not voted cannot approve the stage any more."""
        if self.roster is None or self.stage.wait is not None:
            return False
        waiting = self.waiting_for
        if any(seat.part.decides_alone for seat in waiting):
            return False
        return self._approvals + sum(seat.part is Part.APPROVER for seat in waiting) < self.needed

    @property
    def _approvers(self) -> frozenset[str]:
        return frozenset(seat.key for seat in self.roster or () if seat.part is Part.APPROVER)

    @property
    def _approvals(self) -> int:
        approvers = self._approvers
        return sum(vote.verdict is Verdict.APPROVE and vote.actor in approvers for vote in self.votes)

    def _alone(self) -> list[Verdict]:
        """The votes that settle the stage by themselves; the first of them has."""
        alone = {seat.key for seat in self.roster or () if seat.part.decides_alone}
        return [vote.verdict for vote in self.votes if vote.actor in alone][:1]
