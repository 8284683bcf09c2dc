"""Reading the projection: lists, timelines, and who decided what (SPEC 4.7, 8)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain.audit import refused_by
from domain.decisions import ApprovalStatus, Approver, Verdict
from domain.errors import Code, Refusal
from domain.transitions import ProcessKind, ProcessView
from storage.inquiries import OpenInquiry, open_inquiries
from storage.tables import ApprovalRow, ApprovalSeatRow, ProcessRow, TransitionRow


@dataclass(frozen=True, slots=True)
class ProcessEntry:
    """A process in a list; `seq` is its last transition, at `updated_at`."""

    id: str
    seq: int
    started_at: datetime
    updated_at: datetime
    view: ProcessView


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One step of a process or one refused command, as the audit has it.

    Attributes:
        from_state: State before.
        to_state: State after; the same for a command that changed none.
        accepted: False for a refused command, then with its `code`.
        definition: The approval definition in force, as `name@version`.
    """

    process: str
    seq: int
    at: datetime
    action: str
    from_state: str
    to_state: str
    actor: str
    on_behalf_of: str | None
    reason: str | None
    accepted: bool
    code: str | None
    definition: str | None
    data: dict[str, str]


@dataclass(frozen=True, slots=True)
class Seat:
    """Somebody asked to decide a stage, and what they said; `automatic` if the rules said it for them."""

    person: str
    verdict: Verdict | None
    decided_at: datetime | None
    automatic: bool


@dataclass(frozen=True, slots=True)
class StageEntry:
    """One stage of a process's approval with everybody who was asked.

    Attributes:
        is_open: Whether it can be decided now.
        roster: Who has a seat, delegates in the place of those who delegated; None if that is not known yet.
        held: Whether so few people may decide it that it can never be decided.
        level: How far it was escalated; 0 if it was not, or by hand to the escalation team.
        asked: Whose answers deciding waits for; `questions` is what they are asked.
    """

    process: str
    stage: str
    stage_title: str
    round: int
    status: ApprovalStatus
    is_open: bool
    definition: str
    opened_at: datetime
    deadline: datetime | None
    roster: tuple[Approver, ...] | None
    held: bool
    level: int
    asked: tuple[Approver, ...]
    questions: tuple[OpenInquiry, ...]
    seats: tuple[Seat, ...]


async def get_process(session: AsyncSession, process: str) -> ProcessEntry:
    """A process by its workflow id.

    Raises:
        Refusal: NOT_FOUND.
    """
    row = await session.get(ProcessRow, process)
    if row is None:
        raise Refusal(Code.NOT_FOUND, f"process: there is no {process}")
    return _process(row)


async def get_view(session: AsyncSession, process: str) -> ProcessView:
    """Where a process stands.

    Raises:
        Refusal: NOT_FOUND.
    """
    return (await get_process(session, process)).view


async def list_processes(
    session: AsyncSession,
    *,
    kind: ProcessKind | None = None,
    order: str | None = None,
    organisation: str | None = None,
    ended: bool | None = None,
    limit: int = 100,
) -> tuple[ProcessEntry, ...]:
    """Processes, the last changed first, narrowed by whatever is given.

    Args:
        session: Where to look.
        kind: Of this kind.
        order: Of this order: the order itself and its lines.
        organisation: In which this organisation is partner or customer; of orders also those with a line
            that was mapped to it.
        ended: Only those that have ended, or only those that have not.
        limit: At most so many.
    """
    query = select(ProcessRow).order_by(col(ProcessRow.updated_at).desc(), col(ProcessRow.id)).limit(limit)
    wanted = {
        ProcessRow.kind: kind,
        ProcessRow.order_id: order,
        ProcessRow.ended: ended,
    }
    query = query.where(*(col(column) == value for column, value in wanted.items() if value is not None))
    if organisation is not None:
        theirs = or_(col(ProcessRow.partner) == organisation, col(ProcessRow.customer) == organisation)
        if kind is ProcessKind.ORDER:
            theirs = col(ProcessRow.order_id).in_(select(col(ProcessRow.order_id)).where(theirs))
        query = query.where(theirs)
    return tuple(_process(row) for row in await session.scalars(query))


