"""`countersign link …`: what the links in mails are for, and everything that can be done through them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import RenderableType

from domain.base import Language
from domain.line import LineState
from domain.mail import shown_address
from starter.cli.binding import (
    CUSTOMERS_ADMIN,
    AdminEmail,
    AdminLanguage,
    AdminName,
    Answers,
    ContactLanguage,
    ContactName,
    Customer,
    CustomerAdmin,
    Email,
    NewCustomer,
    NewPartner,
    OwnCompany,
    Partner,
    Yes,
    admin_of,
    confirm,
    contact_of,
    drafted,
    mapping_of,
    read_answers,
    show_admin,
    show_contact,
    show_mapped,
    show_state,
)
from starter.cli.forms import AnswersSoFar, FromVersion, answer_form, show_draft
from starter.cli.organisations import show_candidates
from starter.cli.output import answer, facts
from starter.cli.session import Json, Reason, RequestId, call
from starter.cli.summary import Fonts, InLanguage, Pdf, answer_summary
from starter.client import Countersign
from starter.links import LinkShown
from storage.drafts import NEW

app = typer.Typer(help="Look behind the links in mails, and act through them.", no_args_is_help=True)


def _token(given: str) -> str:
    """The token of a link that may have been copied as a whole."""
    return given.rpartition("/links/")[2]


Token = Annotated[
    str,
    typer.Argument(
        metavar="LINK", callback=_token, help="What the mail says after `link show`, or the page's address."
    ),
]


@app.command()
def show(token: Token, as_json: Json = False) -> None:
    """Show what a link is for, for whom and until when. Looking changes nothing."""
    answer(call(lambda countersign: countersign.show_link(token)), _shown, as_json=as_json)


@app.command("hand-over")
def hand_over(  # noqa: PLR0917 - one parameter for each option
    token: Token,
    email: Email = None,
    name: ContactName = None,
    language: ContactLanguage = Language.EN,
    reason: Reason = None,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Name somebody else who completes the order; this link is dead afterwards."""
    contact = contact_of(email, name, language, as_json=as_json)
    state = call(lambda countersign: countersign.hand_over(token, contact, reason, request_id=request_id))
    answer(state, show_contact, as_json=as_json)


@app.command()
def organisations(
    token: Token,
    search: Annotated[
        str | None, typer.Option("--search", help="Beginnings of words of its name, or its domain.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Find the organisations that the contact may mean, by their address or by a search."""
    found = call(lambda countersign: countersign.organisations_behind(token, search))
    answer(found, show_candidates, as_json=as_json)


@app.command("map")
def map_line(  # noqa: PLR0917
    token: Token,
    partner: Partner = None,
    new_partner: NewPartner = None,
    customer: Customer = None,
    new_customer: NewCustomer = None,
    own_company: OwnCompany = False,
    answers: Answers = None,
    customer_admin: CustomerAdmin = None,
    admin_name: AdminName = None,
    admin_language: AdminLanguage = Language.EN,
    reason: Reason = None,
    yes: Yes = False,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Bind the line to its organisations: the point of no return. `link organisations` has their keys."""
    admin = admin_of(customer_admin, admin_name, admin_language)
    given = mapping_of(partner, new_partner, customer, new_customer, own_company, answers, admin, reason)
    if not yes:
        confirm(call(lambda countersign: countersign.to_bind_by_link(token, given)), as_json=as_json)
    mapped = call(lambda countersign: countersign.map_by_link(token, given, request_id=request_id))
    answer(mapped, show_mapped, as_json=as_json)


@app.command()
def form(token: Token, language: InLanguage = Language.EN, as_json: Json = False) -> None:
    """Show what the line's offer asks to be set up; with --json, as JSON Schema."""
    answer_form(call(lambda countersign: countersign.form_behind(token)), language, as_json=as_json)


@app.command()
def draft(token: Token, as_json: Json = False) -> None:
    """Show the answers so far to the line's set-up form."""
    answer(call(lambda countersign: countersign.draft_behind(token)), show_draft, as_json=as_json)


@app.command("save-draft")
def save_draft(token: Token, file: AnswersSoFar, version: FromVersion = NEW, as_json: Json = False) -> None:
    """Keep the answers so far; nothing has to be complete, but nothing may be wrong."""
    answers = read_answers(file)
    saved = call(lambda countersign: countersign.save_draft_behind(token, answers, version))
    answer(saved, show_draft, as_json=as_json)


@app.command("set-up")
def set_up(
    token: Token,
    answers: Annotated[
        Path | None,
        typer.Option("--answers", metavar="FILE", help="As YAML or JSON; the saved draft if left out."),
    ] = None,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Answer the set-up form as the customer's admin, or as the contact who mapped and left it for later."""
    given = None if answers is None else read_answers(answers)

    async def send(countersign: Countersign) -> LineState:
        complete = given if given is not None else drafted(await countersign.draft_behind(token), "link form")
        return await countersign.set_up_by_link(token, complete, request_id=request_id)

    answer(call(send), show_state, as_json=as_json)


@app.command("ask-customer")
def ask_customer(  # noqa: PLR0917
    token: Token,
    email: AdminEmail = None,
    name: ContactName = None,
    language: ContactLanguage = Language.EN,
    reason: Reason = None,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """As the contact, leave the set-up of the mapped line to the customer's admin, or ask them anew."""
    admin = contact_of(email, name, language, as_json=as_json, who=CUSTOMERS_ADMIN)
    state = call(
        lambda countersign: countersign.ask_customer_by_link(token, admin, reason, request_id=request_id)
    )
    answer(state, show_admin, as_json=as_json)


@app.command()
def summary(
    token: Token,
    pdf: Pdf = None,
    language: InLanguage = Language.EN,
    fonts: Fonts = None,
    as_json: Json = False,
) -> None:
    """Show the order summary of the link's line, for the records."""
    made = call(lambda countersign: countersign.order_summary_behind(token, language))
    answer_summary(made, pdf, fonts, as_json=as_json)


def _shown(link: LinkShown) -> RenderableType:
    return facts(
        link.title,
        [
            ("For", link.purpose),
            ("Contact", shown_address(link.contact) if link.contact else None),
            ("Until (UTC)", link.expires_at),
            ("Order", link.order),
            ("Line", link.line),
            ("Offer", link.offer),
            ("State", link.state),
            ("Bound since (UTC)", link.ponr_at),
        ],
    )
