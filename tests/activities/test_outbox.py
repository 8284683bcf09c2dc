"""The relay hands every mail over once, whatever the mail server, the database or another relay does.

All dialogues are real SMTP on loopback; the relay's clock is the test's.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession
from temporalio.testing import ActivityEnvironment

from activities import outbox
from activities.outbox import BATCH, Outbox
from domain.base import Language
from domain.mail import MailFacts, Template, Why
from domain.transitions import Audience, Notice
from starter.dev.mailcatcher import MailCatcher
from storage import mails
from storage.database import Database
from storage.mails import Mail
from storage.recipients import Recipient
from storage.tables import MailStatus
from tests.activities.mail.conftest import SmtpServer
from tests.activities.post import ADA, BOB, COMMAND, HELPDESK, Post
from tests.storage.samples import AT, LINE, step

PORTAL = "https://portal.example"
FIRST_RETRY = timedelta(seconds=30)
GREYLISTED = timedelta(minutes=5)
MOMENT = timedelta(microseconds=1)


@pytest.fixture
def post(database: Database) -> Post:
    return Post(database)


def message_ids(raw: Sequence[bytes]) -> list[str]:
    return [message_from_bytes(each, policy=default)["Message-ID"] for each in raw]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(80):
        while not condition():
            await asyncio.sleep(0.005)


# One mail, one handover


async def test_each_mail_is_handed_over_once_to_its_recipient_alone(post: Post, server: SmtpServer) -> None:
    await post.queue(ADA, BOB, count=10)
    assert await post.relay(server).hand_over_due() == 20
    assert await post.relay(server).hand_over_due() == 0
    assert len(set(message_ids(server.mails))) == len(server.mails) == 20
    envelopes = Counter(command for command in server.commands if command.startswith("RCPT"))
    assert envelopes == {f"RCPT TO:<{each.email}>": 10 for each in (ADA, BOB)}
    for mail in await post.archive():
        assert (mail.status, mail.attempts, mail.maybe_duplicate) == (MailStatus.ACCEPTED, 1, False)
        assert (mail.reply, mail.ended_at) == ("250 taken over as 42", AT)


async def test_the_archive_keeps_the_bytes_that_were_sent(post: Post, server: SmtpServer) -> None:
    await post.queue(ADA)
    await post.relay(server).hand_over_due()
    assert [(await post.only()).raw] == server.mails


async def test_a_round_opens_as_many_connections_as_allowed_and_no_more_than_mails(
    post: Post, server: SmtpServer
) -> None:
    await post.queue(ADA, count=2)
    await post.relay(server, connections=3).hand_over_due()
    assert server.connections == 2
    await post.queue(BOB, count=20)
    await post.relay(server, connections=3).hand_over_due()
    assert server.connections == 5


async def test_a_mail_of_a_run_that_lives_in_the_future_goes_out_now(post: Post, server: SmtpServer) -> None:
    await post.queue(ADA)
    post.clock.now = AT - timedelta(days=400)
    assert await post.relay(server).hand_over_due() == 1
    assert (await post.only()).ended_at == post.clock.now


# Whoever only reads along


async def test_workflow_mails_get_neither_link_nor_command_in_any_byte(
    post: Post, server: SmtpServer
) -> None:
    await post.queue(ADA, HELPDESK)
    await post.relay(server, public_url=PORTAL).hand_over_due()
    texts = {mail["To"]: _texts(mail) for mail in map(_parsed, server.mails)}
    for text in texts[ADA.email]:
        assert f"{PORTAL}/processes/{LINE}" in text
        assert f"{COMMAND} --as ada" in text
    for text in texts[HELPDESK.email]:
        assert "://" not in text
        assert "countersign approvals" not in text


async def test_the_mail_of_a_finished_line_tells_each_reader_how_they_get_the_order_summary(
    post: Post, server: SmtpServer
) -> None:
    command = "countersign order summary o1 --pdf order-o1.pdf"
    done = Notice(
        template=Template.PROVISIONED, audience=Audience(), facts=MailFacts(order="o1", command=command)
    )
    carla = Recipient("carla", "Carla", "carla@contoso.example", Language.EN, Why.CONTACT)
    async with post.database.session() as session:
        requester = replace(ADA, why=Why.REQUESTER)
        await mails.queue(session, step(1, notices=[done]), [(done, [requester, carla, HELPDESK])])
    await post.relay(server).hand_over_due()
    said = {mail["To"]: _texts(mail)[0] for mail in map(_parsed, server.mails)}
    assert f"Befehl: {command}" in said[ADA.email].splitlines(), "it only looks: no --as"
    assert "order summary" in said[carla.email]
    assert command not in said[carla.email]
    assert "summary" not in said[HELPDESK.email]


def _parsed(raw: bytes) -> Any:
    return message_from_bytes(raw, policy=default)


def _texts(mail: Any) -> list[str]:
    texts = [part.get_content() for part in mail.iter_parts()]
    assert len(texts) == 2
    return texts


# The mail server says no


@pytest.mark.parametrize("place", ["GREETING", "MAIL", "RCPT", "DATA", "DOT"])
async def test_a_mail_that_has_to_wait_comes_later_and_not_before(
    post: Post, server: SmtpServer, place: str
) -> None:
    server.replies[place] = "451 greylisted, come again"
    relay = post.relay(server)
    await post.queue(ADA)
    assert await relay.hand_over_due() == 0
    waiting = await post.only()
    assert (waiting.status, waiting.attempts) == (MailStatus.QUEUED, 1)
    assert "451 greylisted" in (waiting.error or "")
    del server.replies[place]
    server.mails.clear()
    post.clock.now = AT + GREYLISTED - MOMENT
    assert await relay.hand_over_due() == 0
    post.clock.now = AT + GREYLISTED
    assert await relay.hand_over_due() == 1
    accepted = await post.only()
    assert (accepted.status, accepted.attempts, accepted.error) == (MailStatus.ACCEPTED, 2, None)
    assert not accepted.maybe_duplicate
    assert len(server.mails) == 1


async def test_a_recipient_who_is_refused_for_good_is_not_asked_again(post: Post, server: SmtpServer) -> None:
    server.replies["RCPT"] = "550 no such user"
    await post.queue(ADA)
    await post.relay(server).hand_over_due()
    rejected = await post.only()
    assert (rejected.status, rejected.ended_at) == (MailStatus.REJECTED, AT)
    assert "RCPT: 550 no such user" in (rejected.error or "")
    del server.replies["RCPT"]
    post.clock.now = AT + timedelta(days=3)
    assert await post.relay(server).hand_over_due() == 0
    assert server.mails == []


async def test_one_refused_recipient_keeps_nobody_else_from_their_mail(
    post: Post, server: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = server._obey

    async def refuses_ada(reader: Any, writer: Any, command: str) -> None:
        if command == f"RCPT TO:<{ADA.email}>":
            server.replies["RCPT"] = "550 no such user"
        await usual(reader, writer, command)
        server.replies.clear()

    monkeypatch.setattr(server, "_obey", refuses_ada)
    await post.queue(ADA, BOB, count=3)
    assert await post.relay(server, connections=1).hand_over_due() == 3
    outcomes = Counter((mail.person, mail.status) for mail in await post.archive())
    assert outcomes == {("ada", MailStatus.REJECTED): 3, ("bob", MailStatus.ACCEPTED): 3}


async def test_after_two_days_of_waiting_a_mail_is_given_up(post: Post, server: SmtpServer) -> None:
    server.replies["RCPT"] = "452 mailbox full"
    relay = post.relay(server)
    await post.queue(ADA)
    while (mail := await post.only()).status is MailStatus.QUEUED:
        post.clock.now = mail.next_attempt_at or post.clock.now
        await relay.hand_over_due()
    assert (mail.status, mail.error) == (
        MailStatus.GIVEN_UP,
        f"127.0.0.1:{server.port}, RCPT: 452 mailbox full",
    )
    assert timedelta(hours=47) < post.clock.now - AT <= timedelta(hours=49)


# The mail server is away


async def test_while_the_server_is_away_nothing_is_lost_and_few_attempts_are_made(post: Post) -> None:
    async with MailCatcher() as catcher:
        relay = post.relay(catcher, connections=4)
        await catcher.stop()
        await post.queue(ADA, BOB, count=20)
        assert await relay.hand_over_due() == 0
        tried = [mail for mail in await post.archive() if mail.attempts]
        assert 1 <= len(tried) <= 4
        assert {mail.status for mail in await post.archive()} == {MailStatus.QUEUED}

        await catcher.start()
        assert await relay.hand_over_due() == 40 - len(tried)
        post.clock.now = AT + FIRST_RETRY - MOMENT
        assert await relay.hand_over_due() == 0
        post.clock.now = AT + FIRST_RETRY
        assert await relay.hand_over_due() == len(tried)
        assert len({mail.message_id for mail in catcher.messages}) == len(catcher.messages) == 40
        assert not any(mail.maybe_duplicate for mail in await post.archive())


@pytest.mark.parametrize("place", ["GREETING", "EHLO", "MAIL", "RCPT", "DATA", "BODY"])
async def test_a_connection_cut_before_the_dot_is_no_possible_duplicate(
    post: Post, server: SmtpServer, place: str
) -> None:
    server.hangs_up_at = place
    await post.queue(ADA)
    await post.relay(server).hand_over_due()
    server.hangs_up_at = None
    post.clock.now = AT + FIRST_RETRY
    assert await post.relay(server).hand_over_due() == 1
    assert not (await post.only()).maybe_duplicate
    assert len(server.mails) == 1


async def test_a_connection_cut_after_the_dot_repeats_the_same_bytes_and_says_so(
    post: Post, server: SmtpServer
) -> None:
    server.hangs_up_at = "DOT"
    relay = post.relay(server)
    await post.queue(ADA)
    await relay.hand_over_due()
    in_doubt = await post.only()
    assert (in_doubt.status, in_doubt.maybe_duplicate) == (MailStatus.QUEUED, True)
    server.hangs_up_at = None
    post.clock.now = AT + GREYLISTED - MOMENT
    assert await relay.hand_over_due() == 0
    post.clock.now = AT + GREYLISTED
    assert await relay.hand_over_due() == 1
    first, second = server.mails
    assert first == second
    mail = await post.only()
    assert (mail.status, mail.attempts, mail.maybe_duplicate) == (MailStatus.ACCEPTED, 2, True)


# A mail that cannot be written


async def test_a_mail_that_cannot_be_written_is_rejected_and_stops_no_other(
    post: Post, server: SmtpServer
) -> None:
    hostile = Recipient(
        "eve", "Eve", "eve@contoso.example\r\nBcc: all@evil.example", Language.EN, Why.APPROVER
    )
    await post.queue(hostile, ADA, count=3)
    assert await post.relay(server, connections=1).hand_over_due() == 3
    outcomes = Counter((mail.person, mail.status) for mail in await post.archive())
    assert outcomes == {("eve", MailStatus.REJECTED): 3, ("ada", MailStatus.ACCEPTED): 3}
    errors = {mail.error for mail in await post.archive() if mail.person == "eve"}
    assert len(errors) == 1
    assert errors.pop().startswith("cannot be written: recipient: ")  # type: ignore[union-attr]
    assert not any("eve" in command or "evil" in command for command in server.commands)


# The database is away


def away() -> OperationalError:
    return OperationalError("UPDATE mail", {}, Exception("the database is away"))


async def test_a_handover_that_cannot_be_written_down_at_once_is_written_later_and_not_repeated(
    post: Post, server: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual, failures = mails.mark_accepted, iter([away(), away(), away()])

    async def mark_accepted(*outcome: Any) -> None:
        for failure in failures:
            raise failure
        await usual(*outcome)

    monkeypatch.setattr(mails, "mark_accepted", mark_accepted)
    await post.queue(ADA)
    assert await post.relay(server).hand_over_due() == 1
    mail = await post.only()
    assert (mail.status, mail.attempts, mail.maybe_duplicate) == (MailStatus.ACCEPTED, 1, False)
    assert len(server.mails) == 1


class SlowServer(SmtpServer):
    """Takes mails and says so only once it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.may_answer = asyncio.Event()

    async def _answer(self, writer: asyncio.StreamWriter, place: str, usual: str) -> str:
        if place == "DOT":
            await self.may_answer.wait()
        return await super()._answer(writer, place, usual)


