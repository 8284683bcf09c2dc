"""Turns mails that were collected for somebody into one, once their hour is over (SPEC 4.5, 6.4)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid5

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain import wire
from domain.digests import Collected, digest, hour_of, news, still_wanted
from domain.mail import RELEVANT_GROUP, MailGroup, Template, Why
from storage.tables import MailRow, MailStatus, ProcessRow

_NAMESPACE = UUID("3c0c8b1e-0f5b-4f36-8a0e-6d1f3b5b7a42")


async def due(session: AsyncSession, now: datetime) -> tuple[tuple[str, MailGroup], ...]:
    """Whose mails of which group can be collected now: of hours that are over, unless there is a digest.

    Mails that come late, after the digest of their hour, wait for the next: nobody gets two within an hour.
    """
    until = hour_of(now)
    found = await session.execute(
        select(col(MailRow.person), col(MailRow.group))
        .where(col(MailRow.status) == MailStatus.COLLECTING, col(MailRow.at) < until)
        .distinct()
    )
    waiting = {_key(person, group, until): (person, group) for person, group in found}
    if not waiting:
        return ()
    written = await session.scalars(select(col(MailRow.id)).where(col(MailRow.id).in_(waiting)))
    return tuple(sorted(waiting[key] for key in waiting.keys() - set(written)))


async def write(session: AsyncSession, person: str, group: MailGroup, now: datetime) -> str | None:
    """Queues somebody's digest of all that was collected until the last full hour, and returns its id.

    What is not wanted any more is left out; if that is everything, there is no digest. Its id, and so its
    Message-ID, follows from person, group and hour: whoever comes second writes none.

    Args:
        session: The transaction; the mails are collected and the digest is queued in it, or neither.
        person: Whose.
        group: Of which mails: what asks for decisions is of the group Ordering, news of services of theirs.
        now: The relay's time.
    """
    until = hour_of(now)
    key = _key(person, group, until)
    if await session.get(MailRow, key) is not None:
        return None
    collected = await session.scalars(
        update(MailRow)
        .where(
            col(MailRow.person) == person,
            col(MailRow.group) == group,
            col(MailRow.status) == MailStatus.COLLECTING,
            col(MailRow.at) < until,
        )
        .values(status=MailStatus.COLLECTED, digest=key)
        .returning(MailRow)
    )
    wanted = await _still_wanted(session, key, collected.all())
    if not wanted:
        return None
    session.add(_digest(key, group, until, wanted))
    return key


def _key(person: str, group: MailGroup, until: datetime) -> str:
    name = f"{person}/{until.isoformat()}"
    return str(uuid5(_NAMESPACE, name if group is MailGroup.ORDERING else f"{name}/{group}"))


async def _still_wanted(session: AsyncSession, key: str, rows: Sequence[MailRow]) -> list[MailRow]:
    """Those that go into the digest; the others are marked as outdated."""
    of_these = select(col(MailRow.process)).where(col(MailRow.digest) == key)
    processes = await session.execute(
        select(col(ProcessRow.id), col(ProcessRow.view)).where(col(ProcessRow.id).in_(of_these))
    )
    views = {process: view for process, view in processes}  # noqa: C416 - a Row is a tuple, but not to the type checker
    wanted = []
    for row in rows:
        if row.process in views and still_wanted(_collected(row), row.person, views[row.process]):
            wanted.append(row)
        else:
            row.status, row.digest = MailStatus.OUTDATED, None
    return wanted


def _collected(row: MailRow) -> Collected:
    return Collected(
        process=row.process,
        seq=row.seq,
        stage=row.stage or "",
        round=row.round or 0,
        template=row.template,
        facts=row.facts,
    )


def _digest(key: str, group: MailGroup, until: datetime, rows: Sequence[MailRow]) -> MailRow:
    """The mail, to where the latest of those it stands for would have gone."""
    latest = max(rows, key=lambda row: (row.at, row.id))
    reasons = {row.why for row in rows}
    mails = [_collected(row) for row in rows]
    is_news = group is MailGroup.SERVICES
    template = Template.SERVICES_DIGEST if is_news else Template.APPROVAL_DIGEST
    return MailRow(
        id=key,
        process=wire.RELAY_ID,
        seq=0,
        template=template,
        group=RELEVANT_GROUP[template],
        person=latest.person,
        name=latest.name,
        recipient=latest.recipient,
        language=latest.language,
        facts=news(mails) if is_news else digest(mails),
        why=next((why for why in (Why.APPROVER, Why.NOTIFY) if why in reasons), latest.why),
        action_links=True,
        at=until,
    )
