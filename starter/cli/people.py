"""`countersign people …`: what people are told of (SPEC 6.4)."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import RenderableType

from domain.errors import Code, Refusal
from domain.mail import MailGroup
from domain.notifications import Choice
from starter.cli.output import answer, table
from starter.cli.session import Json, call
from storage.notifications import Setting

app = typer.Typer(help="See and choose what people are told of.", no_args_is_help=True)


@app.callback()
def _people() -> None:
    """Keeps the name of the one command there is."""


@app.command()
def notifications(
    person: Annotated[str, typer.Argument(metavar="PERSON", help="A person's key in the directory.")],
    organisation: Annotated[str | None, typer.Option(help="About which organisation.")] = None,
    group: Annotated[MailGroup | None, typer.Option(help="Which mails.")] = None,
    choice: Annotated[Choice | None, typer.Option(help="How they are wanted; hourly: services only.")] = None,
    as_json: Json = False,
) -> None:
    """Show which groups of mails somebody gets, after making a choice if one is given."""
    if organisation is not None and group is not None and choice is not None:
        chosen = (organisation, group, choice)
        found = call(lambda countersign: countersign.choose_notifications(person, *chosen))
    elif organisation is None and group is None and choice is None:
        found = call(lambda countersign: countersign.notifications(person))
    else:
        raise Refusal(
            Code.INVALID_INPUT, "choice: takes all of --organisation, --group and --choice, or none to look"
        )
    answer(found, _settings, as_json=as_json)


def _settings(settings: tuple[Setting, ...]) -> RenderableType:
    rows = (
        (each.organisation, each.group, each.choice, "chosen" if each.chosen else "by role")
        for each in settings
    )
    return table("", "Organisation", "Mails", "", "Because", rows=rows, empty="No role is notified.")
