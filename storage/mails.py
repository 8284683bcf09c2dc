"""The outbox, from which mails are relayed, and the archive of all mails (SPEC D6, 6.4).

A relay takes a mail in five small transactions or fewer: `due`, `begin_attempt`, `save_raw` before the first
byte leaves, and one of the `mark_…` functions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import ReturningInsert
from sqlmodel import col

from domain.base import Language
from domain.digests import is_collected
from domain.errors import Code, Refusal
from domain.mail import OUTSIDERS, RELEVANT_GROUP, MailFacts, MailGroup, Template, Why
from domain.notifications import Choice
from domain.transitions import Notice, Transition
from storage.recipients import Recipient
from storage.statements import dialect, insert
from storage.tables import MailRow, MailStatus, ProcessRow

_NAMESPACE = UUID("5f0d6a0e-6f0b-4d0c-9f5c-3f7d4b1f3c11")


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail to one recipient.

    Attributes:
        person: Key of the recipient.
        name: The recipient's name.
        recipient: The address.
        at: The process's time, for the Date header.
        attempts: How often it was tried, the attempt under way included.
        next_attempt_at: When it is due; None for at once.
        maybe_duplicate: Whether the recipient may have got it more than once, with the same Message-ID.
        raw: The message as composed at the first attempt.
        reply: What the server said when it took the mail.
        ended_at: When it was accepted, rejected or given up.
        digest: The id of the mail that it was collected in.
    """

    id: str
    process: str
    seq: int
    template: Template
    group: MailGroup
    person: str
    name: str
    recipient: str
    language: Language
    facts: MailFacts
    why: Why
    action_links: bool
    at: datetime
    status: MailStatus
    attempts: int
    next_attempt_at: datetime | None
    maybe_duplicate: bool
    raw: bytes | None
    reply: str | None
    error: str | None
    ended_at: datetime | None
    digest: str | None


# Outbox


@cache
def _queueing(dialect: str) -> ReturningInsert[str]:
    statement = insert(dialect, "mail")
    return statement.on_conflict_do_nothing(index_elements=["id"]).returning(statement.table.c.id)


async def queue(
    session: AsyncSession, transition: Transition, letters: Iterable[tuple[Notice, Iterable[Recipient]]]
) -> int:
    """Queues a transition's notices, one mail per recipient, and returns how many were new.

    What somebody wants in one mail an hour waits for that (`storage/digests.py`).
    A mail's id follows from process, transition, notice and recipient: the same one is never queued twice.
    """
    rows = [
        _new_row(transition, index, notice, recipient)
        for index, (notice, recipients) in enumerate(letters)
        for recipient in recipients
    ]
    if not rows:
        return 0
    added = await session.execute(_queueing(dialect(session)), rows)
    return len(added.scalars().all())


async def due(session: AsyncSession, now: datetime, limit: int = 100) -> tuple[Mail, ...]:
    """Mails that can be tried now, the longest waiting first; never tried ones before all others."""
    rows = await session.scalars(
        select(MailRow)
        .where(_is_due(now))
        .order_by(col(MailRow.next_attempt_at).nulls_first(), col(MailRow.at), col(MailRow.id))
        .limit(limit)
    )
    return tuple(_mail(row) for row in rows)


async def awaited(session: AsyncSession, process: str, seq: int) -> Mail | None:
    """The mail of a transition that its process hands over itself, whatever became of it."""
    own = col(MailRow.why).in_(sorted(OUTSIDERS))
    # The step that asks somebody else tells the former contact as well, for whose mail nobody waits.
    wanted = col(MailRow.template) != Template.CONTACT_CHANGED
    row = await session.scalar(
        select(MailRow)
        .where(col(MailRow.process) == process, col(MailRow.seq) == seq, own, wanted)
        .order_by(col(MailRow.id))
        .limit(1)
    )
    return _mail(row) if row else None


async def outdate_awaited(session: AsyncSession, process: str, seq: int, at: datetime) -> None:
    """Ends the mails that a process waited for before a transition; one under way may still arrive."""
    await session.execute(
        update(MailRow)
        .where(
            col(MailRow.process) == process,
            col(MailRow.seq) < seq,
            col(MailRow.status) == MailStatus.AWAITED,
            col(MailRow.attempt_open_since).is_(None),
        )
        .values(status=MailStatus.OUTDATED, ended_at=at)
    )


