"""How long a vote takes until it is accepted and until it is answered, beside a bare update."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from statistics import quantiles
from uuid import uuid4

from temporalio.client import WorkflowUpdateStage

from bench.bare import TASK_QUEUE, Updates
from bench.bare_worker import READY
from bench.parked import park
from bench.processes import Part, cpu_seconds
from bench.samples import ASKING_ALL, VOTERS
from bench.site import Site, for_each, open_site, programs
from bench.tables import Figures
from domain import wire
from domain.decisions import Decide, DecisionRecorded, Verdict

BLOCK = 20
"""Votes of one series before the next has its turn."""

TURNS = 6
WARM_UP = 20
AT_ONCE = (1, 8)
"""Votes under way at once."""

STAGES = (WorkflowUpdateStage.ACCEPTED, WorkflowUpdateStage.COMPLETED)
BARE, TELLING, OURS = "bare update", "bare, with a local activity", "vote"
KINDS = (BARE, TELLING, OURS)

VOTES = len(STAGES) * len(AT_ONCE) * TURNS * BLOCK + WARM_UP
CAST = VOTERS[:-1]
"""Who votes on each run: not the last, so that it stays open and nothing follows from a vote."""

NOTE = (
    f"Each figure is over {TURNS * BLOCK} updates, in blocks of {BLOCK} in turn, so that whatever else this "
    "machine does meets all series; one worker process each, every run cached, no update ends its run. "
    "`accepted` and `completed` are different updates, each sent to wait for that stage. A bare update has a "
    "validator and no activity, or a local one that does nothing. A vote has its actor's permission checked "
    "and projection, audit and inbox written, with a commit to disk, in a local activity before it is "
    "answered (SPEC 4.3, D6)."
)

Vote = Callable[[WorkflowUpdateStage], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Series:
    """Updates of one kind.

    Attributes:
        at_once: How many are under way at once.
        stage: What the caller waits for.
        ms: How long each took, in milliseconds.
        cpu: CPU seconds of all of them, by part.
    """

    kind: str
    at_once: int
    stage: WorkflowUpdateStage
    ms: list[float] = field(default_factory=list)
    cpu: Counter[Part] = field(default_factory=Counter)

    def percentile(self, wanted: int) -> float:
        """The time that so many percent do not exceed."""
        return quantiles(self.ms, n=100)[wanted - 1]


async def measure(folder: Path) -> list[Figures]:
    """Votes in turn on runs of ours and on bare ones, one after the other and several at once."""
    async with open_site(folder) as site, programs(site.stack, "bench.bare_worker", 1, READY):
        votes = {
            BARE: await _bare_votes(site, "vote"),
            TELLING: await _bare_votes(site, "vote_and_tell"),
            OURS: await _our_votes(site),
        }
        for kind in KINDS:
            for _ in range(WARM_UP):
                await next(votes[kind])(WorkflowUpdateStage.COMPLETED)
        series = [Series(*each) for each in product(KINDS, AT_ONCE, STAGES)]
        for _ in range(TURNS):
            for each in series:
                await _take_turn(each, votes[each.kind])
    return [_latency(series), _cpu(series)]


async def _take_turn(series: Series, votes: Iterator[Vote]) -> None:
    async def cast(vote: Vote) -> None:
        began = time.perf_counter()
        await vote(series.stage)
        series.ms.append((time.perf_counter() - began) * 1000)

    before = cpu_seconds()
    await for_each([next(votes) for _ in range(BLOCK)], cast, series.at_once)
    series.cpu.update({part: now - before[part] for part, now in cpu_seconds().items()})


async def _our_votes(site: Site) -> Iterator[Vote]:
    lines = await park(site, ASKING_ALL, -(-VOTES // len(CAST)))
    return (_our_vote(site, line, actor) for actor in CAST for line in lines)


def _our_vote(site: Site, line: str, actor: str) -> Vote:
    decision = Decide(stage=ASKING_ALL.stages[0].name, round=1, verdict=Verdict.APPROVE, actor=actor)

    async def vote(stage: WorkflowUpdateStage) -> None:
        handle = site.client.get_workflow_handle(line)
        await handle.start_update(
            wire.DECIDE, decision, id=uuid4().hex, result_type=DecisionRecorded, wait_for_stage=stage
        )

    return vote


async def _bare_votes(site: Site, update: str) -> Iterator[Vote]:
    runs = [f"bare-{uuid4().hex}" for _ in range(-(-VOTES // len(CAST)))]
    await for_each(runs, lambda each: site.client.start_workflow(Updates.run, id=each, task_queue=TASK_QUEUE))
    return (_bare_vote(site, run, update, actor) for actor in CAST for run in runs)


def _bare_vote(site: Site, run: str, update: str, actor: str) -> Vote:
    async def vote(stage: WorkflowUpdateStage) -> None:
        handle = site.client.get_workflow_handle(run)
        await handle.start_update(update, actor, id=uuid4().hex, wait_for_stage=stage)

    return vote


def _latency(series: list[Series]) -> Figures:
    bare = {(each.at_once, each.stage): each.percentile(50) for each in series if each.kind == BARE}
    rows = [
        (
            f"{each.stage.name.lower()}, {each.at_once} at once: {each.kind}",
            *(f"{each.percentile(wanted):.1f}" for wanted in (50, 95, 99)),
            f"{each.percentile(50) / bare[each.at_once, each.stage]:.2f}",
        )
        for at_once, stage in product(AT_ONCE, STAGES)
        for each in series
        if (each.at_once, each.stage) == (at_once, stage)
    ]
    columns = ["", "p50, ms", "p95, ms", "p99, ms", "of bare, p50"]
    return Figures("Votes", columns, rows, [NOTE])


def _cpu(series: list[Series]) -> Figures:
    rows = []
    for kind in KINDS:
        own = [each for each in series if each.kind == kind]
        votes = sum(len(each.ms) for each in own)
        used = sum((each.cpu for each in own), Counter[Part]())
        rows.append((kind, *(f"{used[part] * 1000 / votes:.1f}" for part in Part)))
    return Figures("CPU of one vote", ("", *(f"{part.value}, ms" for part in Part)), rows)
