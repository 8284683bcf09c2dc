"""The link of somebody who cannot sign in: signed when the mail is composed, for that one address alone."""

from __future__ import annotations

import re
from datetime import timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from domain.base import Language
from domain.contact import Contact, DeliverMail
from domain.links import LinkPurpose, LinkSigner
from domain.mail import LinkFact, MailFacts, Template, Why
from domain.transitions import Audience, Notice
from storage import mails
from storage.recipients import recipients
from tests.activities.mail.conftest import SmtpServer
from tests.activities.post import Post
from tests.storage.samples import AT, LINE, step

PORTAL = "https://portal.example"
SIGNER = LinkSigner(["k" * 32])
CARLA = Contact(email="carla@customer.example", name="Carla", language=Language.EN)
EXPIRES = AT + timedelta(days=90)


async def queue(
    post: Post, template: Template, audience: Audience, purpose: LinkPurpose = LinkPurpose.PROVISION
) -> None:
    """Queues what a line writes to its contact, with a copy to whoever reads along."""
    facts = MailFacts(
        order="o1",
        requested_by="Sam",
        command=f"countersign line resend {LINE}",
        link=LinkFact(purpose=purpose, generation=3, expires_at=EXPIRES),
    )
    notice = Notice(template=template, audience=audience, facts=facts, awaited=True)
    transition = step(1, notices=[notice])
    async with post.database.session() as session:
        readers = await recipients(session, audience, notice.template, requester="sam")
        await mails.queue(session, transition, [(notice, readers)])


def sent_to(server: SmtpServer, address: str) -> EmailMessage:
    read = (message_from_bytes(raw, policy=default) for raw in server.mails)
    [mail] = [mail for mail in read if mail["To"] == address]
    assert isinstance(mail, EmailMessage)
    return mail


def bodies(mail: EmailMessage) -> list[str]:
    texts = [str(part.get_content()) for part in mail.iter_parts()]
    assert len(texts) == 2
    return texts


def tokens(text: str) -> set[str]:
    return set(re.findall(rf"{PORTAL}/links/([A-Za-z0-9_.-]+)", text))


async def test_the_contacts_link_says_what_it_permits_and_is_good_for_nobody_else(
    post: Post, server: SmtpServer
) -> None:
    await queue(post, Template.PROVISIONING_DETAILS, Audience(contact=CARLA))
    relay = post.relay(server, public_url=PORTAL, signer=SIGNER)
    answer = await ActivityEnvironment().run(relay.deliver, DeliverMail(process=LINE, seq=1))
    assert answer.accepted
    text, html = bodies(sent_to(server, CARLA.email))
    assert tokens(text) == tokens(html)
    [token] = tokens(text)
    claims = SIGNER.read(token, AT)
    assert (claims.process, claims.purpose, claims.generation) == (LINE, LinkPurpose.PROVISION, 3)
    assert claims.expires_at == EXPIRES
    assert claims.is_for(CARLA.email)
    assert not claims.is_for("eve@customer.example")
    # Pages and commands are for those who can sign in.
    assert "/processes/" not in text + html
    assert "countersign line" not in text + html


async def test_a_mail_that_is_tried_again_carries_the_same_link(post: Post, server: SmtpServer) -> None:
    server.hangs_up_at = "DOT"
    await queue(post, Template.PROVISIONING_DETAILS, Audience(contact=CARLA))
    wanted = DeliverMail(process=LINE, seq=1)
    with pytest.raises(ApplicationError, match="the final dot"):
        await ActivityEnvironment().run(post.relay(server, public_url=PORTAL, signer=SIGNER).deliver, wanted)
    server.hangs_up_at = None
    rotated = LinkSigner(["n" * 32, "k" * 32])
    post.clock.now = AT + timedelta(hours=1)
    await ActivityEnvironment().run(post.relay(server, public_url=PORTAL, signer=rotated).deliver, wanted)
    first, second = server.mails
    assert first == second


