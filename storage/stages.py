"""Writing the stages of a process's approval: who is asked, who said what, and what is open (SPEC 4.3)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Self, cast

from sqlalchemy import bindparam, case, func, inspect, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import QueryableAttribute, defer
from sqlalchemy.orm.attributes import set_committed_value
from sqlmodel import col

from domain.decisions import ApprovalStatus, Approver
from domain.transitions import OpenApproval, ProcessView, Transition
from storage.tables import ApprovalRow, ApprovalSeatRow

_Roster = tuple[Approver, ...] | None

UNDO = "approval.undo"
"""The action that takes a vote back; the vote itself has been told before, or will be."""

_IS_FIRST = func.row_number().over(partition_by=(col(ApprovalRow.stage), col(ApprovalRow.round))) == 1
STAGES_AND_SEATS = (
    # A stage's roster comes with one of its seats: with each of them, a thousand seats are a million people.
    select(ApprovalRow, ApprovalSeatRow, case((_IS_FIRST, col(ApprovalRow.roster))))
    .options(defer(cast("QueryableAttribute[_Roster]", ApprovalRow.roster)))
    .outerjoin(
        ApprovalSeatRow,
        (col(ApprovalSeatRow.process) == col(ApprovalRow.process))
        & (col(ApprovalSeatRow.stage) == col(ApprovalRow.stage))
        & (col(ApprovalSeatRow.round) == col(ApprovalRow.round)),
    )
    .where(col(ApprovalRow.process) == bindparam("of"))
)
"""One statement for all there is of a process: each announcement reads it."""


class Stages:
    """All stages of one process with their seats.

    Whatever order transitions are told in, the same rows come out: of each stage what the newest transition
    says, and seats for everybody in its newest roster, everybody whose answer it waits for, and everybody who
    voted and did not take it back.
    """

    def __init__(
        self,
        session: AsyncSession,
        process: str,
        rows: Iterable[tuple[ApprovalRow, ApprovalSeatRow | None, _Roster]],
    ) -> None:
        self._session = session
        self._process = process
        self._stages: dict[tuple[str, int], ApprovalRow] = {}
        self._seats: dict[tuple[str, int, str], ApprovalSeatRow] = {}
        for stage, seat, roster in rows:
            if roster is not None or (stage.stage, stage.round) not in self._stages:
                set_committed_value(stage, "roster", roster)
            self._stages[stage.stage, stage.round] = stage
            if seat is not None:
                self._seats[seat.stage, seat.round, seat.person] = seat

    @classmethod
    async def of(cls, session: AsyncSession, process: str) -> Self:
        """Reads a process's stages; the session must hold the process's lock."""
        rows = await session.execute(STAGES_AND_SEATS, {"of": process})
        return cls(session, process, ((stage, seat, roster) for stage, seat, roster in rows))

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
            row.seq, row.status, row.deadline = step.seq, seen.status, seen.deadline
            row.asked = seen.asked or None
        if seen.status is not ApprovalStatus.PENDING:
            row.ended_at = min(step.at, row.ended_at or step.at)
        row.level = max(seen.level, row.level)
        roster = seated if seen.roster is None else seen.roster
        if roster is not None and step.seq > (row.roster_seq or 0):
            row.roster_seq = step.seq
            if roster != row.roster:
                row.roster = roster
        row.held = seen.model_copy(update={"roster": row.roster}).lacks_approvers

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
        """Opens the stage the process waits for and no other; a stage that another followed has passed.

        What was decided under a definition that another has replaced is void (SPEC 4.6).
        """
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
            if current is not None and row.definition != current.definition:
                row.status = ApprovalStatus.WITHDRAWN

    async def _reseat(self, transitions: Iterable[Transition]) -> None:
        """Gives a seat to whoever is to decide or to answer and to everybody who voted, to nobody else."""
        deciding = {(*key, seat.key) for key, row in self._stages.items() for seat in row.roster or ()}
        answering = {
            (*key, asked.key) for key, row in self._stages.items() for asked in row.asked or () if row.is_open
        }
        open_stages = {key for key, row in self._stages.items() if row.is_open}
        for step in transitions:
            self._count(step)
        for key in sorted((deciding | answering) - self._seats.keys()):
            self._sit(key)
        for key, seat in list(self._seats.items()):
            stage = self._stages.get(key[:2])
            _take_back(seat, stage)
            seat.deadline = stage.deadline if stage else None
            seat.to_answer = key in answering
            seat.pending = seat.to_answer or (
                key in deciding and key[:2] in open_stages and seat.verdict is None
            )
            if seat.verdict is None and key not in deciding | answering:
                await self._leave(key)

    def _count(self, step: Transition) -> None:
        """Takes in a vote, or that one was taken back; of several the later counts."""
        if (vote := step.vote) is not None and step.accepted:
            key = vote.stage, vote.round, vote.actor
            seat = self._seats.get(key) or self._sit(key)
            if step.seq > (seat.seq or 0):
                seat.seq, seat.automatic = step.seq, vote.automatic
                seat.verdict, seat.decided_at = vote.verdict, vote.at
        elif step.action == UNDO and step.accepted and (seen := step.view.approval) is not None:
            row = self._stages[seen.stage, seen.round]
            undone = row.undone or {}
            row.undone = undone | {step.actor: max(step.seq, undone.get(step.actor, 0))}

    def _sit(self, key: tuple[str, int, str]) -> ApprovalSeatRow:
        stage, round_, person = key
        seat = ApprovalSeatRow(
            process=self._process,
            stage=stage,
            round=round_,
            person=person,
            pending=False,
            automatic=False,
            to_answer=False,
        )
        self._seats[key] = seat
        self._session.add(seat)
        return seat

    async def _leave(self, key: tuple[str, int, str]) -> None:
        seat = self._seats.pop(key)
        if inspect(seat).persistent:
            await self._session.delete(seat)
        else:
            self._session.expunge(seat)


def _take_back(seat: ApprovalSeatRow, stage: ApprovalRow | None) -> None:
    """Forgets a vote that its owner took back after casting it."""
    undone = stage.undone if stage else None
    if undone and undone.get(seat.person, 0) > (seat.seq or 0):
        seat.verdict = seat.decided_at = seat.seq = None
        seat.automatic = False
