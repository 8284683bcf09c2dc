"""What the reference request costs: events, workflow tasks, actions, snapshot (SPEC 9)."""

from __future__ import annotations

import asyncio
import secrets
from datetime import timedelta
from pathlib import Path

from temporalio.api.history.v1 import HistoryEvent

from bench.cost import (
    MOST_ACTIONS,
    MOST_EVENTS,
    MOST_EVENTS_OF_A_MONTH,
    MOST_SNAPSHOT_BYTES,
    MOST_WORKFLOW_TASKS,
    as_lived,
    cost_of,
    in_words,
    size,
)
from bench.samples import CUSTOMER, FINANCE, MANAGER, MONTH, REFERENCE, REQUESTER, TWO_STAGES, WATCHED
from bench.site import LOOK_EVERY_S, Site, open_site
from bench.tables import Figures
from domain.dns.requirements import TOKEN_BYTES, new_token
from domain.orders import OrderItem, SubmitOrder
from starter.client import Countersign
from starter.dev.registrar import set_records
from starter.submission import Submitted
from storage import inventory
from storage.processes import TimelineEntry

DOMAIN = "alpenblick.example"

COST_NOTE = (
    "The request is one order line, two stages approved by update. Its order is a run of its own, which "
    "checks domain and services once (an activity) and starts one child for each line (two actions; the "
    "child's own start is counted with the child)."
)

MONTH_NOTE = (
    "The watch is that of another line, in virtual time: deployed at once, its records never set, warned "
    "twice, closed after one last look. How often it looks makes no difference to its history."
)


async def measure(folder: Path) -> list[Figures]:
    """Plays the reference request on the real server with the real activities and counts."""
    async with open_site(folder) as site:
        month = cost_of(await _watch_for_a_month(site))
        await _prove_ownership(site)
        submitted = await _play(site)
        line = (await site.client.get_workflow_handle(submitted.lines[0].process).fetch_history()).events
        order = (await site.client.get_workflow_handle(submitted.process).fetch_history()).events
    cost, parent = cost_of(line), cost_of(order)
    costs = Figures(
        "Cost of the reference request",
        ("", "measured", "at most", "its order's own run"),
        [
            ("history events", str(cost.events), str(MOST_EVENTS), str(parent.events)),
            (
                "workflow tasks",
                str(cost.workflow_tasks),
                str(MOST_WORKFLOW_TASKS),
                str(parent.workflow_tasks),
            ),
            ("billable actions", str(cost.actions), str(MOST_ACTIONS), str(parent.actions)),
            ("definition snapshot, bytes", str(size(TWO_STAGES)), str(MOST_SNAPSHOT_BYTES), ""),
            ("30 days of an open DNS watch, events", str(month.events), str(MOST_EVENTS_OF_A_MONTH), ""),
        ],
        [COST_NOTE, MONTH_NOTE],
    )
    events = Figures(
        "History of the reference request",
        ("event", "number"),
        [(in_words(event), str(event.event_id)) for event in line],
    )
    return [costs, events]


async def _prove_ownership(site: Site) -> None:
    """Sets the record before anything is ordered, so that the first look finds it."""
    async with site.stack.database.session() as session:
        token = await inventory.claim(session, DOMAIN, CUSTOMER, new_token(secrets.token_bytes(TOKEN_BYTES)))
    record = (f"_countersign-challenge.{DOMAIN}", "TXT", f"token={token} expiry=never")
    set_records(site.stack.zone_folder, {DOMAIN: {record}})


async def _play(site: Site) -> Submitted:
    submitted = await site.submit(REFERENCE, CUSTOMER, DOMAIN)
    line = submitted.lines[0].process
    for actor, stage in zip((FINANCE, MANAGER), TWO_STAGES.stages, strict=True):
        await site.approve(line, actor, stage.name)
    await site.completed(submitted.process)
    return submitted


async def _watch_for_a_month(site: Site) -> list[HistoryEvent]:
    """Lets a line wait for its records until it is closed, and returns its history."""
    time = site.stack.virtual_time
    countersign = Countersign(time.client, site.stack.database, clock=lambda: None, allow_special_use=True)
    order = SubmitOrder(
        customer=CUSTOMER, requested_by=REQUESTER, items=(OrderItem(offer=WATCHED.name),), domain=DOMAIN
    )
    submitted = await countersign.submit(order, idempotency_key=WATCHED.name)
    line = submitted.lines[0].process
    await _told(countersign, submitted.order, "line.records_seen")
    await time.skip(line, MONTH + timedelta(minutes=1))
    await _told(countersign, submitted.order, "line.closed")
    return as_lived((await time.client.get_workflow_handle(line).fetch_history()).events)


async def _told(countersign: Countersign, order: str, action: str) -> None:
    """Waits until an order's only line has announced an action."""
    while all(entry.action != action for entry in await _timeline(countersign, order)):  # noqa: ASYNC110 - what changes is in another process
        await asyncio.sleep(LOOK_EVERY_S)


async def _timeline(countersign: Countersign, order: str) -> tuple[TimelineEntry, ...]:
    return (await countersign.show(order)).timeline
