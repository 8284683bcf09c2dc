"""`countersign link …`: what the links in mails are for."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import RenderableType

from starter.cli.output import answer, facts
from starter.cli.session import Json, call
from starter.links import LinkShown

app = typer.Typer(help="Look behind the links in mails.", no_args_is_help=True)

Token = Annotated[str, typer.Argument(metavar="TOKEN", help="What follows `/links/` in the link.")]


@app.command()
def show(token: Token, as_json: Json = False) -> None:
    """Show what a link is for, for whom and until when. Looking changes nothing."""
    answer(call(lambda countersign: countersign.show_link(token)), _shown, as_json=as_json)


def _shown(link: LinkShown) -> RenderableType:
    return facts(
        link.title,
        [
            ("For", link.purpose),
            ("Contact", link.contact),
            ("Until (UTC)", link.expires_at),
            ("Order", link.order),
            ("Line", link.line),
            ("Offer", link.offer),
            ("State", link.state),
            ("Bound since (UTC)", link.ponr_at),
        ],
    )
