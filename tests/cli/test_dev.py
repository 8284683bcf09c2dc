"""`countersign dev` as people live in it: another shell finds it, and its state survives a restart."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from starter.dev.samples import ORDERS
from starter.logs import WORKER_READY
from storage import processes
from storage.database import Database

COUNTERSIGN = (sys.executable, "-P", "-m", "starter.cli")
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("TEMPORAL_", "COUNTERSIGN_", "PYTHONPATH"))
}


@asynccontextmanager
async def dev(folder: Path) -> AsyncIterator[dict[str, Any]]:
    """`countersign dev --json` in a folder; what it says of itself once it runs."""
    process = await asyncio.create_subprocess_exec(
        *COUNTERSIGN, "dev", "--json", cwd=folder, env=ENVIRONMENT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        said = await asyncio.wait_for(process.stdout.readuntil(b"\n}\n"), 60)
        yield json.loads(said)
    finally:
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 60) == 0


async def command(folder: Path, *arguments: str) -> Any:
    """The answer to a command in another shell."""
    process = await asyncio.create_subprocess_exec(
        *COUNTERSIGN, *arguments, "--json", cwd=folder, env=ENVIRONMENT, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0
    return json.loads(said)


async def asked(url: str, process: str) -> None:
    """Waits until somebody is asked to decide; a command would cost a second each time."""
    database = Database(url)
    async with asyncio.timeout(80):
        while True:
            async with database.reading() as session:
                waiting = await processes.open_approvals(session)
            if any(each.process == process and each.roster for each in waiting):
                break
            await asyncio.sleep(0.1)
    await database.dispose()


async def test_another_shell_finds_the_stack_and_open_approvals_survive_its_restart(tmp_path: Path) -> None:
    async with dev(tmp_path) as first:
        assert first["database"].startswith("sqlite")
        order = (await command(tmp_path, "order", "submit", str(ORDERS / "2-two-of-three.yaml")))["order"]
        process = f"order-{order}-line-1"
        await asked(first["database"], process)

    async with dev(tmp_path) as again:
        assert again == first
        decided = await command(tmp_path, "approvals", "approve", process, "--as", "nordwall-manager-1")
        assert (decided["stage"], decided["status"]) == ("managers", "PENDING")


@asynccontextmanager
async def mortal_dev(folder: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, dict[str, int]]]:
    """A `countersign dev` that the test ends in its own way, with the pids of its programs by name."""
    process = await asyncio.create_subprocess_exec(
        *COUNTERSIGN, "dev", "--json", cwd=folder, env=ENVIRONMENT,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        await asyncio.wait_for(process.stdout.readuntil(b"\n}\n"), 60)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        commands = {int(pid): Path(f"/proc/{pid}/cmdline").read_text() for pid in children}
        yield (
            process,
            {"worker" if "worker" in said else "temporal": pid for pid, said in commands.items()},
        )
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.communicate(), 60)


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def gone(*pids: int) -> None:
    """Waits until none of these processes lives."""
    async with asyncio.timeout(80):
        while any(map(lives, pids)):
            await asyncio.sleep(0.05)


linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


async def worker_works(folder: Path) -> None:
    """Starts `countersign worker` in a folder and ends it once it works."""
    worker = await asyncio.create_subprocess_exec(
        *COUNTERSIGN, "worker", cwd=folder, env=ENVIRONMENT,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert worker.stdout is not None
    await asyncio.wait_for(worker.stdout.readuntil(WORKER_READY.encode()), 60)
    worker.terminate()
    await asyncio.wait_for(worker.communicate(), 60)


@linux
async def test_a_second_worker_works_for_the_stack_and_a_closed_terminal_ends_everything_in_order(
    tmp_path: Path,
) -> None:
    async with mortal_dev(tmp_path) as (process, programs):
        await worker_works(tmp_path)
        process.send_signal(signal.SIGHUP)
        assert await asyncio.wait_for(process.wait(), 60) == 0
        await gone(*programs.values())


@linux
async def test_no_program_outlives_a_killed_dev(tmp_path: Path) -> None:
    async with mortal_dev(tmp_path) as (process, programs):
        assert set(programs) == {"worker", "temporal"}
        process.kill()
        await process.wait()
        await gone(*programs.values())


@linux
async def test_a_part_that_ends_by_itself_ends_dev_and_is_named(tmp_path: Path) -> None:
    async with mortal_dev(tmp_path) as (process, programs):
        os.kill(programs["worker"], signal.SIGKILL)
        _, err = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 7
        assert "the worker ended" in json.loads(err)["message"]
