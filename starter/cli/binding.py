"""What the commands about contacts, mappings and set-ups share, whoever gives them: options and answers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text

from domain.base import Language
from domain.contact import ContactState
from domain.errors import Code, Refusal
from domain.line import LineState
from domain.mapping import Mapped, MappingPurpose, NewOrganisation, OrganisationChoice, SetUpBy
from domain.orders import ContactGiven
from starter.binding import MappingGiven, ToBind
from starter.cli.output import answer, facts
from starter.files import read_document, validated
from storage.drafts import Draft

Described = tuple[str, str, str]
"""Name, industry and country of an organisation to create."""

Email = Annotated[
    str | None, typer.Option("--email", help="The new contact's address; asked for if left out.")
]
ContactName = Annotated[str | None, typer.Option("--name", help="What the new contact is called.")]
ContactLanguage = Annotated[Language, typer.Option("--language", help="What the new contact reads.")]
AdminEmail = Annotated[
    str | None, typer.Option("--email", help="The address of the customer's admin; asked for if left out.")
]
Partner = Annotated[
    str | None, typer.Option("--partner", metavar="KEY", help="The organisation that keeps access.")
]
NewPartner = Annotated[
    Described | None,
    typer.Option("--new-partner", metavar="NAME INDUSTRY COUNTRY", help="Create the partner instead."),
]
Customer = Annotated[
    str | None, typer.Option("--customer", metavar="KEY", help="The organisation the service is for.")
]
NewCustomer = Annotated[
    Described | None,
    typer.Option("--new-customer", metavar="NAME INDUSTRY COUNTRY", help="Create the customer instead."),
]
OwnCompany = Annotated[
    bool, typer.Option("--own-company", help="The service is for the partner itself; there is no customer.")
]
Answers = Annotated[
    Path | None,
    typer.Option("--answers", metavar="FILE", help="Set up now: answers to the offer's form, YAML or JSON."),
]
CustomerAdmin = Annotated[
    str | None,
    typer.Option("--customer-admin", metavar="EMAIL", help="The customer sets up: whom to mail the form."),
]
CUSTOMERS_ADMIN = "customer's admin"
"""Whom `ask-customer` asks."""

AdminName = Annotated[str | None, typer.Option("--customer-admin-name", help="What the admin is called.")]
AdminLanguage = Annotated[Language, typer.Option("--customer-admin-language", help="What the admin reads.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask before binding.")]


def contact_of(
    email: str | None,
    name: str | None,
    language: Language,
    *,
    as_json: bool,
    who: str = "new contact",
) -> ContactGiven:
    """The contact, or `who` else the options name; a person who left the address out is asked for it.

    Raises:
        Refusal: INVALID_INPUT if nobody can be asked.
    """
    if email is None:
        _check_terminal(as_json, f"email: name the {who} with --email")
        email = typer.prompt(f"The {who}'s address")
    return validated(ContactGiven, {"email": email, "name": name, "language": language})


def mapping_of(  # noqa: PLR0917 - one parameter for each option
    partner: str | None,
    new_partner: Described | None,
    customer: str | None,
    new_customer: Described | None,
    own_company: bool,
    answers: Path | None,
    customer_admin: ContactGiven | None,
    reason: str | None,
) -> MappingGiven:
    """The mapping that the options describe.

    Raises:
        Refusal: INVALID_INPUT naming the options that do not go together.
    """
    if own_company == bool(customer or new_customer):
        raise Refusal(
            Code.INVALID_INPUT, "customer: give --customer, --new-customer or --own-company, one of them"
        )
    if answers is not None and customer_admin is not None:
        raise Refusal(Code.INVALID_INPUT, "answers: either you set up, or the --customer-admin does")
    set_up_by = SetUpBy.CUSTOMER if customer_admin else SetUpBy.LATER if answers is None else SetUpBy.NOW
    return validated(
        MappingGiven,
        {
            "purpose": MappingPurpose.OWN_COMPANY if own_company else MappingPurpose.FOR_CUSTOMER,
            "partner": _choice("partner", partner, new_partner),
            "customer": None if own_company else _choice("customer", customer, new_customer),
            "set_up_by": set_up_by,
            "answers": None if answers is None else read_answers(answers),
            "customer_admin": customer_admin,
            "reason": reason,
        },
    )


def admin_of(email: str | None, name: str | None, language: Language) -> ContactGiven | None:
    """The customer's admin that the options name, if they name one."""
    if email is None:
        return None
    return validated(ContactGiven, {"email": email, "name": name, "language": language}, "customer_admin")