async def begin_attempt(session: AsyncSession, key: str, now: datetime, until: datetime) -> Mail | None:
    """Takes a mail for one attempt, so that nobody else tries it meanwhile.

    An attempt before this one that never reported back, because its worker died, may have sent the mail: it
    is then marked as a possible duplicate.

    Args:
        session: The transaction; commit it before sending.
        key: The mail's id.
        now: The relay's time.
        until: When somebody else may try, if this attempt does not report back.

    Returns:
        The mail as it is with this attempt, or None if it is not due any more.
    """
    had_left = col(MailRow.attempt_open_since).is_not(None) & col(MailRow.raw).is_not(None)
    row = await session.scalar(
        update(MailRow)
        .where(col(MailRow.id) == key, or_(_is_due(now), col(MailRow.status) == MailStatus.AWAITED))
        .values(
            attempts=col(MailRow.attempts) + 1,
            attempt_open_since=now,
            next_attempt_at=until,
            maybe_duplicate=or_(col(MailRow.maybe_duplicate), had_left),
        )
        .returning(MailRow)
    )
    return _mail(row) if row else None


async def reopen_attempts(session: AsyncSession) -> int:
    """Makes every mail due whose attempt never reported back, and returns how many there were.

    For a relay that begins: there is only one at a time, so the one that began those attempts is dead.
    """
    reopened = await session.scalars(
        update(MailRow)
        .where(col(MailRow.status) == MailStatus.QUEUED, col(MailRow.attempt_open_since).is_not(None))
        .values(next_attempt_at=None)
        .returning(col(MailRow.id))
    )
    return len(reopened.all())


async def save_raw(session: AsyncSession, key: str, raw: bytes) -> bytes:
    """Keeps the composed message and returns the one to send: the first that was kept."""
    await session.execute(
        update(MailRow).where(col(MailRow.id) == key, col(MailRow.raw).is_(None)).values(raw=raw)
    )
    kept = await session.scalar(select(col(MailRow.raw)).where(col(MailRow.id) == key))
    return kept or raw


async def mark_accepted(session: AsyncSession, key: str, at: datetime, reply: str) -> None:
    """Records that the server took the mail, with its reply."""
    await _report(session, key, status=MailStatus.ACCEPTED, ended_at=at, reply=reply, error=None)


async def mark_rejected(session: AsyncSession, key: str, at: datetime, error: str) -> bool:
    """Records that the server will never take the mail; tells whether that had not been recorded before."""
    return await _report(session, key, status=MailStatus.REJECTED, ended_at=at, error=error)


async def mark_given_up(session: AsyncSession, key: str, at: datetime, error: str) -> bool:
    """Records that the mail was tried for long enough; tells whether that had not been recorded before."""
    return await _report(session, key, status=MailStatus.GIVEN_UP, ended_at=at, error=error)


async def mark_retry(
    session: AsyncSession, key: str, next_attempt_at: datetime, error: str, *, maybe_duplicate: bool = False
) -> None:
    """Records a failed attempt and when the next one is due.

    Args:
        session: The transaction.
        key: The mail's id.
        next_attempt_at: When to try again.
        error: What went wrong.
        maybe_duplicate: Whether the server may have taken the mail all the same.
    """
    doubt = {"maybe_duplicate": True} if maybe_duplicate else {}
    await _report(session, key, next_attempt_at=next_attempt_at, error=error, **doubt)


async def requeue(session: AsyncSession, key: str) -> Mail:
    """Puts a mail that was rejected or given up back into the outbox, as if it had never been tried.

    It goes out as it was composed, with the same Message-ID: whoever got it all the same sees it once.

    Raises:
        Refusal: NOT_FOUND, NOT_ALLOWED for a provisioning mail, of whose end its line would not hear, or
            ALREADY_DECIDED for a mail that was accepted or is queued.
    """
    mail = await get_mail(session, key)
    if mail.template is Template.PROVISIONING_DETAILS and mail.why in OUTSIDERS:
        command = f"countersign order resend-mail {mail.facts.order} --line {mail.facts.line}"
        raise Refusal(Code.NOT_ALLOWED, f"mail: its line has to hear what becomes of it; use `{command}`")
    row = await session.scalar(
        update(MailRow)
        .where(col(MailRow.id) == key, col(MailRow.status).in_((MailStatus.REJECTED, MailStatus.GIVEN_UP)))
        .values(status=MailStatus.QUEUED, attempts=0, next_attempt_at=None, ended_at=None)
        .returning(MailRow)
    )
    if row is None:
        raise Refusal(
            Code.ALREADY_DECIDED,
            f"mail: {key} is {mail.status}; only one that was rejected or given up can be sent again",
        )
    return _mail(row)


