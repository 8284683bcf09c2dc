"""The embedded stack: Temporal, mail catcher, name server, database and worker on one machine (SPEC D11).

`countersign dev`, the demo and the end-to-end tests run on it. All state is in one folder; everything
listens on loopback only.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError
from temporalio.client import Client

from starter.dev.keys import link_key
from starter.dev.mailcatcher import MailCatcher
from starter.dev.program import Program
from starter.dev.temporal import LOOPBACK, TemporalServer, VirtualTime, free_port
from starter.dev.zones import ZoneServer
from starter.logs import WORKER_READY
from starter.settings import FOLDER, PREFIX
from storage.database import COMMAND_BUSY_TIMEOUT_S, Database

WORKER_STARTUP = 60
"""Seconds a worker has to take its first work."""

WORKER_SHUTDOWN = 30
"""Seconds a worker has to finish what it holds."""

ROOT_ZONE = """\
$TTL 60
@ SOA localhost. hostmaster.localhost. 1 3600 600 86400 60
@ NS localhost.
localhost A 127.0.0.1
"""
"""The root of a small world: a domain without a zone file is one that nobody registered."""

_TEMPORAL_VARIABLES = "TEMPORAL_"
_CHOOSES_ELSEWHERE = (
    "TEMPORAL_ADDRESS",
    "TEMPORAL_PROFILE",
    "TEMPORAL_CONFIG_FILE",
    "COUNTERSIGN_DATABASE_URL",
)
"""Whoever sets one of these means another installation than the one in this folder."""


class Ports(BaseModel):
    """Where the parts of a stack listen; 0 means any free port."""

    model_config = ConfigDict(frozen=True)

    temporal: int = 0
    ui: int = 0
    smtp: int = 0
    dns: int = 0


@dataclass(frozen=True, slots=True)
class Running:
    """A stack that runs somewhere on this machine, as other processes need to know it."""

    folder: Path
    ports: Ports

    @property
    def temporal_address(self) -> str:
        """Host and port of Temporal."""
        return f"{LOOPBACK}:{self.ports.temporal}"

    @property
    def ui_url(self) -> str:
        """Temporal's web interface."""
        return f"http://{LOOPBACK}:{self.ports.ui}"

    @property
    def database_url(self) -> str:
        """The stack's SQLite file."""
        return f"sqlite+aiosqlite:///{self.folder.resolve() / 'countersign.db'}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which the worker and the command line find everything."""
        return {
            # A `temporal.toml` for some other cluster must not lend this one its keys.
            "TEMPORAL_CONFIG_FILE": os.devnull,
            "TEMPORAL_ADDRESS": self.temporal_address,
            "TEMPORAL_NAMESPACE": "default",
            f"{PREFIX}DATABASE_URL": self.database_url,
            f"{PREFIX}LINK_KEYS": link_key(self.folder),
            f"{PREFIX}MAIL__HOST": LOOPBACK,
            f"{PREFIX}MAIL__PORT": str(self.ports.smtp),
            f"{PREFIX}MAIL__TLS": "none",
            f"{PREFIX}MAIL__SENDER": "countersign@provider.example",
            f"{PREFIX}MAIL__SENDER_NAME": "Countersign",
            f"{PREFIX}DNS__ROOTS": f'["{LOOPBACK}"]',
            f"{PREFIX}DNS__ANCHORS": "[]",
            f"{PREFIX}DNS__PORT": str(self.ports.dns),
            f"{PREFIX}DNS__ALLOW_PRIVATE": "true",
            f"{PREFIX}DNS__DELEGATION_CACHE": "0",
            f"{PREFIX}FINISH_WITHIN": "PT3S",
            f"{PREFIX}ADAPTERS": '{"local": {"kind": "local"}}',
        }


