"""Writing what processes announce: where they stand (SPEC D6). `storage.audit` writes how they came there.

Everything here may be told twice and out of order. A process's row is written first and so locks the
process for the rest of the transaction; a transition whose audit row is there has been written completely.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import ReturningInsert
from sqlmodel import col

from domain.transitions import ProcessView, Transition
from storage.statements import dialect, insert, keep_newest
from storage.tables import ProcessRow, TransitionRow


@cache
def _advancing(dialect: str) -> ReturningInsert[ProcessView]:
    statement = insert(dialect, "process")
    there = statement.table.c
    moving = ("seq", "state", "ended", "domain", "updated_at", "view")
    told_again = keep_newest(statement, statement.excluded.seq > there.seq, moving, since="started_at")
    return statement.on_conflict_do_update(index_elements=["id"], set_=told_again).returning(there.view)


async def advance(session: AsyncSession, transitions: Sequence[Transition]) -> ProcessView:
    """Moves a process forward to the last of its transitions, never back, and locks it.

    Returns:
        Where the process stands now as far as anybody has heard.
    """
    last = transitions[-1]
    view = last.view
    written = await session.execute(
        _advancing(dialect(session)),
        {
            "id": last.process,
            "seq": last.seq,
            "kind": view.kind,
            "state": view.state,
            "ended": view.ended,
            "order_id": view.order,
            "line": view.line,
            "partner": view.parties.partner,
            "customer": view.parties.customer,
            "requested_by": view.requested_by,
            "offer": view.offer,
            "domain": view.domain,
            "started_at": transitions[0].at,
            "updated_at": last.at,
            "view": view,
        },
    )
    stands: ProcessView = written.scalar_one()
    return stands


async def show(session: AsyncSession, step: Transition, view: ProcessView) -> None:
    """Shows more of a step than the process knew when it took it; not if it has taken another since."""
    await session.execute(
        update(ProcessRow)
        .where(col(ProcessRow.id) == step.process, col(ProcessRow.seq) == step.seq)
        .values(view=view)
    )


async def answer_before(session: AsyncSession, process: str, seq: int) -> bool | None:
    """Locks a process and says whether the audit has a transition as accepted; None if it was never heard."""
    return await session.scalar(_ANSWER_BEFORE, {"of": process, "at_seq": seq})


_ANSWER_BEFORE = (
    select(col(TransitionRow.accepted))
    .select_from(ProcessRow)
    .outerjoin(
        TransitionRow,
        (col(TransitionRow.process) == col(ProcessRow.id)) & (col(TransitionRow.seq) == bindparam("at_seq")),
    )
    .where(col(ProcessRow.id) == bindparam("of"))
    .with_for_update(of=ProcessRow)
)
