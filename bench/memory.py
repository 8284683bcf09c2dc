"""Memory of worker and server, idle and with thousands of open approvals, and the inbox that shows them."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from sqlalchemy import func, select
from sqlmodel import col

from bench.processes import MEGABYTE, Part, resident_megabytes
from bench.samples import APPROVED, CUSTOMER, PARTNER, PROGRAM, PROVIDER, REQUESTER, UNMAILED
from bench.site import LOOK_EVERY_S, Site, for_each, open_site
from bench.tables import Figures
from domain import wire
from domain.definitions import content_hash
from domain.orders import Line, OrderContext, OrderLine
from domain.organisations import Parties
from storage.tables import ApprovalRow
from worker import CACHED_RUNS

OPEN = 5_000
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
        await for_each(range(OPEN), lambda number: _start(site, number))
        while await _open_approvals(site) < OPEN:  # noqa: ASYNC110 - what changes is in another process
            await asyncio.sleep(LOOK_EVERY_S)
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
        ("", "figure"),
        [
            ("opened, /s", f"{OPEN / opening:.0f}"),
            (f"first page of their approver's inbox, ms (median of {LOOKS})", f"{page:.0f}"),
        ],
    )
    return [memory, times]


async def _start(site: Site, number: int) -> None:
    now = datetime.now(UTC)
    context = OrderContext(
        id=f"parked{number:05}",
        parties=Parties(provider=PROVIDER, partner=PARTNER, customer=CUSTOMER),
        requested_by=REQUESTER,
        requested_by_name="Lena Brunner",
        customer_name="Alpenblick Treuhand AG",
        submitted_at=now,
    )
    line = Line(
        number=1,
        offer=APPROVED,
        offer_hash=content_hash(APPROVED),
        approval=UNMAILED,
        approval_hash=content_hash(UNMAILED),
    )
    await site.client.start_workflow(
        wire.ORDER_LINE,
        OrderLine(context=context, line=line, checked_at=now),
        id=wire.line_id(context.id, line.number),
        task_queue=wire.TASK_QUEUE,
    )


def _memory() -> dict[Part, float]:
    return {part: resident_megabytes(part) for part in (Part.WORKERS, Part.SERVER)}


async def _open_approvals(site: Site) -> int:
    async with site.stack.database.reading() as session:
        query = select(func.count()).select_from(ApprovalRow).where(col(ApprovalRow.is_open))
        return await session.scalar(query) or 0


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
