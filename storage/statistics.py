"""Figures over all approvals, from the projection: time to decision, what is open, expired and held."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, exists, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from domain.decisions import ApprovalStatus, Part
from domain.statistics import (
    ApprovalFigures,
    ApprovalSeen,
    ApprovalStatistics,
    StageFigures,
    StageSeen,
    approval_figures,
    figures,
)
from storage.tables import ApprovalRow, ApprovalSeatRow


async def approval_statistics(
    session: AsyncSession, now: datetime, *, definition: str | None = None, since: datetime | None = None
) -> ApprovalStatistics:
    """Figures for each definition and each of its stages.

    Args:
        session: Where to look.
        now: What ages are counted to.
        definition: Only of this definition: all its versions, or one as `name@version`.
        since: Only stages that opened then or later, and approvals whose first stage did.
    """
    return ApprovalStatistics(
        approvals=await _approvals(session, now, definition, since),
        stages=await _stages(session, now, definition, since),
    )


async def _approvals(
    session: AsyncSession, now: datetime, definition: str | None, since: datetime | None
) -> tuple[ApprovalFigures, ...]:
    one = col(ApprovalRow.process), col(ApprovalRow.definition)
    newest_first = func.row_number().over(partition_by=one, order_by=col(ApprovalRow.seq).desc())
    stages = (
        select(
            col(ApprovalRow.definition),
            col(ApprovalRow.status),
            func.min(col(ApprovalRow.opened_at)).over(partition_by=one).label("first"),
            col(ApprovalRow.ended_at),
            col(ApprovalRow.is_open),
            newest_first.label("place"),
        )
        .where(_of(definition))
        .subquery()
    )
    query = select(stages).where(stages.c.place == 1)
    if since is not None:
        query = query.where(stages.c.first >= since)
    approvals: dict[str, list[ApprovalSeen]] = {}
    for name, status, first, ended_at, is_open, _ in await session.execute(query):
        approvals.setdefault(name, []).append(ApprovalSeen(status, first, ended_at, is_open))
    return tuple(approval_figures(name, seen, now) for name, seen in sorted(approvals.items()))


async def _stages(
    session: AsyncSession, now: datetime, definition: str | None, since: datetime | None
) -> tuple[StageFigures, ...]:
    voted = exists().where(
        col(ApprovalSeatRow.process) == col(ApprovalRow.process),
        col(ApprovalSeatRow.stage) == col(ApprovalRow.stage),
        col(ApprovalSeatRow.round) == col(ApprovalRow.round),
        col(ApprovalSeatRow.verdict).is_not(None),
        col(ApprovalSeatRow.automatic).is_(False),
    )
    later = aliased(ApprovalRow)
    followed = exists().where(
        col(later.process) == col(ApprovalRow.process), col(later.seq) > col(ApprovalRow.seq)
    )
    query = select(ApprovalRow, voted, followed).where(_of(definition))
    if since is not None:
        query = query.where(col(ApprovalRow.opened_at) >= since)
    stages: dict[tuple[str, str], list[StageSeen]] = {}
    for row, has_votes, went_on in await session.execute(query):
        stages.setdefault((row.definition, row.stage), []).append(_seen(row, has_votes, went_on))
    return tuple(figures(*stage, seen, now) for stage, seen in sorted(stages.items()))


def _of(definition: str | None) -> ColumnElement[bool]:
    """Of any version of a definition, of one version, or any at all."""
    if definition is None:
        return true()
    of = col(ApprovalRow.definition)
    return or_(of == definition, of.startswith(f"{definition}@", autoescape=True))


def _seen(row: ApprovalRow, voted: bool, followed: bool) -> StageSeen:
    return StageSeen(
        status=row.status,
        opened_at=row.opened_at,
        ended_at=row.ended_at,
        is_open=row.is_open,
        voted=voted,
        held=row.held,
        escalated=row.level > 0 or any(seat.part is Part.ESCALATION for seat in row.roster or ()),
        sent_back=row.status is ApprovalStatus.REJECTED and followed,
    )
