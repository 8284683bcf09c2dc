"""Memory of worker and server, idle and with thousands of open approvals, and the inbox that shows them."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median

from bench.parked import park
from bench.processes import MEGABYTE, Part, resident_megabytes
from bench.samples import PROGRAM, UNMAILED
from bench.site import Site, open_site
from bench.tables import Figures
from worker import CACHED_RUNS

OPEN = 10_000
"""Approvals."""

MOST_INBOX_MS = 50
LOOKS = 20

NOTE = (
    f"Resident memory (RSS) of one worker process, which keeps {CACHED_RUNS} runs cached, and of the server. "
    "The approvals are order lines started directly, without their orders, that ask a program; no mails."
)


async def measure(folder: Path) -> list[Figures]:
    """Opens approvals until there are `OPEN` of them and looks before and after."""
    async with open_site(folder) as site:
        idle = _memory()
        began = time.perf_counter()
        await park(site, UNMAILED, OPEN)
        opening = time.perf_counter() - began
        full = _memory()
        page = await _inbox_ms(site)
        files = _files(folder)
    memory = Figures(
        "Memory",
        ("", "idle, MB", f"{OPEN} open approvals, MB", "for each, KB"),
        [
            (
                part.value,
                f"{idle[part]:.0f}",
                f"{full[part]:.0f}",
                f"{_kilobytes_each(full[part] - idle[part])}",
            )
            for part in idle
        ]
        + [
            (name, "", f"{megabytes:.0f}", f"{_kilobytes_each(megabytes)}")
            for name, megabytes in files.items()
        ],
        [NOTE],
    )
    times = Figures(
        f"With {OPEN} open approvals",
        ("", "measured", "at most"),
        [
            ("opened, /s", f"{OPEN / opening:.0f}", ""),
            (
                f"first page of their approver's inbox, ms (median of {LOOKS})",
                f"{page:.0f}",
                str(MOST_INBOX_MS),
            ),
        ],
    )
    return [memory, times]


def _memory() -> dict[Part, float]:
    return {part: resident_megabytes(part) for part in (Part.WORKERS, Part.SERVER)}


async def _inbox_ms(site: Site) -> float:
    """Milliseconds until the first page of the inbox is there."""
    times = []
    for _ in range(LOOKS):
        began = time.perf_counter()
        page = await site.countersign.inbox(PROGRAM)
        times.append((time.perf_counter() - began) * 1000)
        assert all(entry.pending for entry in page)
    return median(times)


def _files(folder: Path) -> dict[str, float]:
    """Megabytes on disk, write-ahead logs included."""
    databases = {"server's database": folder / "temporal", "our database": folder}
    return {
        name: sum(file.stat().st_size for file in place.glob("*.db*")) / MEGABYTE
        for name, place in databases.items()
    }


def _kilobytes_each(megabytes: float) -> str:
    return f"{megabytes * 1024 / OPEN:.1f}"
