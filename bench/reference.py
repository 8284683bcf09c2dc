"""What the reference request costs: events, workflow tasks, actions, snapshot (SPEC 9)."""

from __future__ import annotations

import secrets
from pathlib import Path

from bench.cost import (
    MOST_ACTIONS,
    MOST_EVENTS,
    MOST_SNAPSHOT_BYTES,
    MOST_WORKFLOW_TASKS,
    cost_of,
    in_words,
    size,
)
from bench.samples import CUSTOMER, FINANCE, MANAGER, REFERENCE, TWO_STAGES
from bench.site import Site, open_site
from bench.tables import Figures
from domain.dns.requirements import TOKEN_BYTES, new_token
from starter.dev.registrar import set_records
from starter.submission import Submitted
from storage import inventory

DOMAIN = "alpenblick.example"

COST_NOTE = (
    "The request is one order line, two stages approved by update. Its order is a run of its own, which "
    "checks domain and services once (an activity) and starts one child for each line (two actions; the "
    "child's own start is counted with the child)."
)


async def measure(folder: Path) -> list[Figures]:
    """Plays the reference request on the real server with the real activities and counts."""
    async with open_site(folder) as site:
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
        ],
        [COST_NOTE],
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
