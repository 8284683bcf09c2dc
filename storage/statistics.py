"""Figures over all approvals, from the projection: time to decision, what is open, expired and held."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import exists, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from domain.decisions import ApprovalStatus, Part
from domain.statistics import StageFigures, StageSeen, figures
from storage.tables import ApprovalRow, ApprovalSeatRow


async def approval_statistics(
    session: AsyncSession, now: datetime, *, definition: str | None = None, since: datetime | None = None
) -> tuple[StageFigures, ...]:
    """Figures for each stage of each definition, in the order of their names.

    Args:
        session: Where to look.
        now: What ages are counted to.
        definition: Only of this definition: all its versions, or one as `name@version`.
        since: Only stages that opened then or later.
    """
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
    query = select(ApprovalRow, voted, followed)
    if definition is not None:
        of = col(ApprovalRow.definition)
        query = query.where(or_(of == definition, of.startswith(f"{definition}@", autoescape=True)))
    if since is not None:
        query = query.where(col(ApprovalRow.opened_at) >= since)
    stages: dict[tuple[str, str], list[StageSeen]] = {}
    for row, has_votes, went_on in await session.execute(query):
        stages.setdefault((row.definition, row.stage), []).append(_seen(row, has_votes, went_on))
    return tuple(figures(*stage, seen, now) for stage, seen in sorted(stages.items()))


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