class Stack:
    """Everything Countersign needs, started together and stopped in order; an async context manager.

    Ports are chosen once and remembered in the folder, so that bookmarks and the Temporal CLI's `--address`
    outlive a restart, as all state does.

    Attributes:
        temporal: The Temporal server.
        mail: The server that catches every mail.
        zones: The name server that stands for the world's.
        database: The migrated database.
        client: Connected to the Temporal server.
        virtual_time: Starts runs whose clocks can be moved.

    Args:
        folder: Where state is kept.
        ports: Used the first time; afterwards the remembered ones.
        zones: The folder of zone files; `zones` in the state folder if None. It is given a
            root zone if it has none.
        environment: More variables for the worker.
    """

    temporal: TemporalServer
    mail: MailCatcher
    zones: ZoneServer
    database: Database
    client: Client
    virtual_time: VirtualTime

    def __init__(
        self,
        folder: Path = FOLDER,
        *,
        ports: Ports | None = None,
        zones: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.zone_folder = zones or folder / "zones"
        self._ports = _remembered(folder) or ports or Ports()
        self._more = dict(environment or {})
        self._worker = Program("the worker", folder / "worker.log")
        self._started = AsyncExitStack()

    async def __aenter__(self) -> Self:
        if read_running(self.folder) is not None:
            raise RuntimeError(f"{self.folder}: a stack runs here already; end it, or use another folder")
        self.zone_folder.mkdir(parents=True, exist_ok=True)
        root = self.zone_folder / "root.zone"
        if not root.exists():
            root.write_text(ROOT_ZONE)
        async with AsyncExitStack() as started:
            await self._start(started)
            self._started = started.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._started.aclose()

    @property
    def running(self) -> Running:
        """Addresses of the parts."""
        return Running(self.folder, self._ports)

    async def start_worker(self) -> None:
        """Starts the worker, in a process of its own as in production, and waits until it takes work.

        Raises:
            RuntimeError: It does not; the message has its last words.
        """
        # -P: a worker.py in the current directory is not ours.
        command = (sys.executable, "-P", "-m", "worker")
        await self._worker.start(
            *command, environment=self._environment, is_ready=self._works, within=WORKER_STARTUP
        )

    async def stop_worker(self) -> None:
        """Ends the worker in order."""
        await self._worker.stop(WORKER_SHUTDOWN)

    async def kill_worker(self) -> None:
        """Ends the worker without a warning (SIGKILL)."""
        await self._worker.kill()

    async def restart_worker(self) -> None:
        """Ends the worker, if it runs, and starts another."""
        await self.stop_worker()
        await self.start_worker()

    async def first_end(self) -> str:
        """Waits until a program of the stack has ended and says which."""
        programs = {
            asyncio.create_task(self._worker.ended()): f"the worker ended; see {self._worker.log}",
            asyncio.create_task(self.temporal.ended()): f"Temporal ended; see {self.folder / 'temporal'}",
        }
        try:
            done, _ = await asyncio.wait(programs, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in programs:
                each.cancel()
        return "; ".join(programs[each] for each in done)

    async def _start(self, started: AsyncExitStack) -> None:
        wanted = self._ports
        self.temporal = TemporalServer(
            self.folder / "temporal", wanted.temporal or None, wanted.ui or free_port()
        )
        self.mail = MailCatcher(self.folder / "mails", wanted.smtp)
        self.zones = ZoneServer(self.zone_folder, LOOPBACK, wanted.dns)
        self.database = Database(self.running.database_url, busy_timeout=COMMAND_BUSY_TIMEOUT_S)
        await started.enter_async_context(self.temporal)
        await started.enter_async_context(self.mail)
        await self.zones.start()
        started.push_async_callback(self.zones.stop)
        self._ports = Ports(
            temporal=self.temporal.port,
            ui=self.temporal.ui_port or 0,
            smtp=self.mail.port,
            dns=self.zones.port,
        )
        _ports_file(self.folder).write_text(self._ports.model_dump_json())
        started.push_async_callback(self.database.dispose)
        await self.database.migrate()
        self.client = await self.temporal.connect()
        self.virtual_time = VirtualTime(self.client)
        await self.start_worker()
        started.push_async_callback(self.stop_worker)

    @property
    def _environment(self) -> dict[str, str]:
        """The worker's: of ours everything but settings, which are the stack's own."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith((PREFIX, _TEMPORAL_VARIABLES))}
        return inherited | self.running.environment | self._more

    async def _works(self) -> bool:
        return WORKER_READY in self._worker.said


def usual_ports() -> Ports:
    """Ports at which people and Temporal's own tools look first, as far as they are free."""
    return Ports(temporal=_if_free(7233), ui=_if_free(8233), smtp=_if_free(1025))


def read_running(folder: Path = FOLDER) -> Running | None:
    """The stack that runs in a folder, or None."""
    ports = _remembered(folder)
    if ports is None or _is_free(ports.temporal):
        return None
    return Running(folder, ports)


def use_running(folder: Path = FOLDER) -> Running | None:
    """Lets this process talk to the stack that runs in a folder, as its worker does.

    Does nothing if the environment says where Temporal or the database is: that wins.
    """
    if any(name in os.environ for name in _CHOOSES_ELSEWHERE):
        return None
    running = read_running(folder)
    if running is not None:
        os.environ.update(running.environment)
    return running


def is_down(folder: Path = FOLDER) -> bool:
    """Whether a stack that is not running now is what this process would talk to; see `use_running`."""
    elsewhere = any(name in os.environ for name in _CHOOSES_ELSEWHERE)
    return not elsewhere and _remembered(folder) is not None and read_running(folder) is None


def _ports_file(folder: Path) -> Path:
    return folder / "ports.json"


def _remembered(folder: Path) -> Ports | None:
    try:
        return Ports.model_validate_json(_ports_file(folder).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def _if_free(port: int) -> int:
    return port if _is_free(port) else 0


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) != 0
