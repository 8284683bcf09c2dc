"""Who wants one digest an hour gets one mail in place of many, and it survives what single mails survive."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from activities.notices import Notices
from domain.decisions import ApprovalStatus, Approver
from domain.digests import hour_of
from domain.mail import MailFacts, MailGroup, Template
from domain.organisations import ApprovalMails, Directory
from domain.transitions import Announcement, Audience, Notice, Transition
from storage import digests, directory
from storage.database import Database
from storage.mails import Mail
from storage.tables import MailStatus
from tests.activities.mail.conftest import SENDER, SmtpServer
from tests.activities.post import Post
from tests.storage.samples import AT, DIRECTORY, HOUR, open_approval, seats, step, view

EIGHT = hour_of(AT)
NINE, TEN = EIGHT + HOUR, EIGHT + 2 * HOUR
MINUTE = timedelta(minutes=1)
MOMENT = timedelta(microseconds=1)
ADA_ALONE = seats("ada")
PORTAL = "https://portal.example"
ADAS = ("ada", MailGroup.ORDERING)


@pytest.fixture
async def post(database: Database) -> Post:
    """An outbox in a world in which Ada wants one digest an hour."""
    people = [
        each.model_copy(update={"approval_mails": ApprovalMails.HOURLY}) if each.key == "ada" else each
        for each in DIRECTORY.people
    ]
    async with database.session() as session:
        await directory.load_directory(
            session, Directory(organisations=DIRECTORY.organisations, people=people)
        )
    return Post(database)


def process_of(number: int) -> str:
    return f"order-o{number}-line-1"


def asks(
    number: int,
    at: datetime,
    *,
    seq: int = 1,
    template: Template = Template.APPROVAL_REQUESTED,
    roster: tuple[Approver, ...] = ADA_ALONE,
    people: Iterable[str] = (),
) -> Transition:
    """A step of a process of its own that opens a stage, or asks again."""
    process = process_of(number)
    facts = MailFacts(
        order=f"o{number}",
        line=1,
        process=process,
        stage="Technical",
        deadline=at + 24 * HOUR,
        command=f"countersign approvals approve {process}",
    )
    notice = Notice(
        template=template, audience=Audience(roster=not people, people=tuple(people)), facts=facts
    )
    seen = view("awaiting_approval", order=f"o{number}", approval=open_approval(roster=roster))
    return step(seq, "approval.opened", process=process, at=at, view=seen, notices=[notice])


def decided(number: int, at: datetime, status: ApprovalStatus = ApprovalStatus.APPROVED) -> Transition:
    seen = view("confirmed", order=f"o{number}", approval=open_approval(roster=ADA_ALONE, status=status))
    return step(2, "approval.approve", process=process_of(number), at=at, view=seen)


async def announce(post: Post, *steps: Transition) -> None:
    notices = Notices(post.database)
    for each in steps:
        await ActivityEnvironment().run(notices.announce, Announcement(transitions=(each,)))


async def to(post: Post, person: str) -> list[Mail]:
    return [mail for mail in await post.archive() if mail.person == person]


def read(raw: bytes) -> EmailMessage:
    parsed = message_from_bytes(raw, policy=default)
    assert isinstance(parsed, EmailMessage)
    return parsed


def text_of(raw: bytes) -> str:
    body = read(raw).get_body(("plain",))
    assert body is not None
    return str(body.get_content())


# One mail an hour


async def test_whatever_asks_within_an_hour_comes_in_one_mail_when_the_hour_is_over(
    post: Post, server: SmtpServer
) -> None:
    relay = post.relay(server, public_url=PORTAL)
    await announce(post, asks(1, EIGHT), asks(2, NINE - MOMENT), asks(3, NINE))
    post.clock.now = NINE - MOMENT
    assert await relay.hand_over_due() == 0
    assert {mail.status for mail in await post.archive()} == {MailStatus.COLLECTING}

    post.clock.now = NINE
    assert await relay.hand_over_due() == 1
    (raw,) = server.mails
    text = text_of(raw)
    assert read(raw)["To"] == "ada@contoso.example"
    assert read(raw)["Subject"] == "Genehmigungen, die auf Sie warten: 2"
    for number in (1, 2):
        assert f"Genehmigung erbeten: Bestellung o{number}, Position 1" in text
        assert f"countersign approvals approve {process_of(number)} --as ada" in text
        assert f"{PORTAL}/processes/{process_of(number)}" in text
    assert process_of(3) not in text

    assert await relay.hand_over_due() == 0
    post.clock.now = TEN
    assert await relay.hand_over_due() == 1
    assert read(server.mails[1])["Subject"] == "Genehmigungen, die auf Sie warten: 1"


async def test_nothing_is_sent_in_an_hour_in_which_nothing_was_asked(post: Post, server: SmtpServer) -> None:
    await announce(post, asks(1, EIGHT))
    for hours in range(1, 5):
        post.clock.now = EIGHT + hours * HOUR
        await post.relay(server).hand_over_due()
    assert len(server.mails) == 1


async def test_the_archive_says_in_which_digest_a_mail_went(post: Post, server: SmtpServer) -> None:
    await announce(post, asks(1, EIGHT), asks(2, EIGHT))
    post.clock.now = NINE
    await post.relay(server).hand_over_due()
    mails = {mail.template: mail for mail in await post.archive()}
    digest = mails[Template.APPROVAL_DIGEST]
    assert (digest.status, digest.at, digest.digest) == (MailStatus.ACCEPTED, NINE, None)
    assert read(server.mails[0])["Message-ID"] == f"<{digest.id}@{SENDER.partition('@')[2]}>"
    parts = [mail for mail in await post.archive() if mail is not digest and mail.id != digest.id]
    assert [(mail.status, mail.digest, mail.raw) for mail in parts] == [
        (MailStatus.COLLECTED, digest.id, None)
    ] * 2


async def test_others_and_other_mails_come_at_once(post: Post, server: SmtpServer) -> None:
    both = seats("ada", "bob")
    told = step(
        5,
        process=process_of(1),
        at=EIGHT,
        view=view(approval=open_approval(roster=both)),
        notices=[
            Notice(template=Template.APPROVAL_DENIED, audience=Audience(people=("ada",)), facts=MailFacts())
        ],
    )
    await announce(post, asks(1, EIGHT, roster=both), told)
    assert await post.relay(server).hand_over_due() == 2
    sent = Counter((mail.person, mail.template) for mail in await post.archive() if mail.raw)
    assert sent == {("bob", Template.APPROVAL_REQUESTED): 1, ("ada", Template.APPROVAL_DENIED): 1}


async def test_somebody_who_also_ordered_is_told_of_their_own_request_at_once(
    post: Post, server: SmtpServer
) -> None:
    await announce(post, asks(1, EIGHT, roster=seats("bob"), people=["ada"]))
    assert await post.relay(server).hand_over_due() == 1
    (mail,) = await to(post, "ada")
    assert mail.status is MailStatus.ACCEPTED


# What is not wanted any more


async def test_what_was_decided_or_ended_meanwhile_is_left_out(post: Post, server: SmtpServer) -> None:
    await announce(
        post,
        *(asks(number, EIGHT) for number in (1, 2, 3)),
        decided(1, EIGHT + MINUTE),
        decided(2, EIGHT + MINUTE, ApprovalStatus.WITHDRAWN),
    )
    post.clock.now = NINE
    assert await post.relay(server).hand_over_due() == 1
    text = text_of(server.mails[0])
    assert process_of(3) in text
    assert process_of(1) not in text
    assert process_of(2) not in text
    outcomes = {mail.process: (mail.status, mail.digest is None) for mail in await post.archive()}
    assert outcomes[process_of(1)] == outcomes[process_of(2)] == (MailStatus.OUTDATED, True)
    assert outcomes[process_of(3)] == (MailStatus.COLLECTED, False)


async def test_if_nothing_is_pending_any_more_there_is_no_mail(post: Post, server: SmtpServer) -> None:
    await announce(post, asks(1, EIGHT), decided(1, EIGHT + MINUTE))
    post.clock.now = NINE
    assert await post.relay(server).hand_over_due() == 0
    assert server.mails == []
    assert [mail.status for mail in await post.archive()] == [MailStatus.OUTDATED]


async def test_a_reminder_takes_the_place_of_what_it_reminds_of(post: Post, server: SmtpServer) -> None:
    reminder = asks(1, EIGHT + MINUTE, seq=2, template=Template.APPROVAL_REMINDER, people=["ada"])
    await announce(post, asks(1, EIGHT), reminder)
    post.clock.now = NINE
    await post.relay(server).hand_over_due()
    text = text_of(server.mails[0])
    assert read(server.mails[0])["Subject"].endswith(": 1")
    assert "Erinnerung, Genehmigung erbeten" in text
    assert Counter(mail.status for mail in await post.archive())[MailStatus.COLLECTED] == 2


# Late, twice, and with a crash in between


async def test_after_an_outage_one_digest_stands_for_all_hours(post: Post, server: SmtpServer) -> None:
    await announce(post, *(asks(number, EIGHT + number * HOUR) for number in range(5)))
    post.clock.now = EIGHT + 9 * HOUR
    assert await post.relay(server).hand_over_due() == 1
    assert read(server.mails[0])["Subject"] == "Genehmigungen, die auf Sie warten: 5"


async def test_what_comes_after_the_digest_of_its_hour_waits_for_the_next(
    post: Post, server: SmtpServer
) -> None:
    relay = post.relay(server)
    await announce(post, asks(1, EIGHT))
    post.clock.now = NINE + MINUTE
    assert await relay.hand_over_due() == 1
    await announce(post, asks(2, NINE - MOMENT))
    assert await relay.hand_over_due() == 0
    post.clock.now = TEN
    assert await relay.hand_over_due() == 1
    assert process_of(2) in text_of(server.mails[1])


async def test_a_second_digest_of_the_same_hour_is_never_written(post: Post) -> None:
    await announce(post, asks(1, EIGHT))
    async with post.database.session() as session:
        assert await digests.due(session, NINE) == (ADAS,)
        assert await digests.write(session, *ADAS, NINE) is not None
    await announce(post, asks(2, NINE - MOMENT))
    async with post.database.session() as session:
        assert await digests.due(session, TEN - MOMENT) == ()
        assert await digests.write(session, *ADAS, TEN - MOMENT) is None
        assert await digests.due(session, TEN) == (ADAS,)
        assert await digests.write(session, *ADAS, TEN) is not None


async def test_a_relay_that_dies_while_it_collects_leaves_everything_to_the_next(
    post: Post, server: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = digests.write

    async def write(*arguments: Any) -> None:
        await usual(*arguments)
        raise ConnectionError("killed before the commit")

    await announce(post, asks(1, EIGHT))
    post.clock.now = NINE
    with monkeypatch.context() as patched:
        patched.setattr(digests, "write", write)
        with pytest.raises(ConnectionError):
            await post.relay(server).hand_over_due()
    assert [mail.status for mail in await post.archive()] == [MailStatus.COLLECTING]
    assert await post.relay(server).hand_over_due() == 1


async def test_a_digest_that_died_on_its_way_is_repeated_as_it_was(post: Post, server: SmtpServer) -> None:
    server.hangs_up_at = "DOT"
    await announce(post, asks(1, EIGHT), asks(2, EIGHT))
    post.clock.now = NINE
    await post.relay(server).hand_over_due()
    server.hangs_up_at = None
    await announce(post, decided(1, NINE))
    post.clock.now = NINE + timedelta(minutes=5)
    assert await post.relay(server).hand_over_due() == 1
    first, second = server.mails
    assert first == second


async def test_two_relays_at_once_write_one_digest(post: Post, server: SmtpServer, database_url: str) -> None:
    await announce(post, *(asks(number, EIGHT + MINUTE) for number in range(20)))
    post.clock.now = NINE
    another = Database(database_url)
    relays = [post.relay(server), post.relay(server, database=another)]
    taken = await asyncio.gather(*(relay.hand_over_due() for relay in relays))
    await another.dispose()
    assert sum(taken) == len(server.mails) == 1
    assert read(server.mails[0])["Subject"] == "Genehmigungen, die auf Sie warten: 20"


async def test_an_announcement_heard_again_is_not_collected_again(post: Post, server: SmtpServer) -> None:
    relay = post.relay(server)
    await announce(post, asks(1, EIGHT), asks(1, EIGHT))
    post.clock.now = NINE
    await relay.hand_over_due()
    await announce(post, asks(1, EIGHT))
    post.clock.now = TEN
    assert await relay.hand_over_due() == 0
    assert len(server.mails) == 1


async def test_who_changes_their_mind_gets_what_was_collected_and_then_each_at_once(
    post: Post, server: SmtpServer
) -> None:
    await announce(post, asks(1, EIGHT))
    async with post.database.session() as session:
        await directory.load_directory(session, DIRECTORY)
    await announce(post, asks(2, EIGHT))
    assert await post.relay(server).hand_over_due() == 1
    assert process_of(2) in text_of(server.mails[0])
    post.clock.now = NINE
    assert await post.relay(server).hand_over_due() == 1
    assert process_of(1) in text_of(server.mails[1])
