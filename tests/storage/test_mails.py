"""A mail is queued once, tried by one relay at a time, and what became of it is final."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from domain.base import Language
from domain.errors import Code, Refusal
from domain.mail import MailGroup, Template, Why
from storage import mails, projection
from storage.database import Database
from storage.mails import Mail
from storage.recipients import Recipient
from storage.tables import MailStatus
from tests.storage.samples import AT, HOUR, LINE, notice, step

ADA = Recipient("ada", "Ada", "ada@contoso.example", Language.DE, Why.APPROVER)
SAM = Recipient("sam", "Sam", "sam@reseller.example", Language.EN, Why.NOTIFY)
LEASE = timedelta(minutes=5)


async def queue(session: AsyncSession, *recipients: Recipient, seq: int = 1, notices: int = 1) -> int:
    transition = step(seq, notices=[notice(Template.APPROVAL_REQUESTED)] * notices)
    return await mails.queue(session, transition, [(each, recipients) for each in transition.notices])


async def queued(session: AsyncSession) -> Mail:
    await queue(session, ADA)
    (mail,) = await mails.due(session, AT)
    return mail


async def begin(session: AsyncSession, mail: Mail, after: timedelta = timedelta()) -> Mail | None:
    return await mails.begin_attempt(session, mail.id, AT + after, AT + after + LEASE)


async def test_a_mail_says_everything_its_composition_needs(session: AsyncSession) -> None:
    mail = await queued(session)
    assert (mail.process, mail.seq, mail.at) == (LINE, 1, AT + HOUR)
    assert (mail.template, mail.group) == (Template.APPROVAL_REQUESTED, MailGroup.ORDERING)
    assert (mail.person, mail.name, mail.recipient, mail.language) == ("ada", "Ada", ADA.email, "de")
    assert (mail.why, mail.action_links, mail.facts.order) == (Why.APPROVER, True, "o1")
    assert (mail.status, mail.attempts, mail.raw) == (MailStatus.QUEUED, 0, None)


async def test_the_same_notice_is_queued_once_per_recipient(session: AsyncSession) -> None:
    assert await queue(session, ADA, SAM) == 2
    assert await queue(session, ADA, SAM) == 0
    assert await queue(session, ADA, SAM, notices=2) == 2
    assert await queue(session, ADA, seq=2) == 1
    assert await queue(session) == 0


async def test_a_fresh_mail_is_due_at_once_even_if_its_process_lives_in_the_future(
    session: AsyncSession,
) -> None:
    await queue(session, ADA)
    assert len(await mails.due(session, AT - 1000 * HOUR)) == 1


async def test_the_longest_waiting_mail_is_due_first_and_no_more_than_wanted(session: AsyncSession) -> None:
    for seq in (3, 1, 2):
        await queue(session, ADA, seq=seq)
    first, second = await mails.due(session, AT, limit=2)
    assert (first.seq, second.seq) == (1, 2)


async def test_a_mail_under_way_is_nobody_elses(session: AsyncSession) -> None:
    mail = await queued(session)
    begun = await begin(session, mail)
    assert begun is not None
    assert begun.attempts == 1
    assert await mails.due(session, AT) == ()
    assert await begin(session, mail) is None


async def test_of_many_relays_at_once_one_gets_the_mail(database: Database) -> None:
    async with database.session() as session:
        mail = await queued(session)

    async def relay() -> bool:
        async with database.session() as session:
            return await begin(session, mail) is not None

    assert sum(await asyncio.gather(*(relay() for _ in range(6)))) == 1


@pytest.mark.parametrize("had_left", [False, True])
async def test_an_attempt_that_never_reported_back_may_have_sent_what_was_composed(
    session: AsyncSession, had_left: bool
) -> None:
    mail = await queued(session)
    await begin(session, mail)
    if had_left:
        await mails.save_raw(session, mail.id, b"raw")
    again = await begin(session, mail, after=LEASE)
    assert again is not None
    assert (again.attempts, again.maybe_duplicate) == (2, had_left)


async def test_the_message_is_composed_once(session: AsyncSession) -> None:
    mail = await queued(session)
    assert await mails.save_raw(session, mail.id, b"first") == b"first"
    assert await mails.save_raw(session, mail.id, b"second") == b"first"
    assert (await mails.get_mail(session, mail.id)).raw == b"first"


async def test_a_failed_attempt_waits_for_its_next_turn(session: AsyncSession) -> None:
    mail = await queued(session)
    await begin(session, mail)
    await mails.save_raw(session, mail.id, b"raw")
    await mails.mark_retry(session, mail.id, AT + HOUR, "450 busy")
    assert await mails.due(session, AT + HOUR - timedelta(microseconds=1)) == ()
    (again,) = await mails.due(session, AT + HOUR)
    assert (again.attempts, again.error, again.maybe_duplicate) == (1, "450 busy", False)
    assert (await begin(session, again, after=HOUR)) is not None
    assert not (await mails.get_mail(session, mail.id)).maybe_duplicate


async def test_a_lost_answer_is_remembered_as_a_possible_duplicate(session: AsyncSession) -> None:
    mail = await queued(session)
    await mails.mark_retry(session, mail.id, AT + HOUR, "no answer", maybe_duplicate=True)
    await mails.mark_retry(session, mail.id, AT + 2 * HOUR, "refused")
    assert (await mails.get_mail(session, mail.id)).maybe_duplicate


async def test_what_became_of_a_mail_is_final(session: AsyncSession) -> None:
    mail = await queued(session)
    await mails.mark_accepted(session, mail.id, AT + HOUR, "250 ok")
    await mails.mark_rejected(session, mail.id, AT + 2 * HOUR, "550 no")
    await mails.mark_given_up(session, mail.id, AT + 2 * HOUR, "tired")
    await mails.mark_retry(session, mail.id, AT + 2 * HOUR, "again")
    ended = await mails.get_mail(session, mail.id)
    assert (ended.status, ended.reply, ended.error, ended.ended_at) == (
        MailStatus.ACCEPTED,
        "250 ok",
        None,
        AT + HOUR,
    )
    assert await mails.due(session, AT + 1000 * HOUR) == ()


async def test_a_rejected_and_a_given_up_mail_say_why(session: AsyncSession) -> None:
    await queue(session, ADA, SAM)
    one, other = await mails.due(session, AT)
    await mails.mark_rejected(session, one.id, AT, "550 no\0such user")
    await mails.mark_given_up(session, other.id, AT, "48 hours")
    assert (await mails.get_mail(session, one.id)).error == "550 no\ufffdsuch user"
    assert [each.status for each in await mails.list_mails(session, status=MailStatus.GIVEN_UP)] == [
        "given_up"
    ]


async def test_a_mail_that_did_not_arrive_goes_out_again_as_it_was(session: AsyncSession) -> None:
    await queue(session, ADA, SAM)
    one, other = await mails.due(session, AT)
    for mail in (one, other):
        await begin(session, mail)
        await mails.save_raw(session, mail.id, b"raw")
    await mails.mark_rejected(session, one.id, AT, "550 no such user")
    await mails.mark_given_up(session, other.id, AT, "48 hours")
    for mail in (one, other):
        again = await mails.requeue(session, mail.id)
        assert (again.status, again.attempts, again.raw) == (MailStatus.QUEUED, 0, b"raw")
        assert (again.next_attempt_at, again.ended_at) == (None, None)
    assert {mail.id for mail in await mails.due(session, AT)} == {one.id, other.id}
    begun = await begin(session, one)
    assert begun is not None
    assert (begun.attempts, begun.maybe_duplicate) == (1, False)


async def test_an_accepted_or_queued_mail_is_not_sent_again(session: AsyncSession) -> None:
    mail = await queued(session)
    with pytest.raises(Refusal) as refusal:
        await mails.requeue(session, mail.id)
    assert (refusal.value.code, "is queued" in refusal.value.message) == (Code.ALREADY_DECIDED, True)
    await mails.mark_accepted(session, mail.id, AT, "250 ok")
    with pytest.raises(Refusal) as refusal:
        await mails.requeue(session, mail.id)
    assert refusal.value.code is Code.ALREADY_DECIDED
    assert (await mails.get_mail(session, mail.id)).status is MailStatus.ACCEPTED
    with pytest.raises(Refusal) as refusal:
        await mails.requeue(session, "nothing")
    assert refusal.value.code is Code.NOT_FOUND


async def test_the_archive_is_narrowed_by_what_is_given_newest_first(session: AsyncSession) -> None:
    await projection.advance(session, [step(1)])
    await queue(session, ADA, SAM)
    await queue(session, ADA, seq=2)
    newest, *_ = everything = await mails.list_mails(session)
    assert (newest.seq, len(everything)) == (2, 3)
    assert len(await mails.list_mails(session, recipient=ADA.email)) == 2
    assert len(await mails.list_mails(session, process=LINE)) == 3
    assert len(await mails.list_mails(session, order="o1", limit=1)) == 1
    assert await mails.list_mails(session, order="o2") == ()


async def test_a_mail_nobody_wrote_is_not_found(session: AsyncSession) -> None:
    with pytest.raises(Refusal) as refusal:
        await mails.get_mail(session, "nothing")
    assert refusal.value.code is Code.NOT_FOUND
