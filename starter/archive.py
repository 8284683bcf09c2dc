"""The archive of everything that was mailed, and a second try for what did not arrive (SPEC D6, 6.4)."""

from __future__ import annotations

from starter.gateway import Gateway
from storage import mails
from storage.mails import Mail
from storage.tables import MailStatus


class Archive(Gateway):
    """Mails as they were sent."""

    async def mails(
        self,
        *,
        order: str | None = None,
        process: str | None = None,
        recipient: str | None = None,
        status: MailStatus | None = None,
        limit: int = 100,
    ) -> tuple[Mail, ...]:
        """The archive of mails, newest first.

        Args:
            order: Of this order and its lines.
            process: Of this process.
            recipient: To this address.
            status: With this status.
            limit: At most so many.
        """
        async with self._reading() as session:
            return await mails.list_mails(
                session, order=order, process=process, recipient=recipient, status=status, limit=limit
            )

    async def mail(self, key: str) -> Mail:
        """One mail.

        Raises:
            Refusal: NOT_FOUND or UNAVAILABLE.
        """
        async with self._reading() as session:
            return await mails.get_mail(session, key)

    async def resend(self, key: str) -> Mail:
        """Puts a rejected or given-up mail back into the outbox; the relay sends it with the next round.

        Raises:
            Refusal: NOT_FOUND, ALREADY_DECIDED for a mail that was accepted or is queued, NOT_ALLOWED for a
                provisioning mail, which its line sends again (`resend_mail`), or UNAVAILABLE.
        """
        async with self._writing() as session:
            return await mails.requeue(session, key)
