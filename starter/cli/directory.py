"""`countersign directory …`: organisations, people and their roles."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.text import Text

from domain.organisations import Directory
from starter.cli.output import answer
from starter.cli.session import Json, with_database
from starter.faults import database_errors
from starter.files import read_model
from starter.gateway import utc_now
from storage.calendars import check_calendars
from storage.database import Database
from storage.directory import Changes, load_directory

app = typer.Typer(help="Keep organisations, people and their roles.", no_args_is_help=True)


@app.command()
def load(
    file: Annotated[Path, typer.Argument(help="A directory file; see catalog/directory.yaml.")],
    as_json: Json = False,
) -> None:
    """Load organisations and people. Loading a file again changes nothing; whom it does not name stays."""
    directory = read_model(file, Directory)
    check_calendars(directory, utc_now())

    async def operation(database: Database) -> Changes:
        with database_errors():
            async with database.session() as session:
                return await load_directory(session, directory)

    answer(with_database(operation), _changes, as_json=as_json)


def _changes(changes: Changes) -> RenderableType:
    changed = (*changes.organisations, *changes.people)
    return Text(f"{len(changed)} changed{': ' if changed else '.'}{', '.join(changed)}")
