"""What operators hear of mails that do not arrive, from the relay on a real mail server's refusals."""

from __future__ import annotations

import asyncio
import email
import email.policy
from dataclasses import replace
from datetime import timedelta

import pytest

from activities.mail.delivery import DeliveryFailure
from domain.base import Language
from domain.delivery import FailureKind
from domain.mail import Template, Why
from storage import alarms, mails
from storage.database import Database
from storage.mails import Mail
from storage.recipients import Recipient
from storage.tables import MailStatus
from tests.activities.mail.conftest import SmtpServer
from tests.activities.post import ADA, BOB, Post
from tests.storage.samples import AT, LINE

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
UNKNOWN = DeliveryFailure(FailureKind.RECIPIENT_REJECTED, "RCPT: 550 no such user")


async def told(post: Post) -> list[Mail]:
    """The alarms, the oldest first."""
    found = [mail for mail in await post.archive() if mail.template is Template.MAILS_UNDELIVERED]
    return sorted(found, key=lambda mail: mail.at)


async def refuse(post: Post, server: SmtpServer, *recipients: Recipient, count: int = 1) -> None:
    """A round in which the mail server refuses whatever is due."""
    server.replies["RCPT"] = "550 no such user"
    await post.queue(*recipients, count=count)
    await post.relay(server).hand_over_due()
    server.replies.clear()


async def test_the_operators_of_the_provider_are_told_at_once_what_will_not_arrive(
    post: Post, server: SmtpServer
) -> None:
    await refuse(post, server, ADA)
    [alarm] = await told(post)
    assert (alarm.person, alarm.why, alarm.at) == ("olga", Why.OPERATOR, AT)
    assert await post.relay(server, public_url="https://c.example").hand_over_due() == 1
    mail = email.message_from_bytes(server.mails[0], policy=email.policy.default)
    body = mail.get_body(("plain",))
    assert body is not None
    text = body.get_content()
    assert mail["To"] == "olga@acme.example"
    for part in ("ada@contoso.example", LINE, "550 no such user", "countersign mails list"):
        assert part in text
    assert "https://c.example" not in text, "there is no page of the relay"


async def test_what_is_refused_in_one_round_is_one_alarm(post: Post, server: SmtpServer) -> None:
    await refuse(post, server, ADA, BOB, count=3)
    [alarm] = await told(post)
    assert len(alarm.facts.details) == 6
    refused = {mail.id for mail in await post.archive() if mail.status is MailStatus.REJECTED}
    assert {line.partition(":")[0] for line in alarm.facts.details} == refused


async def test_what_is_refused_within_the_hour_waits_for_the_next_alarm(
    post: Post, server: SmtpServer
) -> None:
    await refuse(post, server, ADA)
    relay = post.relay(server)
    assert await relay.hand_over_due() == 1
    for number in range(3):
        post.clock.now += 10 * MINUTE
        late = Recipient(f"late{number}", "Late", f"late{number}@contoso.example", Language.EN, Why.APPROVER)
        await refuse(post, server, late)
    first, second = await told(post)
    assert (second.at, len(second.facts.details)) == (first.at + HOUR, 3)
    assert await relay.hand_over_due() == 0
    post.clock.now = AT + HOUR
    assert await relay.hand_over_due() == 1

    post.clock.now = AT + timedelta(days=1)
    await refuse(post, server, BOB)
    assert (await told(post))[2].at == post.clock.now, "after a quiet time the next goes out at once"


async def test_an_alarm_that_is_refused_itself_alarms_nobody(post: Post, server: SmtpServer) -> None:
    await refuse(post, server, ADA)
    await refuse(post, server)
    [alarm] = await told(post)
    assert alarm.status is MailStatus.REJECTED


async def test_a_mail_given_up_or_not_writable_is_told_as_well(post: Post, server: SmtpServer) -> None:
    hostile = Recipient("eve", "Eve", "eve@x.example\r\nBcc: a@evil.example\x1b", Language.EN, Why.APPROVER)
    await post.queue(ADA)
    [mail] = await post.archive()
    tired = replace(await post.begin(mail), attempts=1000)
    await post.relay(server)._note_failure(tired, DeliveryFailure(FailureKind.TEMPORARY, "421 busy"))
    await post.queue(hostile)
    await post.relay(server, connections=1).hand_over_due()
    [alarm] = await told(post)
    given_up, unwritable = alarm.facts.details
    assert "421 busy" in given_up
    assert "cannot be written" in unwritable
    assert all(line.isprintable() for line in alarm.facts.details)


async def test_an_end_that_is_written_down_twice_is_told_once(post: Post, server: SmtpServer) -> None:
    await post.queue(ADA)
    begun = await post.begin(await post.only())
    for _ in range(2):
        await post.relay(server)._note_failure(begun, UNKNOWN)
    [alarm] = await told(post)
    assert len(alarm.facts.details) == 1


async def test_relays_that_fail_side_by_side_write_one_alarm(
    post: Post, server: SmtpServer, database_url: str
) -> None:
    another = Database(database_url)
    await post.queue(ADA, BOB, count=4)
    begun = [await post.begin(mail) for mail in await post.archive()]
    relays = (post.relay(server), post.relay(server, another))
    await asyncio.gather(*(relays[n % 2]._note_failure(mail, UNKNOWN) for n, mail in enumerate(begun)))
    await another.dispose()
    [alarm] = await told(post)
    assert len(alarm.facts.details) == 8


async def test_a_mail_sent_again_and_refused_again_is_told_again(post: Post, server: SmtpServer) -> None:
    await refuse(post, server, ADA)
    await post.relay(server).hand_over_due()
    [refused] = [mail for mail in await post.archive() if mail.status is MailStatus.REJECTED]
    async with post.database.session() as session:
        await mails.requeue(session, refused.id)
    post.clock.now += 2 * HOUR
    await refuse(post, server)
    assert len(await told(post)) == 2


async def test_of_very_many_an_alarm_gives_the_number(
    post: Post, server: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alarms, "LISTED", 2)
    await refuse(post, server, ADA, BOB, count=2)
    await post.relay(server).hand_over_due()
    [alarm] = await told(post)
    assert (len(alarm.facts.details), alarm.facts.further) == (2, 2)
    assert b"Subject: Mails not delivered: 4" in server.mails[0]


async def test_without_a_provider_nobody_is_told_and_nothing_stops(
    database: Database, server: SmtpServer
) -> None:
    post = Post(database)
    await refuse(post, server, ADA)
    assert await told(post) == []