async def timeline(
    session: AsyncSession, *, process: str | None = None, order: str | None = None
) -> tuple[TimelineEntry, ...]:
    """Everything that happened, oldest first, in a process or in all processes of an order."""
    query = (
        select(TransitionRow)
        .where(col(TransitionRow.process).not_like(refused_by("%")))
        .order_by(col(TransitionRow.at), col(TransitionRow.process), col(TransitionRow.seq))
    )
    if process is not None:
        query = query.where(col(TransitionRow.process) == process)
    if order is not None:
        query = query.where(col(TransitionRow.order_id) == order)
    return tuple(
        TimelineEntry(**row.model_dump(exclude={"order_id", "hash"})) for row in await session.scalars(query)
    )


# Approvals


async def approvals_of(session: AsyncSession, process: str) -> tuple[StageEntry, ...]:
    """Every stage a process has opened, in order, with who was asked and who said what."""
    query = select(ApprovalRow).where(col(ApprovalRow.process) == process).order_by(col(ApprovalRow.seq))
    return await _stages(session, (await session.scalars(query)).all())


async def open_approvals(
    session: AsyncSession, organisation: str | None = None, limit: int = 100, *, held: bool = False
) -> tuple[StageEntry, ...]:
    """Every stage that waits for a decision, the nearest deadline first.

    Args:
        session: Where to look.
        organisation: Only where this organisation is partner or customer.
        limit: At most so many.
        held: Only stages that nobody may decide.
    """
    query = (
        select(ApprovalRow)
        .where(col(ApprovalRow.is_open))
        .order_by(col(ApprovalRow.deadline), col(ApprovalRow.process))
        .limit(limit)
    )
    if held:
        query = query.where(col(ApprovalRow.held))
    if organisation is not None:
        query = query.join(ProcessRow, col(ProcessRow.id) == col(ApprovalRow.process)).where(
            or_(col(ProcessRow.partner) == organisation, col(ProcessRow.customer) == organisation)
        )
    return await _stages(session, (await session.scalars(query)).all())


# What stands behind


async def _stages(session: AsyncSession, rows: Sequence[ApprovalRow]) -> tuple[StageEntry, ...]:
    """The stages with their seats and questions, which are read in one go."""
    seats: dict[tuple[str, str, int], list[Seat]] = {}
    for row in await session.scalars(
        select(ApprovalSeatRow)
        .where(col(ApprovalSeatRow.process).in_({row.process for row in rows}))
        .order_by(col(ApprovalSeatRow.person))
    ):
        seat = Seat(row.person, row.verdict, row.decided_at, row.automatic)
        seats.setdefault((row.process, row.stage, row.round), []).append(seat)
    questions = await _open_questions(session, [row.process for row in rows if row.is_open and row.asked])
    return tuple(
        StageEntry(
            **row.model_dump(exclude={"seq", "ended_at", "roster", "roster_seq", "asked", "undone"}),
            roster=row.roster,
            asked=row.asked or (),
            questions=questions.get((row.process, row.stage, row.round), ()),
            seats=tuple(seats.get((row.process, row.stage, row.round), ())),
        )
        for row in rows
    )


async def _open_questions(
    session: AsyncSession, of: Collection[str]
) -> dict[tuple[str, str, int], tuple[OpenInquiry, ...]]:
    """The questions of open stages that are on hold, by process, stage and round."""
    found = await open_inquiries(session, of) if of else ()
    openings = dict.fromkeys((each.process, each.stage, each.round) for each in found)
    return {
        opening: tuple(each for each in found if (each.process, each.stage, each.round) == opening)
        for opening in openings
    }


def _process(row: ProcessRow) -> ProcessEntry:
    return ProcessEntry(
        id=row.id, seq=row.seq, started_at=row.started_at, updated_at=row.updated_at, view=row.view
    )
