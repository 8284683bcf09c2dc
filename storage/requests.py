"""Which requests are open, and which definition each runs on or will run on (SPEC 4.6)."""

from __future__ import annotations

from sqlalchemy import JSON, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain.orders import OrderState
from domain.rollouts import OpenRequest
from domain.transitions import ProcessKind
from storage.tables import ProcessRow


async def open_requests(session: AsyncSession) -> tuple[OpenRequest, ...]:
    """Every open process with the definition it runs on, and every line that is still to start.

    Such a line is part of its order, which is the process that is named.
    """
    return (*await _running(session), *await _planned(session))


async def _running(session: AsyncSession) -> list[OpenRequest]:
    definition = type_coerce(col(ProcessRow.view), JSON)["definition"].as_string()
    rows = await session.execute(
        select(col(ProcessRow.id), col(ProcessRow.kind), col(ProcessRow.offer), definition)
        .where(col(ProcessRow.ended).is_(False), definition.is_not(None))
        .order_by(col(ProcessRow.id))
    )
    return [OpenRequest(id_, kind, offer or "", reference) for id_, kind, offer, reference in rows]


async def _planned(session: AsyncSession) -> list[OpenRequest]:
    rows = await session.scalars(
        select(ProcessRow)
        .where(
            col(ProcessRow.kind) == ProcessKind.ORDER,
            col(ProcessRow.state) == OrderState.ACKNOWLEDGED,
            col(ProcessRow.ended).is_(False),
        )
        .order_by(col(ProcessRow.id))
    )
    return [
        OpenRequest(row.id, row.kind, line.offer, line.definition)
        for row in rows
        for line in row.view.planned
    ]
