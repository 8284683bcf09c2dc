"""`countersign dev`, `demo`, `worker` and `migrate`: what runs processes, and what it stands on."""

from __future__ import annotations

import asyncio
import runpy
import signal
from pathlib import Path
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.text import Text

from domain.errors import Code, Refusal
from starter.cli.output import answer, facts
from starter.cli.session import Json, use_stack, with_database
from starter.faults import database_errors
from starter.gateway import utc_now
from starter.settings import FOLDER
from storage.database import Database


def add_to(app: typer.Typer) -> None:
    """Adds the commands to the root."""
    for command in (dev, demo, worker, migrate):
        app.command()(command)


def dev(
    folder: Annotated[Path, typer.Option(help="Where state is kept; it survives restarts.")] = FOLDER,
    samples: Annotated[bool, typer.Option(help="Publish the sample catalogue, directory and zones.")] = True,
    as_json: Json = False,
) -> None:
    """Run everything on this machine: Temporal with its UI, database, mail catcher, name server, worker."""
    try:
        asyncio.run(_live(folder, samples=samples, as_json=as_json))
    except (RuntimeError, FileNotFoundError, ModuleNotFoundError) as error:
        raise Refusal(Code.UNAVAILABLE, f"dev: {error}") from None


def demo(
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave everything running afterwards, and say where.")
    ] = False,
) -> None:
    """Play the orders of examples/orders from end to end and compare how they end."""
    from starter.dev.demo import run_demo  # noqa: PLC0415 - comes with the `dev` extra

    raise typer.Exit(run_demo(keep))


def worker() -> None:
    """Run a worker until it is told to end. Settings: COUNTERSIGN_… and Temporal's own.

    Where nothing is set, it works for the stack that `countersign dev` runs in this directory.
    """
    use_stack()
    # Not imported: the worker stands above us (SPEC 3, imports go one way).
    runpy.run_module("worker", run_name="__main__", alter_sys=True)


def migrate(as_json: Json = False) -> None:
    """Bring the database's schema up to date. Any number of processes may do so at once."""

    async def operation(database: Database) -> dict[str, str]:
        with database_errors():
            await database.migrate()
        return {"database": database.url.render_as_string(hide_password=True)}

    answer(with_database(operation), _migrated, as_json=as_json)


async def _live(folder: Path, *, samples: bool, as_json: bool) -> None:
    """Runs the stack until SIGINT, SIGTERM or SIGHUP (a closed terminal).

    Raises:
        RuntimeError: It does not start, or a part of it ended by itself.
    """
    from starter.dev.samples import CATALOGUE, copy_zones, load_samples  # noqa: PLC0415 - the `dev` extra
    from starter.dev.stack import Stack, usual_ports  # noqa: PLC0415

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    samples = samples and CATALOGUE.is_dir()
    if samples:
        copy_zones(folder / "zones")
    async with Stack(folder, ports=usual_ports()) as stack:
        if samples:
            await load_samples(stack.database, utc_now())
        running = stack.running
        where = {
            "temporal": running.temporal_address,
            "ui": running.ui_url,
            "database": running.database_url,
            "smtp": f"127.0.0.1:{running.ports.smtp}",
            "dns": f"127.0.0.1:{running.ports.dns}",
            "mails": str(folder / "mails"),
            "zones": str(stack.zone_folder),
            "worker_log": str(folder / "worker.log"),
        }
        answer(where, _where, as_json=as_json)
        stopped, broken = asyncio.create_task(stop.wait()), asyncio.create_task(stack.first_end())
        await asyncio.wait((stopped, broken), return_when=asyncio.FIRST_COMPLETED)
        if not stopped.done():
            raise RuntimeError(await broken)
        broken.cancel()


def _where(where: dict[str, str]) -> RenderableType:
    rows = ((name.replace("_", " "), value) for name, value in where.items())
    return facts("Countersign runs; Ctrl-C ends it, and its state stays", rows)


def _migrated(done: dict[str, str]) -> RenderableType:
    return Text(f"{done['database']} is up to date.")