# Archive


async def get_mail(session: AsyncSession, key: str) -> Mail:
    """A mail by its id.

    Raises:
        Refusal: NOT_FOUND.
    """
    row = await session.get(MailRow, key)
    if row is None:
        raise Refusal(Code.NOT_FOUND, f"mail: there is no {key}")
    return _mail(row)


async def list_mails(
    session: AsyncSession,
    *,
    process: str | None = None,
    order: str | None = None,
    recipient: str | None = None,
    status: MailStatus | None = None,
    limit: int = 100,
) -> tuple[Mail, ...]:
    """The archive, newest first, narrowed by whatever is given.

    Args:
        session: Where to look.
        process: Of this process.
        order: Of this order's processes.
        recipient: To this address.
        status: With this status.
        limit: At most so many.
    """
    query = select(MailRow).order_by(col(MailRow.at).desc(), col(MailRow.id)).limit(limit)
    wanted = {
        MailRow.process: process,
        MailRow.recipient: recipient,
        MailRow.status: status,
    }
    query = query.where(*(col(column) == value for column, value in wanted.items() if value is not None))
    if order is not None:
        query = query.join(ProcessRow, col(ProcessRow.id) == col(MailRow.process)).where(
            col(ProcessRow.order_id) == order
        )
    return tuple(_mail(row) for row in await session.scalars(query))


async def recipients(session: AsyncSession, process: str) -> tuple[str, ...]:
    """Every address that mails of a process were written to."""
    addresses = select(col(MailRow.recipient)).where(col(MailRow.process) == process).distinct()
    return tuple(await session.scalars(addresses.order_by(col(MailRow.recipient))))


# What stands behind


def _new_row(transition: Transition, index: int, notice: Notice, recipient: Recipient) -> dict[str, Any]:
    name = f"{transition.process}/{transition.seq}/{index}/{recipient.key}"
    return {
        "id": str(uuid5(_NAMESPACE, name)),
        "process": transition.process,
        "seq": transition.seq,
        "template": notice.template,
        "group": RELEVANT_GROUP[notice.template],
        "person": recipient.key,
        "name": recipient.name,
        "recipient": recipient.email,
        "language": recipient.language,
        "facts": notice.facts,
        "why": recipient.why,
        "action_links": recipient.action_links,
        "at": transition.at,
        **_waiting(transition, notice, recipient),
    }


def _waiting(transition: Transition, notice: Notice, recipient: Recipient) -> dict[str, Any]:
    if notice.awaited and recipient.why in OUTSIDERS:
        return {"status": MailStatus.AWAITED, "stage": None, "round": None}
    if recipient.choice is Choice.HOURLY:
        return {"status": MailStatus.COLLECTING, "stage": None, "round": None}
    stage = transition.view.approval
    if stage is None or not is_collected(notice.template, recipient.why, recipient.approval_mails):
        return {"status": MailStatus.QUEUED, "stage": None, "round": None}
    return {"status": MailStatus.COLLECTING, "stage": stage.stage, "round": stage.round}


def _is_due(now: datetime) -> Any:
    waited = or_(col(MailRow.next_attempt_at).is_(None), col(MailRow.next_attempt_at) <= now)
    return (col(MailRow.status) == MailStatus.QUEUED) & waited


_OPEN = (MailStatus.QUEUED, MailStatus.AWAITED)


async def _report(session: AsyncSession, key: str, **outcome: Any) -> bool:
    """Ends the attempt under way and tells whether there was one; what is final stays as it is."""
    ended = await session.scalar(
        update(MailRow)
        .where(col(MailRow.id) == key, col(MailRow.status).in_(_OPEN))
        .values(attempt_open_since=None, **outcome)
        .returning(col(MailRow.id))
    )
    return ended is not None


def _mail(row: MailRow) -> Mail:
    return Mail(**{field.name: getattr(row, field.name) for field in fields(Mail)})
