"""A program that runs beside us: started and waited for, ended in order or killed, by its own process id."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

_LAST_WORDS = 2_000
"""Characters of the log that an error shows."""

_MORTAL = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() == int(sys.argv[1]):
    os.execvp(sys.argv[2], sys.argv[2:])
"""
"""Becomes another program that Linux ends when whoever started it dies: prctl(2), PR_SET_PDEATHSIG."""


class Program:
    """One program with its log.

    Args:
        name: What errors call it.
        log: What it says is appended here.
    """

    def __init__(self, name: str, log: Path) -> None:
        self.log = log
        self._name = name
        self._said_before = 0
        self._process: asyncio.subprocess.Process | None = None

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.returncode is None

    @property
    def said(self) -> str:
        """What it has said since it was started last."""
        with self.log.open("rb") as log:
            log.seek(self._said_before)
            return log.read().decode(errors="replace").strip()

    async def start(
        self,
        *command: str,
        is_ready: Callable[[], Awaitable[bool]],
        within: float,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Starts it and waits until it is ready.

        Args:
            command: The program and its arguments.
            is_ready: Asked again and again.
            within: Seconds it has to become ready.
            environment: Its variables; ours if None.

        Raises:
            RuntimeError: It ended, or is not ready in time; the message has its last words.
        """
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._said_before = log.tell()
            # A session of its own: Ctrl-C reaches us alone, and we end things in order.
            self._process = await asyncio.create_subprocess_exec(
                *_mortal(command), stdout=log, stderr=log, env=environment, start_new_session=True
            )
        try:
            await asyncio.wait_for(self._until(is_ready), within)
        except (TimeoutError, RuntimeError) as error:
            await self.kill()
            raise RuntimeError(f"{self._name} does not start: {self.said[-_LAST_WORDS:]}") from error
        except asyncio.CancelledError:
            await self.kill()
            raise

    async def ended(self) -> None:
        """Waits until it has ended, by itself or not."""
        if self._process is not None:
            await self._process.wait()

    async def stop(self, within: float) -> None:
        """Asks it to end and kills it if it has not after `within` seconds; it may have ended already."""
        if self._process is None or not self.is_running:
            return
        self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), within)
        except TimeoutError:
            await self.kill()

    async def kill(self) -> None:
        """Ends it without a warning (SIGKILL), as a power cut would."""
        if self._process is not None and self.is_running:
            self._process.kill()
            await self._process.wait()

    async def _until(self, is_ready: Callable[[], Awaitable[bool]]) -> None:
        while not await is_ready():
            if not self.is_running:
                raise RuntimeError("it ended by itself")
            await asyncio.sleep(0.02)


def _mortal(command: tuple[str, ...]) -> tuple[str, ...]:
    """A command whose process does not outlive ours, where the system can see to that.

    Linux goes by the thread that started it: start programs from one that lasts.
    """
    if sys.platform != "linux":
        return command
    return (sys.executable, "-I", "-S", "-c", _MORTAL, str(os.getpid()), *command)
