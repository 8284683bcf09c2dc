"""Figures over all approvals, from the projection: time to decision, what is open, expired and held."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import and_, exists, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain.statistics import StageFigures, StageSeen, figures
from domain.transitions import ProcessView
from storage.tables import ApprovalRow, ApprovalSeatRow, ProcessRow


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
    )
    # Only the views of open stages are read: they say how many have to decide.
    query = select(ApprovalRow, voted, col(ProcessRow.view)).outerjoin(
        ProcessRow, and_(col(ProcessRow.id) == col(ApprovalRow.process), col(ApprovalRow.is_open))
    )
    if definition is not None:
        of = col(ApprovalRow.definition)
        query = query.where(or_(of == definition, of.startswith(f"{definition}@", autoescape=True)))
    if since is not None:
        query = query.where(col(ApprovalRow.opened_at) >= since)
    stages: dict[tuple[str, str], list[StageSeen]] = {}
    for row, has_votes, view in await session.execute(query):
        stages.setdefault((row.definition, row.stage), []).append(_seen(row, has_votes, view))
    return tuple(figures(*stage, seen, now) for stage, seen in sorted(stages.items()))


def _seen(row: ApprovalRow, voted: bool, view: ProcessView | None) -> StageSeen:
    return StageSeen(
        status=row.status,
        opened_at=row.opened_at,
        ended_at=row.ended_at,
        is_open=row.is_open,
        voted=voted,
        held=view is not None and view.approval is not None and view.approval.lacks_approvers,
    )
