"""The mail catcher takes what real SMTP clients send."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from activities.mail.delivery import DeliveryFailure, MailSettings, Outgoing, Tls, deliver
from activities.mail.message import compose
from activities.mail.render import Rendered
from domain.delivery import FailureKind
from domain.mail import MailGroup
from starter.dev.mailcatcher import MailCatcher

SENDER = "noreply@countersign.example"


def mail(subject: str, recipient: str = "anna@customer.example") -> bytes:
    return compose(
        mail_id="m1",
        sender=SENDER,
        sender_name="Countersign",
        recipient=recipient,
        at=datetime(2026, 3, 2, tzinfo=UTC),
        rendered=Rendered(subject, "Grüsse\n.punkt\n", "<p>Grüsse</p>"),
        group=MailGroup.ORDERING,
        process="order-1",
    )


def settings(catcher: MailCatcher) -> MailSettings:
    return MailSettings(
        host="127.0.0.1", port=catcher.port, sender=SENDER, sender_name="Countersign", tls=Tls.NONE
    )


async def test_a_caught_mail_can_be_read_in_memory_and_as_a_file(tmp_path: Path) -> None:
    async with MailCatcher(tmp_path / "mails") as catcher:
        await deliver(mail("Grüezi"), SENDER, "anna@customer.example", settings(catcher))
        caught = await catcher.wait_for(lambda mail: mail.subject == "Grüezi")
    assert (caught.sender, caught.recipient) == (SENDER, "anna@customer.example")
    assert caught.message_id == "<m1@countersign.example>"
    assert (caught.text, caught.html) == ("Grüsse\n.punkt\n", "<p>Grüsse</p>\n")
    assert caught.raw == mail("Grüezi")
    [file] = (tmp_path / "mails").iterdir()
    assert file.suffix == ".eml"
    assert file.read_bytes() == caught.raw


async def test_waiting_ends_when_the_mail_arrives() -> None:
    async with MailCatcher() as catcher:
        waiting = asyncio.create_task(catcher.wait_for(lambda mail: mail.subject == "second"))
        async with Outgoing(settings(catcher)) as outgoing:
            await outgoing.deliver(mail("first"), SENDER, "anna@customer.example")
            await outgoing.deliver(mail("second"), SENDER, "anna@customer.example")
        assert (await waiting).subject == "second"
        assert [caught.subject for caught in catcher.messages] == ["first", "second"]


async def test_waiting_in_vain_names_what_did_arrive() -> None:
    async with MailCatcher() as catcher:
        await deliver(mail("other"), SENDER, "anna@customer.example", settings(catcher))
        with pytest.raises(TimeoutError, match=r"anna@customer\.example: other"):
            await catcher.wait_for(lambda mail: mail.subject == "missing", timeout=0.05)


async def test_a_mailbox_that_it_does_not_know_is_refused_for_good() -> None:
    async with MailCatcher() as catcher:
        catcher.unknown.add("gone@customer.example")
        async with Outgoing(settings(catcher)) as outgoing:
            with pytest.raises(DeliveryFailure, match=r"550 5\.1\.1") as refused:
                await outgoing.deliver(mail("x"), SENDER, "gone@customer.example")
            await outgoing.deliver(mail("x"), SENDER, "anna@customer.example")
        assert refused.value.kind is FailureKind.RECIPIENT_REJECTED
        assert [caught.recipient for caught in catcher.messages] == ["anna@customer.example"]


async def test_a_stopped_catcher_frees_its_port() -> None:
    first = MailCatcher()
    await first.start()
    async with Outgoing(settings(first)) as outgoing:
        await outgoing.deliver(mail("x"), SENDER, "anna@customer.example")
        await first.stop()
    async with MailCatcher(port=first.port) as second:
        assert second.port == first.port
