"""The archive of mails on the command line."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from domain.mail import MailGroup, Template
from domain.organisations import ApprovalMails
from storage import digests, mails, projection
from storage.database import Database
from storage.mails import Mail
from tests.cli.conftest import Run
from tests.storage.samples import AT, HOUR, notice, open_approval, seats, step, view
from tests.storage.test_mails import ADA, queued

LINK = f"https://provider.example/links/{'x' * 300}"
RAW = (
    "Subject: Please decide\r\nContent-Type: text/plain\r\n\r\n"
    f"Hello Ada,\r\nplease decide.\r\n\r\n{LINK}\r\n"
).encode()


@pytest.fixture
async def mail(sqlite_database: Database) -> Mail:
    """A mail whose first attempt is under way."""
    async with sqlite_database.session() as session:
        mail = await queued(session)
        await mails.begin_attempt(session, mail.id, AT, AT + timedelta(minutes=5))
        await mails.save_raw(session, mail.id, RAW)
    return mail


async def test_a_mail_is_shown_line_by_line_without_marks_at_their_ends(run: Run, mail: Mail) -> None:
    shown = (await run("mails", "show", mail.id)).out
    assert "Hello Ada,\nplease decide.\n" in shown
    assert "\ufffd" not in shown


async def test_a_link_in_a_mail_is_one_line_however_long_it_is(run: Run, mail: Mail) -> None:
    assert f"\n{LINK}\n" in (await run("mails", "show", mail.id)).out


async def test_list_and_mail_say_of_which_group_it_is_and_why_it_was_sent(run: Run, mail: Mail) -> None:
    for shown in ((await run("mails", "list")).out, (await run("mails", "show", mail.id)).out):
        assert "Group" in shown
        assert mail.group in shown
        assert "Why" in shown
        assert mail.why in shown
    (listed,) = (await run("mails", "list", "--json")).json
    assert (listed["group"], listed["why"]) == (mail.group, mail.why)


async def test_only_a_queued_mail_has_a_next_attempt(run: Run, sqlite_database: Database, mail: Mail) -> None:
    assert "Next attempt" in (await run("mails", "show", mail.id)).out
    async with sqlite_database.session() as session:
        await mails.mark_accepted(session, mail.id, AT + HOUR, "250 ok")
    assert "Next attempt" not in (await run("mails", "show", mail.id)).out


async def test_a_given_up_mail_is_found_by_its_status_and_sent_again(
    run: Run, sqlite_database: Database, mail: Mail
) -> None:
    early = await run("mails", "resend", mail.id, "--json")
    assert (early.code, early.error["code"]) == (5, "ALREADY_DECIDED")
    async with sqlite_database.session() as session:
        await mails.mark_given_up(session, mail.id, AT + HOUR, "48 hours")

    given_up = await run("mails", "list", "--status", "given_up", "--json")
    assert [each["id"] for each in given_up.json] == [mail.id]
    again = await run("mails", "resend", mail.id, "--json")
    assert (again.json["status"], again.json["attempts"]) == ("queued", 0)
    assert (await run("mails", "list", "--status", "given_up", "--json")).json == []


async def test_a_mail_that_waits_for_a_digest_says_so_and_then_in_which_it_went(
    run: Run, sqlite_database: Database
) -> None:
    hourly = replace(ADA, approval_mails=ApprovalMails.HOURLY)
    asked = view(approval=open_approval(roster=seats("ada")))
    async with sqlite_database.session() as session:
        opened = step(1, view=asked, notices=[notice(Template.APPROVAL_REQUESTED)])
        await projection.advance(session, [opened])
        await mails.queue(session, opened, [(opened.notices[0], [hourly])])
    (waiting,) = (await run("mails", "list", "--status", "collecting", "--json")).json
    shown = (await run("mails", "show", waiting["id"])).out
    assert "Digest at" in shown
    assert "2026-03-02 10:00" in shown

    async with sqlite_database.session() as session:
        digest = await digests.write(session, "ada", MailGroup.ORDERING, AT + 2 * HOUR)
    assert digest is not None
    shown = (await run("mails", "show", waiting["id"])).out
    assert digest in shown
    assert "Digest at" not in shown
    assert [each["id"] for each in (await run("mails", "list", "--status", "queued", "--json")).json] == [
        digest
    ]