async def test_the_customers_admin_gets_a_link_for_the_set_up_alone(post: Post, server: SmtpServer) -> None:
    audience = Audience(contact=CARLA, contact_is=Why.CUSTOMER_ADMIN)
    await queue(post, Template.CUSTOMER_SET_UP, audience, LinkPurpose.SET_UP)
    relay = post.relay(server, public_url=PORTAL, signer=SIGNER)
    await ActivityEnvironment().run(relay.deliver, DeliverMail(process=LINE, seq=1))
    text, _ = bodies(sent_to(server, CARLA.email))
    [token] = tokens(text)
    assert SIGNER.read(token, AT).purpose is LinkPurpose.SET_UP


@pytest.mark.parametrize("seq", range(1, 9))
async def test_the_mail_that_is_waited_for_is_the_new_contacts_not_the_former_ones(
    post: Post, server: SmtpServer, seq: int
) -> None:
    dave = Contact(email="dave@customer.example")
    notices = [
        Notice(
            template=template,
            audience=Audience(contact=contact),
            facts=MailFacts(order="o1"),
            awaited=template is Template.PROVISIONING_DETAILS,
        )
        for template, contact in (
            (Template.PROVISIONING_DETAILS, dave),
            (Template.CONTACT_CHANGED, CARLA),
        )
    ]
    async with post.database.session() as session:
        queued = [
            (each, await recipients(session, each.audience, each.template, requester="sam"))
            for each in notices
        ]
        await mails.queue(session, step(seq, notices=notices), queued)
    await ActivityEnvironment().run(post.relay(server).deliver, DeliverMail(process=LINE, seq=seq))
    assert sent_to(server, dave.email)


async def test_everybody_else_who_gets_the_mail_gets_no_link(post: Post, server: SmtpServer) -> None:
    audience = Audience(contact=CARLA, people=("sam",), organisations=("reseller",), workflow_mails=True)
    facts = MailFacts(
        order="o1", link=LinkFact(purpose=LinkPurpose.PROVISION, generation=1, expires_at=EXPIRES)
    )
    notice = Notice(template=Template.LINE_CLOSED, audience=audience, facts=facts)
    async with post.database.session() as session:
        readers = await recipients(session, audience, notice.template, requester="sam")
        await mails.queue(session, step(1, notices=[notice]), [(notice, readers)])
    assert await post.relay(server, public_url=PORTAL, signer=SIGNER).hand_over_due() == 3
    carla, sam, helpdesk = (
        "".join(bodies(sent_to(server, address)))
        for address in (CARLA.email, "sam@reseller.example", "helpdesk@reseller.example")
    )
    assert len(tokens(carla)) == 1
    assert tokens(sam) == set()
    assert f"{PORTAL}/processes/{LINE}" in sam
    assert "://" not in helpdesk


async def test_where_no_pages_are_served_the_mail_carries_the_command_that_opens_the_link(
    post: Post, server: SmtpServer
) -> None:
    await queue(post, Template.PROVISIONING_DETAILS, Audience(contact=CARLA, people=("sam",)))
    relay = post.relay(server, signer=SIGNER)
    await ActivityEnvironment().run(relay.deliver, DeliverMail(process=LINE, seq=1))
    await relay.hand_over_due()
    for body in bodies(sent_to(server, CARLA.email)):
        assert "://" not in body
        assert "ask Sam for it" not in " ".join(body.split())
        [token] = re.findall(r"countersign link show ([A-Za-z0-9_.-]+)", body)
        assert SIGNER.read(token, AT).is_for(CARLA.email)
    for body in bodies(sent_to(server, "sam@reseller.example")):
        assert "countersign link show" not in body
        assert "://" not in body


@pytest.mark.parametrize("options", [{"public_url": PORTAL}, {}])
async def test_where_links_cannot_be_signed_the_mail_goes_out_and_says_whom_to_ask(
    post: Post, server: SmtpServer, options: dict[str, object]
) -> None:
    await queue(post, Template.PROVISIONING_DETAILS, Audience(contact=CARLA))
    relay = post.relay(server, **options)
    await ActivityEnvironment().run(relay.deliver, DeliverMail(process=LINE, seq=1))
    for body in bodies(sent_to(server, CARLA.email)):
        assert "ask Sam for it" in " ".join(body.split())
        assert "://" not in body
