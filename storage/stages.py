"""Writing the stages of a process's approval: who is asked, who said what, and what is open (SPEC 4.3)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Self

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain.decisions import ApprovalStatus, Approver
from domain.transitions import OpenApproval, ProcessView, Transition
from storage.tables import ApprovalRow, ApprovalSeatRow


class Stages:
    """All stages of one process with their seats.

    Whatever order transitions are told in, the same rows come out: of each stage what the newest transition
    says, and seats for everybody in its newest roster and everybody who voted.
    """

    def __init__(
        self, session: AsyncSession, process: str, rows: Iterable[tuple[ApprovalRow, ApprovalSeatRow | None]]
    ) -> None:
        self._session = session
        self._process = process
        self._stages: dict[tuple[str, int], ApprovalRow] = {}
        self._seats: dict[tuple[str, int, str], ApprovalSeatRow] = {}
        for stage, seat in rows:
            self._stages[stage.stage, stage.round] = stage
            if seat is not None:
                self._seats[seat.stage, seat.round, seat.person] = seat

    @classmethod
    async def of(cls, session: AsyncSession, process: str) -> Self:
        """Reads a process's stages; the session must hold the process's lock."""
        rows = await session.execute(
            select(ApprovalRow, ApprovalSeatRow)
            .outerjoin(
                ApprovalSeatRow,
                (col(ApprovalSeatRow.process) == col(ApprovalRow.process))
                & (col(ApprovalSeatRow.stage) == col(ApprovalRow.stage))
                & (col(ApprovalSeatRow.round) == col(ApprovalRow.round)),
            )
            .where(col(ApprovalRow.process) == process)
        )
        return cls(session, process, ((stage, seat) for stage, seat in rows))

    def roster(self, stage: OpenApproval | None) -> tuple[Approver, ...] | None:
        """The roster that was recorded when a stage opened; None if it never was."""
        known = self._stages.get((stage.stage, stage.round)) if stage else None
        return known.roster if known else None

    async def update(
        self, view: ProcessView, transitions: Sequence[Transition], seated: tuple[Approver, ...] | None
    ) -> None:
        """Takes in what is new.

        Args:
            view: Where the process stands.
            transitions: The transitions that were not told before.
            seated: The roster of the stage that the last of them opened, if it was just resolved.
        """
        for each in transitions:
            if each.view.approval is not None:
                self._see(each, each.view.approval, seated if each is transitions[-1] else None)
        if self._stages:
            self._settle(view)
            await self._reseat(transitions)

    def _see(self, step: Transition, seen: OpenApproval, seated: tuple[Approver, ...] | None) -> None:
        row = self._stages.get((seen.stage, seen.round)) or self._open(seen)
        if step.seq > row.seq:
            row.seq, row.status = step.seq, seen.status
        if seen.status is not ApprovalStatus.PENDING:
            row.ended_at = min(step.at, row.ended_at or step.at)
        if seen.deadline is not None:  # an approval that has ended names none any more
            row.deadline = max(seen.deadline, row.deadline or seen.deadline)
        roster = seated if seen.roster is None else seen.roster
        if roster is not None and step.seq > (row.roster_seq or 0):
            row.roster_seq = step.seq
            if roster != row.roster:
                row.roster = roster

    def _open(self, seen: OpenApproval) -> ApprovalRow:
        row = ApprovalRow(
            process=self._process,
            stage=seen.stage,
            round=seen.round,
            seq=0,
            status=seen.status,
            is_open=False,
            stage_title=seen.stage_title,
            definition=seen.definition,
            opened_at=seen.opened_at,
        )
        self._stages[row.stage, row.round] = row
        self._session.add(row)
        return row

    def _settle(self, view: ProcessView) -> None:
        """Opens the stage the process waits for and no other; a stage that another followed has passed."""
        current = view.approval
        waits = current is not None and current.status is ApprovalStatus.PENDING and not view.ended
        for row in self._stages.values():
            is_current = current is not None and (row.stage, row.round) == (current.stage, current.round)
            row.is_open = waits and is_current
            followers = [each.opened_at for each in self._stages.values() if each.seq > row.seq]
            if followers:
                row.ended_at = min(followers)
                if row.status is ApprovalStatus.PENDING:
                    row.status = ApprovalStatus.APPROVED

    async def _reseat(self, transitions: Iterable[Transition]) -> None:
        """Gives a seat to everybody who is asked and to everybody who voted, and to nobody else."""
        asked = {
            (row.stage, row.round, person.key) for row in self._stages.values() for person in row.roster or ()
        }
        votes = {(vote.stage, vote.round, vote.actor): vote for each in transitions if (vote := each.vote)}
        for stage, round_, person in sorted((asked | votes.keys()) - self._seats.keys()):
            seat = ApprovalSeatRow(
                process=self._process, stage=stage, round=round_, person=person, pending=False
            )
            self._seats[stage, round_, person] = seat
            self._session.add(seat)
        for key, vote in votes.items():
            self._seats[key].verdict, self._seats[key].decided_at = vote.verdict, vote.at
        open_stages = {(row.stage, row.round) for row in self._stages.values() if row.is_open}
        for key, seat in self._seats.items():
            seat.pending = key[:2] in open_stages and seat.verdict is None
            if seat.verdict is None and key not in asked:
                await self._session.delete(seat)