def read_answers(file: Path) -> dict[str, Any]:
    """Answers to a set-up form.

    Raises:
        Refusal: INVALID_INPUT or NOT_FOUND, naming the file.
    """
    answers = read_document(file)
    if not isinstance(answers, dict):
        raise Refusal(Code.INVALID_INPUT, f"{file.name}: must hold an object with an answer for each field")
    return answers


def drafted(draft: Draft, asked_by: str) -> dict[str, Any]:
    """The answers that somebody saved; `asked_by` is the command that shows what is asked.

    Raises:
        Refusal: INVALID_INPUT if nobody did.
    """
    if not draft.answers:
        raise Refusal(
            Code.INVALID_INPUT,
            "answers: nobody has saved any;"
            f" give a file with --answers, as `countersign {asked_by}` asks for",
        )
    return dict(draft.answers)


def confirm(shown: ToBind, *, as_json: bool) -> None:
    """Shows what would be bound and asks whether it shall be.

    Raises:
        Refusal: INVALID_INPUT if nobody can be asked.
        typer.Abort: It shall not.
    """
    _check_terminal(as_json, "confirm: this cannot be taken back; say --yes")
    answer(shown, _to_bind, as_json=False)
    typer.confirm("Bind it? This cannot be taken back", abort=True)


def show_contact(state: ContactState) -> RenderableType:
    """How a contact stands."""
    return facts("", contact_rows(state))


def show_admin(state: ContactState) -> RenderableType:
    """How the customer's admin stands."""
    return facts("", contact_rows(state, CUSTOMERS_ADMIN.capitalize()))


def contact_rows(state: ContactState, who: str = "Contact") -> list[tuple[str, object]]:
    """How a contact, or `who` else was asked, stands, fact by fact."""
    return [
        (who, state.contact.shown),
        ("Mail sent (UTC)", state.sent_at),
        ("Accepted (UTC)", state.accepted_at),
        ("Bounced", state.bounced),
    ]


def show_mapped(mapped: Mapped) -> RenderableType:
    """What is bound now."""
    rows = [
        ("Partner", mapped.partner),
        ("Customer", mapped.customer),
        ("Since (UTC)", mapped.at),
        ("Open task", mapped.waits_for),
    ]
    return facts("The line is bound.", rows)


def show_state(state: LineState) -> RenderableType:
    """A line's state after its set-up was answered."""
    return Text(f"The set-up is complete; the line is {state}.")


def _to_bind(shown: ToBind) -> RenderableType:
    rows = [
        ("Partner", _named(shown.partner.name, shown.partner.key)),
        ("Customer", _named(shown.customer.name, shown.customer.key)),
        ("Set up by", shown.customer_admin or shown.set_up_by),
    ]
    return facts(shown.title, rows)


def _named(name: str, key: str | None) -> str:
    return f"{name} ({key})" if key else f"{name} (new)"


def _choice(field: str, key: str | None, new: Described | None) -> OrganisationChoice:
    created = None
    if new is not None:
        name, industry, country = new
        named = {"name": name, "industry": industry, "country": country.upper()}
        created = validated(NewOrganisation, named, f"new_{field}")
    return validated(OrganisationChoice, {"key": key, "new": created}, field)


def _check_terminal(as_json: bool, otherwise: str) -> None:
    if as_json or not typer.get_text_stream("stdin").isatty():
        raise Refusal(Code.INVALID_INPUT, otherwise)
