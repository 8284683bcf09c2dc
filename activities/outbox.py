"""The relay: hands the outbox over to the mail server, each mail once per recipient (SPEC D6).

Processes write mails into the outbox and go on; only the relay knows SMTP. It lives in one activity whose
heartbeat tells the server that it is alive, so that another worker takes over when it is not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import exc
from sqlalchemy.ext.asyncio import AsyncSession
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.heartbeat import heartbeating
from activities.mail.composer import Composer
from activities.mail.delivery import Delivered, DeliveryFailure, MailSettings, Outgoing
from domain import wire
from domain.contact import DeliverMail, MailDelivery
from domain.delivery import FailureKind, retry_delay
from domain.errors import Code
from domain.links import LinkSigner
from storage import alarms, digests, mails
from storage.database import Database
from storage.mails import Mail
from storage.tables import MailStatus

BATCH = 100
"""Mails of one round; a round ends early when the mail server is away."""

LEASE = timedelta(minutes=30)
"""How long an attempt may take before somebody else may try: longer than any SMTP dialogue."""

DATABASE_AWAY = (exc.OperationalError, exc.InterfaceError, exc.TimeoutError, OSError)
"""How a database that does not answer shows itself."""

log = structlog.get_logger(__name__)


def _now() -> datetime:
    return datetime.now(UTC)


class Outbox:
    """The relay's activity.

    Args:
        database: Where the outbox is.
        settings: The mail server, and whom mails come from.
        public_url: Where people find their processes.
        signer: Signs the links in mails.
        connections: Mails handed over side by side.
        idle: How long to wait when nothing is due.
        clock: The relay's own time, real even where processes live in virtual time: it says when a mail
            server may be asked again.
    """

    def __init__(
        self,
        database: Database,
        settings: MailSettings,
        *,
        public_url: str | None = None,
        signer: LinkSigner | None = None,
        connections: int = 4,
        idle: timedelta = timedelta(milliseconds=500),
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self._database = database
        self._settings = settings
        self._composer = Composer(settings, public_url, signer)
        self._connections = connections
        self._idle = idle
        self._now = clock

    @activity.defn(name=wire.RELAY)
    async def relay(self, shift: timedelta) -> None:
        """Relays until the shift is over or the worker shuts down.

        Raises:
            asyncio.CancelledError: If the server gave this relay up for dead.
        """
        ends_at = self._now() + shift
        async with heartbeating():
            await self.take_over()
            while self._now() < ends_at and not _is_ending():
                if not await self.hand_over_due():
                    await _pause(self._idle)

    @activity.defn(name=wire.DELIVER)
    async def deliver(self, request: DeliverMail) -> MailDelivery:
        """Hands over the mail that a process waits for, with the relay's own rules (SPEC D6).

        Asked again for a mail that has an end, it answers how it ended.

        Raises:
            ApplicationError: NOT_YET (benign) with the time of the next attempt; UNAVAILABLE if the mail is
                not written yet.
        """
        async with self._database.reading() as session:
            mail = await mails.awaited(session, request.process, request.seq)
        if mail is None:
            raise ApplicationError(
                f"the mail of {request.process}, step {request.seq}, is not written yet",
                type=Code.UNAVAILABLE,
            )
        async with heartbeating():
            attempt = await self._begin(mail) if mail.ended_at is None else None
            if attempt is None:
                return await self._outcome(mail)
            return await self._deliver_awaited(*attempt)

    async def _deliver_awaited(self, mail: Mail, raw: bytes) -> MailDelivery:
        try:
            async with Outgoing(self._settings) as connection:
                delivered = await connection.deliver(raw, self._settings.sender, mail.recipient)
        except DeliveryFailure as failure:
            await self._note_failure(mail, failure)
            delay = retry_delay(failure.kind, mail.attempts)
            if delay is None:
                return MailDelivery(accepted=False, reason=failure.message)
            raise ApplicationError(
                f"{mail.recipient}: {failure.message}",
                type=wire.NOT_YET,
                next_retry_delay=delay,
                category=ApplicationErrorCategory.BENIGN,
            ) from failure
        await self._note_accepted(mail, delivered)
        return MailDelivery(accepted=True)

    async def _outcome(self, mail: Mail) -> MailDelivery:
        async with self._database.reading() as session:
            now = await mails.get_mail(session, mail.id)
        return MailDelivery(accepted=now.status is MailStatus.ACCEPTED, reason=now.error)

    async def take_over(self) -> None:
        """Makes mails due again whose attempt died with another relay; there is only one at a time."""
        async with self._database.session() as session:
            reopened = await mails.reopen_attempts(session)
        if reopened:
            log.warning("relay_took_over", open_attempts=reopened)

    async def hand_over_due(self) -> int:
        """Hands over what is due and returns how many mails the server took.

        Raises:
            DBAPIError: The database does not answer; every mail already in hand was finished before.
        """
        await self._write_digests()
        async with self._database.reading() as session:
            due = list(reversed(await mails.due(session, self._now(), BATCH)))
        if not due:
            return 0
        async with AsyncExitStack() as stack:
            count = min(self._connections, len(due))
            connections = [await stack.enter_async_context(Outgoing(self._settings)) for _ in range(count)]
            works = (self._work_off(due, connection) for connection in connections)
            # Exceptions are collected: one that ended the round would cut the other dialogues off half-way.
            outcomes = await asyncio.gather(*works, return_exceptions=True)
        taken = 0
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
            taken += outcome
        return taken

    async def _write_digests(self) -> None:
        """Collects what hours that are over have left, for everybody who wants one mail an hour."""
        now = self._now()
        async with self._database.reading() as session:
            waiting = await digests.due(session, now)
        for person, group in waiting:
            async with self._database.session() as session:
                written = await digests.write(session, person, group, now)
            log.info("digest_written", mail=written, person=person, group=group)

    async def _work_off(self, due: list[Mail], connection: Outgoing) -> int:
        taken = 0
        while due and not _is_ending():
            attempt = await self._begin(due.pop())
            if attempt is None:
                continue
            mail, raw = attempt
            try:
                delivered = await connection.deliver(raw, self._settings.sender, mail.recipient)
            except DeliveryFailure as failure:
                await self._note_failure(mail, failure)
                if failure.kind is FailureKind.CONNECTION:
                    due.clear()  # The server is away: nobody needs to be told a hundred times.
            else:
                await self._note_accepted(mail, delivered)
                taken += 1
        return taken

    async def _begin(self, mail: Mail) -> tuple[Mail, bytes] | None:
        """Takes a mail for one attempt; None if another relay has it, or if it cannot be written at all."""
        now = self._now()
        async with self._database.session() as session:
            attempt = await mails.begin_attempt(session, mail.id, now, now + LEASE)
            if attempt is None:
                return None
            if attempt.raw is not None:
                return attempt, attempt.raw
            try:
                composed = self._composer.compose(attempt)
            except Exception as error:  # One mail that cannot be written must not stop all others.
                why = f"cannot be written: {error}"
                await mails.mark_rejected(session, mail.id, now, why)
                await alarms.tell_operators(session, mail, why, now)
                log.exception("mail_cannot_be_written", mail=mail.id, process=mail.process)
                return None
            return attempt, await mails.save_raw(session, mail.id, composed)

    async def _note_accepted(self, mail: Mail, delivered: Delivered) -> None:
        at, reply = self._now(), delivered.reply
        await self._write_down(mail, lambda session: mails.mark_accepted(session, mail.id, at, reply))
        log.info("mail_accepted", mail=mail.id, process=mail.process, template=mail.template, reply=reply)

    async def _note_failure(self, mail: Mail, failure: DeliveryFailure) -> None:
        at, why = self._now(), failure.message
        delay = retry_delay(failure.kind, mail.attempts)

        async def outcome(session: AsyncSession) -> None:
            if delay is not None:
                doubt = failure.kind.maybe_duplicate
                await mails.mark_retry(session, mail.id, at + delay, why, maybe_duplicate=doubt)
                return
            rejected = failure.kind in {FailureKind.RECIPIENT_REJECTED, FailureKind.REJECTED}
            end = mails.mark_rejected if rejected else mails.mark_given_up
            if await end(session, mail.id, at, why):
                await alarms.tell_operators(session, mail, why, at)

        await self._write_down(mail, outcome)
        log.warning("mail_not_accepted", mail=mail.id, kind=failure.kind, error=why, delay=str(delay))

    async def _write_down(self, mail: Mail, outcome: Callable[[AsyncSession], Awaitable[None]]) -> None:
        """Writes down how an attempt went, however long that takes: what is forgotten is sent again."""
        while True:
            try:
                async with self._database.session() as session:
                    await outcome(session)
            except DATABASE_AWAY as error:
                log.warning("outcome_not_written", mail=mail.id, process=mail.process, error=str(error))
                await asyncio.sleep(self._idle.total_seconds())
            else:
                return


def _is_ending() -> bool:
    """Whether the worker shuts down: the mail in hand is finished, and no other begun."""
    return activity.in_activity() and activity.is_worker_shutdown()


async def _pause(span: timedelta) -> None:
    """Waits a little, less if the worker shuts down."""
    try:
        await asyncio.wait_for(activity.wait_for_worker_shutdown(), span.total_seconds())
    except TimeoutError:
        return
