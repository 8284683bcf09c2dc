"""Writing what processes announce: where they stand, and the audit (SPEC D6).

Everything here may be told twice and out of order. A process's row is written first and so locks the
process for the rest of the transaction; a transition whose audit row is there has been written completely.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import ReturningInsert
from sqlmodel import col

from domain.errors import Code
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
    return await session.scalar(
        select(col(TransitionRow.accepted))
        .select_from(ProcessRow)
        .outerjoin(
            TransitionRow,
            (col(TransitionRow.process) == col(ProcessRow.id)) & (col(TransitionRow.seq) == seq),
        )
        .where(col(ProcessRow.id) == process)
        .with_for_update(of=ProcessRow)
    )


@cache
def _recording(dialect: str) -> ReturningInsert[int]:
    statement = insert(dialect, "transition")
    given, there = statement.excluded, statement.table.c
    return statement.on_conflict_do_update(
        index_elements=["process", "seq"],
        set_={name: given[name] for name in ("to_state", "accepted", "code")},
        where=(there.code == Code.NOT_PERMITTED) & given.accepted,
    ).returning(there.seq)


async def record(session: AsyncSession, transitions: Sequence[Transition]) -> tuple[Transition, ...]:
    """Writes the audit and returns the transitions that had not been heard before.

    A decision that was refused because its actor lacked the permission, but which the process counted
    because that answer never reached it, replaces the refusal: the process is the truth (SPEC D1).
    """
    heard = await session.execute(_recording(dialect(session)), [_audit(each) for each in transitions])
    new = set(heard.scalars())
    return tuple(each for each in transitions if each.seq in new)


# What stands behind


def _audit(transition: Transition) -> dict[str, Any]:
    return {
        "process": transition.process,
        "seq": transition.seq,
        "order_id": transition.view.order,
        "at": transition.at,
        "action": transition.action,
        "from_state": transition.from_state,
        "to_state": transition.to_state,
        "actor": transition.actor,
        "on_behalf_of": transition.on_behalf_of,
        "reason": transition.reason,
        "accepted": transition.accepted,
        "code": transition.code,
        "definition": transition.view.definition,
        "data": transition.data,
    }
