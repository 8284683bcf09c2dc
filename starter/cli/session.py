"""What commands share: their options, and the connection they work on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from types import ModuleType
from typing import Annotated, NoReturn, TypeVar, cast

import typer
from temporalio.client import Client

from domain.errors import REFUSALS, Code, Refusal
from starter.cli.output import JSON_FLAG
from starter.client import Countersign
from starter.orders import LineResult
from starter.settings import FOLDER, Settings, connect, load
from storage.database import COMMAND_BUSY_TIMEOUT_S, Database

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
Publisher = Annotated[
    str | None,
    typer.Option(
        "--as",
        envvar="COUNTERSIGN_ACTOR",
        metavar="PERSON",
        help="Who you are: somebody who may operate at the provider; the local administrator if left out.",
    ),
]
PublishReason = Annotated[
    str | None,
    typer.Option("--reason", help="Why: kept with the version, and told to the requests concerned."),
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


def refused_by_all(results: Sequence[LineResult]) -> None:
    """Lets scripts see by the exit code that every line refused.

    Raises:
        typer.Exit: With the code of the first refusal.
    """
    refusals = [each.refused for each in results if each.refused]
    if refusals and len(refusals) == len(results):
        raise typer.Exit(REFUSALS[refusals[0].code].exit_code)


def with_database(operation: Callable[[Database], Awaitable[T]]) -> T:
    """Runs one operation on the database alone."""

    async def run() -> T:
        database = Database(_settings().database_url, busy_timeout=COMMAND_BUSY_TIMEOUT_S)
        try:
            return await operation(database)
        finally:
            await database.dispose()

    return asyncio.run(run())


def use_stack() -> bool:
    """Makes the embedded stack that runs in this directory, if one does, the default for settings.

    Returns:
        Whether one does.
    """
    stack = _embedded()
    return stack is not None and stack.use_running(FOLDER) is not None


class _StackDown:
    """Stands for the client of a stack that is down: whoever needs it is told so."""

    def __getattr__(self, name: str) -> NoReturn:
        raise Refusal(
            Code.UNAVAILABLE, "the stack of this directory is not running; start it with `countersign dev`"
        )


@asynccontextmanager
async def _client() -> AsyncIterator[Countersign]:
    stack = _embedded()
    # Any other Temporal on this machine is not the one that this directory's database belongs to.
    down = stack is not None and stack.is_down(FOLDER)
    settings = _settings()
    database = Database(settings.database_url, busy_timeout=COMMAND_BUSY_TIMEOUT_S)
    try:
        # Connected at the first call that needs it: lists work while Temporal is away.
        client = cast(Client, _StackDown()) if down else await connect(lazy=True)
        yield Countersign(
            client,
            database,
            allow_special_use=settings.allow_special_use or down,
            task_queue=settings.task_queue,
            links=settings.links,
        )
    finally:
        await database.dispose()


def _settings() -> CliSettings:
    """The settings, by default those of the embedded stack that runs in this directory, if one does."""
    embedded = use_stack()
    settings = load(CliSettings)
    return settings.model_copy(update={"allow_special_use": True}) if embedded else settings


def _embedded() -> ModuleType | None:
    """The module of the embedded stack, if this directory ever had one."""
    if not FOLDER.is_dir():
        return None
    try:
        from starter.dev import stack  # noqa: PLC0415 - comes with the `dev` extra
    except ModuleNotFoundError:
        return None
    return stack
