"""Orders per second from submission to provisioned, beside bare workflows on the same server."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from bench.bare import TASK_QUEUE, TwoSignals
from bench.bare_worker import READY
from bench.processes import Part, cpu_seconds
from bench.samples import APPROVED, FINANCE, MANAGER, PLAIN, TWO_STAGES, customers
from bench.site import SIDE_BY_SIDE, Site, for_each, open_site, programs
from bench.tables import Figures
from domain.offers import Offer

RUNS = 40
"""Orders, or bare workflows, of one load in one turn."""

TURNS = 2
"""Loads are played in turn, so that whatever else this machine does meets all of them."""

WARM_UP = 10
"""Runs that go first and are not counted."""

WORKERS = (1, 2)
BARE = "bare, two signals"
CUSTOMERS = customers(WARM_UP + TURNS * RUNS)
"""One for each order, since each may have a service once."""

NOTE = (
    f"{TURNS} turns of {RUNS} runs of each load after {WARM_UP} to warm up, {SIDE_BY_SIDE} calls at a time; "
    "all on the same cores: server (database file, WAL, synchronous=FULL), workers, SQLite, mail server and "
    "client. Orders have one line, no DNS records and no backend; all are submitted, then approved stage by "
    "stage through the client facade, which reads the projection to learn that a stage is open. An order is "
    "a run for itself and one for its line, and is finished when its own run has ended. Its mails go out by "
    "SMTP meanwhile. Bare workflows are all started, all signalled, all signalled again: three workflow "
    "tasks each."
)

CPU_NOTE = (
    "CPU until the last mail is out. The relay works in a worker's process, the mail server in the client's. "
    "An order is sent again, with its idempotency key, when it is refused because others keep writing."
)

Play = Callable[[tuple[str, ...]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn of a load came to.

    Attributes:
        cpu: CPU seconds by part.
        sent_again: Orders that found the database busy the first time.
    """

    workers: int
    load: str
    seconds: float
    cpu: dict[Part, float]
    mails: int
    sent_again: int


async def measure(folder: Path) -> list[Figures]:
    """Plays every load with one worker process and with two, on a fresh site each."""
    turns = []
    for workers in WORKERS:
        async with (
            open_site(folder / str(workers), customers=CUSTOMERS, workers=workers) as site,
            programs(site.stack, "bench.bare_worker", workers, READY),
        ):
            turns += await _play_all(site, workers)
    return [_throughput(turns), _where_the_time_goes(turns)]


async def _play_all(site: Site, workers: int) -> list[Turn]:
    loads: dict[str, Play] = {
        BARE: lambda keys: _play_bare(site, len(keys)),
        "order, no approval": lambda keys: _play_orders(site, PLAIN, keys),
        "order, two approvals": lambda keys: _play_orders(site, APPROVED, keys),
    }
    for play in loads.values():
        await play(CUSTOMERS[:WARM_UP])
    return [
        await _timed(site, workers, load, play, CUSTOMERS[start : start + RUNS])
        for start in range(WARM_UP, len(CUSTOMERS), RUNS)
        for load, play in loads.items()
    ]


async def _timed(site: Site, workers: int, load: str, play: Play, keys: tuple[str, ...]) -> Turn:
    """Plays one turn; its mails may take longer than itself, and the next turn waits for them."""
    mails_before, sent_again_before = await site.mails_out(), site.sent_again
    cpu_before, began = cpu_seconds(), time.perf_counter()
    await play(keys)
    seconds = time.perf_counter() - began
    mails = await site.mails_out() - mails_before
    cpu = {part: now - cpu_before[part] for part, now in cpu_seconds().items()}
    sent_again = site.sent_again - sent_again_before
    return Turn(workers=workers, load=load, seconds=seconds, cpu=cpu, mails=mails, sent_again=sent_again)


async def _play_bare(site: Site, number: int) -> None:
    """Starts all, signals all, signals all again and waits: no signal meets an open workflow task."""
    ids = [f"bare-{uuid4().hex}" for _ in range(number)]
    handles = [site.client.get_workflow_handle(each) for each in ids]
    await for_each(
        ids, lambda each: site.client.start_workflow(TwoSignals.run, id=each, task_queue=TASK_QUEUE)
    )
    await for_each(handles, lambda each: each.signal(TwoSignals.go_on))
    await for_each(handles, lambda each: each.signal(TwoSignals.go_on))
    await for_each(handles, lambda each: each.result())


async def _play_orders(site: Site, offer: Offer, keys: tuple[str, ...]) -> None:
    """Submits all, has all approved stage by stage, and waits until every service is provisioned."""
    orders: list[str] = []
    lines: list[str] = []

    async def submit(key: str) -> None:
        submitted = await site.submit(offer, key)
        orders.append(submitted.process)
        lines.append(submitted.lines[0].process)

    await for_each(keys, submit)
    if offer.approval is not None:
        for actor, stage in zip((FINANCE, MANAGER), TWO_STAGES.stages, strict=True):
            await for_each(lines, lambda line: site.approve(line, actor, stage.name))  # noqa: B023 - awaited in this turn
    await for_each(orders, site.completed)


def _throughput(turns: list[Turn]) -> Figures:
    loads = list(dict.fromkeys(turn.load for turn in turns))
    rate = {
        (workers, load): TURNS * RUNS / sum(turn.seconds for turn in _of(turns, workers, load))
        for workers in WORKERS
        for load in loads
    }
    rows = [
        (
            load,
            *(f"{rate[workers, load]:.1f}" for workers in WORKERS),
            *(f"{rate[workers, load] / rate[workers, BARE]:.2f}" for workers in WORKERS),
        )
        for load in loads
    ]
    columns = ("load", "1 worker, /s", "2 workers, /s", "1 worker, of bare", "2 workers, of bare")
    return Figures("Throughput, submission to provisioned", columns, rows, [NOTE])


def _where_the_time_goes(turns: list[Turn]) -> Figures:
    rows = []
    for workers, load in dict.fromkeys((turn.workers, turn.load) for turn in turns):
        own = _of(turns, workers, load)
        cpu = [sum(turn.cpu[part] for turn in own) * 1000 / TURNS / RUNS for part in Part]
        mails = sum(turn.mails for turn in own) / TURNS / RUNS
        again = f"{sum(turn.sent_again for turn in own)} of {TURNS * RUNS}"
        rows.append((load, str(workers), *(f"{each:.0f}" for each in cpu), f"{mails:.0f}", again))
    columns = ("load", "workers", *(f"{part.value}, ms" for part in Part), "mails", "sent again")
    return Figures("CPU and mails of one run", columns, rows, [CPU_NOTE])


def _of(turns: list[Turn], workers: int, load: str) -> list[Turn]:
    return [turn for turn in turns if (turn.workers, turn.load) == (workers, load)]
