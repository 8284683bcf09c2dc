"""`countersign mails …`: the archive of everything that was mailed (SPEC 6.4)."""

from __future__ import annotations

import email
import email.policy
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from domain.digests import end_of_hour
from starter.cli.output import answer, facts, plain, table, without
from starter.cli.session import Json, call
from storage.mails import Mail
from storage.tables import MailStatus

app = typer.Typer(help="Look into the archive of mails, and send again.", no_args_is_help=True)


@app.command("list")
def list_mails(  # noqa: PLR0917 - one parameter for each option
    order: Annotated[str | None, typer.Option(help="Of this order and its lines.")] = None,
    process: Annotated[str | None, typer.Option(help="Of this workflow id.")] = None,
    recipient: Annotated[str | None, typer.Option(help="To this address.")] = None,
    status: Annotated[MailStatus | None, typer.Option(help="Only those it went so with.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 100,
    as_json: Json = False,
) -> None:
    """List mails, newest first."""
    found = call(
        lambda countersign: countersign.mails(
            order=order, process=process, recipient=recipient, status=status, limit=limit
        )
    )
    if as_json:
        answer([without(each, "raw") for each in found], lambda _: "", as_json=True)
    else:
        answer(found, _list, as_json=False)


@app.command()
def show(
    mail: Annotated[str, typer.Argument(metavar="MAIL", help="The mail's id, from the list.")],
    as_json: Json = False,
) -> None:
    """Show one mail as it was sent."""
    found = call(lambda countersign: countersign.mail(mail))
    if as_json:
        answer(without(found, "raw") | {"text": text_of(found)}, lambda _: "", as_json=True)
    else:
        answer(found, _mail, as_json=False, soft_wrap=True)  # There may be a link in it.


@app.command()
def resend(
    mail: Annotated[str, typer.Argument(metavar="MAIL", help="The mail's id, from the list.")],
    as_json: Json = False,
) -> None:
    """Send a mail again that was rejected or given up; it is the same one, with the same Message-ID."""
    queued = call(lambda countersign: countersign.resend(mail))
    answer(
        without(queued, "raw"), lambda _: Text(f"The mail to {queued.recipient} is queued."), as_json=as_json
    )


def text_of(mail: Mail) -> str | None:
    """The text a reader sees; None before the first attempt, when nothing is written yet."""
    if mail.raw is None:
        return None
    body = email.message_from_bytes(mail.raw, policy=email.policy.default).get_body(("plain",))
    return body.get_content().replace("\r\n", "\n") if body else None


def _subject(mail: Mail) -> str | None:
    if mail.raw is None:
        return None
    return str(email.message_from_bytes(mail.raw, policy=email.policy.default)["Subject"])


def _list(found: tuple[Mail, ...]) -> RenderableType:
    columns = ("UTC", "To", "Mail", "Group", "Why", "Process", "", "Id")
    rows = (
        (each.at, each.recipient, each.template, each.group, each.why, each.process, each.status, each.id)
        for each in found
    )
    return table("", *columns, rows=rows, empty="No mails.")


def _mail(mail: Mail) -> RenderableType:
    head = facts(
        _subject(mail) or mail.template,
        [
            ("To", f"{mail.name} <{mail.recipient}>"),
            ("Of", mail.at),
            ("Group", mail.group),
            ("Why", mail.why),
            ("Process", mail.process),
            ("Status", mail.status),
            ("Attempts", mail.attempts),
            ("Answer", mail.reply),
            ("Error", mail.error),
            ("Next attempt", mail.next_attempt_at if mail.status is MailStatus.QUEUED else None),
            ("Digest at", end_of_hour(mail.at) if mail.status is MailStatus.COLLECTING else None),
            ("In digest", mail.digest),
        ],
    )
    return Group(head, Text(), plain(text_of(mail) or _unwritten(mail)))


def _unwritten(mail: Mail) -> str:
    """Why there is no text."""
    match mail.status:
        case MailStatus.COLLECTING:
            why = "It waits for the digest of its hour"
        case MailStatus.COLLECTED:
            why = "It went out as a part of its digest"
        case MailStatus.OUTDATED:
            why = "Nothing was wanted any more when it could have gone out"
        case _:
            why = "It is not written yet"
    return f"{why}; the facts are in --json."
