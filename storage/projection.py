"""Writing what processes announce: where they stand, who is to decide, and the audit (SPEC D6).

Everything here may be told twice and out of order. A process's row is written first and so locks the
process for the rest of the transaction; a transition whose audit row is there has been written completely.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import case, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain.decisions import ApprovalStatus, Approver
from domain.errors import Code
from domain.transitions import OpenApproval, ProcessView, Transition
from storage.statements import insert
from storage.tables import ApprovalRow, ApprovalSeatRow, ProcessRow, TransitionRow


async def lock(session: AsyncSession, process: str) -> None:
    """Makes other announcements of the process wait until this transaction ends."""
    await session.execute(select(col(ProcessRow.id)).where(col(ProcessRow.id) == process).with_for_update())


async def advance(session: AsyncSession, transitions: Sequence[Transition]) -> ProcessView:
    """Moves a process forward to the last of its transitions, never back, and locks it.

    Returns:
        Where the process stands now as far as anybody has heard.
    """
    last = transitions[-1]
    view = last.view
    statement = insert(session, ProcessRow).values(
        id=last.process,
        seq=last.seq,
        kind=view.kind,
        state=view.state,
        ended=view.ended,
        order_id=view.order,
        line=view.line,
        partner=view.parties.partner,
        customer=view.parties.customer,
        requested_by=view.requested_by,
        offer=view.offer,
        domain=view.domain,
        started_at=transitions[0].at,
        updated_at=last.at,
        view=view,
    )
    given = statement.excluded
    is_newer = given.seq > col(ProcessRow.seq)
    moving = ("seq", "state", "ended", "domain", "updated_at", "view")
    newest = {name: case((is_newer, given[name]), else_=getattr(ProcessRow, name)) for name in moving}
    earliest = case(
        (given.started_at < col(ProcessRow.started_at), given.started_at), else_=col(ProcessRow.started_at)
    )
    stands = await session.execute(
        statement.on_conflict_do_update(
            index_elements=["id"], set_={**newest, "started_at": earliest}
        ).returning(col(ProcessRow.view))
    )
    return stands.scalar_one()


async def was_accepted(session: AsyncSession, process: str, seq: int) -> bool | None:
    """What the audit says of a transition; None if it has not been heard."""
    return await session.scalar(
        select(col(TransitionRow.accepted)).where(
            col(TransitionRow.process) == process, col(TransitionRow.seq) == seq
        )
    )


async def record(session: AsyncSession, transitions: Sequence[Transition]) -> tuple[Transition, ...]:
    """Writes the audit and returns the transitions that had not been heard before.

    A decision that was refused because its actor lacked the permission, but which the process counted
    because that answer never reached it, replaces the refusal: the process is the truth (SPEC D1).
    """
    statement = insert(session, TransitionRow).values([_audit(each) for each in transitions])
    given = statement.excluded
    counted_after_all = (col(TransitionRow.code) == Code.NOT_PERMITTED) & given.accepted
    heard = await session.scalars(
        statement.on_conflict_do_update(
            index_elements=["process", "seq"],
            set_={name: given[name] for name in ("action", "from_state", "to_state", "accepted", "code")},
            where=counted_after_all,
        ).returning(col(TransitionRow.seq))
    )
    new = set(heard)
    return tuple(each for each in transitions if each.seq in new)


async def roster(session: AsyncSession, process: str, stage: OpenApproval) -> tuple[Approver, ...] | None:
    """The roster that was recorded when a stage opened; None if it never was."""
    row = await session.get(ApprovalRow, (process, stage.stage, stage.round))
    return row.roster if row else None


async def update_approvals(
    session: AsyncSession,
    view: ProcessView,
    transitions: Sequence[Transition],
    seated: tuple[Approver, ...] | None,
) -> None:
    """Brings stages and seats of a process up to date.

    Args:
        session: The transaction, holding the process's lock.
        view: Where the process stands.
        transitions: What is new, all of one process.
        seated: The roster of the stage that the last of them opened, if it was just resolved.
    """
    process = transitions[-1].process
    rows = await session.scalars(select(ApprovalRow).where(col(ApprovalRow.process) == process))
    stages = {(row.stage, row.round): row for row in rows}
    for each in transitions:
        seen = each.view.approval
        if seen is None:
            continue
        key = (seen.stage, seen.round)
        if key not in stages:
            stages[key] = _new_stage(process, seen)
            session.add(stages[key])
        known = seen.roster if seen.roster is not None else seated if each is transitions[-1] else None
        _update_stage(stages[key], each.seq, seen, known)
    if stages:
        _settle(list(stages.values()), view)
        await _update_seats(session, process, list(stages.values()), transitions)


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


def _new_stage(process: str, seen: OpenApproval) -> ApprovalRow:
    return ApprovalRow(
        process=process,
        stage=seen.stage,
        round=seen.round,
        seq=0,
        status=seen.status,
        is_open=False,
        stage_title=seen.stage_title,
        definition=seen.definition,
        opened_at=seen.opened_at,
    )


def _update_stage(row: ApprovalRow, seq: int, seen: OpenApproval, known: tuple[Approver, ...] | None) -> None:
    if seq > row.seq:
        row.seq, row.status = seq, seen.status
    if seen.deadline is not None:  # an approval that has ended names none any more
        row.deadline = max(seen.deadline, row.deadline or seen.deadline)
    if known is not None and seq > (row.roster_seq or 0):
        row.roster, row.roster_seq = known, seq


def _settle(stages: Sequence[ApprovalRow], view: ProcessView) -> None:
    """Opens the stage the process waits for and no other; a stage that another one followed has passed."""
    current = view.approval
    waits = current is not None and current.status is ApprovalStatus.PENDING and not view.ended
    for row in stages:
        is_current = current is not None and (row.stage, row.round) == (current.stage, current.round)
        row.is_open = waits and is_current
        if row.status is ApprovalStatus.PENDING and any(other.seq > row.seq for other in stages):
            row.status = ApprovalStatus.APPROVED


async def _update_seats(
    session: AsyncSession,
    process: str,
    stages: Sequence[ApprovalRow],
    transitions: Iterable[Transition],
) -> None:
    """Gives a seat to everybody in a roster and to everybody who voted, and to nobody else."""
    rows = await session.scalars(select(ApprovalSeatRow).where(col(ApprovalSeatRow.process) == process))
    seats = {(row.stage, row.round, row.person): row for row in rows}
    asked = {(row.stage, row.round, person.key) for row in stages for person in row.roster or ()}
    votes = {(vote.stage, vote.round, vote.actor): vote for each in transitions if (vote := each.vote)}
    for stage, round_, person in (asked | votes.keys()) - seats.keys():
        seat = ApprovalSeatRow(process=process, stage=stage, round=round_, person=person, pending=False)
        seats[stage, round_, person] = seat
        session.add(seat)
    for key, vote in votes.items():
        seats[key].verdict, seats[key].decided_at = vote.verdict, vote.at
    open_stages = {(row.stage, row.round) for row in stages if row.is_open}
    for key, seat in seats.items():
        seat.pending = key[:2] in open_stages and seat.verdict is None
        if seat.verdict is None and key not in asked:
            await session.delete(seat)
