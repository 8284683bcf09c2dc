"""`countersign catalog …`: publishing offers and approval definitions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.syntax import Syntax
from rich.text import Text

from domain.definitions import ApprovalDefinition
from domain.offers import Offer
from starter.cli.output import answer, table
from starter.cli.session import Json, Publisher, PublishReason, call, with_database
from starter.definitions import PlannedRollout, Publication
from starter.faults import database_errors
from starter.files import read_catalogue
from storage import catalogue
from storage.catalogue import Version
from storage.database import Database

app = typer.Typer(help="Publish what can be ordered and how it is approved.", no_args_is_help=True)


@app.command()
def publish(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Holds offers/*.yaml and definitions/*.yaml.")
    ],
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Say what would change and what becomes of open requests; change nothing."
        ),
    ] = False,
    actor: Publisher = None,
    reason: PublishReason = None,
    as_json: Json = False,
) -> None:
    """Publish new versions, and start the rollouts that follow from them; published ones are immutable."""
    offers, definitions = read_catalogue(folder)
    done = call(
        lambda countersign: countersign.publish_catalogue(
            offers, definitions, actor=actor, reason=reason, dry_run=dry_run
        )
    )
    answer(done, published, as_json=as_json)


@app.command("list")
def list_versions(
    name: Annotated[str | None, typer.Option(help="Only this offer or definition.")] = None,
    as_json: Json = False,
) -> None:
    """List every published version, newest first."""
    offers = with_database(_versions(Offer, name))
    definitions = with_database(_versions(ApprovalDefinition, name))
    if as_json:
        answer({"offers": offers, "definitions": definitions}, lambda _: "", as_json=True)
    else:
        answer((offers, definitions), _list, as_json=False)


def _versions(
    kind: type[Offer | ApprovalDefinition], name: str | None
) -> Callable[[Database], Awaitable[tuple[Version, ...]]]:
    async def operation(database: Database) -> tuple[Version, ...]:
        with database_errors():
            async with database.reading() as session:
                return await catalogue.list_versions(session, kind, name)

    return operation


def published(publication: Publication) -> RenderableType:
    """What publishing came to: differences, warnings, and what becomes of open requests."""
    done = "would be published" if publication.dry_run else "published"
    parts: list[RenderableType] = []
    for change in publication.new:
        parts.append(Text(f"{change.reference} {done}", style="green"))
        if change.diff:
            parts.append(Syntax(change.diff, "diff", background_color="default"))
    parts.extend(
        Text(f"warning: {warned.reference}, {warned.path}: {warned.message}", style="yellow")
        for warned in publication.warnings
    )
    for planned in publication.rollouts:
        if publication.dry_run:
            parts.append(fates(planned))
        elif planned.rollout is not None:
            parts.append(Text(f"{planned.rollout} tells open requests of {planned.reference}"))
    parts.append(Text(f"{len(publication.new)} {done}, {len(publication.unchanged)} unchanged."))
    return Group(*parts)


def fates(plan: PlannedRollout) -> RenderableType:
    """What would become of the open requests, as a table."""
    return table(
        f"{plan.reference}: open requests",
        "Process",
        "Definition",
        "Stage",
        "Votes",
        "Becomes",
        rows=(
            (
                fate.process,
                fate.definition,
                fate.stage,
                [f"{vote.stage}: {vote.verdict} ({vote.person})" for vote in fate.votes],
                fate.becomes or "passed by: its approval is over",
            )
            for fate in plan.fates
        ),
        empty=f"{plan.reference} concerns no open request.",
    )


def _list(found: tuple[tuple[Version, ...], tuple[Version, ...]]) -> RenderableType:
    offers, definitions = found
    columns = ("Name", "Version", "Title", "Published (UTC)", "By", "Why", "Hash")
    return Group(
        table("Offers", *columns, rows=map(_row, offers), empty="No offers."),
        Text(),
        table(
            "Approval definitions", *columns, rows=map(_row, definitions), empty="No approval definitions."
        ),
    )


def _row(version: Version) -> tuple[object, ...]:
    published = version.published_at, version.published_by, version.published_reason
    return version.name, version.version, version.body.title, *published, version.hash[:12]
