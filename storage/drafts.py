"""Drafts of set-up forms: answers that are kept until somebody is done with them (SPEC 5.5).

A draft decides nothing and no process reads it. Each save names the version it was made from: of two people
who fill in one form, the second is told instead of silently winning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain.errors import Code, Refusal
from storage.statements import dialect, insert
from storage.tables import DraftRow

NEW = 0
"""The version of a draft that was never saved."""


@dataclass(frozen=True, slots=True)
class Draft:
    """The answers to a line's set-up form so far.

    Attributes:
        process: The line's workflow id.
        answers: As `domain.forms.read_draft` returned them.
        saved_by: A person's key or a contact's address; None if it was never saved.
        version: Counts the saves from 1; `NEW` if there were none.
    """

    process: str
    answers: dict[str, Any]
    version: int = NEW
    saved_by: str | None = None
    saved_at: datetime | None = None


async def draft(session: AsyncSession, process: str) -> Draft:
    """A line's draft; an empty one if none was saved."""
    row = await session.get(DraftRow, process)
    return _draft(row) if row else Draft(process, {})


async def drafts_of(session: AsyncSession, processes: Sequence[str]) -> dict[str, Draft]:
    """The drafts that were saved for any of these lines, by line."""
    rows = await session.scalars(select(DraftRow).where(col(DraftRow.process).in_(processes)))
    return {row.process: _draft(row) for row in rows}


async def save(
    session: AsyncSession, process: str, answers: dict[str, Any], *, actor: str, at: datetime, version: int
) -> Draft:
    """Saves a draft and returns it with its new version.

    Args:
        session: The transaction.
        process: The line's workflow id.
        answers: All of them; what is left out is gone.
        actor: Who saves.
        at: When.
        version: The version these answers were made from; `NEW` for the first.

    Raises:
        Refusal: DRAFT_CHANGED, if somebody saved meanwhile, naming whom.
    """
    saved = {"answers": answers, "saved_by": actor, "saved_at": at, "version": version + 1}
    if version == NEW:
        statement = insert(dialect(session), "draft").values(process=process, **saved)
        done = await session.scalar(
            statement.on_conflict_do_nothing(index_elements=["process"]).returning(statement.table.c.version)
        )
    else:
        done = await session.scalar(
            update(DraftRow)
            .where(col(DraftRow.process) == process, col(DraftRow.version) == version)
            .values(**saved)
            .returning(col(DraftRow.version))
        )
    if done is None:
        raise _changed(await draft(session, process), version)
    return Draft(process, answers, version + 1, actor, at)


def _changed(now: Draft, version: int) -> Refusal:
    if now.version == NEW:
        return Refusal(Code.DRAFT_CHANGED, f"version: there is no draft yet; save the first as version {NEW}")
    when = f"{now.saved_at:%Y-%m-%d %H:%M} UTC"
    return Refusal(
        Code.DRAFT_CHANGED,
        f"version: {version} was replaced by {now.version}, which {now.saved_by} saved at {when}",
    )


def _draft(row: DraftRow) -> Draft:
    return Draft(row.process, row.answers, row.version, row.saved_by, row.saved_at)
