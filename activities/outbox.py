"""The relay: hands the outbox over to the mail server, each mail once per recipient (SPEC D6).

Processes write mails into the outbox and go on; only the relay knows SMTP. It lives in one activity whose
heartbeat tells the server that it is alive, so that another worker takes over when it is not.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta

import structlog
from temporalio import activity

from activities.mail.delivery import DeliveryFailure, MailSettings, Outgoing
from activities.mail.message import compose
from activities.mail.render import render
from domain import wire
from domain.mail import FailureKind, retry_delay
from storage import mails
from storage.database import Database
from storage.mails import Mail

BATCH = 100
"""Mails of one round; a round ends early when the mail server is away."""

LEASE = timedelta(minutes=30)
"""How long an attempt may take before somebody else may try: longer than any SMTP dialogue."""

HEARTBEAT_EVERY = timedelta(seconds=2)

log = structlog.get_logger(__name__)


def _now() -> datetime:
    return datetime.now(UTC)


class Outbox:
    """The relay's activity.

    Args:
        database: Where the outbox is.
        settings: The mail server, and whom mails come from.
        public_url: Where people find their processes; mails then carry a link that shows, never acts.
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
        connections: int = 4,
        idle: timedelta = timedelta(milliseconds=500),
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self._database = database
        self._settings = settings
        self._public_url = public_url
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
        async with _heartbeating():
            await self.take_over()
            while self._now() < ends_at and not activity.is_worker_shutdown():
                if not await self.hand_over_due():
                    await _pause(self._idle)

    async def take_over(self) -> None:
        """Makes mails due again whose attempt died with another relay; there is only one at a time."""
        async with self._database.session() as session:
            reopened = await mails.reopen_attempts(session)
        if reopened:
            log.warning("relay_took_over", open_attempts=reopened)

    async def hand_over_due(self) -> int:
        """Hands over what is due and returns how many mails the server took."""
        async with self._database.reading() as session:
            due = list(reversed(await mails.due(session, self._now(), BATCH)))
        if not due:
            return 0
        async with AsyncExitStack() as stack:
            count = min(self._connections, len(due))
            connections = [await stack.enter_async_context(Outgoing(self._settings)) for _ in range(count)]
            taken = await asyncio.gather(*(self._work_off(due, connection) for connection in connections))
        return sum(taken)

    async def _work_off(self, due: list[Mail], connection: Outgoing) -> int:
        taken = 0
        while due:
            outcome = await self._hand_over(due.pop(), connection)
            if outcome is FailureKind.CONNECTION:
                due.clear()  # The server is away: nobody needs to be told a hundred times.
            taken += outcome is None
        return taken

    async def _hand_over(self, mail: Mail, connection: Outgoing) -> FailureKind | None:
        """Tries one mail and writes down how it went."""
        now = self._now()
        async with self._database.session() as session:
            attempt = await mails.begin_attempt(session, mail.id, now, now + LEASE)
            if attempt is None:
                return None
            try:
                raw = attempt.raw or await mails.save_raw(session, mail.id, self._compose(attempt))
            except Exception as error:  # noqa: BLE001 - one mail that cannot be written must not stop all others
                await mails.mark_rejected(session, mail.id, now, f"cannot be written: {error}")
                log.exception("mail_cannot_be_written", mail=mail.id, process=mail.process)
                return FailureKind.REJECTED
        try:
            delivered = await connection.deliver(raw, self._settings.sender, attempt.recipient)
        except DeliveryFailure as failure:
            await self._write_down(attempt, failure)
            return failure.kind
        async with self._database.session() as session:
            await mails.mark_accepted(session, mail.id, self._now(), delivered.reply)
        log.info(
            "mail_accepted", mail=mail.id, process=mail.process, template=mail.template, reply=delivered.reply
        )
        return None

    async def _write_down(self, attempt: Mail, failure: DeliveryFailure) -> None:
        delay = retry_delay(failure.kind, attempt.attempts)
        async with self._database.session() as session:
            if delay is not None:
                doubt = failure.kind.maybe_duplicate
                await mails.mark_retry(
                    session, attempt.id, self._now() + delay, failure.message, maybe_duplicate=doubt
                )
            elif failure.kind in {FailureKind.RECIPIENT_REJECTED, FailureKind.REJECTED}:
                await mails.mark_rejected(session, attempt.id, self._now(), failure.message)
            else:
                await mails.mark_given_up(session, attempt.id, self._now(), failure.message)
        log.warning(
            "mail_not_accepted", mail=attempt.id, kind=failure.kind, error=failure.message, delay=str(delay)
        )

    def _compose(self, mail: Mail) -> bytes:
        facts = mail.facts
        if self._public_url and facts.url is None:
            facts = facts.model_copy(update={"url": f"{self._public_url}/processes/{mail.process}"})
        return compose(
            mail_id=mail.id,
            sender=self._settings.sender,
            sender_name=self._settings.sender_name,
            recipient=mail.recipient,
            at=mail.at,
            rendered=render(mail.template, mail.language, facts, mail.why, mail.action_links),
            group=mail.group,
            process=mail.process,
        )


@asynccontextmanager
async def _heartbeating() -> AsyncIterator[None]:
    """Tells the server every other second that this relay is alive, however slow the mail server is."""

    async def beat() -> None:
        while True:
            activity.heartbeat()
            await asyncio.sleep(HEARTBEAT_EVERY.total_seconds())

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()


async def _pause(span: timedelta) -> None:
    """Waits a little, less if the worker shuts down."""
    try:
        await asyncio.wait_for(activity.wait_for_worker_shutdown(), span.total_seconds())
    except TimeoutError:
        return
