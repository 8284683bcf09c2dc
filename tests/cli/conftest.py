"""The command line, run as a shell would, against the office's server and database."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog

from starter.cli import main
from starter.dev.temporal import TemporalServer
from tests.starter.office import office, sampled

__all__ = ["no_logs", "office", "run", "sampled", "shell"]


@dataclass(frozen=True)
class Ran:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its one document on standard output."""
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        """Its one document on standard error."""
        return json.loads(self.err)


Run = Callable[..., Awaitable[Ran]]


@pytest.fixture
def shell(
    temporal_server: TemporalServer,
    sqlite_url: str,
    task_queue: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> pytest.MonkeyPatch:
    """The environment of a shell; change it with what is returned."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal_server.address)
    monkeypatch.setenv("COUNTERSIGN_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("COUNTERSIGN_TASK_QUEUE", task_queue)
    monkeypatch.setenv("COUNTERSIGN_ALLOW_SPECIAL_USE", "true")
    monkeypatch.delenv("COUNTERSIGN_ACTOR", raising=False)
    return monkeypatch


@pytest.fixture(autouse=True)
def no_logs() -> Iterator[None]:
    """The worker shares this process, and its log would be in the commands' output."""
    with structlog.testing.capture_logs():
        yield


@pytest.fixture
def run(shell: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs one command in a thread of its own, where it has its own event loop."""

    async def command(*arguments: str) -> Ran:
        capsys.readouterr()
        code = await asyncio.to_thread(main, arguments)
        said = capsys.readouterr()
        return Ran(code, said.out, said.err)

    return command
