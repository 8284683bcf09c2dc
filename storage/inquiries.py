"""Reading the questions that approvers asked and that still wait for an answer, from the audit (SPEC 4.4)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from storage.tables import TransitionRow

_OPENS = "approval.inquire"
_CLOSES = frozenset({"approval.answer", "approval.recall_inquiry"})


@dataclass(frozen=True, slots=True)
class OpenInquiry:
    """A question that deciding a stage waits for.

    Attributes:
        number: Its number within the stage's opening, from 1; an answer names it.
        asker: The approver who wants to know.
        asked: Whose answer is waited for.
    """

    process: str
    stage: str
    round: int
    number: int
    asker: str
    asked: str
    question: str
    at: datetime


async def open_inquiries(session: AsyncSession, of: Collection[str]) -> tuple[OpenInquiry, ...]:
    """The questions nobody has answered or taken back, process by process, the oldest first.

    Args:
        session: Where to look.
        of: The processes; of a stage that is over the questions stay as they were.
    """
    asked: dict[tuple[str, str, int], int] = {}
    waiting: dict[tuple[str, str, int, int], OpenInquiry] = {}
    rows = await session.scalars(
        select(TransitionRow)
        .where(
            col(TransitionRow.process).in_(of),
            col(TransitionRow.action).in_({_OPENS, *_CLOSES}),
            col(TransitionRow.accepted),
        )
        .order_by(col(TransitionRow.process), col(TransitionRow.seq))
    )
    for row in rows:
        opening = row.process, row.data["stage"], int(row.data["round"])
        if row.action == _OPENS:
            number = asked[opening] = asked.get(opening, 0) + 1
            waiting[*opening, number] = OpenInquiry(
                *opening, number, row.actor, row.data["asked"], row.data["question"], row.at
            )
        else:
            waiting.pop((*opening, int(row.data["inquiry"])), None)
    return tuple(waiting.values())
