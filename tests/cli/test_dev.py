"""`countersign dev` as people live in it: another shell finds it, and its state survives a restart."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starter.dev.samples import ORDERS

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


async def asked(folder: Path, process: str) -> None:
    """Waits until somebody is asked to decide."""
    async with asyncio.timeout(30):
        while True:
            waiting = await command(folder, "approvals", "list")
            if any(each["process"] == process and each["roster"] for each in waiting):
                return
            await asyncio.sleep(0.2)


async def test_another_shell_finds_the_stack_and_open_approvals_survive_its_restart(tmp_path: Path) -> None:
    async with dev(tmp_path) as first:
        assert first["database"].startswith("sqlite")
        order = (await command(tmp_path, "order", "submit", str(ORDERS / "2-two-of-three.yaml")))["order"]
        process = f"order-{order}-line-1"
        await asked(tmp_path, process)

    async with dev(tmp_path) as again:
        assert again == first
        decided = await command(tmp_path, "approvals", "approve", process, "--as", "nordwall-manager-1")
        assert (decided["stage"], decided["status"]) == ("managers", "PENDING")
