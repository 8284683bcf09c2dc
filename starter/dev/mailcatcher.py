"""A mail server for development, demos and tests: takes mails, delivers none, shows them all.

It speaks real SMTP on the loopback interface, so that what is tested is what runs in production (SPEC D11).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Self, cast
from weakref import WeakSet

from aiosmtpd.smtp import SMTP, Envelope, Session

LOOPBACK = "127.0.0.1"
_MAX_SIZE = 10 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Caught:
    """One mail to one recipient, as it arrived.

    Attributes:
        recipient: Envelope recipient, whatever the headers say.
        sender: Envelope sender.
        text: The plain text part; empty if there is none.
        html: The HTML part; empty if there is none.
        raw: The mail as it came over the wire.
    """

    recipient: str
    sender: str
    subject: str
    message_id: str
    text: str
    html: str
    raw: bytes
    at: datetime


class MailCatcher:
    """Catches mails in memory and, if it is given a folder, as one .eml file each.

    Usable as an async context manager.

    Attributes:
        messages: Grows in order of arrival.
        unknown: Addresses that it refuses for good, as a server does that has no such mailbox.
    """

    def __init__(self, folder: Path | None = None, port: int = 0) -> None:
        self.messages: list[Caught] = []
        self.unknown: set[str] = set()
        self._folder = folder
        self._port = port
        self._server: asyncio.Server | None = None
        self._sessions: WeakSet[SMTP] = WeakSet()
        self._arrival = asyncio.Condition()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def port(self) -> int:
        """The port it listens on; a free one was chosen if none was asked for."""
        return self._port

    async def start(self) -> None:
        """Starts listening.

        Raises:
            OSError: The port is taken, or the folder cannot be made.
        """
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._session, LOOPBACK, self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stops listening and ends open sessions; what was caught stays."""
        if self._server is None:
            return
        self._server.close()
        for session in self._sessions:
            if session.transport is not None:
                session.transport.close()
        await self._server.wait_closed()
        self._server = None

    async def wait_for(self, predicate: Callable[[Caught], bool], timeout: float = 10) -> Caught:  # noqa: ASYNC109 (reports what did arrive)
        """Returns the first mail that fits, waiting for it if need be.

        Args:
            predicate: Says whether a mail fits.
            timeout: Seconds.

        Raises:
            TimeoutError: No such mail arrived; names those that did.
        """
        try:
            async with asyncio.timeout(timeout), self._arrival:
                while (found := next(filter(predicate, self.messages), None)) is None:
                    await self._arrival.wait()
                return found
        except TimeoutError:
            arrived = [f"{mail.recipient}: {mail.subject}" for mail in self.messages]
            raise TimeoutError(f"no such mail within {timeout} s; arrived so far: {arrived}") from None

    async def handle_RCPT(  # noqa: N802 (aiosmtpd's hook)
        self,
        server: SMTP,  # noqa: ARG002
        session: Session,  # noqa: ARG002
        envelope: Envelope,
        address: str,
        options: list[str],  # noqa: ARG002
    ) -> str:
        """Takes a recipient, or refuses one; aiosmtpd calls this for each."""
        if address in self.unknown:
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 recipient ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: ARG002, N802 (aiosmtpd's hook)
        """Takes a mail; aiosmtpd calls this after the final dot."""
        raw = cast("bytes", envelope.original_content)
        for recipient in envelope.rcpt_tos:
            caught = _read(raw, envelope.mail_from or "", recipient)
            if self._folder is not None:
                await asyncio.to_thread((self._folder / _file_name(caught)).write_bytes, raw)
            async with self._arrival:
                self.messages.append(caught)
                self._arrival.notify_all()
        return "250 caught"

    def _session(self) -> SMTP:
        loop = asyncio.get_running_loop()
        session = SMTP(self, hostname="localhost", ident="Countersign", data_size_limit=_MAX_SIZE, loop=loop)
        self._sessions.add(session)
        return session


def _read(raw: bytes, sender: str, recipient: str) -> Caught:
    message = message_from_bytes(raw, policy=default)
    return Caught(
        recipient=recipient,
        sender=sender,
        subject=str(message["Subject"] or ""),
        message_id=str(message["Message-ID"] or ""),
        text=_part(message, "plain"),
        html=_part(message, "html"),
        raw=raw,
        at=datetime.now(UTC),
    )


def _part(message: EmailMessage, subtype: str) -> str:
    part = message.get_body(preferencelist=(subtype,))
    return str(part.get_content()).replace("\r\n", "\n") if part is not None else ""


def _file_name(caught: Caught) -> str:
    recipient = re.sub(r"[^A-Za-z0-9@.-]", "_", caught.recipient)[:100]
    return f"{caught.at:%Y%m%dT%H%M%S.%f}-{recipient}.eml"
