"""Reading what waits for one person, and what they were asked before (SPEC 4.3, 8).

However much waits, a page is read off an index: who is asked for everything, as a backend service is, has
thousands of seats. Stages and processes, which are documents, are read for the page alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain.decisions import ApprovalStatus, Approver, Verdict
from domain.transitions import ProcessView
from storage.inquiries import OpenInquiry, open_inquiries
from storage.tables import ApprovalRow, ApprovalSeatRow, ProcessRow


@dataclass(frozen=True, slots=True)
class InboxEntry:
    """A stage in which a person has a part.

    Attributes:
        pending: Whether this person has something to do: decide it, or answer `questions`.
        verdict: What the person said.
        questions: What the person is asked; nobody decides before they are answered.
        asked: Whose answers deciding waits for.
        stands_for: The name of whoever delegated the decision to this person.
        view: The process it is about.
    """

    process: str
    stage: str
    stage_title: str
    round: int
    pending: bool
    verdict: Verdict | None
    decided_at: datetime | None
    status: ApprovalStatus
    opened_at: datetime
    deadline: datetime | None
    questions: tuple[OpenInquiry, ...]
    asked: tuple[Approver, ...]
    stands_for: str | None
    view: ProcessView


_PENDING, _DECIDED_AT = col(ApprovalSeatRow.pending), col(ApprovalSeatRow.decided_at)
_PROCESS = col(ApprovalSeatRow.process)

_TO_DO = (_PENDING,), (col(ApprovalSeatRow.deadline).nulls_last(), _PROCESS)
_DECIDED = (~_PENDING, _DECIDED_AT.is_not(None)), (_DECIDED_AT.desc(), _PROCESS.desc())
_MISSED = (~_PENDING, _DECIDED_AT.is_(None)), (_PROCESS,)
_SHELVES: tuple[tuple[tuple[Any, ...], tuple[Any, ...]], ...] = (_TO_DO, _DECIDED, _MISSED)
"""What an inbox holds, part by part: conditions and order, each of which an index of the table answers."""


async def inbox_of(session: AsyncSession, person: str, limit: int = 100) -> tuple[InboxEntry, ...]:
    """What a person is to decide or to answer, the nearest deadline first, then what they were asked before.

    Of that the latest decisions come first and what others settled last. Whoever delegated a decision does
    not see it while somebody else has it.
    """
    seats: list[ApprovalSeatRow] = []
    for conditions, order in _SHELVES:
        if len(seats) < limit:
            query = select(ApprovalSeatRow).where(col(ApprovalSeatRow.person) == person, *conditions)
            seats += await session.scalars(query.order_by(*order).limit(limit - len(seats)))
    stages, views = await _what_they_are_about(session, seats)
    questions = await _questions_to(session, person, seats)
    return tuple(
        _entry(seat, stages[_opening(seat)], views[seat.process], questions.get(_opening(seat), ()))
        for seat in seats
    )


# What stands behind

_Opening = tuple[str, str, int]
"""A stage as it was opened once: process, stage, round."""


def _opening(row: ApprovalSeatRow | ApprovalRow | OpenInquiry) -> _Opening:
    return row.process, row.stage, row.round


async def _what_they_are_about(
    session: AsyncSession, seats: Sequence[ApprovalSeatRow]
) -> tuple[dict[_Opening, ApprovalRow], dict[str, ProcessView]]:
    """The stages and the processes that a page of seats belongs to."""
    ids = {seat.process for seat in seats}
    stages = await session.scalars(select(ApprovalRow).where(col(ApprovalRow.process).in_(ids)))
    processes = await session.scalars(select(ProcessRow).where(col(ProcessRow.id).in_(ids)))
    return {_opening(row): row for row in stages}, {row.id: row.view for row in processes}


async def _questions_to(
    session: AsyncSession, person: str, seats: Sequence[ApprovalSeatRow]
) -> dict[_Opening, tuple[OpenInquiry, ...]]:
    asked = {_opening(seat) for seat in seats if seat.to_answer}
    if not asked:
        return {}
    found = await open_inquiries(session, {process for process, _, _ in asked})
    mine = [each for each in found if each.asked == person]
    return {opening: tuple(each for each in mine if _opening(each) == opening) for opening in asked}


def _entry(
    seat: ApprovalSeatRow, stage: ApprovalRow, view: ProcessView, questions: tuple[OpenInquiry, ...]
) -> InboxEntry:
    return InboxEntry(
        process=seat.process,
        stage=seat.stage,
        stage_title=stage.stage_title,
        round=seat.round,
        pending=seat.pending,
        verdict=seat.verdict,
        decided_at=seat.decided_at,
        status=stage.status,
        opened_at=stage.opened_at,
        deadline=stage.deadline,
        questions=questions,
        asked=stage.asked or (),
        stands_for=next(
            (each.stands_for_name for each in stage.roster or () if each.key == seat.person), None
        ),
        view=view,
    )
