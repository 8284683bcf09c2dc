"""`countersign organisations …`: which organisation somebody means."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import RenderableType

from domain.matching import Candidate
from domain.organisations import OrganisationKind
from starter.cli.output import answer, table
from starter.cli.session import Actor, Json, call
from starter.mapping import EITHER

app = typer.Typer(help="Find organisations.", no_args_is_help=True)

COLUMNS = ("Key", "Kind", "Name", "Found by", "Verified domains", "Active users", "Last activity (UTC)")


@app.command()
def find(
    actor: Actor,
    email: Annotated[
        str | None, typer.Option("--email", help="The address of somebody who belongs to it.")
    ] = None,
    search: Annotated[
        str | None, typer.Option("--search", help="Beginnings of words of its name, or its domain.")
    ] = None,
    kind: Annotated[list[OrganisationKind] | None, typer.Option("--kind", help="Only of this kind.")] = None,
    as_json: Json = False,
) -> None:
    """Find organisations by an address, its domain or a search; the likeliest come first.

    An address or a domain finds whoever has it. Words find your own organisations, their customers and their
    partner.
    """
    kinds = tuple(kind or EITHER)
    found = call(lambda countersign: countersign.find_organisations(actor, email, search, kinds))
    answer(found, show_candidates, as_json=as_json)


def show_candidates(candidates: tuple[Candidate, ...]) -> RenderableType:
    """Organisations that may be meant, with what tells them apart."""
    rows = (
        (
            each.key,
            each.kind,
            each.name,
            each.matched,
            each.verified_domains,
            each.active_users,
            each.last_activity,
        )
        for each in candidates
    )
    return table("Organisations", *COLUMNS, rows=rows, empty="No organisation was found; create a new one.")
