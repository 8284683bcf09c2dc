"""What commands share: their options, and the connection they work on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from starter.cli.output import JSON_FLAG
from starter.client import Countersign
from starter.settings import Settings, connect, load
from storage.database import Database

STATE = Path(".countersign")
"""Where `countersign dev` keeps its state, below the current directory."""

Json = Annotated[bool, typer.Option(JSON_FLAG, help="Print one JSON document.")]
Actor = Annotated[
    str,
    typer.Option(
        "--as",
        envvar="COUNTERSIGN_ACTOR",
        metavar="PERSON",
        help="Who you are: a person's key in the directory.",
    ),
]
OrderId = Annotated[str, typer.Argument(metavar="ORDER", help="The order's id, without `order-`.")]
Process = Annotated[str, typer.Argument(metavar="PROCESS", help="A workflow id, such as order-…-line-1.")]
LineNumber = Annotated[int | None, typer.Option("--line", min=1, help="One line; all of them if left out.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Why, for the audit and the mails.")]
RequestId = Annotated[
    str | None,
    typer.Option("--request-id", help="Idempotency key: the same command with the same key counts once."),
]

T = TypeVar("T")


class CliSettings(Settings):
    """What the command line is told beside the shared settings.

    Attributes:
        allow_special_use: Accept domains nobody can own, such as `contoso.example`, for trying things out.
    """

    allow_special_use: bool = False


def call(operation: Callable[[Countersign], Awaitable[T]]) -> T:
    """Runs one operation on a connection of its own."""

    async def run() -> T:
        async with _client() as countersign:
            return await operation(countersign)

    return asyncio.run(run())


def with_database(operation: Callable[[Database], Awaitable[T]]) -> T:
    """Runs one operation on the database alone."""

    async def run() -> T:
        database = Database(_settings().database_url)
        try:
            return await operation(database)
        finally:
            await database.dispose()

    return asyncio.run(run())


@asynccontextmanager
async def _client() -> AsyncIterator[Countersign]:
    settings = _settings()
    database = Database(settings.database_url)
    try:
        # Connected at the first call that needs it: lists work while Temporal is away.
        client = await connect(lazy=True)
        yield Countersign(
            client,
            database,
            allow_special_use=settings.allow_special_use,
            task_queue=settings.task_queue,
        )
    finally:
        await database.dispose()


def _settings() -> CliSettings:
    """The settings, by default those of the embedded stack that runs in this directory, if one does."""
    embedded = False
    if STATE.is_dir():
        try:
            from starter.dev.stack import use_running  # noqa: PLC0415 - comes with the `dev` extra
        except ModuleNotFoundError:
            pass
        else:
            embedded = use_running(STATE) is not None
    settings = load(CliSettings)
    return settings.model_copy(update={"allow_special_use": True}) if embedded else settings
