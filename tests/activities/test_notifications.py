"""What people chose to be told of, from a process's notice to the mail that a server takes."""

from __future__ import annotations

from datetime import datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from temporalio.testing import ActivityEnvironment

from activities.notices import Notices
from domain.contact import Contact
from domain.digests import hour_of
from domain.line import OpenTask
from domain.mail import MailFacts, MailGroup, RecordFact, Template, Why
from domain.notifications import Choice, NotificationChoice
from domain.organisations import ApprovalMails, Directory, Permission
from domain.transitions import Announcement, Audience, Notice
from storage import directory, notifications
from storage.tables import MailStatus
from tests.activities.mail.conftest import SmtpServer
from tests.activities.post import Post
from tests.storage.samples import AT, DIRECTORY, HOUR, LINE, PARTIES, open_approval, seats, step, view

EIGHT = hour_of(AT)
NINE, TEN = EIGHT + HOUR, EIGHT + 2 * HOUR
MINUTE = timedelta(minutes=1)
PORTAL = "https://portal.example"
PARTNER = {"organisations": ("reseller",), "permission": Permission.NOTIFY}
RECORD = RecordFact(owner="contoso.test", relative_owner="@", rrtype="TXT", value="token", verdict="MISSING")


async def choose(post: Post, person: str, choice: Choice, group: MailGroup = MailGroup.SERVICES) -> None:
    made = NotificationChoice(organisation="reseller", group=group, choice=choice)
    async with post.database.session() as session:
        await notifications.choose(session, person, made)


async def tell(
    post: Post, seq: int, template: Template, at: datetime = EIGHT, now: Any = None, **audience: Any
) -> None:
    """Announces a step of a line that tells an audience, the partner's people if none is given."""
    notice = Notice(
        template=template,
        audience=Audience(**(audience or PARTNER)),
        facts=MailFacts(order="o1", line=1, records=(RECORD,) if template is Template.OPEN_TASKS else ()),
    )
    told = step(seq, at=at, view=now or view("provisioning", open_tasks=(OpenTask.DNS,)), notices=[notice])
    await ActivityEnvironment().run(Notices(post.database).announce, Announcement(transitions=(told,)))


def read(server: SmtpServer) -> dict[tuple[str, str], EmailMessage]:
    """What the server took, by first recipient and group."""
    found: dict[tuple[str, str], EmailMessage] = {}
    for raw in server.mails:
        mail = message_from_bytes(raw, policy=default)
        assert isinstance(mail, EmailMessage)
        found[mail["To"].partition("@")[0], mail["X-Countersign-Group"]] = mail
    assert len(found) == len(server.mails)
    return found


