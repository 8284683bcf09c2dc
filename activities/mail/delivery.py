"""Hands one mail to an SMTP server and says for certain how far it came.

What may be done after a failure depends on whether the final dot was sent: before it the server has
nothing, after it nobody can know (engineering.md 2.4; RFC 5321 3.8). `aiosmtplib.SMTP.data()` answers both
with the same exception, so the dot is sent here as a step of its own.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Annotated, Self, cast

from aiosmtplib import SMTP, SMTPException, SMTPResponseException
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from activities.mail.text import one_line
from domain.base import Name
from domain.delivery import FailureKind
from domain.errors import Refusal
from domain.mail import parse_address

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_MAX_REPLY = 500
"""Characters kept of what a server says."""


class Tls(StrEnum):
    """How the connection is encrypted: not at all, by STARTTLS (port 587), or from the start (port 465)."""

    NONE = "none"
    STARTTLS = "starttls"
    IMPLICIT = "implicit"


def _address(text: str) -> str:
    try:
        return parse_address(text, "sender")
    except Refusal as refusal:
        raise ValueError(refusal.message) from None


class MailSettings(BaseModel):
    """The SMTP server that takes our mails, and whom they come from.

    Attributes:
        sender: Address in From and in the envelope.
        unsubscribe: Address that takes people's wishes for fewer mails; mails that can be switched off name
            it where no page for that is served (`public_url`).
        ca_file: Certificates to trust besides the system's, for a server with a private authority.
        connect_timeout: Seconds for connecting, including TLS.
        command_timeout: Seconds for the answer to a command.
        data_timeout: Seconds for the answer to the final dot. Servers that check mail thoroughly take
            minutes, and giving up on them early is how duplicates are made.
    """

    model_config = ConfigDict(frozen=True)

    host: str
    port: Annotated[int, Field(ge=1, le=65535)]
    sender: Annotated[str, AfterValidator(_address)]
    sender_name: Name
    unsubscribe: Annotated[str, AfterValidator(_address)] | None = None
    tls: Tls = Tls.STARTTLS
    username: str | None = None
    password: SecretStr | None = None
    validate_certs: bool = True
    ca_file: Path | None = None
    connect_timeout: Annotated[float, Field(gt=0)] = 30
    command_timeout: Annotated[float, Field(gt=0)] = 60
    data_timeout: Annotated[float, Field(gt=0, le=900)] = 600

    @model_validator(mode="after")
    def _keeps_the_password_secret(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("username, password: give both or neither")
        if self.username and self.tls is Tls.NONE and self.host not in _LOOPBACK:
            raise ValueError("tls: a password needs starttls or implicit, unless the server is this machine")
        return self


@dataclass(frozen=True, slots=True)
class Delivered:
    """The server took the mail over, with this reply."""

    reply: str


class DeliveryFailure(Exception):
    """The mail was not handed over, or nobody knows whether it was.

    Attributes:
        kind: What may be done about it; see `domain.delivery.retry_delay`.
        code: The server's reply code, if it replied.
        reply: The server's words, if it replied.
        message: One sentence for operators.
    """

    def __init__(
        self, kind: FailureKind, message: str, *, code: int | None = None, reply: str | None = None
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.code = code
        self.reply = reply


async def deliver(raw: bytes, sender: str, recipient: str, settings: MailSettings) -> Delivered:
    """Hands one mail over on a connection of its own.

    Args:
        raw: The mail as `compose` made it.
        sender: Envelope sender.
        recipient: The only envelope recipient, whatever the headers say.
        settings: The server.

    Raises:
        DeliveryFailure: With the kind of failure. If the task is cancelled instead, the outcome is as
            unknown as with UNKNOWN_AFTER_DOT.
    """
    async with Outgoing(settings) as outgoing:
        return await outgoing.deliver(raw, sender, recipient)


class _Stage(StrEnum):
    """How far the dialogue about one mail has come; decides what a failure means."""

    CONNECTING = "connecting"
    SENDER = "MAIL"
    RECIPIENT = "RCPT"
    BODY = "DATA"
    DOT = "the final dot"


class Outgoing:
    """A connection for one round of mails, opened with the first and opened anew whenever it was lost."""

    def __init__(self, settings: MailSettings) -> None:
        self._settings = settings
        self._smtp: SMTP | None = None
        self._stage = _Stage.CONNECTING
        self._one_at_a_time = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._smtp is None:
            return
        try:
            await self._smtp.quit(timeout=self._settings.connect_timeout)
        except (SMTPException, OSError):
            pass  # Everything is handed over; how the server says goodbye changes nothing.
        finally:
            self._drop()

    async def deliver(self, raw: bytes, sender: str, recipient: str) -> Delivered:
        """Hands one mail over; as the function `deliver`, on this connection."""
        sender = _plain(sender, "sender", FailureKind.REJECTED)
        recipient = _plain(recipient, "recipient", FailureKind.RECIPIENT_REJECTED)
        async with self._one_at_a_time:
            try:
                return await self._hand_over(raw, sender, recipient)
            except SMTPResponseException as refused:
                raise self._refused(refused) from refused
            except (SMTPException, OSError) as broken:
                self._drop()
                raise self._broken(str(broken) or type(broken).__name__) from broken
            except BaseException:
                self._drop()
                raise

    async def _hand_over(self, raw: bytes, sender: str, recipient: str) -> Delivered:
        self._stage = _Stage.CONNECTING
        smtp = await self._connected()
        self._stage = _Stage.SENDER
        await smtp.mail(sender)
        self._stage = _Stage.RECIPIENT
        await smtp.rcpt(recipient)
        self._stage = _Stage.BODY
        await self._send_body(smtp, raw)
        # Nothing is awaited between this look and the dot: of a connection that is gone now, the server
        # never saw a complete mail.
        if smtp.is_connected:
            self._stage = _Stage.DOT
        reply = await smtp.execute_command(b".", timeout=self._settings.data_timeout)
        if not 200 <= reply.code < 300:
            raise SMTPResponseException(reply.code, reply.message)
        return Delivered(_words(reply.code, reply.message))

    async def _send_body(self, smtp: SMTP, raw: bytes) -> None:
        go_ahead = await smtp.execute_command(b"DATA")
        if go_ahead.code != 354:
            raise SMTPResponseException(go_ahead.code, go_ahead.message)
        if smtp.protocol is None or smtp.transport is None:
            raise ConnectionResetError("connection lost before the mail was sent")
        # Without a buffer of ours, drained means: the network has taken all of it.
        cast("asyncio.WriteTransport", smtp.transport).set_write_buffer_limits(high=0)
        smtp.protocol.write(_dot_stuffed(raw))
        async with asyncio.timeout(self._settings.data_timeout):
            # What StreamWriter.drain() calls; a StreamWriter of its own would close the connection.
            await smtp.protocol._drain_helper()

    async def _connected(self) -> SMTP:
        """The connection, known to be alive and rid of a mail that was refused half-way (RSET)."""
        if self._smtp is not None:
            try:
                await self._smtp.rset()
            except (SMTPException, OSError):
                self._drop()
        if self._smtp is None:
            self._smtp = await self._connect()
        return self._smtp

    async def _connect(self) -> SMTP:
        settings = self._settings
        smtp = SMTP(
            hostname=settings.host,
            port=settings.port,
            local_hostname=settings.sender.partition("@")[2],
            use_tls=settings.tls is Tls.IMPLICIT,
            start_tls=False,
            validate_certs=settings.validate_certs,
            cert_bundle=str(settings.ca_file) if settings.ca_file else None,
            timeout=settings.command_timeout,
        )
        try:
            await smtp.connect(timeout=settings.connect_timeout)
            if settings.tls is Tls.STARTTLS:
                await smtp.starttls(timeout=settings.connect_timeout)
            await smtp.ehlo()
            if settings.username and settings.password:
                await self._log_in(smtp, settings.username, settings.password)
        except BaseException:
            smtp.close()
            raise
        return smtp

    async def _log_in(self, smtp: SMTP, username: str, password: SecretStr) -> None:
        if not smtp.supports_extension("auth"):
            problem = "AUTH is not offered, but a username is configured"
            raise DeliveryFailure(FailureKind.CONNECTION, self._at(problem))
        await smtp.login(username, password.get_secret_value())

    def _refused(self, error: SMTPResponseException) -> DeliveryFailure:
        reply = _words(error.code, error.message)
        match error.code // 100:
            case 4:
                kind = FailureKind.TEMPORARY
            case 5 if self._stage is _Stage.CONNECTING:
                # A wrong password, say: no mail is to blame, and all of them can wait until it is mended.
                kind = FailureKind.CONNECTION
            case 5 if self._stage is _Stage.RECIPIENT:
                kind = FailureKind.RECIPIENT_REJECTED
            case 5:
                kind = FailureKind.REJECTED
            case _:
                self._drop()
                return self._broken(f"no SMTP reply that makes sense here: {reply}")
        return DeliveryFailure(kind, self._at(reply), code=error.code, reply=reply)

    def _broken(self, problem: str) -> DeliveryFailure:
        after_dot = self._stage is _Stage.DOT
        kind = FailureKind.UNKNOWN_AFTER_DOT if after_dot else FailureKind.CONNECTION
        return DeliveryFailure(kind, self._at(one_line(problem)))

    def _at(self, problem: str) -> str:
        return f"{self._settings.host}:{self._settings.port}, {self._stage}: {problem}"

    def _drop(self) -> None:
        """Ends the connection at once; what was not sent yet is not sent later either."""
        if self._smtp is None:
            return
        if self._smtp.transport is not None:
            cast("asyncio.WriteTransport", self._smtp.transport).abort()
        self._smtp.close()
        self._smtp = None


def _plain(address: str, field: str, kind: FailureKind) -> str:
    try:
        return parse_address(address, field)
    except Refusal as refusal:
        raise DeliveryFailure(kind, refusal.message) from refusal


def _dot_stuffed(raw: bytes) -> bytes:
    """The mail with CRLF line ends only, and lines that start with a dot escaped (RFC 5321 4.5.2)."""
    return b"".join(b"." * line.startswith(b".") + line + b"\r\n" for line in raw.splitlines())


def _words(code: int, message: str) -> str:
    return f"{code} {one_line(message)}"[:_MAX_REPLY]
