"""What becomes of a provisioning mail is its line's business, until somebody else is asked (L7, L10, L21)."""

from __future__ import annotations

from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.notices import Notices
from domain.contact import Contact, DeliverMail, MailDelivery
from domain.errors import Code, Refusal
from domain.mail import MailFacts, Template
from domain.transitions import Announcement, Audience, Notice
from storage import mails
from storage.tables import MailStatus
from tests.activities.mail.conftest import SmtpServer
from tests.activities.post import Post
from tests.storage.samples import LINE, step, view

CARLA, DAVE = Contact(email="carla@customer.example"), Contact(email="dave@customer.example")


def asking(contact: Contact) -> Notice:
    audience = Audience(contact=contact)
    return Notice(
        template=Template.PROVISIONING_DETAILS,
        audience=audience,
        facts=MailFacts(order="o1", line=1),
        awaited=True,
    )


async def tell(post: Post, seq: int, *notices: Notice, **now: Any) -> None:
    told = step(seq, view=view("awaiting_provisioning_details", **now), notices=notices)
    await ActivityEnvironment().run(Notices(post.database).announce, Announcement(transitions=(told,)))


async def deliver(post: Post, server: SmtpServer, seq: int) -> MailDelivery:
    return await ActivityEnvironment().run(post.relay(server).deliver, DeliverMail(process=LINE, seq=seq))


async def fates(post: Post) -> dict[str, MailStatus]:
    return {mail.recipient: mail.status for mail in await post.archive() if mail.person == "(contact)"}


async def test_a_former_contact_is_not_asked_by_a_mail_that_was_held_up(
    post: Post, server: SmtpServer
) -> None:
    await tell(post, 1, asking(CARLA))
    server.replies["RCPT"] = "451 4.7.1 come back later"
    with pytest.raises(ApplicationError, match="come back later"):
        await deliver(post, server, 1)
    server.replies.clear()
    await tell(post, 2, asking(DAVE))
    assert not (await deliver(post, server, 1)).accepted
    assert (await deliver(post, server, 2)).accepted
    assert await fates(post) == {CARLA.email: MailStatus.OUTDATED, DAVE.email: MailStatus.ACCEPTED}


async def test_a_refused_provisioning_mail_is_sent_again_by_its_line_alone(
    post: Post, server: SmtpServer
) -> None:
    await tell(post, 1, asking(CARLA))
    server.replies["RCPT"] = "550 5.1.1 no such mailbox"
    assert not (await deliver(post, server, 1)).accepted
    [mail] = [mail for mail in await post.archive() if mail.recipient == CARLA.email]
    async with post.database.session() as session:
        with pytest.raises(Refusal, match="countersign order resend-mail o1 --line 1") as refused:
            await mails.requeue(session, mail.id)
    assert refused.value.code is Code.NOT_ALLOWED
    assert (await fates(post))[CARLA.email] is MailStatus.REJECTED


async def test_nobody_is_asked_for_a_line_that_has_ended(post: Post, server: SmtpServer) -> None:
    await tell(post, 1, asking(CARLA))
    await tell(post, 2, ended=True)
    assert not (await deliver(post, server, 1)).accepted
    assert (server.mails, await fates(post)) == ([], {CARLA.email: MailStatus.OUTDATED})


async def test_a_mail_that_is_under_way_arrives(post: Post, server: SmtpServer) -> None:
    await tell(post, 1, asking(CARLA))
    [mail] = [mail for mail in await post.archive() if mail.recipient == CARLA.email]
    await post.begin(mail)
    await tell(post, 2, ended=True)
    assert await fates(post) == {CARLA.email: MailStatus.AWAITED}
