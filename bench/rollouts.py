"""How long a reset takes to reach a thousand open requests, paced as it is by default and unpaced."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.parked import park
from bench.processes import Part, cpu_seconds
from bench.samples import UNMAILED, UNMAILED_ANEW, UNMAILED_ONCE_MORE
from bench.site import Site, open_site
from bench.tables import Figures
from domain.definitions import ApprovalDefinition
from domain.rollouts import PER_SECOND, RolloutProgress
from starter.publishing import publish

OPEN = 1_000
"""Requests, of which the worker keeps half cached."""

UNPACED = 1_000.0
"""Requests a second: more than any machine tells."""

PARTS = (Part.SERVER, Part.WORKERS)

NOTE = (
    "From the start of the rollout until its run has ended, without the wait for requests that are just "
    "being started to be listed. The paced rollout comes first. Each request is told by one update, drops "
    "its stage, opens the new one, resolves its roster and writes projection, audit and inbox; no mails. A "
    "worker keeps 500 runs cached: the others are replayed first."
)


async def measure(folder: Path) -> list[Figures]:
    """Resets the same requests twice, each time to a newer version."""
    async with open_site(folder) as site:
        await publish(site.stack.database, [], [UNMAILED], datetime.now(UTC))
        await park(site, UNMAILED, OPEN)
        rows = [
            (f"paced, {PER_SECOND:.0f} a second", *await _roll_out(site, UNMAILED_ANEW, PER_SECOND)),
            ("not paced", *await _roll_out(site, UNMAILED_ONCE_MORE, UNPACED)),
        ]
    columns = ("", "seconds", "requests/s", *(f"{part.value}, CPU ms each" for part in PARTS))
    return [Figures(f"A reset of {OPEN} open requests", columns, rows, [NOTE])]


async def _roll_out(site: Site, definition: ApprovalDefinition, per_second: float) -> tuple[str, ...]:
    await publish(site.stack.database, [], [definition], datetime.now(UTC))
    cpu_before, began = cpu_seconds(), time.perf_counter()
    rollout = await site.countersign.start_rollout(
        definition.name, definition.version, per_second=per_second, settle=timedelta()
    )
    handle = site.client.get_workflow_handle(rollout, result_type=RolloutProgress)
    progress = await handle.result()
    seconds = time.perf_counter() - began
    assert (progress.changed, progress.refused, progress.unreached) == (OPEN, {}, ()), progress
    cpu = cpu_seconds()
    each = (f"{(cpu[part] - cpu_before[part]) * 1000 / OPEN:.0f}" for part in PARTS)
    return f"{seconds:.0f}", f"{OPEN / seconds:.0f}", *each
