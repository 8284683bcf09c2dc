"""Tells the provider's operators of mails that will not arrive, in one mail an hour (engineering.md 2.4)."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID, uuid5

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain import wire
from domain.dns.names import shown
from domain.mail import RELEVANT_GROUP, MailFacts, Template
from domain.organisations import OrganisationKind, Permission
from domain.transitions import Audience
from storage.mails import Mail
from storage.recipients import Recipient, recipients
from storage.tables import MailRow, MailStatus, OrganisationRow

AT_MOST_EVERY = timedelta(hours=1)
"""Time between two alarms to one operator."""

LISTED = 50
"""Mails that an alarm lists; of further ones it gives the number."""

_SHOWN = 500
"""Characters of one line; a mail server's answer may be long."""

_NAMESPACE = UUID("8e4b6c52-3a1d-4d7f-9b5e-60f2c7a9d1e3")


async def tell_operators(session: AsyncSession, mail: Mail, why: str, now: datetime) -> None:
    """Adds a mail that was rejected or given up to the alarm that every operator gets next.

    The first one goes out at once; what follows within the hour is collected for the next. An alarm that does
    not arrive itself alarms nobody.

    Args:
        session: The transaction that records the end of the mail: told with it, or neither.
        mail: What will not arrive.
        why: The mail server's answer.
        now: The relay's time.
    """
    if mail.template is Template.MAILS_UNDELIVERED:
        return
    line = shown(f"{mail.id}: {mail.template} of {mail.process} to {mail.recipient}: {why}", _SHOWN)
    for operator in await _operators(session):
        await _tell(session, operator, line, now, f"{mail.id}/{now.isoformat()}")


async def _operators(session: AsyncSession) -> tuple[Recipient, ...]:
    """Whoever operates a provider; locked, so that two who tell them at once write no two alarms."""
    providers = await session.scalars(
        select(col(OrganisationRow.key))
        .where(col(OrganisationRow.kind) == OrganisationKind.PROVIDER)
        .order_by(col(OrganisationRow.key))
        .with_for_update(key_share=True)
    )
    audience = Audience(organisations=tuple(providers), permission=Permission.OPERATE)
    return await recipients(session, audience, Template.MAILS_UNDELIVERED)


async def _tell(session: AsyncSession, operator: Recipient, line: str, now: datetime, cause: str) -> None:
    latest = await session.scalar(
        select(MailRow)
        .where(
            col(MailRow.recipient) == operator.email,
            col(MailRow.person) == operator.key,
            col(MailRow.template) == Template.MAILS_UNDELIVERED,
        )
        .order_by(col(MailRow.at).desc())
        .limit(1)
        .with_for_update()
    )
    if latest is not None and latest.status is MailStatus.QUEUED and latest.raw is None:
        latest.facts = _with_line(latest.facts, line)
        return
    at = max(now, latest.at + AT_MOST_EVERY) if latest is not None else now
    session.add(
        MailRow(
            id=str(uuid5(_NAMESPACE, f"{cause}/{operator.key}")),
            process=wire.RELAY_ID,
            seq=0,
            template=Template.MAILS_UNDELIVERED,
            group=RELEVANT_GROUP[Template.MAILS_UNDELIVERED],
            person=operator.key,
            name=operator.name,
            recipient=operator.email,
            language=operator.language,
            facts=_with_line(MailFacts(), line),
            why=operator.why,
            action_links=operator.action_links,
            at=at,
            next_attempt_at=at,
        )
    )
    await session.flush()


def _with_line(facts: MailFacts, line: str) -> MailFacts:
    if len(facts.details) < LISTED:
        return facts.model_copy(update={"details": (*facts.details, line)})
    return facts.model_copy(update={"further": facts.further + 1})
