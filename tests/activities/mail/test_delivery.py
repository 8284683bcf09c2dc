"""Each row of the failure table (engineering.md 2.4), over a real SMTP dialogue."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from activities.mail.delivery import DeliveryFailure, MailSettings, Outgoing, Tls, deliver
from domain.delivery import FailureKind

SENDER = "noreply@countersign.example"
RECIPIENT = "anna@customer.example"
RAW = b"Subject: x\r\n\r\n.starts with a dot\r\n..two\r\n.\r\nlast\r\n"
# Larger than all buffers on the way, so that it cannot be sent unless the server reads.
HUGE = b"Subject: x\r\n\r\n" + (b"x" * 70 + b"\r\n") * 300_000

Settings = Callable[..., MailSettings]


async def failure(settings: MailSettings, raw: bytes = RAW, recipient: str = RECIPIENT) -> DeliveryFailure:
    with pytest.raises(DeliveryFailure) as caught:
        await deliver(raw, SENDER, recipient, settings)
    return caught.value


async def test_an_accepted_mail_arrives_byte_for_byte_with_its_reply_on_record(
    server: Any, settings_for: Settings
) -> None:
    delivered = await deliver(RAW, SENDER, RECIPIENT, settings_for(server))
    assert delivered.reply == "250 taken over as 42"
    assert server.mails == [RAW]
    assert server.commands == [
        "EHLO countersign.example",
        f"MAIL FROM:<{SENDER}>",
        f"RCPT TO:<{RECIPIENT}>",
        "DATA",
        "QUIT",
    ]


async def test_bare_line_feeds_reach_the_server_as_crlf(server: Any, settings_for: Settings) -> None:
    await deliver(
        b"Subject: x\n\nbody\n.\nMAIL FROM:<evil@x.example>", SENDER, RECIPIENT, settings_for(server)
    )
    assert server.mails == [b"Subject: x\r\n\r\nbody\r\n.\r\nMAIL FROM:<evil@x.example>\r\n"]


@pytest.mark.parametrize("place", ["GREETING", "EHLO", "MAIL", "RCPT", "DATA", "DOT"])
async def test_a_4xx_reply_anywhere_is_temporary(server: Any, settings_for: Settings, place: str) -> None:
    server.replies = {place: "451 4.7.1 come back later", "HELO": "451 4.7.1 come back later"}
    failed = await failure(settings_for(server))
    assert (failed.kind, failed.code) == (FailureKind.TEMPORARY, 451)
    assert failed.reply == "451 4.7.1 come back later"


async def test_421_is_temporary_and_closes_the_connection(server: Any, settings_for: Settings) -> None:
    server.replies = {"MAIL": "421 shutting down"}
    assert (await failure(settings_for(server))).kind is FailureKind.TEMPORARY


async def test_5xx_on_rcpt_concerns_this_recipient_only(server: Any, settings_for: Settings) -> None:
    server.replies = {"RCPT": "550 5.1.1 no such user"}
    failed = await failure(settings_for(server))
    assert (failed.kind, failed.code) == (FailureKind.RECIPIENT_REJECTED, 550)
    assert "no such user" in failed.message
    assert server.mails == []


@pytest.mark.parametrize("place", ["MAIL", "DATA", "DOT"])
async def test_5xx_elsewhere_is_our_fault(server: Any, settings_for: Settings, place: str) -> None:
    server.replies = {place: "554 5.7.1 not from you"}
    failed = await failure(settings_for(server))
    assert (failed.kind, failed.code) == (FailureKind.REJECTED, 554)


@pytest.mark.parametrize("place", ["GREETING", "EHLO"])
async def test_5xx_before_any_mail_is_no_mails_fault(server: Any, settings_for: Settings, place: str) -> None:
    server.replies = {place: "554 5.7.1 not from you", "HELO": "554 5.7.1 not from you"}
    assert (await failure(settings_for(server))).kind is FailureKind.CONNECTION


@pytest.mark.parametrize("place", ["GREETING", "EHLO", "MAIL", "RCPT", "DATA"])
async def test_a_connection_cut_before_the_body_means_that_nothing_was_sent(
    server: Any, settings_for: Settings, place: str
) -> None:
    server.hangs_up_at = place
    failed = await failure(settings_for(server))
    assert (failed.kind, failed.code, server.mails) == (FailureKind.CONNECTION, None, [])


async def test_a_connection_cut_before_the_dot_means_that_nothing_was_sent(
    server: Any, settings_for: Settings
) -> None:
    server.hangs_up_at = "BODY"
    failed = await failure(settings_for(server), raw=HUGE)
    assert (failed.kind, server.mails) == (FailureKind.CONNECTION, [])


async def test_a_server_that_ends_the_session_while_the_body_is_on_its_way_was_sent_no_dot(
    server: Any, settings_for: Settings
) -> None:
    server.says_goodbye_at_body = True
    failed = await failure(settings_for(server), raw=HUGE)
    assert (failed.kind, server.mails) == (FailureKind.CONNECTION, [])


async def test_a_server_that_stops_reading_before_the_dot_was_sent_nothing(
    server: Any, settings_for: Settings
) -> None:
    server.silent_at = "BODY"
    failed = await failure(settings_for(server, data_timeout=0.3), raw=HUGE)
    assert failed.kind is FailureKind.CONNECTION


@pytest.mark.parametrize("place", ["GREETING", "MAIL", "RCPT", "DATA"])
async def test_no_reply_in_time_before_the_body_means_that_nothing_was_sent(
    server: Any, settings_for: Settings, place: str
) -> None:
    server.silent_at = place
    failed = await failure(settings_for(server, connect_timeout=0.2, command_timeout=0.2))
    assert failed.kind is FailureKind.CONNECTION


async def test_a_closed_port_means_that_nothing_was_sent(server: Any, settings_for: Settings) -> None:
    await server.stop()
    failed = await failure(settings_for(server))
    assert failed.kind is FailureKind.CONNECTION
    assert f"127.0.0.1:{server.port}" in failed.message


async def test_a_connection_cut_after_the_dot_leaves_the_outcome_unknown(
    server: Any, settings_for: Settings
) -> None:
    server.hangs_up_at = "DOT"
    failed = await failure(settings_for(server))
    assert failed.kind is FailureKind.UNKNOWN_AFTER_DOT
    assert failed.kind.maybe_duplicate
    assert server.mails == [RAW]


async def test_no_reply_in_time_after_the_dot_leaves_the_outcome_unknown(
    server: Any, settings_for: Settings
) -> None:
    server.silent_at = "DOT"
    failed = await failure(settings_for(server, data_timeout=0.2))
    assert (failed.kind, server.mails) == (FailureKind.UNKNOWN_AFTER_DOT, [RAW])


@pytest.mark.parametrize(
    ("place", "kind"), [("MAIL", FailureKind.CONNECTION), ("DOT", FailureKind.UNKNOWN_AFTER_DOT)]
)
async def test_a_reply_that_makes_no_sense_counts_as_none(
    server: Any, settings_for: Settings, place: str, kind: FailureKind
) -> None:
    server.replies = {place: "hello?"}
    assert (await failure(settings_for(server))).kind is kind


@pytest.mark.parametrize(
    "recipient",
    [
        "a@x.example, b@x.example",
        "Anna <a@x.example>",
        "a@x.example\r\nRCPT TO:<b@x.example>",
        "a@x\0.example",
        "",
    ],
)
async def test_a_recipient_that_is_not_one_plain_address_never_reaches_the_server(
    server: Any, settings_for: Settings, recipient: str
) -> None:
    failed = await failure(settings_for(server), recipient=recipient)
    assert (failed.kind, server.connections) == (FailureKind.RECIPIENT_REJECTED, 0)


async def test_an_idn_recipient_is_written_as_a_label(server: Any, settings_for: Settings) -> None:
    await deliver(RAW, SENDER, "anna@bücher.example", settings_for(server))
    assert "RCPT TO:<anna@xn--bcher-kva.example>" in server.commands


async def test_what_the_server_says_is_kept_on_one_line_and_short(
    server: Any, settings_for: Settings
) -> None:
    server.replies = {"RCPT": "550-no\r\n550 " + "\x1b[31m" + "x" * 2_000}
    failed = await failure(settings_for(server))
    assert failed.reply is not None
    assert failed.reply.isprintable()
    assert len(failed.reply) <= 500


class TestEncryption:
    async def test_starttls_encrypts_before_anything_is_said(
        self, server: Any, settings_for: Settings, tls: ssl.SSLContext, certificate: Path
    ) -> None:
        server.offers, server.tls = ["STARTTLS"], tls
        await deliver(RAW, SENDER, RECIPIENT, settings_for(server, tls=Tls.STARTTLS, ca_file=certificate))
        assert server.commands[:2] == ["EHLO countersign.example", "STARTTLS"]
        assert server.mails == [RAW]

    async def test_without_an_offer_of_starttls_nothing_is_sent_in_clear(
        self, server: Any, settings_for: Settings
    ) -> None:
        failed = await failure(settings_for(server, tls=Tls.STARTTLS))
        assert failed.kind is FailureKind.CONNECTION
        assert server.commands == ["EHLO countersign.example"]

    async def test_a_failing_starttls_is_temporary(self, server: Any, settings_for: Settings) -> None:
        server.offers, server.replies = ["STARTTLS"], {"STARTTLS": "454 TLS not available"}
        assert (await failure(settings_for(server, tls=Tls.STARTTLS))).kind is FailureKind.TEMPORARY

    async def test_implicit_tls_encrypts_from_the_start(
        self, server: Any, settings_for: Settings, tls: ssl.SSLContext, certificate: Path
    ) -> None:
        await server.stop()
        server.tls = tls
        await server.start(implicit_tls=True)
        await deliver(RAW, SENDER, RECIPIENT, settings_for(server, tls=Tls.IMPLICIT, ca_file=certificate))
        assert server.mails == [RAW]

    async def test_a_certificate_nobody_vouches_for_is_not_accepted(
        self, server: Any, settings_for: Settings, tls: ssl.SSLContext
    ) -> None:
        server.offers, server.tls = ["STARTTLS"], tls
        failed = await failure(settings_for(server, tls=Tls.STARTTLS))
        assert failed.kind is FailureKind.CONNECTION
        assert "certificate" in failed.message.lower()
        assert server.mails == []

    async def test_unless_validation_is_switched_off(
        self, server: Any, settings_for: Settings, tls: ssl.SSLContext
    ) -> None:
        server.offers, server.tls = ["STARTTLS"], tls
        await deliver(RAW, SENDER, RECIPIENT, settings_for(server, tls=Tls.STARTTLS, validate_certs=False))
        assert server.mails == [RAW]


class TestAuthentication:
    async def test_the_right_password_gets_in(self, server: Any, settings_for: Settings) -> None:
        server.offers = ["AUTH PLAIN"]
        await deliver(RAW, SENDER, RECIPIENT, settings_for(server, username="user", password="right"))
        assert server.mails == [RAW]

    async def test_a_refused_password_costs_no_mail_and_is_not_repeated_to_anybody(
        self, server: Any, settings_for: Settings
    ) -> None:
        server.offers = ["AUTH PLAIN"]
        settings = settings_for(server, username="user", password="hunter2")
        failed = await failure(settings)
        assert (failed.kind, failed.code) == (FailureKind.CONNECTION, 535)
        assert "hunter2" not in f"{failed!r} {failed.message} {settings!r}"

    async def test_a_username_where_auth_is_not_offered_costs_no_mail(
        self, server: Any, settings_for: Settings
    ) -> None:
        failed = await failure(settings_for(server, username="user", password="right"))
        assert failed.kind is FailureKind.CONNECTION
        assert "AUTH" in failed.message

    def test_a_password_never_travels_in_clear(self, settings_for: Settings, server: Any) -> None:
        with pytest.raises(ValidationError, match="needs starttls or implicit"):
            settings_for(server, host="mail.example", username="user", password="right")

    def test_a_username_needs_a_password(self, settings_for: Settings, server: Any) -> None:
        with pytest.raises(ValidationError, match="both or neither"):
            settings_for(server, username="user")


class TestOneConnectionForSeveralMails:
    async def test_a_round_of_mails_uses_one_connection(self, server: Any, settings_for: Settings) -> None:
        async with Outgoing(settings_for(server)) as outgoing:
            for _ in range(3):
                await outgoing.deliver(RAW, SENDER, RECIPIENT)
        assert (server.connections, len(server.mails)) == (1, 3)

    async def test_mails_handed_over_at_once_do_not_mix(self, server: Any, settings_for: Settings) -> None:
        raws = [f"Subject: {n}\r\n\r\nx\r\n".encode() for n in range(5)]
        async with Outgoing(settings_for(server)) as outgoing:
            await asyncio.gather(*(outgoing.deliver(raw, SENDER, RECIPIENT) for raw in raws))
        assert sorted(server.mails) == raws

    async def test_a_refused_recipient_does_not_disturb_the_next_mail(
        self, server: Any, settings_for: Settings
    ) -> None:
        async with Outgoing(settings_for(server)) as outgoing:
            server.replies = {"RCPT": "550 no such user"}
            with pytest.raises(DeliveryFailure):
                await outgoing.deliver(RAW, SENDER, RECIPIENT)
            server.replies = {}
            await outgoing.deliver(RAW, SENDER, RECIPIENT)
        assert (server.connections, server.mails) == (1, [RAW])
        assert "RSET" in server.commands

    async def test_a_connection_lost_in_between_is_opened_anew(
        self, server: Any, settings_for: Settings
    ) -> None:
        async with Outgoing(settings_for(server)) as outgoing:
            await outgoing.deliver(RAW, SENDER, RECIPIENT)
            server.hang_up()
            await outgoing.deliver(RAW, SENDER, RECIPIENT)
        assert (server.connections, len(server.mails)) == (2, 2)

    async def test_after_a_failure_the_next_mail_gets_a_new_connection(
        self, server: Any, settings_for: Settings
    ) -> None:
        async with Outgoing(settings_for(server)) as outgoing:
            server.hangs_up_at = "DOT"
            with pytest.raises(DeliveryFailure):
                await outgoing.deliver(RAW, SENDER, RECIPIENT)
            server.hangs_up_at = None
            await outgoing.deliver(RAW, SENDER, RECIPIENT)
        assert server.connections == 2

    async def test_a_cancelled_delivery_leaves_no_connection_behind(
        self, server: Any, settings_for: Settings
    ) -> None:
        server.silent_at = "DOT"
        async with Outgoing(settings_for(server)) as outgoing:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(outgoing.deliver(RAW, SENDER, RECIPIENT), 0.2)
            server.silent_at = None
            await outgoing.deliver(RAW, SENDER, RECIPIENT)
        assert server.connections == 2
