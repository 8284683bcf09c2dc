"""`countersign order …`: the provisioning contact, the mapping and the set-up of its lines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.text import Text

from domain import wire
from domain.base import Language
from domain.line import LineState
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
from starter.cli.output import answer, table
from starter.cli.session import Actor, Json, LineNumber, OrderId, Reason, RequestId, call, refused_by_all
from starter.client import Countersign
from starter.fulfilment import ContactResult

app = typer.Typer()

OneLine = Annotated[int, typer.Option("--line", min=1, help="The line that is meant.")]


@app.command("resend-mail")
def resend_mail(  # noqa: PLR0917 - one parameter for each option
    order: OrderId,
    line: OneLine,
    actor: Actor,
    reason: Reason = None,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Send the provisioning mail to the same contact again, once a minute at most."""
    state = call(
        lambda countersign: countersign.resend_mail(order, line, actor, reason, request_id=request_id)
    )
    answer(state, show_contact, as_json=as_json)


@app.command("change-contact")
def change_contact(  # noqa: PLR0917
    order: OrderId,
    actor: Actor,
    email: Email = None,
    name: ContactName = None,
    language: ContactLanguage = Language.EN,
    line: LineNumber = None,
    reason: Reason = None,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Ask somebody else to complete a line, or all that still can be; links of the contact before die."""
    contact = contact_of(email, name, language, as_json=as_json)
    results = call(
        lambda countersign: countersign.change_contact(
            order, contact, actor, line, reason, request_id=request_id
        )
    )
    answer(results, _contacts, as_json=as_json)
    refused_by_all(results)


@app.command("map")
def map_line(  # noqa: PLR0917
    order: OrderId,
    line: OneLine,
    actor: Actor,
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
    """Bind a line to its organisations: the point of no return. `organisations find` has their keys."""
    admin = admin_of(customer_admin, admin_name, admin_language)
    given = mapping_of(partner, new_partner, customer, new_customer, own_company, answers, admin, reason)
    if not yes:
        confirm(call(lambda countersign: countersign.to_bind(order, line, given, actor)), as_json=as_json)
    mapped = call(lambda countersign: countersign.map_line(order, line, given, actor, request_id=request_id))
    answer(mapped, show_mapped, as_json=as_json)


@app.command("set-up")
def set_up(  # noqa: PLR0917
    order: OrderId,
    line: OneLine,
    actor: Actor,
    answers: Annotated[
        Path | None,
        typer.Option("--answers", metavar="FILE", help="As YAML or JSON; the saved draft if left out."),
    ] = None,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Answer the set-up form of a line that is mapped; `countersign order form` shows what is asked."""
    given = None if answers is None else read_answers(answers)

    async def send(countersign: Countersign) -> LineState:
        process = wire.line_id(order, line)
        complete = given if given is not None else drafted(await countersign.draft(process), "order form")
        return await countersign.set_up(order, line, complete, actor, request_id=request_id)

    answer(call(send), show_state, as_json=as_json)


@app.command("ask-customer")
def ask_customer(  # noqa: PLR0917
    order: OrderId,
    line: OneLine,
    actor: Actor,
    email: AdminEmail = None,
    name: ContactName = None,
    language: ContactLanguage = Language.EN,
    reason: Reason = None,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Leave the set-up of a mapped line to the customer's admin, to another, or mail the same one again."""
    admin = contact_of(email, name, language, as_json=as_json, who=CUSTOMERS_ADMIN)
    state = call(
        lambda countersign: countersign.ask_customer(order, line, admin, actor, reason, request_id=request_id)
    )
    answer(state, show_admin, as_json=as_json)


@app.command()
def retry(  # noqa: PLR0917
    order: OrderId,
    line: OneLine,
    actor: Actor,
    reason: Reason = None,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Have what a backend refused tried again; for operators."""
    state = call(lambda countersign: countersign.retry(order, line, actor, reason, request_id=request_id))
    answer(state, lambda now: Text(f"It is tried again; the line is {now}."), as_json=as_json)


def _contacts(results: tuple[ContactResult, ...]) -> RenderableType:
    rows = (
        (
            each.line,
            each.contact.contact.shown if each.contact else "refused",
            each.contact.sent_at if each.contact else None,
            f"{each.refused.code}: {each.refused.message}" if each.refused else "",
        )
        for each in results
    )
    return table("", "Line", "Contact", "Mail sent (UTC)", "Why", rows=rows)