def text_of(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


# One mail an hour


async def test_news_of_services_come_in_one_mail_when_the_hour_is_over(
    post: Post, server: SmtpServer
) -> None:
    await choose(post, "tess", Choice.HOURLY)
    await tell(post, 1, Template.LINE_MAPPED)
    await tell(post, 2, Template.OPEN_TASKS, EIGHT + MINUTE)
    relay = post.relay(server, public_url=PORTAL)
    post.clock.now = NINE - MINUTE
    assert await relay.hand_over_due() == 4
    assert {mail.person for mail in await post.archive() if mail.status is MailStatus.ACCEPTED} == {
        "sam",
        "helpdesk",
    }

    server.mails.clear()
    post.clock.now = NINE
    assert await relay.hand_over_due() == 1
    mail = read(server)["tess", "services"]
    assert mail["Subject"] == "News of your services: 2"
    text = text_of(mail)
    assert "1. Linked to its organisation: order o1, line 1" in text
    assert "2. Open tasks: order o1, line 1" in text
    assert "   Value: token" in text.splitlines()
    assert text.count(f"{PORTAL}/processes/{LINE}") == 2
    assert "you are notified of the group “Services”" in " ".join(text.split())
    collected = [mail for mail in await post.archive() if mail.status is MailStatus.COLLECTED]
    assert len({mail.digest for mail in collected}) == 1
    assert [mail.template for mail in collected] == [Template.OPEN_TASKS, Template.LINE_MAPPED]


async def test_tasks_that_are_done_before_the_hour_is_over_are_not_told(
    post: Post, server: SmtpServer
) -> None:
    await choose(post, "tess", Choice.HOURLY)
    await tell(post, 1, Template.OPEN_TASKS)
    await tell(post, 2, Template.PROVISIONED, EIGHT + MINUTE, view("provisioned", ended=True))
    post.clock.now = NINE
    await post.relay(server).hand_over_due()
    mail = next(mail for mail in await post.archive() if mail.template is Template.SERVICES_DIGEST)
    assert [each.template for each in mail.facts.services] == [Template.PROVISIONED]


async def test_what_orders_are_about_comes_at_once_whatever_somebody_chose_for_services(
    post: Post, server: SmtpServer
) -> None:
    await choose(post, "tess", Choice.HOURLY)
    await tell(post, 1, Template.CANCELLED)
    assert await post.relay(server).hand_over_due() == 3
    assert ("tess", "ordering") in read(server)


async def test_approvals_and_news_of_the_same_hour_are_two_digests(post: Post, server: SmtpServer) -> None:
    tess = next(each for each in DIRECTORY.people if each.key == "tess")
    hourly = tess.model_copy(update={"approval_mails": ApprovalMails.HOURLY})
    async with post.database.session() as session:
        await directory.load_directory(session, Directory(organisations=(), people=(hourly,)))
    await choose(post, "tess", Choice.HOURLY)
    await tell(post, 1, Template.PROVISIONED)
    asked = view(approval=open_approval(roster=seats("tess")))
    await tell(post, 2, Template.APPROVAL_REQUESTED, now=asked, roster=True)
    post.clock.now = NINE
    await post.relay(server).hand_over_due()
    subjects = {group: mail["Subject"] for (to, group), mail in read(server).items() if to == "tess"}
    assert subjects == {
        "ordering": "Approvals waiting for you: 1",
        "services": "News of your services: 1",
    }
    assert await post.relay(server).hand_over_due() == 0


# None at all


async def test_whoever_switched_a_group_off_gets_nothing_of_it(post: Post, server: SmtpServer) -> None:
    await choose(post, "tess", Choice.OFF)
    await tell(post, 1, Template.PROVISIONED)
    await post.relay(server).hand_over_due()
    assert {to for to, _ in read(server)} == {"sam", "helpdesk"}


async def test_a_step_that_tells_several_is_read_along_once(post: Post, server: SmtpServer) -> None:
    audiences = [
        Audience(people=("sam",), organisations=("reseller",), workflow_mails=True),
        Audience(contact=Contact(email="carla@customer.example")),
    ]
    notices = [
        Notice(template=Template.LINE_CLOSED, audience=each, facts=MailFacts(order="o1"))
        for each in audiences
    ]
    told = step(1, view=view("closed"), notices=notices)
    await ActivityEnvironment().run(Notices(post.database).announce, Announcement(transitions=(told,)))
    readers = sorted(mail.person for mail in await post.archive())
    assert readers == ["(contact)", "helpdesk", "sam"]


async def test_the_copy_of_an_awaited_mail_goes_the_usual_way(post: Post, server: SmtpServer) -> None:
    details = Notice(
        template=Template.PROVISIONING_DETAILS,
        audience=Audience(contact=Contact(email="carla@customer.example")),
        facts=MailFacts(order="o1"),
        awaited=True,
    )
    told = step(1, view=view("scheduled"), notices=[details])
    await ActivityEnvironment().run(Notices(post.database).announce, Announcement(transitions=(told,)))
    statuses = {mail.why: mail.status for mail in await post.archive()}
    assert statuses == {Why.CONTACT: MailStatus.AWAITED, Why.WORKFLOW_MAILS: MailStatus.QUEUED}


# Where to switch off


async def test_mails_that_can_be_switched_off_say_where_and_no_others_do(
    post: Post, server: SmtpServer
) -> None:
    await tell(post, 1, Template.PROVISIONED)
    await tell(post, 2, Template.CLOSURE_WARNING, people=("sam",))
    await tell(post, 3, Template.APPROVAL_REQUESTED, people=("ada",), now=asked_of("ada"), roster=True)
    await tell(post, 4, Template.FAILED, organisations=(PARTIES.provider,), permission=Permission.OPERATE)
    await tell(post, 5, Template.PROVISIONING_DETAILS, contact=Contact(email="carla@customer.example"))
    await post.relay(server, public_url=PORTAL).hand_over_due()
    said = {}
    for mail in await post.archive():
        parsed = message_from_bytes(mail.raw or b"", policy=default)
        said[mail.template, mail.why] = parsed["List-Unsubscribe"]
    where = said.pop((Template.PROVISIONED, Why.NOTIFY))
    assert where in {f"<{PORTAL}/people/{person}/notifications?group=services>" for person in ("sam", "tess")}
    assert set(said.values()) == {None}
    assert {why for _, why in said} >= {
        Why.APPROVER,
        Why.REQUESTER,
        Why.OPERATOR,
        Why.CONTACT,
        Why.WORKFLOW_MAILS,
    }


def asked_of(person: str) -> Any:
    return view(approval=open_approval(roster=seats(person)))


async def test_without_a_page_for_it_an_address_can_take_such_wishes(post: Post, server: SmtpServer) -> None:
    await tell(post, 1, Template.PROVISIONED)
    relay = post.relay(server, settings={"unsubscribe": "stop@countersign.example"})
    await relay.hand_over_due()
    where = read(server)["tess", "services"]["List-Unsubscribe"]
    assert where == "<mailto:stop@countersign.example?subject=notifications%20tess%20services%20off>"


async def test_without_page_or_address_no_header_promises_one(post: Post, server: SmtpServer) -> None:
    await tell(post, 1, Template.PROVISIONED)
    await post.relay(server).hand_over_due()
    mail = read(server)["tess", "services"]
    assert mail["List-Unsubscribe"] is None
    assert "countersign people notifications tess" in text_of(mail).splitlines()
    assert "://" not in text_of(mail)