async def test_a_round_that_fails_finishes_the_mails_in_hand_first(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = SlowServer()
    await slow.start()
    usual, begun = mails.begin_attempt, []

    async def begin_attempt(session: AsyncSession, key: str, *times: datetime) -> Mail | None:
        begun.append(key)
        if len(begun) == 2:
            raise away()
        return await usual(session, key, *times)

    monkeypatch.setattr(mails, "begin_attempt", begin_attempt)
    await post.queue(ADA, BOB)
    a_round = asyncio.ensure_future(post.relay(slow, connections=2).hand_over_due())
    await until(lambda: len(slow.mails) == 1 and len(begun) == 2)
    await asyncio.sleep(0)
    assert not a_round.done()
    slow.may_answer.set()
    with pytest.raises(OperationalError):
        await a_round
    outcomes = Counter((mail.status, mail.attempts) for mail in await post.archive())
    assert outcomes == {(MailStatus.ACCEPTED, 1): 1, (MailStatus.QUEUED, 0): 1}
    await slow.stop()


# Several relays


async def test_two_relays_at_once_never_hand_the_same_mail_over_twice(
    post: Post, server: SmtpServer, database_url: str
) -> None:
    await post.queue(ADA, BOB, count=30)
    another = Database(database_url)
    relays = [post.relay(server), post.relay(server, database=another)]
    taken = await asyncio.gather(*(relay.hand_over_due() for relay in relays))
    await another.dispose()
    assert sum(taken) == 60
    assert len(set(message_ids(server.mails))) == len(server.mails) == 60


async def test_an_attempt_that_died_before_a_byte_left_is_taken_over_at_once(
    post: Post, server: SmtpServer
) -> None:
    await post.queue(ADA)
    await post.begin(await post.only())
    relay = post.relay(server)
    assert await relay.hand_over_due() == 0
    await relay.take_over()
    assert await relay.hand_over_due() == 1
    mail = await post.only()
    assert (mail.status, mail.attempts, mail.maybe_duplicate) == (MailStatus.ACCEPTED, 2, False)


async def test_without_a_take_over_a_dead_attempt_is_repeated_once_its_lease_is_over(
    post: Post, server: SmtpServer
) -> None:
    await post.queue(ADA)
    await post.begin(await post.only())
    post.clock.now = AT + outbox.LEASE - MOMENT
    assert await post.relay(server).hand_over_due() == 0
    post.clock.now = AT + outbox.LEASE
    assert await post.relay(server).hand_over_due() == 1


async def test_who_takes_over_leaves_mails_alone_that_wait_for_their_turn(
    post: Post, server: SmtpServer
) -> None:
    server.replies["RCPT"] = "451 later"
    await post.queue(ADA)
    await post.relay(server).hand_over_due()
    server.replies.clear()
    relay = post.relay(server)
    await relay.take_over()
    assert await relay.hand_over_due() == 0


# The activity


class Shift:
    """A relay at work in an activity."""

    def __init__(self, relay: Outbox, length: timedelta = timedelta(hours=6)) -> None:
        self.heartbeats = 0
        self.environment = ActivityEnvironment()
        self.environment.info = replace(self.environment.info, heartbeat_timeout=timedelta(milliseconds=20))
        self.environment.on_heartbeat = self._beat
        self.work = asyncio.ensure_future(self.environment.run(relay.relay, length))

    def _beat(self, *_: object) -> None:
        self.heartbeats += 1

    async def end(self) -> None:
        """Lets the worker shut down and waits for the relay."""
        self.environment.worker_shutdown()
        await asyncio.wait_for(self.work, 10)


async def test_a_relay_works_until_its_shift_is_over(post: Post, server: SmtpServer) -> None:
    await post.queue(ADA)
    shift = Shift(post.relay(server))
    await until(lambda: len(server.mails) == 1)
    await post.queue(BOB)
    await until(lambda: len(server.mails) == 2)
    post.clock.now = AT + timedelta(hours=6)
    await asyncio.wait_for(shift.work, 10)


async def test_a_relay_that_begins_takes_dead_attempts_over(post: Post, server: SmtpServer) -> None:
    await post.queue(ADA)
    await post.begin(await post.only())
    shift = Shift(post.relay(server))
    await until(lambda: len(server.mails) == 1)
    await shift.end()


async def test_a_slow_mail_server_does_not_stop_the_heartbeat(post: Post, server: SmtpServer) -> None:
    server.silent_at = "DOT"
    await post.queue(ADA)
    shift = Shift(post.relay(server))
    await until(lambda: len(server.mails) == 1)
    before = shift.heartbeats
    await until(lambda: shift.heartbeats >= before + 5)
    assert not shift.work.done()
    shift.environment.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.wait_for(shift.work, 10)

    server.silent_at = None
    await (successor := post.relay(server)).take_over()
    assert await successor.hand_over_due() == 1
    assert (await post.only()).maybe_duplicate
    first, second = server.mails
    assert first == second


async def test_a_relay_that_shuts_down_finishes_the_mail_in_hand_and_begins_no_other(
    post: Post, server: SmtpServer
) -> None:
    await post.queue(ADA, count=BATCH)
    shift = Shift(post.relay(server, connections=2))
    await until(lambda: len(server.mails) >= 2)
    await shift.end()
    outcomes = Counter((mail.status, mail.attempts) for mail in await post.archive())
    accepted = outcomes[MailStatus.ACCEPTED, 1]
    assert 2 <= accepted < BATCH
    assert outcomes == {(MailStatus.ACCEPTED, 1): accepted, (MailStatus.QUEUED, 0): BATCH - accepted}
    assert len(server.mails) == accepted
